//! Compact JSON Web Signatures (RFC 7515 section 7.1).
//!
//! Only the compact serialisation: three parts, one signature, the payload
//! inside. This is the layer below tokens, and enough for signed documents that
//! are no tokens.

use std::sync::Arc;

use memchr::memchr_iter;

use crate::{
    algorithm::Algorithm,
    base64url,
    error::{TokenError, TokenErrorKind},
    header::Header,
    json::Limits,
    scratch::KnownHeaders,
    verifying_key::VerifyingKey,
};

/// Longest accepted text, in bytes.
pub const MAX_BYTES: usize = 8 * 1024;

/// Room for the longest signature, RSA with 8192 bits.
pub(crate) const MAX_SIGNATURE_BYTES: usize = 1024;

/// A compact JWS whose signature has not been checked.
#[derive(Clone, Debug)]
pub struct UnverifiedJws<'t> {
    header: Arc<Header>,
    parts: Parts<'t>,
}

impl<'t> UnverifiedJws<'t> {
    /// Takes the text apart and reads the header; the payload stays encoded.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if the text is longer than 8 KiB, does not have exactly
    /// three parts, lacks the signature, or has a header that [`Header`]
    /// refuses.
    pub fn parse(text: &'t str) -> Result<Self, TokenError> {
        let parts = Parts::split(text)?;
        let header = Arc::new(Header::parse(&parts.header()?)?);
        Ok(Self { header, parts })
    }

    /// [`Self::parse`], without reading a header that is `known`.
    pub(crate) fn parse_known(text: &'t str, known: &KnownHeaders) -> Result<Self, TokenError> {
        let parts = Parts::split(text)?;
        let header = known.header_of(&parts)?;
        Ok(Self { header, parts })
    }

    /// The unproven header.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// `alg`, which only ever chooses among trusted keys.
    pub fn algorithm(&self) -> Algorithm {
        self.header.algorithm()
    }

    /// `kid`, which only ever chooses among trusted keys.
    pub fn key_id(&self) -> Option<&str> {
        self.header.key_id()
    }

    /// Checks the signature with `key` and only then decodes the payload.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::AlgorithmNotAllowed`] if `alg` is not the key's,
    /// [`TokenErrorKind::BadSignature`], or [`TokenErrorKind::Malformed`] if a
    /// part is not strict base64url.
    pub fn verify(&self, key: &VerifyingKey) -> Result<Vec<u8>, TokenError> {
        let mut buffer = [0; MAX_SIGNATURE_BYTES];
        self.parts
            .check_signature(self.algorithm(), key, &mut buffer)?;
        base64url::decode(self.parts.payload).map_err(|_| TokenErrorKind::Malformed.into())
    }

    pub(crate) const fn shared_header(&self) -> &Arc<Header> {
        &self.header
    }

    pub(crate) const fn parts(&self) -> &Parts<'t> {
        &self.parts
    }

    /// The payload's bytes, unproven.
    pub(crate) fn unproven_payload(&self) -> Option<Vec<u8>> {
        base64url::decode(self.parts.payload).ok()
    }
}

/// The three parts of a compact JWS, still encoded.
#[derive(Clone, Debug)]
pub(crate) struct Parts<'t> {
    pub(crate) header: &'t str,
    pub(crate) payload: &'t str,
    signature: &'t str,
    signing_input: &'t str,
}

impl<'t> Parts<'t> {
    /// Looks for two dots and for a third, whatever the text: the cost is
    /// bounded by the length, which is checked first.
    pub(crate) fn split(text: &'t str) -> Result<Self, TokenError> {
        if text.len() > MAX_BYTES {
            return Err(TokenErrorKind::TooLarge.into());
        }
        let malformed = TokenErrorKind::Malformed;
        let mut dots = memchr_iter(b'.', text.as_bytes());
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(malformed.into());
        };
        let (signing_input, signature) = (&text[..second], &text[second + 1..]);
        let (header, payload) = (&text[..first], &text[first + 1..second]);
        // An empty payload is a payload (RFC 7515), though no token's.
        if header.is_empty() || signature.is_empty() {
            return Err(malformed.into());
        }
        Ok(Self {
            header,
            payload,
            signature,
            signing_input,
        })
    }

    /// Checks the signature with `key`, whose algorithm must be the header's;
    /// `buffer` has room for the longest one.
    pub(crate) fn check_signature(
        &self,
        algorithm: Algorithm,
        key: &VerifyingKey,
        buffer: &mut [u8],
    ) -> Result<(), TokenError> {
        if algorithm != key.algorithm() {
            return Err(TokenErrorKind::AlgorithmNotAllowed.into());
        }
        let signature = base64url::decode_into(self.signature, buffer)
            .map_err(|_| TokenErrorKind::Malformed)?;
        match key.accepts(self.signing_input.as_bytes(), signature) {
            true => Ok(()),
            false => Err(TokenErrorKind::BadSignature.into()),
        }
    }

    /// The decoded header, at most as long as a header may be.
    pub(crate) fn header(&self) -> Result<Vec<u8>, TokenError> {
        if self.header.len() > (Limits::HEADER.max_bytes * 4).div_ceil(3) {
            return Err(TokenErrorKind::TooLarge.into());
        }
        base64url::decode(self.header).map_err(|_| TokenErrorKind::Malformed.into())
    }
}

#[cfg(test)]
mod tests;
