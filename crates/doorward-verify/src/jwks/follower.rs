//! The one background task of a followed key set.

use std::{sync::Arc, time::Duration};

use doorward_jose::{jwk_set::KeySet, time::UnixTime};
use http::HeaderValue;

use super::{
    demand::Demand,
    exchange::{Answer, Exchange, FetchError},
    remote::{Event, RemoteKeys, Surroundings},
    schedule::{Cause, Schedule},
};
use crate::{
    clock::Timestamp,
    key_source::{KeySource, Snapshot, WeakKeySource},
    permission_numbers::{MEMBER, PermissionNumbers},
};

/// Time can jump: a pause is never longer than this, so that a jump is seen.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Fetches the keys of one source, one fetch at a time. Nothing else does.
pub struct Follower {
    keys: RemoteKeys,
    surroundings: Surroundings,
    exchange: Exchange,
    source: WeakKeySource,
    demand: Arc<Demand>,
    schedule: Schedule,
    tag: Option<HeaderValue>,
}

impl Follower {
    pub(super) fn new(
        keys: RemoteKeys,
        surroundings: Surroundings,
        exchange: Exchange,
        (source, demand): (&KeySource, Arc<Demand>),
    ) -> Self {
        let spread = millis(keys.start_spread);
        let schedule =
            Schedule::starting(surroundings.clock.now(), spread, (surroundings.random)());
        Self {
            keys,
            surroundings,
            exchange,
            source: source.downgrade(),
            demand,
            schedule,
            tag: None,
        }
    }

    /// Keeps the source's keys up to date until nobody holds it any more.
    pub async fn run(mut self) {
        while let Some(pause) = self.step().await {
            let demand = Arc::clone(&self.demand);
            // Whichever comes first; the next step finds out what is due.
            let _ = tokio::time::timeout(pause, demand.woken()).await;
        }
    }

    /// Makes the attempt that is due now, if one is, and tells how long to
    /// pause before the next step; none when nobody holds the source any more.
    ///
    /// For programs and tests with a loop of their own; [`Self::run`] is one.
    pub async fn step(&mut self) -> Option<Duration> {
        let now = self.surroundings.clock.now();
        let source = self.source.upgrade()?;
        if let Some(cause) = self.schedule.due_at(now, self.demand.asked()) {
            self.attempt(&source, cause, now).await;
        }
        let now = self.surroundings.clock.now().millis();
        let due = self.schedule.due(self.demand.asked()).millis();
        Some(Duration::from_millis(due.saturating_sub(now)).min(LONGEST_PAUSE))
    }

    async fn attempt(&mut self, source: &KeySource, cause: Cause, now: Timestamp) {
        self.schedule.begin(now);
        self.demand.begin(now);
        let answer = self.exchange.fetch(self.tag.as_ref()).await;
        let now = self.surroundings.clock.now();
        let outcome = answer.and_then(|answer| self.take(source, answer, now));
        match &outcome {
            Ok(refreshed) => {
                self.demand.end(refreshed.changed);
                (self.keys.observer)(&Event::Refreshed {
                    keys: refreshed.keys,
                    skipped: refreshed.skipped,
                    changed: refreshed.changed,
                });
            }
            Err(error) => {
                self.schedule
                    .failed(now, cause, (self.surroundings.random)());
                self.demand.end(true);
                let health = source.health(now.unix());
                (self.keys.observer)(&Event::Failed { error, health });
            }
        }
    }

    /// Puts a good answer in place; a bad one leaves everything as it was.
    fn take(
        &mut self,
        source: &KeySource,
        answer: Answer,
        now: Timestamp,
    ) -> Result<Refreshed, FetchError> {
        let old = source.snapshot();
        let keys = match &answer.document {
            // What else an issuer writes there is no change of keys.
            Some(document) => Arc::new(self.keys.parse(document)?.with_only_member(MEMBER)),
            None => Arc::clone(&old.keys),
        };
        let changed = answer.document.is_some() && keys.to_jwks_json() != old.keys.to_jwks_json();
        let refreshed = Refreshed {
            keys: keys.len(),
            skipped: keys.skipped().len(),
            changed,
        };
        let fresh_until = now.unix().saturating_add(answer.fresh_seconds);
        let numbers = match changed {
            true => PermissionNumbers::published_in(&keys),
            false => old.numbers.clone(),
        };
        source.store(Snapshot {
            numbers,
            keys: Arc::clone(&keys),
            generation: old.generation.wrapping_add(u64::from(changed)),
            fresh_until,
            usable_until: fresh_until.saturating_add(self.keys.stale_for.as_secs()),
        });
        self.keep(&keys, fresh_until);
        self.tag = answer.tag;
        let random = (self.surroundings.random)();
        self.schedule
            .succeeded(now, answer.fresh_seconds.saturating_mul(1000), random);
        Ok(refreshed)
    }
}

impl Follower {
    /// A set that is only fresh for longer is written again too: the file says
    /// how long it may be used.
    fn keep(&self, keys: &KeySet, fresh_until: UnixTime) {
        let Some(kept) = &self.keys.kept else { return };
        let jwks = keys.to_jwks_json();
        if let Err(error) = kept.write(jwks.as_bytes(), fresh_until) {
            (self.keys.observer)(&Event::NotKept { error: &error });
        }
    }
}

struct Refreshed {
    keys: usize,
    skipped: usize,
    changed: bool,
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("keys", &self.keys)
            .field("schedule", &self.schedule)
            .finish_non_exhaustive()
    }
}
