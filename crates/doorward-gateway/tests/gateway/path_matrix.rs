//! Sixty spellings of twenty routes' paths before five real servers: whatever
//! a server serves, the gateway decided about that and nothing else.

use std::{collections::BTreeMap, fmt::Write as _};

use doorward_policy::{
    decision::{Decision, Outcome},
    permission::Permission,
    route::{Requirement, RouteSpec},
};
use doorward_verify::clock::Timestamp;
use http::{HeaderMap, HeaderValue};

use crate::harness::{Client, House, Plan, Tokens, backend::Backend, request, route, tokens};

/// Routes, each with a path of its own. The caller may use every second one,
/// so that a path which strays mostly strays across that line.
const ROUTES: [(&str, &str); 20] = [
    ("/alpha", "alpha"),
    ("/alpha/{id}", "alpha/7"),
    ("/alpha/{id}/parts", "alpha/7/parts"),
    ("/alpha/new", "alpha/new"),
    ("/beta/", "beta/"),
    ("/beta", "beta"),
    ("/Beta", "Beta"),
    ("/files/{*rest}", "files/a/b"),
    ("/files/secret", "files/secret"),
    ("/files/a/b/c", "files/a/b/c"),
    ("/v1.2/things", "v1.2/things"),
    ("/v1.2/things/{id}", "v1.2/things/x-1"),
    ("/tenants/{tenant}/users", "tenants/north/users"),
    (
        "/tenants/{tenant}/users/{user}",
        "tenants/north/users/ann@a.b",
    ),
    ("/tenants/{tenant}/{*rest}", "tenants/north/more/of/it"),
    ("/caf\u{e9}", "caf%C3%A9"),
    ("/a+b", "a+b"),
    ("/~home/{name}", "~home/x~y"),
    ("/admin", "admin"),
    ("/admin/users", "admin/users"),
];

/// Ways to write a path: `P` is the route's, `F` its first segment, `R` all
/// behind that.
#[rustfmt::skip] // by kind
const SPELLINGS: [&str; 60] = [
    // As it is, and with a query.
    "/P", "/P?", "/P?a=b", "/P?/../admin", "/P?%2e%2e/admin", "http://api.test/P",
    // Slashes.
    "//P", "///P", "/P/", "/P//", "/F//R", "//api.test/P", "/P/%2f", "/%2fP",
    // Dot segments.
    "/./P", "/../P", "/P/.", "/P/..", "/x/../P", "/files/../P", "/P/../admin", "/P/./x", "/F/./R", "/F/x/../R",
    // The same, escaped once and twice.
    "/%2e/P", "/%2e%2e/P", "/.%2e/P", "/files/%2e%2e/P", "/P/%2e%2e/admin", "/files/..%2fP", "/files/%2e%2e%2fP", "/%252e%252e/P",
    "/files/..%252fP", "/F%2fR", "/F%5cR", "/F%252fR",
    // Parameters and backslashes.
    "/P;a=b", "/P;", "/..;/P", "/files/..;/P", "/P%3ba", "/F\\R", "/files\\..\\P", "/files/..\\P", "/files/..%5cP",
    // Tails.
    "/P.", "/P%2e", "/P%20", "/P%09", "/P%00", "/P%00.html", "/P#", "/P#/../admin", "/P%23x", "/P%3fx",
    // Other characters for the same.
    "/%66iles/../P", "/files/..%c0%afP", "/files/..%ef%bc%8fP", "/P%e2%80%8b", "/ P",
];

