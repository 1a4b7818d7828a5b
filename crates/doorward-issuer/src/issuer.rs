//! The issuer as a whole: what is open, and what it is made of.

mod changes;
mod open;
mod standing;
mod unlock;

use std::sync::Arc;

use arc_swap::ArcSwap;
use doorward_jose::time::UnixTime;
use doorward_policy::role::Roles;
use doorward_verify::{
    clock::Clock,
    revocation::{Entry, Revocation, RevocationSet},
    verifier::{TrustedIssuer, Verifier},
};

use self::changes::Seen;
use crate::{
    admission::Admission,
    api_key::LastUses,
    audit::{Action, Actor, AuditEntry, Object},
    client::Registry,
    config::{CLOCK_LEEWAY, Config},
    entropy::Entropy,
    error::StoreError,
    feed::Feed,
    key_ring::{KeyRing, LoadError, Schedule},
    master_key::{Fingerprint, root::DerivedKeys},
    password::{Hasher, PasswordHash},
    session::Exchange,
    store::{GroupCommit, Store, contention::again},
    tenant::TenantName,
    user::{Account, UserId, Username},
};

pub(crate) use unlock::Unlocked;

pub use changes::Changes;
pub use standing::StandingError;

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
    /// The one that opened the database.
    master_key: Fingerprint,
    unlocked: Unlocked,
    store: Store,
    exchanges: GroupCommit<Exchange>,
    clients: Registry,
    last_uses: LastUses,
    key_ring: KeyRing,
    trusted: TrustedIssuer,
    revocations: Arc<RevocationSet>,
    verifier: Arc<Verifier>,
    seen: tokio::sync::Mutex<Seen>,
    hasher: Arc<Hasher>,
    admission: Admission,
    feed: Feed,
}

impl Issuer {
    /// Whom verifiers must trust to accept this issuer's tokens.
    pub fn trusted(&self) -> TrustedIssuer {
        self.0.trusted.clone()
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
        Arc::clone(&self.0.key_ring.picture().jwks)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.0.config
    }

    /// The account of this user name, if there is one. A text that cannot be a
    /// user name belongs to nobody.
    pub async fn account(&self, username: &str) -> Result<Option<Account>, StoreError> {
        match Username::parse(username) {
            Ok(username) => self.store().account_by_name(&username).await,
            Err(_) => Ok(None),
        }
    }

    /// The account with this id (`sub`), if there is one.
    pub async fn account_by_id(&self, id: &str) -> Result<Option<Account>, StoreError> {
        self.store().account_by_id(id).await
    }

    /// The tenant of a sign-in that asks for `tenant`: the home tenant if it
    /// names none, and none if the user does not belong there.
    pub async fn membership(
        &self,
        account: &Account,
        tenant: Option<&str>,
    ) -> Result<Option<TenantName>, StoreError> {
        let Some(tenant) = tenant else {
            return Ok(Some(account.home_tenant.clone()));
        };
        let Ok(tenant) = TenantName::parse(tenant) else {
            return Ok(None);
        };
        let belongs =
            tenant == account.home_tenant || self.store().has_grant(&account.id, &tenant).await?;
        Ok(belongs.then_some(tenant))
    }

    /// Puts a hash with the current parameters in place of the one that
    /// `account` was read with; nothing happens if that is not the stored one.
    pub async fn store_rehash(
        &self,
        account: &Account,
        hash: &PasswordHash,
    ) -> Result<(), StoreError> {
        again(|| self.try_store_rehash(account, hash)).await
    }

    async fn try_store_rehash(
        &self,
        account: &Account,
        hash: &PasswordHash,
    ) -> Result<(), StoreError> {
        let Some(old) = &account.password_hash else {
            return Ok(());
        };
        let mut tx = self.store().begin().await?;
        if !tx.replace_password_hash(&account.id, old, hash).await? {
            return Ok(());
        }
        let (now, actor) = (self.clock().now(), Actor::system());
        let object = Object::User(&account.id);
        tx.record(AuditEntry::new(actor.at(now), Action::UserRehash, object))
            .await?;
        tx.commit().await
    }

    /// Ends one access token that belongs to no session.
    pub async fn revoke_token(
        &self,
        token_id: &str,
        subject: &UserId,
        expires_at: UnixTime,
    ) -> Result<(), StoreError> {
        again(|| self.try_revoke_token(token_id, subject, expires_at)).await
    }

    async fn try_revoke_token(
        &self,
        token_id: &str,
        subject: &UserId,
        expires_at: UnixTime,
    ) -> Result<(), StoreError> {
        let (now, actor) = (self.clock().now(), Actor::user(subject));
        let entry = Entry {
            revocation: Revocation::Token {
                jti: token_id.to_owned(),
            },
            expires_at: expires_at.saturating_add(2 * CLOCK_LEEWAY),
        };
        let mut tx = self.store().begin().await?;
        tx.insert_revocation(entry, "sign_out", now).await?;
        let object = Object::Token(token_id);
        tx.record(AuditEntry::new(actor.at(now), Action::TokenRevoke, object))
            .await?;
        tx.commit().await
    }

    /// Draws the ring again after a change of the keys.
    pub(crate) async fn reload_keys(&self) -> Result<(), StoreError> {
        let Inner {
            key_ring,
            store,
            unlocked,
            config,
            ..
        } = &*self.0;
        match key_ring
            .reload(store, &unlocked.keys.sealer, Schedule::new(config))
            .await
        {
            Ok(()) => Ok(()),
            Err(LoadError::Store(error)) => Err(error),
            Err(LoadError::Damaged { kid }) => Err(StoreError::Corrupt(format!(
                "signing key {kid} does not open"
            ))),
        }
    }

    /// Closes the database; what is asked of the issuer afterwards fails as
    /// unavailable. Nothing is lost without it, but the database may then be
    /// spread over two files.
    pub async fn close(&self) {
        // What is lost is when keys were last used and who guessed last, and no
        // right of anybody.
        let _ = self.write_last_uses().await;
        let _ = self.keep_sign_in_failures().await;
        let _ = self.store().audit_refused_rows(self.clock().now()).await;
        self.0.store.close().await;
    }

    pub(crate) fn clock(&self) -> &dyn Clock {
        &*self.0.surroundings.clock
    }

    pub(crate) fn entropy(&self) -> &dyn Entropy {
        &*self.0.surroundings.entropy
    }

    pub(crate) fn roles(&self) -> Arc<Roles> {
        self.0.surroundings.roles.load_full()
    }

    pub(crate) fn hasher(&self) -> &Hasher {
        &self.0.hasher
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn feed(&self) -> &Feed {
        &self.0.feed
    }

    pub(crate) fn fresh_epoch(&self) -> String {
        open::fresh_epoch(self.entropy())
    }

    pub(crate) fn keys(&self) -> &DerivedKeys {
        &self.0.unlocked.keys
    }

    /// The master key that opened the database.
    pub(crate) fn master_key(&self) -> Fingerprint {
        self.0.master_key
    }

    /// The root key, and what hangs on it.
    pub(crate) fn unlocked(&self) -> &Unlocked {
        &self.0.unlocked
    }

    pub(crate) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(crate) fn exchanges(&self) -> &GroupCommit<Exchange> {
        &self.0.exchanges
    }

    pub(crate) fn last_uses(&self) -> &LastUses {
        &self.0.last_uses
    }

    pub(crate) fn clients(&self) -> &Registry {
        &self.0.clients
    }

    pub(crate) fn key_ring(&self) -> &KeyRing {
        &self.0.key_ring
    }
}
