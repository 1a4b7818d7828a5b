//! The main flow of a protected request, one line for each phase.
//!
//! Serving and `explain` call the same function; it knows nothing of sockets.
//! A request goes in by value and comes out as [`Permitted`], or not at all.

use doorward_policy::{
    decision::{Decision, Reason, Step},
    permit::{Permitted, Subject, permit},
    route::{Match, Requirement, RouteMatch},
};
use doorward_verify::{
    bearer,
    challenge::www_authenticate_with,
    clock::Timestamp,
    principal::Principal,
    proof::{DPOP, Presented, Scheme, target::TargetUri},
};
use http::{HeaderValue, Request, header::AUTHORIZATION};

use crate::{
    gate::{self, Admitted, Rules},
    gateway::Shared,
    identity::Identity,
};

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict<B> {
    /// It may go to the upstream, with the proven caller's headers.
    Forward(Permitted<Request<B>>, Option<Identity>, Option<Principal>),
    /// Doorward answers it itself.
    Local(Request<B>),
    /// It is turned away; the decision says why.
    Refused(Refusal),
    /// It is turned away for its key, and newer keys may be on their way.
    KeyMissing(Box<KeyMissing<B>>),
}

/// A request that another look at newer keys may let in.
#[derive(Debug)]
pub(crate) struct KeyMissing<B> {
    admitted: Admitted<B>,
    /// Checks that stay as they are.
    checks: usize,
    refusal: Refusal,
}

/// What the answer to a refused request says besides the decision.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// The permission that the route asks for.
    pub(crate) scope: Option<String>,
    /// The methods that the path has.
    pub(crate) allow: Option<String>,
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
    /// The origin under which callers reach the gateway.
    pub(crate) origin: &'a str,
}

/// Judges `request` at `now` and writes every check into `decision`.
pub(crate) fn judge<B>(
    bench: &Bench<'_>,
    request: Request<B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Verdict<B> {
    let Ok(mut admitted) = gate::admit(request, &bench.rules, decision) else {
        return Verdict::Refused(Refusal::default());
    };
    let headers = admitted.request.headers_mut();
    bench.rules.names.strip(headers, decision);
    if (bench.shared.local.matches)(admitted.path.as_str()) {
        decision.pass(Step::Route, "answered by Doorward itself");
        decision.allow(Reason::Served);
        return Verdict::Local(admitted.request);
    }
    guard(bench, admitted, now, decision)
}

/// Asks the route table, the verifier and the policy.
fn guard<B>(
    bench: &Bench<'_>,
    admitted: Admitted<B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Verdict<B> {
    let checks = decision.checks.len();
    let Admitted { request, path } = admitted;
    let routes = bench.shared.routes.load();
    let segments: Vec<&str> = path.segments().collect();
    let route = match find(routes.find(request.method().as_str(), &segments), decision) {
        Ok(route) => route,
        Err(refusal) => return Verdict::Refused(refusal),
    };
    let principal = match authenticate(bench, &route, &request, now, decision) {
        Ok(principal) => principal,
        Err(Reason::UnknownKey | Reason::KeysUnavailable) => {
            let refusal = Refusal::by(&route);
            return Verdict::KeyMissing(Box::new(KeyMissing {
                admitted: Admitted { request, path },
                checks,
                refusal,
            }));
        }
        Err(_) => {
            let refusal = Refusal::by(&route).asking_for_proof(bench, now, decision);
            return Verdict::Refused(refusal);
        }
    };
    let subject = principal
        .as_ref()
        .map(|principal| principal as &dyn Subject);
    match permit(&route, subject, request, decision) {
        Ok(permitted) => {
            let identity = principal.as_ref().map(Identity::of);
            Verdict::Forward(permitted, identity, principal)
        }
        Err(_) => Verdict::Refused(Refusal::by(&route)),
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

    /// The refusal that stands without another look.
    pub(crate) fn refused(self) -> Refusal {
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
        match guard(bench, self.admitted, now, decision) {
            Verdict::KeyMissing(missing) => Verdict::Refused(missing.refused()),
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
        Self {
            scope,
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
            decision.pass(Step::Route, reference.pattern.to_string());
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

/// The caller, where the route asks for one. On a public route nobody is
/// asked, and nobody is vouched for.
fn authenticate<B>(
    bench: &Bench<'_>,
    route: &RouteMatch<'_, '_>,
    request: &Request<B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Option<Principal>, Reason> {
    if *route.route().requirement() == Requirement::Public {
        return Ok(None);
    }
    let verifier = bench.shared.verifier.load();
    let headers = request.headers();
    match bearer::from_headers(headers) {
        // By far the most: no address to compare with.
        Ok(bearer) if !headers.contains_key(DPOP) => {
            decision.pass(Step::Credential, "one bearer token");
            verifier.verify(bearer, now.unix(), decision).map(Some)
        }
        _ => {
            let target = public_target(bench.origin, request, decision)?;
            let presented = Presented::from_headers(headers, request.method(), &target)
                .map_err(|reason| unfit(reason, decision))?;
            let token = match presented.scheme() {
                Scheme::Bearer => "one bearer token",
                Scheme::Dpop => "one token bound to a key",
            };
            decision.pass(Step::Credential, token);
            let verified = verifier.verify_presented(&presented, now.unix(), decision);
            verified.map(Some)
        }
    }
}

fn unfit(reason: Reason, decision: &mut Decision) -> Reason {
    let wanted = "Authorization: Bearer TOKEN";
    decision.fail(Step::Credential, reason, reason.title(), wanted)
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
