//! Inheritance, look-alikes, cycles and the closure.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use proptest::prelude::{Strategy, prop, prop_assert, proptest};

use super::{MAX_DEPTH, RoleName, RoleProblem, RoleProblemKind, RoleSpec, Roles};
use crate::permission::{Permission, PermissionPattern};

fn role(name: &str, inherits: &[&str], permissions: &[&str]) -> RoleSpec {
    RoleSpec {
        name: name.parse().unwrap(),
        inherits: inherits.iter().map(|n| n.parse().unwrap()).collect(),
        permissions: permissions.iter().map(|p| p.parse().unwrap()).collect(),
    }
}

fn problems(specs: Vec<RoleSpec>) -> Vec<String> {
    Roles::build(specs)
        .unwrap_err()
        .iter()
        .map(RoleProblem::to_string)
        .collect()
}

fn shop() -> Roles {
    Roles::build(vec![
        role("editor", &["reader"], &["orders:create", "orders:delete"]),
        role("reader", &[], &["orders:read"]),
        role("owner", &["editor"], &["*"]),
    ])
    .unwrap()
}

fn texts(patterns: impl IntoIterator<Item = PermissionPattern>) -> Vec<String> {
    patterns.into_iter().map(String::from).collect()
}

#[test]
fn inherits_whatever_the_order_of_the_file() {
    let roles = shop();
    assert_eq!(
        texts(roles.effective(["editor"])),
        ["orders:create", "orders:delete", "orders:read"]
    );
    assert_eq!(texts(roles.effective(["reader"])), ["orders:read"]);
}

#[test]
fn a_role_remembers_what_was_written_apart_from_what_it_inherits() {
    let roles = shop();
    let editor = roles.get("editor").unwrap();
    assert_eq!(editor.name().as_str(), "editor");
    assert_eq!(editor.inherits(), ["reader".parse().unwrap()]);
    assert_eq!(
        texts(editor.permissions().iter().cloned()),
        ["orders:create", "orders:delete"]
    );
    assert_eq!(editor.effective().len(), 3);
    let names: Vec<&str> = roles.names().map(AsRef::as_ref).collect();
    assert_eq!(names, ["editor", "owner", "reader"]);
    assert_eq!((roles.len(), roles.is_empty()), (3, false));
    assert!(Roles::default().is_empty());
}

#[test]
fn a_role_name_survives_json_and_is_checked_when_read() {
    let longest = "r".repeat(super::MAX_NAME_LENGTH);
    for good in ["a", "Order_admin.2-x", &longest] {
        let name: RoleName = serde_json::from_str(&format!("{good:?}")).unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), format!("{good:?}"));
    }
    for bad in ["", "a b", "a:b", &format!("{longest}r")] {
        let read = serde_json::from_str::<RoleName>(&format!("{bad:?}"));
        assert!(read.is_err(), "{bad}");
    }
}

#[test]
fn an_unknown_role_grants_nothing() {
    let roles = shop();
    assert!(roles.effective(["Reader", "admin", ""]).is_empty());
    assert!(roles.effective(Vec::<String>::new()).is_empty());
}

#[test]
fn names_the_roles_that_give_least_first() {
    let names = |permission: &str| -> Vec<String> {
        let permission: Permission = permission.parse().unwrap();
        shop()
            .granting(&permission)
            .into_iter()
            .map(|name| name.to_string())
            .collect()
    };
    assert_eq!(names("orders:read"), ["reader", "editor", "owner"]);
    assert_eq!(names("orders:delete"), ["editor", "owner"]);
    assert_eq!(names("users:delete"), ["owner"]);
}

#[test]
fn every_problem_is_reported_at_once() {
    assert_eq!(
        problems(vec![
            role("a", &["b", "ghost"], &[]),
            role("b", &["a"], &[]),
            role("A", &[], &[]),
            role("self", &["self"], &[]),
        ]),
        [
            "role a: inherits from `ghost`, which is no role",
            "role a: inherits from itself: a -> b -> a",
            "role A: reads like the role `a`",
            "role self: inherits from itself: self -> self",
        ]
    );
}

