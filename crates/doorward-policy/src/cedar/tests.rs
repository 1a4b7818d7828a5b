//! What policies say, what is wrong with them, and that none of it is ever
//! more than it should be.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod monotony;
mod parts;

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::{ClaimType, Fault, MOST_UNSCOPED, Policies, Source, Vocabulary};
use crate::decision::{Decision, Reason, Step, TraceId};
use crate::overlay::Field;
use crate::permission::{Permission, PermissionPattern};
use crate::permit::{Asking, ClaimValue, Kind, Subject, permit};
use crate::route::{Condition, Match, Requirement, RouteSpec, RouteTable};

#[derive(Clone, Debug)]
struct Caller {
    kind: Kind,
    held: BTreeSet<PermissionPattern>,
    roles: Vec<String>,
    acr: Option<&'static str>,
    level: Option<ClaimValue<'static>>,
}

impl Caller {
    fn holding(patterns: &[&str]) -> Self {
        Self {
            kind: Kind::User,
            held: patterns.iter().map(|it| it.parse().unwrap()).collect(),
            roles: Vec::new(),
            acr: None,
            level: None,
        }
    }
}

impl Subject for Caller {
    fn holds(&self, permission: &Permission) -> bool {
        self.held.iter().any(|pattern| pattern.covers(permission))
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "sub" => Some(Cow::Borrowed("u1")),
            "iss" => Some(Cow::Borrowed("https://id.example")),
            "tenant" => Some(Cow::Borrowed("acme")),
            "acr" => self.acr.map(Cow::Borrowed),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        self.kind
    }

    fn roles(&self) -> &[String] {
        &self.roles
    }

    fn value(&self, claim: &str) -> Option<ClaimValue<'_>> {
        match claim {
            "level" => self.level.clone(),
            _ => self.claim(claim).map(ClaimValue::Text),
        }
    }
}

fn table() -> RouteTable {
    let route = |pattern: &str, requirement, tenant: bool| RouteSpec {
        pattern: pattern.to_owned(),
        requirement,
        conditions: match tenant {
            true => vec![Condition {
                claim: "tenant".to_owned(),
                parameter: "tenant".to_owned(),
            }],
            false => Vec::new(),
        },
        demands: Default::default(),
        source: None,
    };
    let allow = |permission: &str| Requirement::Allow(permission.parse().unwrap());
    RouteTable::build(vec![
        route("GET /health", Requirement::Public, false),
        route("GET /me", Requirement::Authenticated, false),
        route("GET /orders", allow("orders:read"), false),
        route("GET /orders/{id}", allow("orders:read"), false),
        route("DELETE /users/{user}/orders", allow("orders:delete"), false),
        route("GET /tenants/{tenant}/report", allow("reports:read"), true),
    ])
    .unwrap()
}

fn vocabulary() -> Vocabulary {
    Vocabulary {
        claims: [("level".to_owned(), ClaimType::Number)].into(),
        fields: vec!["x-device".to_owned()],
        roles: vec!["admin".to_owned(), "reader".to_owned()],
        foreign: false,
    }
}

fn sources(text: &str) -> [Source; 1] {
    [Source {
        file: "orders.cedar".into(),
        text: text.to_owned(),
    }]
}

fn governed(text: &str) -> RouteTable {
    let policies = Policies::parse(&sources(text)).unwrap();
    policies.govern(table(), &vocabulary()).unwrap()
}

fn faults(text: &str) -> Vec<Fault> {
    match Policies::parse(&sources(text)) {
        Ok(policies) => policies.govern(table(), &vocabulary()).unwrap_err(),
        Err(faults) => faults,
    }
}

/// The reason and the record of `METHOD /path`.
fn judged(table: &RouteTable, request: &str, caller: Option<&Caller>) -> (Reason, Decision) {
    judged_with(table, request, caller, &[])
}

