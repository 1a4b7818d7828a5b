//! Passwords that are guessed, accounts that are looked for, tenants that
//! somebody would like to be in.

use std::{path::Path, process::Command, thread};

use serde_json::{Value, json};

use super::{
    ROUTES,
    observed::{Observed, guarded, up},
};
use crate::harness::{Answer, Recorder, doorward, find, request};

fn demo() -> (tempfile::TempDir, Observed) {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    (place, server)
}

/// Many sign-ins at once.
fn at_once(server: &Observed, bodies: &[Value]) -> Vec<Answer> {
    let gateway = server.gateway;
    let ask = |body: &Value| {
        let json = [("Content-Type", "application/json")];
        request(
            gateway,
            "POST",
            "/auth/sign-in",
            &json,
            body.to_string().as_bytes(),
        )
    };
    thread::scope(|scope| {
        let asked: Vec<_> = bodies
            .iter()
            .map(|body| scope.spawn(move || ask(body)))
            .collect();
        asked
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    })
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers
        .iter()
        .filter(|answer| answer.status == status)
        .count()
}

/// From another address of this machine: a client cannot choose its own with
/// the standard library.
fn sign_in_from(curl: &Path, address: &str, server: &Observed, body: &Value) -> u16 {
    let url = format!("http://{}/auth/sign-in", server.gateway);
    let output = Command::new(curl)
        .args([
            "-sS",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code}",
            "--interface",
            address,
        ])
        .args([
            "-H",
            "Content-Type: application/json",
            "-d",
            &body.to_string(),
            &url,
        ])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    String::from_utf8(output.stdout)
        .unwrap()
        .parse()
        .unwrap_or_else(|_| panic!("{said}"))
}

#[test]
fn bru_002_a_hundred_guesses_at_once_are_counted_one_by_one() {
    let (_place, mut server) = demo();
    let guesses: Vec<_> = (0..100)
        .map(|n| json!({ "username": "reader", "password": format!("a wrong guess {n}") }))
        .collect();
    let answers = at_once(&server, &guesses);
    let (tried, turned_away) = (count(&answers, 401), count(&answers, 429));
    assert_eq!(
        tried, 10,
        "no more and no fewer guesses than allowed are tried"
    );
    assert_eq!(tried + turned_away, 100, "{answers:?}");
    for answer in answers.iter().filter(|answer| answer.status == 429) {
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{answer:?}");
        assert_eq!(answer.reason(), "throttled");
    }
    // Slowed: not even the right one is tried now, from here.
    let right = server.try_sign_in("reader", &server.password("reader"));
    assert_eq!(right.status, 429, "{right:?}");
    // Somebody else is not slowed.
    assert_eq!(
        server
            .try_sign_in("editor", &server.password("editor"))
            .status,
        200
    );
    server.assert_well();
}

#[test]
fn bru_001_the_owner_enters_from_elsewhere_while_a_guesser_is_slowed() {
    let Some(curl) = find("curl") else { return };
    let (_place, mut server) = demo();
    for n in 0..12 {
        let status = server
            .try_sign_in("reader", &format!("a wrong guess {n}"))
            .status;
        assert_eq!(status, if n < 10 { 401 } else { 429 }, "guess {n}");
    }
    let right = json!({ "username": "reader", "password": server.password("reader") });
    assert_eq!(sign_in_from(&curl, "127.0.0.2", &server, &right), 200);
    server.assert_well();
}

