//! Many users at once, as they were elsewhere.
//!
//! An import runs in batches, each of them one transaction with its audit
//! entries; between two of them a running server writes what it has to write.
//! What ended half way is run again: who is there already is left alone, so
//! the second run adds the rest.
//!
//! The log gets one entry for each batch (`user.import`: which lines, how many
//! users and roles) and one for the whole (`installation.import`: what the file
//! was, by its SHA-256, so that file and log prove each other). What changes a
//! user who is there has entries of its own, like every such change.

mod batch;

use std::collections::BTreeSet;

use doorward_verify::clock::Timestamp;
use serde_json::json;
use uuid::Builder;

pub use batch::{IMPORT_BATCH, IMPORT_ROLES, ImportBatch, TwiceInBatch};

use super::{Admin, UserChange};
use crate::{
    attribute::Attributes,
    audit::{Action, Object},
    entropy::random,
    error::AdminError,
    password::PasswordHash,
    revocation::revoke_user_tokens,
    session::EndCause,
    store::{NewAccount, NewGrant, Taken, Tx, contention::again},
    tenant::TenantName,
    user::{User, UserId},
    user_record::ImportedUser,
};

/// An import, from its first batch to its last.
#[derive(Clone, Debug)]
pub struct Import {
    /// Stands in every audit entry of it.
    id: String,
    /// Whether users who are there already are changed.
    update: bool,
    counts: ImportCounts,
}

impl Import {
    /// What became of its users until now.
    pub fn counts(&self) -> ImportCounts {
        self.counts
    }
}

/// How a user of an import stands with what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Neither the name nor the id is there.
    New,
    /// The name is there.
    There,
    /// The name is there, in a row that Doorward did not write: left alone, and
    /// never changed.
    NotOurs,
    /// The name is there, and is not who the line means: left alone like any
    /// other who is there, and never changed.
    Differs(Difference),
    /// The name is not there, and the id is another account's.
    IdTaken,
}

/// Why a user who is there is another than the line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// The line names a tenant that is not the user's home.
    #[error("belongs to another tenant")]
    Tenant,
    /// The line names an id that is not the user's.
    #[error("has another id")]
    Id,
}

/// What became of one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Imported {
    /// Made.
    Added,
    /// Was there, and was left as it was.
    Existing,
    /// Was there, and is now as the line says.
    Updated,
    /// Should have been changed, and is there in a row that Doorward did not
    /// write: left as it was.
    NotOurs,
}

/// How many users.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Were made.
    pub added: u64,
    /// Were there, and were left as they were.
    pub existing: u64,
    /// Were there, and were changed.
    pub updated: u64,
    /// Should have been changed, and are in rows that Doorward did not write.
    pub not_ours: u64,
}

impl ImportCounts {
    fn add(&mut self, imported: Imported) {
        let count = match imported {
            Imported::Added => &mut self.added,
            Imported::Existing => &mut self.existing,
            Imported::Updated => &mut self.updated,
            Imported::NotOurs => &mut self.not_ours,
        };
        *count += 1;
    }
}

impl Admin {
    /// Begins an import; nothing is written before its first batch.
    pub fn begin_import(&self, update: bool) -> Import {
        let id = Builder::from_unix_timestamp_millis(
            self.now().millis(),
            &random(self.issuer.entropy()),
        );
        let id = id.into_uuid().to_string();
        Import {
            id,
            update,
            counts: ImportCounts::default(),
        }
    }

    /// How each of these users, with the number of their line, stands with what
    /// is there.
    pub async fn standings(
        &self,
        users: &[(u64, ImportedUser)],
    ) -> Result<Vec<Standing>, AdminError> {
        let (names, ids) = names_and_ids(users);
        let taken = self.issuer.store().taken(&names, &ids).await?;
        let users = users.iter();
        Ok(users.map(|(_, user)| Standing::of(user, &taken)).collect())
    }

    /// Imports a batch: all that is new of it, or nothing. Who is there already
    /// is changed, if at all, in a transaction of its own.
    ///
    /// # Errors
    ///
    /// [`AdminError::UserIdTaken`], [`AdminError::UserDiffers`] if users are
    /// changed, and the store.
    pub async fn import_batch(
        &self,
        import: &mut Import,
        batch: &ImportBatch,
    ) -> Result<Vec<Imported>, AdminError> {
        let mut outcomes = again(|| self.try_import_batch(import, batch)).await?;
        if import.update {
            for ((line, user), outcome) in batch.users().iter().zip(&mut outcomes) {
                if *outcome == Imported::Existing {
                    *outcome = again(|| self.update(user, *line)).await?;
                }
            }
        }
        for outcome in &outcomes {
            import.counts.add(*outcome);
        }
        Ok(outcomes)
    }

