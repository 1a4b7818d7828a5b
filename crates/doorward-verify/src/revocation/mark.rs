//! What is known about one fingerprint, in eight bytes.

use doorward_jose::time::UnixTime;

/// Tokens issued before `issued_before` are refused until `expires_at`.
///
/// Both are kept in 32 bits, which last until 2106. What does not fit becomes
/// the largest value, and that one means *all tokens* and *never expires*: a
/// date that cannot be kept refuses more, not less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    issued_before: u32,
    expires_at: u32,
}

/// Every token, whenever it was issued; and no end.
const ALL: u32 = u32::MAX;

impl Mark {
    /// Tokens issued before a moment.
    pub(crate) fn before(issued_before: UnixTime, expires_at: UnixTime) -> Self {
        Self {
            issued_before: seconds(issued_before),
            expires_at: seconds(expires_at),
        }
    }

    /// Tokens whenever they were issued.
    pub(crate) fn all(expires_at: UnixTime) -> Self {
        Self {
            issued_before: ALL,
            expires_at: seconds(expires_at),
        }
    }

    pub(crate) const fn from_parts(issued_before: u32, expires_at: u32) -> Self {
        Self {
            issued_before,
            expires_at,
        }
    }

    pub(crate) const fn pack(self) -> u64 {
        (self.issued_before as u64) << 32 | self.expires_at as u64
    }

    pub(crate) const fn unpack(packed: u64) -> Self {
        Self {
            issued_before: (packed >> 32) as u32,
            expires_at: packed as u32,
        }
    }

    pub(crate) const fn issued_before(self) -> u32 {
        self.issued_before
    }

    pub(crate) const fn expires_at(self) -> u32 {
        self.expires_at
    }

    /// Whether it says the same of every token.
    pub(crate) const fn is_for_all(self) -> bool {
        self.issued_before == ALL
    }

    /// Both at once: whatever either refuses, for as long as either does.
    pub(crate) fn join(self, other: Self) -> Self {
        Self {
            issued_before: self.issued_before.max(other.issued_before),
            expires_at: self.expires_at.max(other.expires_at),
        }
    }

    /// Whether tokens can still be concerned at `now`.
    pub(crate) fn is_alive(self, now: UnixTime) -> bool {
        self.expires_at == ALL || u64::from(self.expires_at) > now.as_secs()
    }

    /// Whether a token issued at `issued` is refused at `now`.
    pub(crate) fn refuses(self, issued: UnixTime, now: UnixTime) -> bool {
        let concerned = self.is_for_all() || issued.as_secs() < u64::from(self.issued_before);
        concerned && self.is_alive(now)
    }
}

fn seconds(time: UnixTime) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(ALL)
}

#[cfg(test)]
mod tests {
    use super::{Mark, UnixTime};

    const fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(seconds)
    }

    #[test]
    fn survives_packing() {
        let mark = Mark::before(at(1_800_000_000), at(1_800_000_330));
        assert_eq!(Mark::unpack(mark.pack()), mark);
    }

    #[test]
    fn the_first_second_that_is_too_late_is_the_expiry() {
        let mark = Mark::all(at(100));
        assert!(mark.refuses(at(1), at(99)));
        assert!(!mark.refuses(at(1), at(100)));
    }

    #[test]
    fn dates_beyond_2106_refuse_more() {
        let mark = Mark::before(UnixTime::MAX, UnixTime::MAX);
        assert!(mark.refuses(UnixTime::MAX, UnixTime::MAX));
    }
}
