//! The main flow of a protected request, one line for each phase.
//!
//! Serving and `explain` call the same function; it knows nothing of sockets.
//! A request goes in by value and comes out as [`Permitted`], or not at all; in a
//! box, because it goes through many hands.

mod authenticate;
mod candidate;

use doorward_policy::{
    decision::{Decision, Reason, Step, Text},
    permit::{Asking, Permitted, Subject, permit},
    route::{Match, RouteMatch, demands::StepUp},
};
use doorward_verify::{challenge::www_authenticate_with, clock::Timestamp, principal::Principal};
use http::{HeaderValue, Request, header::AUTHORIZATION};

use crate::{
    api_key::{self, Exchanges, Key as ApiKey, Outcome},
    fields::Field,
    gate::{self, Admitted, Rules, Screened},
    gateway::Shared,
    identity::{Identity, IdentityHeaders, Kept},
    internal_token::{NoInternalToken, Vouched},
    policy_fields,
    shadow::Shadow,
};
use authenticate::{Credential, Stop, authenticate};
use candidate::{Beside, Judged, Met};

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict<B> {
    /// It may go to the upstream, with the proven caller's headers.
    Forward(Permitted<Screened<B>>, Option<Identity>, Option<Principal>),
    /// Doorward answers it itself.
    Local(Box<Request<B>>),
    /// It is turned away; the decision says why.
    Refused(Refusal),
    /// It is turned away for its key, and newer keys may be on their way.
    KeyMissing(Box<KeyMissing<B>>),
    /// It brings an API key that must be exchanged for a token first.
    Exchange(Box<Unexchanged<B>>),
}

/// A request whose API key is not exchanged yet.
#[derive(Debug)]
pub(crate) struct Unexchanged<B> {
    admitted: Admitted<B>,
    /// Checks that stay as they are.
    checks: usize,
    key: ApiKey,
}

/// A request that another look at newer keys may let in.
#[derive(Debug)]
pub(crate) struct KeyMissing<B> {
    admitted: Admitted<B>,
    /// Checks that stay as they are.
    checks: usize,
    refusal: Refusal,
    /// What a candidate says, if the refusal stands.
    judged: Judged,
}

/// What the answer to a refused request says besides the decision.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// The permission that the route asks for.
    pub(crate) scope: Option<String>,
    /// The methods that the path has.
    pub(crate) allow: Option<String>,
    /// How the user must have signed in.
    pub(crate) step_up: Option<StepUp>,
    /// What to bring instead, where that is a proof of possession.
    pub(crate) proof: Option<Box<WantedProof>>,
}

/// The proof of possession that the next request needs.
#[derive(Debug)]
pub(crate) struct WantedProof {
    /// `WWW-Authenticate`.
    pub(crate) challenge: Option<HeaderValue>,
    /// `DPoP-Nonce`.
    pub(crate) nonce: Option<HeaderValue>,
}

/// What a judge looks at besides the request.
pub(crate) struct Bench<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) rules: Rules<'a>,
    /// Where a candidate may judge as well; nowhere, if this is no traffic.
    pub(crate) shadow: Option<&'a Shadow>,
    /// Where API keys become tokens, if keys are taken at all.
    pub(crate) exchanges: Option<&'a Exchanges>,
    /// The origin under which callers reach the gateway.
    pub(crate) origin: &'a str,
    /// What upstreams are told of callers.
    pub(crate) told: IdentityHeaders,
}

/// Judges `request` at `now` and writes every check into `decision`.
pub(crate) fn judge<B>(
    bench: &Bench<'_>,
    request: Box<Request<B>>,
    now: Timestamp,
    decision: &mut Decision,
) -> Verdict<B> {
    let Ok(mut admitted) = gate::admit(request, &bench.rules, decision) else {
        return Verdict::Refused(Refusal::default());
    };
    if admitted.fields.have(Field::Reserved) {
        let headers = admitted.request.headers_mut();
        bench.rules.names.strip(headers, decision);
    }
    if (bench.shared.local.matches)(admitted.path.as_str()) {
        decision.pass(Step::Route, "answered by Doorward itself");
        decision.allow(Reason::Served);
        return Verdict::Local(admitted.request);
    }
    guard(bench, admitted, None, now, decision)
}

/// What is decided from the route on, compared with what a candidate says.
/// `exchanged` is what the request's API key was exchanged for, if the first look
/// asked for it.
fn guard<B>(
    bench: &Bench<'_>,
    admitted: Admitted<B>,
    exchanged: Option<Outcome>,
    now: Timestamp,
    decision: &mut Decision,
) -> Verdict<B> {
    let (mut verdict, judged) = decide(bench, admitted, exchanged, now, decision);
    match &mut verdict {
        Verdict::Forward(..) | Verdict::Local(_) | Verdict::Refused(_) => judged.compare(decision),
        // If the refusal stands.
        Verdict::KeyMissing(missing) => missing.judged = judged,
        // The look at what the key is exchanged for is compared.
        Verdict::Exchange(_) => {}
    }
    verdict
}

