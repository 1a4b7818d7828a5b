//! Keys that sign.

use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    algorithm::Algorithm,
    error::{KeyError, SignError},
    verifying_key::VerifyingKey,
};

/// A private key or shared secret, bound to exactly one algorithm.
#[derive(Clone)]
pub struct SigningKey {}

impl SigningKey {
    /// Makes a new key with the cryptographic library's generator.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn generate(_algorithm: Algorithm) -> Result<Self, KeyError> {
        todo!()
    }

    /// From PKCS #8.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn from_pkcs8(_algorithm: Algorithm, _pkcs8: &[u8]) -> Result<Self, KeyError> {
        todo!()
    }

    /// To PKCS #8; shared secrets have no such form.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
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

    /// The same key under another id.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn with_key_id(self, _key_id: impl Into<String>) -> Result<Self, KeyError> {
        todo!()
    }

    /// `kid`: the RFC 7638 thumbprint unless set.
    pub fn key_id(&self) -> &str {
        todo!()
    }

    /// `alg`.
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// The key that checks its signatures.
    pub fn verifying_key(&self) -> VerifyingKey {
        todo!()
    }

    /// Signs a token.
    ///
    /// # Errors
    ///
    /// see [`SignError`].
    pub fn sign(&self, _token_type: &str, _claims: &impl Serialize) -> Result<String, SignError> {
        todo!()
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").finish_non_exhaustive()
    }
}
