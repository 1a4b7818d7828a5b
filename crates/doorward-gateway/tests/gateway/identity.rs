//! What the API hears about its caller comes from the token and the socket,
//! and from nobody else.

use doorward_gateway::identity::IdentityHeader;

use crate::harness::{House, Plan, Tokens, tokens::FOREIGN_ISSUER};

#[test]
fn gwy_012_identity_headers_of_the_caller_are_replaced() {
    let house = House::usual();
    let forged = [
        "X-Doorward-Subject: root",
        "x-doorward-subject: root",
        "X_Doorward_Subject: root",
        "X-DOORWARD-ROLES: admin",
        "x.doorward.roles: admin",
        "X-User-Id: root",
        "x_user_id: root",
        "X-Remote-User: root",
        "Remote-User: root",
        "X-Auth-Request-Email: root",
        "X-Forwarded-User: root",
        "X_FORWARDED_EMAIL: root",
        "X-Forwarded-Groups: root",
        "X-Forwarded-Preferred-Username: root",
        "X-WebAuth-User: root",
        "X-Authenticated-Userid: root",
        "X-Doorward-Tenant:  south  ",
        "X-Doorward-Unknown: root",
        "X-Doorward-Subject: two",
    ];
    assert_eq!(house.get_as_reader("/orders", &forged).status, 200);
    let seen = house.upstream.only();
    assert_eq!(seen.field("x-doorward-subject"), Some("ann"));
    assert_eq!(seen.field("x-doorward-tenant"), Some("north"));
    assert_eq!(seen.field("x-doorward-roles"), Some("reader,clerk"));
    assert_eq!(seen.field("x-doorward-session"), Some("s-1"));
    assert!(
        !seen.head.contains("root") && !seen.head.contains("south"),
        "{}",
        seen.head
    );
    let subjects = seen
        .names()
        .iter()
        .filter(|name| name.contains("subject"))
        .count();
    assert_eq!(subjects, 1, "{}", seen.head);
}

#[test]
fn gwy_012_what_the_api_is_not_told_callers_cannot_say_either() {
    let told = [IdentityHeader::Subject, IdentityHeader::Tenant];
    let house = House::start(Plan {
        config: Box::new(move |config| config.identity_headers = told.into_iter().collect()),
        ..Plan::default()
    });
    let forged = [
        "X-Doorward-Roles: admin",
        "X_Doorward_Session: s-2",
        "X-Doorward-Issuer: me",
    ];
    assert_eq!(house.get_as_reader("/orders", &forged).status, 200);
    let names = house.upstream.only().names();
    let mut ours: Vec<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
    ours.retain(|name| name.starts_with("x") && name.contains("doorward"));
    ours.sort_unstable();
    assert_eq!(ours, ["x-doorward-subject", "x-doorward-tenant"]);
}

/// Without it, the words of another issuer would pass for ours.
#[test]
fn gwy_012_another_issuer_is_always_told() {
    let theirs = Tokens::new();
    let house = House::start(Plan {
        more_issuers: vec![theirs.foreign()],
        config: Box::new(|config| config.identity_headers = [].into_iter().collect()),
        ..Plan::default()
    });
    let mut claims = Tokens::claims("ann", &["orders:read"]);
    claims["iss"] = FOREIGN_ISSUER.into();
    let bearer = format!("Authorization: Bearer {}", theirs.sign(&claims));
    assert_eq!(house.get("/orders", &[&bearer]).status, 200);
    let seen = house.upstream.only();
    assert_eq!(seen.field("x-doorward-issuer"), Some(FOREIGN_ISSUER));
    assert_eq!(
        seen.head.to_ascii_lowercase().matches("x-doorward").count(),
        1
    );
}

#[test]
fn gwy_012_on_a_public_route_nobody_is_vouched_for() {
    let house = House::usual();
    let fields = [
        "X-Doorward-Subject: root",
        "X-User-Id: root",
        "X-Forwarded-User: root",
    ];
    assert_eq!(house.get_as_reader("/health", &fields).status, 200);
    let names = house.upstream.only().names();
    let vouching = |name: &&String| name.starts_with("x-doorward") || name.contains("user");
    assert_eq!(names.iter().find(vouching), None, "{names:?}");
    assert!(!names.contains(&"authorization".to_owned()), "{names:?}");
}

#[test]
fn gwy_013_connection_cannot_delete_an_identity() {
    let house = House::usual();
    for option in [
        "X-Doorward-Subject",
        "x-doorward-tenant, close",
        "X_Doorward_Roles",
        "X-User-Id",
        "Authorization",
        "close, authorization",
        "X-Request-Id",
        "Host",
    ] {
        let reply = house.get_as_reader("/orders", &[&format!("Connection: {option}")]);
        assert_eq!(reply.status, 400, "{option}");
    }
    house.upstream.assert_untouched();
    let own = [
        "Connection: X-Mine",
        "Connection: keep-alive, x-too",
        "X-Mine: 1",
        "X-Too: 2",
    ];
    assert_eq!(house.get_as_reader("/orders", &own).status, 200);
    let seen = house.upstream.only();
    assert_eq!(seen.field("x-doorward-subject"), Some("ann"));
    assert_eq!(seen.field("x-mine").or(seen.field("x-too")), None);
}