/// Asks the route table, the verifier and the policy, and a candidate besides.
fn decide<B>(
    bench: &Bench<'_>,
    admitted: Admitted<B>,
    exchanged: Option<Outcome>,
    now: Timestamp,
    decision: &mut Decision,
) -> (Verdict<B>, Judged) {
    let checks = decision.checks.len();
    let Admitted {
        mut request,
        path,
        fields,
    } = admitted;
    let routes = bench.shared.routes.load();
    let segments = path.split();
    let beside = Beside::of(bench, &routes, (&segments, fields), now);
    let route = match find(routes.find(request.method().as_str(), &segments), decision) {
        Ok(route) => route,
        Err(refusal) => {
            let judged = beside.judge(&request, Met::Unasked, decision);
            return (Verdict::Refused(refusal), judged);
        }
    };
    let credential = Credential {
        request: &request,
        fields,
        exchanged,
        is_lent: false,
        audience: route.route().demands().audience.as_deref(),
    };
    let authenticated = match authenticate(bench, &route, credential, now, decision) {
        Ok(principal) => Ok(principal),
        Err(Stop::Unexchanged(key)) => {
            let unexchanged = Unexchanged {
                admitted: Admitted {
                    request,
                    path,
                    fields,
                },
                checks,
                key,
            };
            let verdict = Verdict::Exchange(Box::new(unexchanged));
            return (verdict, Judged::default());
        }
        Err(Stop::Refused(reason)) => Err(reason),
    };
    let met = Met::of(&route, &authenticated);
    let judged = beside.judge(&request, met, decision);
    let principal = match authenticated {
        Ok(principal) => principal,
        Err(reason) if waits_for_keys(reason) => {
            let missing = KeyMissing {
                refusal: Refusal::by(&route),
                admitted: Admitted {
                    request,
                    path,
                    fields,
                },
                checks,
                judged: Judged::default(),
            };
            return (Verdict::KeyMissing(Box::new(missing)), judged);
        }
        Err(_) => {
            let refusal = Refusal::by(&route).asking_for_proof(bench, now, decision);
            return (Verdict::Refused(refusal), judged);
        }
    };
    if fields.have(Field::ApiKey) {
        api_key::remove(request.headers_mut());
    }
    let screened = Screened { request, fields };
    let Some(permitted) = ask_policy(&route, principal.as_ref(), screened, decision) else {
        return (Verdict::Refused(Refusal::by(&route)), judged);
    };
    let verdict = match identify(bench, &route, principal.as_ref(), now, decision) {
        Ok(identity) => Verdict::Forward(permitted, identity, principal),
        Err(_) => Verdict::Refused(Refusal::default()),
    };
    (verdict, judged)
}

/// `screened` with the proof that `principal` may send it, or nothing.
fn ask_policy<B>(
    route: &RouteMatch<'_, '_>,
    principal: Option<&Principal>,
    screened: Screened<B>,
    decision: &mut Decision,
) -> Option<Permitted<Screened<B>>> {
    let fields = policy_fields::of(route, screened.request.headers());
    let asking = Asking {
        subject: principal.map(|principal| principal as &dyn Subject),
        fields: &fields,
    };
    permit(route, asking, screened, decision).ok()
}

/// Whether there may be a token for the upstream, where `route` wants one.
fn vouched<'p>(
    route: &'p RouteMatch<'_, '_>,
    caller: Option<&'p Principal>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Option<Vouched<'p>>, Reason> {
    let audience = route.route().demands().internal_audience.as_deref();
    let (Some(caller), Some(audience)) = (caller, audience) else {
        return Ok(None);
    };
    let vouched = Vouched::of(caller, audience, now);
    vouched
        .map(Some)
        .map_err(|none| without_a_token(none, audience, decision))
}

