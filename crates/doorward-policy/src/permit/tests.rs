//! What is let through, and for which reason the rest is not.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::{prop, prop_assert, prop_assert_eq, proptest};

use super::{Asking, Kind, Subject, permit, require_claim, require_permission};
use crate::catalogue::{Catalogue, PermissionSet};
use crate::decision::{Decision, Outcome, Reason, Step, Text, TraceId};
use crate::overlay::{Question, Ruling, Slice};
use crate::permission::{Permission, PermissionPattern};
use crate::route::demands::{Demands, StepUp};
use crate::route::{Condition, Match, Requirement, RouteSpec, RouteTable};

#[derive(Default)]
struct Caller {
    held: BTreeSet<PermissionPattern>,
    tenant: Option<&'static str>,
    bits: Option<PermissionSet>,
    audience: Option<&'static str>,
    acr: Option<&'static str>,
    auth_time: Option<u64>,
}

impl Caller {
    fn holding(patterns: &[&str]) -> Self {
        Self {
            held: patterns.iter().map(|p| p.parse().unwrap()).collect(),
            ..Self::default()
        }
    }
}

impl Subject for Caller {
    fn holds(&self, permission: &Permission) -> bool {
        self.held.iter().any(|pattern| pattern.covers(permission))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "tenant" => self.tenant.map(Cow::Borrowed),
            "sub" => Some(Cow::Borrowed("u1")),
            "iss" => Some(Cow::Borrowed("https://id.example")),
            "acr" => self.acr.map(Cow::Borrowed),
            _ => None,
        }
    }

    fn is_for(&self, audience: &str) -> bool {
        self.audience == Some(audience)
    }

    fn auth_time(&self) -> Option<u64> {
        self.auth_time
    }

    fn permission_set(&self, _: &Catalogue) -> Option<&PermissionSet> {
        self.bits.as_ref()
    }
}

/// A caller of whom nothing is known but that they may do everything.
struct Silent;

impl Subject for Silent {
    fn holds(&self, _: &Permission) -> bool {
        true
    }

    fn claim(&self, _: &str) -> Option<Cow<'_, str>> {
        None
    }
}

#[test]
fn what_a_subject_does_not_say_counts_against_it() {
    assert!(!Silent.is_for("https://api.example"));
    assert_eq!(Silent.auth_time(), None);
    assert!(Silent.permission_set(&Catalogue::default()).is_none());
    assert_eq!(Silent.held(), "");
    assert_eq!(Silent.kind(), Kind::Foreign, "and so is nobody of ours");
    assert!(Silent.roles().is_empty() && Silent.permissions().is_empty());
    assert_eq!(Silent.value("sub"), None);
}

fn table() -> RouteTable {
    let route = |pattern: &str, requirement, conditions: &[(&str, &str)]| RouteSpec {
        pattern: pattern.to_owned(),
        requirement,
        conditions: conditions
            .iter()
            .map(|(claim, parameter)| Condition {
                claim: (*claim).to_owned(),
                parameter: (*parameter).to_owned(),
            })
            .collect(),
        demands: Demands::default(),
        source: None,
    };
    let allow = |permission: &str| Requirement::Allow(permission.parse().unwrap());
    RouteTable::build(vec![
        route("GET /health", Requirement::Public, &[]),
        route("GET /me", Requirement::Authenticated, &[]),
        route("GET /orders", allow("orders:read"), &[]),
        route("DELETE /orders/{id}", allow("orders:delete"), &[]),
        route(
            "GET /tenants/{tenant}/report",
            allow("reports:read"),
            &[("tenant", "tenant")],
        ),
        route(
            "GET /users/{id}",
            Requirement::Authenticated,
            &[("sub", "id")],
        ),
        route(
            "GET /clubs/{club}",
            Requirement::Authenticated,
            &[("club", "club")],
        ),
    ])
    .unwrap()
}

