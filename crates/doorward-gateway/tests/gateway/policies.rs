//! Policies in front of real requests: asked each time, and never half there.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use doorward_gateway::forward_auth::{ForwardAuth, PATH, Proxy};
use doorward_policy::{
    cedar::{Policies, Source, Vocabulary},
    decision::{Reason, Step},
    route::RouteTable,
};

use crate::harness::{Client, House, Plan, Tokens, request, usual_routes};

/// The orders API under `text`.
fn governed(text: &str) -> Arc<RouteTable> {
    let source = Source {
        file: "orders.cedar".into(),
        text: text.to_owned(),
    };
    let vocabulary = Vocabulary {
        fields: vec!["x-device".to_owned()],
        ..Vocabulary::default()
    };
    let routes = RouteTable::build(usual_routes()).unwrap();
    let policies = Policies::parse(&[source]).unwrap();
    policies.govern(routes, &vocabulary).unwrap().into()
}

fn house(text: &str) -> House {
    let house = House::usual();
    house.routes.store(governed(text));
    house
}

#[test]
fn a_token_that_was_seen_before_is_asked_again_each_time() {
    let mut house = house(
        "@id(\"seven\") forbid (principal, action == Action::\"orders:read\", resource) when { resource has id && resource.id == \"7\" };",
    );
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    let status = |house: &House, path: &str| house.get(path, &[&bearer]).status;
    for _ in 0..3 {
        assert_eq!(status(&house, "/orders/6"), 200);
        assert_eq!(status(&house, "/orders/7"), 403);
        assert_eq!(status(&house, "/orders"), 200);
    }
    let decisions = house.decisions_before("/orders/7");
    assert!(
        decisions
            .iter()
            .all(|it| it.reason == Reason::PermissionGranted)
    );
    let refused = house.get("/orders/7", &[&bearer]);
    assert_eq!(refused.reason(), "forbidden_by_policy");
    assert_eq!(
        refused.field("www-authenticate"),
        None,
        "no scope would help"
    );
    assert!(
        !refused.text().contains("seven"),
        "which policy it was is the operator's"
    );
    house.routes.store(governed(
        "permit (principal, action == Action::\"orders:delete\", resource);",
    ));
    assert_eq!(status(&house, "/orders/7"), 200, "from the next request on");
}

#[test]
fn what_was_seen_stands_in_the_record() {
    let mut house = house(
        "@id(\"own\") permit (principal is User, action == Action::\"orders:delete\", resource) when { resource.id == principal.sub && context.address.isLoopback() };",
    );
    let ann = house.tokens.sign(&Tokens::claims("ann", &[]));
    let bearer = format!("Authorization: Bearer {ann}");
    assert_eq!(
        house
            .raw(request("DELETE", "/orders/ann", &[&bearer]))
            .status,
        200
    );
    let decision = house.decision();
    assert_eq!(decision.reason, Reason::PermittedByPolicy);
    let check = decision
        .checks
        .iter()
        .find(|check| check.step == Step::Policy);
    assert_eq!(
        check.unwrap().seen,
        "permit `own` (orders.cedar:1): principal.sub is \"ann\", resource.id is \"ann\", context.address is 127.0.0.1"
    );
    assert_eq!(
        house
            .raw(request("DELETE", "/orders/bob", &[&bearer]))
            .status,
        403
    );
}

#[test]
fn only_named_headers_are_seen_and_several_are_one() {
    let house = house(
        "forbid (principal, action == Action::\"orders:read\", resource) unless { context.headers has \"x-device\" && context.headers[\"x-device\"] == \"a, b\" };",
    );
    assert_eq!(
        house
            .get_as_reader("/orders", &["X-Device: a", "x-device: b"])
            .status,
        200
    );
    for fields in [&[][..], &["X-Device: a"], &["X_Device: a, b"]] {
        assert_eq!(
            house.get_as_reader("/orders", fields).status,
            403,
            "{fields:?}"
        );
    }
}

#[test]
fn a_public_route_is_no_way_round_a_forbid() {
    let house = house(
        "forbid (principal, action == Action::\"GET /health\", resource) when { context.address.isLoopback() };",
    );
    assert_eq!(house.get("/health", &[]).status, 403);
    assert_eq!(house.get_as_reader("/health", &[]).status, 403);
    assert_eq!(house.get("/public", &[]).status, 200);
}

#[test]
fn auz_014_no_request_sees_routes_without_their_policies() {
    let house = house("forbid (principal, action == Action::\"orders:read\", resource);");
    let others = governed("forbid (principal, action in Action::\"orders:*\", resource);");
    let (routes, is_over) = (Arc::clone(&house.routes), Arc::new(AtomicBool::new(false)));
    let over = Arc::clone(&is_over);
    let swapping = std::thread::spawn(move || {
        let mut swaps = 0;
        let mut spare = others;
        while !over.load(Ordering::Relaxed) || swaps < 1000 {
            spare = routes.swap(spare);
            swaps += 1;
        }
        swaps
    });
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    let mut client = house.client();
    for _ in 0..200 {
        client.write(request("GET", "/orders", &[&bearer]));
        assert_eq!(client.reply().status, 403);
    }
    is_over.store(true, Ordering::Relaxed);
    assert!(swapping.join().unwrap() >= 1000);
    house.upstream.assert_untouched();
}

#[test]
fn another_proxy_is_told_what_the_policies_say() {
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
    house.routes.store(governed(
        "forbid (principal, action == Action::\"orders:read\", resource) unless { context.address == ip(\"192.0.2.7\") };",
    ));
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    let ask = |from: &str| {
        let mut client = Client::from("127.0.0.1", house.questions.unwrap());
        client.write(format!(
            "GET {PATH} HTTP/1.1\r\nHost: api.test\r\nX-Original-Method: GET\r\nX-Original-URI: /orders\r\nX-Forwarded-For: {from}\r\n{bearer}\r\n\r\n"
        ));
        client.reply().status
    };
    assert_eq!(ask("192.0.2.7"), 200);
    assert_eq!(ask("192.0.2.8"), 403);
}
