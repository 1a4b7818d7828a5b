//! From a bearer token to a [`Principal`].
//!
//! Several issuers may be trusted, each with its own keys: a token is checked
//! against the issuer that it names and no other, so a key of one issuer can
//! never vouch for another (RFC 8725 section 3.8).

mod aimed;
mod recalled;
#[cfg(feature = "fetch")]
mod refresh;
mod working_memory;

use std::{borrow::Cow, sync::Arc};

use doorward_jose::{
    claims::Claims,
    error::{TokenError, TokenErrorKind},
    scratch::Scratch,
    time::UnixTime,
    token::{UnverifiedToken, VerifiedToken},
    validation::Validation,
};
use doorward_policy::decision::{Decision, Reason, Step};
use http::HeaderMap;

pub use aimed::Aimed;
pub use recalled::was_verified_before;

use crate::{
    claim_mapping::ClaimMapping,
    key_source::KeySource,
    permission_numbers::Unreadable,
    principal::Principal,
    proof::{Presented, Proofs},
    revocation::{
        RevocationSet,
        feed::{Admission, FeedView, StalePolicy},
    },
    token_cache::{Before, CacheSize, Remembered, TokenCache},
};

/// An issuer whose tokens are accepted, for one audience.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    validation: Validation,
    keys: KeySource,
    feed: Option<Followed>,
    revocations: Option<Arc<RevocationSet>>,
    mapping: Option<ClaimMapping>,
}

/// The issuer's own feed of revocations, and what to do when it is behind.
#[derive(Clone, Debug)]
struct Followed {
    view: FeedView,
    policy: StalePolicy,
}

impl TrustedIssuer {
    /// Tokens must satisfy `validation`, which names issuer, audience and
    /// algorithms, and be signed by one of `keys`.
    pub const fn new(validation: Validation, keys: KeySource) -> Self {
        Self {
            validation,
            keys,
            feed: None,
            revocations: None,
            mapping: None,
        }
    }

    /// What is revoked of this issuer's tokens, in place of the verifier's set:
    /// two issuers may give the same names to subjects, sessions and tokens.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Arc<RevocationSet>) -> Self {
        self.revocations = Some(revocations);
        self
    }

    /// Another issuer, of whose claims only those of `mapping` grant anything.
    #[must_use]
    pub fn mapped(mut self, mapping: ClaimMapping) -> Self {
        self.mapping = Some(mapping);
        self
    }

    /// Revocations come from this issuer's own feed, in place of the
    /// verifier's set: what one issuer revokes says nothing about another's
    /// tokens. `policy` says what is accepted while the feed is behind.
    #[must_use]
    pub fn revoked_by(mut self, feed: FeedView, policy: StalePolicy) -> Self {
        self.feed = Some(Followed { view: feed, policy });
        self
    }

    /// The issuer's name.
    pub fn issuer(&self) -> &str {
        self.validation.wanted_issuer()
    }

    /// Its keys.
    pub const fn keys(&self) -> &KeySource {
        &self.keys
    }

    /// Its feed of revocations, if it has one of its own.
    pub fn feed(&self) -> Option<&FeedView> {
        self.feed.as_ref().map(|feed| &feed.view)
    }

    /// Whether its revocations are known well enough for this token at `now`.
    fn admit(
        &self,
        principal: &Principal,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<(), Reason> {
        let Some((admission, Followed { view, policy })) = self.admission(principal, now) else {
            return Ok(());
        };
        match admission {
            Admission::Current => Ok(()),
            Admission::Tolerated => {
                decision.pass(Step::Revocation, view.describe(now));
                Ok(())
            }
            Admission::Refused => Err(decision.fail(
                Step::Revocation,
                Reason::RevocationsUnknown,
                view.describe(now),
                policy.wanted(),
            )),
        }
    }

    /// What its feed says of this token, if it has one.
    fn admission(&self, principal: &Principal, now: UnixTime) -> Option<(Admission, &Followed)> {
        let feed = self.feed.as_ref()?;
        let issued = principal.claims().issued_at();
        Some((feed.view.admit(feed.policy, issued, now), feed))
    }
}

