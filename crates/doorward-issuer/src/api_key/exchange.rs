//! An API key in, an access token out.
//!
//! The exchange decides inside a transaction, like a refresh, so a change of
//! key, owner or roles and a token have an order: either the token shows the
//! change, or the change's watermark refuses it.

use std::collections::BTreeSet;

use doorward_jose::{json::Object, time::UnixTime};
use doorward_policy::{
    decision::Reason, narrow::narrowed, network::Network, permission::PermissionPattern,
};
use doorward_verify::{
    clock::Timestamp,
    credential::{Kind, UnverifiedCredential},
};

use super::Owner;
use crate::{
    access_token::{Entitlement, Holder},
    client::held,
    error::{MintError, StoreError},
    issuer::Issuer,
    store::{ApiKeyRow, PURGE_ROWS, Tx, contention::again},
};

/// What a key was exchanged for. Holds a secret, so it cannot be printed.
pub struct ExchangedKey {
    /// The access token.
    pub access_token: String,
    /// From where the key may be used; anywhere if there are none.
    pub networks: Vec<Network>,
    /// The key itself counts no longer from here on.
    pub usable_until: Timestamp,
}

/// No token for the key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// Not a key that this installation drew.
    #[error("not one of our API keys")]
    NotOurs,
    /// One of ours, but no longer, not yet, or not for its owner.
    #[error("{}", .0.title())]
    Refused(Reason),
    /// No access token.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What the owner may have at the moment of the transaction.
struct Right {
    roles: Vec<String>,
    permissions: BTreeSet<PermissionPattern>,
    /// Claims that hold attributes of the owner.
    attributes: Object,
    issued_at: UnixTime,
}

impl Issuer {
    /// Whether this installation drew the key, told without the store: guesses
    /// end here, also those whose checksum holds (BRU-011).
    pub fn drew_api_key(&self, text: &str) -> bool {
        self.own_key(text).is_some()
    }

    /// Exchanges an API key for an access token.
    ///
    /// # Errors
    ///
    /// [`ApiKeyError`].
    pub async fn exchange_api_key(
        &self,
        text: &str,
        at: Timestamp,
    ) -> Result<ExchangedKey, ApiKeyError> {
        again(|| self.try_exchange_api_key(text, at)).await
    }

    async fn try_exchange_api_key(
        &self,
        text: &str,
        at: Timestamp,
    ) -> Result<ExchangedKey, ApiKeyError> {
        let presented = self.own_key(text).ok_or(ApiKeyError::NotOurs)?;
        let mac = self.keys().credentials.mac_of(&presented);
        let mut tx = self.store().begin().await?;
        let row = tx.api_key(presented.id()).await?;
        let row = row.ok_or(ApiKeyError::NotOurs)?;
        let usable_until = usable(&row, presented.kind(), &mac, at)?;
        let right = self.right_of(&mut tx, &row, at).await?;
        tx.commit().await?;
        let exchanged = self.token_of_key(&row, right, at, usable_until)?;
        self.last_uses().note(&row.id, at);
        Ok(exchanged)
    }

