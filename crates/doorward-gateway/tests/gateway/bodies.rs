//! Bodies stream: whole, with every framing, and with back-pressure.

use std::{io::Write as _, sync::Mutex};

use crate::harness::{House, Plan, Recorder, request};

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
    let head = "POST /upload HTTP/1.1\r\nHost: a\r\n";
    let mut counted = house.client();
    counted.write(format!("{head}Content-Length: 5\r\n\r\n"));
    let mut chunked = house.client();
    chunked.write(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
    let mut broken = house.client();
    broken.write(format!("{head}Transfer-Encoding: chunked\r\n\r\nnothing"));
    assert_eq!(broken.reply().status, 400);
    let mut gone = house.client();
    gone.write(format!("{head}Content-Length: 5\r\n\r\n"));
    gone.finish_writing();
    assert!(
        gone.try_reply(false)
            .is_none_or(|reply| reply.status == 400)
    );
    assert_eq!(
        house.raw("GET /health HTTP/1.1\r\nHost: a\r\n\r\n").status,
        200
    );
    assert_eq!(house.upstream.only().target(), "/health");
    assert_eq!(house.upstream.connections(), 1);
    counted.write("hello");
    assert_eq!(counted.reply().status, 200);
    chunked.write("2\r\nhe\r\n");
    chunked.write("3\r\nllo\r\n0\r\n\r\n");
    assert_eq!(chunked.reply().status, 200);
    let seen = house.upstream.seen();
    assert_eq!(seen[1].body, b"hello");
    assert_eq!(seen[2].body, b"hello");
}
