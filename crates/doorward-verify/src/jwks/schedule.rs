//! When to fetch: a pure state machine over time and given randomness.
//!
//! - First within [`Schedule::starting`]'s spread, so that a hundred verifiers
//!   that start together do not arrive together.
//! - Then ahead of need, at 60 to 75 % of the answer's life.
//! - After a failure again in 1 s, 2 s, 4 s, up to 5 min, half of it jittered.
//! - For an unknown key id at once, but not within [`COOL_DOWN_MS`] of the last
//!   attempt. A failure of such an attempt moves nothing else: what strangers
//!   send does not change how often the issuer is asked.
//! - For a key that the revocation feed is signed with: at once. Whoever can
//!   put messages into the feed can also stop it, and the feed's own pauses
//!   bound how often this can happen.

use crate::clock::Timestamp;

/// Between the last attempt, failed or not, and one for an unknown key id.
pub(super) const COOL_DOWN_MS: u64 = 30_000;

/// The same for a key that the issuer itself used.
const URGENT_COOL_DOWN_MS: u64 = 250;

const FIRST_RETRY_MS: u64 = 1000;
const LONGEST_RETRY_MS: u64 = 5 * 60 * 1000;

#[derive(Debug)]
pub(super) struct Schedule {
    planned: Timestamp,
    last_attempt: Option<Timestamp>,
    failures: u32,
}

/// Whether newer keys are asked for, ahead of the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    No,
    /// A token names a key that is not there.
    ByToken,
    /// The issuer's own feed does.
    ByFeed,
}

/// Why an attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Plan,
    UnknownKey,
}

/// A fraction of one from 64 random bits.
fn fraction_of(span_ms: u64, random: u64) -> u64 {
    let product = u128::from(span_ms) * u128::from(random);
    // The product of two 64-bit numbers, shifted by 64, is below the first.
    u64::try_from(product >> 64).unwrap_or(span_ms)
}

impl Schedule {
    pub(super) fn starting(now: Timestamp, spread_ms: u64, random: u64) -> Self {
        Self {
            planned: now.plus_millis(fraction_of(spread_ms, random)),
            last_attempt: None,
            failures: 0,
        }
    }

    /// When the next attempt is due, given who waits for it.
    pub(super) fn due(&self, asked: Asked) -> Timestamp {
        let cool_down = match asked {
            Asked::No => None,
            Asked::ByToken => Some(COOL_DOWN_MS),
            Asked::ByFeed => Some(URGENT_COOL_DOWN_MS),
        };
        let demanded = cool_down.zip(self.last_attempt);
        let demanded = demanded.map(|(cool_down, last)| last.plus_millis(cool_down));
        demanded.map_or(self.planned, |demanded| demanded.min(self.planned))
    }

    /// What is due at `now`, if anything.
    pub(super) fn due_at(&self, now: Timestamp, asked: Asked) -> Option<Cause> {
        // A clock that went back would put everything off by that much.
        let went_back = self.last_attempt.is_some_and(|last| now < last);
        if went_back || now >= self.planned {
            return Some(Cause::Plan);
        }
        (now >= self.due(asked)).then_some(Cause::UnknownKey)
    }

    pub(super) const fn begin(&mut self, now: Timestamp) {
        self.last_attempt = Some(now);
    }

    pub(super) fn succeeded(&mut self, now: Timestamp, fresh_ms: u64, random: u64) {
        self.failures = 0;
        let (latest, jitter) = (fresh_ms / 4 * 3, fresh_ms / 20 * 3);
        self.planned = now.plus_millis(latest - fraction_of(jitter, random));
    }

    pub(super) fn failed(&mut self, now: Timestamp, cause: Cause, random: u64) {
        if cause == Cause::UnknownKey {
            return;
        }
        let doubled = FIRST_RETRY_MS << self.failures.min(16);
        let longest = doubled.min(LONGEST_RETRY_MS);
        self.failures = self.failures.saturating_add(1);
        self.planned = now.plus_millis(longest - fraction_of(longest / 2, random));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, proptest};

    use super::{Asked, Cause, Schedule};
    use crate::clock::Timestamp;

    const START: Timestamp = Timestamp::from_millis(1_000_000);

    fn after(millis: u64) -> Timestamp {
        START.plus_millis(millis)
    }

    fn fetched() -> Schedule {
        let mut schedule = Schedule::starting(START, 0, 0);
        schedule.begin(START);
        schedule.succeeded(START, 600_000, 0);
        schedule
    }

    #[test]
    fn refreshes_ahead_of_need() {
        let schedule = fetched();
        assert_eq!(schedule.due_at(after(449_999), Asked::No), None);
        assert_eq!(
            schedule.due_at(after(450_000), Asked::No),
            Some(Cause::Plan)
        );
    }

    #[test]
    fn key_009_an_unknown_key_waits_for_the_cool_down_of_the_last_attempt() {
        let mut schedule = fetched();
        assert_eq!(schedule.due_at(after(29_999), Asked::ByToken), None);
        assert_eq!(
            schedule.due_at(after(30_000), Asked::ByToken),
            Some(Cause::UnknownKey)
        );
        schedule.begin(after(30_000));
        schedule.failed(after(30_000), Cause::UnknownKey, 0);
        assert_eq!(
            schedule.due_at(after(59_999), Asked::ByToken),
            None,
            "failed or not"
        );
        assert_eq!(
            schedule.due_at(after(60_000), Asked::ByToken),
            Some(Cause::UnknownKey)
        );
        assert_eq!(
            schedule.due(Asked::No),
            after(450_000),
            "the plan is as it was"
        );
    }

    #[test]
    fn key_015_a_key_of_the_feed_waits_for_no_cool_down_but_is_no_storm() {
        let schedule = fetched();
        assert_eq!(schedule.due_at(after(249), Asked::ByFeed), None);
        assert_eq!(
            schedule.due_at(after(250), Asked::ByFeed),
            Some(Cause::UnknownKey)
        );
    }

    #[test]
    fn backs_off_to_five_minutes_and_recovers() {
        let mut schedule = Schedule::starting(START, 0, 0);
        let mut now = START;
        for wanted in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300] {
            schedule.begin(now);
            schedule.failed(now, Cause::Plan, 0);
            assert_eq!(schedule.due(Asked::No), now.plus_millis(wanted * 1000));
            now = schedule.due(Asked::No);
        }
        for _ in 0..100 {
            schedule.failed(now, Cause::Plan, 0);
        }
        schedule.succeeded(now, 60_000, 0);
        schedule.failed(now, Cause::Plan, 0);
        assert_eq!(schedule.due(Asked::No), now.plus_millis(1000));
    }

    #[test]
    fn a_clock_that_goes_back_is_a_reason_to_ask() {
        let before = Timestamp::from_millis(1);
        assert_eq!(fetched().due_at(before, Asked::No), Some(Cause::Plan));
    }

    proptest! {
        #[test]
        fn jitter_stays_inside_its_bounds(random in any::<u64>(), failures in 0_u32..40) {
            let first = Schedule::starting(START, 1000, random).due(Asked::No);
            assert!((START..after(1000)).contains(&first));
            let mut schedule = fetched();
            schedule.succeeded(START, 600_000, random);
            assert!((after(360_000)..=after(450_000)).contains(&schedule.due(Asked::No)));
            schedule.failures = failures;
            schedule.failed(START, Cause::Plan, random);
            assert!((after(500)..=after(300_000)).contains(&schedule.due(Asked::No)));
        }
    }
}
