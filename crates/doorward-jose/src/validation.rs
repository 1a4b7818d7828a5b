//! What a token must say to be accepted.
//!
//! Built in the one order in which nothing can be forgotten: issuer, then
//! audience, then algorithms. Before that there is no [`Validation`], and
//! without one no token can be verified (RFC 8725 sections 3.1, 3.8, 3.9).

use crate::{
    algorithm::Algorithm,
    claims::{BorrowedClaims, Claims},
    error::{TokenError, TokenErrorKind},
    time::UnixTime,
};

/// Clock difference that is tolerated unless told otherwise, in seconds.
pub const DEFAULT_LEEWAY_SECONDS: u64 = 30;

/// The largest clock difference that can be tolerated, in seconds.
pub const MAX_LEEWAY_SECONDS: u64 = 300;

/// A complete set of demands on a token.
///
/// ```
/// use doorward_jose::{algorithm::Algorithm, validation::Validation};
///
/// let validation = Validation::issuer("https://id.example")
///     .audience("https://api.example")
///     .algorithms([Algorithm::Es256])
///     .leeway_seconds(10);
/// assert_eq!(validation.leeway(), 10);
/// ```
///
/// An incomplete one is another type, which verifies nothing:
///
/// ```compile_fail,E0308
/// use doorward_jose::{
///     time::UnixTime, token::UnverifiedToken, validation::Validation,
///     verifying_key::VerifyingKey,
/// };
///
/// fn check(token: &UnverifiedToken<'_>, key: &VerifyingKey) {
///     let incomplete = Validation::issuer("https://id.example").audience("https://api.example");
///     let _ = token.verify(key, &incomplete, UnixTime::from_secs(0));
/// }
/// ```
///
/// ```compile_fail,E0599
/// use doorward_jose::{algorithm::Algorithm, validation::Validation};
///
/// // No way past the audience.
/// let _ = Validation::issuer("https://id.example").algorithms([Algorithm::Es256]);
/// ```
#[derive(Clone, Debug)]
pub struct Validation {
    issuer: String,
    audience: String,
    algorithms: Vec<Algorithm>,
    token_type: String,
    leeway: u64,
    max_lifetime: Option<u64>,
}

/// Knows the issuer, lacks the audience.
#[derive(Clone, Debug)]
#[must_use = "name the audience next"]
pub struct WantsAudience {
    issuer: String,
}

/// Knows issuer and audience, lacks the algorithms.
#[derive(Clone, Debug)]
#[must_use = "name the algorithms next"]
pub struct WantsAlgorithms {
    issuer: String,
    audience: String,
}

impl Validation {
    /// Tokens must have exactly this `iss`.
    pub fn issuer(issuer: impl Into<String>) -> WantsAudience {
        WantsAudience {
            issuer: issuer.into(),
        }
    }
}

impl WantsAudience {
    /// Tokens must have exactly this `aud`, or hold it among several.
    pub fn audience(self, audience: impl Into<String>) -> WantsAlgorithms {
        WantsAlgorithms {
            issuer: self.issuer,
            audience: audience.into(),
        }
    }
}

impl WantsAlgorithms {
    /// Tokens must be signed with one of these; an empty list accepts nothing.
    pub fn algorithms(self, algorithms: impl IntoIterator<Item = Algorithm>) -> Validation {
        Validation {
            issuer: self.issuer,
            audience: self.audience,
            algorithms: algorithms.into_iter().collect(),
            token_type: "at+jwt".to_owned(),
            leeway: DEFAULT_LEEWAY_SECONDS,
            max_lifetime: None,
        }
    }
}

impl Validation {
    /// Tolerated clock difference in seconds; 30 by default, and more than
    /// [`MAX_LEEWAY_SECONDS`] becomes that.
    #[must_use]
    pub fn leeway_seconds(mut self, seconds: u64) -> Self {
        self.leeway = seconds.min(MAX_LEEWAY_SECONDS);
        self
    }

    /// The wanted `typ`; `at+jwt` (RFC 9068) by default. Compared without
    /// case and without a leading `application/` (RFC 7515 section 4.1.9).
    #[must_use]
    pub fn token_type(mut self, token_type: impl Into<String>) -> Self {
        self.token_type = token_type.into();
        self
    }

