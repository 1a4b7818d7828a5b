//! What a candidate's roles give, and how what it says is counted.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use super::*;

use doorward_policy::{
    decision::{Step, TraceId},
    permission::Permission,
    role::{RoleName, RoleSpec},
};

use crate::shadow::report::LONGEST_TEXT;

fn roles(named: &[(&str, &[&str])]) -> Roles {
    let spec = |(name, permissions): &(&str, &[&str])| RoleSpec {
        name: RoleName::parse(name).unwrap(),
        inherits: Vec::new(),
        permissions: patterns(permissions),
    };
    Roles::build(named.iter().map(spec).collect()).unwrap()
}

fn patterns(texts: &[&str]) -> Vec<PermissionPattern> {
    let parse = |text: &&str| PermissionPattern::parse(text).unwrap();
    texts.iter().map(parse).collect()
}

fn trial(served: &[(&str, &[&str])], candidate: &[(&str, &[&str])]) -> Trial {
    let candidate = Candidate {
        routes: RouteTable::default(),
        roles: roles(candidate),
        served_roles: roles(served),
    };
    Trial::new(candidate, Arc::default(), Timestamp::from_millis(1))
}

fn decision(path: &str, reason: Reason) -> Decision {
    let mut decision = Decision::new(TraceId::from_bytes([7; 16]), 5, "GET", path);
    match reason.status() {
        200 => decision.allow(reason),
        _ => drop(decision.fail(Step::Route, reason, "seen", "wanted")),
    }
    decision
}

#[test]
fn a_role_that_gives_something_else_gives_that() {
    let trial = trial(
        &[("reader", &["orders:*"]), ("clerk", &["bills:read"])],
        &[("reader", &["orders:read"]), ("clerk", &["bills:read"])],
    );
    let of = |roles: &[&str], held: &[&str]| {
        let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
        trial.regranted(&roles, &patterns(held))
    };
    assert_eq!(of(&["clerk"], &["bills:read"]), None, "it gives the same");
    assert_eq!(of(&[], &["orders:*"]), None, "no role gave it");
    let now = of(&["reader"], &["orders:*", "own:thing"]).unwrap();
    assert_eq!(now, patterns(&["own:thing", "orders:read"]));
    // As numbers, a wildcard is written out.
    let now = of(&["reader"], &["orders:read", "orders:delete"]).unwrap();
    let delete = Permission::parse("orders:delete").unwrap();
    assert!(!now.iter().any(|held| held.covers(&delete)));
}

#[test]
fn a_role_that_is_gone_gives_nothing_and_a_new_one_something() {
    let trial = trial(&[("old", &["a:b"])], &[("new", &["c:d"])]);
    let of = |role: &str, held: &[&str]| {
        let now = trial.regranted(&[role.to_owned()], &patterns(held));
        now.unwrap()
    };
    assert!(of("old", &["a:b"]).is_empty());
    assert_eq!(of("new", &[]), patterns(&["c:d"]));
}

#[test]
fn flips_are_counted_by_kind_and_the_last_one_is_the_example() {
    let trial = trial(&[], &[]);
    let note = |path: &str, before, after| {
        let candidate = decision(path, after);
        trial.note(Said::Decided(candidate.into()), &decision(path, before));
    };
    note("/1", Reason::PublicRoute, Reason::PublicRoute);
    note("/2", Reason::PublicRoute, Reason::NoRoute);
    note("/3", Reason::NoRoute, Reason::NoToken);
    note("/4", Reason::NoRoute, Reason::PublicRoute);
    note("/5", Reason::PublicRoute, Reason::NoRoute);
    trial.note(Said::Unknown, &decision("/6", Reason::NoRoute));
    trial.note(Said::Panicked, &decision("/7", Reason::NoRoute));
    let report = trial.report();
    let wanted = Requests {
        same: 1,
        opened: 1,
        closed: 2,
        other_reason: 1,
        unknown: 1,
        panicked: 1,
    };
    assert_eq!(report.requests, wanted);
    let changes: Vec<_> = report.flips.iter().map(|flip| flip.change).collect();
    assert_eq!(
        changes,
        [Change::Opened, Change::Closed, Change::OtherReason]
    );
    let closed = &report.flips[1];
    assert_eq!((closed.count, closed.example.path.as_str()), (2, "/5"));
    assert_eq!(closed.example.failed.as_ref().unwrap().seen, "seen");
}

#[test]
fn counts_are_summed_by_route() {
    let trial = trial(&[], &[]);
    let note = |route: Option<&str>, before: Reason, after: Reason| {
        let mut served = decision("/", before);
        let mut candidate = decision("/", after);
        let named = |pattern: &str| RouteRef {
            pattern: pattern.into(),
            source: None,
        };
        served.route = route.map(named);
        candidate.route = Some(named("GET /new"));
        trial.note(Said::Decided(candidate.into()), &served);
    };
    note(Some("GET /a"), Reason::PublicRoute, Reason::NoToken);
    note(Some("GET /a"), Reason::PublicRoute, Reason::TokenExpired);
    note(Some("GET /a"), Reason::NoToken, Reason::PublicRoute);
    note(None, Reason::NoRoute, Reason::PublicRoute);
    let Counts { requests, flips } = trial.counts();
    assert_eq!(requests, trial.report().requests);
    let place = |route: &str, change| (Some(Arc::from(route)), change);
    let wanted = [
        (place("GET /a", Change::Opened), 1),
        (place("GET /a", Change::Closed), 2),
        (place("GET /new", Change::Opened), 1),
    ];
    assert_eq!(flips, BTreeMap::from(wanted));
}

#[test]
fn looks_are_counted_by_the_second() {
    let looks = Looks::default();
    let taken = |second: u64| {
        let all = 0..2 * LOOKS_PER_SECOND;
        all.filter(|_| looks.take(UnixTime::from_secs(second)))
            .count()
    };
    assert_eq!([taken(7), taken(7), taken(8), taken(7)], [100, 0, 100, 100]);
}

#[test]
fn what_is_kept_is_bounded() {
    let trial = trial(&[], &[]);
    let long = format!("/{}", "é".repeat(4000));
    for number in 0..=MOST_FLIPS + 1 {
        let mut candidate = decision(&long, Reason::PublicRoute);
        candidate.route = Some(RouteRef {
            pattern: format!("GET /{number}").into(),
            source: None,
        });
        let said = Said::Decided(candidate.into());
        trial.note(said, &decision(&long, Reason::NoRoute));
    }
    let report = trial.report();
    assert_eq!((report.flips.len(), report.further), (MOST_FLIPS, 2));
    assert_eq!(report.requests.opened, report.further + 1000);
    let path = &report.flips[0].example.path;
    assert_eq!(path.chars().count(), LONGEST_TEXT + 1, "{path}");
}
