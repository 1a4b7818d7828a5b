//! Tokens for another audience than the usual one.
//!
//! Several APIs behind one gateway may each have a name of their own (`aud`).
//! Which of them a request is for is known before its token is looked at, so
//! the token is checked against that one and no list: a token for one API
//! opens no other (RFC 8725 section 3.9).
//!
//! Here is also the one order in which a request's token is looked at
//! ([`Aimed::verify_bearer_or_else`]): remembered, or else read and verified.

use doorward_jose::{claims::Claims, time::UnixTime};
use doorward_policy::decision::{Decision, Reason, Step};
use http::HeaderMap;

use super::Verifier;
use crate::{
    bearer,
    principal::Principal,
    proof::{self, Presented},
};

/// What a decision records of a token that was sent alone.
const ONE_TOKEN: &str = "one bearer token";

/// A [`Verifier`] of tokens for one audience; from [`Verifier::aimed_at`].
#[derive(Clone, Copy, Debug)]
pub struct Aimed<'v> {
    pub(super) verifier: &'v Verifier,
    /// `None` for the one that is usual for the token's issuer.
    pub(super) audience: Option<&'v str>,
    pub(super) asks_for_keys: bool,
}

impl<'v> Aimed<'v> {
    /// Asks for no newer keys and no newer list of permissions where the token
    /// names those that are not there. For a look on which nobody's request
    /// depends: strangers must not be able to have anything fetched by it.
    #[must_use]
    pub const fn without_asking(self) -> Self {
        Self {
            asks_for_keys: false,
            ..self
        }
    }

    /// Whether `bearer` was verified before and is still good at `now`, so that
    /// verifying it checks no signature.
    pub fn remembers(self, bearer: &str, now: UnixTime) -> bool {
        let recalled = self
            .verifier
            .recall_for(self.audience, bearer.as_bytes(), now);
        recalled.is_some()
    }

    /// As [`Self::verify_bearer`], if the one bearer token in `headers` was verified
    /// before and is still good at `now`; else nothing, of which `decision` hears
    /// nothing either. A token that is remembered is a token and nothing else, so
    /// what else could stand in its place need not be looked for first.
    pub fn recall_bearer(
        self,
        headers: &HeaderMap,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Option<Result<Principal, Reason>> {
        let bytes = bearer::sole_unverified_bytes(headers)?;
        let recalled = self.verifier.recall_for(self.audience, bytes, now)?;
        decision.pass(Step::Credential, ONE_TOKEN);
        Some(recalled.admit_with(proof::sent_alone, decision))
    }

    /// As [`Verifier::verify_bearer`].
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify_bearer`].
    pub fn verify_bearer(
        self,
        headers: &HeaderMap,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        self.verify_bearer_or_else(headers, now, decision, |reason, decision| {
            Err(bearer::refuse(reason, decision))
        })
    }

    /// As [`Verifier::verify_bearer`], but where `headers` do not hold exactly
    /// one well-formed bearer token (RFC 6750 section 2.1), `otherwise` has the
    /// word. It is given the reason, of which `decision` has heard nothing yet,
    /// and must record its own verdict. A token that is there and is refused
    /// never comes to it.
    ///
    /// A proof of possession is not looked at: where one may be sent, ask for it
    /// first.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`], and what `otherwise` returns.
    ///
    /// ```
    /// use doorward_policy::decision::{Decision, Reason, Step};
    /// use doorward_verify::{jose::time::UnixTime, principal::Principal, verifier::Verifier};
    /// use http::HeaderMap;
    ///
    /// /// The one who asks, for an API that also takes client certificates.
    /// fn caller(
    ///     verifier: &Verifier,
    ///     headers: &HeaderMap,
    ///     by_certificate: impl FnOnce(&mut Decision) -> Result<Principal, Reason>,
    ///     now: UnixTime,
    ///     decision: &mut Decision,
    /// ) -> Result<Principal, Reason> {
    ///     let aimed = verifier.aimed_at(Some("https://orders.example"));
    ///     aimed.verify_bearer_or_else(headers, now, decision, |reason, decision| match reason {
    ///         Reason::NoToken => by_certificate(decision),
    ///         _ => Err(decision.fail(Step::Credential, reason, reason.title(), "one token")),
    ///     })
    /// }
    /// ```
    pub fn verify_bearer_or_else(
        self,
        headers: &HeaderMap,
        now: UnixTime,
        decision: &mut Decision,
        otherwise: impl FnOnce(Reason, &mut Decision) -> Result<Principal, Reason>,
    ) -> Result<Principal, Reason> {
        // By far the most have been here before. What equals a token that was
        // verified needs no other look at its form.
        if let Some(known) = self.recall_bearer(headers, now, decision) {
            return known;
        }
        let token = match bearer::from_headers(headers) {
            Ok(token) => token,
            Err(reason) => return otherwise(reason, decision),
        };
        decision.pass(Step::Credential, ONE_TOKEN);
        let bearer = (token, self.audience, self.asks_for_keys);
        self.verifier
            .verify_anew(bearer, proof::sent_alone, now, decision)
    }

    /// As [`Verifier::verify`].
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub fn verify(
        self,
        bearer: &str,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let bearer = (bearer, self.audience, self.asks_for_keys);
        self.verifier
            .verify_with(bearer, proof::sent_alone, now, decision)
    }

    /// As [`Verifier::verify_presented`].
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify_presented`].
    pub fn verify_presented(
        self,
        presented: &Presented<'_>,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let possession = |claims: &Claims, decision: &mut Decision| {
            let proofs = &self.verifier.proofs;
            proofs.check(claims, presented, now, decision)
        };
        let bearer = (presented.token(), self.audience, self.asks_for_keys);
        self.verifier.verify_with(bearer, possession, now, decision)
    }
}