fn judged_with(
    table: &RouteTable,
    request: &str,
    caller: Option<&Caller>,
    fields: &[Field],
) -> (Reason, Decision) {
    let (method, path) = request.split_once(' ').unwrap();
    let mut decision = Decision::new(
        TraceId::from_bytes([1; 16]),
        1_795_369_510_999,
        method,
        path,
    );
    decision.peer = Some("10.1.2.3".parse().unwrap());
    let segments: Vec<&str> = path[1..].split('/').collect();
    let Match::Found(route) = table.find(method, &segments) else {
        panic!("no route for {request}");
    };
    let asking = Asking {
        subject: caller.map(|caller| caller as &dyn Subject),
        fields,
    };
    let _ = permit(&route, asking, (), &mut decision);
    (decision.reason, decision)
}

fn told(decision: &Decision) -> &str {
    let policy = |check: &&crate::decision::Check| check.step == Step::Policy;
    &decision.checks.iter().find(policy).unwrap().seen
}

#[test]
fn a_permit_stands_in_for_the_permission_and_says_why() {
    let table = governed(
        "// Users look after their own.\n@id(\"own\")\npermit (principal is User, action == Action::\"orders:delete\", resource)\nwhen { resource.user == principal.sub };",
    );
    let nobody_in_particular = Caller::holding(&[]);
    let (reason, decision) = judged(
        &table,
        "DELETE /users/u1/orders",
        Some(&nobody_in_particular),
    );
    assert_eq!(reason, Reason::PermittedByPolicy);
    assert_eq!(
        told(&decision),
        "permit `own` (orders.cedar:2): principal.sub is \"u1\", resource.user is \"u1\""
    );
    let (reason, decision) = judged(
        &table,
        "DELETE /users/u2/orders",
        Some(&nobody_in_particular),
    );
    assert_eq!(reason, Reason::MissingPermission);
    assert_eq!(told(&decision), "the one policy for it does not apply");
    let other_action = judged(&table, "GET /orders/7", Some(&nobody_in_particular)).0;
    assert_eq!(other_action, Reason::MissingPermission);
}

#[test]
fn a_forbid_takes_what_roles_and_permits_give() {
    let table = governed(
        r#"permit (principal, action == Action::"orders:read", resource);
           @id("night") forbid (principal, action in Action::"orders:*", resource)
             when { context.time.hour >= 17 };"#,
    );
    let reader = Caller::holding(&["orders:*"]);
    let (reason, decision) = judged(&table, "GET /orders", Some(&reader));
    assert_eq!(reason, Reason::ForbiddenByPolicy);
    assert_eq!(reason.status(), 403);
    assert_eq!(
        told(&decision),
        "forbid `night` (orders.cedar:2): context.time is {unix: 1795369510, hour: 17, minute: 45, weekday: 7}"
    );
    let (reason, _) = judged(&table, "DELETE /users/u1/orders", Some(&reader));
    assert_eq!(reason, Reason::ForbiddenByPolicy, "the group takes it in");
}

#[test]
fn a_permit_opens_no_tenant_and_lets_nobody_in_unproven() {
    let table = governed("permit (principal, action == Action::\"reports:read\", resource);");
    let caller = Caller::holding(&[]);
    let other = judged(&table, "GET /tenants/other/report", Some(&caller)).0;
    assert_eq!(other, Reason::WrongTenant);
    let own = judged(&table, "GET /tenants/acme/report", Some(&caller)).0;
    assert_eq!(own, Reason::PermittedByPolicy);
    let stranger = judged(&table, "GET /tenants/acme/report", None).0;
    assert_eq!(stranger, Reason::NoToken);
}

#[test]
fn what_is_forbidden_is_forbidden_on_a_public_route_as_well() {
    let table = governed(
        "forbid (principal, action, resource) when { context.address.isInRange(ip(\"10.0.0.0/8\")) };",
    );
    assert_eq!(
        judged(&table, "GET /health", None).0,
        Reason::ForbiddenByPolicy
    );
    // A token at hand vouches for nobody there.
    let root = Caller::holding(&["*"]);
    assert_eq!(
        judged(&table, "GET /health", Some(&root)).0,
        Reason::ForbiddenByPolicy
    );
    assert_eq!(
        judged(&table, "GET /me", Some(&root)).0,
        Reason::ForbiddenByPolicy
    );
}