fn ask(table: &RouteTable, request: &str, caller: Option<&Caller>) -> (Reason, Decision) {
    let (method, path) = request.split_once(' ').unwrap();
    let segments: Vec<&str> = path[1..].split('/').collect();
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, method, path);
    let Match::Found(route) = table.find(method, &segments) else {
        panic!("no route for {request}");
    };
    let subject = caller.map(|caller| caller as &dyn Subject);
    let reason = match permit(&route, Asking::by(subject), request, &mut decision) {
        Ok(permitted) => {
            assert_eq!(decision.outcome, Outcome::Allowed);
            assert_eq!(*permitted.get(), request);
            assert_eq!(permitted.into_inner(), request);
            decision.reason
        }
        Err(denied) => {
            assert_eq!(decision.outcome, Outcome::Denied);
            assert_eq!(decision.reason, denied.reason());
            assert_eq!(denied.into_inner(), request);
            decision.reason
        }
    };
    (reason, decision)
}

fn reason(request: &str, caller: Option<&Caller>) -> Reason {
    ask(&table(), request, caller).0
}

#[test]
fn auz_013_without_a_caller_only_public_routes_open() {
    assert_eq!(reason("GET /health", None), Reason::PublicRoute);
    for closed in [
        "GET /me",
        "GET /orders",
        "GET /tenants/a/report",
        "GET /users/u1",
    ] {
        assert_eq!(reason(closed, None), Reason::NoToken, "{closed}");
    }
}

#[test]
fn auz_013_a_caller_without_permissions_gets_nothing_that_asks_for_one() {
    let nobody = Caller::default();
    assert_eq!(reason("GET /me", Some(&nobody)), Reason::Authenticated);
    assert_eq!(
        reason("GET /orders", Some(&nobody)),
        Reason::MissingPermission
    );
}

#[test]
fn a_held_permission_lets_through_and_another_does_not() {
    let reader = Caller::holding(&["orders:read"]);
    let (granted, decision) = ask(&table(), "GET /orders", Some(&reader));
    assert_eq!(granted, Reason::PermissionGranted);
    assert_eq!(decision.checks[0].seen, "orders:read");
    assert_eq!(&*decision.route.unwrap().pattern, "GET /orders");

    let (denied, decision) = ask(&table(), "DELETE /orders/7", Some(&reader));
    assert_eq!(denied, Reason::MissingPermission);
    assert_eq!(decision.failed_check().unwrap().wanted, "orders:delete");
}

#[test]
fn auz_004_the_tenant_of_the_path_must_be_the_callers() {
    let mut caller = Caller::holding(&["reports:*"]);
    caller.tenant = Some("acme");
    let report = "GET /tenants/acme/report";
    assert_eq!(reason(report, Some(&caller)), Reason::PermissionGranted);
    for other in ["acme2", "ACME", "acm", "globex", "{tenant}"] {
        let request = format!("GET /tenants/{other}/report");
        let (reason, decision) = ask(&table(), &request, Some(&caller));
        assert_eq!(reason, Reason::WrongTenant, "{other}");
        let check = decision.failed_check().unwrap();
        assert_eq!(check.step, Step::Condition);
        assert_eq!(check.seen, "tenant is acme");
        assert_eq!(check.wanted, format!("tenant is {other}"));
    }
    caller.tenant = None;
    assert_eq!(reason(report, Some(&caller)), Reason::WrongTenant);
}

#[test]
fn auz_003_a_route_bound_to_the_caller_is_closed_to_others() {
    let caller = Caller::default();
    assert_eq!(
        reason("GET /users/u1", Some(&caller)),
        Reason::Authenticated
    );
    assert_eq!(
        reason("GET /users/u2", Some(&caller)),
        Reason::ConditionFailed
    );
    assert_eq!(
        reason("GET /clubs/chess", Some(&caller)),
        Reason::ConditionFailed
    );
}

