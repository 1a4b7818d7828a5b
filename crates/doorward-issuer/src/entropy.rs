//! Randomness as an argument.
//!
//! The binary gives the system's generator, tests give a seeded one. The one
//! randomness that does not come through here is inside the cryptography
//! library: key pairs, signatures and the nonces of sealed values.

/// Where random bytes come from.
pub trait Entropy: Send + Sync {
    /// Fills `bytes` with unpredictable bytes. An implementation that cannot
    /// must not return.
    fn fill(&self, bytes: &mut [u8]);
}

/// `N` fresh random bytes.
pub(crate) fn random<const N: usize>(entropy: &dyn Entropy) -> [u8; N] {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes);
    bytes
}
