//! Internal tokens: made for one API, kept while they are good, and never
//! replaced by the caller's own. Who makes them here is a desk of the tests.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use doorward_gateway::{
    forward_auth::{ForwardAuth, PATH, Proxy},
    internal_token::{InternalToken, InternalTokens, NoInternalToken},
    shadow::Candidate,
};
use doorward_policy::{
    decision::Reason,
    permission::Permission,
    role::Roles,
    route::{Requirement, RouteSpec, RouteTable, demands::Demands},
};
use doorward_verify::{
    clock::Timestamp,
    jose::time::UnixTime,
    revocation::{Entry, Revocation},
};

use serde_json::json;

use crate::harness::{
    Client, House, Plan, Tokens, request, route,
    tokens::{FOREIGN_ISSUER, NOW},
};

/// What the issuer behind the seam does.
#[derive(Default)]
struct Desk {
    calls: AtomicUsize,
    /// Seconds that its tokens live; 0 for an issuer that is gone.
    lifetime: AtomicU64,
    generation: Arc<AtomicU64>,
}

impl Desk {
    fn lives(seconds: u64) -> Arc<Self> {
        let desk = Self::default();
        desk.lifetime.store(seconds, Ordering::SeqCst);
        Arc::new(desk)
    }

    fn house(self: &Arc<Self>) -> House {
        House::start(self.plan())
    }