/// What the upstream hears of the caller: their identity, and where the route
/// says so a token for the upstream alone.
fn identify(
    bench: &Bench<'_>,
    route: &RouteMatch<'_, '_>,
    principal: Option<&Principal>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Option<Identity>, Reason> {
    let Some(principal) = principal else {
        return Ok(None);
    };
    let identity = Identity::of(principal, bench.told);
    let Some(vouched) = vouched(route, Some(principal), now, decision)? else {
        return Ok(Some(identity));
    };
    let audience = vouched.audience;
    let kept = principal.keep(Kept::of);
    let issuer = bench.shared.internal_tokens.as_ref();
    match kept.tokens.field(issuer, vouched, now) {
        Ok(field) => {
            decision.pass(Step::Upstream, format!("with a token for {audience}"));
            Ok(Some(identity.with_token(field)))
        }
        Err(none) => Err(without_a_token(none, audience, decision)),
    }
}

fn without_a_token(none: NoInternalToken, audience: &str, decision: &mut Decision) -> Reason {
    let wanted = format!("a token for {audience}");
    decision.fail(Step::Upstream, none.reason, none.seen, wanted)
}

impl<B> Unexchanged<B> {
    /// Exchanges the key.
    pub(crate) async fn exchange(&self, exchanges: Option<&Exchanges>, now: Timestamp) -> Outcome {
        match exchanges {
            Some(exchanges) => exchanges.exchange(self.key.clone(), now).await,
            None => api_key::refused(Reason::ApiKeyUnknown),
        }
    }

    /// Another look, from the route on, at what the key was exchanged for.
    pub(crate) fn judge_again(
        self,
        bench: &Bench<'_>,
        outcome: Outcome,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Verdict<B> {
        decision.checks.truncate(self.checks);
        match guard(bench, self.admitted, Some(outcome), now, decision) {
            Verdict::KeyMissing(missing) => Verdict::Refused(missing.refused(decision)),
            verdict => verdict,
        }
    }
}

impl<B> KeyMissing<B> {
    /// Waits a little for the keys that the token asked for. Whether it is
    /// worth another look.
    pub(crate) async fn settled(&self, shared: &Shared, now: Timestamp) -> bool {
        let credential = self.admitted.request.headers().get(AUTHORIZATION);
        let credential = credential.and_then(|credential| credential.to_str().ok());
        let token = credential.and_then(|credential| credential.split_once(' '));
        let verifier = shared.verifier.load_full();
        match token {
            Some((_, token)) => verifier.newer_keys(token, now.unix()).await,
            None => false,
        }
    }

    /// The refusal that stands without another look, as `decision` says it.
    pub(crate) fn refused(self, decision: &Decision) -> Refusal {
        self.judged.compare(decision);
        self.refusal
    }

    /// Another look, from the route on.
    pub(crate) fn judge_again(
        self,
        bench: &Bench<'_>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Verdict<B> {
        decision.checks.truncate(self.checks);
        match guard(bench, self.admitted, None, now, decision) {
            Verdict::KeyMissing(missing) => Verdict::Refused(missing.refused(decision)),
            verdict => verdict,
        }
    }
}

impl Refusal {
    fn by(route: &RouteMatch<'_, '_>) -> Self {
        let scope = route
            .route()
            .requirement()
            .permission()
            .map(ToString::to_string);
        let step_up = &route.route().demands().step_up;
        Self {
            scope,
            step_up: (!step_up.is_empty()).then(|| step_up.clone()),
            ..Self::default()
        }
    }

    /// With the challenge of RFC 9449 section 7.1, and the nonce that it asks
    /// for (section 9), if the proof of possession is what is missing.
    fn asking_for_proof(mut self, bench: &Bench<'_>, now: Timestamp, decision: &Decision) -> Self {
        let verifier = bench.shared.verifier.load();
        let proofs = verifier.proofs();
        let nonce = match decision.reason {
            Reason::ProofNonce => proofs.nonce(now.unix()),
            Reason::ProofMissing | Reason::ProofInvalid | Reason::ProofReplayed => None,
            _ => return self,
        };
        self.proof = Some(Box::new(WantedProof {
            challenge: www_authenticate_with(decision, self.scope.as_deref(), proofs),
            nonce: nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok()),
        }));
        self
    }
}

/// What is not opened is closed: no route, no contact with the upstream.
fn find<'t, 'p>(
    found: Match<'t, 'p>,
    decision: &mut Decision,
) -> Result<RouteMatch<'t, 'p>, Refusal> {
    match found {
        Match::Found(route) => {
            let reference = route.route().reference();
            decision.pass(Step::Route, Text::copied(&reference.pattern));
            decision.route = Some(reference);
            Ok(route)
        }
        Match::MethodNotAllowed { allowed } => {
            let allow = allowed.to_string();
            decision.fail(
                Step::Route,
                Reason::MethodNotAllowed,
                decision.method.clone(),
                allow.clone(),
            );
            Err(Refusal {
                allow: Some(allow),
                ..Refusal::default()
            })
        }
        Match::NotFound => {
            decision.fail(
                Step::Route,
                Reason::NoRoute,
                "no route matches",
                "a route in the configuration",
            );
            Err(Refusal::default())
        }
    }
}

/// Whether newer keys may let in what was refused for this.
const fn waits_for_keys(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::UnknownKey | Reason::KeysUnavailable | Reason::PermissionsUnknown
    )
}
