//! How slow the other side may be.

use std::time::Duration;

use tokio::time::Instant;

/// Patience with whoever is waited for: waiting spends it, and bytes earn it
/// back, a second for as many as are wanted in a second. So silence ends at the
/// limit, and so does a trickle, a little later.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    /// Spent of the limit.
    spent: Duration,
    since: Option<Instant>,
}

impl Pace {
    /// Waited for from `now` on, if not longer; until when?
    pub(crate) fn deadline(&mut self, limit: Duration, now: Instant) -> Instant {
        let since = *self.since.get_or_insert(now);
        since + limit.saturating_sub(self.spent)
    }

    /// `bytes` moved by `now`, of which `rate` are wanted in a second; with 0
    /// silence alone counts.
    pub(crate) fn moved(&mut self, bytes: usize, rate: usize, now: Instant) {
        let waited = self.since.take().map(|since| now - since);
        let spent = self.spent + waited.unwrap_or_default();
        self.spent = spent.saturating_sub(worth(bytes, rate));
    }

    /// Whether nobody has been waited for.
    pub(crate) fn is_unspent(&self) -> bool {
        self.since.is_none() && self.spent.is_zero()
    }
}

fn worth(bytes: usize, rate: usize) -> Duration {
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    match rate {
        0 => Duration::MAX,
        rate => Duration::from_secs(1) * whole(bytes) / whole(rate),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Pace;

    const LIMIT: Duration = Duration::from_secs(60);
    const RATE: usize = 500;

    /// Seconds until somebody is cut who moves `bytes` after each `pause`.
    fn cut_after(bytes: usize, pause: Duration) -> Option<u64> {
        let (mut pace, began) = (Pace::default(), Instant::now());
        let mut now = began;
        while now - began < 100 * LIMIT {
            let deadline = pace.deadline(LIMIT, now);
            if deadline < now + pause {
                return Some((deadline - began).as_secs());
            }
            now += pause;
            pace.moved(bytes, RATE, now);
        }
        None
    }

    #[test]
    fn dos_003_silence_and_trickles_end_and_slow_lines_do_not() {
        let second = Duration::from_secs(1);
        assert_eq!(cut_after(0, 2 * LIMIT), Some(60));
        assert_eq!(cut_after(1, 50 * second), Some(60));
        assert_eq!(cut_after(50, second), Some(66));
        assert_eq!(cut_after(600, second), None);
        assert_eq!(cut_after(20_000, 30 * second), None);
    }

    #[test]
    fn without_a_rate_only_silence_counts() {
        let (mut pace, mut now) = (Pace::default(), Instant::now());
        for _ in 0..100 {
            assert_eq!(pace.deadline(LIMIT, now), now + LIMIT);
            now += LIMIT.saturating_sub(Duration::from_secs(1));
            pace.moved(1, 0, now);
        }
    }
}
