//! What it costs to find a route among 10, 1,000 and 10,000.
//!
//! ```text
//! cargo run --release -p doorward-policy --example route_scale
//! ```
//!
//! Each row is the shortest of many runs, so that a busy machine counts little.

#![expect(clippy::print_stdout, reason = "the figures")]

use std::{hint::black_box, time::Instant};

use doorward_policy::route::{Match, Requirement, RouteSpec, RouteTable};

/// Finds in one measured run.
const FINDS: u32 = 1_000;

/// Runs, of which the shortest counts.
const RUNS: u32 = 500;

fn main() {
    println!("routes  literal  parameter  no route  another letter case   (ns each)");
    for count in [10, 1_000, 10_000] {
        let table = table(count);
        let last = format!("r{}", count / 2 - 1);
        let cases: [&[&str]; 4] = [
            &["api", &last, "items"],
            &["api", &last, "items", "12345"],
            &["api", "nowhere", "items", "12345"],
            &["API", &last, "items", "12345"],
        ];
        let [literal, parameter, nothing, case] = cases.map(|path| nanoseconds(&table, path));
        println!("{count:>6}  {literal:>7}  {parameter:>9}  {nothing:>8}  {case:>19}");
    }
}

/// Half of them without a parameter, half with one.
fn table(count: usize) -> RouteTable {
    let specs = (0..count / 2).flat_map(|number| {
        [
            spec(format!("GET /api/r{number}/items")),
            spec(format!("GET /api/r{number}/items/{{id}}")),
        ]
    });
    RouteTable::build(specs.collect()).expect("each route has a path of its own")
}

fn spec(pattern: String) -> RouteSpec {
    RouteSpec {
        pattern,
        requirement: Requirement::Authenticated,
        conditions: Vec::new(),
        demands: Default::default(),
        source: None,
    }
}

fn nanoseconds(table: &RouteTable, path: &[&str]) -> u128 {
    let run = || {
        let began = Instant::now();
        for _ in 0..FINDS {
            match table.find(black_box("GET"), black_box(path)) {
                Match::Found(found) => drop(black_box(found)),
                other => drop(black_box(other)),
            }
        }
        began.elapsed().as_nanos() / u128::from(FINDS)
    };
    (0..RUNS).map(|_| run()).min().unwrap_or_default()
}
