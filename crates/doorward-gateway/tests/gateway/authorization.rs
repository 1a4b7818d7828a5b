//! Who may do what, and what a refusal tells whom.

use doorward_policy::{
    decision::{Outcome, Reason, Step},
    route::{Requirement, RouteTable},
};
use doorward_verify::clock::Timestamp;
use http::HeaderMap;

use crate::harness::{House, Plan, Tokens, request, route, tokens::NOW};

#[test]
fn auz_001_without_a_token_every_protected_route_is_closed() {
    let house = House::usual();
    let calls = [
        ("GET", "/me"),
        ("GET", "/orders"),
        ("POST", "/orders"),
        ("GET", "/orders/1"),
        ("PUT", "/orders/1"),
        ("DELETE", "/orders/1"),
        ("GET", "/admin"),
        ("GET", "/tenants/north/report"),
        ("HEAD", "/orders"),
    ];
    for (method, target) in calls {
        for credential in [&[][..], &["Authorization: Bearer "], &["Authorization:"]] {
            let mut client = house.client();
            client.write(request(method, target, credential));
            let reply = client.try_reply(method == "HEAD").unwrap();
            assert_eq!(reply.status, 401, "{method} {target}");
            assert!(reply.field("www-authenticate").is_some());
            assert_eq!(reply.field("cache-control"), Some("no-store"));
        }
    }
    house.upstream.assert_untouched();
}

#[test]
fn the_main_job_401_403_200() {
    let mut house = House::usual();
    assert_eq!(house.get("/orders", &[]).status, 401);
    let stranger = house.tokens.sign(&Tokens::claims("bob", &[]));
    let bearer = format!("Authorization: Bearer {stranger}");
    let denied = house.get("/orders", &[&bearer]);
    assert_eq!(
        (denied.status, denied.reason().as_str()),
        (403, "missing_permission")
    );
    assert!(
        denied
            .field("www-authenticate")
            .unwrap()
            .contains("scope=\"orders:read\"")
    );
    assert_eq!(
        denied.field("content-type"),
        Some("application/problem+json")
    );
    house.upstream.assert_untouched();
    let allowed = house.get_as_reader("/orders", &[]);
    assert_eq!(
        (allowed.status, allowed.text()),
        (200, "GET /orders HTTP/1.1")
    );

    let told: Vec<_> = (0..3).map(|_| house.decision()).collect();
    assert_eq!(told[0].reason, Reason::NoToken);
    assert_eq!(told[1].failed_check().unwrap().step, Step::Permission);
    assert_eq!(
        (
            told[1].status,
            told[1].caller.as_ref().unwrap().subject.as_str()
        ),
        (Some(403), "bob")
    );
    assert_eq!(
        (told[2].outcome, told[2].reason),
        (Outcome::Allowed, Reason::PermissionGranted)
    );
    assert_eq!(
        told[2].route.as_ref().unwrap().pattern.as_ref(),
        "GET /orders"
    );
    assert_eq!(told[2].peer, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(
        allowed.field("x-request-id").unwrap(),
        told[2].trace_id.to_string()
    );
}

#[test]
fn auz_004_another_tenants_path_is_refused() {
    let house = House::usual();
    assert_eq!(
        house.get_as_reader("/tenants/north/report", &[]).status,
        200
    );
    for tenant in ["south", "North", "north%20", "nort%68x", "no%72th/"] {
        let reply = house.get_as_reader(&format!("/tenants/{tenant}/report"), &[]);
        assert!(
            matches!(reply.status, 400 | 403 | 404),
            "{tenant}: {}",
            reply.status
        );
    }
    assert_eq!(house.upstream.seen().len(), 1);
    // The escaped spelling of the same name is the same name, and is
    // forwarded in its canonical form.
    assert_eq!(
        house.get_as_reader("/tenants/no%72th/report", &[]).status,
        200
    );
    assert_eq!(house.upstream.seen()[1].target(), "/tenants/north/report");
}

#[test]
fn auz_010_method_override_is_ignored() {
    let house = House::usual();
    for field in [
        "X-HTTP-Method-Override: DELETE",
        "X-HTTP-Method: DELETE",
        "X-Method-Override: DELETE",
        "x_http_method_override: DELETE",
        "_method: DELETE",
    ] {
        let reply = house.get_as_reader("/orders/1?_method=DELETE", &[field]);
        assert_eq!(reply.status, 200, "{field}");
    }
    for seen in house.upstream.seen() {
        assert!(seen.line().starts_with("GET "), "{}", seen.line());
        assert!(
            seen.names()
                .iter()
                .all(|name| name == "_method" || !name.contains("method"))
        );
    }
}

#[test]
fn auz_011_odd_methods() {
    let house = House::usual();
    for method in [
        "TRACE", "TRACK", "get", "Get", "GETX", "DEBUG", "PATCH", "CONNECT", "_",
    ] {
        let bearer = format!("Authorization: Bearer {}", house.tokens.editor());
        let reply = house.raw(request(method, "/orders", &[&bearer]));
        assert_eq!(reply.status, 405, "{method}");
    }
    house.upstream.assert_untouched();
    let not_allowed = house.raw(request("DELETE", "/orders", &[]));
    assert_eq!(not_allowed.status, 405);
    let allow = not_allowed.field("allow").unwrap();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    house.upstream.assert_untouched();
}

#[test]
fn auz_011_head_follows_get() {
    let house = House::usual();
    let mut client = house.client();
    client.write(request("HEAD", "/orders", &[]));
    assert_eq!(client.reply_to_head().status, 401);
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    let mut client = house.client();
    client.write(request("HEAD", "/orders", &[&bearer]));
    let reply = client.reply_to_head();
    assert_eq!(
        (reply.status, reply.field("content-length")),
        (200, Some("21"))
    );
    client.write(request("GET", "/orders", &[&bearer]));
    assert_eq!(client.reply().text(), "GET /orders HTTP/1.1");
}

#[test]
fn auz_013_without_routes_everything_is_closed() {
    let house = House::start(Plan {
        routes: Vec::new(),
        ..Plan::default()
    });
    for target in ["/", "/health", "/orders", "/admin", "/metrics"] {
        let reply = house.get_as_reader(target, &[]);
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (404, "no_route"),
            "{target}"
        );
    }
    house.upstream.assert_untouched();
}

