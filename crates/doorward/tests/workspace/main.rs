//! The workspace test: the crates and their edges are those that
//! `ARCHITECTURE.md` draws, and nothing comes along that a wall keeps out.
//!
//! `graph` reads what cargo knows, `plan` what the page says, `rules` compares
//! them. What the code of a crate *does* (clock, environment) is the business
//! of `clippy.toml`; licences and sources are `deny.toml`'s.

mod core_cases;
mod graph;
mod plan;
mod rules;
mod violation;

use std::process::Command;

use graph::Graph;
use plan::Plan;

const ARCHITECTURE: &str = include_str!("../../../../ARCHITECTURE.md");

#[test]
#[expect(clippy::print_stdout, reason = "the figure is for the reader")]
fn the_house_stands_as_drawn() {
    let graph = Graph::from_metadata(&metadata()).expect("cargo's metadata has its usual form");
    let plan = Plan::from_architecture(ARCHITECTURE);
    assert!(
        !plan.crates.is_empty(),
        "ARCHITECTURE.md has its table of crates"
    );

    for (name, budget) in rules::BUDGETS {
        let member = graph.members().find(|member| member.name == *name);
        let member = member.expect("a crate with a budget is in the workspace");
        let count = graph.reachable(member, rules::COMPILED).len();
        println!("{name} brings {count} packages, itself included; its budget is {budget}");
    }

    let found = rules::violations(&graph, &plan);
    let said: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(said.is_empty(), "\n{}\n", said.join("\n"));
}

/// What cargo knows about this platform's build, without changing the lock file.
fn metadata() -> Vec<u8> {
    cargo(&[
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        &host(),
    ])
}

/// The platform of this machine, so that packages of others need not be here.
fn host() -> String {
    let version = String::from_utf8(cargo(&["-vV"])).expect("cargo speaks UTF-8");
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.expect("`cargo -vV` names the host").to_owned()
}

fn cargo(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("the cargo that built this test is still here");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "cargo {arguments:?}: {stderr}");
    output.stdout
}
