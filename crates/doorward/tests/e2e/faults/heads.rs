//! Heads and tokens that are too large, too many or no heads at all.

use std::time::{Duration, Instant};

use super::{
    ROUTES,
    observed::{Observed, access_token, guarded},
};
use crate::harness::{Answer, Recorder, send_raw};

/// Far above what any of these takes, far below a stall.
const NORMAL: Duration = Duration::from_secs(1);

/// Sends one message; `None` when it is not answered.
fn send(server: &Observed, message: &str) -> Option<Answer> {
    let begun = Instant::now();
    let answer = send_raw(server.gateway, message.as_bytes());
    assert!(
        begun.elapsed() < NORMAL,
        "{:?}: {message:.80}",
        begun.elapsed()
    );
    answer
}

fn get(server: &Observed, target: &str, fields: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: {}\r\n{fields}Connection: close\r\n\r\n",
        server.gateway
    )
}

/// What it is, the message, and the status of the refusal.
type Case = (&'static str, String, u16);

/// Too much of something, each for itself.
fn too_much(server: &Observed, valid: &str) -> Vec<Case> {
    let public = |fields: &str| get(server, "/public", fields);
    let orders = |token: &str| {
        get(
            server,
            "/orders",
            &format!("Authorization: Bearer {token}\r\n"),
        )
    };
    let many: String = (0..200).map(|n| format!("X-{n}: 1\r\n")).collect();
    let long = |count: usize| "x".repeat(count);
    let target = |path: &str| get(server, path, "");
    vec![
        ("200 fields", public(&many), 431),
        (
            "40 KB in one field",
            public(&format!("X: {}\r\n", long(40_000))),
            431,
        ),
        (
            "1 MB in one field",
            public(&format!("X: {}\r\n", long(1_000_000))),
            431,
        ),
        (
            "a target of 9 KB",
            target(&format!("/public?{}", long(9_000))),
            414,
        ),
        ("4,000 segments", target(&"/a".repeat(4_000)), 414),
        ("a token of 9 KB", orders(&long(9_000)), 401),
        (
            "a valid token and 9 KB",
            orders(&format!("{valid}{}", long(9_000))),
            401,
        ),
        ("8,000 dots", orders(&".".repeat(8_000)), 401),
        ("an empty token", orders(""), 401),
        (
            "two tokens in one field",
            orders(&format!("{valid}, Bearer {valid}")),
            401,
        ),
        (
            "two fields with a token",
            public(&format!("Authorization: Bearer {valid}\r\n").repeat(2)),
            400,
        ),
    ]
}

/// What is no head.
fn no_heads(server: &Observed) -> Vec<Case> {
    let public = |fields: &str| get(server, "/public", fields);
    vec![
        ("a name without a colon", public("Broken\r\n"), 400),
        ("a blank before the colon", public("Broken : 1\r\n"), 400),
        ("a folded line", public("X: 1\r\n 2\r\n"), 400),
        ("a NUL in a value", public("X: a\0b\r\n"), 400),
        ("HTTP/1.2", public("").replace("HTTP/1.1", "HTTP/1.2"), 400),
        ("HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_owned(), 400),
        (
            "a TLS greeting",
            "\x16\x03\x01\0\x05\x01\0\0\x01\x03\r\n\r\n".to_owned(),
            400,
        ),
    ]
}

#[test]
fn gwy_035_heads_and_tokens_above_their_bounds_reach_nobody() {
    let recorder = Recorder::start();
    let (_place, mut server) = guarded(recorder.address, ROUTES);
    let tokens = server.sign_in("reader");
    let valid = access_token(&tokens);
    for (what, message, status) in [too_much(&server, valid), no_heads(&server)].concat() {
        // What is no HTTP at all may be answered with a closed connection.
        if let Some(answer) = send(&server, &message) {
            assert_eq!(answer.status, status, "{what}: {answer:?}");
        } else {
            assert_eq!(status, 400, "{what}: no answer");
        }
    }
    assert_eq!(recorder.count(), 0, "{:?}", recorder.heads());
    assert_eq!(server.call("GET", "/orders", Some(valid)).status, 200);
    server.assert_well();
    assert_eq!(server.err(), "");
}
