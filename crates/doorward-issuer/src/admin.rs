//! Administration: tenants, users, roles, clients and signing keys.
//!
//! Each change is one transaction with its audit entry. It needs the database
//! and not a server: the command line makes it beside a running server, which
//! notices it by [`Issuer::poll_changes`].

mod api_keys;
mod attributes;
mod clients;
mod export;
mod import;
mod master_keys;
mod tokens;

use doorward_verify::clock::Timestamp;
use serde_json::json;
use uuid::Builder;
use zeroize::Zeroizing;

pub use api_keys::{ApiKeyProblem, NewApiKey, NewKeyText, NewOwner};
pub use attributes::UserAttributes;
pub use clients::{NewClient, NewSecret};
pub use export::{EXPORT_PAGE, ExportPage};
pub use import::{
    Difference, IMPORT_BATCH, IMPORT_ROLES, Import, ImportBatch, ImportCounts, Imported, Standing,
    TwiceInBatch,
};
pub use master_keys::MasterKeyInfo;

use crate::{
    audit::{Action, Actor, AuditEntry, Object},
    entropy::random,
    error::AdminError,
    issuer::Issuer,
    password::{NewPassword, Password, PasswordHash, Salt},
    revocation::revoke_user_tokens,
    role_grant::{RoleGrant, UnknownRole},
    session::{EndCause, SessionId, end},
    store::{Tx, contention::again},
    tenant::{Tenant, TenantName},
    ticket::Purpose,
    user::{Account, User, UserId, Username},
};

/// Changes to tenants, users, roles and keys, in the name of one actor.
#[derive(Clone)]
pub struct Admin {
    issuer: Issuer,
    actor: Actor,
    /// The entity tag of the only client that is changed.
    client_tag: Option<String>,
}

/// A user to be made.
pub struct NewUser {
    /// What the user types.
    pub username: String,
    /// Where the user belongs.
    pub tenant: String,
    /// What the user signs in with.
    pub password: Password,
}

/// A part of a long list, in order.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Begin after this one.
    pub after: Option<String>,
    /// At most this many; 1000 if absent or more.
    pub limit: Option<u32>,
}

/// A change of one user, begun.
struct UserChange {
    tx: Tx,
    user: UserId,
    now: Timestamp,
}

/// A change of one role of one user.
#[derive(Clone, Copy)]
enum RoleChange {
    Grant,
    Revoke,
}

impl Issuer {
    /// Administration as the operator of this machine.
    pub fn admin(&self) -> Admin {
        Admin {
            issuer: self.clone(),
            actor: Actor::operator("local"),
            client_tag: None,
        }
    }
}

impl Admin {
    /// The same, in the name of `actor`.
    #[must_use]
    pub fn acting_as(self, actor: Actor) -> Self {
        Self { actor, ..self }
    }

    /// The same, for changes of the client that has this entity tag and no other:
    /// [`AdminError::Changed`] for one that changed since.
    #[must_use]
    pub(crate) fn only_client(self, tag: Option<&str>) -> Self {
        Self {
            client_tag: tag.map(str::to_owned),
            ..self
        }
    }

    /// Every tenant, by name.
    pub async fn tenants(&self) -> Result<Vec<Tenant>, AdminError> {
        Ok(self.issuer.store().tenants().await?)
    }

    /// Makes a tenant.
    pub async fn add_tenant(&self, name: &str) -> Result<Tenant, AdminError> {
        let name = TenantName::parse(name)?;
        again(async || {
            let now = self.now();
            let mut tx = self.issuer.store().begin().await?;
            if !tx.insert_tenant(&name, now).await? {
                return Err(AdminError::TenantExists(name.clone()));
            }
            let entry = self
                .entry(now, Action::TenantAdd, Object::Tenant(&name))
                .tenant(&name);
            tx.record(entry).await?;
            tx.commit().await?;
            Ok(Tenant {
                name: name.clone(),
                created_at_ms: now.millis(),
            })
        })
        .await
    }

    /// Users by name.
    pub async fn users(&self, page: Page) -> Result<Vec<User>, AdminError> {
        let after = page.after.unwrap_or_default().to_ascii_lowercase();
        Ok(self.issuer.store().users(&after, page.limit).await?)
    }

