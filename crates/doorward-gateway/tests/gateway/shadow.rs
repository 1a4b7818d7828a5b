//! A candidate beside the routes that are served: it judges what arrives, and
//! nothing that it says, and nothing that it looks at, is felt by anybody.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use doorward_gateway::{
    api_key::{ExchangeFuture, ExchangedKey, KeyExchange},
    forward_auth::{ForwardAuth, PATH, Proxy},
    rate::{Per, RateLimit},
    shadow::{Candidate, Change, Requests},
};
use doorward_policy::{
    decision::{Decision, Reason},
    overlay::{Question, Ruling, Slice},
    permission::PermissionPattern,
    role::{RoleName, RoleSpec, Roles},
    route::{Requirement, RouteSpec, RouteTable, demands::Demands},
};
use doorward_verify::{
    clock::Timestamp,
    credential::{Kind, compose},
    jose::time::UnixTime,
    revocation::{Entry, Revocation},
};

use crate::harness::{
    Client, House, Plan, Tokens, request, route,
    tokens::{FOREIGN_ISSUER, NOW},
    usual_routes,
};

fn allow(permission: &str) -> Requirement {
    Requirement::Allow(permission.parse().unwrap())
}

fn roles(named: &[(&str, &[&str])]) -> Roles {
    let pattern = |text: &&str| PermissionPattern::parse(text).unwrap();
    let spec = |(name, permissions): &(&str, &[&str])| RoleSpec {
        name: RoleName::parse(name).unwrap(),
        inherits: Vec::new(),
        permissions: permissions.iter().map(pattern).collect(),
    };
    Roles::build(named.iter().map(spec).collect()).unwrap()
}

/// Judges by `routes` beside those of `house`.
fn try_routes(house: &House, routes: RouteTable) {
    let candidate = Candidate {
        routes,
        roles: Roles::default(),
        served_roles: Roles::default(),
    };
    let now = Timestamp::from_millis(NOW * 1000);
    house.gateway.begin_shadow(candidate, now);
}

fn table(routes: Vec<RouteSpec>) -> RouteTable {
    RouteTable::build(routes).unwrap()
}

/// The usual routes, of which `changed` replaces those of the same pattern.
fn usual_but(changed: Vec<RouteSpec>) -> RouteTable {
    let is_changed = |spec: &RouteSpec| changed.iter().any(|it| it.pattern == spec.pattern);
    let usual = usual_routes().into_iter().filter(|spec| !is_changed(spec));
    table(usual.chain(changed.clone()).collect())
}

