//! Verifying with a short wait for newer keys.

use std::time::Duration;

use doorward_jose::{time::UnixTime, token::UnverifiedToken};
use doorward_policy::decision::{Decision, Reason};

use super::{Verifier, working_memory};
use crate::{
    key_source::{Health, KeySource},
    principal::Principal,
};

/// Longest wait for newer keys.
const LONGEST_WAIT: Duration = Duration::from_secs(2);

impl Verifier {
    /// As [`Self::verify`], but a token that names an unknown key, or numbers of
    /// a list that is not known, waits, at most two seconds, for the refresh that
    /// it caused. At once where there is none to wait for: the cool-down lasts
    /// longer than that, the key id was asked for already, or too many requests
    /// wait.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`].
    pub async fn verify_or_refresh(
        &self,
        bearer: &str,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let before = decision.clone();
        let verdict = self.verify(bearer, now, decision);
        let Err(Reason::UnknownKey | Reason::KeysUnavailable | Reason::PermissionsUnknown) =
            verdict
        else {
            return verdict;
        };
        if !self.newer_keys(bearer, now).await {
            return verdict;
        }
        *decision = before;
        self.verify(bearer, now, decision)
    }

    /// For a token that was refused for its key, or for the list of its
    /// permission numbers: waits, at most two seconds, for the refresh that it
    /// caused, as [`Self::verify_or_refresh`] does. Whether its keys come from
    /// elsewhere at all, so that another try may end otherwise.
    pub async fn newer_keys(&self, token: &str, now: UnixTime) -> bool {
        let Ok(token) = UnverifiedToken::parse(token) else {
            return false;
        };
        let issuer = working_memory::lent(|scratch| self.find_issuer(&token, scratch).ok());
        let source = issuer.map(super::TrustedIssuer::keys);
        let Some(demand) = source.and_then(KeySource::demand) else {
            return false;
        };
        let is_list = source.is_some_and(|source| has_key_of(source, &token, now));
        match is_list {
            true => demand.settled_list(LONGEST_WAIT).await,
            false => demand.settled(token.key_id(), now, LONGEST_WAIT).await,
        }
        true
    }
}

/// Whether the key of `token` is there, so that it was not refused for that.
fn has_key_of(source: &KeySource, token: &UnverifiedToken<'_>, now: UnixTime) -> bool {
    let keys = source.current();
    let mut keys = keys.candidates(token.algorithm(), token.key_id());
    source.health(now) != Health::Expired && keys.next().is_some()
}
