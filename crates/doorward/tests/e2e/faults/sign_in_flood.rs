//! Many who sign in, few who may: what a flood of passwords costs the others.

use std::{
    io::Write as _,
    net::TcpStream,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use super::observed::{Observed, PATIENCE, access_token, say, until, up};
use crate::harness::request;

const MIB: usize = 1024 * 1024;

/// What one hash works in, and how many run at a time.
const HASH: usize = 19 * MIB;
const PERMITS: usize = 1;

/// Connections, queues and a second thread's stack, for a few hundred callers.
const SLACK: usize = 16 * MIB;

fn demo() -> (tempfile::TempDir, Observed) {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    (place, server)
}

/// A client that calls while something else happens. Gives how long each call
/// took, sorted.
fn honest_calls(server: &Observed, tokens: &Value, meanwhile: impl FnOnce()) -> Vec<Duration> {
    let done = AtomicBool::new(false);
    let calls = || {
        let mut took = Vec::new();
        while !done.load(Ordering::Relaxed) {
            let begun = Instant::now();
            let answer = server.call("GET", "/orders", Some(access_token(tokens)));
            assert_eq!(answer.status, 200, "an honest call failed: {answer:?}");
            took.push(begun.elapsed());
        }
        took
    };
    let mut took = thread::scope(|scope| {
        let calls = scope.spawn(calls);
        meanwhile();
        done.store(true, Ordering::Relaxed);
        calls.join().unwrap()
    });
    took.sort_unstable();
    took
}

fn tell(what: &str, took: &[Duration]) {
    let at = |percent: usize| took[(took.len() - 1) * percent / 100];
    say(&format!(
        "{what}: {} honest calls, p50 {:?}, p99 {:?}",
        took.len(),
        at(50),
        at(99)
    ));
}

fn guess(n: usize) -> Value {
    json!({ "username": format!("somebody-{n}"), "password": "a guess at a password" })
}

#[test]
fn dos_001_a_flood_of_sign_ins_takes_bounded_memory_and_no_honest_call() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    let base = server.memory("VmHWM");
    let refused = AtomicUsize::new(0);
    let gateway = server.gateway;
    let took = honest_calls(&server, &tokens, || {
        thread::scope(|scope| {
            for client in 0..100 {
                let refused = &refused;
                scope.spawn(move || {
                    for n in 0..5 {
                        let body = guess(client * 5 + n).to_string();
                        let json = [("Content-Type", "application/json")];
                        let answer =
                            request(gateway, "POST", "/auth/sign-in", &json, body.as_bytes());
                        let status = answer.status;
                        assert!(matches!(status, 401 | 429 | 503), "{answer:?}");
                        if status != 401 {
                            assert!(answer.header("retry-after").is_some(), "{answer:?}");
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        // Sessions go on while their neighbours guess.
        assert_eq!(server.refresh(&tokens).status, 200);
    });
    tell("during 500 sign-ins", &took);
    let refused = refused.load(Ordering::Relaxed);
    // 100 failures from one network are what is tried at all.
    assert!(refused >= 400, "only {refused} of 500 were refused");
    let grown = server.memory("VmHWM").saturating_sub(base);
    assert!(
        grown <= PERMITS * HASH + SLACK,
        "the flood took {} MiB",
        grown / MIB
    );
    server.assert_well();
}

/// Whoever hangs up has asked for a hash all the same: it is counted, and its
/// memory is not given to another one before it ends.
#[test]
fn dos_001_callers_who_hang_up_free_nothing_early() {
    let (_place, mut server) = demo();
    let tokens = server.sign_in("reader");
    let base = server.memory("VmHWM");
    let took = honest_calls(&server, &tokens, || {
        for n in 0..300 {
            let body = guess(n).to_string();
            let message = format!(
                "POST /auth/sign-in HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Content-Length: {}\r\n\r\n{body}",
                server.gateway,
                body.len()
            );
            let mut stream = TcpStream::connect(server.gateway).unwrap();
            // It may have been turned away already.
            let _ = stream.write_all(message.as_bytes());
        }
        // What was begun ends at its own pace.
        let password = server.password("editor");
        until(PATIENCE, "an answer that is no overload", || {
            let status = server.try_sign_in("editor", &password).status;
            matches!(status, 200 | 429).then_some(())
        });
    });
    tell("during 300 sign-ins that hung up", &took);
    let grown = server.memory("VmHWM").saturating_sub(base);
    assert!(
        grown <= PERMITS * HASH + SLACK,
        "the flood took {} MiB",
        grown / MIB
    );
    assert_eq!(server.refresh(&tokens).status, 200);
    server.assert_well();
}