    /// The same demands on tokens for another audience.
    #[must_use]
    pub fn for_audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = audience.into();
        self
    }

    /// Longest accepted `exp` minus `iat` in seconds; unlimited by default.
    #[must_use]
    pub fn max_lifetime_seconds(mut self, seconds: u64) -> Self {
        self.max_lifetime = Some(seconds);
        self
    }

    /// The wanted `iss`.
    pub fn wanted_issuer(&self) -> &str {
        &self.issuer
    }

    /// The wanted `aud`.
    pub fn wanted_audience(&self) -> &str {
        &self.audience
    }

    /// The accepted algorithms.
    pub fn accepted_algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// The wanted `typ`.
    pub fn wanted_token_type(&self) -> &str {
        &self.token_type
    }

    /// The tolerated clock difference in seconds.
    pub const fn leeway(&self) -> u64 {
        self.leeway
    }

    /// Compares `typ`: a token made for another purpose is refused even though
    /// its signature holds (RFC 8725 section 3.11).
    pub(crate) fn check_type(&self, token_type: Option<&str>) -> Result<(), TokenError> {
        let found = token_type.unwrap_or_default();
        if token_type == Some(&self.token_type) {
            return Ok(());
        }
        if token_type.is_some() && bare(found).eq_ignore_ascii_case(bare(&self.token_type)) {
            return Ok(());
        }
        Err(TokenError::with_seen(TokenErrorKind::WrongType, found))
    }

    /// Compares issuer and audience, then judges the lifetime at `now`.
    pub(crate) fn check_claims(
        &self,
        claims: &impl Judged,
        now: UnixTime,
    ) -> Result<(), TokenError> {
        if claims.issuer() != self.issuer {
            return Err(TokenError::with_seen(
                TokenErrorKind::WrongIssuer,
                claims.issuer(),
            ));
        }
        if !claims.audiences().any(|audience| audience == self.audience) {
            let seen = claims.audiences().collect::<Vec<_>>().join(" ");
            return Err(TokenError::with_seen(TokenErrorKind::WrongAudience, seen));
        }
        // RFC 9068 section 2.2; other types of token need not know a client.
        if !claims.names_client() && bare(&self.token_type).eq_ignore_ascii_case("at+jwt") {
            return Err(TokenErrorKind::MissingClaim("client_id").into());
        }
        self.check_lifetime(claims, now)
    }

    /// `exp` is the first second that is too late (RFC 7519 section 4.1.4).
    fn check_lifetime(&self, claims: &impl Judged, now: UnixTime) -> Result<(), TokenError> {
        let (exp, iat) = (claims.expires_at(), claims.issued_at());
        let dated = |kind, date: UnixTime| Err(TokenError::with_seen(kind, date.to_string()));
        if now >= exp.saturating_add(self.leeway) {
            return dated(TokenErrorKind::Expired { exp, now }, exp);
        }
        let latest = now.saturating_add(self.leeway);
        if let Some(nbf) = claims.not_before().filter(|nbf| *nbf > latest) {
            return dated(TokenErrorKind::NotYetValid, nbf);
        }
        if iat > latest {
            return dated(TokenErrorKind::IssuedInFuture, iat);
        }
        let lifetime = exp.as_secs().saturating_sub(iat.as_secs());
        if self.max_lifetime.is_some_and(|longest| lifetime > longest) {
            return Err(TokenError::with_seen(
                TokenErrorKind::LifetimeTooLong,
                format!("{lifetime} s"),
            ));
        }
        Ok(())
    }
}

/// The claims that are judged, wherever they lie.
pub(crate) trait Judged {
    fn issuer(&self) -> &str;
    fn audiences(&self) -> impl Iterator<Item = &str>;
    fn names_client(&self) -> bool;
    fn expires_at(&self) -> UnixTime;
    fn issued_at(&self) -> UnixTime;
    fn not_before(&self) -> Option<UnixTime>;
}

macro_rules! judged {
    ($type:ty, $claims:ident => $audiences:expr) => {
        impl Judged for $type {
            fn issuer(&self) -> &str {
                self.issuer()
            }

            fn audiences(&self) -> impl Iterator<Item = &str> {
                let $claims = self;
                $audiences
            }

            fn names_client(&self) -> bool {
                self.client_id().is_some()
            }

            fn expires_at(&self) -> UnixTime {
                self.expires_at()
            }

            fn issued_at(&self) -> UnixTime {
                self.issued_at()
            }

            fn not_before(&self) -> Option<UnixTime> {
                self.not_before()
            }
        }
    };
}

judged!(Claims, claims => claims.audience().iter().map(String::as_str));
judged!(BorrowedClaims<'_>, claims => claims.audience());

/// A media type without its `application/`, which may be left out when nothing
/// after it has a slash (RFC 7515 section 4.1.9).
fn bare(token_type: &str) -> &str {
    match token_type.split_once('/') {
        Some((tree, subtype))
            if tree.eq_ignore_ascii_case("application") && !subtype.contains('/') =>
        {
            subtype
        }
        _ => token_type,
    }
}

#[cfg(test)]
mod tests;
