//! Tokens that were verified before, and what a decision records of them.

use doorward_jose::{claims::Claims, time::UnixTime};
use doorward_policy::{
    decision::{Decision, Reason, Step},
    permit::Subject as _,
};

use super::{TrustedIssuer, Verifier};
use crate::principal::Principal;

/// What a decision records of a token that was seen before.
const VERIFIED_BEFORE: [(Step, &str); 4] = [
    (Step::Token, "JWS, verified before"),
    (
        Step::Signature,
        "good, verified before, key still published",
    ),
    (Step::Audience, "issuer and audience match"),
    (Step::Time, "inside its lifetime"),
];

/// Whether the token of `decision` had been verified before, so that its
/// signature was not checked again; none if no signature held.
pub fn was_verified_before(decision: &Decision) -> Option<bool> {
    let [_, (_, before), ..] = VERIFIED_BEFORE;
    let mut checks = decision.checks.iter();
    let signature = checks.find(|check| check.step == Step::Signature && check.passed)?;
    Some(signature.seen == before)
}

/// A token that was verified before and is good at `now`, but for what is asked
/// anew each time: see [`Self::admit_with`]. Good for this moment, so it never
/// leaves the verifier.
#[derive(Debug)]
pub(super) struct Recalled<'v> {
    principal: Principal,
    issuer: &'v TrustedIssuer,
    now: UnixTime,
}

impl Recalled<'_> {
    /// Its caller, as [`Verifier::verify`] has it, with the same checks in
    /// `decision`; none if the `possession` that is shown is not the token's, or
    /// what is revoked is not known well enough.
    pub(super) fn admit_with(
        self,
        possession: impl FnOnce(&Claims, &mut Decision) -> Result<(), Reason>,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let Self {
            principal,
            issuer,
            now,
        } = self;
        for (step, seen) in VERIFIED_BEFORE {
            decision.pass(step, seen);
        }
        decision.prove(principal.shared_caller());
        possession(principal.claims(), decision)?;
        issuer.admit(&principal, now, decision)?;
        decision.pass(Step::Revocation, "alive, not revoked");
        Ok(principal)
    }
}

impl Verifier {
    /// As [`Self::recall`], if the token is for `audience`: what was remembered
    /// may have been verified for another one.
    pub(super) fn recall_for(
        &self,
        audience: Option<&str>,
        bearer: &[u8],
        now: UnixTime,
    ) -> Option<Recalled<'_>> {
        let recalled = self.recall(bearer, now)?;
        let wanted = audience.unwrap_or(recalled.issuer.validation.wanted_audience());
        recalled.principal.is_for(wanted).then_some(recalled)
    }

    /// The caller of a token that was verified before and is still good. What
    /// is remembered and no longer good is forgotten: the full check says why.
    fn recall(&self, bearer: &[u8], now: UnixTime) -> Option<Recalled<'_>> {
        let cache = self.cache.as_ref()?;
        let recalled = cache.find(bearer, |token| {
            let issuer = self.issuers.get(token.issuer)?;
            let keys = issuer.keys.generation(now);
            let principal = token.recall(keys, self.revocations_of(issuer), now)?;
            Some(Recalled {
                principal,
                issuer,
                now,
            })
        })?;
        if recalled.is_none() {
            cache.forget(bearer);
        }
        recalled
    }
}
