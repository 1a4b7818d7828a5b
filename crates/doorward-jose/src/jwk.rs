//! JSON Web Keys, public ones (RFC 7517, RFC 7518 section 6, RFC 8037).

use crate::{algorithm::Algorithm, error::KeyError, json::Object};

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {}

impl Jwk {
    /// Strict.
    ///
    /// # Errors
    ///
    /// see [`KeyError`].
    pub fn parse(_bytes: &[u8]) -> Result<Self, KeyError> {
        todo!()
    }

    /// `kid`.
    pub fn key_id(&self) -> Option<&str> {
        todo!()
    }

    /// `alg`.
    pub fn algorithm(&self) -> Option<Algorithm> {
        todo!()
    }

    /// RFC 7638.
    pub fn thumbprint(&self) -> String {
        todo!()
    }

    /// JSON.
    pub fn to_object(&self) -> Object {
        todo!()
    }
}