    /// One user.
    pub async fn user(&self, username: &str) -> Result<User, AdminError> {
        let username = Username::parse(username)?;
        let user = self.issuer.store().user(&username).await?;
        user.ok_or(AdminError::NoSuchUser(username))
    }

    /// Makes a user.
    pub async fn add_user(&self, new: NewUser) -> Result<User, AdminError> {
        let username = Username::parse(&new.username)?;
        let home_tenant = TenantName::parse(&new.tenant)?;
        let hash = self.hash(new.password, &username).await?;
        let now = self.now();
        let id = Builder::from_unix_timestamp_millis(now.millis(), &random(self.issuer.entropy()));
        let user = User {
            id: UserId::from_text(id.into_uuid().to_string()),
            username,
            home_tenant,
            disabled_at_ms: None,
            created_at_ms: now.millis(),
        };
        again(async || {
            let mut tx = self.issuer.store().begin().await?;
            if !tx.has_tenant(&user.home_tenant).await? {
                return Err(AdminError::NoSuchTenant(user.home_tenant.clone()));
            }
            if !tx.insert_account(&user, &hash).await? {
                return Err(AdminError::UserExists(user.username.clone()));
            }
            let entry = self
                .entry(now, Action::UserAdd, Object::User(&user.id))
                .tenant(&user.home_tenant)
                .detail(json!({ "username": user.username.as_str() }));
            tx.record(entry).await?;
            tx.commit().await?;
            Ok(user.clone())
        })
        .await
    }

    /// Disables a user: refused in every flow, sessions ended, access tokens
    /// refused. `false` if it was so already.
    pub async fn disable_user(&self, username: &str) -> Result<bool, AdminError> {
        self.set_disabled(username, true, None).await
    }

    /// Lets a disabled user sign in again. `false` if it was so already.
    pub async fn enable_user(&self, username: &str) -> Result<bool, AdminError> {
        self.set_disabled(username, false, None).await
    }