#[test]
fn gwy_008_what_is_served_is_what_was_decided_in_sixty_spellings() {
    for backend in Backend::all() {
        let mut house = before(&backend);
        let fields = format!("Authorization: Bearer {}", caller(&house));
        let mut asker = Asker::new(&house, &fields);
        let mut passed = BTreeMap::<&str, usize>::new();
        for (_, path) in ROUTES {
            for spelling in SPELLINGS {
                asker.ask(&house, &spelled(spelling, path));
            }
        }
        let probe = "/probe";
        asker.ask(&house, probe);
        let decisions = house.decisions_before(probe);
        let mut served = backend.seen_before(probe).into_iter();
        let mut targets = ROUTES
            .iter()
            .flat_map(|(_, path)| SPELLINGS.map(|spelling| (spelling, spelled(spelling, path))));
        assert_eq!(decisions.len(), ROUTES.len() * SPELLINGS.len());
        for decision in decisions {
            let (spelling, target) = targets.next().unwrap();
            if decision.outcome != Outcome::Allowed {
                continue;
            }
            *passed.entry(spelling).or_default() += 1;
            let parsed = served.next().unwrap();
            let what = format!("{target}: {} serves {}", backend.name, parsed.path);
            assert_eq!(decision.status, Some(200), "{what}");
            assert_eq!(
                gist(&decision),
                gist(&decided(&house, &parsed.path, &fields)),
                "{what}"
            );
        }
        assert!(served.next().is_none(), "{} served more", backend.name);
        // The half that the caller may use, each way that has one reading.
        assert_eq!(passed["/P"], ROUTES.len() / 2);
        assert_eq!(passed["http://api.test/P"], ROUTES.len() / 2);
        assert!(passed.len() < SPELLINGS.len() / 3, "{passed:#?}");
    }
}

fn before(backend: &Backend) -> House {
    let mut routes: Vec<RouteSpec> = ROUTES
        .iter()
        .enumerate()
        .map(|(number, (pattern, _))| {
            let permission = format!("route{number}:read");
            let permission = Permission::parse(&permission).unwrap();
            route(&format!("GET {pattern}"), Requirement::Allow(permission))
        })
        .collect();
    routes.push(route("GET /probe", Requirement::Public));
    House::start(Plan {
        origin: Some(backend.origin()),
        routes,
        workers: 1,
        decision_space: 2 * ROUTES.len() * SPELLINGS.len(),
        ..Plan::default()
    })
}

fn caller(house: &House) -> String {
    let permissions: Vec<String> = (0..ROUTES.len())
        .step_by(2)
        .map(|number| format!("route{number}:read"))
        .collect();
    let permissions: Vec<&str> = permissions.iter().map(String::as_str).collect();
    house.tokens.sign(&Tokens::claims("ann", &permissions))
}

fn spelled(spelling: &str, path: &str) -> String {
    let (first, rest) = path.split_once('/').unwrap_or((path, ""));
    spelling
        .replace('P', path)
        .replace('F', first)
        .replace('R', rest)
}

/// Asks on one connection as long as it lasts: a refusal may end it.
struct Asker<'f> {
    client: Client,
    fields: &'f str,
}

impl<'f> Asker<'f> {
    fn new(house: &House, fields: &'f str) -> Self {
        Self {
            client: house.client(),
            fields,
        }
    }

    fn ask(&mut self, house: &House, target: &str) {
        self.client.write(request("GET", target, &[self.fields]));
        let reply = self.client.reply();
        if reply.field("connection") == Some("close") {
            self.client = house.client();
        }
    }
}

/// What the gateway decides about `path`, as a back end tells it.
fn decided(house: &House, path: &str, authorization: &str) -> Decision {
    let mut target = String::new();
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~!$&'()*+,=:@".contains(&byte) {
            target.push(char::from(byte));
        } else {
            write!(target, "%{byte:02X}").unwrap();
        }
    }
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("api.test"));
    let bearer = authorization.split_once(": ").unwrap().1;
    headers.insert("authorization", bearer.parse().unwrap());
    let now = Timestamp::from_millis(tokens::NOW * 1000);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(house.gateway.explain("GET", &target, &headers, now))
}

fn gist(decision: &Decision) -> (Outcome, Option<String>) {
    let route = decision.route.as_ref();
    let pattern = route.map(|route| route.pattern.to_string());
    (decision.outcome, pattern)
}