    pub(super) fn own_key<'t>(&self, text: &'t str) -> Option<UnverifiedCredential<'t>> {
        let presented = UnverifiedCredential::parse(text)?;
        let is_ours = presented.kind().is_api_key() && self.keys().credentials.drew(&presented);
        is_ours.then_some(presented)
    }

    async fn right_of(
        &self,
        tx: &mut Tx,
        row: &ApiKeyRow,
        at: Timestamp,
    ) -> Result<Right, ApiKeyError> {
        let roles = self.roles();
        match &row.owner {
            Owner::User(user) => match self.entitle(tx, user, &row.tenant, at).await? {
                Entitlement::Granted(entitled) => Ok(Right {
                    permissions: roles.effective(&entitled.roles),
                    roles: entitled.roles,
                    attributes: entitled.attributes,
                    issued_at: entitled.issued_at,
                }),
                Entitlement::Disabled | Entitlement::NotAMember => {
                    Err(ApiKeyError::Refused(Reason::ApiKeyOwner))
                }
            },
            Owner::Client(id) => {
                let client = tx.client_by_id(id).await?;
                let client = client
                    .filter(|client| client.disabled_at.is_none() && client.removed_at.is_none())
                    .ok_or(ApiKeyError::Refused(Reason::ApiKeyOwner))?;
                let installation = tx.installation().await?;
                let all = installation.map(|installation| installation.tokens_from);
                let all = all.ok_or_else(StoreError::no_installation)?;
                Ok(Right {
                    permissions: held(&roles, &client),
                    roles: client.roles,
                    attributes: Object::new(),
                    issued_at: at.unix().max(client.tokens_from).max(all),
                })
            }
        }
    }

    fn token_of_key(
        &self,
        row: &ApiKeyRow,
        right: Right,
        at: Timestamp,
        usable_until: Timestamp,
    ) -> Result<ExchangedKey, MintError> {
        let left = usable_until.millis().saturating_sub(at.millis()) / 1000;
        let life = self.config().access_token_lifetime;
        let mut claims = self.claims_of(Holder {
            subject: row.owner.id(),
            tenant: &row.tenant,
            client_id: &row.id,
            issued_at: right.issued_at.max(row.tokens_from),
            decided_at: at.unix(),
            lifetime: life.min(left.max(1)),
        });
        let permissions = match &row.permissions {
            Some(limit) => {
                let limit = limit.iter().filter_map(|text| text.parse().ok());
                narrowed(&right.permissions, &limit.collect())
            }
            // With its roles and attributes only if it is not narrowed: whoever
            // decides by them would take it for its owner.
            None => {
                let roles = self.roles();
                let known = right.roles.iter().filter(|role| roles.get(role).is_some());
                claims = claims.roles(known).others(right.attributes);
                right.permissions
            }
        };
        let claims = claims.permissions(permissions.iter().map(PermissionPattern::as_str));
        Ok(ExchangedKey {
            access_token: self.sign(&claims)?.access_token,
            networks: row.networks.clone(),
            usable_until,
        })
    }

    /// Writes when keys were last used. Called every few seconds.
    pub(crate) async fn write_last_uses(&self) -> Result<(), StoreError> {
        let uses: Vec<_> = self.last_uses().take().into_iter().collect();
        for batch in uses.chunks(PURGE_ROWS as usize) {
            if let Err(error) = again(|| self.write_batch(batch)).await {
                // For the next time.
                for (id, at) in &uses {
                    self.last_uses().note(id, *at);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    async fn write_batch(&self, batch: &[(String, Timestamp)]) -> Result<(), StoreError> {
        let mut tx = self.store().begin().await?;
        for (id, at) in batch {
            tx.note_api_key_use(id, *at).await?;
        }
        tx.commit().await
    }
}

/// Until when the presented secret counts, if it does at `at`.
fn usable(
    row: &ApiKeyRow,
    kind: Kind,
    mac: &crate::credential::StoredMac,
    at: Timestamp,
) -> Result<Timestamp, ApiKeyError> {
    let is_its_kind = match row.owner {
        Owner::User(_) => kind == Kind::UserKey,
        Owner::Client(_) => kind == Kind::ClientKey,
    };
    // Drawn here for this id, and no longer stored: replaced.
    if !is_its_kind || !row.secrets.accept(mac, at) || row.revoked_at.is_some() {
        return Err(ApiKeyError::Refused(Reason::ApiKeyRevoked));
    }
    if at < row.valid_from || row.expires_at <= at {
        return Err(ApiKeyError::Refused(Reason::ApiKeyExpired));
    }
    let is_current = row.secrets.is_current(mac);
    let overlap = row.secrets.overlap(at).filter(|_| !is_current);
    Ok(overlap.map_or(row.expires_at, |until| until.min(row.expires_at)))
}
