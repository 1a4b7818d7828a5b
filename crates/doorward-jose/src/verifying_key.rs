//! Keys that check signatures.

use crate::{algorithm::Algorithm, error::KeyError, jwk::Jwk};

/// A key bound to exactly one algorithm.
#[derive(Clone, Debug)]
pub struct VerifyingKey {}

impl VerifyingKey {
    /// From a JWK; `algorithm` is needed when the key does not say its own.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn from_jwk(_jwk: &Jwk, _algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        todo!()
    }

    /// From PEM.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn from_pem(_algorithm: Algorithm, _pem: &[u8]) -> Result<Self, KeyError> {
        todo!()
    }

    /// From DER.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn from_der(_algorithm: Algorithm, _der: &[u8]) -> Result<Self, KeyError> {
        todo!()
    }

    /// A shared secret.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn hmac(_algorithm: Algorithm, _secret: &[u8]) -> Result<Self, KeyError> {
        todo!()
    }

    /// `kid`.
    pub fn key_id(&self) -> Option<&str> {
        todo!()
    }

    /// The same key under another id.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn with_key_id(self, _key_id: impl Into<String>) -> Result<Self, KeyError> {
        todo!()
    }

    /// `alg`.
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// The public key; none for a shared secret.
    pub fn to_jwk(&self) -> Option<Jwk> {
        todo!()
    }
}
