//! Paths and targets: nothing with two readings reaches a route, and what is
//! judged is what is forwarded.

use crate::harness::{House, request};

/// Asks for `/admin` in a way that some server reads as it; nobody may pass.
fn assert_closed(targets: &[&str]) {
    let house = House::usual();
    for target in targets {
        let reply = house.get_as_reader(target, &[]);
        assert!(
            matches!(reply.status, 400 | 403 | 404),
            "{target}: {}",
            reply.status
        );
    }
    house.upstream.assert_untouched();
}

#[test]
fn gwy_001_extra_slashes() {
    assert_closed(&[
        "//admin",
        "///admin",
        "//api.test/admin",
        "/admin//",
        "//orders",
        "/files//x",
    ]);
}

#[test]
fn gwy_002_dot_segments_and_matrix_parameters() {
    assert_closed(&[
        "/./admin",
        "/files/../admin",
        "/files/..;/admin",
        "/admin;x=1",
        "/files/.",
        "/files/..",
        "/public/../admin",
        "/files/..\\admin",
    ]);
}

#[test]
fn gwy_003_encoded_and_twice_encoded() {
    assert_closed(&[
        "/files/..%2fadmin",
        "/files/..%5cadmin",
        "/files/%2e%2e/admin",
        "/files/%2e%2e%2fadmin",
        "/files/..%252fadmin",
        "/files/%252e%252e/admin",
        "/files/..%c0%af..%c0%afadmin",
        "/files/%2e%2e;/admin",
        "/files/..%25252fadmin",
        "/files%00/admin",
    ]);
}

#[test]
fn gwy_004_tails() {
    assert_closed(&[
        "/admin/",
        "/admin.",
        "/admin%20",
        "/admin%09",
        "/admin%00",
        "/admin#",
        "/admin#x",
        "/admin%2f",
        "/admin?",
        "/admin?x",
    ]);
}

#[test]
fn gwy_005_letter_case() {
    assert_closed(&["/Admin", "/ADMIN", "/%41dmin", "/ORDERS"]);
}

#[test]
fn gwy_006_unicode_slashes() {
    assert_closed(&[
        "/files/..%EF%BC%8Fadmin",
        "/files/..%E2%88%95admin",
        "/files/%EF%BC%8E%EF%BC%8E/admin",
        "/admin%CC%88",
        "/files/é",
    ]);
}

#[test]
fn gwy_007_target_forms() {
    let house = House::usual();
    for line in [
        "GET admin",
        "GET *",
        "GET api.test:80",
        "GET http://other.test/health",
        "GET https:/health",
        "GET ftp://api.test/health",
        "OPTIONS *",
        "GET http://[::1/health",
        "GET /a`b",
        "GET /a<b>",
        "GET http://u@api.test/health",
        "CONNECT api.test:80",
        "CONNECT /health",
    ] {
        let reply = house.raw(format!("{line} HTTP/1.1\r\nHost: api.test\r\n\r\n"));
        assert!(
            matches!(reply.status, 400 | 405),
            "{line}: {}",
            reply.status
        );
    }
    house.upstream.assert_untouched();
    let reply = house.get("http://api.test/health?a=b", &[]);
    assert_eq!(reply.status, 200);
    assert_eq!(house.upstream.only().target(), "/health?a=b");
}

#[test]
fn gwy_008_the_judged_path_is_the_forwarded_path() {
    let house = House::usual();
    for (asked, forwarded) in [
        ("/files/%61%7e/x%c3%a9", "/files/a~/x%C3%A9"),
        ("/files/a+b%2B@:!$&'()*,=", "/files/a+b%2B@:!$&'()*,="),
        ("/files/x?%2e%2e/..;//%5C", "/files/x?%2e%2e/..;//%5C"),
        ("/files/", "/files/"),
    ] {
        let reply = house.get(asked, &[]);
        let seen = house.upstream.seen();
        if reply.status == 200 {
            assert_eq!(seen.last().unwrap().target(), forwarded);
        } else {
            assert!(asked.ends_with("files/"), "{asked}: {}", reply.status);
        }
    }
}

#[test]
fn gwy_009_the_query_opens_no_path() {
    let house = House::usual();
    for target in [
        "/admin?x=/public",
        "/admin?/../public",
        "/?/health",
        "/admin?path=/health",
    ] {
        let reply = house.get(target, &[]);
        assert!(
            matches!(reply.status, 401 | 404),
            "{target}: {}",
            reply.status
        );
    }
    house.upstream.assert_untouched();
}

#[test]
fn gwy_011_host_variants() {
    let house = House::usual();
    let two = "GET /health HTTP/1.1\r\nHost: api.test\r\nHost: other.test\r\n\r\n";
    let none = "GET /health HTTP/1.1\r\n\r\n";
    let other = "GET http://api.test/health HTTP/1.1\r\nHost: other.test\r\n\r\n";
    let odd = [
        "Host: a/b",
        "Host: u@a",
        "Host: a b",
        "Host:",
        "Host: a, b",
        "Host : a",
    ]
    .map(|host| format!("GET /health HTTP/1.1\r\n{host}\r\n\r\n"));
    for bytes in [two, none, other]
        .into_iter()
        .chain(odd.iter().map(String::as_str))
    {
        assert_eq!(house.raw(bytes).status, 400, "{bytes:?}");
    }
    house.upstream.assert_untouched();
    for host in ["api.test.", "API.test", "api.test:80", "[::1]:4180"] {
        let bytes = format!("GET /admin HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(house.raw(bytes).status, 401, "{host}");
    }
    house.upstream.assert_untouched();
}

#[test]
fn gwy_015_original_url_headers_are_ignored() {
    let house = House::usual();
    for field in [
        "X-Original-URL: /health",
        "X-Rewrite-URL: /health",
        "X-Forwarded-Uri: /health",
        "X-Forwarded-Prefix: /health",
        "X-Original-Uri: /health",
        "x_original_url: /health",
    ] {
        assert_eq!(house.get("/admin", &[field]).status, 401, "{field}");
    }
    house.upstream.assert_untouched();
    let fields = [
        "X-Original-URL: /admin",
        "X-Rewrite-URL: /admin",
        "X-Forwarded-Uri: /admin",
        "X-Forwarded-Prefix: /x",
        "X-Forwarded-Method: DELETE",
    ];
    assert_eq!(house.get("/health", &fields).status, 200);
    let names = house.upstream.only().names().join(" ");
    assert!(
        !names.contains("original") && !names.contains("rewrite"),
        "{names}"
    );
    assert!(!names.contains("-uri") && !names.contains("-prefix") && !names.contains("-method"));
}

#[test]
fn the_record_holds_no_query() {
    let mut house = House::usual();
    house.get("/health?access_token=secret", &[]);
    house.raw(request("GET", "/health#x?secret", &[]));
    for _ in 0..2 {
        let decision = house.decision();
        assert!(!format!("{decision:?}").contains("secret"), "{decision:?}");
    }
}
