//! Bodies that are no credentials, at every endpoint that reads one.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::observed::{Observed, access_token, up};
use crate::harness::{Answer, send_raw};

/// Far above what any of these takes, far below a stall.
const NORMAL: Duration = Duration::from_secs(1);

/// Each endpoint with the body that it takes.
fn endpoints(server: &Observed, tokens: &Value) -> [(&'static str, Value); 3] {
    [
        (
            "/auth/sign-in",
            json!({ "username": "reader", "password": server.password("reader") }),
        ),
        (
            "/auth/refresh",
            json!({ "refresh_token": tokens["refresh_token"] }),
        ),
        (
            "/auth/sign-out",
            json!({ "refresh_token": tokens["refresh_token"] }),
        ),
    ]
}

fn demo() -> (tempfile::TempDir, Observed) {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    (place, server)
}

/// Sends `body` as it is, with the access token and these further fields.
fn send(server: &Observed, path: &str, token: &str, fields: &str, body: &[u8]) -> Answer {
    let mut message = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         {fields}Content-Length: {}\r\n\r\n",
        server.gateway,
        body.len()
    )
    .into_bytes();
    message.extend_from_slice(body);
    let begun = Instant::now();
    let answer = send_raw(server.gateway, &message);
    assert!(begun.elapsed() < NORMAL, "{path}: {:?}", begun.elapsed());
    answer.unwrap_or_else(|| panic!("{path}: no answer"))
}

const JSON: &str = "Content-Type: application/json\r\n";

/// A refusal in form, that tells nothing of the inside.
fn assert_refused(answer: &Answer, statuses: &[u16], what: &str) {
    assert!(statuses.contains(&answer.status), "{what}: {answer:?}");
    let kind = answer.header("content-type");
    assert_eq!(kind, Some("application/problem+json"), "{what}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{what}");
    let document = answer.json();
    assert!(document["trace_id"].is_string(), "{what}: {document}");
    let text = document.to_string();
    for inside in ["panick", "sqlite", "serde", "src/", ".rs"] {
        assert!(!text.contains(inside), "{what}: {text}");
    }
}

/// The session lives, nobody fell over, nothing reached the API.
fn assert_nothing_changed(server: &mut Observed, tokens: &Value) {
    let log = std::fs::read_to_string(server.data().join("demo-api.log")).unwrap();
    assert_eq!(log, "", "something reached the upstream");
    let me = server.call("GET", "/auth/me", Some(access_token(tokens)));
    assert_eq!(me.status, 200, "the session ended: {me:?}");
    assert_eq!(server.refresh(tokens).status, 200);
    server.sign_in("reader");
    server.assert_well();
    assert_eq!(
        server.err(),
        "",
        "nothing to tell the operator apart from decisions"
    );
}

/// Texts that are no strict JSON object.
fn not_objects() -> Vec<(&'static str, Vec<u8>)> {
    let deep =
        |open: &str, depth: usize| [open.repeat(depth), "1".to_owned()].concat().into_bytes();
    vec![
        ("blanks", b"   ".to_vec()),
        ("null", b"null".to_vec()),
        ("a number", b"1".to_vec()),
        ("a string", b"\"reader\"".to_vec()),
        ("an array", b"[]".to_vec()),
        (
            "an array of an object",
            br#"[{"username":"reader"}]"#.to_vec(),
        ),
        ("cut short", br#"{"username":"reader","#.to_vec()),
        ("two objects", b"{}{}".to_vec()),
        ("something after it", b"{} x".to_vec()),
        ("a trailing comma", br#"{"username":"reader",}"#.to_vec()),
        ("a comment", br#"{/**/}"#.to_vec()),
        ("single quotes", b"{'username':'reader'}".to_vec()),
        ("a byte order mark", b"\xef\xbb\xbf{}".to_vec()),
        (
            "bytes that are not UTF-8",
            b"{\"username\":\"\xff\xfe\"}".to_vec(),
        ),
        ("UTF-16", b"{\0\"\0a\0\"\0:\x001\0}\0".to_vec()),
        ("a raw NUL", b"{\"username\":\"a\0b\"}".to_vec()),
        ("a lone surrogate", br#"{"username":"\ud800"}"#.to_vec()),
        ("a raw line feed", b"{\"username\":\"a\nb\"}".to_vec()),
        ("a form", b"username=reader&password=x".to_vec()),
        ("a number out of range", br#"{"username":1e999}"#.to_vec()),
        ("4,000 open brackets", deep("[", 4_000)),
        ("1,000 open objects", deep("{\"a\":", 1_000)),
        (
            "100,000 digits",
            [b"{\"a\":".to_vec(), vec![b'9'; 8_000], b"}".to_vec()].concat(),
        ),
    ]
}

#[test]
fn dos_007_a_body_that_is_no_strict_object_is_400_and_changes_nothing() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    for (path, _) in endpoints(&server, &tokens) {
        for (what, body) in not_objects() {
            let answer = send(&server, path, access_token(&tokens), JSON, &body);
            assert_refused(&answer, &[400], &format!("{path} with {what}"));
        }
    }
    assert_nothing_changed(&mut server, &tokens);
}

#[test]
fn dos_007_a_body_above_the_bound_is_413_however_it_comes() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    let token = access_token(&tokens);
    let large = [
        ("10,000 open brackets", vec![b'['; 10_000]),
        (
            "1 MB of one string",
            [
                b"{\"username\":\"".to_vec(),
                vec![b'x'; 1_000_000],
                b"\"}".to_vec(),
            ]
            .concat(),
        ),
        (
            "100,000 members",
            (0..100_000)
                .flat_map(|n| format!("\"{n}\":1,").into_bytes())
                .collect(),
        ),
    ];
    for (path, _) in endpoints(&server, &tokens) {
        for (what, body) in &large {
            let answer = send(&server, path, token, JSON, body);
            assert_refused(&answer, &[413], &format!("{path} with {what}"));
            let chunk = format!("{:x}\r\n", body.len()).into_bytes();
            let chunked = [chunk, body.clone(), b"\r\n0\r\n\r\n".to_vec()].concat();
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n{JSON}\
                 Transfer-Encoding: chunked\r\n\r\n",
                server.gateway
            );
            let message = [head.into_bytes(), chunked].concat();
            let answer = send_raw(server.gateway, &message).unwrap();
            assert_refused(&answer, &[413], &format!("{path} with {what}, chunked"));
        }
    }
    assert_nothing_changed(&mut server, &tokens);
}

#[test]
fn iss_033_dos_006_another_media_type_or_coding_is_415() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    let fields = [
        "",
        "Content-Type: text/plain\r\n",
        "Content-Type: application/x-www-form-urlencoded\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n",
        "Content-Type: application/jsonx\r\n",
        "Content-Type: application/json, text/plain\r\n",
        "Content-Type: application/json; charset=utf-16\r\n",
        "Content-Type: application/json\r\nContent-Type: application/json\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
        "Content-Type: application/json\r\nContent-Encoding: identity\r\n",
    ];
    for (path, body) in endpoints(&server, &tokens) {
        for fields in fields {
            let body = body.to_string();
            let answer = send(
                &server,
                path,
                access_token(&tokens),
                fields,
                body.as_bytes(),
            );
            assert_refused(&answer, &[415], &format!("{path} with {fields:?}"));
        }
    }
    assert_nothing_changed(&mut server, &tokens);
}

#[test]
fn par_006_a_member_that_comes_twice_is_refused_in_every_spelling() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    for (path, body) in endpoints(&server, &tokens) {
        let (name, value) = body.as_object().unwrap().iter().next().unwrap();
        let escaped = format!("\\u{:04x}{}", name.as_bytes()[0], &name[1..]);
        let rest = body.to_string();
        for twin in [name, &escaped] {
            for twice in [
                format!("{{\"{twin}\":{value},{}", &rest[1..]),
                format!("{{\"{twin}\":\"other\",{}", &rest[1..]),
                format!("{},\"{twin}\":null}}", &rest[..rest.len() - 1]),
            ] {
                let answer = send(&server, path, access_token(&tokens), JSON, twice.as_bytes());
                assert_refused(&answer, &[400], &format!("{path} with {twin} twice"));
            }
        }
    }
    assert_nothing_changed(&mut server, &tokens);
}

