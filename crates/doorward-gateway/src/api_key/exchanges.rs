//! Exchanges: one at a time for each key, kept while they are good.
//!
//! Everything here is bounded: what is kept, how long, how many exchanges run,
//! and how long one may take. A refusal is kept for a second, so that a program
//! that goes on with a revoked key costs one look a second. What was never a key
//! of the issuer is refused before, and costs nothing (BRU-011).

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockWriteGuard},
    time::Duration,
};

use doorward_policy::decision::Reason;
use doorward_verify::{clock::Timestamp, credential::UnverifiedCredential};
use tokio::{
    sync::{OnceCell, Semaphore},
    time::timeout,
};

use super::{KeyExchange, Outcome, refused};

/// Keys kept at a time; more push out what was kept before.
const MAX_KEPT: usize = 20_000;

/// Exchanges that run at a time.
const MAX_RUNNING: usize = 32;

/// How long a token is kept at most, milliseconds. A key that is in use is
/// looked at once in so long.
const KEEP_MILLIS: u64 = 60_000;

/// How long a refusal is kept, milliseconds.
const KEEP_REFUSAL_MILLIS: u64 = 1_000;

/// A key of the issuer, with its name and its place here.
#[derive(Clone)]
pub(crate) struct Key {
    text: String,
    id: String,
    fingerprint: Fingerprint,
}

/// Keyed at random: nobody can choose a text that has another's.
type Fingerprint = [u64; 2];

/// The exchanges of one gateway.
pub(crate) struct Exchanges {
    issuer: KeyExchange,
    hashers: [RandomState; 2],
    kept: RwLock<HashMap<Fingerprint, Kept>>,
    running: Mutex<HashMap<Fingerprint, Arc<OnceCell<Outcome>>>>,
    places: Semaphore,
    patience: Duration,
}

struct Kept {
    outcome: Outcome,
    until: Timestamp,
}

impl Key {
    /// Its id; no secret.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

impl Exchanges {
    pub(crate) fn new(issuer: KeyExchange, patience: Duration) -> Self {
        Self {
            issuer,
            hashers: [RandomState::new(), RandomState::new()],
            kept: RwLock::default(),
            running: Mutex::default(),
            places: Semaphore::new(MAX_RUNNING),
            patience,
        }
    }

    /// The key, if the issuer made it. Nobody is asked for what is none.
    pub(crate) fn recognise(&self, text: &str) -> Option<Key> {
        let presented = UnverifiedCredential::parse(text)?;
        let is_key = presented.kind().is_api_key() && (self.issuer.recognises)(text);
        is_key.then(|| Key {
            id: presented.id().to_owned(),
            fingerprint: self.hashers.each_ref().map(|hasher| hasher.hash_one(text)),
            text: text.to_owned(),
        })
    }

    /// What is known of the key at `now`.
    pub(crate) fn kept(&self, key: &Key, now: Timestamp) -> Option<Outcome> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.get(&key.fingerprint)?;
        (now < kept.until).then(|| Arc::clone(&kept.outcome))
    }

    /// Forgets what is known of the key.
    pub(crate) fn forget(&self, key: &Key) {
        self.kept_mut().remove(&key.fingerprint);
    }

    /// Exchanges the key, or waits for the exchange that is under way.
    pub(crate) async fn exchange(&self, key: Key, now: Timestamp) -> Outcome {
        let fingerprint = key.fingerprint;
        let cell = Arc::clone(self.running_mut().entry(fingerprint).or_default());
        // Whoever began it may leave: then another who waits goes on with it.
        let outcome = cell.get_or_init(|| self.ask(key)).await.clone();
        let mut running = self.running_mut();
        let is_same = |found: &Arc<OnceCell<Outcome>>| Arc::ptr_eq(found, &cell);
        if running.get(&fingerprint).is_some_and(is_same) {
            running.remove(&fingerprint);
            drop(running);
            self.keep(fingerprint, &outcome, now);
        }
        outcome
    }

    async fn ask(&self, key: Key) -> Outcome {
        let asking = async {
            let place = self.places.acquire().await;
            let outcome = (self.issuer.call)(key.text).await;
            drop(place);
            outcome
        };
        match timeout(self.patience, asking).await {
            Ok(outcome) => Arc::new(outcome),
            Err(_) => refused(Reason::Overloaded),
        }
    }

    fn keep(&self, fingerprint: Fingerprint, outcome: &Outcome, now: Timestamp) {
        let until = match &**outcome {
            Ok(exchanged) => exchanged.usable_until.min(now.plus_millis(KEEP_MILLIS)),
            Err(refused) if refused.reason.is_failure() => return,
            Err(_) => now.plus_millis(KEEP_REFUSAL_MILLIS),
        };
        let mut kept = self.kept_mut();
        if kept.len() >= MAX_KEPT {
            kept.retain(|_, kept| now < kept.until);
        }
        if kept.len() >= MAX_KEPT {
            // More keys in a minute than there is room for: begin anew.
            kept.clear();
        }
        let outcome = Arc::clone(outcome);
        kept.insert(fingerprint, Kept { outcome, until });
    }

    fn kept_mut(&self) -> RwLockWriteGuard<'_, HashMap<Fingerprint, Kept>> {
        // Each change is one insert or removal: a panic leaves the map whole.
        self.kept.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn running_mut(&self) -> MutexGuard<'_, HashMap<Fingerprint, Arc<OnceCell<Outcome>>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Neither texts nor tokens.
impl std::fmt::Debug for Exchanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exchanges").finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
