//! Where a verifier finds the keys of an issuer.
//!
//! A [`KeySource`] is a shared, swappable snapshot of a [`KeySet`]: reading is
//! lock-free, replacing takes effect for the next request. Whoever owns the
//! keys replaces them: the issuer in the same process, a
//! [`KeyFile`](crate::jwks::file::KeyFile), or the follower of a JWKS URL
//! (feature `fetch`). Nothing is ever fetched by the request that needs it.
//!
//! A snapshot knows how long it may be used, and the reader compares that with
//! its own time: a source whose owner died becomes [`Health::Expired`] by
//! itself and its keys verify nothing any more.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use doorward_jose::{
    algorithm::Algorithm,
    error::KeyError,
    jwk_set::{KeySet, Limits},
    time::UnixTime,
};

#[cfg(feature = "fetch")]
use crate::jwks::demand::Demand;
use crate::permission_numbers::PermissionNumbers;

/// A shared set of verifying keys. Clones see the same set.
#[derive(Clone)]
pub struct KeySource(Arc<Shared>);

struct Shared {
    snapshot: ArcSwap<Snapshot>,
    #[cfg(feature = "fetch")]
    demand: Option<Arc<Demand>>,
}

/// How far the keys of a source can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Health {
    /// As new as the issuer asks for, or given and not fetched.
    Fresh,
    /// Older than that, because the issuer could not be asked; still used.
    Stale,
    /// Beyond the bound for stale keys, or never had: nothing is accepted.
    Expired,
}

/// Keys, and how long they hold. Immutable; a newer one takes its place.
pub(crate) struct Snapshot {
    pub(crate) keys: Arc<KeySet>,
    /// What numbers in tokens mean, published with the keys.
    pub(crate) numbers: PermissionNumbers,
    pub(crate) generation: u64,
    pub(crate) fresh_until: UnixTime,
    pub(crate) usable_until: UnixTime,
}

impl KeySource {
    /// Starts with `keys`, which stay good until they are replaced.
    pub fn fixed(keys: KeySet) -> Self {
        Self(Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(Snapshot::given(keys, 0)),
            #[cfg(feature = "fetch")]
            demand: None,
        }))
    }

    /// The keys of a JWKS document written into a configuration or a program,
    /// for exactly these algorithms.
    ///
    /// # Errors
    ///
    /// As [`KeySet::parse_for`].
    pub fn inline(jwks: &str, algorithms: &[Algorithm]) -> Result<Self, KeyError> {
        KeySet::parse_for(jwks.as_bytes(), Limits::default(), algorithms).map(Self::fixed)
    }

    /// Has no key until the follower of `demand` brings some.
    #[cfg(feature = "fetch")]
    pub(crate) fn followed(demand: Arc<Demand>) -> Self {
        let nothing = Snapshot {
            fresh_until: UnixTime::from_secs(0),
            usable_until: UnixTime::from_secs(0),
            ..Snapshot::given(KeySet::default(), 0)
        };
        Self(Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(nothing),
            demand: Some(demand),
        }))
    }

    /// Puts `keys` in place of the present set, at once and whole.
    pub fn replace(&self, keys: KeySet) {
        let (numbers, keys) = (PermissionNumbers::published_in(&keys), Arc::new(keys));
        self.0.snapshot.rcu(|old| Snapshot {
            keys: Arc::clone(&keys),
            numbers: numbers.clone(),
            generation: old.generation.wrapping_add(1),
            ..Snapshot::given(KeySet::default(), 0)
        });
    }

    /// The present set, however old. For showing and publishing; a verifier
    /// asks for the set that holds at its time.
    pub fn current(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.snapshot.load().keys)
    }

    /// Names the present set: another number means other keys, and none means
    /// that no key holds at `now`. What was verified with keys of one
    /// generation says nothing about another.
    pub fn generation(&self, now: UnixTime) -> Option<u64> {
        let snapshot = self.0.snapshot.load();
        snapshot.holds(now).then_some(snapshot.generation)
    }

    /// Until when the keys are as new as the issuer asks for; none for keys
    /// that were given and not fetched.
    pub fn fresh_until(&self) -> Option<UnixTime> {
        let until = self.0.snapshot.load().fresh_until;
        (until != UnixTime::MAX).then_some(until)
    }

    /// How far the keys can be relied on at `now`.
    pub fn health(&self, now: UnixTime) -> Health {
        let snapshot = self.0.snapshot.load();
        match (now < snapshot.fresh_until, snapshot.holds(now)) {
            (true, _) => Health::Fresh,
            (false, true) => Health::Stale,
            (false, false) => Health::Expired,
        }
    }

    /// The present snapshot, without touching a shared counter.
    pub(crate) fn snapshot(&self) -> Guard<Arc<Snapshot>> {
        self.0.snapshot.load()
    }

    #[cfg(feature = "fetch")]
    pub(crate) fn store(&self, snapshot: Snapshot) {
        self.0.snapshot.store(Arc::new(snapshot));
    }

    /// What asks for newer keys, if somebody fetches them.
    #[cfg(feature = "fetch")]
    pub(crate) fn demand(&self) -> Option<&Arc<Demand>> {
        self.0.demand.as_ref()
    }

    /// What the numbers in a token mean at present.
    pub(crate) fn permission_numbers(&self) -> PermissionNumbers {
        self.0.snapshot.load().numbers.clone()
    }

    /// A good token named permissions by numbers of a list that is not known.
    /// Never waits.
    pub(crate) fn missed_list(&self, now: UnixTime) {
        #[cfg(feature = "fetch")]
        if let Some(demand) = &self.0.demand {
            demand.miss_list(now);
        }
        #[cfg(not(feature = "fetch"))]
        let _ = now;
    }

    /// A token named a key that is not in the set. Never waits.
    pub(crate) fn missed(&self, key_id: Option<&str>, now: UnixTime) {
        #[cfg(feature = "fetch")]
        if let Some(demand) = &self.0.demand {
            demand.miss(key_id, now);
        }
        #[cfg(not(feature = "fetch"))]
        let _ = (key_id, now);
    }

    /// Asks for keys newer than those in place, because the issuer's own feed
    /// uses one that is not there, and waits for them at most `limit`. Whether
    /// others are in place now.
    #[cfg(feature = "fetch")]
    pub(crate) async fn renew(&self, limit: std::time::Duration) -> bool {
        let Some(demand) = &self.0.demand else {
            return false;
        };
        let before = self.0.snapshot.load().generation;
        demand.renew(limit).await;
        self.0.snapshot.load().generation != before
    }

    #[cfg(feature = "fetch")]
    pub(crate) fn downgrade(&self) -> WeakKeySource {
        WeakKeySource(Arc::downgrade(&self.0))
    }
}

