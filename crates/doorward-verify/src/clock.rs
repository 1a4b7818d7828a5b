//! Time as an argument.
//!
//! Nothing in this crate reads the system's clock; the binary gives one
//! [`Clock`], tests turn their own.

use doorward_jose::time::UnixTime;
use serde::{Deserialize, Serialize};

/// A moment, milliseconds since 1970-01-01 UTC.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// From milliseconds since 1970-01-01 UTC.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01 UTC.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// The same moment in whole seconds, rounded down, as tokens carry it.
    pub const fn unix(self) -> UnixTime {
        UnixTime::from_secs(self.0 / 1000)
    }

    /// This moment plus `millis`; stays at the end of time on overflow.
    #[must_use]
    pub const fn plus_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

#[cfg(test)]
mod tests {
    use super::{Timestamp, UnixTime};

    #[test]
    fn tokens_carry_whole_seconds_rounded_down() {
        let moment = Timestamp::from_millis(1_999).plus_millis(1_000);
        assert_eq!(moment.millis(), 2_999);
        assert_eq!(moment.unix(), UnixTime::from_secs(2));
    }
}