#[test]
fn bru_003_one_counter_for_all_spellings_of_a_name() {
    let (_place, server) = demo();
    let spellings = ["reader", "READER", " reader", "reader ", "Reader"];
    for n in 0..10 {
        let name = spellings[n % spellings.len()];
        let status = server
            .try_sign_in(name, &format!("a wrong guess {n}"))
            .status;
        assert!(matches!(status, 400 | 401), "{name:?}: {status}");
    }
    let tried = (0..10).map(|n| spellings[n % spellings.len()]);
    let refused = tried.filter(|name| !server.try_sign_in(name, "x y z").status.eq(&429));
    assert_eq!(refused.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// What a stranger can compare: everything but the trace id and the date.
fn comparable(answer: &Answer) -> (u16, Vec<String>, Value) {
    let named = |line: &&str| {
        let name = line
            .split(':')
            .next()
            .unwrap_or_default()
            .to_ascii_lowercase();
        name != "date" && name != "x-request-id"
    };
    let head = answer
        .head
        .lines()
        .filter(named)
        .map(ToOwned::to_owned)
        .collect();
    let mut body = answer.json();
    assert!(body["trace_id"].as_str().is_some_and(|id| id.len() == 32));
    body["trace_id"] = json!("removed");
    (answer.status, head, body)
}

#[test]
fn bru_007_iss_023_unknown_wrong_disabled_and_foreign_are_one_answer() {
    let (_place, mut server) = demo();
    let disabled = doorward(&server.data())
        .args(["user", "disable", "visitor"])
        .output()
        .unwrap();
    assert!(disabled.status.success(), "{disabled:?}");
    let right = |name: &str| server.password(name);
    let cases = [
        (
            "a wrong password",
            json!({ "username": "reader", "password": "not the password" }),
        ),
        (
            "an unknown user",
            json!({ "username": "nobody", "password": "not the password" }),
        ),
        (
            "a disabled user",
            json!({ "username": "visitor", "password": right("visitor") }),
        ),
        (
            "a disabled user, wrongly",
            json!({ "username": "visitor", "password": "not the password" }),
        ),
        (
            "another's password",
            json!({ "username": "reader", "password": right("editor") }),
        ),
        (
            "a tenant that is not theirs",
            json!({ "username": "reader", "password": right("reader"), "tenant": "globex" }),
        ),
        (
            "a tenant that is not",
            json!({ "username": "reader", "password": right("reader"), "tenant": "initech" }),
        ),
        (
            "an unknown user in a tenant",
            json!({ "username": "nobody", "password": "not the password", "tenant": "globex" }),
        ),
    ];
    let answers = cases.map(|(what, body)| (what, server.post("/auth/sign-in", &body, None)));
    let first = comparable(&answers[0].1);
    assert_eq!(first.0, 401);
    for (what, answer) in &answers {
        assert_eq!(comparable(answer), first, "{what} can be told apart");
    }
    server.assert_well();
}

/// BRU-009: the slowing down tells no more than the answer.
#[test]
fn bru_009_an_unknown_user_is_slowed_like_a_known_one() {
    let (_place, server) = demo();
    let course = |name: &str| -> Vec<(u16, Option<String>)> {
        (0..13)
            .map(|n| {
                let answer = server.try_sign_in(name, &format!("a wrong guess {n}"));
                (
                    answer.status,
                    answer.header("retry-after").map(ToOwned::to_owned),
                )
            })
            .collect()
    };
    let (known, unknown) = (course("reader"), course("nobody-at-all"));
    let statuses = |course: &[(u16, Option<String>)]| -> Vec<u16> {
        course.iter().map(|(status, _)| *status).collect()
    };
    assert_eq!(statuses(&known), statuses(&unknown));
    assert!(
        known
            .iter()
            .chain(&unknown)
            .all(|(status, wait)| (*status == 429) == wait.is_some())
    );
}

#[test]
fn iss_036_auz_004_nobody_enters_a_tenant_by_asking_for_it() {
    let (_place, server) = demo();
    let password = server.password("reader");
    for tenant in ["globex", "GLOBEX", "acme/globex", "*", "", " "] {
        let body = json!({ "username": "reader", "password": password, "tenant": tenant });
        let answer = server.post("/auth/sign-in", &body, None);
        assert!(matches!(answer.status, 400 | 401), "{tenant:?}: {answer:?}");
    }
    // Neither by a header.
    let body = json!({ "username": "reader", "password": password }).to_string();
    let wishes = [
        ("Content-Type", "application/json"),
        ("X-Tenant", "globex"),
        ("X-Doorward-Tenant", "globex"),
        ("X-Forwarded-Host", "globex.example"),
    ];
    let answer = request(
        server.gateway,
        "POST",
        "/auth/sign-in",
        &wishes,
        body.as_bytes(),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        server.call("GET", "/auth/me", Some(&token)).json()["tenant"],
        "acme"
    );
    assert_eq!(
        server
            .call("GET", "/tenants/globex/report", Some(&token))
            .status,
        403
    );
    // With a right they may.
    let body = json!({ "username": "reader", "password": password, "tenant": "acme" });
    assert_eq!(server.post("/auth/sign-in", &body, None).status, 200);
}

/// ISS-021 on each endpoint that names the issuer, and on the tokens.
#[test]
fn iss_021_a_poisoned_host_changes_no_token_and_no_document() {
    let recorder = Recorder::start();
    let (_place, server) = guarded(recorder.address, ROUTES);
    let body = json!({ "username": "reader", "password": server.password("reader") }).to_string();
    let message = |line: &str, body: &str| {
        format!(
            "{line} HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\n\
             X-Forwarded-Proto: https\r\nForwarded: host=evil.example;proto=https\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let send = |message: String| crate::harness::send_raw(server.gateway, message.as_bytes());
    for line in [
        "GET /.well-known/openid-configuration",
        "GET /.well-known/jwks.json",
        "GET /auth/me",
        "GET /orders",
        "GET /nowhere",
    ] {
        let answer = send(message(line, "")).unwrap();
        let text = format!("{} {}", answer.head, String::from_utf8_lossy(&answer.body));
        assert!(!text.contains("evil.example"), "{line}: {text}");
    }
    let tokens = send(message("POST /auth/sign-in", &body)).unwrap();
    assert_eq!(tokens.status, 200);
    let token = tokens.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        server.call("GET", "/orders", Some(&token)).status,
        200,
        "the issuer is as before"
    );
}
