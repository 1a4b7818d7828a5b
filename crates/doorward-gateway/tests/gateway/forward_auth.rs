//! Questions of other proxies, as bytes: what is believed, and what is not.

use doorward_gateway::{
    forward_auth::{ForwardAuth, PATH, Proxy},
    identity::IdentityHeader,
    rate::{Per, RateLimit},
};

use crate::harness::{Client, House, Plan, Reply};

fn house(proxy: Proxy) -> House {
    house_with(proxy, |_| {})
}

fn house_with(proxy: Proxy, more: impl FnOnce(&mut doorward_gateway::Config) + 'static) -> House {
    House::start(Plan {
        config: Box::new(move |config| {
            config.forward_auth = Some(ForwardAuth {
                listen: "127.0.0.1:0".parse().unwrap(),
                proxy,
                from: vec!["127.0.0.1".parse().unwrap()],
            });
            more(config);
        }),
        ..Plan::default()
    })
}

const FROM: &str = "X-Forwarded-For: 192.0.2.7";

fn ask(house: &House, line: &str, fields: &[&str]) -> Reply {
    ask_from("127.0.0.1", house, line, fields)
}

fn ask_from(source: &str, house: &House, line: &str, fields: &[&str]) -> Reply {
    let mut client = Client::from(source, house.questions.unwrap());
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    client.write(format!("{line} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n"));
    client.reply()
}

/// As nginx asks, with a token of one who may read orders.
fn nginx(house: &House, method: &str, target: &str) -> Reply {
    let (method, target) = (
        format!("X-Original-Method: {method}"),
        format!("X-Original-URI: {target}"),
    );
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    ask(
        house,
        &format!("GET {PATH}"),
        &[&method, &target, &bearer, FROM],
    )
}

#[test]
fn every_kind_of_proxy_is_answered_in_its_own_way() {
    for (name, proxy) in Proxy::ALL {
        let mut house = house(proxy);
        let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
        let question = |method: &str, target: &str, more: &[&str]| {
            let mut fields: Vec<String> = more.iter().map(ToString::to_string).collect();
            fields.push(FROM.to_owned());
            let mut line = format!("GET {PATH}");
            match proxy {
                Proxy::Nginx | Proxy::Haproxy => {
                    fields.push(format!("X-Original-Method: {method}"));
                    fields.push(format!("X-Original-URI: {target}"));
                }
                Proxy::Traefik | Proxy::Caddy => {
                    fields.push(format!("X-Forwarded-Method: {method}"));
                    fields.push(format!("X-Forwarded-Uri: {target}"));
                    fields.push("X-Forwarded-Host: shop.test".to_owned());
                }
                Proxy::Envoy => line = format!("{method} {PATH}{target}"),
            }
            (line, fields)
        };
        let put = |(line, fields): (String, Vec<String>)| {
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            ask(&house, &line, &fields)
        };
        let good = put(question("GET", "/orders/7?x=/admin", &[&bearer]));
        assert_eq!(good.status, 200, "{name}: {}", good.head);
        assert_eq!(good.field("x-doorward-subject"), Some("ann"), "{name}");
        assert_eq!(good.field("cache-control"), Some("no-store"));
        assert!(good.field("x-request-id").is_some());
        assert!(good.body.is_empty());
        let none = put(question("GET", "/orders/7", &[]));
        assert_eq!(none.status, 401, "{name}");
        assert_eq!(none.field("www-authenticate"), Some("Bearer"), "{name}");
        let forbidden = put(question("DELETE", "/orders/7", &[&bearer]));
        assert_eq!(forbidden.status, 403, "{name}");
        let challenge = forbidden.field("www-authenticate").unwrap();
        assert!(challenge.contains("insufficient_scope"), "{challenge}");
        assert_eq!(forbidden.reason(), "missing_permission");
        let closed = put(question("GET", "/nowhere", &[&bearer]));
        let wanted = if proxy == Proxy::Nginx { 403 } else { 404 };
        assert_eq!(closed.status, wanted, "{name}");
        let public = put(question("GET", "/public", &[&bearer]));
        assert_eq!(public.status, 200, "{name}");
        // Caddy makes something of its own of a header that is not there.
        let nobody = (proxy == Proxy::Caddy).then_some("");
        assert_eq!(public.field("x-doorward-subject"), nobody, "{name}");
        house.upstream.assert_untouched();
        let decision = house.decision();
        assert_eq!(decision.path, "/orders/7");
        assert_eq!(decision.peer, Some("192.0.2.7".parse().unwrap()));
        let asked = format!("asked by {name} at 127.0.0.1");
        assert!(
            decision
                .checks
                .iter()
                .any(|check| check.seen == asked.as_str())
        );
    }
}