#[test]
fn a_forbid_that_cannot_be_evaluated_forbids_and_a_permit_does_not_permit() {
    let overflow = r#"when { context.time.unix * 9223372036854775807 > 0 }"#;
    let forbid =
        format!("forbid (principal, action == Action::\"orders:read\", resource) {overflow};");
    let permit =
        format!("permit (principal, action == Action::\"orders:read\", resource) {overflow};");
    let (reader, other) = (Caller::holding(&["orders:read"]), Caller::holding(&[]));
    let table = governed(&forbid);
    let (reason, decision) = judged(&table, "GET /orders", Some(&reader));
    assert_eq!(reason, Reason::PolicyError);
    assert!(
        told(&decision).starts_with("forbid orders.cedar:1 cannot be evaluated: "),
        "{}",
        told(&decision)
    );
    let table = governed(&permit);
    let (reason, decision) = judged(&table, "GET /orders", Some(&other));
    assert_eq!(reason, Reason::MissingPermission);
    assert!(told(&decision).starts_with("permit orders.cedar:1 cannot be evaluated: "));
    let granted = judged(&table, "GET /orders", Some(&reader)).0;
    assert_eq!(granted, Reason::PermissionGranted, "roles give it anyway");
}

#[test]
fn an_unknown_address_and_a_claim_of_another_type_deny() {
    let address = governed(
        "forbid (principal, action == Action::\"orders:read\", resource) unless { context.address.isInRange(ip(\"10.0.0.0/8\")) };",
    );
    let mut caller = Caller::holding(&["orders:read"]);
    assert_eq!(
        judged(&address, "GET /orders", Some(&caller)).0,
        Reason::PermissionGranted
    );
    let Match::Found(route) = address.find("GET", &["orders"]) else {
        panic!("the route matches")
    };
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/orders");
    let _ = permit(&route, Asking::by(Some(&caller)), (), &mut decision);
    assert_eq!(decision.reason, Reason::PolicyError);

    let level = governed(
        "forbid (principal, action == Action::\"orders:read\", resource) when { principal has level && principal.level < 3 };",
    );
    for (value, reason) in [
        (None, Reason::PermissionGranted),
        (Some(ClaimValue::Number(3)), Reason::PermissionGranted),
        (Some(ClaimValue::Number(2)), Reason::ForbiddenByPolicy),
        (Some(ClaimValue::Text("2".into())), Reason::PolicyError),
        (Some(ClaimValue::Other), Reason::PolicyError),
    ] {
        caller.level = value.clone();
        assert_eq!(
            judged(&level, "GET /orders", Some(&caller)).0,
            reason,
            "{value:?}"
        );
    }
}

#[test]
fn a_caller_of_another_issuer_is_nobody_of_ours() {
    let text = "permit (principal == User::\"u1\", action == Action::\"orders:read\", resource);";
    let mut caller = Caller::holding(&[]);
    let table = governed(text);
    assert_eq!(
        judged(&table, "GET /orders", Some(&caller)).0,
        Reason::PermittedByPolicy
    );
    for kind in [Kind::Foreign, Kind::Client] {
        caller.kind = kind;
        assert_eq!(
            judged(&table, "GET /orders", Some(&caller)).0,
            Reason::MissingPermission,
            "{kind:?}"
        );
    }
}

#[test]
fn roles_and_named_headers_are_there() {
    let table = governed(
        r#"permit (principal in Role::"admin", action == Action::"orders:read", resource)
             when { context.headers has "x-device" && context.headers["x-device"] == "known" };"#,
    );
    let mut caller = Caller::holding(&[]);
    caller.roles = vec!["admin".to_owned()];
    let fields = [Field {
        name: "x-device".to_owned(),
        value: "known".to_owned(),
    }];
    let judge = |caller: &Caller, fields: &[Field]| {
        judged_with(&table, "GET /orders", Some(caller), fields).0
    };
    assert_eq!(judge(&caller, &fields), Reason::PermittedByPolicy);
    assert_eq!(judge(&caller, &[]), Reason::MissingPermission);
    caller.roles.clear();
    assert_eq!(judge(&caller, &fields), Reason::MissingPermission);
    let Match::Found(route) = table.find("GET", &["orders"]) else {
        panic!("the route matches")
    };
    assert_eq!(route.route().policies().unwrap().fields(), ["x-device"]);
}

