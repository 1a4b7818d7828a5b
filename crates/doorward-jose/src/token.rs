//! JSON Web Tokens as access tokens (RFC 7519, RFC 9068).
//!
//! Distrust is in the types: an [`UnverifiedToken`] has no claims, a
//! [`VerifiedToken`] is made only by [`UnverifiedToken::verify`], and what is
//! decoded without proof is called [`Inspected`]. [`verify_in`] is the same
//! verification without an allocation.

mod borrowed;

pub use self::borrowed::{BorrowedToken, verify_in};

use crate::{
    algorithm::Algorithm,
    claims::{self, Claims},
    error::{TokenError, TokenErrorKind},
    json::{Limits, Object, parse_object},
    jwk_set::KeySet,
    jws::{Parts, UnverifiedJws},
    time::UnixTime,
    validation::Validation,
    verifying_key::VerifyingKey,
};

/// A token whose signature has not been checked.
///
/// It shows what is needed to find the key, and nothing else:
///
/// ```compile_fail,E0599
/// use doorward_jose::token::UnverifiedToken;
///
/// fn subject(token: &UnverifiedToken<'_>) -> String {
///     token.claims().subject().to_owned()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct UnverifiedToken<'t> {
    jws: UnverifiedJws<'t>,
}

impl<'t> UnverifiedToken<'t> {
    /// Takes the token apart and reads its header.
    ///
    /// # Errors
    ///
    /// As [`UnverifiedJws::parse`].
    pub fn parse(text: &'t str) -> Result<Self, TokenError> {
        UnverifiedJws::parse(text).map(|jws| Self { jws })
    }

    /// `alg`, which only ever chooses among trusted keys.
    pub fn algorithm(&self) -> Algorithm {
        self.jws.algorithm()
    }

    /// `kid`, which only ever chooses among trusted keys.
    pub fn key_id(&self) -> Option<&str> {
        self.jws.key_id()
    }

    /// `iss` as the token claims it, to choose among several trusted issuers.
    /// It proves nothing; [`Self::verify`] compares the proven one.
    pub fn issuer_hint(&self) -> Option<String> {
        let payload = self.jws.unproven_payload()?;
        let mut claims = parse_object(&payload, Limits::CLAIMS).ok()?;
        claims.remove("iss")?.as_str().map(str::to_owned)
    }

    /// Checks everything: algorithm, signature, type, claims, issuer,
    /// audience, and the lifetime at `now`. The payload is not decoded before
    /// the signature holds, and the lifetime is judged last.
    ///
    /// ```
    /// use doorward_jose::{
    ///     algorithm::Algorithm,
    ///     claims::{AccessClaims, RequiredClaims},
    ///     signing_key::SigningKey,
    ///     time::UnixTime,
    ///     token::UnverifiedToken,
    ///     validation::Validation,
    /// };
    ///
    /// let now = UnixTime::from_secs(1_800_000_000);
    /// let key = SigningKey::generate(Algorithm::Es256)?;
    /// let claims = AccessClaims::new(RequiredClaims {
    ///     issuer: "https://id.example".into(),
    ///     subject: "user-1".into(),
    ///     audience: "https://api.example".into(),
    ///     client_id: "cli".into(),
    ///     token_id: "t-1".into(),
    ///     issued_at: now,
    ///     lifetime_seconds: 300,
    /// });
    /// let token = key.sign("at+jwt", &claims)?;
    ///
    /// let validation = Validation::issuer("https://id.example")
    ///     .audience("https://api.example")
    ///     .algorithms([Algorithm::Es256]);
    /// let verified =
    ///     UnverifiedToken::parse(&token)?.verify(&key.verifying_key(), &validation, now)?;
    /// assert_eq!(verified.claims().subject(), "user-1");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`TokenError`] of the first check that fails.
    pub fn verify(
        &self,
        key: &VerifyingKey,
        validation: &Validation,
        now: UnixTime,
    ) -> Result<VerifiedToken, TokenError> {
        if !validation.accepted_algorithms().contains(&self.algorithm()) {
            return Err(TokenErrorKind::AlgorithmNotAllowed.into());
        }
        let payload = self.jws.verify(key)?;
        validation.check_type(self.jws.header().token_type())?;
        let claims = claims::parse(&payload)?;
        validation.check_claims(&claims, now)?;
        Ok(VerifiedToken {
            claims,
            key: key.clone(),
        })
    }

    /// [`Self::verify`] with the keys of a set that fit, at most three.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::UnknownKey`] if none fits, else as [`Self::verify`].
    pub fn verify_with(
        &self,
        keys: &KeySet,
        validation: &Validation,
        now: UnixTime,
    ) -> Result<VerifiedToken, TokenError> {
        let mut refusal = TokenErrorKind::UnknownKey.into();
        for key in keys.candidates(self.algorithm(), self.key_id()) {
            match self.verify(key, validation, now) {
                // Another key may fit; any other error is about the token.
                Err(error) if error.kind() == TokenErrorKind::BadSignature => refusal = error,
                decided => return decided,
            }
        }
        Err(refusal)
    }
}

/// Proof that a token was good: made only by [`UnverifiedToken::verify`], or
/// from a [`BorrowedToken`], which is such a proof.
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    claims: Claims,
    key: VerifyingKey,
}

impl VerifiedToken {
    /// The claims.
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The id of the key that verified it, whether or not the token named it.
    pub fn key_id(&self) -> Option<&str> {
        self.key.key_id()
    }

    /// The algorithm of the key that verified it.
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// Gives the claims away.
    pub fn into_claims(self) -> Claims {
        self.claims
    }
}

/// A token that was decoded and NOT verified, for showing to people.
///
/// ```
/// use doorward_jose::token::Inspected;
///
/// let token = Inspected::parse("eyJhbGciOiJub25lIn0.eyJzdWIiOiJib2IifQ.AA")?;
/// assert_eq!(token.header["alg"], "none");
/// assert_eq!(token.payload["sub"], "bob");
/// # Ok::<(), doorward_jose::error::TokenError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Inspected {
    /// The header, whatever it says.
    pub header: Object,
    /// The claims, proven by nothing.
    pub payload: Object,
}

impl Inspected {
    /// Decodes header and payload of a compact JWS; the signature is not
    /// looked at.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::TooLarge`] or [`TokenErrorKind::Malformed`] if it is
    /// not three parts of which the first two are strict JSON objects.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let parts = Parts::split(text)?;
        let malformed = |_| TokenError::from(TokenErrorKind::Malformed);
        let payload = crate::base64url::decode(parts.payload)
            .map_err(|_| TokenError::from(TokenErrorKind::Malformed))?;
        Ok(Self {
            header: parse_object(&parts.header()?, Limits::HEADER).map_err(malformed)?,
            payload: parse_object(&payload, Limits::CLAIMS).map_err(malformed)?,
        })
    }
}

#[cfg(test)]
mod tests;
