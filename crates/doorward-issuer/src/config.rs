//! What this room can be told.

use doorward_jose::algorithm::Algorithm;

use crate::{
    access_token::MAX_ACCESS_TOKEN_BYTES, attribute::TokenClaims, error::OpenError,
    password::Hashing, permission_numbers::PermissionForm,
};

/// Longest life of an access token, seconds. A revocation entry lives as long
/// as the tokens it concerns, so this also bounds every verifier's memory.
pub const MAX_ACCESS_TOKEN_LIFETIME: u64 = 3600;

/// Smallest bound on access tokens: below, those without any permission do not
/// fit with the longest names.
pub const MIN_TOKEN_BYTES: usize = 768;

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
    /// How access tokens say what their holder may do.
    pub permissions: PermissionForm,
    /// Largest access token, bytes; at most
    /// [`MAX_ACCESS_TOKEN_BYTES`].
    pub max_token_bytes: usize,
    /// Which attributes of users are claims of their access tokens.
    pub claims: TokenClaims,
    /// A session ends when it was not refreshed for this long, seconds.
    pub refresh_idle: u64,
    /// A session ends this long after sign-in, whatever happens, seconds.
    pub refresh_absolute: u64,
    /// How long a rotated refresh token still gets the same successor, seconds.
    pub refresh_overlap: u64,
    /// Most sessions of one user that are alive at once; a sign-in beyond them
    /// ends the oldest.
    pub sessions_per_user: u32,
    /// How long clients may cache the JWKS, seconds.
    pub jwks_max_age: u64,
    /// How long a key signs before its successor takes over, seconds.
    pub signing_key_lifetime: u64,
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
            permissions: PermissionForm::Names,
            max_token_bytes: MAX_ACCESS_TOKEN_BYTES,
            claims: TokenClaims::default(),
            refresh_idle: 7 * 24 * 3600,
            refresh_absolute: 30 * 24 * 3600,
            refresh_overlap: 20,
            sessions_per_user: 100,
            jwks_max_age: 300,
            signing_key_lifetime: 30 * 24 * 3600,
            algorithm: Algorithm::Es256,
            hashing: Hashing::default(),
        }
    }
}

impl Config {
    /// Refuses what cannot work or would weaken a rule that others rely on.
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refused = |problem: String| Err(OpenError::Config(problem));
        if self.issuer.is_empty() || self.audience.is_empty() {
            return refused("issuer and audience must be named".to_owned());
        }
        if !(1..=MAX_ACCESS_TOKEN_LIFETIME).contains(&self.access_token_lifetime) {
            return refused(format!(
                "access tokens must live between 1 s and {MAX_ACCESS_TOKEN_LIFETIME} s, \
                 not {} s: set access_lifetime",
                self.access_token_lifetime
            ));
        }
        if !(MIN_TOKEN_BYTES..=MAX_ACCESS_TOKEN_BYTES).contains(&self.max_token_bytes) {
            return refused(format!(
                "access tokens may have from {MIN_TOKEN_BYTES} to {MAX_ACCESS_TOKEN_BYTES} bytes, \
                 not {}: set max_bytes",
                self.max_token_bytes
            ));
        }
        if self.refresh_idle > self.refresh_absolute || self.refresh_overlap >= self.refresh_idle {
            return refused("sessions need overlap < idle limit <= absolute limit".to_owned());
        }
        if self.sessions_per_user == 0 {
            return refused("a user needs at least one session".to_owned());
        }
        if self.signing_key_lifetime < 2 * (self.jwks_max_age + CLOCK_LEEWAY) {
            return refused(format!(
                "a signing key must live at least {} s, twice the time that it is published \
                 before it signs",
                2 * (self.jwks_max_age + CLOCK_LEEWAY)
            ));
        }
        match self.algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => refused(format!(
                "{} has no public key to publish; choose ES256, EdDSA, RS256 or PS256",
                self.algorithm
            )),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_jose::algorithm::Algorithm;

    use super::Config;

    #[test]
    fn the_defaults_hold_and_what_cannot_work_is_refused() {
        let good = || Config::new("https://id.example", "api");
        assert!(good().check().is_ok());
        let bad = [
            Config {
                issuer: String::new(),
                ..good()
            },
            Config {
                access_token_lifetime: 0,
                ..good()
            },
            Config {
                access_token_lifetime: 3601,
                ..good()
            },
            Config {
                refresh_idle: 20,
                ..good()
            },
            Config {
                refresh_absolute: 60,
                ..good()
            },
            Config {
                max_token_bytes: 100,
                ..good()
            },
            Config {
                max_token_bytes: 8192,
                ..good()
            },
            Config {
                sessions_per_user: 0,
                ..good()
            },
            Config {
                signing_key_lifetime: 300,
                ..good()
            },
            Config {
                algorithm: Algorithm::Hs256,
                ..good()
            },
        ];
        for config in bad {
            assert!(config.check().is_err(), "{config:?}");
        }
    }
}
