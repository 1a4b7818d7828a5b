//! The issuer as a whole: what is open, and what it is made of.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;
use doorward_jose::time::UnixTime;
use doorward_policy::role::Roles;
use doorward_verify::{
    clock::Clock,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};

use crate::{
    admission::Admission,
    config::Config,
    entropy::Entropy,
    error::{OpenError, StoreError},
    master_key::MasterKey,
    password::{Hasher, PasswordHash},
    tenant::TenantName,
    user::{Account, UserId},
};

/// Time, randomness and roles, given from outside.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The randomness.
    pub entropy: Arc<dyn Entropy>,
    /// The roles of the configuration, swapped when it changes.
    pub roles: Arc<ArcSwap<Roles>>,
}

/// An open issuer. Clones are the same one.
#[derive(Clone)]
pub struct Issuer(Arc<Inner>);

struct Inner {
    config: Config,
    surroundings: Surroundings,
    hasher: Arc<Hasher>,
    admission: Admission,
    revocations: Arc<RevocationSet>,
    verifier: Arc<Verifier>,
}

/// What [`Issuer::poll_changes`] found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Revocations that were new.
    pub revocations: usize,
    /// The signing keys changed.
    pub keys: bool,
    /// Revocations that were forgotten, because their tokens have expired.
    pub swept: usize,
    /// The database went back in time; every session was ended.
    pub rolled_back: bool,
}

impl Issuer {
    /// Opens the database, makes it and the first signing key if it is not
    /// there, and loads keys and revocations.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing was changed, except that a new, empty database
    /// may have been made.
    pub async fn open(
        database: &Path,
        master_key: MasterKey,
        config: Config,
        surroundings: Surroundings,
    ) -> Result<Self, OpenError> {
        let _ = (database, master_key, config, surroundings);
        todo!()
    }

    /// Notices what other processes did (revocations, keys), moves the signing
    /// keys along their schedule, and forgets what has expired. Called several
    /// times a second.
    pub async fn poll_changes(&self) -> Result<Changes, StoreError> {
        todo!()
    }

    /// Whom verifiers must trust to accept this issuer's tokens.
    pub fn trusted(&self) -> TrustedIssuer {
        todo!()
    }

    /// What is revoked; a revocation is in here before its cause is answered.
    pub fn revocations(&self) -> Arc<RevocationSet> {
        Arc::clone(&self.0.revocations)
    }

    /// A verifier of this issuer's tokens.
    pub fn verifier(&self) -> Arc<Verifier> {
        Arc::clone(&self.0.verifier)
    }

    /// The public keys (RFC 7517), as served.
    pub fn jwks_json(&self) -> Arc<str> {
        todo!()
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The account of this user name, if there is one. A text that cannot be a
    /// user name belongs to nobody.
    pub async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        let _ = username;
        todo!()
    }

    /// The account with this id (`sub`), if there is one.
    pub async fn account_by_id(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let _ = id;
        todo!()
    }

    /// The tenant of a sign-in that asks for `tenant`: the home tenant if it
    /// names none, and none if the user does not belong there.
    pub async fn membership(
        &self,
        account: &Account,
        tenant: Option<&str>,
    ) -> Result<Option<TenantName>, StoreError> {
        let _ = (account, tenant);
        todo!()
    }

    /// Puts a hash with the current parameters in place of the one that
    /// `account` was read with; nothing happens if that is not the stored one.
    pub async fn store_rehash(
        &self,
        account: &Account,
        hash: &PasswordHash,
    ) -> Result<(), StoreError> {
        let _ = (account, hash);
        todo!()
    }

    /// Ends one access token that belongs to no session.
    pub async fn revoke_token(
        &self,
        token_id: &str,
        subject: &UserId,
        expires_at: UnixTime,
    ) -> Result<(), StoreError> {
        let _ = (token_id, subject, expires_at);
        todo!()
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.surroundings.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.0.surroundings.entropy
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }
}
