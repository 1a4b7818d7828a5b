//! API keys in the administrator's hands.

use std::collections::BTreeSet;

use doorward_jose::time::UnixTime;
use doorward_policy::{
    network::{Network, NetworkError},
    permission::PermissionPattern,
};
use doorward_verify::{clock::Timestamp, credential::Kind, revocation::Revocation};
use serde_json::json;

use super::{
    Admin,
    clients::{one_overlap, patterns},
};
use crate::{
    access_token::Entitlement,
    api_key::{ApiKey, MAX_API_KEY_LIFETIME, MAX_PURPOSE, Owner},
    audit::{Action, Object},
    client::{AHEAD, ClientName, held},
    credential::{LiveSecrets, SecretText, fresh_id},
    error::AdminError,
    revocation::{ALL_TOKENS, revoke, revoke_whatever_date},
    store::{ApiKeyRow, Tx, contention::again},
    tenant::TenantName,
    user::Username,
};

/// Whom a new key acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewOwner {
    /// A user, and a tenant of theirs; the home tenant if absent.
    User(String, Option<String>),
    /// A client, in its tenant.
    Client(String),
}

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// Whom it acts for.
    pub owner: NewOwner,
    /// What it is for.
    pub purpose: String,
    /// Its limit; absent if it may do all that its owner may.
    pub permissions: Option<Vec<String>>,
    /// From where it may be used; anywhere if there are none.
    pub networks: Vec<String>,
    /// In how many seconds it becomes valid.
    pub delay: u64,
    /// How many seconds it is valid from then on: there is no key for ever.
    pub lifetime: u64,
}

/// A key whose text nobody can see again.
pub struct NewKeyText {
    /// The key.
    pub key: ApiKey,
    /// Its text.
    pub text: SecretText,
}

/// What is wrong with a new key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyProblem {
    /// No purpose, or one that is too long.
    #[error("say what the key is for, in 1 to {MAX_PURPOSE} bytes without control characters")]
    Purpose,
    /// No end, or one that is too far away.
    #[error("a key is valid from 1 s to {} days; who needs it for longer rotates it", MAX_API_KEY_LIFETIME / 86_400)]
    Lifetime,
    /// Not a network.
    #[error("`{text}`: {error}")]
    Network {
        /// What was given.
        text: String,
        /// What is wrong with it.
        error: NetworkError,
    },
    /// More than its owner may do.
    #[error("`{0}` is more than the owner of the key may do")]
    BeyondOwner(String),
    /// Its owner is a client that is disabled.
    #[error("client {0} is disabled")]
    ClientDisabled(ClientName),
}

/// Who owns a new key, and what they may do.
struct Found {
    owner: Owner,
    tenant: TenantName,
    permissions: BTreeSet<PermissionPattern>,
}

/// A change of one key, begun.
struct KeyChange {
    tx: Tx,
    row: ApiKeyRow,
    now: Timestamp,
}

impl Admin {
    /// Every API key, the oldest first.
    pub async fn api_keys(&self) -> Result<Vec<ApiKey>, AdminError> {
        let now = self.now();
        let rows = self.issuer.store().api_keys().await?;
        Ok(rows.into_iter().map(|row| ApiKey::of(row, now)).collect())
    }

    /// One API key.
    pub async fn api_key(&self, id: &str) -> Result<ApiKey, AdminError> {
        let KeyChange { row, now, .. } = self.begin_key(id).await?;
        Ok(ApiKey::of(row, now))
    }

