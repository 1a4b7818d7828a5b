//! Key sets (RFC 7517 section 5).

use crate::{algorithm::Algorithm, error::KeyError, verifying_key::VerifyingKey};

/// Bounds on a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Length of the text in bytes.
    pub max_bytes: usize,
    /// Number of keys.
    pub max_keys: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 256 * 1024,
            max_keys: 32,
        }
    }
}

/// The parser of key sets.
#[derive(Clone, Copy, Debug)]
pub struct JwkSet;

impl JwkSet {
    /// Strict.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn parse(_bytes: &[u8], _limits: Limits) -> Result<KeySet, KeyError> {
        todo!()
    }
}

/// Keys to verify with.
#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
}

impl KeySet {
    /// At most three keys for this algorithm and key id.
    pub fn candidates(
        &self,
        _algorithm: Algorithm,
        _key_id: Option<&str>,
    ) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter().take(3)
    }

    /// Every key.
    pub fn iter(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter()
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// No key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The public keys as a JWK set document.
    pub fn to_jwks_json(&self) -> String {
        todo!()
    }
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self {
            keys: keys.into_iter().collect(),
        }
    }
}
