//! Verifying without an allocation: the same checks in the same order, with
//! claims that stay where they were decoded.

use std::borrow::Cow;

use super::{UnverifiedToken, VerifiedToken};
use crate::{
    algorithm::Algorithm,
    base64url,
    claims::{
        BorrowedClaims,
        scan::{Tape, find, scan},
    },
    error::{TokenError, TokenErrorKind},
    header::Header,
    json::scan::{PADDING, Refused},
    jwk_set::KeySet,
    jws::{Parts, UnverifiedJws},
    scratch::Scratch,
    time::UnixTime,
    validation::Validation,
    verifying_key::VerifyingKey,
};

/// Proof that a token was good, like [`VerifiedToken`], with claims that are
/// borrowed from a [`Scratch`]: made only by [`verify_in`] and
/// [`UnverifiedToken::verify_in`].
#[derive(Clone, Copy, Debug)]
pub struct BorrowedToken<'s> {
    claims: BorrowedClaims<'s>,
    key: &'s VerifyingKey,
}

impl<'s> BorrowedToken<'s> {
    /// The claims.
    pub const fn claims(&self) -> &BorrowedClaims<'s> {
        &self.claims
    }

    /// The id of the key that verified it, whether or not the token named it.
    pub fn key_id(&self) -> Option<&'s str> {
        self.key.key_id()
    }

    /// The algorithm of the key that verified it.
    pub const fn algorithm(&self) -> Algorithm {
        self.key.algorithm()
    }

    /// The same proof with claims of its own.
    ///
    /// # Errors
    ///
    /// As [`BorrowedClaims::to_owned`].
    pub fn to_owned(&self) -> Result<VerifiedToken, TokenError> {
        Ok(VerifiedToken {
            claims: self.claims.to_owned()?,
            key: self.key.clone(),
        })
    }
}

/// Takes a token apart and checks everything, as [`UnverifiedToken::parse`]
/// and [`UnverifiedToken::verify_with`] do, in the caller's memory: once
/// `scratch` has seen a token of an issuer, the next one allocates nothing.
///
/// ```
/// use doorward_jose::{
///     algorithm::Algorithm,
///     jwk_set::KeySet,
///     scratch::Scratch,
///     time::UnixTime,
///     token::verify_in,
///     validation::Validation,
/// };
///
/// fn may_enter(
///     token: &str,
///     keys: &KeySet,
///     validation: &Validation,
///     now: UnixTime,
///     scratch: &mut Scratch,
/// ) -> bool {
///     verify_in(token, keys, validation, now, scratch)
///         .is_ok_and(|token| token.claims().roles().any(|role| role == "guest"))
/// }
/// ```
///
/// The next token takes the memory, so the claims of the last one cannot be
/// kept by mistake:
///
/// ```compile_fail,E0499
/// # use doorward_jose::{
/// #     jwk_set::KeySet, scratch::Scratch, time::UnixTime, token::verify_in,
/// #     validation::Validation,
/// # };
/// # fn two(keys: &KeySet, validation: &Validation, now: UnixTime, scratch: &mut Scratch) {
/// let first = verify_in("a.b.c", keys, validation, now, scratch);
/// let second = verify_in("d.e.f", keys, validation, now, scratch);
/// drop((first, second));
/// # }
/// ```
///
/// # Errors
///
/// Exactly those of [`UnverifiedToken::parse`] and
/// [`UnverifiedToken::verify_with`].
pub fn verify_in<'s>(
    text: &str,
    keys: &'s KeySet,
    validation: &Validation,
    now: UnixTime,
    scratch: &'s mut Scratch,
) -> Result<BorrowedToken<'s>, TokenError> {
    let parts = Parts::split(text)?;
    let header = scratch.headers.header_of(&parts)?;
    let key = proving_key(&parts, &header, keys, validation, &mut *scratch.signature)?;
    let right_type = validation.check_type(header.token_type());
    scratch.headers.remember(&parts, &header);
    let proven = Proven {
        payload: parts.payload,
        right_type,
        key,
    };
    proven.judge(validation, now, scratch)
}