fn requests(house: &House) -> Requests {
    house.gateway.shadow().unwrap().requests
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn flips_are_counted_by_route_and_reason_and_change_nothing() {
    let mut house = House::usual();
    try_routes(
        &house,
        table(vec![
            route("GET /orders", allow("orders:list")),
            route("DELETE /orders/{id}", Requirement::Authenticated),
            route("GET /orders/{id}", allow("orders:read")),
            route("POST /orders/{id}", allow("orders:read")),
            route("GET /public", Requirement::Authenticated),
            route("GET /me", Requirement::Public),
        ]),
    );
    let ann = bearer(&house.tokens.reader());
    for (method, path, field, status) in [
        ("GET", "/orders/7", ann.as_str(), 200), // the same
        ("GET", "/orders/7", "X: y", 401),       // the same: no token
        ("GET", "/nothing", &ann, 404),          // the same
        ("DELETE", "/orders/7", &ann, 403),      // opened
        ("GET", "/me", "X: y", 401),             // opened
        ("GET", "/orders", &ann, 200),           // closed
        ("GET", "/public", "X: y", 200),         // closed: who is it
        ("GET", "/files/a%2Eb", &ann, 200),      // closed: no route
        ("POST", "/orders/7", &ann, 405),        // opened
        ("GET", "/me", &ann, 200),               // another reason
        ("GET", "/public", &ann, 200),           // another reason
    ] {
        let fields = [field, "Content-Length: 0"];
        let reply = house.raw(request(method, path, &fields));
        assert_eq!(reply.status, status, "{method} {path}");
    }
    let report = house.gateway.shadow().unwrap();
    let wanted = Requests {
        same: 3,
        opened: 3,
        closed: 3,
        other_reason: 2,
        ..Requests::default()
    };
    assert_eq!(report.requests, wanted, "{report:#?}");
    assert_eq!((report.since_ms, report.further), (NOW * 1000, 0));
    let flip = |path: &str, after: Reason| {
        let is_it = |flip: &&doorward_gateway::shadow::Flip| {
            flip.example.path == path && flip.after == after
        };
        report.flips.iter().find(is_it).unwrap()
    };
    let orders = flip("/orders", Reason::MissingPermission);
    assert_eq!(
        (orders.change, orders.before, orders.count),
        (Change::Closed, Reason::PermissionGranted, 1)
    );
    assert_eq!((orders.first_ms, orders.last_ms), (NOW * 1000, NOW * 1000));
    assert_eq!(&*orders.route.as_ref().unwrap().pattern, "GET /orders");
    let failed = orders.example.failed.as_ref().unwrap();
    assert_eq!(
        (&*failed.seen, &*failed.wanted),
        ("orders:read", "orders:list")
    );
    // A token that the served route did not look at was looked at for this.
    let public = flip("/public", Reason::Authenticated);
    assert_eq!(public.before, Reason::PublicRoute);
    // The canonical path, and the request that the record names.
    let gone = flip("/files/a.b", Reason::NoRoute);
    assert_eq!(
        (gone.before, &gone.candidate_route),
        (Reason::PublicRoute, &None)
    );
    let decisions = house.decisions_before("/me");
    let named = |decision: &Decision| decision.trace_id == orders.example.trace_id;
    assert!(!decisions.iter().any(named), "it came later");
    let mut later = std::iter::from_fn(|| Some(house.decision()));
    assert_eq!(later.find(named).unwrap().path, "/orders");
    let shown = serde_json::to_string(&report).unwrap();
    assert!(!shown.contains(ann.rsplit('.').next().unwrap()), "{shown}");

    house.gateway.end_shadow();
    assert_eq!(house.get("/orders", &[&ann]).status, 200);
    assert_eq!(house.gateway.shadow(), None);
}

#[test]
fn it_rests_when_the_served_routes_are_replaced() {
    let house = House::usual();
    try_routes(&house, table(Vec::new()));
    assert_eq!(house.get_as_reader("/orders", &[]).status, 200);
    house.routes.store(Arc::new(table(usual_routes())));
    assert_eq!(house.get_as_reader("/orders", &[]).status, 200);
    assert_eq!(requests(&house).closed, 1);
    try_routes(&house, table(usual_routes()));
    assert_eq!(house.get_as_reader("/orders", &[]).status, 200);
    assert_eq!((requests(&house).closed, requests(&house).same), (0, 1));
}

#[test]
fn tokens_are_judged_by_what_their_roles_would_give() {
    let house = House::usual();
    // Everybody here is `reader` and `clerk`.
    house.gateway.begin_shadow(
        Candidate {
            routes: table(usual_routes()),
            roles: roles(&[("reader", &["orders:list"]), ("clerk", &["orders:delete"])]),
            served_roles: roles(&[("reader", &["orders:read"]), ("clerk", &[])]),
        },
        Timestamp::from_millis(NOW * 1000),
    );
    let token = house.tokens.sign(&Tokens::claims("ann", &["orders:read"]));
    let mut narrowed = Tokens::claims("ann", &["orders:read"]);
    narrowed["roles"] = serde_json::json!([]);
    let (whole, narrowed) = (bearer(&token), bearer(&house.tokens.sign(&narrowed)));
    assert_eq!(house.get("/orders", &[&whole]).status, 200);
    let delete = request("DELETE", "/orders/7", &[&whole]);
    assert_eq!(house.raw(delete).status, 403);
    assert_eq!(house.get("/orders", &[&narrowed]).status, 200);
    let wanted = Requests {
        same: 1,
        opened: 1,
        closed: 1,
        ..Requests::default()
    };
    assert_eq!(requests(&house), wanted);
}

#[test]
fn where_audience_issuer_and_policies_count() {
    let house = House::usual();
    let mut report = route("GET /tenants/{tenant}/report", allow("orders:read"));
    report.conditions.clear();
    let mut orders = route("GET /orders", allow("orders:read"));
    orders.demands = Demands {
        audience: Some("reports".into()),
        ..Demands::default()
    };
    let mut me = route("GET /me", Requirement::Authenticated);
    me.demands = Demands {
        issuer: Some(FOREIGN_ISSUER.into()),
        ..Demands::default()
    };
    #[derive(Debug)]
    struct Forbids;
    impl Slice for Forbids {
        fn fields(&self) -> &[String] {
            &[]
        }
        fn rule(&self, _: &Question<'_>) -> Ruling {
            Ruling::Forbid("forbid `all`".into())
        }
    }
    let candidate = usual_but(vec![report, orders, me]).governed(|route| {
        (route.pattern() == "GET /health").then(|| Arc::new(Forbids) as Arc<dyn Slice>)
    });
    try_routes(&house, candidate);
    assert_eq!(
        house.get_as_reader("/tenants/south/report", &[]).status,
        403
    );
    assert_eq!(house.get_as_reader("/orders", &[]).status, 200);
    assert_eq!(house.get_as_reader("/me", &[]).status, 200);
    assert_eq!(house.get("/health", &[]).status, 200);
    let report = house.gateway.shadow().unwrap();
    let mut changes: Vec<_> = report
        .flips
        .iter()
        .map(|flip| (flip.before.code(), flip.after.code()))
        .collect();
    changes.sort_unstable();
    assert_eq!(
        changes,
        [
            ("authenticated", "wrong_issuer"),
            ("permission_granted", "wrong_audience"),
            ("public_route", "forbidden_by_policy"),
            ("wrong_tenant", "permission_granted"),
        ]
    );
}

#[derive(Debug)]
struct Panics;

impl Slice for Panics {
    fn fields(&self) -> &[String] {
        &[]
    }

    fn rule(&self, _: &Question<'_>) -> Ruling {
        panic!("a fault of the candidate, as the test wants");
    }
}

#[test]
fn a_candidate_that_panics_is_felt_by_nobody() {
    let mut house = House::usual();
    let panicking = table(usual_routes()).governed(|_| Some(Arc::new(Panics)));
    try_routes(&house, panicking);
    let mut client = house.client();
    for _ in 0..3 {
        client.write(request(
            "GET",
            "/orders",
            &[&bearer(&house.tokens.reader())],
        ));
        assert_eq!(client.reply().status, 200, "on the same connection");
        let decision = house.decision();
        assert_eq!(decision.reason, Reason::PermissionGranted);
        assert_eq!(decision.failed_check(), None);
    }
    assert_eq!(requests(&house).panicked, 3);
    assert!(house.gateway.shadow().unwrap().flips.is_empty());
}

#[test]
fn nothing_is_charged_twice_and_what_is_throttled_is_not_judged() {
    let per_subject = RateLimit {
        name: "calls".into(),
        per: Per::Subject,
        requests: 2,
        window: std::time::Duration::from_secs(3600),
    };
    let per_failure = RateLimit {
        name: "failures".into(),
        per: Per::Failure,
        requests: 2,
        ..per_subject.clone()
    };
    let house = House::start(Plan {
        config: Box::new(move |config| config.rates = vec![per_subject, per_failure]),
        ..Plan::default()
    });
    try_routes(
        &house,
        usual_but(vec![route("GET /public", Requirement::Authenticated)]),
    );
    let statuses: Vec<_> = (0..3)
        .map(|_| house.get_as_reader("/orders", &[]).status)
        .collect();
    assert_eq!(statuses, [200, 200, 429]);
    // A bad token on a public route is refused by the candidate alone, and is
    // no failure of anybody.
    let bad = bearer("a.b.c");
    for _ in 0..5 {
        assert_eq!(house.get("/public", &[&bad]).status, 200);
    }
    assert_eq!(house.get("/orders", &[&bad]).status, 401);
    assert_eq!(requests(&house).closed, 5);
}

/// A house in which every API key is the reader's, and how often one was
/// exchanged. A token is usable for an hour from the exchange.
fn house_with_keys() -> (House, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&calls);
    let tokens: Arc<std::sync::OnceLock<String>> = Arc::default();
    let given = Arc::clone(&tokens);
    let house = House::start(Plan {
        api_keys: Some(KeyExchange {
            recognises: Arc::new(|_| true),
            call: Arc::new(move |_| -> ExchangeFuture {
                seen.fetch_add(1, Ordering::SeqCst);
                let access_token = given.get().unwrap().clone();
                let usable_until = Timestamp::from_millis((NOW + 3600) * 1000);
                Box::pin(async move {
                    Ok(ExchangedKey {
                        access_token,
                        networks: Vec::new(),
                        usable_until,
                    })
                })
            }),
        }),
        ..Plan::default()
    });
    tokens.set(house.tokens.reader()).unwrap();
    (house, calls)
}