#[test]
fn gwy_014_the_address_comes_from_the_socket() {
    let house = House::usual();
    let spoofed = [
        "X-Forwarded-For: 10.9.9.9",
        "X-Real-IP: 10.9.9.9",
        "Forwarded: for=10.9.9.9",
        "True-Client-IP: 10.9.9.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.test",
        "X_Forwarded_For: 10.9.9.9",
        "CF-Connecting-IP: 10.9.9.9",
        "X-Client-IP: 10.9.9.9",
    ];
    assert_eq!(house.get("/health", &spoofed).status, 200);
    let seen = house.upstream.only();
    assert!(
        !seen.head.contains("10.9.9.9") && !seen.head.contains("evil"),
        "{}",
        seen.head
    );
    assert_eq!(seen.field("x-forwarded-for"), Some("127.0.0.1"));
    assert_eq!(seen.field("x-forwarded-proto"), Some("http"));
    assert_eq!(seen.field("x-forwarded-host"), Some("api.test"));
    assert_eq!(
        seen.field("forwarded"),
        Some("for=127.0.0.1;host=\"api.test\";proto=http")
    );
    assert_eq!(seen.field("host"), Some("api.test"));
}

#[test]
fn gwy_018_trailers_say_nothing_of_the_caller() {
    let house = House::usual();
    let bearer = house.tokens.editor();
    let trailers = "X-Doorward-Subject: root\r\nAuthorization: Bearer x\r\nX-User-Id: root\r\n";
    let reply = house.raw(format!(
        "POST /orders HTTP/1.1\r\nHost: api.test\r\nAuthorization: Bearer {bearer}\r\n\
         Trailer: X-Doorward-Subject\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\nabc\r\n0\r\n{trailers}\r\n"
    ));
    assert_eq!(reply.status, 200);
    let seen = house.upstream.only();
    assert_eq!(seen.body, b"abc");
    assert_eq!(seen.field("x-doorward-subject"), Some("eve"));
    assert_eq!(seen.field("trailer"), None);
}

#[test]
fn gwy_018_a_token_in_trailers_is_no_token() {
    let house = House::usual();
    let bearer = house.tokens.editor();
    let reply = house.raw(format!(
        "POST /orders HTTP/1.1\r\nHost: api.test\r\nTrailer: Authorization\r\n\
         Transfer-Encoding: chunked\r\n\r\n0\r\nAuthorization: Bearer {bearer}\r\n\r\n"
    ));
    assert_eq!(reply.status, 401);
    house.upstream.assert_untouched();
}

#[test]
fn gwy_019_the_token_stays_at_the_gateway() {
    let house = House::usual();
    let bearer = house.tokens.reader();
    assert_eq!(
        house
            .get_as_reader("/orders", &["Proxy-Authorization: Bearer x"])
            .status,
        200
    );
    let head = house.upstream.only().head;
    assert!(
        !head.contains(&bearer) && !head.to_lowercase().contains("authorization"),
        "{head}"
    );
}

#[test]
fn clm_027_claims_cannot_break_into_headers() {
    let house = House::usual();
    let mut claims = Tokens::claims("a\r\nX-Doorward-Roles: admin\0é: %,", &["orders:read"]);
    claims["tenant"] = "no\nrth".into();
    claims["roles"] = serde_json::json!(["a,b", "c\r\nX: y"]);
    let bearer = format!("Authorization: Bearer {}", house.tokens.sign(&claims));
    let reply = house.get("/orders", &[&bearer]);
    if reply.status == 200 {
        let seen = house.upstream.only();
        let subject = "a%0D%0AX-Doorward-Roles:%20admin%00%C3%A9:%20%25%2C";
        assert_eq!(seen.field("x-doorward-subject"), Some(subject));
        assert_eq!(seen.field("x-doorward-tenant"), Some("no%0Arth"));
        assert_eq!(seen.field("x-doorward-roles"), Some("a%2Cb,c%0D%0AX:%20y"));
        assert_eq!(seen.field("x"), None);
    } else {
        assert_eq!(reply.status, 401);
        house.upstream.assert_untouched();
    }
}

#[test]
fn requests_are_named_by_us() {
    let house = House::usual();
    let fields = [
        "X-Request-Id: mine",
        "traceparent: 00-aa-bb-01",
        "tracestate: x=y",
    ];
    let reply = house.get("/health", &fields);
    let seen = house.upstream.only();
    let id = reply.field("x-request-id").unwrap().to_owned();
    assert_eq!(seen.field("x-request-id"), Some(id.as_str()));
    assert_eq!(
        seen.field("traceparent").unwrap(),
        format!("00-{id}-{}-01", &id[16..])
    );
    assert_eq!(seen.field("tracestate"), None);
}
