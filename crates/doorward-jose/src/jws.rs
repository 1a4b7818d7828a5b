//! Compact JSON Web Signatures (RFC 7515 section 7.1).
//!
//! Only the compact serialisation: three parts, one signature, the payload
//! inside. The layer below tokens, for signed documents that are no tokens.

use crate::{algorithm::Algorithm, error::TokenError, header::Header, verifying_key::VerifyingKey};

/// Longest accepted text, in bytes.
pub const MAX_BYTES: usize = 8 * 1024;

/// A compact JWS whose signature has not been checked.
#[derive(Clone, Debug)]
pub struct UnverifiedJws<'t> {
    header: Header,
    signing_input: &'t str,
    payload: &'t str,
    signature: &'t str,
}

impl<'t> UnverifiedJws<'t> {
    /// Reads the parts and the header.
    ///
    /// # Errors
    ///
    /// see [`TokenError`].
    pub fn parse(_text: &'t str) -> Result<Self, TokenError> {
        todo!()
    }

    /// `alg`.
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// Checks the signature and returns the payload.
    ///
    /// # Errors
    ///
    /// see [`TokenError`].
    pub fn verify(&self, _key: &VerifyingKey) -> Result<Vec<u8>, TokenError> {
        todo!()
    }
}
