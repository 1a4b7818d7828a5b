//! The rules that keep the house standing, and the check: a pure function
//! over a graph, so that its own tests can hand it a house with a hole.

use std::collections::BTreeSet;

use crate::graph::{Graph, Kind, Package};
use crate::plan::{Edge, Plan};
use crate::violation::Violation;

/// What must not come along with a crate, however far down.
struct Ban {
    crates: &'static [&'static str],
    packages: &'static [&'static str],
    reason: &'static str,
}

const BANS: &[Ban] = &[
    Ban {
        crates: &["doorward-jose", "doorward-policy"],
        packages: &[
            "async-executor",
            "async-io",
            "async-std",
            "futures-executor",
            "h2",
            "hyper",
            "mio",
            "quinn",
            "reqwest",
            "rustls",
            "smol",
            "socket2",
            "tokio",
            "ureq",
        ],
        reason: "jose and policy are pure: no async runtime and no network",
    },
    Ban {
        crates: &["doorward-jose", "doorward-policy"],
        packages: &[
            "chrono",
            "fastrand",
            "getrandom",
            "jiff",
            "rand",
            "rand_core",
            "time",
        ],
        reason: "jose and policy take time and randomness as arguments",
    },
    Ban {
        crates: &["doorward-verify", "doorward-gateway"],
        packages: &[
            "argon2",
            "bcrypt",
            "blake2",
            "diesel",
            "libsqlite3-sys",
            "password-hash",
            "pbkdf2",
            "postgres",
            "rusqlite",
            "scrypt",
            "sqlx",
            "sqlx-core",
            "sqlx-postgres",
            "sqlx-sqlite",
            "tokio-postgres",
        ],
        reason: "no SQL and no password hashing where tokens are only checked",
    },
    Ban {
        crates: &["doorward-gateway", "doorward-verify"],
        packages: &["doorward-issuer"],
        reason: "no private key, password or table is linkable from the data plane",
    },
];

/// Not in the tree at all, not even for tests.
const NOWHERE: &[&str] = &["native-tls", "openssl", "openssl-sys"];

/// Named by these crates only: a library's errors are typed.
const RESERVED: &[(&str, &[&str])] = &[("anyhow", &["doorward"])];

/// How many packages a crate may bring, itself included, as its user compiles
/// it: what it links and what its build scripts need.
pub(crate) const BUDGETS: &[(&str, usize)] = &[("doorward-verify", 40)];

/// What a user of a crate has to compile who turns no feature on.
pub(crate) const COMPILED: &[Kind] = &[Kind::Normal, Kind::Build];

/// Everything in `graph` that breaks the plan or a rule; empty means that the
/// house stands.
pub(crate) fn violations(graph: &Graph, plan: &Plan) -> Vec<Violation> {
    let mut found = Vec::new();
    found.extend(crates_as_listed(graph, plan));
    found.extend(edges_as_drawn(graph, plan));
    for member in graph.members() {
        found.extend(banned_reach(graph, member));
        found.extend(reserved(graph, member));
        found.extend(over_budget(graph, member));
    }
    found.extend(banned_anywhere(graph));
    found
}

fn crates_as_listed(graph: &Graph, plan: &Plan) -> Vec<Violation> {
    let present: BTreeSet<String> = graph.members().map(|member| member.name.clone()).collect();
    let unlisted = present
        .difference(&plan.crates)
        .cloned()
        .map(Violation::UnlistedCrate);
    let vanished = plan
        .crates
        .difference(&present)
        .cloned()
        .map(Violation::VanishedCrate);
    unlisted.chain(vanished).collect()
}

fn edges_as_drawn(graph: &Graph, plan: &Plan) -> Vec<Violation> {
    let ours: BTreeSet<&str> = graph.members().map(|member| member.name.as_str()).collect();
    let present: BTreeSet<Edge> = graph
        .members()
        .flat_map(|from| graph.direct(from).map(move |(to, kind)| (from, to, *kind)))
        .filter(|(_, to, _)| ours.contains(to.name.as_str()))
        .map(|(from, to, kind)| Edge {
            from: from.name.clone(),
            to: to.name.clone(),
            kind,
        })
        .collect();
    let undrawn = present
        .difference(&plan.edges)
        .cloned()
        .map(Violation::UndrawnEdge);
    let vanished = plan
        .edges
        .difference(&present)
        .cloned()
        .map(Violation::VanishedEdge);
    undrawn.chain(vanished).collect()
}

