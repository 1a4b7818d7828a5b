//! Access tokens and signing keys in the administrator's hands.

use doorward_verify::clock::Timestamp;
use serde_json::json;

use super::Admin;
use crate::{
    access_token::{Entitlement, MintedToken, Request},
    audit::{Action, Object},
    error::AdminError,
    key_ring::{self, KeyInfo},
    revocation::revoke_all_tokens,
    session::FIRST_PARTY_CLIENT,
    store::{KeyRow, contention::again},
    tenant::TenantName,
};

impl Admin {
    /// Makes an access token for a user without a session. `tenant` is the
    /// home tenant if absent.
    pub async fn mint_access_token(
        &self,
        username: &str,
        tenant: Option<&str>,
    ) -> Result<MintedToken, AdminError> {
        let user = self.user(username).await?;
        let tenant = tenant
            .map(TenantName::parse)
            .transpose()?
            .unwrap_or(user.home_tenant);
        again(async || {
            let now = self.now();
            let mut tx = self.issuer.store().begin().await?;
            let entitled = match self.issuer.entitle(&mut tx, &user.id, &tenant, now).await? {
                Entitlement::Granted(entitled) => entitled,
                Entitlement::Disabled => {
                    return Err(AdminError::UserDisabled(user.username.clone()));
                }
                Entitlement::NotAMember => {
                    return Err(AdminError::NotAMember {
                        user: user.username.clone(),
                        tenant: tenant.clone(),
                    });
                }
            };
            let request = Request::<&str> {
                client_id: FIRST_PARTY_CLIENT,
                session: None,
                authentication: None,
            };
            let minted = self.issuer.mint(&entitled, request)?;
            let entry = self
                .entry(now, Action::TokenMint, Object::Token(&minted.token_id))
                .tenant(&tenant)
                .detail(json!({ "user": user.id.as_str(), "exp": minted.expires_at.as_secs() }));
            tx.record(entry).await?;
            tx.commit().await?;
            Ok(minted)
        })
        .await
    }

    /// Refuses every access token that was issued until now; sessions go on,
    /// and a refresh gives a new one. For a change of what roles may do, which
    /// tokens that are out do not show.
    pub async fn expire_access_tokens(&self) -> Result<(), AdminError> {
        let action = Action::TokenExpireAll;
        let revoke = async || {
            let mut tx = self.issuer.store().begin().await?;
            // Not earlier: see `revocation`.
            let now = self.now();
            let watermark = revoke_all_tokens(&mut tx, action.name(), now).await?;
            tx.record(self.entry(now, action, Object::Installation))
                .await?;
            tx.commit().await?;
            Ok::<_, AdminError>(watermark)
        };
        let watermark = again(revoke).await?;
        let settled = self.issuer.settle_everybody(watermark, action.name());
        Ok(settled.await?)
    }

    /// Copies the database as it is now into `file`, which must be empty; others
    /// go on using it meanwhile. The master key is not in the copy, which is of
    /// no use without it.
    ///
    /// # Errors
    ///
    /// [`AdminError::BackedUpElsewhere`] on PostgreSQL.
    pub async fn back_up_to(&self, file: &str) -> Result<(), AdminError> {
        let (now, action) = (self.now(), Action::InstallationBackUp);
        let record = async || {
            let mut tx = self.issuer.store().begin().await?;
            tx.record(self.entry(now, action, Object::Installation))
                .await?;
            Ok::<_, AdminError>(tx.commit().await?)
        };
        again(record).await?;
        match self.issuer.store().back_up_to(file).await? {
            true => Ok(()),
            false => Err(AdminError::BackedUpElsewhere),
        }
    }

    /// Publishes a new signing key, which signs as soon as every client must
    /// have seen it. Returns its kid; if one is waiting already, that one's.
    pub async fn rotate_key(&self) -> Result<String, AdminError> {
        let now = self.now();
        let publish = async || {
            let fresh = self.fresh_key(now)?;
            let mut tx = self.issuer.store().begin().await?;
            let kid = key_ring::publish(&mut tx, fresh, self.actor.at(now)).await?;
            tx.commit().await?;
            Ok::<_, AdminError>(kid)
        };
        let kid = again(publish).await?;
        self.issuer.reload_keys().await?;
        Ok(kid)
    }

    /// Withdraws a signing key that leaked: every token that it signed is
    /// refused from here on, and another key signs at once.
    pub async fn withdraw_key(&self, kid: &str) -> Result<(), AdminError> {
        let now = self.now();
        let withdraw = async || {
            let fresh = self.fresh_key(now)?;
            let mut tx = self.issuer.store().begin().await?;
            key_ring::withdraw(&mut tx, kid, fresh, self.actor.at(now)).await?;
            Ok::<_, AdminError>(tx.commit().await?)
        };
        again(withdraw).await?;
        Ok(self.issuer.reload_keys().await?)
    }

    /// The signing keys that are not destroyed, oldest first.
    pub fn signing_keys(&self) -> Vec<KeyInfo> {
        self.issuer.key_ring().picture().keys.clone()
    }

    fn fresh_key(&self, now: Timestamp) -> Result<KeyRow, AdminError> {
        let algorithm = self.issuer.config().algorithm;
        let sealer = &self.issuer.keys().sealer;
        Ok(key_ring::generate(algorithm, sealer, now.unix())?)
    }
}
