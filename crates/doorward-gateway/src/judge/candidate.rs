//! How a candidate judges a request, beside the routes that are served.
//!
//! It goes the same way, from the route on, by the same functions, and has what
//! the gate and the look at the caller have left; the request is only lent to it.
//! Where the served route looked at the caller, that is what the candidate knows
//! of them, too. Where it did not (no route, a public one, another audience), the
//! token is looked at for the candidate alone, and only in ways that use nothing
//! up: a proof of possession counts once and belongs to the request, an API key
//! counts as far as its token is at hand, and nobody waits for newer keys or asks for
//! them. What is left is not known, and said to be so.
//!
//! Where nobody was asked, nobody is charged for what they bring either: anybody
//! could have signatures checked for nothing. So of the tokens that are not known
//! already only some are looked at in a second (`LOOKS_PER_SECOND` in `shadow::trial`).
//!
//! Rates are no part of it: they are charged before and after, and only once.

use std::{
    borrow::Cow,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use doorward_policy::{
    catalogue::{Catalogue, PermissionSet},
    decision::{Decision, Reason, Text},
    permission::{Permission, PermissionPattern},
    permit::{Asking, ClaimValue, Kind, Subject, permit},
    route::{Requirement, RouteMatch, RouteTable},
};
use doorward_verify::{bearer, clock::Timestamp, principal::Principal};
use http::Request;

use super::{
    Bench,
    authenticate::{Credential, Stop, authenticate},
    find, vouched, waits_for_keys,
};
use crate::{
    api_key,
    fields::{Field, Fields},
    policy_fields,
    shadow::{Said, Trial},
};

/// The candidate beside the routes that are served, if there is one, and what it
/// needs besides the request.
pub(super) struct Beside<'b> {
    trial: Option<Arc<Trial>>,
    bench: &'b Bench<'b>,
    segments: &'b [&'b str],
    fields: Fields,
    now: Timestamp,
}

/// What the served route knows of the caller.
#[derive(Clone, Copy)]
pub(super) enum Met<'p> {
    /// Nobody was looked at.
    Unasked,
    /// This caller, or a refusal of what they brought.
    Asked {
        /// Who they are.
        caller: Result<&'p Principal, Reason>,
        /// For whom their token had to be, where that is not as usual.
        audience: Option<&'p str>,
    },
}

impl<'p> Met<'p> {
    /// What a look at the caller showed, where `route` asks for one.
    pub(super) fn of(
        route: &'p RouteMatch<'_, '_>,
        authenticated: &'p Result<Option<Principal>, Reason>,
    ) -> Self {
        let caller = match authenticated {
            Ok(None) => return Self::Unasked,
            Ok(Some(principal)) => Ok(principal),
            Err(reason) => Err(*reason),
        };
        let audience = route.route().demands().audience.as_deref();
        Self::Asked { caller, audience }
    }
}

/// What the candidate said, until the served decision stands.
#[derive(Debug, Default)]
pub(super) struct Judged(Option<(Arc<Trial>, Said)>);

impl Judged {
    /// Counts it beside what was decided.
    pub(super) fn compare(self, decision: &Decision) {
        if let Some((trial, said)) = self.0 {
            trial.note(said, decision);
        }
    }
}