    /// Makes an API key.
    ///
    /// # Errors
    ///
    /// [`AdminError::ApiKey`] if it could do more than its owner, or never
    /// ended.
    pub async fn add_api_key(&self, new: NewApiKey) -> Result<NewKeyText, AdminError> {
        let is_plain = !new.purpose.trim().is_empty() && !new.purpose.contains(char::is_control);
        if !is_plain || new.purpose.len() > MAX_PURPOSE {
            return Err(ApiKeyProblem::Purpose.into());
        }
        if !(1..=MAX_API_KEY_LIFETIME).contains(&new.lifetime) || new.delay > MAX_API_KEY_LIFETIME {
            return Err(ApiKeyProblem::Lifetime.into());
        }
        let networks = networks(&new.networks)?;
        let limit = new.permissions.as_deref().map(patterns).transpose()?;
        again(async || {
            let mut tx = self.issuer.store().begin().await?;
            // Not earlier: see `revocation`.
            let now = self.now();
            let found = self.owner_of(&mut tx, &new.owner, now).await?;
            within(&found.permissions, limit.as_deref())?;
            let kind = match found.owner {
                Owner::User(_) => Kind::UserKey,
                Owner::Client(_) => Kind::ClientKey,
            };
            let entropy = self.issuer.entropy();
            let id = fresh_id(entropy);
            let (text, current) = self.issuer.keys().credentials.draw(kind, &id, entropy);
            let valid_from = now.plus_millis(new.delay * 1000);
            let row = ApiKeyRow {
                id,
                owner: found.owner,
                tenant: found.tenant,
                purpose: new.purpose.clone(),
                permissions: limit.clone(),
                networks: networks.clone(),
                secrets: LiveSecrets { current, old: None },
                last_four: text.last_four().to_owned(),
                tokens_from: UnixTime::from_secs(0),
                valid_from,
                expires_at: valid_from.plus_millis(new.lifetime * 1000),
                last_used_at: None,
                revoked_at: None,
            };
            tx.insert_api_key(&row, now).await?;
            self.record_key(&mut tx, &row, Action::ApiKeyAdd, now)
                .await?;
            tx.commit().await?;
            let key = ApiKey::of(row, now);
            Ok(NewKeyText { key, text })
        })
        .await
    }

    /// A new text for a key; the present one counts for `overlap` more seconds.
    /// Without an overlap every older one ends at once, and its tokens too.
    pub async fn rotate_api_key(&self, id: &str, overlap: u64) -> Result<NewKeyText, AdminError> {
        again(async || {
            let KeyChange {
                mut tx,
                mut row,
                now,
            } = self.begin_key(id).await?;
            if row.revoked_at.is_some() {
                return Err(AdminError::NoSuchApiKey(id.to_owned()));
            }
            one_overlap(&row.secrets, overlap, now)?;
            let kind = match row.owner {
                Owner::User(_) => Kind::UserKey,
                Owner::Client(_) => Kind::ClientKey,
            };
            let keys = &self.issuer.keys().credentials;
            let (text, mac) = keys.draw(kind, &row.id, self.issuer.entropy());
            let until = now.plus_millis(overlap.saturating_mul(1000));
            row.secrets = row.secrets.rotated(mac, until, now);
            row.last_four = text.last_four().to_owned();
            if overlap == 0 {
                let ahead = now.unix().saturating_add(AHEAD);
                row.tokens_from = ahead.max(row.tokens_from.saturating_add(1));
                let mark = mark(&row.id, row.tokens_from);
                revoke(&mut tx, mark, Action::ApiKeyRotate.name(), now).await?;
            }
            tx.update_api_key(&row).await?;
            self.record_key(&mut tx, &row, Action::ApiKeyRotate, now)
                .await?;
            tx.commit().await?;
            let key = ApiKey::of(row, now);
            Ok(NewKeyText { key, text })
        })
        .await
    }

    /// Revokes a key for good: it and what it was exchanged for are refused.
    /// `false` if it was so already.
    pub async fn revoke_api_key(&self, id: &str) -> Result<bool, AdminError> {
        self.revoke_api_key_if(id, |_| true).await
    }

    /// Revokes a key of which `condition` holds at that moment; `false` if it
    /// does not, or the key was revoked already.
    pub(crate) async fn revoke_api_key_if(
        &self,
        id: &str,
        condition: impl Fn(&ApiKeyRow) -> bool,
    ) -> Result<bool, AdminError> {
        again(|| self.try_revoke_api_key(id, &condition)).await
    }