fn api_key() -> String {
    let key = compose(Kind::UserKey, "4Fq0ZtW8mJrN2bXe", &format!("{:036}", 1));
    bearer(&key)
}

#[test]
fn api_keys_are_never_exchanged_for_a_candidate() {
    let (house, calls) = house_with_keys();
    try_routes(
        &house,
        usual_but(vec![route("GET /public", allow("orders:read"))]),
    );
    let key = api_key();
    assert_eq!(house.get("/public", &[&key]).status, 200);
    assert_eq!(
        (requests(&house).unknown, calls.load(Ordering::SeqCst)),
        (1, 0)
    );
    // Once the API has it exchanged, the candidate knows whose it is.
    assert_eq!(house.get("/orders", &[&key]).status, 200);
    assert_eq!(house.get("/public", &[&key]).status, 200);
    let requests = requests(&house);
    assert_eq!(
        (requests.same, requests.other_reason, requests.unknown),
        (1, 1, 1)
    );
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[test]
fn an_exchange_that_fails_a_candidate_is_kept() {
    let (house, calls) = house_with_keys();
    let mut orders = route("GET /orders", allow("orders:read"));
    orders.demands.audience = Some("reports".into());
    let public = route("GET /public", allow("orders:read"));
    try_routes(&house, usual_but(vec![orders, public]));
    let key = api_key();
    for _ in 0..3 {
        assert_eq!(house.get("/orders", &[&key]).status, 200);
    }
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let report = house.gateway.shadow().unwrap();
    assert_eq!(report.requests.closed, 3, "{report:#?}");
    assert_eq!(report.flips[0].after, Reason::WrongAudience);
    // Revoked, it says nothing of the one that an exchange would bring.
    house.revocations.insert(Entry {
        revocation: Revocation::User {
            sub: "ann".to_owned(),
            issued_before: UnixTime::from_secs(u64::from(u32::MAX)),
        },
        expires_at: UnixTime::from_secs(NOW + 1_000),
    });
    assert_eq!(house.get("/public", &[&key]).status, 200);
    assert_eq!(requests(&house).unknown, 1);
}

#[test]
fn strangers_have_few_signatures_checked_for_a_candidate() {
    let house = House::start(Plan {
        remembers: true,
        ..Plan::default()
    });
    try_routes(
        &house,
        usual_but(vec![route("GET /public", Requirement::Authenticated)]),
    );
    // Somebody whose token was verified before, for themselves.
    let (ann, eve) = (house.tokens.reader(), house.tokens.editor());
    let known = bearer(&ann);
    assert_eq!(house.get("/orders", &[&known]).status, 200);
    let (claims, signature) = (eve.rsplit_once('.').unwrap().0, ann.rsplit('.').next());
    let forged = bearer(&format!("{claims}.{}", signature.unwrap()));
    let mut client = house.client();
    for _ in 0..103 {
        client.write(request("GET", "/public", &[&forged]));
        assert_eq!(client.reply().status, 200);
    }
    let after_the_flood = requests(&house);
    assert_eq!((after_the_flood.closed, after_the_flood.unknown), (100, 3));
    let flips = house.gateway.shadow().unwrap().flips;
    assert_eq!(flips[0].after, Reason::BadSignature);
    // What costs nothing is judged all the same, and so is who was asked.
    assert_eq!(house.get("/public", &[&known]).status, 200);
    assert_eq!(house.get("/public", &[]).status, 200);
    assert_eq!(house.get("/me", &[&forged]).status, 401);
    let wanted = Requests {
        same: after_the_flood.same + 1,
        closed: 101,
        other_reason: 1,
        ..after_the_flood
    };
    assert_eq!(requests(&house), wanted);
}

#[test]
fn a_token_of_unknown_key_is_judged_once() {
    let house = House::start(Plan {
        no_keys: true,
        ..Plan::default()
    });
    try_routes(
        &house,
        table(vec![route("GET /orders", Requirement::Public)]),
    );
    assert_eq!(house.get_as_reader("/orders", &[]).status, 401);
    assert_eq!(house.get_as_reader("/public", &[]).status, 200);
    let requests = requests(&house);
    assert_eq!((requests.opened, requests.closed), (1, 1), "{requests:?}");
}

#[test]
fn questions_of_another_proxy_are_traffic_and_ours_are_none() {
    let house = House::start(Plan {
        config: Box::new(|config| {
            config.forward_auth = Some(ForwardAuth {
                listen: "127.0.0.1:0".parse().unwrap(),
                proxy: Proxy::Nginx,
                from: vec!["127.0.0.1".parse().unwrap()],
            });
        }),
        ..Plan::default()
    });
    try_routes(&house, table(Vec::new()));
    let bearer = bearer(&house.tokens.reader());
    let mut client = Client::from("127.0.0.1", house.questions.unwrap());
    client.write(format!(
        "GET {PATH} HTTP/1.1\r\nHost: api.test\r\nX-Original-Method: GET\r\nX-Original-URI: /orders\r\nX-Forwarded-For: 192.0.2.7\r\n{bearer}\r\n\r\n"
    ));
    assert_eq!(client.reply().status, 200);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let now = Timestamp::from_millis(NOW * 1000);
    let mut headers = http::HeaderMap::new();
    headers.insert("host", "api.test".parse().unwrap());
    let explained = house.gateway.explain("GET", "/public", &headers, now);
    let explained = runtime.block_on(explained);
    assert_eq!(explained.reason, Reason::PublicRoute);
    assert_eq!(requests(&house).closed, 1);
}
