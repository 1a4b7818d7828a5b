//! Callers who take connections and time: bad tokens, heads that drip,
//! connections that say nothing, more of them than there are descriptors.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    ROUTES,
    observed::{Observed, PATIENCE, access_token, guarded, until},
};
use crate::harness::{Recorder, find};

/// No honest call takes this long, whatever the others do.
const PROMPT: Duration = Duration::from_secs(1);

fn assert_prompt(server: &Observed, tokens: &Value) {
    let begun = Instant::now();
    let answer = server.call("GET", "/orders", Some(access_token(tokens)));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
}

fn connect(server: &Observed) -> TcpStream {
    let stream = TcpStream::connect(server.gateway).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

#[test]
fn dos_002_a_flood_of_bad_tokens_delays_no_honest_call() {
    let recorder = Recorder::start();
    let (_place, mut server) = guarded(recorder.address, ROUTES);
    let tokens = server.sign_in("reader");
    let token = access_token(&tokens);
    let (unsigned, _) = token.rsplit_once('.').unwrap();
    // A right head and payload, and a signature of the right length: the
    // dearest refusal there is.
    let forged = format!("{unsigned}.{}", "A".repeat(86));
    let done = AtomicBool::new(false);
    let flood = || {
        let mut stream = connect(&server);
        let message = format!(
            "GET /orders HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {forged}\r\n\r\n",
            server.gateway
        );
        let (mut chunk, mut refused) = ([0; 4096], 0);
        while !done.load(Ordering::Relaxed) {
            stream.write_all(message.as_bytes()).unwrap();
            let count = stream.read(&mut chunk).unwrap();
            let head = String::from_utf8_lossy(&chunk[..count]).into_owned();
            assert!(head.starts_with("HTTP/1.1 401"), "{head}");
            refused += 1;
        }
        refused
    };
    let refused: usize = thread::scope(|scope| {
        let floods: Vec<_> = (0..8).map(|_| scope.spawn(flood)).collect();
        let begun = Instant::now();
        let mut calls = 0;
        while calls < 50 || begun.elapsed() < Duration::from_millis(500) {
            assert_prompt(&server, &tokens);
            calls += 1;
        }
        assert_eq!(
            recorder.count(),
            calls,
            "a forged call reached the upstream"
        );
        done.store(true, Ordering::Relaxed);
        floods.into_iter().map(|flood| flood.join().unwrap()).sum()
    });
    assert!(refused > 100, "{refused}");
    server.assert_well();
}

#[test]
fn dos_003_dos_015_dripping_and_idle_connections_delay_no_honest_call() {
    let recorder = Recorder::start();
    let (_place, mut server) = guarded(recorder.address, ROUTES);
    let tokens = server.sign_in("editor");
    let base = server.memory("VmRSS");
    let idle: Vec<_> = (0..300).map(|_| connect(&server)).collect();
    let mut heads: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    let mut bodies: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    let upload = format!(
        "POST /orders HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 1000\r\n\r\n",
        server.gateway,
        access_token(&tokens)
    );
    for body in &mut bodies {
        body.write_all(upload.as_bytes()).unwrap();
    }
    for byte in "GET /orders HTTP/1.1\r\nX".bytes() {
        for stream in heads.iter_mut().chain(&mut bodies) {
            // Whoever was cut off has got what they deserve.
            let _ = stream.write_all(&[byte]);
        }
        assert_prompt(&server, &tokens);
    }
    let grown = server.memory("VmRSS").saturating_sub(base);
    let each = grown / (idle.len() + heads.len() + bodies.len());
    assert!(each < 64 * 1024, "{each} bytes a connection");
    drop((idle, heads, bodies));
    assert_prompt(&server, &tokens);
    // No half an upload was ever told as a whole one.
    assert!(
        recorder
            .heads()
            .iter()
            .all(|head| head.starts_with("GET /orders"))
    );
    server.assert_well();
}

/// Callers who read nothing of what they asked for.
#[test]
fn dos_003_callers_who_do_not_read_delay_no_honest_call() {
    let recorder = Recorder::start();
    let (_place, mut server) = guarded(recorder.address, ROUTES);
    let tokens = server.sign_in("reader");
    let message = format!("GET /public HTTP/1.1\r\nHost: {}\r\n\r\n", server.gateway);
    let mut deaf: Vec<_> = (0..50).map(|_| connect(&server)).collect();
    for stream in &mut deaf {
        stream
            .set_write_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        // Until neither side's buffers take more, or long enough.
        for _ in 0..20 {
            if stream.write_all(message.repeat(50).as_bytes()).is_err() {
                break;
            }
        }
    }
    for _ in 0..20 {
        assert_prompt(&server, &tokens);
    }
    server.assert_well();
}

/// More connections than the system gives descriptors for: some are not
/// accepted, and when they leave everything is as before.
#[test]
fn dos_015_a_process_without_descriptors_is_well_again_when_callers_leave() {
    let Some(prlimit) = find("prlimit") else {
        return;
    };
    let recorder = Recorder::start();
    let (_place, mut server) = guarded(recorder.address, ROUTES);
    let tokens = server.sign_in("reader");
    let limited = Command::new(prlimit)
        .args(["--pid", &server.pid().to_string(), "--nofile=80:"])
        .status()
        .unwrap();
    assert!(limited.success());
    let idle: Vec<_> = (0..200).map(|_| connect(&server)).collect();
    drop(idle);
    let token = access_token(&tokens);
    until(PATIENCE, "an honest call", || {
        let answer = server.call("GET", "/orders", Some(token));
        assert!(matches!(answer.status, 200 | 502 | 503), "{answer:?}");
        (answer.status == 200).then_some(())
    });
    server.sign_in("reader");
    assert_prompt(&server, &tokens);
    server.assert_well();
}