/// Checks tokens of the trusted issuers.
#[derive(Debug)]
pub struct Verifier {
    issuers: Vec<TrustedIssuer>,
    revocations: Arc<RevocationSet>,
    proofs: Arc<Proofs>,
    cache: Option<TokenCache>,
}

impl Verifier {
    /// Trusts `issuers` and refuses what `revocations` holds.
    pub fn new(issuers: Vec<TrustedIssuer>, revocations: Arc<RevocationSet>) -> Self {
        Self {
            issuers,
            revocations,
            proofs: Arc::default(),
            cache: None,
        }
    }

    /// Remembers verified tokens, so that seeing one again costs a comparison
    /// in place of a signature. Lifetime, keys, revocations and proof of
    /// possession are looked at every time.
    #[must_use]
    pub fn with_cache(mut self, size: CacheSize) -> Self {
        self.cache = Some(TokenCache::new(size));
        self
    }

    /// As [`Self::with_cache`], and all tokens share one hash: to show that the
    /// hash decides nothing.
    #[doc(hidden)]
    #[must_use]
    pub fn with_colliding_cache(mut self, size: CacheSize) -> Self {
        self.cache = Some(TokenCache::colliding(size));
        self
    }

    /// How many tokens are remembered, and the bytes that they take by
    /// estimate. Counts them one by one: for metrics, not for each request.
    pub fn cached(&self) -> (usize, u64) {
        self.cache.as_ref().map_or((0, 0), TokenCache::usage)
    }

    /// Whose tokens are accepted.
    pub fn issuers(&self) -> &[TrustedIssuer] {
        &self.issuers
    }

    /// Checks proofs of possession with `proofs` instead of their defaults.
    /// Verifiers of the same requests share one, so that a proof that one has
    /// seen is known to the others.
    #[must_use]
    pub fn with_proofs(mut self, proofs: impl Into<Arc<Proofs>>) -> Self {
        self.proofs = proofs.into();
        self
    }

    /// What proofs of possession are checked with.
    pub fn proofs(&self) -> &Proofs {
        &self.proofs
    }

    /// This verifier, of tokens for `audience` in place of the one that is usual
    /// for their issuer; `None` for that one.
    pub const fn aimed_at<'v>(&'v self, audience: Option<&'v str>) -> Aimed<'v> {
        Aimed {
            verifier: self,
            audience,
            asks_for_keys: true,
        }
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
        self.aimed_at(None).verify(bearer, now, decision)
    }

    /// As [`Self::verify`], of the one bearer token in `headers` (RFC 6750
    /// section 2.1), read as [`bearer::from_headers`] does. Everything is asked
    /// at this one `now`; a token that was verified before is known by its bytes.
    ///
    /// # Errors
    ///
    /// As [`bearer::from_headers`], and then as [`Self::verify`]; `decision` has
    /// heard of either.
    ///
    /// ```
    /// use doorward_policy::decision::{Decision, Reason, TraceId};
    /// use doorward_verify::{
    ///     jose::time::UnixTime, revocation::RevocationSet, verifier::Verifier,
    /// };
    /// use http::HeaderMap;
    ///
    /// let verifier = Verifier::new(vec![], RevocationSet::new());
    /// let now = UnixTime::from_secs(1_800_000_000);
    /// let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
    /// let caller = verifier.verify_bearer(&HeaderMap::new(), now, &mut decision);
    /// assert_eq!(caller.err(), Some(Reason::NoToken));
    /// ```
    ///
    /// [`bearer::from_headers`]: crate::bearer::from_headers
    pub fn verify_bearer(
        &self,
        headers: &HeaderMap,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        self.aimed_at(None).verify_bearer(headers, now, decision)
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
        self.aimed_at(None)
            .verify_presented(presented, now, decision)
    }

    fn verify_with(
        &self,
        (bearer, audience, asks_for_keys): (&str, Option<&str>, bool),
        possession: impl FnOnce(&Claims, &mut Decision) -> Result<(), Reason>,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        if let Some(recalled) = self.recall_for(audience, bearer.as_bytes(), now) {
            return recalled.admit_with(possession, decision);
        }
        self.verify_anew((bearer, audience, asks_for_keys), possession, now, decision)
    }

