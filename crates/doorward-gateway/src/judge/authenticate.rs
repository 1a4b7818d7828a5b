//! Who asks: the caller of a request, by what it brings.
//!
//! A token that it brings itself, alone or with a proof of possession, or the
//! one that its API key is exchanged for. What they may do is asked later.

use doorward_policy::{
    decision::{Decision, Reason, Step},
    route::{Requirement, RouteMatch},
};
use doorward_verify::{
    clock::Timestamp,
    credential::find_api_key,
    principal::Principal,
    proof::{Presented, Scheme, target::TargetUri},
    verifier::{Aimed, Verifier},
};
use http::Request;

use super::Bench;
use crate::{
    api_key::{self, ExchangedKey, Key as ApiKey, Outcome},
    fields::{Field, Fields},
};

/// The caller, where the route asks for one. On a public route nobody is
/// asked, and nobody is vouched for.
pub(super) fn authenticate<B>(
    bench: &Bench<'_>,
    route: &RouteMatch<'_, '_>,
    credential: Credential<'_, B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Option<Principal>, Stop> {
    if *route.route().requirement() == Requirement::Public {
        return Ok(None);
    }
    let headers = credential.request.headers();
    if let Some(known) = recalled(bench, &credential, now, decision) {
        return Ok(Some(known?));
    }
    let presented = api_key::presented(headers, credential.fields).map_err(|reason| {
        let (seen, wanted) = ("an API key beside another credential", "one credential");
        decision.fail(Step::Credential, reason, seen, wanted)
    })?;
    match presented {
        Some(text) => by_api_key(bench, text, credential, now, decision).map(Some),
        None => Ok(Some(by_token(bench, &credential, now, decision)?)),
    }
}

/// What a request brings to prove itself.
pub(super) struct Credential<'r, B> {
    pub(super) request: &'r Request<B>,
    /// What fields the request came with.
    pub(super) fields: Fields,
    /// What its API key was exchanged for.
    pub(super) exchanged: Option<Outcome>,
    /// Whether a candidate looks at it: then nothing is forgotten, because what
    /// is kept belongs to the served routes, and no newer keys are asked for.
    pub(super) is_lent: bool,
    /// For whom its token must be, where that is not as usual.
    pub(super) audience: Option<&'r str>,
}

impl<B> Credential<'_, B> {
    /// What checks its token.
    fn aim<'v>(&'v self, verifier: &'v Verifier) -> Aimed<'v> {
        let aimed = verifier.aimed_at(self.audience);
        match self.is_lent {
            true => aimed.without_asking(),
            false => aimed,
        }
    }
}

/// Why there is no caller.
pub(super) enum Stop {
    /// The decision says it.
    Refused(Reason),
    /// The key must be exchanged first.
    Unexchanged(ApiKey),
}