#[test]
fn auz_013_new_routes_hold_from_the_next_request() {
    let house = House::usual();
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    assert_eq!(client.reply().status, 200);
    let closed = RouteTable::build(vec![route("GET /health", Requirement::Authenticated)]).unwrap();
    house.routes.store(closed.into());
    client.write(request("GET", "/health", &[]));
    assert_eq!(client.reply().status, 401);
    house.routes.store(RouteTable::default().into());
    client.write(request("GET", "/health", &[]));
    assert_eq!(client.reply().status, 404);
}

#[test]
fn gwy_017_no_header_and_no_method_is_an_exemption() {
    let house = House::usual();
    for fields in [
        &["User-Agent: kube-probe/1.30"][..],
        &["User-Agent: GoogleHC/1.0"],
        &["User-Agent: ELB-HealthChecker/2.0"],
        &["X-Health-Check: 1"],
        &["Origin: http://a.test"],
        &[
            "Origin: http://a.test",
            "Access-Control-Request-Method: GET",
        ],
    ] {
        assert_eq!(house.get("/orders", fields).status, 401, "{fields:?}");
        let reply = house.raw(request("OPTIONS", "/orders", fields));
        assert_eq!(reply.status, 405, "{fields:?}");
    }
    house.upstream.assert_untouched();
}

#[test]
fn gwy_031_inner_endpoints_are_not_on_the_public_port() {
    let house = House::usual();
    for target in [
        "/metrics",
        "/debug",
        "/debug/pprof",
        "/api/users",
        "/api/decisions",
        "/healthz",
        "/readyz",
        "/console",
        "/server-status",
        "/actuator/env",
        "/.well-known/x",
    ] {
        assert_eq!(house.get_as_reader(target, &[]).status, 404, "{target}");
    }
    house.upstream.assert_untouched();
}

#[test]
fn explain_says_what_serving_did() {
    let mut house = House::usual();
    let expired = {
        let mut claims = Tokens::claims("ann", &["orders:read"]);
        claims["exp"] = (NOW - 600).into();
        house.tokens.sign(&claims)
    };
    let credentials = [
        None,
        Some(house.tokens.reader()),
        Some(house.tokens.editor()),
        Some(expired),
        Some("a.b.c".to_owned()),
    ];
    let targets = [
        ("GET", "/orders"),
        ("DELETE", "/orders/7"),
        ("GET", "/nothing"),
        ("PUT", "/orders"),
        ("GET", "/files/%2e%2e/x"),
        ("GET", "/health?x"),
        ("TRACE", "/health"),
        ("GET", "/tenants/south/report"),
    ];
    for credential in &credentials {
        for (method, target) in targets {
            let mut fields = HeaderMap::new();
            fields.insert("host", "api.test".parse().unwrap());
            let bearer = credential.as_ref().map(|token| format!("Bearer {token}"));
            if let Some(bearer) = &bearer {
                fields.insert("authorization", bearer.parse().unwrap());
            }
            let now = Timestamp::from_millis(NOW * 1000);
            let explained = block_on(house.gateway.explain(method, target, &fields, now));
            let line = bearer.map(|bearer| format!("Authorization: {bearer}"));
            house.raw(request(method, target, line.as_deref().as_slice()));
            let served = house.decision();
            assert_eq!(explained.reason, served.reason, "{method} {target}");
            assert_eq!(explained.outcome, served.outcome, "{method} {target}");
            assert_eq!(explained.checks, served.checks, "{method} {target}");
            assert_eq!(explained.path, served.path, "{method} {target}");
            assert_eq!(explained.status, None);
        }
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(future)
}
