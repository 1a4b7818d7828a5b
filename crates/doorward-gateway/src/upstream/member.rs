//! The servers behind the gateway, as all workers see them: how much each has
//! to do, and whether it can be asked.
//!
//! A request goes to the server with the least in progress. One that failed
//! several times in a row is left alone for a while, and one that a health
//! check finds down until the check finds it up; where all are out, all are
//! asked, because a wrong suspicion must not close the house.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::Uri;
use tokio::time::Instant;

use crate::tally::UpstreamState;

/// Failures in a row after which a server is left alone.
const FAILURES: u32 = 5;

/// How long it is left alone.
const REST: Duration = Duration::from_secs(10);

/// One server.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) origin: Uri,
    in_progress: AtomicUsize,
    failures: AtomicU32,
    /// Of all time.
    failed: AtomicU64,
    /// Milliseconds since `began`; left alone until then.
    rests_until: AtomicU64,
    is_down: AtomicBool,
    began: Instant,
}

impl Member {
    pub(crate) fn new(origin: Uri) -> Arc<Self> {
        Arc::new(Self {
            origin,
            in_progress: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            failed: AtomicU64::new(0),
            rests_until: AtomicU64::new(0),
            is_down: AtomicBool::new(false),
            began: Instant::now(),
        })
    }

    /// How it is, for people.
    pub(crate) fn state(&self) -> UpstreamState {
        UpstreamState {
            origin: self.origin.to_string().trim_end_matches('/').to_owned(),
            in_progress: self.in_progress.load(Ordering::Relaxed),
            is_available: self.is_available(),
            failures: self.failed.load(Ordering::Relaxed),
        }
    }

    /// Whether it is asked while others can be.
    pub(super) fn is_available(&self) -> bool {
        let rests_until = self.rests_until.load(Ordering::Relaxed);
        // Without a look at the clock for those that never rested.
        let rests = rests_until > 0 && rests_until > self.now();
        !rests && !self.is_down.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// It answered.
    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }

    /// It did not.
    pub(super) fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.failures.store(0, Ordering::Relaxed);
            let rest = u64::try_from(REST.as_millis()).unwrap_or(u64::MAX);
            self.rests_until.store(self.now() + rest, Ordering::Relaxed);
        }
    }

    /// What a health check says. Good news ends a rest as well.
    pub(super) fn checked(&self, is_up: bool) {
        self.is_down.store(!is_up, Ordering::Relaxed);
        if is_up {
            self.rests_until.store(0, Ordering::Relaxed);
        }
    }

    /// Takes a place of the `most` that it has.
    pub(super) fn enter(self: &Arc<Self>, most: usize) -> Option<Load> {
        let load = Load(Arc::clone(self));
        let before = self.in_progress.fetch_add(1, Ordering::Relaxed);
        (before < most).then_some(load)
    }
}

/// The index of the member to ask: the available one with the least to do,
/// `tried` ones last. `turn` decides between equals.
pub(super) fn choose(members: &[Arc<Member>], tried: &[usize], turn: usize) -> usize {
    let rank = |index: usize| {
        let member = &members[index];
        let load = member.in_progress.load(Ordering::Relaxed);
        (tried.contains(&index), !member.is_available(), load)
    };
    let count = members.len();
    if count == 1 {
        return 0;
    }
    (0..count)
        .map(|offset| (turn + offset) % count)
        .min_by_key(|index| rank(*index))
        .unwrap_or_default()
}

/// One request in progress at a member.
#[derive(Debug)]
pub(crate) struct Load(Arc<Member>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.in_progress.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::sync::Arc;

    use super::{FAILURES, Member, choose};

    fn members(count: usize) -> Vec<Arc<Member>> {
        (0..count)
            .map(|number| {
                Member::new(
                    format!("http://127.0.0.1:{}", 9000 + number)
                        .parse()
                        .unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn the_least_busy_is_asked_and_equals_take_turns() {
        let members = members(3);
        let turns: Vec<_> = (0..4).map(|turn| choose(&members, &[], turn)).collect();
        assert_eq!(turns, [0, 1, 2, 0]);
        let _busy = (members[0].enter(9), members[2].enter(9));
        assert_eq!(choose(&members, &[], 0), 1);
        assert_ne!(choose(&members, &[1], 0), 1, "not the one that failed");
    }

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let members = members(1);
        let first = members[0].enter(1);
        assert!(first.is_some());
        assert!(members[0].enter(1).is_none());
        drop(first);
        assert!(members[0].enter(1).is_some());
    }

    #[test]
    fn who_fails_rests_and_nobody_rests_alone() {
        let members = members(2);
        for _ in 0..FAILURES - 1 {
            members[0].failed();
        }
        members[0].succeeded();
        members[0].failed();
        assert_eq!(choose(&members, &[], 0), 0, "not in a row");
        for _ in 0..FAILURES {
            members[0].failed();
        }
        assert_eq!(choose(&members, &[], 0), 1);
        members[1].checked(false);
        assert_eq!(choose(&members, &[], 0), 0, "all are out: all are asked");
        members[1].checked(true);
        assert_eq!(choose(&members, &[], 0), 1);
        members[0].checked(true);
        assert_eq!(choose(&members, &[], 0), 0);
    }
}
