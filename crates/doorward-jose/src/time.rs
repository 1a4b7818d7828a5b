//! Seconds since 1970-01-01T00:00:00Z, as tokens carry them (`NumericDate`,
//! RFC 7519 section 2).
//!
//! Not a clock: nothing here knows what time it is. RFC 7519 allows fractions;
//! this crate does not, because a value that two readers round differently is
//! two values. Dates are exact integers up to 2^53 - 1, the largest that every
//! JSON implementation holds exactly (RFC 7493 section 2.2).

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The largest integer that is exact in every JSON implementation.
const MAX_SECONDS: u64 = (1 << 53) - 1;

/// A point in time, in whole seconds since the epoch.
///
/// ```
/// use doorward_jose::time::UnixTime;
///
/// let exp = UnixTime::from_secs(1_700_000_000).saturating_add(300);
/// assert_eq!(exp.as_secs(), 1_700_000_300);
/// assert!(exp > UnixTime::from_secs(1_700_000_299));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(u64);

impl UnixTime {
    /// 2^53 - 1 seconds: later dates are refused in tokens and capped here.
    pub const MAX: Self = Self(MAX_SECONDS);

    /// From seconds since the epoch; more than [`Self::MAX`] becomes it.
    pub const fn from_secs(seconds: u64) -> Self {
        match seconds {
            0..=MAX_SECONDS => Self(seconds),
            _ => Self::MAX,
        }
    }

    /// Seconds since the epoch.
    pub const fn as_secs(self) -> u64 {
        self.0
    }

    /// `seconds` later, at most [`Self::MAX`].
    #[must_use]
    pub const fn saturating_add(self, seconds: u64) -> Self {
        Self::from_secs(self.0.saturating_add(seconds))
    }

    /// `seconds` earlier, at least the epoch.
    #[must_use]
    pub const fn saturating_sub(self, seconds: u64) -> Self {
        Self(self.0.saturating_sub(seconds))
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for UnixTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.0)
    }
}

impl<'de> Deserialize<'de> for UnixTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumericDate)
    }
}

struct NumericDate;

impl de::Visitor<'_> for NumericDate {
    type Value = UnixTime;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an integer from 0 to 2^53 - 1")
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<UnixTime, E> {
        if seconds > UnixTime::MAX.0 {
            return Err(E::invalid_value(de::Unexpected::Unsigned(seconds), &self));
        }
        Ok(UnixTime(seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::UnixTime;

    #[test]
    fn only_exact_integers_are_dates() {
        let good = [
            ("0", 0),
            ("1700000000", 1_700_000_000),
            ("9007199254740991", (1 << 53) - 1),
        ];
        for (text, seconds) in good {
            assert_eq!(
                serde_json::from_str::<UnixTime>(text).ok(),
                Some(UnixTime(seconds))
            );
        }
        for text in [
            "-1",
            "-0",
            "1.0",
            "1e2",
            "1.5",
            "9007199254740992",
            "9223372036854775808",
            "18446744073709551616",
            "1e400",
            "\"1\"",
            "null",
            "true",
            "[1]",
            "{}",
            "NaN",
            "01",
            "",
        ] {
            assert!(
                serde_json::from_str::<UnixTime>(text).is_err(),
                "{text} was accepted"
            );
        }
    }

    #[test]
    fn arithmetic_saturates() {
        assert_eq!(UnixTime::from_secs(u64::MAX), UnixTime::MAX);
        assert_eq!(UnixTime::MAX.saturating_add(u64::MAX), UnixTime::MAX);
        assert_eq!(UnixTime::from_secs(3).saturating_sub(4).as_secs(), 0);
    }
}