    fn plan(self: &Arc<Self>) -> Plan {
        let desk = Arc::clone(self);
        Plan {
            routes: vec![
                internal("GET /orders", "orders-internal"),
                internal("GET /carts", "carts-internal"),
                RouteSpec {
                    requirement: Requirement::Public,
                    ..internal("GET /open", "orders-internal")
                },
                route("GET /plain", Requirement::Authenticated),
            ],
            internal_tokens: Some(InternalTokens {
                generation: Arc::clone(&self.generation),
                make: Arc::new(move |caller, audience, now| {
                    let number = desk.calls.fetch_add(1, Ordering::SeqCst);
                    let lifetime = desk.lifetime.load(Ordering::SeqCst);
                    if lifetime == 0 {
                        return Err(NoInternalToken {
                            reason: Reason::InternalTokenUnavailable,
                            seen: "the key is lost".to_owned(),
                        });
                    }
                    let (subject, token) = (caller.subject(), caller.token_id());
                    Ok(InternalToken {
                        access_token: format!("{subject}.{token}.{audience}.{number}"),
                        expires_at: Timestamp::from_millis(now.millis() + lifetime * 1000),
                    })
                }),
            }),
            remembers: true,
            ..Plan::default()
        }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn internal(pattern: &str, audience: &str) -> RouteSpec {
    let permission = Permission::parse("orders:read").unwrap();
    RouteSpec {
        demands: Demands {
            internal_audience: Some(audience.to_owned()),
            ..Demands::default()
        },
        ..route(pattern, Requirement::Allow(permission))
    }
}

fn bearer(house: &House, subject: &str) -> String {
    let token = house
        .tokens
        .sign(&Tokens::claims(subject, &["orders:read"]));
    format!("Authorization: Bearer {token}")
}

/// `Authorization` of the last request that the upstream saw.
fn handed_on(house: &House) -> String {
    let head = house.upstream.seen().pop().unwrap().head.to_lowercase();
    let mut fields = head
        .lines()
        .filter_map(|line| line.strip_prefix("authorization: "));
    let field = fields.next().unwrap_or_default().to_owned();
    assert!(fields.next().is_none(), "two fields");
    field
}

#[test]
fn the_upstream_gets_a_token_for_itself_and_nobody_elses() {
    let desk = Desk::lives(60);
    let house = desk.house();
    let (ann, eve) = (bearer(&house, "ann"), bearer(&house, "eve"));
    let ask = |target: &str, caller: &str| {
        assert_eq!(house.raw(request("GET", target, &[caller])).status, 200);
        handed_on(&house)
    };
    assert_eq!(ask("/orders", &ann), "bearer ann.jti-ann.orders-internal.0");
    // Kept for this caller and this upstream, and for no other.
    assert_eq!(ask("/orders", &ann), "bearer ann.jti-ann.orders-internal.0");
    assert_eq!(ask("/carts", &ann), "bearer ann.jti-ann.carts-internal.1");
    assert_eq!(ask("/orders", &eve), "bearer eve.jti-eve.orders-internal.2");
    assert_eq!(desk.calls(), 3);
    // A route without one hands on no token at all, as ever.
    assert_eq!(ask("/plain", &ann), "");
    assert_eq!(desk.calls(), 3);
}

#[test]
fn nobody_is_vouched_for_on_a_public_route() {
    let desk = Desk::lives(60);
    let house = desk.house();
    let ann = bearer(&house, "ann");
    assert_eq!(house.raw(request("GET", "/open", &[&ann])).status, 200);
    assert_eq!(handed_on(&house), "");
    assert_eq!(desk.calls(), 0);
}

#[test]
fn what_was_made_before_a_change_is_not_handed_on() {
    let desk = Desk::lives(60);
    let house = desk.house();
    let ann = bearer(&house, "ann");
    for number in 0..3 {
        assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 200);
        let wanted = format!("bearer ann.jti-ann.orders-internal.{number}");
        assert_eq!(handed_on(&house), wanted);
        desk.generation.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn another_proxy_gets_it_to_hand_on() {
    let desk = Desk::lives(60);
    let house = House::start(Plan {
        config: Box::new(|config| {
            config.forward_auth = Some(ForwardAuth {
                listen: "127.0.0.1:0".parse().unwrap(),
                proxy: Proxy::Nginx,
                from: vec!["127.0.0.1".parse().unwrap()],
            });
        }),
        ..desk.plan()
    });
    let ann = bearer(&house, "ann");
    let ask = |target: &str| {
        let fields = [
            "X-Original-Method: GET",
            &format!("X-Original-URI: {target}"),
            "X-Forwarded-For: 192.0.2.7",
            &ann,
        ];
        let mut client = Client::to(house.questions.unwrap());
        client.write(request("GET", PATH, &fields));
        client.reply()
    };
    let answer = ask("/orders");
    assert_eq!(answer.status, 200, "{}", answer.head);
    let wanted = "Bearer ann.jti-ann.orders-internal.0";
    assert_eq!(answer.field("authorization"), Some(wanted));
    assert_eq!(ask("/plain").field("authorization"), None);
}

#[test]
fn a_token_that_is_about_to_end_is_used_once() {
    let desk = Desk::lives(10);
    let house = desk.house();
    let ann = bearer(&house, "ann");
    for number in 0..3 {
        assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 200);
        let wanted = format!("bearer ann.jti-ann.orders-internal.{number}");
        assert_eq!(handed_on(&house), wanted);
    }
}

#[test]
fn without_an_internal_token_nothing_is_handed_on() {
    let desk = Desk::lives(60);
    let mut house = desk.house();
    let (ann, eve) = (bearer(&house, "ann"), bearer(&house, "eve"));
    assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 200);
    desk.lifetime.store(0, Ordering::SeqCst);
    // What is kept goes on.
    assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 200);
    let seen = house.upstream.seen().len();
    let answer = house.raw(request("GET", "/orders", &[&eve]));
    assert_eq!(answer.status, 503);
    let text = answer.text();
    assert!(text.contains("internal_token_unavailable"), "{text}");
    assert_eq!(house.upstream.seen().len(), seen, "the upstream was asked");
    house.get("/no-such-route", &[]);
    let last = house.decisions_before("/no-such-route").pop().unwrap();
    assert_eq!(last.reason, Reason::InternalTokenUnavailable);
}

#[test]
fn a_gateway_without_an_issuer_hands_on_nothing() {
    let house = House::start(Plan {
        routes: vec![internal("GET /orders", "orders-internal")],
        ..Plan::default()
    });
    let ann = bearer(&house, "ann");
    assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 503);
    assert!(house.upstream.seen().is_empty());
}