#[test]
fn a_proxy_that_asks_is_told_no_more_than_the_api() {
    let house = house_with(Proxy::Nginx, |config| {
        config.identity_headers = [IdentityHeader::Tenant].into_iter().collect();
    });
    let yes = nginx(&house, "GET", "/orders");
    assert_eq!(yes.status, 200);
    assert_eq!(yes.field("x-doorward-tenant"), Some("north"));
    for untold in [
        "x-doorward-subject",
        "x-doorward-roles",
        "x-doorward-session",
    ] {
        assert_eq!(yes.field(untold), None, "{untold}");
    }
}

#[test]
fn gwy_015_questions_are_believed_from_named_proxies_only() {
    let mut house = house(Proxy::Nginx);
    let fields = ["X-Original-Method: GET", "X-Original-URI: /public", FROM];
    let reply = ask_from("127.0.0.2", &house, &format!("GET {PATH}"), &fields);
    assert_eq!(reply.status, 403);
    assert_eq!(reply.reason(), "untrusted_proxy");
    assert_eq!(house.decision().reason.code(), "untrusted_proxy");
    // And where callers are, no question is answered at all.
    assert_eq!(house.get(PATH, &fields).status, 404);
    assert_eq!(
        house.get("/orders", &fields).status,
        401,
        "the fields mean nothing there"
    );
    house.upstream.assert_untouched();
}

#[test]
fn what_is_missing_there_twice_or_said_otherwise_is_denied() {
    let house = house(Proxy::Nginx);
    let (method, target) = ("X-Original-Method: GET", "X-Original-URI: /public");
    let good = [method, target, FROM];
    assert_eq!(ask(&house, &format!("GET {PATH}"), &good).status, 200);
    let bad: [&[&str]; 16] = [
        &[],
        &[target, FROM],
        &[method, FROM],
        &[method, target],
        &[method, target, "X-Forwarded-For: unknown"],
        &[method, "X-Original-URI: ", FROM],
        &[method, "X-Original-URI: http://api.test/public", FROM],
        &[method, "X-Original-URI: public", FROM],
        &[method, "X-Original-URI: /pub lic", FROM],
        &["X-Original-Method: GET /public", target, FROM],
        &[method, target, FROM, target],
        &[method, target, FROM, "X-Original-URI: /orders"],
        &[method, target, FROM, "X-Original-Method: DELETE"],
        &[method, target, FROM, "X-Forwarded-Uri: /orders"],
        &[method, target, FROM, "X-Rewrite-URL: /orders"],
        &[method, target, FROM, "X-Forwarded-Method: DELETE"],
    ];
    for fields in bad {
        let reply = ask(&house, &format!("GET {PATH}"), fields);
        assert_eq!(reply.status, 403, "{fields:?}");
        assert_eq!(reply.reason(), "bad_request", "{fields:?}");
    }
    for line in [
        "GET /",
        "GET /forward-auth/",
        "GET /public",
        "GET /auth/sign-in",
    ] {
        let reply = ask(&house, line, &good);
        assert_eq!(reply.reason(), "no_route", "{line}");
    }
}

