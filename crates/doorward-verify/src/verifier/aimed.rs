//! Tokens for another audience than the usual one.
//!
//! Several APIs behind one gateway may each have a name of their own (`aud`).
//! Which of them a request is for is known before its token is looked at, so
//! the token is checked against that one and no list: a token for one API
//! opens no other (RFC 8725 section 3.9).

use doorward_jose::{claims::Claims, time::UnixTime};
use doorward_policy::decision::{Decision, Reason};

use super::{Recalled, Verifier};
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
        self.recall(bearer.as_bytes(), now).is_some()
    }

    /// The token of exactly these bytes, if it was verified before and is still
    /// good at `now`. Not for those that come with a proof of possession.
    ///
    /// The bytes may be any: what equals a token that was verified needs no
    /// other look at its form, and the rest is left to [`Self::verify`].
    pub fn recall(self, bearer: &[u8], now: UnixTime) -> Option<Recalled<'v>> {
        self.verifier.recall_for(self.audience, bearer, now)
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
