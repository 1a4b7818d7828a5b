//! Tokens for another audience than the usual one.
//!
//! Several APIs behind one gateway may each have a name of their own (`aud`).
//! Which of them a request is for is known before its token is looked at, so
//! the token is checked against that one and no list: a token for one API
//! opens no other (RFC 8725 section 3.9).

use doorward_jose::{claims::Claims, time::UnixTime};
use doorward_policy::decision::{Decision, Reason};

use super::Verifier;
use crate::{
    principal::Principal,
    proof::{self, Presented},
};

/// A [`Verifier`] of tokens for one audience; from [`Verifier::aimed_at`].
#[derive(Clone, Copy, Debug)]
pub struct Aimed<'v> {
    pub(super) verifier: &'v Verifier,
    /// `None` for the one that is usual for the token's issuer.
    pub(super) audience: Option<&'v str>,
}

impl Aimed<'_> {
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
        let possession = |claims: &Claims, decision: &mut Decision| match proof::is_bound(claims) {
            // Worth nothing without its proof: refuse rather than downgrade.
            true => Err(proof::proof_missing(decision)),
            false => Ok(()),
        };
        let Self { verifier, audience } = self;
        verifier.verify_with((bearer, audience), possession, now, decision)
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
        let Self { verifier, audience } = self;
        let possession = |claims: &Claims, decision: &mut Decision| {
            verifier.proofs.check(claims, presented, now, decision)
        };
        verifier.verify_with((presented.token(), audience), possession, now, decision)
    }
}
