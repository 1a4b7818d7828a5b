//! Why a token or a key was refused.
//!
//! Opaque errors with a closed but growing kind. Messages hold no text from an
//! unproven token; values of proven tokens are offered apart, by
//! [`TokenError::seen`], so that a caller decides who may read them.

use std::fmt;

use crate::time::UnixTime;

/// Why a token was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenError {
    kind: TokenErrorKind,
    seen: Option<Box<str>>,
}

/// The ways in which a token can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// Longer than the limit of its part.
    TooLarge,
    /// Not a compact JWS with a strict header and strict JSON claims.
    Malformed,
    /// `alg` is unknown, `none`, not the key's, or not on the list.
    AlgorithmNotAllowed,
    /// The header marks an extension as critical; none is implemented
    /// (RFC 7515 section 4.1.11).
    CriticalHeader,
    /// The header asks for something that changes the token's meaning
    /// (`b64`, `zip`, `enc`, ...) or brings a key of its own (`jwk`, `jku`, ...).
    UnsupportedHeader,
    /// No key fits.
    UnknownKey,
    /// The signature does not hold.
    BadSignature,
    /// `typ` is not the wanted one (RFC 9068 section 4).
    WrongType,
    /// This required claim is absent.
    MissingClaim(&'static str),
    /// This claim has the wrong type or an impossible value.
    MalformedClaim(&'static str),
    /// `iss` is not the wanted one.
    WrongIssuer,
    /// `aud` does not hold the wanted one.
    WrongAudience,
    /// `exp` plus leeway has passed.
    Expired {
        /// The token's `exp`.
        exp: UnixTime,
        /// The time it was judged at.
        now: UnixTime,
    },
    /// `nbf` minus leeway is still ahead.
    NotYetValid,
    /// `iat` minus leeway is still ahead.
    IssuedInFuture,
    /// `exp` minus `iat` is more than allowed.
    LifetimeTooLong,
}

impl TokenError {
    pub(crate) const fn new(kind: TokenErrorKind) -> Self {
        Self { kind, seen: None }
    }

    /// INVARIANT: only called after the signature held.
    pub(crate) fn with_seen(kind: TokenErrorKind, seen: impl Into<Box<str>>) -> Self {
        Self {
            kind,
            seen: Some(seen.into()),
        }
    }

    /// Which way it failed.
    pub const fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// The offending value of a token whose signature held, where there is
    /// one; never set for unproven tokens.
    pub fn seen(&self) -> Option<&str> {
        self.seen.as_deref()
    }
}

impl From<TokenErrorKind> for TokenError {
    fn from(kind: TokenErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for TokenErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("the token is larger than the limit"),
            Self::Malformed => f.write_str("the token is not a well-formed compact JWS"),
            Self::AlgorithmNotAllowed => f.write_str("the token's algorithm is not allowed"),
            Self::CriticalHeader => f.write_str("the token's header has a critical extension"),
            Self::UnsupportedHeader => {
                f.write_str("the token's header has an unsupported parameter")
            }
            Self::UnknownKey => f.write_str("no trusted key fits the token"),
            Self::BadSignature => f.write_str("the signature does not hold"),
            Self::WrongType => f.write_str("the token is of another type"),
            Self::MissingClaim(name) => write!(f, "claim `{name}` is missing"),
            Self::MalformedClaim(name) => write!(f, "claim `{name}` is malformed"),
            Self::WrongIssuer => f.write_str("the token names another issuer"),
            Self::WrongAudience => f.write_str("the token is for another audience"),
            Self::Expired { exp, now } => {
                write!(
                    f,
                    "the token expired {} s ago",
                    now.as_secs().saturating_sub(exp.as_secs())
                )
            }
            Self::NotYetValid => f.write_str("the token is not valid yet"),
            Self::IssuedInFuture => f.write_str("the token was issued in the future"),
            Self::LifetimeTooLong => f.write_str("the token lives longer than allowed"),
        }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for TokenError {}

/// Why a key or a key set was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}")]
pub struct KeyError {
    kind: KeyErrorKind,
}

/// The ways in which a key can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyErrorKind {
    /// Not strict JSON, DER or PEM of a key, or a member has the wrong form.
    #[error("the key is malformed")]
    Malformed,
    /// More bytes than the limit.
    #[error("the key set is larger than the limit")]
    TooLarge,
    /// More keys than the limit.
    #[error("the key set has more keys than the limit")]
    TooManyKeys,
    /// `kty`, `crv` or `alg` is none that this crate implements.
    #[error("the key's type, curve or algorithm is not supported")]
    Unsupported,
    /// The algorithm does not go with the key.
    #[error("the algorithm does not fit the key; name one that does")]
    AlgorithmMismatch,
    /// Several algorithms would fit and nobody said which.
    #[error("the key does not say its algorithm; name exactly one")]
    AlgorithmMissing,
    /// `use` or `key_ops` does not allow verifying.
    #[error("the key is not meant for verifying signatures")]
    NotForVerifying,
    /// A public key with private members.
    #[error("the key carries private members; publish only the public part")]
    PrivateMember,
    /// A shared secret where a public key belongs, or the reverse.
    #[error("a shared secret and a public key were mixed up")]
    SecretAndPublicMixed,
    /// Too small, too large, or of a known weak kind.
    #[error("the key is too weak or outside the supported sizes")]
    Weak,
    /// The coordinates are not a point of the curve.
    #[error("the key is not a point on its curve")]
    NotOnCurve,
    /// `kid` is longer than 256 bytes or has unusual characters.
    #[error("the key id is empty, longer than 256 bytes or has unusual characters")]
    BadKeyId,
    /// Two keys of a set have the same `kid`.
    #[error("two keys of the set have the same id")]
    DuplicateKeyId,
    /// No key of the set can be used.
    #[error("the key set has no usable key")]
    NoUsableKey,
    /// The cryptographic library failed to make or write a key.
    #[error("the cryptographic library failed")]
    Crypto,
}

impl KeyError {
    /// Which way it failed.
    pub const fn kind(&self) -> KeyErrorKind {
        self.kind
    }
}

impl From<KeyErrorKind> for KeyError {
    fn from(kind: KeyErrorKind) -> Self {
        Self { kind }
    }
}

/// Why a token could not be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The claims cannot be written as a JSON object.
    #[error("the claims cannot be written as a JSON object")]
    Unserializable,
    /// The type has characters that do not belong in a media type.
    #[error("the token type is not a media type")]
    BadType,
    /// The cryptographic library failed to sign.
    #[error("the cryptographic library failed to sign")]
    Crypto,
}