/// The questions that a service asks one by one leave the record that a route
/// of the same words leaves.
#[test]
fn asked_one_by_one_the_checks_are_those_of_a_route() {
    let caller = Caller {
        tenant: Some("acme"),
        ..Caller::holding(&["reports:read"])
    };
    let read: Permission = "reports:read".parse().unwrap();
    for path in ["GET /tenants/acme/report", "GET /tenants/evil/report"] {
        let (reason, by_route) = ask(&table(), path, Some(&caller));
        let mut asked = Decision::new(TraceId::from_bytes([7; 16]), 1, "GET", "/");
        let tenant = path.split('/').nth(2);
        let verdict = require_permission(&read, &caller, &mut asked)
            .and_then(|_| require_claim("tenant", tenant, &caller, &mut asked));
        assert_eq!(asked.checks, by_route.checks, "{path}");
        assert_eq!((asked.outcome, asked.reason), (by_route.outcome, reason));
        assert_eq!(verdict.is_ok(), asked.outcome == Outcome::Allowed);
    }
    let mut asked = Decision::new(TraceId::from_bytes([7; 16]), 1, "GET", "/");
    let absent = require_claim("tenant", None, &caller, &mut asked);
    assert_eq!(absent, Err(Reason::WrongTenant));
}

#[test]
fn bits_decide_only_when_they_are_of_this_tables_catalogue() {
    let table = table();
    let mut caller = Caller::default();
    let everything = ["*".parse().unwrap()];
    caller.bits = Some(table.catalogue().set_of(&everything));
    assert_eq!(
        ask(&table, "GET /orders", Some(&caller)).0,
        Reason::PermissionGranted
    );
    let other = Catalogue::default()
        .extended(&["x:y".parse().unwrap(), "x:z".parse().unwrap()])
        .unwrap();
    caller.bits = Some(other.set_of(&everything));
    assert_eq!(
        ask(&table, "GET /orders", Some(&caller)).0,
        Reason::MissingPermission
    );
}

/// A table of one route, `GET /x`, for any valid token that meets `demands`.
fn demanding(demands: Demands) -> RouteTable {
    RouteTable::build(vec![RouteSpec {
        pattern: "GET /x".to_owned(),
        requirement: Requirement::Authenticated,
        conditions: Vec::new(),
        demands,
        source: None,
    }])
    .unwrap()
}

#[test]
fn a_token_for_the_usual_audience_does_not_open_a_route_with_its_own() {
    let reports = demanding(Demands {
        audience: Some("reports".to_owned()),
        ..Demands::default()
    });
    let mut caller = Caller::default();
    let ask = |caller: &Caller| ask(&reports, "GET /x", Some(caller)).0;
    assert_eq!(ask(&caller), Reason::WrongAudience);
    caller.audience = Some("orders");
    assert_eq!(ask(&caller), Reason::WrongAudience);
    caller.audience = Some("reports");
    assert_eq!(ask(&caller), Reason::Authenticated);
}

#[test]
fn clm_009_a_route_may_name_the_one_issuer_that_it_takes() {
    for (issuer, expected) in [
        ("https://id.example", Reason::Authenticated),
        ("https://id.example/", Reason::WrongIssuer),
        ("https://id.exampl", Reason::WrongIssuer),
    ] {
        let table = demanding(Demands {
            issuer: Some(issuer.to_owned()),
            ..Demands::default()
        });
        let reason = ask(&table, "GET /x", Some(&Caller::default())).0;
        assert_eq!(reason, expected, "{issuer}");
    }
}