/// The proxy would forward them: Caddy and Traefik show all that they have.
#[test]
fn gwy_012_a_question_that_shows_a_forged_field_is_denied() {
    let house = house(Proxy::Caddy);
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    for target in ["/public", "/orders/7"] {
        let target = format!("X-Forwarded-Uri: {target}");
        let question = |more: &[&str]| {
            let method = "X-Forwarded-Method: GET";
            let host = "X-Forwarded-Host: api.test";
            let told = [method, &target, host, FROM, &bearer];
            ask(&house, &format!("GET {PATH}"), &[&told, more].concat())
        };
        let honest = [
            "X-Forwarded-Proto: https",
            "X-Real-Ip: 192.0.2.7",
            "Via: 1.1 caddy",
            "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "X-HTTP-Method-Override: GET",
        ];
        assert_eq!(question(&honest).status, 200, "{target}");
        for forged in [
            "X-Doorward-Subject: root",
            "X-Doorward_Subject: root",
            "X_Doorward-Roles: admin",
            "X_Doorward_Roles: admin",
            "X.Doorward.Roles: admin",
            "X-User-Id: root",
            "Remote_User: root",
            "X-HTTP-Method-Override: DELETE",
            "X_HTTP-Method_Override: DELETE",
            "X-HTTP-Method: DELETE",
            "X-Method-Override: DELETE",
            "X-HTTP-Path-Override: /admin",
            "X_Rewrite-URL: /admin",
            "X_Original_URL: /admin",
        ] {
            let reply = question(&[forged]);
            assert_eq!(reply.reason(), "bad_request", "{target}, {forged}");
        }
    }
}

#[test]
fn fields_of_another_kind_of_proxy_count_for_nothing() {
    let house = house(Proxy::Traefik);
    let fields = ["X-Original-Method: GET", "X-Original-URI: /public", FROM];
    assert_eq!(ask(&house, &format!("GET {PATH}"), &fields).status, 400);
    let reply = ask(&house, &format!("GET {PATH}/public"), &[FROM]);
    assert_eq!(reply.reason(), "no_route", "nor does Envoy's way of asking");
}

#[test]
fn gwy_008_only_a_canonical_path_goes_on_because_it_is_not_rewritten_here() {
    let house = house(Proxy::Nginx);
    assert_eq!(nginx(&house, "GET", "/orders/7").status, 200);
    for target in [
        "/%6frders/7",
        "/orders/%37",
        "/files/%c3%a9",
        "//orders/7",
        "/orders//7",
        "/public/../orders/7",
        "/orders/7/..",
        "/orders/7%2f",
        "/orders/7;x=1",
        "/orders/%2e%2e/admin",
        "/orders/7%00",
        "/orders\\7",
        "/orders/7#x",
        "/orders/7.",
    ] {
        let reply = nginx(&house, "GET", target);
        assert_eq!(reply.status, 403, "{target}: {}", reply.head);
    }
    assert_eq!(nginx(&house, "GET", "/files/%C3%A9").status, 200);
}

#[test]
fn a_path_of_doorward_itself_is_no_path_of_the_api() {
    let house = house(Proxy::Nginx);
    let reply = nginx(&house, "POST", "/auth/sign-in");
    assert_eq!((reply.status, reply.reason().as_str()), (403, "no_route"));
    assert!(
        !house
            .slow
            .is_asked
            .load(std::sync::atomic::Ordering::SeqCst)
    );
}

#[test]
fn limits_count_requests_and_questions_together() {
    let house = house_with(Proxy::Traefik, |config| {
        config.rates = vec![RateLimit {
            name: "calls".into(),
            per: Per::Subject,
            requests: 2,
            window: std::time::Duration::from_secs(3600),
        }];
    });
    let bearer = format!("Authorization: Bearer {}", house.tokens.reader());
    let question = || {
        let fields = [
            "X-Forwarded-Method: GET",
            "X-Forwarded-Uri: /orders",
            "X-Forwarded-Host: api.test",
            FROM,
            &bearer,
        ];
        ask(&house, &format!("GET {PATH}"), &fields)
    };
    assert_eq!(house.get("/orders", &[&bearer]).status, 200);
    assert_eq!(question().status, 200);
    let reply = question();
    assert_eq!(reply.status, 429);
    assert!(reply.field("retry-after").is_some());
}

#[test]
fn without_an_upstream_nothing_is_forwarded() {
    let house = house_with(Proxy::Nginx, |config| config.forwards = false);
    assert_eq!(nginx(&house, "GET", "/orders").status, 200);
    assert_eq!(house.get("/public", &[]).status, 404);
    assert_eq!(house.get_as_reader("/orders", &[]).status, 404);
    house.upstream.assert_untouched();
}
