//! Of a policy more or less, over generated policies, roles and requests.

use std::sync::LazyLock;

use proptest::{collection::vec, prelude::*, sample::select};

use super::{Caller, Policies, governed, judged, sources, table, vocabulary};
use crate::decision::Outcome;
use crate::permit::Kind;
use crate::route::RouteTable;

const REQUESTS: [&str; 6] = [
    "GET /health",
    "GET /me",
    "GET /orders",
    "GET /orders/7",
    "DELETE /users/u1/orders",
    "GET /tenants/acme/report",
];

const SCOPES: [&str; 7] = [
    "action",
    "action == Action::\"orders:read\"",
    "action == Action::\"orders:delete\"",
    "action in Action::\"orders:*\"",
    "action in [Action::\"orders:*\", Action::\"reports:read\"]",
    "action == Action::\"GET /me\"",
    "action == Action::\"GET /health\"",
];

/// They ask nothing of roles: what forbids by a role takes with it.
const CONDITIONS: [&str; 8] = [
    "",
    "when { context.time.hour < 12 }",
    "when { context.address.isInRange(ip(\"10.0.0.0/8\")) }",
    "unless { context.method == \"GET\" }",
    "when { principal is User && principal has acr && principal.acr == \"aal2\" }",
    "when { principal is User && principal has level && principal.level > 2 }",
    "when { resource has id && resource.id == \"7\" }",
    "when { context.time.unix * 9223372036854775807 > 0 }",
];

const BY_ROLE: [&str; 2] = [
    "when { principal is User && principal.roles.contains(\"admin\") }",
    "when { principal is User && principal in Role::\"reader\" }",
];

static FORBIDS: LazyLock<Vec<String>> = LazyLock::new(|| all("forbid", &CONDITIONS));
static PERMITS: LazyLock<Vec<String>> =
    LazyLock::new(|| all("permit", &[&CONDITIONS[..], &BY_ROLE[..]].concat()));

/// Those that are not refused: some of them could never apply.
fn all(effect: &str, conditions: &[&str]) -> Vec<String> {
    let written = SCOPES.iter().flat_map(|scope| {
        let one = move |it: &&str| format!("{effect} (principal, {scope}, resource) {it};\n");
        conditions.iter().map(one)
    });
    let is_taken = |policy: &String| {
        let policies = Policies::parse(&sources(policy)).unwrap();
        policies.govern(table(), &vocabulary()).is_ok()
    };
    written.filter(is_taken).collect()
}

fn forbid() -> impl Strategy<Value = String> {
    select(&FORBIDS[..])
}

fn permit() -> impl Strategy<Value = String> {
    select(&PERMITS[..])
}

fn policies() -> impl Strategy<Value = Vec<String>> {
    vec(prop_oneof![forbid(), permit()], 0..5)
}

fn caller() -> impl Strategy<Value = Caller> {
    (
        vec(
            select(&["orders:read", "orders:*", "reports:read"][..]),
            0..3,
        ),
        vec(select(&["admin", "reader"][..]), 0..2),
        select(&[None, Some("aal1"), Some("aal2")][..]),
        select(&[Kind::User, Kind::Client][..]),
    )
        .prop_map(|(held, roles, acr, kind)| Caller {
            acr,
            kind,
            roles: roles.into_iter().map(str::to_owned).collect(),
            ..Caller::holding(&held)
        })
}

fn under(policies: &[String]) -> RouteTable {
    match policies.is_empty() {
        true => table(),
        false => governed(&policies.concat()),
    }
}

fn opens(table: &RouteTable, request: &str, caller: &Caller) -> bool {
    judged(table, request, Some(caller)).1.outcome == Outcome::Allowed
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn auz_013_one_forbid_more_never_opens(policies in policies(), forbid in forbid(), caller in caller()) {
        let (fewer, more) = (under(&policies), under(&[policies, vec![forbid]].concat()));
        for request in REQUESTS {
            prop_assert!(opens(&fewer, request, &caller) || !opens(&more, request, &caller), "{request}");
        }
    }

    #[test]
    fn one_permit_more_never_closes(policies in policies(), permit in permit(), caller in caller()) {
        let (fewer, more) = (under(&policies), under(&[policies, vec![permit]].concat()));
        for request in REQUESTS {
            prop_assert!(!opens(&fewer, request, &caller) || opens(&more, request, &caller), "{request}");
        }
    }

    #[test]
    fn one_role_more_never_closes(policies in policies(), caller in caller(), role in select(&["admin", "reader"][..]), grants in select(&["orders:delete", "*"][..])) {
        let table = under(&policies);
        let mut with = caller.clone();
        with.roles.push(role.to_owned());
        with.held.insert(grants.parse().unwrap());
        for request in REQUESTS {
            prop_assert!(!opens(&table, request, &caller) || opens(&table, request, &with), "{request}");
        }
    }

    #[test]
    fn a_forbid_that_applies_is_the_end_of_it(policies in policies(), scope in select(&SCOPES[..]), caller in caller()) {
        let forbid = format!("forbid (principal, {scope}, resource);\n");
        let alone = under(std::slice::from_ref(&forbid));
        let among = under(&[policies, vec![forbid]].concat());
        for request in REQUESTS {
            let is_governed = judged(&alone, request, Some(&caller)).1.reason == crate::decision::Reason::ForbiddenByPolicy;
            prop_assert!(!is_governed || !opens(&among, request, &caller), "{request}");
        }
    }
}
