//! Which of the traces that begin here are sampled.
//!
//! Decided by the request's own name, which is random: whoever sees the name
//! later comes to the same answer, and nothing has to be handed on. A trace that
//! a caller brings is the caller's to sample, and is not asked about here.

use doorward_policy::decision::TraceId;

/// How much of the name is looked at: the 56 bits that Trace Context level 2
/// calls random.
const SPACE: u64 = 1 << 56;

/// A share of all requests. The default is all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ratio(u64);

impl Default for Ratio {
    fn default() -> Self {
        Self(SPACE)
    }
}

impl Ratio {
    /// From a share between 0 and 1; nothing for other numbers.
    pub fn of(share: f64) -> Option<Self> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "between 0 and 2^56, and no nearer than a float is"
        )]
        let taken = (0.0..=1.0)
            .contains(&share)
            .then_some((share * SPACE as f64) as u64);
        taken.map(Self)
    }

    /// Whether the request of this name is among them.
    pub fn takes(self, request: TraceId) -> bool {
        let [.., a, b, c, d, e, f, g] = *request.as_bytes();
        u64::from_be_bytes([0, a, b, c, d, e, f, g]) < self.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::TraceId;

    use super::Ratio;

    #[test]
    fn a_share_is_taken_by_the_end_of_the_name() {
        let name = |end: u8| {
            let mut bytes = [0xff; 16];
            bytes[9] = end;
            TraceId::from_bytes(bytes)
        };
        let taken = |share: f64| {
            let ratio = Ratio::of(share).unwrap();
            (0..=255).filter(|end| ratio.takes(name(*end))).count()
        };
        assert_eq!([taken(0.0), taken(0.25), taken(1.0)], [0, 64, 256]);
        assert!(Ratio::default().takes(name(0xff)));
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert_eq!(Ratio::of(share), None, "{share}");
        }
    }
}