    /// Records the end of an import of the file with this SHA-256, in
    /// hexadecimal.
    pub async fn end_import(&self, import: &Import, file_sha256: &str) -> Result<(), AdminError> {
        let ImportCounts {
            added,
            existing,
            updated,
            not_ours,
        } = import.counts;
        let detail = json!({
            "import": import.id, "file_sha256": file_sha256,
            "added": added, "existing": existing, "updated": updated, "not_ours": not_ours,
        });
        let record = async || {
            let mut tx = self.issuer.store().begin().await?;
            let entry = self.entry(self.now(), Action::ImportEnd, Object::Installation);
            tx.record(entry.detail(detail.clone())).await?;
            Ok(tx.commit().await?)
        };
        again(record).await
    }

    async fn try_import_batch(
        &self,
        import: &Import,
        batch: &ImportBatch,
    ) -> Result<Vec<Imported>, AdminError> {
        let mut tx = self.issuer.store().begin().await?;
        let now = self.now();
        let (names, ids) = names_and_ids(batch.users());
        let taken = tx.taken(&names, &ids).await?;
        let mut new = Vec::new();
        for (line, user) in batch.users() {
            match Standing::of(user, &taken) {
                Standing::New => new.push(user),
                Standing::IdTaken => return Err(id_taken(user, *line)),
                Standing::Differs(difference) if import.update => {
                    return Err(differs(user, *line, difference));
                }
                Standing::There | Standing::NotOurs | Standing::Differs(_) => {}
            }
        }
        self.make_tenants(&mut tx, &new, now).await?;
        let accounts: Vec<_> = new.iter().map(|user| self.account(user)).collect();
        let added = tx.insert_accounts(&accounts).await?;
        let mut grants: Vec<NewGrant<'_>> = Vec::new();
        for (user, account) in new.iter().zip(&accounts) {
            // Another may have taken the name since, and stays as that made it.
            if added.contains(user.username.as_str()) {
                let of_user = user.grants(&user.home_tenant).into_iter();
                grants.extend(of_user.map(|(tenant, role)| (&account.user.id, tenant, role)));
            }
        }
        let now_taken = match added.len() == new.len() {
            true => taken,
            false => tx.taken(&names, &ids).await?,
        };
        let mut outcomes = Vec::with_capacity(batch.users().len());
        for (line, user) in batch.users() {
            outcomes.push(match added.contains(user.username.as_str()) {
                true => Imported::Added,
                false if now_taken.by_name.contains_key(user.username.as_str()) => {
                    Imported::Existing
                }
                false => return Err(id_taken(user, *line)),
            });
        }
        tx.insert_grants(&grants, now).await?;
        let attributes = attributes_of(&new, &accounts, &added);
        let attributes: Vec<_> = attributes.iter().map(|(id, it)| (*id, it)).collect();
        tx.insert_attributes(&attributes).await?;
        if let (Some((first, _)), Some((last, _)), false) = (
            batch.users().first(),
            batch.users().last(),
            added.is_empty(),
        ) {
            let detail = json!({
                "import": import.id, "first_line": first, "last_line": last,
                "users": added.len(), "roles": grants.len(),
            });
            let entry = self.entry(now, Action::UserImport, Object::Installation);
            tx.record(entry.detail(detail)).await?;
        }
        tx.commit().await?;
        Ok(outcomes)
    }

    async fn make_tenants(
        &self,
        tx: &mut Tx,
        users: &[&ImportedUser],
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let mut tenants = BTreeSet::new();
        for user in users {
            tenants.insert(&user.home_tenant);
            tenants.extend(user.roles_elsewhere.iter().map(|(tenant, _)| tenant));
        }
        for tenant in tenants {
            if tx.insert_tenant(tenant, now).await? {
                let entry = self.entry(now, Action::TenantAdd, Object::Tenant(tenant));
                tx.record(entry.tenant(tenant)).await?;
            }
        }
        Ok(())
    }