    async fn try_revoke_api_key(
        &self,
        id: &str,
        condition: impl Fn(&ApiKeyRow) -> bool,
    ) -> Result<bool, AdminError> {
        let KeyChange {
            mut tx,
            mut row,
            now,
        } = self.begin_key(id).await?;
        if row.revoked_at.is_some() || !condition(&row) {
            return Ok(false);
        }
        row.revoked_at = Some(now);
        row.tokens_from = ALL_TOKENS;
        let cause = Action::ApiKeyRevoke;
        revoke_whatever_date(&mut tx, mark(&row.id, ALL_TOKENS), cause.name(), now).await?;
        tx.update_api_key(&row).await?;
        self.record_key(&mut tx, &row, cause, now).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn begin_key(&self, id: &str) -> Result<KeyChange, AdminError> {
        let mut tx = self.issuer.store().begin().await?;
        // Not earlier: see `revocation`.
        let now = self.now();
        match tx.api_key(id).await? {
            Some(row) => Ok(KeyChange { tx, row, now }),
            None => Err(AdminError::NoSuchApiKey(id.to_owned())),
        }
    }

    async fn owner_of(
        &self,
        tx: &mut Tx,
        owner: &NewOwner,
        now: Timestamp,
    ) -> Result<Found, AdminError> {
        let roles = self.issuer.roles();
        let (user, tenant) = match owner {
            NewOwner::User(user, tenant) => (Username::parse(user)?, tenant),
            NewOwner::Client(name) => {
                let name = ClientName::parse(name)?;
                let client = tx.client(&name).await?;
                let client = client.ok_or_else(|| AdminError::NoSuchClient(name.clone()))?;
                if client.disabled_at.is_some() {
                    return Err(ApiKeyProblem::ClientDisabled(name).into());
                }
                return Ok(Found {
                    permissions: held(&roles, &client),
                    owner: Owner::Client(client.id),
                    tenant: client.tenant,
                });
            }
        };
        let id = tx.account_id(&user).await?;
        let id = id.ok_or_else(|| AdminError::NoSuchUser(user.clone()))?;
        let tenant = match tenant {
            Some(tenant) => TenantName::parse(tenant)?,
            None => match tx.account_state(&id).await? {
                Some(state) => state.home_tenant,
                None => return Err(AdminError::NoSuchUser(user)),
            },
        };
        match self.issuer.entitle(tx, &id, &tenant, now).await? {
            Entitlement::Granted(entitled) => Ok(Found {
                permissions: roles.effective(&entitled.roles),
                owner: Owner::User(id),
                tenant,
            }),
            Entitlement::Disabled => Err(AdminError::UserDisabled(user)),
            Entitlement::NotAMember => Err(AdminError::NotAMember { user, tenant }),
        }
    }

    async fn record_key(
        &self,
        tx: &mut Tx,
        row: &ApiKeyRow,
        action: Action,
        now: Timestamp,
    ) -> Result<(), AdminError> {
        let detail = json!({
            "owner": row.owner.id(),
            "purpose": row.purpose,
            "permissions": row.permissions,
            "expires_at_ms": row.expires_at.millis(),
        });
        let entry = self
            .entry(now, action, Object::ApiKey(&row.id))
            .tenant(&row.tenant)
            .detail(detail);
        Ok(tx.record(entry).await?)
    }
}

/// What names the tokens that a key was exchanged for.
fn mark(id: &str, issued_before: UnixTime) -> Revocation {
    Revocation::Client {
        client_id: id.to_owned(),
        issued_before,
    }
}

fn networks(texts: &[String]) -> Result<Vec<Network>, ApiKeyProblem> {
    let read = |text: &String| {
        Network::parse(text).map_err(|error| ApiKeyProblem::Network {
            text: text.clone(),
            error,
        })
    };
    texts.iter().map(read).collect()
}

/// AUZ-016: a key is not made with more than its owner has.
fn within(
    held: &BTreeSet<PermissionPattern>,
    limit: Option<&[String]>,
) -> Result<(), ApiKeyProblem> {
    let is_held = |text: &str| {
        PermissionPattern::parse(text)
            .is_ok_and(|one| held.iter().any(|pattern| pattern.includes(&one)))
    };
    let beyond = limit.into_iter().flatten().find(|text| !is_held(text));
    match beyond {
        Some(text) => Err(ApiKeyProblem::BeyondOwner(text.clone())),
        None => Ok(()),
    }
}
