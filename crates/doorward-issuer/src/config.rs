//! What this room can be told.

use doorward_jose::algorithm::Algorithm;

use crate::password::Hashing;

/// Longest life of an access token, seconds. A revocation entry lives as long
/// as the tokens it concerns, so this also bounds every verifier's memory.
pub const MAX_ACCESS_TOKEN_LIFETIME: u64 = 3600;

/// How much the clocks of issuer and verifiers may differ, seconds. One
/// constant for the leeway that verifiers grant, for how long keys and
/// revocations outlive their tokens, and for how early a key is published.
pub const CLOCK_LEEWAY: u64 = 30;

/// Settings of an issuer.
#[derive(Clone, Debug)]
pub struct Config {
    /// `iss` of every token: an origin such as `https://id.example.org`.
    pub issuer: String,
    /// `aud` of every access token.
    pub audience: String,
    /// Life of an access token, seconds.
    pub access_token_lifetime: u64,
    /// A session ends when it was not refreshed for this long, seconds.
    pub refresh_idle: u64,
    /// A session ends this long after sign-in, whatever happens, seconds.
    pub refresh_absolute: u64,
    /// How long a rotated refresh token still gets the same successor, seconds.
    pub refresh_overlap: u64,
    /// How long clients may cache the JWKS, seconds.
    pub jwks_max_age: u64,
    /// Signature algorithm of access tokens.
    pub algorithm: Algorithm,
    /// Cost and concurrency of password hashing.
    pub hashing: Hashing,
}

impl Config {
    /// The defaults for tokens of `issuer` for `audience`.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audience: audience.into(),
            access_token_lifetime: 300,
            refresh_idle: 7 * 24 * 3600,
            refresh_absolute: 30 * 24 * 3600,
            refresh_overlap: 20,
            jwks_max_age: 300,
            algorithm: Algorithm::Es256,
            hashing: Hashing::default(),
        }
    }
}