    /// The account that a line asks for.
    fn account<'a>(&self, imported: &'a ImportedUser) -> NewAccount<'a> {
        let now = self.now().millis();
        let drawn = || {
            let id = Builder::from_unix_timestamp_millis(now, &random(self.issuer.entropy()));
            UserId::from_text(id.into_uuid().to_string())
        };
        let user = User {
            id: imported.id.clone().unwrap_or_else(drawn),
            username: imported.username.clone(),
            home_tenant: imported.home_tenant.clone(),
            disabled_at_ms: (imported.disabled == Some(true)).then_some(now),
            created_at_ms: imported.created_at_ms.unwrap_or(now),
        };
        let password_hash = imported.password_hash.as_ref();
        NewAccount {
            user,
            password_hash,
        }
    }

    /// Makes a user who is there what the line says. Roles are added, none is
    /// taken away; home tenant, id and age stay.
    async fn update(&self, imported: &ImportedUser, line: u64) -> Result<Imported, AdminError> {
        let mut tx = self.issuer.store().begin().await?;
        // The name is there, and accounts are not removed.
        let Some(account) = tx.account(&imported.username).await? else {
            return Ok(Imported::NotOurs);
        };
        let (id, home) = (account.id.as_str(), account.home_tenant.as_str());
        if let Some(difference) = Difference::between(imported, id, home) {
            return Err(differs(imported, line, difference));
        }
        // Not before the account is held: see `revocation`.
        let now = self.now();
        let user = account.id.clone();
        let mut change = UserChange { tx, user, now };
        let granted = self
            .add_grants(&mut change, &imported.grants(&account.home_tenant))
            .await?;
        let before = change.tx.attributes(&change.user).await?;
        let changes = &imported.attributes;
        let told = self.set_attributes(&mut change, &before, changes).await;
        let told = told.map_err(|error| in_line(error, imported, line))?;
        let stored = account.password_hash.as_ref().map(PasswordHash::to_text);
        let hash = imported.password_hash.as_ref();
        let hash = hash.filter(|hash| stored != Some(hash.to_text()));
        if let Some(hash) = hash {
            change.tx.set_password_hash(&change.user, hash).await?;
            let cause = EndCause::PasswordChanged;
            self.end_all(&mut change, Action::UserPassword, cause)
                .await?;
        }
        let disabled = imported.disabled.filter(|it| *it != account.disabled);
        if let Some(disabled) = disabled {
            self.switch(&mut change, disabled).await?;
        }
        if !granted && told.is_none() && hash.is_none() && disabled.is_none() {
            return Ok(Imported::Existing);
        }
        change.tx.commit().await?;
        Ok(Imported::Updated)
    }

    /// Whether there was one to add.
    async fn add_grants(
        &self,
        change: &mut UserChange,
        grants: &BTreeSet<(&TenantName, &str)>,
    ) -> Result<bool, AdminError> {
        let UserChange { tx, user, now } = change;
        let mut granted = false;
        for (tenant, role) in grants {
            if tx.insert_tenant(tenant, *now).await? {
                let entry = self.entry(*now, Action::TenantAdd, Object::Tenant(tenant));
                tx.record(entry.tenant(tenant)).await?;
            }
            if !tx.insert_grant(user, tenant, role, *now).await? {
                continue;
            }
            granted = true;
            let entry = self.entry(*now, Action::RoleGrant, Object::User(user));
            let entry = entry.tenant(tenant).detail(json!({ "role": role }));
            tx.record(entry).await?;
        }
        if granted {
            revoke_user_tokens(tx, user, Action::RoleGrant.name(), *now).await?;
        }
        Ok(granted)
    }
}

impl Standing {
    fn of(user: &ImportedUser, taken: &Taken) -> Self {
        if let Some(holder) = taken.by_name.get(user.username.as_str()) {
            if !holder.is_genuine {
                return Self::NotOurs;
            }
            let difference = Difference::between(user, &holder.id, &holder.home_tenant);
            return difference.map_or(Self::There, Self::Differs);
        }
        match user.id().is_some_and(|id| taken.ids.contains(id.as_str())) {
            true => Self::IdTaken,
            false => Self::New,
        }
    }
}

impl Difference {
    /// Between a line and who is there under its name. What the line leaves out
    /// is as it is there.
    fn between(user: &ImportedUser, id: &str, home: &str) -> Option<Self> {
        if user.names_tenant && user.home_tenant.as_str() != home {
            return Some(Self::Tenant);
        }
        let is_other = user.id().is_some_and(|wanted| wanted.as_str() != id);
        is_other.then_some(Self::Id)
    }
}

fn names_and_ids(users: &[(u64, ImportedUser)]) -> (Vec<&str>, Vec<&str>) {
    let users = || users.iter().map(|(_, user)| user);
    let names = users().map(|user| user.username.as_str()).collect();
    let ids = users().filter_map(|user| Some(user.id()?.as_str()));
    (names, ids.collect())
}

/// The attributes of those that were made.
fn attributes_of<'a>(
    new: &[&ImportedUser],
    accounts: &'a [NewAccount<'_>],
    added: &BTreeSet<String>,
) -> Vec<(&'a UserId, Attributes)> {
    let made = new.iter().zip(accounts);
    let made = made.filter(|(user, _)| added.contains(user.username.as_str()));
    let attributes = made.map(|(user, account)| (&account.user.id, user.new_attributes()));
    attributes.filter(|(_, it)| !it.is_empty()).collect()
}

fn id_taken(user: &ImportedUser, line: u64) -> AdminError {
    let username = user.username.clone();
    AdminError::UserIdTaken { username, line }
}

/// Tells the line of attributes that only with those of before are too many.
fn in_line(error: AdminError, user: &ImportedUser, line: u64) -> AdminError {
    let username = user.username.clone();
    match error {
        AdminError::Attribute(error) => AdminError::UserAttributes {
            username,
            line,
            error,
        },
        error => error,
    }
}

fn differs(user: &ImportedUser, line: u64, difference: Difference) -> AdminError {
    AdminError::UserDiffers {
        username: user.username.clone(),
        line,
        difference,
    }
}
