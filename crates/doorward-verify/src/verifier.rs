//! From a bearer token to a [`Principal`].
//!
//! Several issuers may be trusted, each with its own keys: a token is checked
//! against the issuer that it names and no other, so a key of one issuer can
//! never vouch for another (RFC 8725 section 3.8).

#[cfg(feature = "fetch")]
mod refresh;

use std::sync::Arc;

use doorward_jose::{
    claims::Claims,
    error::{TokenError, TokenErrorKind},
    time::UnixTime,
    token::{UnverifiedToken, VerifiedToken},
    validation::Validation,
};
use doorward_policy::decision::{Decision, Reason, Step};

use crate::{
    key_source::KeySource,
    principal::Principal,
    proof::{self, Presented, Proofs},
    revocation::RevocationSet,
};

/// An issuer whose tokens are accepted, for one audience.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    validation: Validation,
    keys: KeySource,
}

impl TrustedIssuer {
    /// Tokens must satisfy `validation`, which names issuer, audience and
    /// algorithms, and be signed by one of `keys`.
    pub const fn new(validation: Validation, keys: KeySource) -> Self {
        Self { validation, keys }
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &str {
        self.validation.wanted_issuer()
    }

    /// Its keys.
    pub const fn keys(&self) -> &KeySource {
        &self.keys
    }
}

/// Checks tokens of the trusted issuers.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<TrustedIssuer>,
    revocations: Arc<RevocationSet>,
    proofs: Proofs,
}

impl Verifier {
    /// Trusts `issuers` and refuses what `revocations` holds.
    pub fn new(issuers: Vec<TrustedIssuer>, revocations: Arc<RevocationSet>) -> Self {
        Self {
            issuers,
            revocations,
            proofs: Proofs::default(),
        }
    }

    /// Checks proofs of possession with `proofs` instead of their defaults.
    #[must_use]
    pub fn with_proofs(mut self, proofs: Proofs) -> Self {
        self.proofs = proofs;
        self
    }

    /// What proofs of possession are checked with.
    pub const fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// Checks `bearer` at `now`, writing each check into `decision`.
    ///
    /// Never waits: a token that names an unknown key is refused, and newer
    /// keys are asked for in the background where the source can.
    ///
    /// # Errors
    ///
    /// The reason of the first check that failed; it is also the last failing
    /// check in `decision`. A key that is unknown, a claim that is absent and
    /// anything else that cannot be decided is refused; so is a token that is
    /// bound to a key, see [`Self::verify_presented`].
    pub fn verify(
        &self,
        bearer: &str,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let possession = |claims: &Claims, decision: &mut Decision| match proof::is_bound(claims) {
            // Worth nothing without its proof: refuse rather than downgrade.
            true => Err(proof::proof_missing(decision)),
            false => Ok(()),
        };
        self.verify_with(bearer, possession, now, decision)
    }

    /// As [`Self::verify`], for a request that may bring a proof of possession.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`]; a bound token is accepted only with its proof, and
    /// a proof only once.
    pub fn verify_presented(
        &self,
        presented: &Presented<'_>,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let possession = |claims: &Claims, decision: &mut Decision| {
            self.proofs.check(claims, presented, now, decision)
        };
        self.verify_with(presented.token(), possession, now, decision)
    }

    fn verify_with(
        &self,
        bearer: &str,
        possession: impl FnOnce(&Claims, &mut Decision) -> Result<(), Reason>,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let token = UnverifiedToken::parse(bearer).map_err(|error| refuse(decision, &error))?;
        decision.pass(Step::Token, format!("JWS, {}", token.algorithm()));
        let issuer = self.issuer_of(&token, decision)?;
        let verified = check_with_keys(&token, issuer, now, decision)?;
        decision.pass(Step::Audience, "issuer and audience match");
        decision.pass(Step::Time, lifetime_left(&verified, now));
        let principal = Principal::new(verified.clone());
        decision.prove(principal.caller());
        possession(verified.claims(), decision)?;
        if let Err(reason) = self.revocations.check(&verified) {
            return Err(decision.fail(Step::Revocation, reason, reason.title(), "a live session"));
        }
        decision.pass(Step::Revocation, "alive, not revoked");
        Ok(principal)
    }

    fn issuer_of(
        &self,
        token: &UnverifiedToken<'_>,
        decision: &mut Decision,
    ) -> Result<&TrustedIssuer, Reason> {
        self.find_issuer(token).map_err(|hint| {
            decision.fail(
                Step::Audience,
                Reason::WrongIssuer,
                shown(hint),
                "a trusted issuer",
            )
        })
    }

    /// The issuer to check the token against, or the name of the unknown one.
    fn find_issuer(&self, token: &UnverifiedToken<'_>) -> Result<&TrustedIssuer, Option<String>> {
        // With one issuer the hint is not needed: the claim is compared after
        // the signature anyway. With several it picks, and proves nothing.
        if let [only] = self.issuers.as_slice() {
            return Ok(only);
        }
        let hint = token.issuer_hint();
        let found = self
            .issuers
            .iter()
            .find(|trusted| Some(trusted.issuer()) == hint.as_deref());
        found.ok_or(hint)
    }
}

