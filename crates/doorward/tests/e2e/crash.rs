//! `kill -9` in the middle of sign-in, refresh and sign-out.
//!
//! INVARIANT under test: what was acknowledged before the kill is true after
//! the restart. A session that was signed out stays out, with its access
//! token; a session that was alive goes on with the last refresh token that
//! its client got, even when the answer to a later refresh was lost.

use std::{
    io::Write as _,
    net::{SocketAddr, TcpStream},
};

use serde_json::{Value, json};

use crate::harness::Server;

/// Kills. `DOORWARD_CRASH_ROUNDS` sets another number for a long run.
const ROUNDS: u64 = 200;

/// Each run gets another port; the issuer's name must stay.
const CONFIG: &str = r#"
issuer = "http://crash.test"

[roles.reader]
permissions = ["orders:read"]

[roles.editor]
inherits = ["reader"]

[[route]]
match = "GET /orders"
allow = "orders:read"
"#;

#[expect(
    clippy::disallowed_methods,
    reason = "a test's length is set from outside"
)]
fn rounds() -> u64 {
    std::env::var("DOORWARD_CRASH_ROUNDS")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(ROUNDS)
}

/// What the client of one session knows.
struct Session {
    access_token: String,
    refresh_token: String,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Alive,
    /// Sign-out was answered.
    Out,
    /// Sign-out was sent and the answer lost: either is right.
    Unknown,
}

/// A small generator, so that a failing round can be had again.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

#[test]
fn rev_011_sec_009_rft_008_nothing_acknowledged_is_lost_by_kill_9() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let config = place.path().join("doorward.toml");
    std::fs::write(&config, CONFIG).unwrap();
    let start = || Server::start(&data, &["--demo", "--config", config.to_str().unwrap()]);
    let mut sessions: Vec<Session> = Vec::new();
    for round in 0..rounds() {
        let server = start();
        for session in &mut sessions {
            check(&server, session, round);
        }
        sessions.retain(|session| session.state == State::Alive);
        sessions.truncate(3);
        work_and_die(server, &mut sessions, &mut Dice(round));
    }
    check_after_all(start(), sessions);
}

/// After a restart: is what the client was told still true?
fn check(server: &Server, session: &mut Session, round: u64) {
    let refreshed = refresh(server, session);
    let called = server
        .call("GET", "/orders", Some(&session.access_token))
        .status;
    match session.state {
        State::Alive => {
            assert_eq!(
                refreshed.0, 200,
                "round {round}: a live session was lost: {}",
                refreshed.1
            );
            assert_eq!(
                called, 200,
                "round {round}: a live access token was refused"
            );
            adopt(session, &refreshed.1);
        }
        State::Out => {
            assert_eq!(
                refreshed.0, 400,
                "round {round}: a signed-out session refreshed"
            );
            assert_eq!(
                called, 401,
                "round {round}: a signed-out access token was accepted"
            );
        }
        State::Unknown => {}
    }
}

fn refresh(server: &Server, session: &Session) -> (u16, Value) {
    let body = json!({ "refresh_token": session.refresh_token });
    let answer = server.post("/auth/refresh", &body, None);
    (answer.status, answer.json())
}

fn adopt(session: &mut Session, tokens: &Value) {
    session.access_token = tokens["access_token"].as_str().unwrap().to_owned();
    session.refresh_token = tokens["refresh_token"].as_str().unwrap().to_owned();
}

/// A few steps, one of which is sent and never awaited: the process dies with
/// it in flight.
fn work_and_die(server: Server, sessions: &mut Vec<Session>, dice: &mut Dice) {
    let fatal = dice.roll(6);
    for step in 0..=fatal {
        let alive: Vec<usize> = (0..sessions.len())
            .filter(|at| sessions[*at].state == State::Alive)
            .collect();
        let choice = if alive.is_empty() { 0 } else { dice.roll(4) };
        let at = if alive.is_empty() {
            0
        } else {
            alive[dice.roll(alive.len() as u64) as usize]
        };
        if step == fatal {
            in_flight(&server, sessions, choice, at);
            break;
        }
        match choice {
            0 => sessions.push(sign_in(&server)),
            1 | 2 => {
                let (status, tokens) = refresh(&server, &sessions[at]);
                assert_eq!(status, 200, "{tokens}");
                adopt(&mut sessions[at], &tokens);
            }
            _ => {
                let token = sessions[at].access_token.clone();
                let answer = server.post("/auth/sign-out", &json!({}), Some(&token));
                assert_eq!(answer.status, 204);
                sessions[at].state = State::Out;
            }
        }
    }
    server.kill();
}

fn sign_in(server: &Server) -> Session {
    let tokens = server.sign_in("reader");
    let mut session = Session {
        access_token: String::new(),
        refresh_token: String::new(),
        state: State::Alive,
    };
    adopt(&mut session, &tokens);
    session
}

/// Sends one request and does not wait for the answer.
fn in_flight(server: &Server, sessions: &mut [Session], choice: u64, at: usize) {
    match choice {
        0 => {
            let body = json!({ "username": "reader", "password": server.password("reader") });
            send(server.gateway, "/auth/sign-in", &body, None);
        }
        1 | 2 => {
            let body = json!({ "refresh_token": sessions[at].refresh_token });
            send(server.gateway, "/auth/refresh", &body, None);
        }
        _ => {
            let token = sessions[at].access_token.clone();
            send(server.gateway, "/auth/sign-out", &json!({}), Some(&token));
            sessions[at].state = State::Unknown;
        }
    }
}

fn send(address: SocketAddr, path: &str, body: &Value, token: Option<&str>) {
    let authorization = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let body = body.to_string();
    let message = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         {}Content-Length: {}\r\n\r\n{body}",
        authorization.unwrap_or_default(),
        body.len()
    );
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(message.as_bytes()).unwrap();
}

/// The last state survives a quiet restart too.
fn check_after_all(server: Server, mut sessions: Vec<Session>) {
    for session in &mut sessions {
        check(&server, session, u64::MAX);
    }
    assert_eq!(server.signal("-TERM"), Some(0));
}
