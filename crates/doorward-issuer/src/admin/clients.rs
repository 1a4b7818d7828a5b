//! Service clients in the administrator's hands.

use doorward_jose::time::UnixTime;
use doorward_policy::permission::PermissionPattern;
use doorward_verify::{clock::Timestamp, credential::Kind, revocation::Revocation};
use serde_json::json;

use super::Admin;
use crate::{
    audit::{Action, Object},
    client::{AHEAD, Client, ClientId, ClientName},
    credential::{LiveSecrets, SecretText, fresh_id},
    error::{AdminError, StoreError},
    revocation::{ALL_TOKENS, revoke, revoke_whatever_date},
    store::{ClientRow, Tx, contention::again},
    tenant::TenantName,
};

/// A client to be made.
#[derive(Clone, Debug, Default)]
pub struct NewClient {
    /// What operators call it.
    pub name: String,
    /// Where it belongs.
    pub tenant: String,
    /// Its roles there.
    pub roles: Vec<String>,
    /// Permissions that it has besides.
    pub permissions: Vec<String>,
}

impl NewClient {
    /// Refuses what cannot be, before anything else is done for it.
    ///
    /// # Errors
    ///
    /// The first part that is wrong. Whether roles and tenant exist is not
    /// looked at.
    pub fn check(&self) -> Result<(), AdminError> {
        ClientName::parse(&self.name)?;
        TenantName::parse(&self.tenant)?;
        patterns(&self.permissions).map(|_| ())
    }
}

/// A client with a secret that nobody can see again.
pub struct NewSecret {
    /// Whose it is.
    pub client: Client,
    /// The secret.
    pub secret: SecretText,
}

/// A change of one client, begun.
struct ClientChange {
    tx: Tx,
    row: ClientRow,
    now: Timestamp,
}

impl Admin {
    /// Clients by name.
    pub async fn clients(&self) -> Result<Vec<Client>, AdminError> {
        let now = self.now();
        let rows = self.issuer.store().clients().await?;
        Ok(rows.into_iter().map(|row| Client::of(row, now)).collect())
    }

    /// One client.
    pub async fn client(&self, name: &str) -> Result<Client, AdminError> {
        let ClientChange { row, now, .. } = self.begin_client(name).await?;
        Ok(Client::of(row, now))
    }

    /// Makes a client and its first secret.
    pub async fn add_client(&self, new: NewClient) -> Result<NewSecret, AdminError> {
        let name = ClientName::parse(&new.name)?;
        let tenant = TenantName::parse(&new.tenant)?;
        for role in &new.roles {
            self.known_role(role)?;
        }
        let permissions = patterns(&new.permissions)?;
        let (entropy, now) = (self.issuer.entropy(), self.now());
        let id = fresh_id(entropy);
        let keys = &self.issuer.keys().credentials;
        let (secret, current) = keys.draw(Kind::ClientSecret, &id, entropy);
        let row = ClientRow {
            id: ClientId::from_text(id),
            name,
            tenant,
            roles: new.roles,
            permissions,
            secrets: LiveSecrets { current, old: None },
            last_four: secret.last_four().to_owned(),
            tokens_from: UnixTime::from_secs(0),
            disabled_at: None,
            removed_at: None,
            created_at: now,
        };
        again(async || {
            let mut tx = self.issuer.store().begin().await?;
            if !tx.has_tenant(&row.tenant).await? {
                return Err(AdminError::NoSuchTenant(row.tenant.clone()));
            }
            if !tx.insert_client(&row).await? {
                return Err(AdminError::ClientExists(row.name.clone()));
            }
            let detail = json!({
                "name": row.name.as_str(), "roles": row.roles, "permissions": row.permissions,
            });
            let entry = self
                .entry(now, Action::ClientAdd, Object::Client(&row.id))
                .tenant(&row.tenant)
                .detail(detail);
            tx.record(entry).await?;
            Ok::<_, AdminError>(tx.commit().await?)
        })
        .await?;
        let client = Client::of(row, now);
        Ok(NewSecret { client, secret })
    }

    /// Disables a client: no more tokens, and those that are out are refused.
    /// `false` if it was so already.
    pub async fn disable_client(&self, name: &str) -> Result<bool, AdminError> {
        again(async || {
            let mut change = self.begin_client(name).await?;
            if change.row.disabled_at.is_some() {
                return Ok(false);
            }
            change.row.disabled_at = Some(change.now);
            change.refuse_tokens(Action::ClientDisable).await?;
            self.finish(change, Action::ClientDisable).await?;
            Ok(true)
        })
        .await
    }

    /// Lets a disabled client sign in again. `false` if it was so already.
    pub async fn enable_client(&self, name: &str) -> Result<bool, AdminError> {
        again(async || {
            let mut change = self.begin_client(name).await?;
            if change.row.disabled_at.take().is_none() {
                return Ok(false);
            }
            self.finish(change, Action::ClientEnable).await?;
            Ok(true)
        })
        .await
    }

