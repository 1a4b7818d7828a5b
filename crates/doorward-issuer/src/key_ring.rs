//! Signing keys.

/// A change that the ring does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// No such key, or it is destroyed already.
    #[error("there is no live signing key {0}")]
    NoSuchKey(String),
    /// The crypto library made none.
    #[error("a signing key cannot be made: {0}")]
    Generate(String),
}
