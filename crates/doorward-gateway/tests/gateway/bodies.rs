//! Bodies stream: whole, with every framing, and with back-pressure.

use std::{io::Write as _, sync::Mutex};

use doorward_policy::decision::Reason;
use doorward_verify::{
    jose::time::UnixTime,
    revocation::{Entry, Revocation},
};

use crate::harness::{House, Plan, Recorder, request, tokens::NOW};

const MEGABYTE: usize = 1024 * 1024;
#[test]
fn a_caller_that_does_not_read_holds_the_upstream_back() {
    let (give_up, given_up) = std::sync::mpsc::channel();
    let upstream = Recorder::with(move |_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .unwrap();
        stream
            .set_write_timeout(Some(std::time::Duration::from_millis(300)))
            .unwrap();
        let chunk = [
            format!("{:x}\r\n", 65536).as_bytes(),
            &[b'x'; 65536],
            b"\r\n",
        ]
        .concat();
        let taken = (0..2000)
            .take_while(|_| stream.write_all(&chunk).is_ok())
            .count();
        give_up.send(taken * chunk.len()).unwrap();
        false
    });
    let house = House::start(Plan {
        upstream: Some(upstream),
        workers: 1,
        ..Plan::default()
    });
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    // Nothing is read before the upstream has found that nobody takes more
    // than the sockets on the way hold.
    let taken = given_up.recv().unwrap();
    assert!(
        taken < 64 * MEGABYTE,
        "{} MB of 125 went into the gateway",
        taken / MEGABYTE
    );
    assert!(!client.reply().is_whole);
}

#[test]
fn answers_flow_as_they_come() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Recorder::with(move |_, stream| {
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
        stream
            .write_all(format!("{head}\r\n9\r\ndata: 1\n\n\r\n").as_bytes())
            .unwrap();
        gone.lock().unwrap().recv().unwrap();
        stream
            .write_all(b"9\r\ndata: 2\n\n\r\n0\r\nX-Doorward-Subject: root\r\n\r\n")
            .is_ok()
    });
    let house = House::start(Plan {
        upstream: Some(upstream),
        workers: 1,
        ..Plan::default()
    });
    let mut client = house.client();
    client.write(request("GET", "/health", &["TE: trailers"]));
    let mut got = Vec::new();
    while crate::harness::client::find(&got, b"data: 1").is_none() {
        got.extend(client.some().unwrap());
    }
    go.send(()).unwrap();
    while crate::harness::client::find(&got, b"0\r\n").is_none() {
        got.extend(client.some().unwrap());
    }
    let got = String::from_utf8(got).unwrap();
    assert!(got.contains("data: 2") && !got.contains("root"), "{got}");
}

#[test]
fn bodies_with_every_framing_arrive_whole() {
    let house = House::usual();
    let post = |fields: &str, body: &str| {
        house
            .raw(format!(
                "POST /upload HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}"
            ))
            .status
    };
    assert_eq!(post("Content-Length: 0", ""), 200);
    assert_eq!(post("Content-Length: 5", "hello"), 200);
    assert_eq!(
        post(
            "Transfer-Encoding: chunked",
            "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
        ),
        200
    );
    let bodies: Vec<_> = house
        .upstream
        .seen()
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    assert_eq!(bodies, [b"".to_vec(), b"hello".to_vec(), b"hello".to_vec()]);
    let get = "GET /health HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    assert_eq!(house.raw(get).status, 200);
    assert_eq!(
        house.upstream.seen()[3].body,
        b"abc",
        "a GET with a body keeps it"
    );
}

#[test]
fn expect_100_continue_is_answered_by_us() {
    let house = House::usual();
    let mut client = house.client();
    client.write(
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.reply().status, 100);
    client.write("hello");
    assert_eq!(client.reply().status, 200);
    let seen = house.upstream.only();
    assert_eq!(
        (seen.body.as_slice(), seen.field("expect")),
        (b"hello".as_slice(), None)
    );
}

#[test]
fn dos_003_a_body_that_does_not_begin_takes_nothing_of_the_api() {
    let house = House::usual();
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n";
    let mut slow = house.client();
    slow.write(head);
    let mut gone = house.client();
    gone.write(head);
    gone.finish_writing();
    assert!(
        gone.try_reply(false)
            .is_none_or(|reply| reply.status == 400)
    );
    assert_eq!(house.get("/health", &[]).status, 200);
    assert_eq!(house.upstream.only().target(), "/health");
    slow.write("hello");
    assert_eq!(slow.reply().status, 200);
    let seen = house.upstream.seen();
    assert_eq!(seen[1].body, b"hello");
}

#[test]
fn dos_003_a_body_that_never_begins_is_not_waited_for() {
    let house = House::usual();
    let mut client = house.client();
    client.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    let reply = client.reply();
    assert_eq!(reply.status, 408, "{}", reply.head);
    house.upstream.assert_untouched();
}

#[test]
fn who_waits_for_the_answers_head_before_the_body_gets_it() {
    let upstream = Recorder::heads_only(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .is_ok()
    });
    let house = House::start(Plan {
        upstream: Some(upstream),
        ..Plan::default()
    });
    let mut client = house.client();
    client.write("POST /upload HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.reply().status, 200);
}

#[test]
fn nobody_is_asked_for_a_body_that_nobody_takes() {
    let house = House::start(Plan {
        origin: Some("http://127.0.0.1:1".into()),
        ..Plan::default()
    });
    let mut client = house.client();
    client.write(
        "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    );
    assert_eq!(client.reply().status, 502);
}

#[test]
fn rev_001_a_token_that_is_revoked_before_the_body_begins_opens_nothing() {
    let mut house = House::start(Plan {
        workers: 1,
        ..Plan::default()
    });
    let mut client = house.client();
    let authorization = format!("Authorization: Bearer {}", house.tokens.editor());
    let head = format!("POST /orders HTTP/1.1\r\nHost: a\r\n{authorization}\r\n");
    client.write(format!("{head}Content-Length: 5\r\n\r\n"));
    // The worker's next answer is behind its judgement of the head.
    assert_eq!(house.get("/health", &[]).status, 200);
    house.revocations.insert(Entry {
        revocation: Revocation::Session { sid: "s-1".into() },
        expires_at: UnixTime::from_secs(NOW + 1000),
    });
    client.write("hello");
    assert_eq!(client.reply().status, 401);
    assert_eq!(house.upstream.only().target(), "/health");
    assert_eq!(house.decision().path, "/health");
    assert_eq!(house.decision().reason, Reason::SessionRevoked);
}