impl From<Reason> for Stop {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

/// The caller of a token that is remembered, where it comes alone: by far the most
/// do, and what it could be besides is not looked for.
fn recalled<B>(
    bench: &Bench<'_>,
    credential: &Credential<'_, B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Option<Result<Principal, Reason>> {
    if credential.fields.have(Field::ApiKey) || credential.fields.have(Field::Dpop) {
        return None;
    }
    let verifier = bench.shared.verifier.load();
    let verifier = credential.aim(&verifier);
    verifier.recall_bearer(credential.request.headers(), now.unix(), decision)
}

/// The owner of an API key, by the token that the key was exchanged for. Only
/// the token is believed, so whatever ends tokens ends keys.
fn by_api_key<B>(
    bench: &Bench<'_>,
    text: &str,
    credential: Credential<'_, B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Principal, Stop> {
    let known = bench
        .exchanges
        .and_then(|exchanges| Some((exchanges, exchanges.recognise(text)?)));
    let Some((exchanges, key)) = known else {
        let (seen, wanted) = ("a key that was not made here", "an API key of this issuer");
        let reason = Reason::ApiKeyUnknown;
        return Err(decision.fail(Step::Credential, reason, seen, wanted).into());
    };
    let (is_fresh, is_lent) = (credential.exchanged.is_some(), credential.is_lent);
    let fresh = credential.exchanged.clone();
    let Some(outcome) = fresh.or_else(|| exchanges.kept(&key, now)) else {
        return Err(Stop::Unexchanged(key));
    };
    let seen = format!("API key {}", key.id());
    let exchanged = match &*outcome {
        Ok(exchanged) => exchanged,
        Err(refused) => {
            decision.proven = refused.is_genuine;
            let wanted = "a key that may be used now";
            return Err(decision
                .fail(Step::Credential, refused.reason, seen, wanted)
                .into());
        }
    };
    decision.pass(Step::Credential, seen);
    let before = decision.checks.len();
    let verifier = bench.shared.verifier.load();
    let verifier = credential.aim(&verifier);
    let verified = verifier.verify(&exchanged.access_token, now.unix(), decision);
    match verified {
        Ok(principal) => {
            from_an_allowed_network(exchanged, decision)?;
            Ok(principal)
        }
        Err(reason) if is_fresh => Err(reason.into()),
        // The next one would be for the same audience: that of the issuer.
        Err(reason @ Reason::WrongAudience) => Err(reason.into()),
        // The owner's rights changed, a key of the issuer was withdrawn, the
        // token has expired: the next one shows it.
        Err(_) => {
            decision.checks.truncate(before);
            if !is_lent {
                exchanges.forget(&key);
            }
            Err(Stop::Unexchanged(key))
        }
    }
}

/// APK-004: by the address of the socket, which no header can name.
fn from_an_allowed_network(
    exchanged: &ExchangedKey,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let networks = &exchanged.networks;
    if networks.is_empty() {
        return Ok(());
    }
    let peer = decision.peer;
    let is_in = |peer| networks.iter().any(|network| network.contains(peer));
    let seen = peer.map_or_else(|| "no address".to_owned(), |peer| peer.to_string());
    if peer.is_some_and(is_in) {
        decision.pass(Step::Credential, format!("from {seen}"));
        return Ok(());
    }
    let wanted: Vec<String> = networks.iter().map(ToString::to_string).collect();
    let reason = Reason::NetworkNotAllowed;
    Err(decision.fail(Step::Credential, reason, seen, wanted.join(", ")))
}

/// The caller of a token that the request brings itself.
fn by_token<B>(
    bench: &Bench<'_>,
    credential: &Credential<'_, B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Principal, Reason> {
    let verifier = bench.shared.verifier.load();
    let verifier = credential.aim(&verifier);
    let by_proof = |decision: &mut Decision| {
        presented_token(bench.origin, credential.request, verifier, now, decision)
    };
    if credential.fields.have(Field::Dpop) {
        return by_proof(decision);
    }
    let (headers, now) = (credential.request.headers(), now.unix());
    // What is no bearer token may be of the other scheme.
    verifier.verify_bearer_or_else(headers, now, decision, |_, decision| by_proof(decision))
}

/// The caller of a token that may be bound to a key, by the proof beside it.
fn presented_token<B>(
    origin: &str,
    request: &Request<B>,
    verifier: Aimed<'_>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Principal, Reason> {
    // Only a proof has an address to compare with.
    let target = public_target(origin, request, decision)?;
    let presented = Presented::from_headers(request.headers(), request.method(), &target)
        .map_err(|reason| unfit(reason, request.uri().query(), decision))?;
    let token = match presented.scheme() {
        Scheme::Bearer => "one bearer token",
        Scheme::Dpop => "one token bound to a key",
    };
    decision.pass(Step::Credential, token);
    verifier.verify_presented(&presented, now.unix(), decision)
}

fn unfit(reason: Reason, query: Option<&str>, decision: &mut Decision) -> Reason {
    let wanted = "Authorization: Bearer TOKEN";
    // APK-008: it is not read there, and stands in logs from now on.
    match query.and_then(find_api_key) {
        Some(id) => {
            let seen = format!("API key {id} in the query: it has leaked; revoke it");
            decision.fail(Step::Credential, reason, seen, wanted)
        }
        None => decision.fail(Step::Credential, reason, reason.title(), wanted),
    }
}

/// The address that the caller asked for, as a proof of possession names it:
/// the origin from the configuration, the path that was judged.
fn public_target<B>(
    origin: &str,
    request: &Request<B>,
    decision: &mut Decision,
) -> Result<TargetUri, Reason> {
    TargetUri::of_request(origin, request.uri().path()).ok_or_else(|| {
        decision.fail(
            Step::Credential,
            Reason::ProofInvalid,
            "an address that no proof can name",
            "a public origin in the configuration, and a plain path",
        )
    })
}