/// Lets a follower see that nobody reads its source any more.
#[cfg(feature = "fetch")]
pub(crate) struct WeakKeySource(std::sync::Weak<Shared>);

#[cfg(feature = "fetch")]
impl WeakKeySource {
    pub(crate) fn upgrade(&self) -> Option<KeySource> {
        self.0.upgrade().map(KeySource)
    }
}

#[cfg(feature = "fetch")]
impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(demand) = &self.demand {
            demand.wake();
        }
    }
}

impl Snapshot {
    /// Keys that were given hold until they are replaced.
    fn given(keys: KeySet, generation: u64) -> Self {
        Self {
            numbers: PermissionNumbers::published_in(&keys),
            keys: Arc::new(keys),
            generation,
            fresh_until: UnixTime::MAX,
            usable_until: UnixTime::MAX,
        }
    }

    /// Whether these keys may verify anything at `now`.
    pub(crate) fn holds(&self, now: UnixTime) -> bool {
        now < self.usable_until
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let snapshot = self.0.snapshot.load();
        f.debug_struct("KeySource")
            .field("keys", &snapshot.keys.len())
            .field("generation", &snapshot.generation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::{Health, KeySet, KeySource, UnixTime};

    const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

    /// What the token cache keeps is bound to the number of the key set.
    #[test]
    fn key_011_each_replacement_is_another_generation() {
        let source = KeySource::fixed(KeySet::default());
        let mut seen = vec![source.generation(NOW)];
        for _ in 0..3 {
            source.replace(KeySet::default());
            let generation = source.generation(NOW);
            assert!(generation.is_some() && !seen.contains(&generation));
            seen.push(generation);
        }
        assert_eq!(source.health(NOW), Health::Fresh);
    }

    #[cfg(feature = "fetch")]
    #[test]
    fn key_008_before_the_first_answer_no_key_holds() {
        let source = KeySource::followed(super::Demand::new());
        assert_eq!(source.generation(NOW), None);
        assert_eq!(source.health(NOW), Health::Expired);
    }

    #[cfg(feature = "fetch")]
    #[test]
    fn only_keys_that_are_fetched_grow_old() {
        let source = KeySource::fixed(KeySet::default());
        assert_eq!(source.fresh_until(), None);
        let fetched = super::Snapshot {
            fresh_until: NOW,
            ..super::Snapshot::given(KeySet::default(), 1)
        };
        source.store(fetched);
        assert_eq!(source.fresh_until(), Some(NOW));
        assert_eq!(source.health(NOW), Health::Stale);
    }
}
