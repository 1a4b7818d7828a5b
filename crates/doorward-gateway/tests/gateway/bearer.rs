//! The credential: one rule, and nothing else is read.

use crate::harness::{House, request};

#[test]
fn par_014_spellings_of_the_bearer_scheme() {
    let house = House::usual();
    let token = house.tokens.reader();
    for good in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        assert_eq!(
            house
                .get("/orders", &[&format!("Authorization: {good} {token}")])
                .status,
            200
        );
    }
    let before = house.upstream.seen().len();
    let odd = [
        format!("Bearer  {token}"),
        format!("Bearer\t{token}"),
        format!("Bearer \"{token}\""),
        format!("Bearer {token}, Bearer {token}"),
        format!("Bearer {token} x"),
        token.clone(),
        "Bearer".into(),
        String::new(),
        format!("Bearer={token}"),
        format!("Bearer:{token}"),
        format!("Token {token}"),
        format!("Basic {token}"),
        format!("Bearer {token}%20"),
        format!("Bearer Bearer {token}"),
    ];
    for value in odd {
        let reply = house.get("/orders", &[&format!("Authorization: {value}")]);
        assert_eq!(reply.status, 401, "{value}");
        assert!(
            reply
                .field("www-authenticate")
                .unwrap()
                .starts_with("Bearer"),
            "{value}"
        );
    }
    assert_eq!(house.upstream.seen().len(), before);
}

#[test]
fn par_015_two_authorization_headers() {
    let house = House::usual();
    let valid = format!("Authorization: Bearer {}", house.tokens.reader());
    let forged = "authorization: Bearer a.b.c".to_owned();
    for pair in [[&valid, &forged], [&forged, &valid], [&valid, &valid]] {
        for target in ["/orders", "/health", "/auth/me"] {
            let reply = house.get(target, &[pair[0], pair[1]]);
            assert_eq!(
                (reply.status, reply.reason().as_str()),
                (400, "ambiguous_credential")
            );
        }
    }
    house.upstream.assert_untouched();
}

#[test]
fn par_017_a_token_in_the_query_is_no_token() {
    let house = House::usual();
    let token = house.tokens.reader();
    for parameter in ["access_token", "token", "jwt", "Authorization"] {
        let reply = house.get(&format!("/orders?{parameter}={token}"), &[]);
        assert_eq!((reply.status, reply.reason().as_str()), (401, "no_token"));
        assert_eq!(reply.field("www-authenticate"), Some("Bearer"));
    }
    let cookie = format!("Cookie: access_token={token}; Authorization=Bearer {token}");
    assert_eq!(house.get("/orders", &[&cookie]).status, 401);
    house.upstream.assert_untouched();
}

#[test]
fn par_019_folded_authorization() {
    let house = House::usual();
    let token = house.tokens.reader();
    for fold in ["\r\n ", "\r\n\t", "\n "] {
        let reply = house.get("/orders", &[&format!("Authorization: Bearer{fold}{token}")]);
        assert_eq!(reply.status, 400, "{fold:?}");
    }
    house.upstream.assert_untouched();
}

#[test]
fn par_020_bytes_outside_ascii_in_authorization() {
    let house = House::usual();
    let token = house.tokens.reader();
    for byte in [0x00, 0x01, 0x0b, 0x7f, 0x80, 0xa0, 0xff] {
        let mut bytes = format!("GET /orders HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}");
        bytes.push_str("@\r\n\r\n");
        let mut bytes = bytes.into_bytes();
        let at = bytes.iter().rposition(|byte| *byte == b'@').unwrap();
        bytes[at] = byte;
        let mut client = house.client();
        client.write(&bytes);
        let reply = client.reply();
        assert!(
            matches!(reply.status, 400 | 401),
            "{byte:#x}: {}",
            reply.status
        );
        if reply.status == 401 {
            client.write(request("GET", "/admin", &[]));
            assert_eq!(
                client.reply().status,
                401,
                "the connection is sane after {byte:#x}"
            );
        }
    }
    house.upstream.assert_untouched();
}
