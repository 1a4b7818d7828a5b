//! The main flow of a protected request, one line for each phase.
//!
//! Serving and `explain` call the same function; it knows nothing of sockets.
//! A request goes in by value and comes out as [`Permitted`], or not at all.

use doorward_policy::{
    decision::{Decision, Reason, Step},
    permit::{Permitted, Subject, permit},
    route::{Match, Requirement, RouteMatch},
};
use doorward_verify::{bearer, clock::Timestamp, principal::Principal};
use http::{HeaderMap, Request};

use crate::{
    config::Limits,
    gate::{self, Admitted},
    gateway::Shared,
    identity::{Identity, Names},
};

/// What becomes of a request.
#[derive(Debug)]
pub(crate) enum Verdict<B> {
    /// It may go to the upstream, with the proven caller's headers.
    Forward(Permitted<Request<B>>, Option<Identity>),
    /// Doorward answers it itself.
    Local(Request<B>),
    /// It is turned away; the decision says why.
    Refused(Refusal),
}

/// What the answer to a refused request says besides the decision.
#[derive(Debug, Default)]
pub(crate) struct Refusal {
    /// The permission that the route asks for.
    pub(crate) scope: Option<String>,
    /// The methods that the path has.
    pub(crate) allow: Option<String>,
}

/// What a judge looks at besides the request.
pub(crate) struct Bench<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) names: &'a Names,
    pub(crate) limits: &'a Limits,
}

/// Judges `request` at `now` and writes every check into `decision`.
pub(crate) fn judge<B>(
    bench: &Bench<'_>,
    request: Request<B>,
    now: Timestamp,
    decision: &mut Decision,
) -> Verdict<B> {
    let Ok(Admitted { mut request, path }) =
        gate::admit(request, bench.names, bench.limits, decision)
    else {
        return Verdict::Refused(Refusal::default());
    };
    bench.names.strip(request.headers_mut(), decision);
    if (bench.shared.local.matches)(path.as_str()) {
        decision.pass(Step::Route, "answered by Doorward itself");
        decision.allow(Reason::Served);
        return Verdict::Local(request);
    }
    let routes = bench.shared.routes.load();
    let segments: Vec<&str> = path.segments().collect();
    let route = match find(routes.find(request.method().as_str(), &segments), decision) {
        Ok(route) => route,
        Err(refusal) => return Verdict::Refused(refusal),
    };
    let Ok(principal) = authenticate(bench, &route, request.headers(), now, decision) else {
        return Verdict::Refused(Refusal::by(&route));
    };
    let subject = principal
        .as_ref()
        .map(|principal| principal as &dyn Subject);
    match permit(&route, subject, request, decision) {
        Ok(permitted) => Verdict::Forward(permitted, principal.as_ref().map(Identity::of)),
        Err(_) => Verdict::Refused(Refusal::by(&route)),
    }
}

impl Refusal {
    fn by(route: &RouteMatch<'_, '_>) -> Self {
        let scope = route
            .route()
            .requirement()
            .permission()
            .map(ToString::to_string);
        Self { scope, allow: None }
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
                scope: None,
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
fn authenticate(
    bench: &Bench<'_>,
    route: &RouteMatch<'_, '_>,
    headers: &HeaderMap,
    now: Timestamp,
    decision: &mut Decision,
) -> Result<Option<Principal>, Reason> {
    if *route.route().requirement() == Requirement::Public {
        return Ok(None);
    }
    let bearer = bearer::from_headers(headers).map_err(|reason| {
        decision.fail(
            Step::Credential,
            reason,
            reason.title(),
            "Authorization: Bearer TOKEN",
        )
    })?;
    decision.pass(Step::Credential, "one bearer token");
    bench
        .shared
        .verifier
        .verify(bearer, now.unix(), decision)
        .map(Some)
}