impl<'b> Beside<'b> {
    pub(super) fn of(
        bench: &'b Bench<'b>,
        served: &Arc<RouteTable>,
        (segments, fields): (&'b [&'b str], Fields),
        now: Timestamp,
    ) -> Self {
        Self {
            trial: bench.shadow.and_then(|shadow| shadow.beside(served)),
            bench,
            segments,
            fields,
            now,
        }
    }

    /// What the candidate says of `request`. `served` names it; of its checks none
    /// is believed.
    #[inline]
    pub(super) fn judge<B>(&self, request: &Request<B>, met: Met<'_>, served: &Decision) -> Judged {
        let said = |trial: &Arc<Trial>| {
            // The request is only read; the record and what is made of the caller
            // end here. What is shared are counters, and locks that notice a panic.
            let said = catch_unwind(AssertUnwindSafe(|| {
                self.judged_by(trial, request, met, served)
            }));
            (Arc::clone(trial), said.unwrap_or(Said::Panicked))
        };
        Judged(self.trial.as_ref().map(said))
    }

    fn judged_by<B>(
        &self,
        trial: &Trial,
        request: &Request<B>,
        met: Met<'_>,
        served: &Decision,
    ) -> Said {
        let mut decision =
            Decision::new(served.trace_id, served.at_ms, &served.method, &served.path);
        decision.peer = served.peer;
        let found = trial
            .routes()
            .find(request.method().as_str(), self.segments);
        let Ok(route) = find(found, &mut decision) else {
            return Said::Decided(decision.into());
        };
        let principal = match self.caller(&route, request, met, &mut decision) {
            Caller::Known(principal) => principal,
            Caller::Refused => return Said::Decided(decision.into()),
            Caller::Unknown => return Said::Unknown,
        };
        let regranted = principal.as_ref().map(|it| Regranted::by(trial, it));
        let fields = policy_fields::of(&route, request.headers());
        let asking = Asking {
            subject: regranted.as_ref().map(|it| it as &dyn Subject),
            fields: &fields,
        };
        // What is let in here is nothing; the decision says what would be.
        if permit(&route, asking, (), &mut decision).is_ok() {
            let _ = vouched(&route, principal.as_ref(), self.now, &mut decision);
        }
        Said::Decided(decision.into())
    }

    fn caller<B>(
        &self,
        route: &RouteMatch<'_, '_>,
        request: &Request<B>,
        met: Met<'_>,
        decision: &mut Decision,
    ) -> Caller {
        if *route.route().requirement() == Requirement::Public {
            return Caller::Known(None);
        }
        let wanted = route.route().demands().audience.as_deref();
        match met {
            Met::Asked { caller, audience } if audience == wanted => match caller {
                Ok(principal) => Caller::Known(Some(principal.clone())),
                Err(reason) => {
                    decision.refuse(reason);
                    Caller::Refused
                }
            },
            Met::Unasked if !self.may_look(wanted, request) => Caller::Unknown,
            // Whoever is asked is charged: for the request, or for a bad token.
            _ => self.look(route, request, decision),
        }
    }

    fn may_look<B>(&self, audience: Option<&str>, request: &Request<B>) -> bool {
        let has_room = |trial: &Arc<Trial>| trial.may_look(self.now);
        self.is_free(audience, request) || self.trial.as_ref().is_some_and(has_room)
    }

    /// Whether a look at the caller checks no signature: there is no token, or one
    /// that was verified before.
    fn is_free<B>(&self, audience: Option<&str>, request: &Request<B>) -> bool {
        let headers = request.headers();
        match (
            api_key::presented(headers, self.fields),
            bearer::from_headers(headers),
        ) {
            (Ok(None), Err(Reason::NoToken)) => true,
            (Ok(None), Ok(bearer)) => {
                let verifier = self.bench.shared.verifier.load();
                let verifier = verifier.aimed_at(audience);
                verifier.remembers(bearer, self.now.unix())
            }
            _ => false,
        }
    }

    /// A look at the caller for the candidate alone.
    fn look<B>(
        &self,
        route: &RouteMatch<'_, '_>,
        request: &Request<B>,
        decision: &mut Decision,
    ) -> Caller {
        if self.fields.have(Field::Dpop) {
            return Caller::Unknown;
        }
        let credential = Credential {
            request,
            fields: self.fields,
            exchanged: None,
            is_lent: true,
            audience: route.route().demands().audience.as_deref(),
        };
        match authenticate(self.bench, route, credential, self.now, decision) {
            Ok(principal) => Caller::Known(principal),
            Err(Stop::Unexchanged(_)) => Caller::Unknown,
            Err(Stop::Refused(reason)) if waits_for_keys(reason) => Caller::Unknown,
            Err(Stop::Refused(_)) => Caller::Refused,
        }
    }
}

enum Caller {
    /// This one; nobody on a public route.
    Known(Option<Principal>),
    /// The decision says why.
    Refused,
    Unknown,
}

/// A caller with what the candidate's roles give. All else is what the token says.
struct Regranted<'p> {
    principal: &'p Principal,
    /// Where that is something else than the token says.
    permissions: Option<Vec<PermissionPattern>>,
}

impl<'p> Regranted<'p> {
    fn by(trial: &Trial, principal: &'p Principal) -> Self {
        Self {
            principal,
            permissions: trial.regranted(principal.roles(), principal.permissions()),
        }
    }
}

impl Subject for Regranted<'_> {
    fn holds(&self, permission: &Permission) -> bool {
        match &self.permissions {
            Some(held) => held.iter().any(|pattern| pattern.covers(permission)),
            None => self.principal.holds(permission),
        }
    }

    fn held(&self) -> Text {
        match &self.permissions {
            Some(held) => {
                let held = held.iter().map(PermissionPattern::as_str);
                Text::from(held.collect::<Vec<_>>().join(", "))
            }
            None => self.principal.held(),
        }
    }

    fn permissions(&self) -> Vec<String> {
        match &self.permissions {
            Some(held) => held.iter().map(ToString::to_string).collect(),
            None => Subject::permissions(self.principal),
        }
    }

    fn permission_set(&self, catalogue: &Catalogue) -> Option<&PermissionSet> {
        match &self.permissions {
            Some(_) => None,
            None => self.principal.permission_set(catalogue),
        }
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        self.principal.claim(name)
    }

    fn is_for(&self, audience: &str) -> bool {
        self.principal.is_for(audience)
    }

    fn auth_time(&self) -> Option<u64> {
        self.principal.auth_time()
    }

    fn kind(&self) -> Kind {
        self.principal.kind()
    }

    fn roles(&self) -> &[String] {
        self.principal.roles()
    }

    fn value(&self, claim: &str) -> Option<ClaimValue<'_>> {
        self.principal.value(claim)
    }
}