    /// As [`Self::verify_with`], of a token that is not remembered, or was not
    /// when it was looked for.
    fn verify_anew(
        &self,
        (bearer, audience, asks_for_keys): (&str, Option<&str>, bool),
        possession: impl FnOnce(&Claims, &mut Decision) -> Result<(), Reason>,
        now: UnixTime,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let (verified, issuer, before) = working_memory::lent(|scratch| {
            let token = UnverifiedToken::parse_in(bearer, scratch)
                .map_err(|error| refuse(decision, &error))?;
            decision.pass(Step::Token, format!("JWS, {}", token.algorithm()));
            let issuer = self.issuer_of(&token, scratch, decision)?;
            let before = Before {
                keys: issuer.keys.generation(now),
                epoch: self.revocations_of(issuer).epoch(),
            };
            let demands = match audience {
                Some(audience) => Cow::Owned(issuer.validation.clone().for_audience(audience)),
                None => Cow::Borrowed(&issuer.validation),
            };
            let trusted = (&issuer.keys, demands.as_ref());
            let verified = check_with_keys(&token, trusted, now, scratch, decision);
            let verified = verified.inspect_err(|reason| {
                if asks_for_keys && is_missing_key(*reason) {
                    issuer.keys.missed(token.key_id(), now);
                }
            })?;
            Ok((verified, issuer, before))
        })?;
        let revocations = self.revocations_of(issuer);
        decision.pass(Step::Audience, "issuer and audience match");
        decision.pass(Step::Time, lifetime_left(&verified, now));
        let numbers = || issuer.keys.permission_numbers();
        let principal = Principal::new(verified, issuer.mapping.as_ref(), numbers);
        let principal = principal.map_err(|unreadable| {
            if asks_for_keys && matches!(unreadable, Unreadable::UnknownList { .. }) {
                issuer.keys.missed_list(now);
            }
            refuse_numbers(decision, &unreadable)
        })?;
        decision.prove(principal.shared_caller());
        possession(principal.claims(), decision)?;
        // Not by the time: an entry that was made under a clock that was behind
        // expires early, and one that stands too long refuses nothing good.
        if let Err(reason) = revocations.check(principal.token()) {
            return Err(decision.fail(Step::Revocation, reason, reason.title(), "a live session"));
        }
        issuer.admit(&principal, now, decision)?;
        decision.pass(Step::Revocation, "alive, not revoked");
        self.remember(bearer, &principal, issuer, before);
        Ok(principal)
    }

    /// Only what passed every check comes here.
    fn remember(
        &self,
        bearer: &str,
        principal: &Principal,
        issuer: &TrustedIssuer,
        before: Before,
    ) {
        let Some(cache) = &self.cache else { return };
        let same = |trusted: &TrustedIssuer| std::ptr::eq(trusted, issuer);
        let Some(index) = self.issuers.iter().position(same) else {
            return;
        };
        let issuer = (index, issuer.validation.leeway());
        let revocations = self.revocations_of(&self.issuers[index]);
        if let Some(entry) = Remembered::new(bearer, principal, issuer, revocations, before) {
            cache.remember(bearer, entry);
        }
    }

    /// Whether the token of `principal` is still good at `now`: not expired, not
    /// revoked, and its issuer's feed not further behind than its policy takes.
    /// For what goes on after the request, such as a tunnel.
    ///
    /// # Errors
    ///
    /// The reason why it is not.
    pub fn review(&self, principal: &Principal, now: UnixTime) -> Result<(), Reason> {
        if principal.expires_at() <= now {
            return Err(Reason::TokenExpired);
        }
        let named = principal.claims().issuer();
        let issuer = self.issuers.iter().find(|issuer| issuer.issuer() == named);
        let issuer = issuer.ok_or(Reason::WrongIssuer)?;
        self.revocations_of(issuer).check(principal.token())?;
        match issuer.admission(principal, now) {
            Some((Admission::Refused, _)) => Err(Reason::RevocationsUnknown),
            _ => Ok(()),
        }
    }