/// Tries the keys that fit algorithm and `kid`; the key set names at most a
/// handful.
fn check_with_keys(
    token: &UnverifiedToken<'_>,
    issuer: &TrustedIssuer,
    now: UnixTime,
    decision: &mut Decision,
) -> Result<VerifiedToken, Reason> {
    let snapshot = issuer.keys.snapshot();
    if !snapshot.holds(now) {
        issuer.keys.missed(token.key_id(), now);
        return Err(decision.fail(
            Step::Signature,
            Reason::KeysUnavailable,
            "no keys, or keys that are too old to be relied on",
            "keys fetched from the issuer",
        ));
    }
    let mut last = None;
    for key in snapshot.keys.candidates(token.algorithm(), token.key_id()) {
        match token.verify(key, &issuer.validation, now) {
            Ok(verified) => {
                decision.pass(
                    Step::Signature,
                    format!("good, kid {}", shown(key.key_id())),
                );
                return Ok(verified);
            }
            // Another key may still fit; any other error is about the token.
            Err(error) if matches!(error.kind(), TokenErrorKind::BadSignature) => {
                last = Some(error);
            }
            Err(error) => return Err(refuse_after_signature(decision, &error, key.key_id())),
        }
    }
    Err(match last {
        Some(error) => refuse(decision, &error),
        None => {
            issuer.keys.missed(token.key_id(), now);
            decision.fail(
                Step::Signature,
                Reason::UnknownKey,
                format!("kid {}, {}", shown(token.key_id()), token.algorithm()),
                "a published key of this issuer for this algorithm",
            )
        }
    })
}

fn refuse_after_signature(
    decision: &mut Decision,
    error: &TokenError,
    kid: Option<&str>,
) -> Reason {
    let (step, _) = reason_of(error);
    if matches!(step, Step::Audience | Step::Time) {
        decision.pass(Step::Signature, format!("good, kid {}", shown(kid)));
    }
    // The lifetime is looked at last: a token that fails only there is ours.
    decision.proven = step == Step::Time;
    refuse(decision, error)
}

fn refuse(decision: &mut Decision, error: &TokenError) -> Reason {
    let (step, reason) = reason_of(error);
    let seen = error
        .seen()
        .map_or_else(|| error.to_string(), |seen| shown(Some(seen)));
    decision.fail(step, reason, seen, wanted(reason))
}

/// Each way a token can fail, and the step and reason it is told under.
fn reason_of(error: &TokenError) -> (Step, Reason) {
    match error.kind() {
        TokenErrorKind::TooLarge => (Step::Token, Reason::TokenTooLarge),
        TokenErrorKind::AlgorithmNotAllowed => (Step::Token, Reason::AlgorithmNotAllowed),
        TokenErrorKind::CriticalHeader | TokenErrorKind::UnsupportedHeader => {
            (Step::Token, Reason::UnsupportedHeader)
        }
        TokenErrorKind::UnknownKey => (Step::Signature, Reason::UnknownKey),
        TokenErrorKind::BadSignature => (Step::Signature, Reason::BadSignature),
        TokenErrorKind::WrongType => (Step::Token, Reason::WrongTokenType),
        TokenErrorKind::MissingClaim(_) => (Step::Token, Reason::ClaimMissing),
        TokenErrorKind::MalformedClaim(_) => (Step::Token, Reason::ClaimMalformed),
        TokenErrorKind::WrongIssuer => (Step::Audience, Reason::WrongIssuer),
        TokenErrorKind::WrongAudience => (Step::Audience, Reason::WrongAudience),
        TokenErrorKind::Expired { .. } => (Step::Time, Reason::TokenExpired),
        TokenErrorKind::NotYetValid | TokenErrorKind::IssuedInFuture => {
            (Step::Time, Reason::TokenNotYetValid)
        }
        TokenErrorKind::LifetimeTooLong => (Step::Time, Reason::TokenLifetime),
        // Malformed, and whatever a later version adds: not a good token.
        _ => (Step::Token, Reason::TokenMalformed),
    }
}

const fn wanted(reason: Reason) -> &'static str {
    match reason {
        Reason::TokenTooLarge => "at most 8 KiB",
        Reason::AlgorithmNotAllowed => "an algorithm on the issuer's list",
        Reason::UnsupportedHeader => "a header without crit, b64, zip or enc",
        Reason::BadSignature => "a signature by a published key",
        Reason::WrongTokenType => "typ at+jwt",
        Reason::WrongIssuer => "the trusted issuer",
        Reason::WrongAudience => "this gateway's audience",
        Reason::TokenExpired | Reason::TokenNotYetValid => "a token inside its lifetime",
        _ => "a well-formed access token (RFC 9068)",
    }
}

fn lifetime_left(token: &VerifiedToken, now: UnixTime) -> String {
    let exp = token.claims().expires_at().as_secs();
    match exp.checked_sub(now.as_secs()) {
        Some(left) => format!("expires in {} min {} s", left / 60, left % 60),
        None => format!(
            "expired {} s ago, inside the leeway",
            now.as_secs().saturating_sub(exp)
        ),
    }
}

/// A value from the token, cut and made safe to print.
fn shown(value: Option<impl AsRef<str>>) -> String {
    value.map_or_else(
        || "absent".to_owned(),
        |text| {
            text.as_ref()
                .chars()
                .take(80)
                .flat_map(char::escape_debug)
                .collect()
        },
    )
}
