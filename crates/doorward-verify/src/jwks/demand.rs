//! What requests tell the follower of a key set: that a key is missing.
//!
//! A request never fetches and never waits for a lock that a fetch holds; it
//! leaves a note here and goes on. A key id asked for once is not asked for
//! again for a minute, and only [`MAX_UNKNOWN`] ids are remembered, so that
//! made-up ids cost the same small memory however many there are.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use doorward_jose::time::UnixTime;
use tokio::{
    sync::{Notify, Semaphore, watch},
    time::timeout,
};

use super::schedule::{Asked, COOL_DOWN_MS};
use crate::clock::Timestamp;

/// Unknown key ids remembered.
const MAX_UNKNOWN: usize = 1024;
/// How long, in seconds.
const REMEMBERED_SECONDS: u64 = 60;
/// A list of permission numbers is asked for once in so many seconds.
const LIST_SECONDS: u64 = 2;
/// Requests that may wait for a refresh at once, per issuer.
const MAX_WAITERS: usize = 256;

/// Shared by a source's readers and its follower.
#[derive(Debug)]
pub(crate) struct Demand {
    unknown: Mutex<UnknownKeys>,
    is_asked: AtomicBool,
    is_urgent: AtomicBool,
    /// When a list of permission numbers was last asked for, seconds.
    list_asked: AtomicU64,
    wake: Notify,
    attempts: watch::Sender<Attempts>,
    waiters: Semaphore,
}

/// The follower's attempts so far.
#[derive(Clone, Copy, Debug, Default)]
struct Attempts {
    begun: u64,
    finished: u64,
    last_begun: Option<Timestamp>,
}

impl Demand {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            unknown: Mutex::default(),
            is_asked: AtomicBool::new(false),
            is_urgent: AtomicBool::new(false),
            list_asked: AtomicU64::new(0),
            wake: Notify::new(),
            attempts: watch::Sender::default(),
            waiters: Semaphore::new(MAX_WAITERS),
        })
    }

    /// A token named a key that is not there.
    pub(crate) fn miss(&self, key_id: Option<&str>, now: UnixTime) {
        let begun = self.attempts.borrow().begun;
        // No key id is empty, so the empty one stands for none.
        let is_new = self.unknown().ask(key_id.unwrap_or_default(), now, begun);
        if is_new && !self.is_asked.swap(true, Ordering::AcqRel) {
            self.wake.notify_one();
        }
    }

    /// A token that the issuer signed names permissions by numbers of a list
    /// that is not there. Without the cool-down, because no stranger can ask for
    /// it; often enough to meet a node of the issuer that learns of it later.
    pub(crate) fn miss_list(&self, now: UnixTime) {
        let (now, last) = (now.as_secs(), self.list_asked.load(Ordering::Acquire));
        let is_time = now.abs_diff(last) >= LIST_SECONDS;
        let asked = &self.list_asked;
        let ask = || asked.compare_exchange(last, now, Ordering::AcqRel, Ordering::Relaxed);
        if is_time && ask().is_ok() {
            self.is_urgent.store(true, Ordering::Release);
            self.wake.notify_one();
        }
    }

    /// Waits, at most `limit`, for the list that was asked for; at once if none
    /// is on its way or too many wait already.
    pub(crate) async fn settled_list(&self, limit: Duration) {
        let mut attempts = self.attempts.subscribe();
        let at_first = *attempts.borrow_and_update();
        let is_under_way = at_first.begun > at_first.finished;
        if !is_under_way && !self.is_urgent.load(Ordering::Acquire) {
            return;
        }
        if let Ok(_place) = self.waiters.try_acquire() {
            let ended = attempts.wait_for(|attempts| attempts.finished > at_first.finished);
            let _ = timeout(limit, ended).await;
        }
    }

    /// Waits, at most `limit`, until an attempt has ended that may have brought
    /// the key; at once if none can end in that time or too many wait already.
    pub(crate) async fn settled(&self, key_id: Option<&str>, now: UnixTime, limit: Duration) {
        let mut attempts = self.attempts.subscribe();
        let at_first = *attempts.borrow_and_update();
        let key_id = key_id.unwrap_or_default();
        if self.unknown().is_settled(key_id, at_first.finished)
            || !at_first.may_end_within(now, limit)
        {
            return;
        }
        if let Ok(_place) = self.waiters.try_acquire() {
            let ended = attempts.wait_for(|attempts| attempts.finished > at_first.finished);
            let _ = timeout(limit, ended).await;
        }
    }

    /// Ends the follower's pause.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(super) async fn woken(&self) {
        self.wake.notified().await;
    }

    /// Asks for keys that are newer than any attempt so far can have brought,
    /// without the cool-down, and waits for them at most `limit`. For a key
    /// that the issuer itself used: what tokens name comes through
    /// [`Self::miss`].
    pub(crate) async fn renew(&self, limit: Duration) {
        let mut attempts = self.attempts.subscribe();
        let begun = attempts.borrow_and_update().begun;
        self.is_urgent.store(true, Ordering::Release);
        self.wake.notify_one();
        let ended = attempts.wait_for(|attempts| attempts.finished > begun);
        let _ = timeout(limit, ended).await;
    }

    pub(super) fn asked(&self) -> Asked {
        if self.is_urgent.load(Ordering::Acquire) {
            Asked::ByFeed
        } else if self.is_asked.load(Ordering::Acquire) {
            Asked::ByToken
        } else {
            Asked::No
        }
    }

    /// From here on a miss asks for another attempt: this one may have read
    /// the issuer's keys already.
    pub(super) fn begin(&self, now: Timestamp) {
        self.is_asked.store(false, Ordering::Release);
        self.is_urgent.store(false, Ordering::Release);
        self.attempts.send_modify(|attempts| {
            attempts.begun += 1;
            attempts.last_begun = Some(now);
        });
    }

    /// The attempt ended, and its keys, if any, are in place. `forget` if it
    /// leaves no id settled: it failed, or the keys are others now.
    pub(super) fn end(&self, forget: bool) {
        if forget {
            *self.unknown() = UnknownKeys::default();
        }
        self.attempts
            .send_modify(|attempts| attempts.finished = attempts.begun);
    }

    // Every change to the table is made whole under the lock or not seen by
    // the next: a remembered id too many or too few decides nothing.
    fn unknown(&self) -> MutexGuard<'_, UnknownKeys> {
        self.unknown
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Attempts {
    fn may_end_within(self, now: UnixTime, limit: Duration) -> bool {
        let Some(last) = self.last_begun else {
            return true;
        };
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let latest = Timestamp::from_millis(now.as_secs().saturating_mul(1000)).plus_millis(limit);
        self.begun > self.finished || last.plus_millis(COOL_DOWN_MS) <= latest
    }
}

