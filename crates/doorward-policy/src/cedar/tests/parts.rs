//! Policies are validated in parts, each against the actions that it speaks of.

use std::sync::Arc;

use super::{sources, table, vocabulary};
use crate::cedar::schema::Shapes;
use crate::cedar::validation::{PART, faults, faults_of};
use crate::cedar::{Policies, Policy};

const PRINCIPALS: [&str; 4] = [
    "principal",
    "principal is User",
    "principal is Anyone",
    "principal is User in Role::\"reader\"",
];

/// The outermost: so a part speaks of few of them.
const ACTIONS: [&str; 7] = [
    "action == Action::\"orders:read\"",
    "action == Action::\"orders:delete\"",
    "action == Action::\"GET /health\"",
    "action in Action::\"orders:*\"",
    "action in [Action::\"reports:read\", Action::\"GET /me\"]",
    "action == Action::\"orders:raed\"",
    "action in Action::\"oders:*\"",
];

const RESOURCES: [&str; 2] = ["resource", "resource is Resource::of_orders_read"];

const CONDITIONS: [&str; 6] = [
    "true",
    "resource has id && resource.id == \"7\"",
    "resource.user == principal.sub",
    "action == Action::\"orders:read\" && resource has id",
    "action in Action::\"reports:*\" && principal.nothing",
    "resource is Resource::of_reports_read && resource.tenant == \"a\"",
];

/// Every scope with every condition.
fn all() -> Vec<Arc<Policy>> {
    let mut text = String::new();
    for action in ACTIONS {
        for principal in PRINCIPALS {
            for resource in RESOURCES {
                for condition in CONDITIONS {
                    text += &format!(
                        "forbid ({principal}, {action}, {resource}) when {{ {condition} }};\n"
                    );
                }
            }
        }
    }
    Policies::parse(&sources(&text)).unwrap().0
}

#[test]
fn a_part_is_judged_as_the_whole_is() {
    let shapes = Shapes::of(&table(), &vocabulary()).unwrap();
    let policies = all();
    let whole: Vec<_> = policies.iter().collect();
    let wanted = faults_of(&whole, &shapes.schema);
    assert_eq!(faults(&policies, &shapes), wanted);
    assert!(policies.len() > 10 * PART && wanted.len() > 100);
    assert!(faults(&policies[..1], &shapes).is_empty());
}
