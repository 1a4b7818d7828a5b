//! JSON Web Tokens as access tokens (RFC 7519, RFC 9068).

use std::marker::PhantomData;

use crate::{
    algorithm::Algorithm, claims::Claims, error::TokenError, json::Object, time::UnixTime,
    validation::Validation, verifying_key::VerifyingKey,
};

/// A token whose signature has not been checked.
#[derive(Clone, Debug)]
pub struct UnverifiedToken<'t> {
    text: PhantomData<&'t str>,
}

impl<'t> UnverifiedToken<'t> {
    /// Reads the header.
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

    /// `kid`.
    pub fn key_id(&self) -> Option<&str> {
        todo!()
    }

    /// `iss`, unproven.
    pub fn issuer_hint(&self) -> Option<String> {
        todo!()
    }

    /// Verifies.
    ///
    /// # Errors
    ///
    /// see [`TokenError`].
    pub fn verify(
        &self,
        _key: &VerifyingKey,
        _validation: &Validation,
        _now: UnixTime,
    ) -> Result<VerifiedToken, TokenError> {
        todo!()
    }
}

/// Proof of a good token.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    claims: Claims,
}

impl VerifiedToken {
    /// The claims.
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The id of the key that verified it.
    pub fn key_id(&self) -> Option<&str> {
        todo!()
    }

    /// `alg`.
    pub fn algorithm(&self) -> Algorithm {
        todo!()
    }

    /// The claims.
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

/// Decoded, NOT verified.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Header.
    pub header: Object,
    /// Payload.
    pub payload: Object,
}

impl Inspected {
    /// Decodes.
    ///
    /// # Errors
    ///
    /// see [`TokenError`].
    pub fn parse(_text: &str) -> Result<Self, TokenError> {
        todo!()
    }
}
