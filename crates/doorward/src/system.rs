//! The machine: its clock and its randomness, read here and nowhere else.
//!
//! Every library takes time and randomness as arguments, so that its tests
//! turn the clock and seed the generator, and so that one place answers where
//! a moment or a secret came from. `clippy.toml` bans these calls everywhere
//! else. The one randomness that does not pass through here is inside the
//! cryptography library, where it makes keys and signatures.

use std::time::{SystemTime, UNIX_EPOCH};

use doorward_issuer::Entropy;
use doorward_verify::clock::{Clock, Timestamp};

/// The system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the clock"
    )]
    fn now(&self) -> Timestamp {
        timestamp(SystemTime::now())
    }
}

/// A clock set before 1970 reads as 1970: every token is then issued in the
/// future and refused, which is the safe answer to a clock that cannot be true.
fn timestamp(moment: SystemTime) -> Timestamp {
    let since_epoch = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

/// Randomness from the cryptography library's generator, which the operating
/// system seeds: it is in the tree already, reseeds itself and survives a fork.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads randomness"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        // A process without randomness must not make another key or id: to end
        // is the only answer that is not a guessable secret.
        aws_lc_rs::rand::fill(bytes).expect("the operating system gives randomness");
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_clock_before_1970_reads_as_1970() {
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(timestamp(before), Timestamp::from_millis(0));
    }

    #[test]
    fn milliseconds_are_kept() {
        let moment = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        assert_eq!(timestamp(moment).millis(), 1_700_000_000_123);
    }

    #[test]
    fn the_clock_runs_forward_from_2026() {
        let now = SystemClock.now();
        assert!(now > Timestamp::from_millis(1_767_225_600_000), "{now:?}");
    }

    #[test]
    fn entropy_fills_the_whole_buffer_and_never_repeats() {
        let (mut first, mut second) = ([0u8; 64], [0u8; 64]);
        SystemEntropy.fill(&mut first);
        SystemEntropy.fill(&mut second);
        assert_ne!(first, second);
        assert!(first.iter().any(|byte| *byte != 0));
        assert_ne!(first[32..], [0u8; 32]);
    }
}