fn banned_reach(graph: &Graph, member: &Package) -> Vec<Violation> {
    let ways = graph.reachable(member, &[Kind::Normal, Kind::Optional]);
    let bans = BANS
        .iter()
        .filter(|ban| ban.crates.contains(&member.name.as_str()));
    bans.flat_map(|ban| {
        ways.iter()
            .filter(|(package, _)| ban.packages.contains(&package.name.as_str()))
            .map(|(_, way)| Violation::BannedReach {
                way: way.iter().map(ToString::to_string).collect(),
                reason: ban.reason,
            })
    })
    .collect()
}

fn reserved(graph: &Graph, member: &Package) -> Vec<Violation> {
    let foreign = |package: &str| {
        RESERVED
            .iter()
            .any(|(name, users)| *name == package && !users.contains(&member.name.as_str()))
    };
    graph
        .direct(member)
        .filter(|(package, _)| foreign(&package.name))
        .map(|(package, _)| Violation::Reserved {
            by: member.name.clone(),
            package: package.name.clone(),
        })
        .collect()
}

fn over_budget(graph: &Graph, member: &Package) -> Option<Violation> {
    let (_, budget) = BUDGETS.iter().find(|(name, _)| *name == member.name)?;
    let count = graph.reachable(member, COMPILED).len();
    (count > *budget).then(|| Violation::OverBudget {
        of: member.name.clone(),
        count,
        budget: *budget,
    })
}

fn banned_anywhere(graph: &Graph) -> Vec<Violation> {
    let names: BTreeSet<&str> = graph
        .dependencies()
        .into_iter()
        .map(|package| package.name.as_str())
        .collect();
    NOWHERE
        .iter()
        .filter(|name| names.contains(**name))
        .map(|name| Violation::BannedAnywhere((*name).to_owned()))
        .collect()
}

/// The test's own test: each hole is made on purpose and must be reported,
/// alone and by its name.
#[cfg(test)]
mod tests {
    use super::*;

    /// A house of our crates as `ARCHITECTURE.md` draws it, on solid ground.
    fn house() -> (Graph, Plan) {
        let plan = Plan::from_architecture(crate::ARCHITECTURE);
        let mut graph = Graph::default();
        for name in &plan.crates {
            graph.add_member(ours(name));
        }
        for edge in &plan.edges {
            graph.add_edge(ours(&edge.from), ours(&edge.to), edge.kind);
        }
        graph.add_edge(ours("doorward-jose"), foreign("serde"), Kind::Normal);
        graph.add_edge(ours("doorward-issuer"), foreign("sqlx"), Kind::Normal);
        graph.add_edge(foreign("sqlx"), foreign("tokio"), Kind::Normal);
        (graph, plan)
    }

    fn ours(name: &str) -> Package {
        Package::new(name, "0.1.0")
    }

    fn foreign(name: &str) -> Package {
        Package::new(name, "1.0.0")
    }

    /// What the check says about the house after `damage`.
    fn after(damage: impl FnOnce(&mut Graph)) -> Vec<String> {
        let (mut graph, plan) = house();
        damage(&mut graph);
        let found = violations(&graph, &plan);
        found.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_undamaged_house_stands() {
        assert_eq!(after(|_| ()), [""; 0]);
    }

    #[test]
    fn a_new_crate_is_reported() {
        let said = after(|graph| graph.add_member(ours("doorward-utils")));
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("doorward-utils is new"), "{said:?}");
    }

    #[test]
    fn a_crate_that_is_gone_is_reported_with_its_row() {
        let (graph, mut plan) = house();
        plan.crates.insert("doorward-attic".to_owned());
        let vanished = Violation::VanishedCrate("doorward-attic".to_owned());
        assert_eq!(violations(&graph, &plan), [vanished]);
    }

    #[test]
    fn an_edge_that_is_not_drawn_is_reported_whatever_it_is_for() {
        for kind in [Kind::Normal, Kind::Build, Kind::Dev] {
            let (mut graph, plan) = house();
            graph.add_edge(ours("doorward-policy"), ours("doorward-jose"), kind);
            let edge = Edge {
                from: "doorward-policy".to_owned(),
                to: "doorward-jose".to_owned(),
                kind,
            };
            assert_eq!(violations(&graph, &plan), [Violation::UndrawnEdge(edge)]);
        }
    }

