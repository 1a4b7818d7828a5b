//! Opening: migrate, open the root key with the master key, load keys and
//! revocations.

use std::{collections::BTreeSet, sync::Arc};

use doorward_jose::{time::UnixTime, validation::Validation};
use doorward_verify::{
    clock::Timestamp,
    revocation::{Entry, Revocation, RevocationSet},
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};

use super::{
    Inner, Issuer, Surroundings,
    changes::Seen,
    unlock::{Unlocked, has_row, unlock},
};
use crate::{
    admission::Admission,
    api_key::LastUses,
    audit::{Action, Actor, AuditEntry, Object},
    client::Registry,
    config::{CLOCK_LEEWAY, Config, MAX_ACCESS_TOKEN_LIFETIME},
    entropy::{Entropy, random},
    error::{AdminError, OpenError, StoreError},
    feed::Feed,
    key_ring::{self, KeyRing, LoadError, Schedule},
    master_key::{
        MasterKey,
        root::{DerivedKeys, RootKey},
    },
    password::Hasher,
    session::seal_sessions_anew,
    store::{Database, GroupCommit, Installation, Locked, RowMacs, Store, Tx, contention::again},
    ticket::ticket_salt,
};

impl Issuer {
    /// Opens the database, makes it and the first signing key if it is not
    /// there, and loads keys and revocations. Runs on the present tokio
    /// runtime, which must outlive the issuer.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; no key was made and nothing was sealed.
    pub async fn open(
        database: impl Into<Database>,
        master_key: MasterKey,
        config: Config,
        surroundings: Surroundings,
    ) -> Result<Self, OpenError> {
        config.check()?;
        let hasher = Arc::new(Hasher::new(config.hashing)?);
        let now = surroundings.clock.now();
        let schedule = Schedule::new(&config);
        let revocations = RevocationSet::new();
        let locked = Locked::open(&database.into(), Arc::clone(&revocations)).await?;
        let first = First {
            master_key: &master_key,
            config: &config,
            entropy: &*surroundings.entropy,
            now,
        };
        let (store, unlocked, installation) = match again(|| first.prepare(&locked)).await {
            Ok(prepared) => prepared,
            Err(error) => {
                locked.close().await;
                return Err(error);
            }
        };
        let key_ring = KeyRing::load(&store, &unlocked.keys.sealer, schedule)
            .await
            .map_err(not_loaded)?;
        let seen = load_revocations(&store, &revocations, &installation, now).await?;
        let admission = Admission::restored(hasher.capacity(), &store, now).await?;
        let trusted = trusted(&config, &key_ring);
        let verifier = Verifier::new(vec![trusted.clone()], Arc::clone(&revocations))
            .with_cache(CacheSize::default());
        let issuer = Self(Arc::new(Inner {
            exchanges: GroupCommit::spawn(store.clone()),
            feed: Feed::new(store.revoked()),
            clients: Registry::spawn(store.clone()),
            last_uses: LastUses::default(),
            seen: tokio::sync::Mutex::new(seen),
            verifier: Arc::new(verifier),
            admission,
            config,
            surroundings,
            master_key: master_key.fingerprint(),
            unlocked,
            store,
            key_ring,
            trusted,
            revocations,
            hasher,
        }));
        issuer.number_permissions().await?;
        Ok(issuer)
    }
}

/// What the first transaction of a start needs.
struct First<'a> {
    master_key: &'a MasterKey,
    config: &'a Config,
    entropy: &'a dyn Entropy,
    now: Timestamp,
}

