//! What policies cost a request, among 1, 10, 100 and 1,000 of them.
//!
//! ```text
//! cargo run --release -p doorward-policy --features cedar --example policy_scale
//! ```
//!
//! Each row is the shortest of many runs, so that a busy machine counts little.
//! The whole decision is timed: the record, its lines and the policies.

#![expect(clippy::print_stdout, reason = "the figures")]

use std::{borrow::Cow, fmt::Write as _, hint::black_box, time::Instant};

use doorward_policy::{
    cedar::{Policies, Source, Vocabulary},
    decision::{Decision, TraceId},
    permission::Permission,
    permit::{Asking, Kind, Subject, permit},
    route::{Match, Requirement, RouteSpec, RouteTable},
};

/// Decisions in one measured run.
const DECISIONS: u32 = 200;

/// Runs, of which the shortest counts.
const RUNS: u32 = 200;

struct Caller(Vec<String>);

impl Subject for Caller {
    fn holds(&self, _: &Permission) -> bool {
        true
    }

    fn claim(&self, name: &str) -> Option<Cow<'_, str>> {
        match name {
            "sub" => Some("u1".into()),
            "iss" => Some("https://id.example".into()),
            "tenant" => Some("acme".into()),
            "acr" => Some("aal2".into()),
            _ => None,
        }
    }

    fn kind(&self) -> Kind {
        Kind::User
    }

    fn roles(&self) -> &[String] {
        &self.0
    }
}

fn main() {
    println!("policies  load ms  without  attributes  address, time   (ns a decision)");
    for count in [1, 10, 100, 1_000] {
        let began = Instant::now();
        let table = governed(count);
        let load = began.elapsed().as_millis();
        let paths = ["free", "r0", "late"];
        let [without, attributes, late] = paths.map(|path| nanoseconds(&table, path));
        println!("{count:>8}  {load:>7}  {without:>7}  {attributes:>10}  {late:>13}");
    }
}

/// `count` policies about as many actions, one of them with an address and the
/// time, and a route that none speaks of.
fn governed(count: usize) -> RouteTable {
    let mut policies = String::new();
    for number in 0..count {
        let _ = writeln!(
            policies,
            "forbid (principal, action == Action::\"r{number}:read\", resource) \
             unless {{ principal has tenant && resource.tenant == principal.tenant && principal.roles.contains(\"reader\") }};"
        );
    }
    policies.push_str(
        "forbid (principal, action == Action::\"late:read\", resource) \
         when { context.address.isInRange(ip(\"10.9.0.0/16\")) || context.time.hour > 22 };",
    );
    let named = (0..count).map(|number| format!("r{number}"));
    let named = named.chain(["late".to_owned(), "free".to_owned()]);
    let spec = |name: String| RouteSpec {
        pattern: format!("GET /{name}/{{tenant}}"),
        requirement: Requirement::Allow(
            format!("{name}:read").parse().expect("it is a permission"),
        ),
        conditions: Vec::new(),
        demands: Default::default(),
        source: None,
    };
    let table = RouteTable::build(named.map(spec).collect()).expect("each path is its own");
    let source = Source {
        file: "scale.cedar".into(),
        text: policies,
    };
    let policies = Policies::parse(&[source]).expect("the policies are well formed");
    let vocabulary = Vocabulary {
        roles: vec!["reader".to_owned()],
        ..Vocabulary::default()
    };
    policies
        .govern(table, &vocabulary)
        .expect("they speak of what there is")
}

fn nanoseconds(table: &RouteTable, name: &str) -> u128 {
    let caller = Caller(vec!["reader".to_owned()]);
    let segments = [name, "acme"];
    let run = || {
        let began = Instant::now();
        for _ in 0..DECISIONS {
            let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
            decision.peer = Some(std::net::IpAddr::from([10, 1, 2, 3]));
            let Match::Found(route) = table.find("GET", &segments) else {
                unreachable!("the route is there");
            };
            let permitted = permit(&route, Asking::by(Some(&caller)), (), &mut decision);
            assert!(permitted.is_ok());
            black_box(decision);
        }
        began.elapsed().as_nanos()
    };
    (0..RUNS).map(|_| run()).min().unwrap_or_default() / u128::from(DECISIONS)
}