#[test]
fn iss_001_members_that_nobody_asked_for_are_refused_by_name() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    let claims = [
        ("role", json!("editor")),
        ("roles", json!(["editor"])),
        ("is_admin", json!(true)),
        ("permissions", json!(["*"])),
        ("email_verified", json!(true)),
        ("id", json!("00000000-0000-0000-0000-000000000000")),
        ("sub", json!("editor")),
        ("created_by", json!("editor")),
        ("scope", json!("*")),
        ("__proto__", json!({ "role": "editor" })),
    ];
    for (path, body) in endpoints(&server, &tokens) {
        for (name, value) in &claims {
            let mut body = body.clone();
            body[*name] = value.clone();
            let answer = send(
                &server,
                path,
                access_token(&tokens),
                JSON,
                body.to_string().as_bytes(),
            );
            assert_refused(&answer, &[400], &format!("{path} with {name}"));
            let detail = answer.json()["detail"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            assert!(detail.contains(name), "{path}: {detail}");
        }
    }
    assert_nothing_changed(&mut server, &tokens);
}

#[test]
fn members_of_another_type_are_400_and_odd_texts_are_wrong_credentials() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    let post = |path: &str, body: &Value| {
        send(
            &server,
            path,
            access_token(&tokens),
            JSON,
            body.to_string().as_bytes(),
        )
    };
    for value in [
        json!(1),
        json!(null),
        json!(true),
        json!({}),
        json!(["reader"]),
        json!(1e300),
    ] {
        for (path, body) in endpoints(&server, &tokens) {
            for name in body.as_object().unwrap().keys() {
                let mut body = body.clone();
                body[name] = value.clone();
                let answer = post(path, &body);
                assert_refused(&answer, &[400], &format!("{path} with {name}: {value}"));
            }
        }
        let body = json!({ "username": "reader", "password": "x", "tenant": value });
        assert_refused(&post("/auth/sign-in", &body), &[400], "tenant");
    }
    let texts = [
        "",
        " ",
        "\0",
        "re\0ader",
        "\u{202e}reader",
        "%s%n",
        "' OR 1=1 --",
        "../../etc",
    ];
    for text in texts
        .iter()
        .map(ToString::to_string)
        .chain(["x".repeat(7_000)])
    {
        let body = json!({ "username": text, "password": "not the password" });
        assert_refused(
            &post("/auth/sign-in", &body),
            &[400, 401],
            &format!("name {text:.20}"),
        );
        let body = json!({ "username": "nobody", "password": text });
        assert_refused(
            &post("/auth/sign-in", &body),
            &[400, 401],
            &format!("word {text:.20}"),
        );
        let body = json!({ "refresh_token": text });
        assert_refused(
            &post("/auth/refresh", &body),
            &[400],
            &format!("refresh {text:.20}"),
        );
        assert_refused(
            &post("/auth/sign-out", &body),
            &[400],
            &format!("sign-out {text:.20}"),
        );
    }
    assert_nothing_changed(&mut server, &tokens);
}