impl First<'_> {
    /// First run, or the proof that this master key opens this database. Of two
    /// processes that start together, one finds the other's work.
    async fn prepare(&self, locked: &Locked) -> Result<(Store, Unlocked, Installation), OpenError> {
        let (installation, rows) = locked.look().await?;
        let unlocked = match &installation {
            Some(installation) => unlock(installation, &rows, self.master_key)?,
            None => Unlocked::with(RootKey::fresh(self.entropy)),
        };
        let store = locked.unlocked(RowMacs::new(unlocked.keys.rows.clone()));
        let mut tx = store.begin().await?;
        tx.lock_installation().await?;
        self.settle(&mut tx, &unlocked).await?;
        let installation = tx
            .installation()
            .await?
            .ok_or_else(StoreError::no_installation)?;
        if tx.feed_base().await?.is_none() {
            tx.begin_feed(&installation.epoch, self.now).await?;
        }
        tx.commit().await?;
        Ok((store, unlocked, installation))
    }

    async fn settle(&self, tx: &mut Tx, unlocked: &Unlocked) -> Result<(), OpenError> {
        let keys = &unlocked.keys;
        match tx.installation().await? {
            Some(found) if found.master_key_check == keys.check => {}
            Some(found) if found.master_key_check == keys.check_without_row_macs => {
                bind_rows(tx, keys, self.now).await?;
            }
            // It was made since we looked.
            Some(_) => return Err(faster().into()),
            None => return self.first_run(tx, unlocked).await,
        }
        if !has_row(tx, unlocked, self.master_key, self.now).await? {
            return Err(faster().into());
        }
        tx.raise_longest_access_token(self.config.access_token_lifetime)
            .await?;
        Ok(())
    }

    async fn first_run(&self, tx: &mut Tx, unlocked: &Unlocked) -> Result<(), OpenError> {
        let installation = Installation {
            epoch: fresh_epoch(self.entropy),
            master_key_check: unlocked.keys.check.to_vec(),
            tokens_from: UnixTime::from_secs(0),
            longest_access_token: self.config.access_token_lifetime,
        };
        if !tx.insert_installation(&installation, self.now).await? {
            return Err(faster().into());
        }
        tx.set_ticket_salt(&ticket_salt(self.entropy)).await?;
        unlocked.seal_under(tx, self.master_key, self.now).await?;
        tx.require_root_keys().await?;
        let system = Actor::system();
        let stamp = system.at(self.now);
        tx.record(AuditEntry::new(
            stamp,
            Action::InstallationCreate,
            Object::Installation,
        ))
        .await?;
        let key = key_ring::generate(
            self.config.algorithm,
            &unlocked.keys.sealer,
            self.now.unix(),
        );
        let key = key.map_err(|error| OpenError::Key(error.to_string()))?;
        key_ring::sign_at_once(tx, key, stamp)
            .await
            .map_err(|error| match error {
                AdminError::Store(error) => OpenError::Store(error),
                other => OpenError::Key(other.to_string()),
            })
    }
}

/// Another node is so by a moment; the next look finds its work.
fn faster() -> StoreError {
    StoreError::Contended("another process made the installation".to_owned())
}

/// The database comes from a program that wrote no MACs. What stands in it is
/// believed; from here on the root key is recognised by another value, which
/// nobody without it can compute.
///
/// Who kept a copy of before has the value of then, though, and can put it back,
/// with rows of their own and none in `root_key`: as long as the master key is the
/// one of then, the next start believes them as well. Two things stand against it:
/// the audit log has a second entry of this, and after one change of the master
/// key ([`unlock`]) the value of then belongs to no master key that starts.
async fn bind_rows(tx: &mut Tx, keys: &DerivedKeys, now: Timestamp) -> Result<(), OpenError> {
    tx.bind_rows().await?;
    seal_sessions_anew(tx, &keys.sealer).await?;
    tx.set_master_key_check(&keys.check).await?;
    let system = Actor::system();
    let entry = AuditEntry::new(system.at(now), Action::RowsBind, Object::Installation);
    Ok(tx.record(entry).await?)
}

pub(super) fn fresh_epoch(entropy: &dyn Entropy) -> String {
    format!("{:032x}", u128::from_be_bytes(random(entropy)))
}

/// Everything that is revoked is known before the first token is checked.
async fn load_revocations(
    store: &Store,
    revocations: &RevocationSet,
    installation: &Installation,
    now: Timestamp,
) -> Result<Seen, StoreError> {
    let heads = store.heads().await?;
    let (entries, _) = store.revocations_after(0, now.unix()).await?;
    for entry in entries {
        revocations.insert(entry);
    }
    // The installation's own watermark is kept in its row for good, so that
    // it holds even after its entry was purged.
    let issued_before = installation.tokens_from;
    let expires_at =
        issued_before.saturating_add(installation.longest_access_token + 2 * CLOCK_LEEWAY);
    revocations.insert(Entry {
        revocation: Revocation::Everything { issued_before },
        expires_at,
    });
    revocations.sweep(now.unix());
    Ok(Seen::new(heads, now))
}

fn not_loaded(error: LoadError) -> OpenError {
    match error {
        LoadError::Damaged { kid } => OpenError::DamagedKey { kid },
        LoadError::Store(error) => OpenError::Store(error),
    }
}

/// Each key is bound to one algorithm, so naming those of older keys beside
/// the configured one widens nothing.
fn trusted(config: &Config, ring: &KeyRing) -> TrustedIssuer {
    let source = ring.source();
    let mut algorithms = BTreeSet::from([config.algorithm.name()]);
    let current = source.current();
    algorithms.extend(current.iter().map(|key| key.algorithm().name()));
    let algorithms = algorithms
        .into_iter()
        .filter_map(doorward_jose::algorithm::Algorithm::from_name);
    let validation = Validation::issuer(config.issuer.as_str())
        .audience(config.audience.as_str())
        .algorithms(algorithms)
        .leeway_seconds(CLOCK_LEEWAY)
        .max_lifetime_seconds(MAX_ACCESS_TOKEN_LIFETIME);
    TrustedIssuer::new(validation, source)
}