    #[test]
    fn an_edge_that_is_gone_is_reported() {
        let (graph, mut plan) = house();
        let edge = Edge {
            from: "doorward-attack".to_owned(),
            to: "doorward-policy".to_owned(),
            kind: Kind::Normal,
        };
        plan.edges.insert(edge.clone());
        assert_eq!(violations(&graph, &plan), [Violation::VanishedEdge(edge)]);
    }

    #[test]
    fn the_gateway_that_names_the_issuer_breaks_three_walls() {
        let said = after(|graph| {
            graph.add_edge(
                ours("doorward-gateway"),
                ours("doorward-issuer"),
                Kind::Normal,
            );
        });
        let all = said.join("\n");
        assert!(all.contains("doorward-gateway -> doorward-issuer (Normal) is not an edge"));
        assert!(all.contains("doorward-gateway -> doorward-issuer: no private key"));
        assert!(all.contains("doorward-gateway -> doorward-issuer -> sqlx: no SQL"));
    }

    #[test]
    fn a_runtime_under_jose_is_reported_with_its_way() {
        let said = after(|graph| {
            graph.add_edge(ours("doorward-jose"), foreign("innocent"), Kind::Normal);
            graph.add_edge(foreign("innocent"), foreign("tokio"), Kind::Normal);
        });
        let wanted = "doorward-jose -> innocent -> tokio: \
                      jose and policy are pure: no async runtime and no network";
        assert_eq!(said, [wanted]);
    }

    #[test]
    fn a_generator_in_policy_is_reported() {
        let said = after(|graph| {
            graph.add_edge(ours("doorward-policy"), foreign("getrandom"), Kind::Normal);
        });
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(
            said[0].starts_with("doorward-policy -> getrandom: "),
            "{said:?}"
        );
    }

    #[test]
    fn password_hashing_in_verify_is_reported_there_and_in_the_gateway() {
        let said = after(|graph| {
            graph.add_edge(ours("doorward-verify"), foreign("argon2"), Kind::Normal);
        });
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("doorward-gateway -> doorward-verify -> argon2: "));
        assert!(
            said[1].starts_with("doorward-verify -> argon2: "),
            "{said:?}"
        );
    }

    #[test]
    fn what_a_feature_brings_is_banned_as_well_but_counts_for_no_budget() {
        let said = after(|graph| {
            graph.add_edge(ours("doorward-verify"), foreign("argon2"), Kind::Optional);
            for number in 0..40 {
                let one = foreign(&format!("feature-{number}"));
                graph.add_edge(ours("doorward-verify"), one, Kind::Optional);
            }
        });
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said.iter().all(|line| line.contains("argon2")), "{said:?}");
    }

    #[test]
    fn what_only_tests_use_is_not_linked_and_may_come() {
        let said = after(|graph| {
            graph.add_edge(ours("doorward-jose"), foreign("tokio"), Kind::Dev);
        });
        assert_eq!(said, [""; 0]);
    }

    #[test]
    fn anyhow_in_a_library_is_reported_and_in_the_binary_not() {
        let said = after(|graph| {
            graph.add_edge(ours("doorward"), foreign("anyhow"), Kind::Normal);
            graph.add_edge(ours("doorward-issuer"), foreign("anyhow"), Kind::Dev);
        });
        assert_eq!(
            said,
            ["doorward-issuer names anyhow, which is not its to use"]
        );
    }

    #[test]
    fn openssl_is_reported_even_under_the_tests_of_a_stranger() {
        let said = after(|graph| {
            graph.add_edge(foreign("sqlx"), foreign("openssl-sys"), Kind::Build);
        });
        assert_eq!(said, ["openssl-sys is in the tree, and must not be"]);
    }

    #[test]
    fn two_versions_of_one_crate_count_twice_and_a_full_budget_is_reported() {
        let said = after(|graph| {
            for version in 0..40 {
                let copy = Package::new("copy", &version.to_string());
                graph.add_edge(ours("doorward-verify"), copy, Kind::Build);
            }
        });
        assert_eq!(said.len(), 1, "{said:?}");
        let wanted = "doorward-verify brings 44 packages, its budget is 40";
        assert!(said[0].starts_with(wanted), "{said:?}");
    }
}