    /// One of the two, of an account that still has the version `expected`.
    pub(crate) async fn set_disabled(
        &self,
        username: &str,
        disabled: bool,
        expected: Option<i64>,
    ) -> Result<bool, AdminError> {
        again(async || {
            let mut change = self.begin_for(username).await?;
            if let Some(expected) = expected {
                let state = change.tx.account_state(&change.user).await?;
                if state.is_none_or(|state| state.version != expected) {
                    return Err(AdminError::Changed);
                }
            }
            if !self.switch(&mut change, disabled).await? {
                return Ok(false);
            }
            change.tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Disables or enables; `false` if it was so already.
    async fn switch(&self, change: &mut UserChange, disabled: bool) -> Result<bool, AdminError> {
        let since = disabled.then_some(change.now);
        if !change.tx.set_disabled(&change.user, since).await? {
            return Ok(false);
        }
        if disabled {
            self.end_all(change, Action::UserDisable, EndCause::UserDisabled)
                .await?;
        } else {
            let object = Object::User(&change.user);
            let entry = self.entry(change.now, Action::UserEnable, object);
            change.tx.record(entry).await?;
        }
        Ok(true)
    }

    /// Ends one session: its refresh token and access tokens are refused.
    /// `false` if there is none alive.
    pub(crate) async fn end_session(&self, session: SessionId) -> Result<bool, AdminError> {
        again(async || {
            let now = self.now();
            let mut tx = self.issuer.store().begin().await?;
            let (cause, actor) = (EndCause::Administrator, Some(&self.actor));
            if !end(&mut tx, session, cause, actor, now).await? {
                return Ok(false);
            }
            tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Sets a password and ends the user's sessions.
    pub async fn set_password(&self, username: &str, password: Password) -> Result<(), AdminError> {
        let hash = self.hash(password, &Username::parse(username)?).await?;
        again(async || {
            let mut change = self.begin_for(username).await?;
            change.tx.set_password_hash(&change.user, &hash).await?;
            self.end_all(&mut change, Action::UserPassword, EndCause::PasswordChanged)
                .await?;
            Ok(change.tx.commit().await?)
        })
        .await
    }

    /// A token with which a user sets a password without knowing the old one:
    /// once, and for `lifetime` seconds. The operator hands it over; nothing is
    /// sent to anybody.
    pub async fn issue_password_reset(
        &self,
        username: &str,
        lifetime: u64,
    ) -> Result<Zeroizing<String>, AdminError> {
        let username = Username::parse(username)?;
        let account = self.issuer.store().account_by_name(&username).await?;
        let Some(account) = account else {
            return Err(AdminError::NoSuchUser(username));
        };
        if account.disabled {
            return Err(AdminError::UserDisabled(username));
        }
        let now = self.now();
        let expires_at = now.unix().saturating_add(lifetime);
        let (purpose, tenant) = (Purpose::PasswordReset, &account.home_tenant);
        let token = self.issuer.ticket(purpose, &account, tenant, expires_at);
        let token = token.await?;
        let detail = json!({ "expires_at": expires_at.as_secs() });
        let object = Object::User(&account.id);
        let record = async || {
            let mut tx = self.issuer.store().begin().await?;
            let entry = self.entry(now, Action::PasswordResetIssue, object);
            tx.record(entry.tenant(tenant).detail(detail.clone()))
                .await?;
            Ok::<_, AdminError>(tx.commit().await?)
        };
        again(record).await?;
        Ok(token)
    }

    /// Takes away the second factor of a user who lost it, and ends the
    /// user's sessions. `false` if there was none.
    pub async fn remove_second_factor(&self, username: &str) -> Result<bool, AdminError> {
        again(async || {
            let mut change = self.begin_for(username).await?;
            if !change.tx.delete_second_factor(&change.user).await? {
                return Ok(false);
            }
            let (action, cause) = (Action::SecondFactorRemove, EndCause::FactorChanged);
            self.end_all(&mut change, action, cause).await?;
            change.tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Sets the password of an account for which a reset token was shown, and
    /// ends its sessions. `false` if the account changed since.
    pub(crate) async fn reset_password(
        &self,
        account: &Account,
        hash: &PasswordHash,
    ) -> Result<bool, AdminError> {
        again(async || {
            let mut tx = self.issuer.store().begin().await?;
            let state = tx.account_state(&account.id).await?;
            let is_same = |version| version == account.version;
            if !state.is_some_and(|state| !state.disabled && is_same(state.version)) {
                return Ok(false);
            }
            // Not before the account is held: see `revocation`.
            let now = self.now();
            let user = account.id.clone();
            let mut change = UserChange { tx, user, now };
            change.tx.set_password_hash(&change.user, hash).await?;
            self.end_all(
                &mut change,
                Action::PasswordReset,
                EndCause::PasswordChanged,
            )
            .await?;
            change.tx.commit().await?;
            Ok(true)
        })
        .await
    }

    /// Ends every session of a user and every access token ("log out
    /// everywhere"). Returns how many sessions there were.
    pub async fn end_sessions(&self, username: &str) -> Result<u64, AdminError> {
        again(async || {
            let mut change = self.begin_for(username).await?;
            let cause = EndCause::Administrator;
            let ended = self
                .end_all(&mut change, Action::UserEndSessions, cause)
                .await?;
            change.tx.commit().await?;
            Ok(ended)
        })
        .await
    }

    /// Ends the sessions of a user in one tenant and their access tokens, and
    /// none elsewhere. Returns how many there were.
    pub(crate) async fn end_sessions_in(
        &self,
        username: &str,
        tenant: &TenantName,
    ) -> Result<u64, AdminError> {
        again(async || {
            let UserChange { mut tx, user, now } = self.begin_for(username).await?;
            let (cause, actor) = (EndCause::Administrator, Some(&self.actor));
            let mut ended = 0;
            for session in tx.live_sessions(&user).await? {
                let row = tx.session(session).await?;
                if row.is_some_and(|row| row.tenant == *tenant)
                    && end(&mut tx, session, cause, actor, now).await?
                {
                    ended += 1;
                }
            }
            let entry = self.entry(now, Action::UserEndSessions, Object::User(&user));
            let detail = json!({ "sessions_ended": ended });
            tx.record(entry.tenant(tenant).detail(detail)).await?;
            tx.commit().await?;
            Ok(ended)
        })
        .await
    }

    /// Gives a role. Takes effect on the next refresh, which is forced.
    /// `false` if it was so already.
    pub async fn grant_role(
        &self,
        username: &str,
        tenant: &str,
        role: &str,
    ) -> Result<bool, AdminError> {
        self.known_role(role)?;
        self.change_role(username, tenant, role, RoleChange::Grant)
            .await
    }

    /// Takes a role away: old access tokens are refused at once. Works for a
    /// role that the configuration no longer has. `false` if it was so already.
    pub async fn revoke_role(
        &self,
        username: &str,
        tenant: &str,
        role: &str,
    ) -> Result<bool, AdminError> {
        self.change_role(username, tenant, role, RoleChange::Revoke)
            .await
    }

    /// The roles of a user, by tenant and name.
    pub async fn role_grants(&self, username: &str) -> Result<Vec<RoleGrant>, AdminError> {
        let user = self.user(username).await?;
        let roles = self.issuer.roles();
        let grants = self.issuer.store().grants(&user.id).await?.into_iter();
        let shown = grants.map(|(tenant, role, granted_at_ms)| {
            let known = roles.get(&role).is_some();
            RoleGrant {
                tenant,
                role,
                granted_at_ms,
                known,
            }
        });
        Ok(shown.collect())
    }

    /// Whether the configuration has the role.
    fn known_role(&self, role: &str) -> Result<(), UnknownRole> {
        let roles = self.issuer.roles();
        match roles.get(role) {
            Some(_) => Ok(()),
            None => Err(UnknownRole {
                role: role.to_owned(),
                known: roles.names().map(ToString::to_string).collect(),
            }),
        }
    }

    fn now(&self) -> Timestamp {
        self.issuer.clock().now()
    }

    fn entry<'a>(&'a self, now: Timestamp, action: Action, object: Object<'a>) -> AuditEntry<'a> {
        AuditEntry::new(self.actor.at(now), action, object)
    }

    async fn hash(
        &self,
        password: Password,
        username: &Username,
    ) -> Result<PasswordHash, AdminError> {
        let password = NewPassword::choose(password, username.as_str())?;
        let salt = Salt(random(self.issuer.entropy()));
        Ok(self.issuer.hasher().hash(password, salt).await?)
    }

    async fn begin_for(&self, username: &str) -> Result<UserChange, AdminError> {
        let username = Username::parse(username)?;
        let mut tx = self.issuer.store().begin().await?;
        let Some(user) = tx.account_id(&username).await? else {
            return Err(AdminError::NoSuchUser(username));
        };
        // Not before the account is held: see `revocation`.
        let now = self.now();
        Ok(UserChange { tx, user, now })
    }

    /// Ends the sessions of a user, refuses the access tokens, and records
    /// `action` as the reason. How many sessions there were.
    async fn end_all(
        &self,
        change: &mut UserChange,
        action: Action,
        cause: EndCause,
    ) -> Result<u64, AdminError> {
        let UserChange { tx, user, now } = change;
        let ended = tx.end_sessions_of(user, cause, *now).await?;
        revoke_user_tokens(tx, user, cause.name(), *now).await?;
        let detail = json!({ "sessions_ended": ended });
        tx.record(self.entry(*now, action, Object::User(user)).detail(detail))
            .await?;
        Ok(ended)
    }

    async fn change_role(
        &self,
        username: &str,
        tenant: &str,
        role: &str,
        change: RoleChange,
    ) -> Result<bool, AdminError> {
        let tenant = TenantName::parse(tenant)?;
        again(async || {
            let UserChange { mut tx, user, now } = self.begin_for(username).await?;
            if !tx.has_tenant(&tenant).await? {
                return Err(AdminError::NoSuchTenant(tenant.clone()));
            }
            let (changed, action) = match change {
                RoleChange::Grant => (
                    tx.insert_grant(&user, &tenant, role, now).await?,
                    Action::RoleGrant,
                ),
                RoleChange::Revoke => (
                    tx.delete_grant(&user, &tenant, role).await?,
                    Action::RoleRevoke,
                ),
            };
            if !changed {
                return Ok(false);
            }
            revoke_user_tokens(&mut tx, &user, action.name(), now).await?;
            let detail = json!({ "role": role });
            let entry = self
                .entry(now, action, Object::User(&user))
                .tenant(&tenant)
                .detail(detail);
            tx.record(entry).await?;
            tx.commit().await?;
            Ok(true)
        })
        .await
    }
}