#[test]
fn every_fault_is_found_at_once_each_with_its_place() {
    let text = r#"permit (principal, action == Action::"orders:raed", resource);
permit (principal, action == Action::"orders:delete", resource) when { resource.usr == principal.sub };
permit (principal in Role::"amdin", action == Action::"orders:read", resource);
forbid (principal, action == Action::"orders:read", resource) when { principal.acr == "aal2" };
permit (principal, action == Action::"orders:read", resource) when { resource.id == "7" };
permit (principal, action == Action::"orders:read", resource) when { context.time.hour == "7" };
"#;
    let found = faults(text);
    let shown: Vec<_> = found
        .iter()
        .map(|fault| {
            let line = text[..fault.span.start].matches('\n').count() + 1;
            let help = fault.help.as_deref().unwrap_or_default();
            (
                line,
                &text[fault.span.clone()],
                fault.message.as_str(),
                help,
            )
        })
        .collect();
    let optional =
        |what| format!("unable to guarantee safety of access to optional attribute `{what}");
    let ask = |name| {
        format!(
            "not every one has it: ask first, `principal has {name} && …` (or `resource has`, `context.headers has`)"
        )
    };
    assert_eq!(
        shown,
        [
            (
                1,
                "Action::\"orders:raed\"",
                "unrecognized action `Action::\"orders:raed\"`",
                "did you mean `Action::\"orders:read\"`?"
            ),
            (
                2,
                "resource.usr",
                "attribute `usr` on entity type `Resource::of_orders_delete` not found",
                "did you mean `user`?"
            ),
            (
                3,
                "Role::\"amdin\"",
                "entity `Role::\"amdin\"` is of an enumerated entity type, but `\"amdin\"` is not declared as a valid eid",
                "valid entity eids: \"admin\", \"reader\""
            ),
            (
                4,
                "principal.acr",
                optional("acr` on entity type `Client`").as_str(),
                ask("acr").as_str()
            ),
            (
                5,
                "resource.id",
                optional("id` on entity type `Resource::of_orders_read`").as_str(),
                ask("id").as_str()
            ),
            (
                6,
                "context.time.hour == \"7\"",
                "the types Long and String are not compatible",
                "both operands to a `==` expression must have compatible types. Types must be exactly equal to be compatible"
            ),
        ]
    );
}

#[test]
fn auz_013_half_a_file_an_empty_one_and_a_template_are_no_policies() {
    for text in [
        "",
        "// nothing\n",
        "permit (principal, action, resource",
        "permit (principal == ?principal, action, resource);",
        "permit principal;",
    ] {
        assert!(Policies::parse(&sources(text)).is_err(), "{text}");
    }
    let twice = "@id(\"a\") permit (principal, action, resource); @id(\"a\") forbid (principal, action, resource);";
    assert!(faults(twice)[0].message.contains("`a`"));
}

#[test]
fn policies_that_name_no_action_are_few() {
    let one = "forbid (principal, action, resource) when { context.path == \"/x\" };\n";
    governed(&one.repeat(MOST_UNSCOPED));
    let found = faults(&one.repeat(MOST_UNSCOPED + 1));
    assert_eq!(found.len(), 1);
    assert!(found[0].message.contains("name no action"), "{found:?}");
}

#[test]
fn only_routes_that_policies_speak_of_are_governed() {
    let table = governed("forbid (principal, action == Action::\"orders:read\", resource);");
    let governed: Vec<_> = table
        .routes()
        .iter()
        .filter(|route| route.policies().is_some())
        .map(|route| route.pattern())
        .collect();
    assert_eq!(governed, ["GET /orders", "GET /orders/{id}"]);
}
