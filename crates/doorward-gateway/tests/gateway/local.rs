//! Doorward's own endpoints, behind the same gate.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::atomic::Ordering,
};

use doorward_policy::decision::{Outcome, Reason};

use crate::harness::{House, request};

#[test]
fn the_local_service_gets_the_token_the_peer_and_the_trace() {
    let mut house = House::usual();
    let fields = [
        "Authorization: Bearer a.b.c",
        "X-Doorward-Subject: root",
        "X-Forwarded-For: 1.2.3.4",
    ];
    let reply = house.get("/auth/sign-in?x=y", &fields);
    assert_eq!(reply.status, 200);
    let seen = reply.text().to_owned();
    assert!(seen.starts_with("GET /auth/sign-in?x=y\n"), "{seen}");
    assert!(seen.contains("authorization: Bearer a.b.c\n") && seen.contains("peer 127.0.0.1\n"));
    assert!(
        !seen.contains("root") && !seen.contains("1.2.3.4"),
        "{seen}"
    );
    let trace_id = reply.field("x-request-id").unwrap().to_owned();
    assert!(seen.contains(&format!("trace {trace_id}\n")), "{seen}");
    let decision = house.decision();
    assert_eq!(
        (decision.reason, decision.outcome),
        (Reason::SignedIn, Outcome::Allowed)
    );
    assert_eq!(decision.caller.unwrap().subject, "ann");
    assert_eq!(
        (decision.status, decision.trace_id.to_string()),
        (Some(200), trace_id)
    );
    house.upstream.assert_untouched();
}

#[test]
fn its_bodies_pass_and_its_refusals_are_recorded() {
    let mut house = House::usual();
    let reply = house.raw(
        "POST /auth/refresh HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
         5\r\nhello\r\n0\r\n\r\n",
    );
    assert_eq!(reply.status, 401);
    assert!(reply.text().ends_with("hello"), "{}", reply.text());
    let decision = house.decision();
    assert_eq!(
        (decision.reason, decision.outcome),
        (Reason::WrongCredentials, Outcome::Denied)
    );
    assert_eq!(decision.caller, None);
}

/// Who hangs up before the answer cannot hide what it was.
#[test]
fn bru_001_a_caller_that_leaves_is_recorded_with_what_it_asked() {
    let mut house = House::usual();
    let mut client = house.client();
    client.write(request("GET", "/auth/slow", &[]));
    while !house.slow.is_asked.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    drop(client);
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
    house.slow.may_answer.store(true, Ordering::SeqCst);
    let decision = house.decision();
    assert_eq!(
        (decision.reason, decision.outcome, decision.status),
        (Reason::WrongCredentials, Outcome::Denied, Some(401))
    );
}

/// Who hangs up with the last byte of the request is not recorded as served while
/// nobody was asked.
#[test]
fn bru_001_a_caller_that_hangs_up_at_once_is_served_and_recorded() {
    let mut house = House::usual();
    for _ in 0..50 {
        let mut stream = TcpStream::connect(house.address).unwrap();
        stream
            .write_all(request("GET", "/auth/sign-in", &[]).as_bytes())
            .unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        // What comes back, or how it ends, is not what is asked here.
        let _ = stream.read_to_end(&mut Vec::new());
        let decision = house.decision();
        assert_eq!(
            (decision.reason, decision.status),
            (Reason::SignedIn, Some(200))
        );
    }
}

#[test]
fn the_gate_stands_before_it() {
    let house = House::usual();
    for target in [
        "/auth//sign-in",
        "/auth/../auth/sign-in",
        "/auth/%2e%2e/x",
        "/auth/;x",
    ] {
        assert_eq!(house.get(target, &[]).status, 400, "{target}");
    }
    let two = "GET /auth/sign-in HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n";
    assert_eq!(house.raw(two).status, 400);
    assert_eq!(house.get("/authx/sign-in", &[]).status, 404);
}