#[test]
fn clm_023_each_part_of_a_step_up_is_asked_for() {
    // The decision is made in the first second of 1970.
    let demands = |acr: &[&str], max_age| {
        demanding(Demands {
            step_up: StepUp {
                acr: acr.iter().map(ToString::to_string).collect(),
                max_age,
            },
            ..Demands::default()
        })
    };
    let both = demands(&["aal2"], Some(60));
    let mut caller = Caller::default();
    let ask = |table: &RouteTable, caller: &Caller| ask(table, "GET /x", Some(caller)).0;
    let weak = Reason::InsufficientUserAuthentication;
    assert_eq!(ask(&both, &caller), weak);
    caller.acr = Some("aal2");
    assert_eq!(ask(&both, &caller), weak);
    assert_eq!(
        ask(&demands(&["aal2"], None), &caller),
        Reason::Authenticated
    );
    caller.auth_time = Some(0);
    assert_eq!(ask(&both, &caller), Reason::Authenticated);
    caller.auth_time = Some(31);
    assert_eq!(ask(&both, &caller), weak);
    caller.acr = None;
    caller.auth_time = Some(0);
    assert_eq!(ask(&both, &caller), weak);
    assert_eq!(ask(&demands(&[], Some(60)), &caller), Reason::Authenticated);
}

/// Policies that say one thing of every request.
#[derive(Debug)]
struct Says(Ruling);

impl Slice for Says {
    fn fields(&self) -> &[String] {
        &[]
    }

    fn rule(&self, _: &Question<'_>) -> Ruling {
        self.0.clone()
    }
}

fn under(ruling: fn(Text) -> Ruling) -> RouteTable {
    table().governed(|_| Some(Arc::new(Says(ruling("a policy".into())))))
}

proptest! {
    #[test]
    fn a_forbid_only_takes_and_a_permit_stands_in_for_a_permission_alone(
        held in prop::collection::btree_set("(orders|reports):(\\*|read|delete)|\\*", 0..4),
        request in "GET /(health|me|orders|tenants/(a|b)/report|users/u[12])|DELETE /orders/7",
    ) {
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let mut caller = Caller::holding(&held);
        caller.tenant = Some("a");
        let asked = |table: &RouteTable| ask(table, &request, Some(&caller)).0;
        let before = asked(&table());
        prop_assert_eq!(asked(&under(Ruling::Silent)), before);
        prop_assert_eq!(asked(&under(Ruling::Forbid)), Reason::ForbiddenByPolicy);
        prop_assert_eq!(asked(&under(Ruling::Fault)), Reason::PolicyError);
        let permitted = asked(&under(Ruling::Permit));
        match before {
            Reason::MissingPermission => prop_assert!(matches!(
                permitted,
                Reason::PermittedByPolicy | Reason::WrongTenant
            )),
            before => prop_assert_eq!(permitted, before),
        }
    }

    #[test]
    fn bits_and_names_decide_alike(
        held in prop::collection::btree_set("(orders|reports):(\\*|read|delete)|\\*", 0..4),
        request in "GET /orders|DELETE /orders/7|GET /tenants/a/report|GET /me",
    ) {
        let table = table();
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let mut caller = Caller::holding(&held);
        caller.tenant = Some("a");
        let by_name = ask(&table, &request, Some(&caller)).0;
        caller.bits = Some(table.catalogue().set_of(&caller.held));
        prop_assert_eq!(ask(&table, &request, Some(&caller)).0, by_name);
    }

    #[test]
    fn more_permissions_never_turn_an_allowed_request_away(
        held in prop::collection::btree_set("(orders|reports):(\\*|read|delete)|\\*", 0..4),
        added in "(orders|reports):(\\*|read|delete)|\\*",
        request in "GET /orders|DELETE /orders/7|GET /tenants/a/report|GET /users/u2",
    ) {
        let held: Vec<&str> = held.iter().map(String::as_str).collect();
        let mut more = held.clone();
        more.push(&added);
        let table = table();
        let before = ask(&table, &request, Some(&Caller::holding(&held))).1.outcome;
        let after = ask(&table, &request, Some(&Caller::holding(&more))).1.outcome;
        prop_assert!(before == Outcome::Denied || after == Outcome::Allowed);
    }
}