impl<'t> UnverifiedToken<'t> {
    /// [`Self::parse`], without reading a header again that `scratch` knows
    /// from a token whose signature held.
    ///
    /// # Errors
    ///
    /// Exactly those of [`Self::parse`].
    pub fn parse_in(text: &'t str, scratch: &Scratch) -> Result<Self, TokenError> {
        UnverifiedJws::parse_known(text, &scratch.headers).map(|jws| Self { jws })
    }

    /// [`Self::issuer_hint`] in the caller's memory.
    pub fn issuer_hint_in<'s>(&self, scratch: &'s mut Scratch) -> Option<Cow<'s, str>> {
        let Scratch { payload, tape, .. } = scratch;
        let padded = decode(self.jws.parts().payload, &mut **payload)?;
        let text = std::str::from_utf8(padded).ok()?;
        match find(text, tape) {
            Ok(found) => Some(BorrowedClaims::new(text, tape, found).issuer().into()),
            // The other reader takes a name out of claims that are good for
            // nothing else: its refusal is then about them.
            Err(Refused) => self.issuer_hint().map(Cow::Owned),
        }
    }

    /// [`Self::verify`] in the caller's memory.
    ///
    /// # Errors
    ///
    /// Exactly those of [`Self::verify`].
    pub fn verify_in<'s>(
        &self,
        key: &'s VerifyingKey,
        validation: &Validation,
        now: UnixTime,
        scratch: &'s mut Scratch,
    ) -> Result<BorrowedToken<'s>, TokenError> {
        let (parts, header) = (self.jws.parts(), self.jws.header());
        check_signature(parts, header, key, validation, &mut *scratch.signature)?;
        scratch.headers.remember(parts, self.jws.shared_header());
        let proven = Proven {
            payload: parts.payload,
            right_type: validation.check_type(header.token_type()),
            key,
        };
        proven.judge(validation, now, scratch)
    }
}

/// The first key, of at most three, whose signature it is.
fn proving_key<'k>(
    parts: &Parts<'_>,
    header: &Header,
    keys: &'k KeySet,
    validation: &Validation,
    buffer: &mut [u8],
) -> Result<&'k VerifyingKey, TokenError> {
    let mut refusal = TokenErrorKind::UnknownKey.into();
    for key in keys.candidates(header.algorithm(), header.key_id()) {
        match check_signature(parts, header, key, validation, buffer) {
            Ok(()) => return Ok(key),
            // Another key may fit; any other error is about the token.
            Err(error) if error.kind() == TokenErrorKind::BadSignature => refusal = error,
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}

fn check_signature(
    parts: &Parts<'_>,
    header: &Header,
    key: &VerifyingKey,
    validation: &Validation,
    buffer: &mut [u8],
) -> Result<(), TokenError> {
    if !validation
        .accepted_algorithms()
        .contains(&header.algorithm())
    {
        return Err(TokenErrorKind::AlgorithmNotAllowed.into());
    }
    parts.check_signature(header.algorithm(), key, buffer)
}

/// What is left of a token whose signature held.
struct Proven<'t, 's> {
    payload: &'t str,
    right_type: Result<(), TokenError>,
    key: &'s VerifyingKey,
}

impl<'s> Proven<'_, 's> {
    /// Decodes the payload, reads the claims and judges them.
    fn judge(
        self,
        validation: &Validation,
        now: UnixTime,
        scratch: &'s mut Scratch,
    ) -> Result<BorrowedToken<'s>, TokenError> {
        let Scratch { payload, tape, .. } = scratch;
        let padded = decode(self.payload, &mut **payload).ok_or(TokenErrorKind::Malformed)?;
        self.right_type?;
        let (text, found) = scan(padded, tape)?;
        let tape: &'s Tape = tape;
        let claims = BorrowedClaims::new(text, tape, found);
        validation.check_claims(&claims, now)?;
        Ok(BorrowedToken {
            claims,
            key: self.key,
        })
    }
}

/// The payload, with the scanner's padding behind it. There is room for what
/// [`Parts::split`] lets through.
fn decode<'b>(payload: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let length = base64url::decode_into(payload, buffer).ok()?.len();
    let padded = buffer.get_mut(..length + PADDING)?;
    padded[length..].fill(0);
    Some(padded)
}