    /// What the issuer's own feed says, or its own set, or else what is revoked
    /// for all.
    fn revocations_of<'v>(&'v self, issuer: &'v TrustedIssuer) -> &'v RevocationSet {
        issuer
            .feed
            .as_ref()
            .map(|feed| feed.view.revocations())
            .or(issuer.revocations.as_deref())
            .unwrap_or(&self.revocations)
    }

    fn issuer_of(
        &self,
        token: &UnverifiedToken<'_>,
        scratch: &mut Scratch,
        decision: &mut Decision,
    ) -> Result<&TrustedIssuer, Reason> {
        self.find_issuer(token, scratch).map_err(|hint| {
            decision.fail(
                Step::Audience,
                Reason::WrongIssuer,
                shown(hint),
                "a trusted issuer",
            )
        })
    }

    /// The issuer to check the token against, or the name of the unknown one.
    fn find_issuer<'s>(
        &self,
        token: &UnverifiedToken<'_>,
        scratch: &'s mut Scratch,
    ) -> Result<&TrustedIssuer, Option<Cow<'s, str>>> {
        // With one issuer the hint is not needed: the claim is compared after
        // the signature anyway. With several it picks, and proves nothing.
        if let [only] = self.issuers.as_slice() {
            return Ok(only);
        }
        let hint = token.issuer_hint_in(scratch);
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
    (keys, demands): (&KeySource, &Validation),
    now: UnixTime,
    scratch: &mut Scratch,
    decision: &mut Decision,
) -> Result<VerifiedToken, Reason> {
    let snapshot = keys.snapshot();
    if !snapshot.holds(now) {
        return Err(decision.fail(
            Step::Signature,
            Reason::KeysUnavailable,
            "no keys, or keys that are too old to be relied on",
            "keys fetched from the issuer",
        ));
    }
    let mut last = None;
    for key in snapshot.keys.candidates(token.algorithm(), token.key_id()) {
        let verified = token.verify_in(key, demands, now, scratch);
        match verified.and_then(|verified| verified.to_owned()) {
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
        None => decision.fail(
            Step::Signature,
            Reason::UnknownKey,
            format!("kid {}, {}", shown(token.key_id()), token.algorithm()),
            "a published key of this issuer for this algorithm",
        ),
    })
}

/// Whether newer keys are wanted for what was refused for this.
const fn is_missing_key(reason: Reason) -> bool {
    matches!(reason, Reason::UnknownKey | Reason::KeysUnavailable)
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

fn refuse_numbers(decision: &mut Decision, unreadable: &Unreadable) -> Reason {
    let reason = match unreadable {
        Unreadable::Malformed => Reason::ClaimMalformed,
        Unreadable::UnknownList { .. } => Reason::PermissionsUnknown,
    };
    let wanted = "a list of permission numbers that the issuer publishes with its keys";
    decision.fail(Step::Token, reason, unreadable.to_string(), wanted)
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
    let Some(value) = value else {
        return "absent".to_owned();
    };
    let text = value.as_ref();
    // Mostly there is nothing to cut and to escape.
    let is_plain = |byte| matches!(byte, b' '..=b'~') && !matches!(byte, b'\'' | b'"' | b'\\');
    if text.len() <= LONGEST_SHOWN && text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let characters = text.chars().take(LONGEST_SHOWN);
    characters.flat_map(char::escape_debug).collect()
}

/// Characters that are shown of a value.
const LONGEST_SHOWN: usize = 80;

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn what_is_shown_is_cut_and_has_no_escapes_of_its_own() {
        let escaped = |text: &str| {
            let characters = text.chars().take(80);
            characters.flat_map(char::escape_debug).collect::<String>()
        };
        for character in (0..0x300).filter_map(char::from_u32) {
            let text = format!("a{character}b");
            assert_eq!(shown(Some(&text)), escaped(&text), "{text:?}");
        }
        for length in [79, 80, 81, 200] {
            let text = "x".repeat(length);
            assert_eq!(shown(Some(&text)), escaped(&text));
        }
        assert_eq!(shown(None::<&str>), "absent");
    }
}