#[test]
fn auz_017_a_cycle_is_refused_once_and_not_for_those_who_only_lead_to_it() {
    assert_eq!(
        problems(vec![
            role("leads-in", &["x"], &[]),
            role("x", &["y"], &[]),
            role("y", &["z"], &[]),
            role("z", &["x"], &[]),
        ]),
        ["role x: inherits from itself: x -> y -> z -> x"]
    );
}

#[test]
fn auz_017_a_cycle_behind_a_parent_that_is_on_none_is_refused() {
    assert_eq!(
        problems(vec![
            role("base", &[], &["orders:read"]),
            role("x", &["base", "y"], &[]),
            role("y", &["base", "x"], &["*"]),
        ]),
        ["role x: inherits from itself: x -> y -> x"]
    );
}

#[test]
fn auz_017_ten_thousand_deep_is_refused_without_exhausting_the_stack() {
    let chain = (0..10_000)
        .map(|level: u32| match level.checked_sub(1) {
            Some(below) => role(&format!("r.{level}"), &[&format!("r.{below}")], &[]),
            None => role("r.0", &[], &[]),
        })
        .collect();
    let problems = Roles::build(chain).unwrap_err();
    assert_eq!(problems.len(), 1, "only the first too deep one is named");
    assert_eq!(problems[0].role, MAX_DEPTH);
    assert_eq!(problems[0].kind, RoleProblemKind::TooDeep);
}

#[test]
fn eight_deep_is_allowed() {
    let chain = (1..=MAX_DEPTH)
        .map(|level| {
            let parent = format!("r.{}", level - 1);
            let parents = [parent.as_str()];
            role(
                &format!("r.{level}"),
                if level == 1 { &[] } else { &parents },
                &[&format!("level:p{level}")],
            )
        })
        .collect();
    let roles = Roles::build(chain).unwrap();
    assert_eq!(roles.effective(["r.8"]).len(), MAX_DEPTH);
}

#[test]
fn auz_017_names_that_read_alike_are_refused() {
    for (one, other) in [
        ("admin", "Admin"),
        ("admin", "ADMIN"),
        ("tier-l", "tier-1"),
        ("root", "r00t"),
        ("order_admin", "order-admin"),
        ("same", "same"),
    ] {
        assert_eq!(
            problems(vec![role(one, &[], &[]), role(other, &[], &[])]),
            [format!("role {other}: reads like the role `{one}`")],
        );
    }
    for foreign in [
        "\u{430}dmin",
        "adm\u{131}n",
        "admin\u{200b}",
        "",
        "a b",
        "a:b",
    ] {
        assert!(foreign.parse::<RoleName>().is_err(), "{foreign:?}");
    }
}

fn some_roles() -> impl Strategy<Value = Vec<RoleSpec>> {
    // Parents come from earlier roles only, so most of these build.
    let pattern = "(a|b|c):(x|y|\\*)";
    let one = (
        prop::collection::vec(pattern, 0..4),
        prop::collection::vec(0_usize..6, 0..3),
    );
    prop::collection::vec(one, 1..6).prop_map(|rows| {
        rows.into_iter()
            .enumerate()
            .map(|(number, (permissions, parents))| {
                let parents: Vec<String> = parents
                    .into_iter()
                    .filter(|parent| *parent < number)
                    .map(|parent| format!("role{}", ["a", "b", "c", "d", "e", "f"][parent]))
                    .collect();
                let parents: Vec<&str> = parents.iter().map(String::as_str).collect();
                let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
                let name = format!("role{}", ["a", "b", "c", "d", "e", "f"][number]);
                role(&name, &parents, &permissions)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn adding_a_role_never_removes_a_permission(
        specs in some_roles(),
        held in prop::collection::vec("role[a-f]", 0..4),
        added in "role[a-f]",
    ) {
        let roles = Roles::build(specs).unwrap();
        let before = roles.effective(&held);
        let after = roles.effective(held.iter().chain([&added]));
        prop_assert!(before.is_subset(&after));
    }

    #[test]
    fn a_role_has_all_that_its_parents_have(specs in some_roles()) {
        let roles = Roles::build(specs).unwrap();
        for role in roles.iter() {
            for parent in role.inherits() {
                let parent = roles.get(parent.as_str()).unwrap();
                prop_assert!(parent.effective().is_subset(role.effective()));
            }
        }
    }
}