#[test]
fn rev_001_what_is_kept_for_a_revoked_caller_is_not_used() {
    let desk = Desk::lives(60);
    let house = desk.house();
    let ann = bearer(&house, "ann");
    assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 200);
    house.revocations.insert(Entry {
        revocation: Revocation::Token {
            jti: "jti-ann".to_owned(),
        },
        expires_at: UnixTime::from_secs(NOW + 600),
    });
    let seen = house.upstream.seen().len();
    assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 401);
    assert_eq!(house.upstream.seen().len(), seen);
    assert_eq!(desk.calls(), 1);
}

#[test]
fn nobody_is_vouched_for_whose_token_has_ended_or_is_anothers() {
    let desk = Desk::lives(60);
    let theirs = Tokens::new();
    let house = House::start(Plan {
        more_issuers: vec![theirs.foreign()],
        ..desk.plan()
    });
    // Let in for the leeway of clocks, and for another issuer's word.
    let mut late = Tokens::claims("ann", &["orders:read"]);
    late["exp"] = json!(NOW);
    let mut foreign = Tokens::claims("ann", &["orders:read"]);
    foreign["iss"] = json!(FOREIGN_ISSUER);
    for (token, status, reason) in [
        (house.tokens.sign(&late), 401, "token_expired"),
        // Proven and permitted: no failed authentication.
        (theirs.sign(&foreign), 403, "foreign_caller"),
    ] {
        let bearer = format!("Authorization: Bearer {token}");
        assert_eq!(house.raw(request("GET", "/plain", &[&bearer])).status, 200);
        let refused = house.raw(request("GET", "/orders", &[&bearer]));
        assert_eq!(refused.status, status, "{reason}: {}", refused.head);
        assert!(refused.text().contains(reason), "{}", refused.text());
    }
    assert_eq!(desk.calls(), 0);
}

#[test]
fn a_candidate_says_for_whom_there_would_be_no_token() {
    let desk = Desk::lives(60);
    let theirs = Tokens::new();
    let house = House::start(Plan {
        more_issuers: vec![theirs.foreign()],
        ..desk.plan()
    });
    let routes = vec![
        internal("GET /orders", "orders-internal"),
        RouteSpec {
            requirement: Requirement::Authenticated,
            ..internal("GET /plain", "plain-internal")
        },
    ];
    let candidate = Candidate {
        routes: RouteTable::build(routes).unwrap(),
        roles: Roles::default(),
        served_roles: Roles::default(),
    };
    let now = Timestamp::from_millis(NOW * 1000);
    house.gateway.begin_shadow(candidate, now);
    let mut foreign = Tokens::claims("ann", &["orders:read"]);
    foreign["iss"] = json!(FOREIGN_ISSUER);
    let bearer = format!("Authorization: Bearer {}", theirs.sign(&foreign));
    assert_eq!(house.raw(request("GET", "/plain", &[&bearer])).status, 200);
    assert_eq!(house.raw(request("GET", "/orders", &[&bearer])).status, 403);
    let report = house.gateway.shadow().unwrap();
    assert_eq!((report.requests.closed, report.requests.same), (1, 1));
    assert_eq!(report.flips[0].after, Reason::ForeignCaller);
    assert_eq!(desk.calls(), 0);
    // What fails for want of a key changes with no configuration.
    desk.lifetime.store(0, Ordering::SeqCst);
    let ann = self::bearer(&house, "ann");
    assert_eq!(house.raw(request("GET", "/orders", &[&ann])).status, 503);
    let requests = house.gateway.shadow().unwrap().requests;
    assert_eq!((requests.opened, requests.unknown), (0, 1));
}

#[test]
fn a_caller_without_the_permission_costs_no_token() {
    let desk = Desk::lives(60);
    let house = desk.house();
    let token = house.tokens.sign(&Tokens::claims("bob", &["carts:read"]));
    let bob = format!("Authorization: Bearer {token}");
    assert_eq!(house.raw(request("GET", "/orders", &[&bob])).status, 403);
    assert_eq!(house.raw(request("GET", "/orders", &[])).status, 401);
    assert_eq!(desk.calls(), 0);
}