    /// A new secret for a client; the present one counts for `overlap` more
    /// seconds. Without an overlap every older one ends at once, and the tokens
    /// that are out too.
    ///
    /// # Errors
    ///
    /// [`AdminError::SecretsOverlap`] if two secrets count already and an
    /// overlap is asked for.
    pub async fn rotate_client_secret(
        &self,
        name: &str,
        overlap: u64,
    ) -> Result<NewSecret, AdminError> {
        again(async || {
            let mut change = self.begin_client(name).await?;
            let (now, row) = (change.now, &mut change.row);
            one_overlap(&row.secrets, overlap, now)?;
            let keys = &self.issuer.keys().credentials;
            let (secret, mac) =
                keys.draw(Kind::ClientSecret, row.id.as_str(), self.issuer.entropy());
            let until = now.plus_millis(overlap.saturating_mul(1000));
            row.secrets = row.secrets.rotated(mac, until, now);
            row.last_four = secret.last_four().to_owned();
            let client = Client::of(row.clone(), now);
            if overlap == 0 {
                change.refuse_tokens(Action::ClientSecretRotate).await?;
            }
            self.finish(change, Action::ClientSecretRotate).await?;
            Ok(NewSecret { client, secret })
        })
        .await
    }

    /// Removes a client for good: its tokens are refused, and its name is free.
    pub async fn remove_client(&self, name: &str) -> Result<(), AdminError> {
        again(async || {
            let mut change = self.begin_client(name).await?;
            change.row.removed_at = Some(change.now);
            change.row.tokens_from = ALL_TOKENS;
            let (id, cause) = (change.row.id.as_str(), Action::ClientRemove.name());
            for revocation in marks(id, ALL_TOKENS) {
                revoke_whatever_date(&mut change.tx, revocation, cause, change.now).await?;
            }
            self.finish(change, Action::ClientRemove).await
        })
        .await
    }

    async fn begin_client(&self, name: &str) -> Result<ClientChange, AdminError> {
        let name = ClientName::parse(name)?;
        let mut tx = self.issuer.store().begin().await?;
        // Not earlier: see `revocation`.
        let now = self.now();
        let Some(row) = tx.client(&name).await? else {
            return Err(AdminError::NoSuchClient(name));
        };
        let is_meant = |tag: &String| *tag == Client::of(row.clone(), now).tag();
        match self.client_tag.as_ref().is_none_or(is_meant) {
            true => Ok(ClientChange { tx, row, now }),
            false => Err(AdminError::Changed),
        }
    }

    async fn finish(&self, change: ClientChange, action: Action) -> Result<(), AdminError> {
        let ClientChange { mut tx, row, now } = change;
        tx.update_client(&row).await?;
        let entry = self
            .entry(now, action, Object::Client(&row.id))
            .tenant(&row.tenant)
            .detail(json!({ "name": row.name.as_str() }));
        tx.record(entry).await?;
        Ok(tx.commit().await?)
    }
}

impl ClientChange {
    /// Refuses every token of the client, those among them that are being made.
    async fn refuse_tokens(&mut self, cause: Action) -> Result<(), StoreError> {
        let Self { tx, row, now } = self;
        let ahead = now.unix().saturating_add(AHEAD);
        row.tokens_from = ahead.max(row.tokens_from.saturating_add(1));
        for revocation in marks(row.id.as_str(), row.tokens_from) {
            revoke(tx, revocation, cause.name(), *now).await?;
        }
        Ok(())
    }
}

/// What names the tokens of a client: those that it asked for, and those that
/// API keys got in its name.
fn marks(id: &str, issued_before: UnixTime) -> [Revocation; 2] {
    let (client_id, sub) = (id.to_owned(), id.to_owned());
    [
        Revocation::Client {
            client_id,
            issued_before,
        },
        Revocation::User { sub, issued_before },
    ]
}

/// Two secrets count at most: an overlap begins only when none is going on.
pub(super) fn one_overlap(
    secrets: &LiveSecrets,
    overlap: u64,
    now: Timestamp,
) -> Result<(), AdminError> {
    match secrets.overlap(now) {
        Some(until) if overlap > 0 => {
            let left = until.millis().saturating_sub(now.millis());
            Err(AdminError::SecretsOverlap {
                seconds: left.div_ceil(1000),
            })
        }
        _ => Ok(()),
    }
}

/// Permissions as they were typed.
pub(super) fn patterns(texts: &[String]) -> Result<Vec<String>, AdminError> {
    let read = |text: &String| match PermissionPattern::parse(text) {
        Ok(pattern) => Ok(pattern.to_string()),
        Err(error) => Err(AdminError::Permission {
            text: text.clone(),
            error,
        }),
    };
    texts.iter().map(read).collect()
}