/// Key ids that were asked for and not found, oldest first.
#[derive(Debug, Default)]
struct UnknownKeys {
    asked: HashMap<Arc<str>, u64>,
    order: VecDeque<(Arc<str>, UnixTime)>,
}

impl UnknownKeys {
    /// Remembers `key_id`, asked for after `begun` attempts; whether it is new.
    fn ask(&mut self, key_id: &str, now: UnixTime, begun: u64) -> bool {
        self.forget_old(now);
        if self.asked.contains_key(key_id) {
            return false;
        }
        if self.order.len() == MAX_UNKNOWN {
            self.forget_oldest();
        }
        let key_id: Arc<str> = key_id.into();
        self.asked.insert(Arc::clone(&key_id), begun);
        self.order.push_back((key_id, now));
        true
    }

    /// Whether an attempt that began after the question has ended.
    fn is_settled(&self, key_id: &str, finished: u64) -> bool {
        self.asked
            .get(key_id)
            .is_some_and(|begun| finished > *begun)
    }

    fn forget_old(&mut self, now: UnixTime) {
        while let Some((_, at)) = self.order.front() {
            // An id from the future was noted before the clock went back.
            let is_current = *at <= now && now < at.saturating_add(REMEMBERED_SECONDS);
            if is_current {
                break;
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((key_id, _)) = self.order.pop_front() {
            self.asked.remove(&key_id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use doorward_jose::{jwk_set::KeySet, time::UnixTime};

    use super::{Asked, Demand, MAX_UNKNOWN, UnknownKeys};
    use crate::{clock::Timestamp, key_source::KeySource};

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000 + seconds)
    }

    /// An attempt that brings nothing new leaves the feed to its pauses.
    #[tokio::test]
    async fn key_015_whoever_asks_for_newer_keys_is_told_whether_they_came() {
        const LIMIT: Duration = Duration::from_secs(60);
        let demand = Demand::new();
        let source = KeySource::followed(Arc::clone(&demand));
        for brings_keys in [true, false] {
            let attempt = async {
                demand.woken().await;
                assert_eq!(demand.asked(), Asked::ByFeed);
                demand.begin(Timestamp::from_millis(0));
                if brings_keys {
                    source.replace(KeySet::default());
                }
                demand.end(false);
            };
            let (came, ()) = tokio::join!(source.renew(LIMIT), attempt);
            assert_eq!(came, brings_keys);
        }
        assert!(!KeySource::fixed(KeySet::default()).renew(LIMIT).await);
    }

    #[test]
    fn key_009_the_memory_of_unknown_keys_is_bounded() {
        let mut unknown = UnknownKeys::default();
        for number in 0..100_000 {
            assert!(unknown.ask(&format!("made-up-{number}"), at(0), 0));
            assert!(unknown.order.len() <= MAX_UNKNOWN);
            assert_eq!(unknown.order.len(), unknown.asked.len());
        }
        assert!(!unknown.ask("made-up-99999", at(59), 0));
        assert!(unknown.ask("made-up-99999", at(60), 0));
        assert_eq!(unknown.order.len(), 1, "the rest is a minute old");
    }

    #[test]
    fn a_clock_that_goes_back_leaves_nothing_unasked() {
        let mut unknown = UnknownKeys::default();
        assert!(unknown.ask("a", at(1000), 0));
        assert!(unknown.ask("a", at(0), 0));
    }

    #[test]
    fn a_list_is_asked_for_at_once_and_not_for_each_request() {
        let demand = Demand::new();
        let begin = || demand.begin(Timestamp::from_millis(1));
        demand.miss_list(at(0));
        assert!(demand.asked() == Asked::ByFeed, "past the cool-down");
        begin();
        demand.miss_list(at(1));
        assert!(demand.asked() == Asked::No);
        demand.miss_list(at(2));
        assert!(demand.asked() == Asked::ByFeed);
        begin();
        // A clock that went back.
        demand.miss_list(at(0));
        assert!(demand.asked() == Asked::ByFeed);
    }

    #[test]
    fn a_failed_attempt_settles_nothing() {
        let demand = Demand::new();
        demand.miss(Some("a"), at(0));
        assert!(demand.asked() == Asked::ByToken);
        demand.begin(Timestamp::from_millis(1));
        assert!(demand.asked() == Asked::No);
        demand.miss(Some("a"), at(0));
        assert!(demand.asked() == Asked::No, "asked for already");
        demand.end(true);
        demand.miss(Some("a"), at(0));
        assert!(demand.asked() == Asked::ByToken);
    }
}
