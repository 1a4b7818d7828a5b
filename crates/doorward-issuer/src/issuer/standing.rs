//! What somebody may do at this moment, asked by another than themselves.

use doorward_verify::clock::Timestamp;

use super::Issuer;
use crate::{
    access_token::{Entitlement, Request},
    error::{MintError, StoreError},
    session::FIRST_PARTY_CLIENT,
    tenant::TenantName,
};

/// It cannot be said.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StandingError {
    /// No access token.
    #[error(transparent)]
    Mint(#[from] MintError),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Issuer {
    /// The access token that the user with the id `subject` would get for
    /// `tenant` at `at`, without a word about how they signed in; `None` where
    /// they would get none.
    ///
    /// It is for asking a verifier in this process what the user may do. It is
    /// never handed out, so nothing about it is audited.
    ///
    /// # Errors
    ///
    /// [`StandingError`].
    pub async fn standing(
        &self,
        subject: &str,
        tenant: &str,
        at: Timestamp,
    ) -> Result<Option<String>, StandingError> {
        let Ok(tenant) = TenantName::parse(tenant) else {
            return Ok(None);
        };
        let Some(account) = self.account_by_id(subject).await? else {
            return Ok(None);
        };
        let mut tx = self.store().begin().await?;
        let entitled = match self.entitle(&mut tx, &account.id, &tenant, at).await? {
            Entitlement::Granted(entitled) => entitled,
            Entitlement::Disabled | Entitlement::NotAMember => return Ok(None),
        };
        tx.commit().await?;
        let request = Request::<&str> {
            client_id: FIRST_PARTY_CLIENT,
            session: None,
            authentication: None,
        };
        Ok(Some(self.mint(&entitled, request)?.access_token))
    }
}
