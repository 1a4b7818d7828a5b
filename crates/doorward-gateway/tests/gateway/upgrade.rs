//! Changes of protocol: judged as any request, then bytes both ways.

use std::{
    io::{Read as _, Write as _},
    net::Shutdown,
    time::{Duration, Instant},
};

use doorward_gateway::{Config, Limits};
use doorward_policy::route::Requirement;
use doorward_verify::{
    jose::time::UnixTime,
    revocation::{Entry, Revocation},
};

use crate::harness::{
    Client, House, PATIENCE, Plan, Recorder, Reply, request, route, tokens, usual_routes,
};

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: x\r\nX-Doorward-Subject: root\r\n\r\nhello";

/// Changes the protocol, says hello, and sends back what it gets until it gets
/// no more.
fn echo() -> Recorder {
    Recorder::heads_only(|recorded, stream| {
        if recorded.field("upgrade") != Some("websocket") {
            return stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                .is_ok();
        }
        stream.write_all(SWITCHING.as_bytes()).unwrap();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = stream.read(&mut buffer) {
            if stream.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        let _ = stream.write_all(b"bye");
        let _ = stream.shutdown(Shutdown::Write);
        false
    })
}

fn house_with(upstream: Recorder, limits: Limits) -> House {
    let mut routes = usual_routes();
    routes.push(route("GET /chat", Requirement::Authenticated));
    House::start(Plan {
        upstream: Some(upstream),
        limits,
        routes,
        config: Box::new(|config: &mut Config| config.upgrades = vec!["websocket".to_owned()]),
        ..Plan::default()
    })
}

fn house() -> House {
    house_with(echo(), Limits::default())
}

const ASKED: [&str; 3] = [
    "Upgrade: websocket",
    "Connection: Upgrade",
    "Sec-WebSocket-Key: x",
];

fn open(house: &House, path: &str, more: &[&str]) -> (Client, Reply) {
    let mut client = house.client();
    client.write(request("GET", path, &[&ASKED[..], more].concat()));
    let reply = client.reply_to_head();
    (client, reply)
}

/// Reads until `wanted` has come.
fn expect(client: &mut Client, wanted: &str) {
    let mut got = Vec::new();
    while got.len() < wanted.len() {
        got.extend(
            client
                .some()
                .unwrap_or_else(|| panic!("the end after {got:?}")),
        );
    }
    assert_eq!(String::from_utf8_lossy(&got), wanted);
}

fn as_reader(house: &House) -> String {
    format!("Authorization: Bearer {}", house.tokens.reader())
}

#[test]
fn a_websocket_passes_with_a_token_and_not_without() {
    let mut house = house();
    let (_, refused) = open(&house, "/chat", &[]);
    assert_eq!(refused.status, 401);
    house.upstream.assert_untouched();
    assert_eq!(house.decision().status, Some(401));

    let bearer = as_reader(&house);
    let (mut client, reply) = open(&house, "/chat", &[&bearer]);
    assert_eq!(reply.status, 101);
    assert_eq!(reply.field("upgrade"), Some("websocket"));
    assert_eq!(reply.field("connection"), Some("upgrade"));
    assert_eq!(reply.field("sec-websocket-accept"), Some("x"));
    assert_eq!(reply.field("x-doorward-subject"), None, "gwy_028");
    expect(&mut client, "hello");
    for word in ["one", "two", "GET /admin HTTP/1.1\r\n\r\n"] {
        client.write(word);
        expect(&mut client, word);
    }
    let seen = house.upstream.only();
    assert_eq!(seen.field("connection"), Some("upgrade"));
    assert_eq!(seen.field("x-doorward-subject"), Some("ann"));
    assert_eq!(seen.field("authorization"), None);
    assert_eq!(seen.field("sec-websocket-key"), Some("x"));
    assert_eq!(house.decision().status, Some(101));
    // One side has said all it had; the other goes on.
    client.finish_writing();
    expect(&mut client, "bye");
    assert!(client.is_closed());
}

#[test]
fn gwy_023_nothing_is_forwarded_before_the_protocol_has_changed() {
    let (arrived, arrivals) = std::sync::mpsc::channel();
    let upstream = Recorder::heads_only(move |recorded, stream| {
        arrived.send(recorded.body.clone()).unwrap();
        // Asked to change, and does not: what follows is HTTP.
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno")
            .is_ok()
    });
    let house = house_with(upstream, Limits::default());
    let mut client = house.client();
    let asked = request("GET", "/health", &ASKED);
    client.write(asked + &request("GET", "/admin", &["X-Doorward-Subject: root"]));
    let (first, second) = (client.reply(), client.reply());
    assert_eq!((first.status, second.status), (200, 401));
    assert_eq!(
        arrivals.recv().unwrap(),
        b"",
        "not one byte behind the head"
    );
    assert_eq!(house.upstream.seen().len(), 1);
}

#[test]
fn gwy_023_what_was_said_early_arrives_after_the_change() {
    let house = house();
    let mut client = house.client();
    client.write(request("GET", "/health", &ASKED) + "early");
    assert_eq!(client.reply_to_head().status, 101);
    expect(&mut client, "helloearly");
    assert_eq!(house.upstream.only().body, b"");
}

#[test]
fn gwy_023_only_what_was_asked_for() {
    for (fields, answer) in [
        (&[][..], SWITCHING.to_owned()),
        (&ASKED[..], SWITCHING.replace("websocket", "h2c")),
        (&ASKED[..], SWITCHING.replace("Upgrade: websocket\r\n", "")),
    ] {
        let house = house_with(Recorder::saying(answer), Limits::default());
        assert_eq!(house.get("/health", fields).status, 502, "{fields:?}");
    }
    let house = House::usual();
    assert_eq!(house.get("/health", &ASKED).status, 400, "off by default");
    house.upstream.assert_untouched();
}

#[test]
fn gwy_033_a_token_in_the_query_is_no_token() {
    let house = house();
    let token = house.tokens.reader();
    let (_, reply) = open(&house, &format!("/chat?access_token={token}"), &[]);
    assert_eq!(reply.status, 401);
    house.upstream.assert_untouched();
}

#[test]
fn gwy_033_a_tunnel_ends_with_its_token() {
    let house = house();
    let bearer = as_reader(&house);
    let (mut client, reply) = open(&house, "/chat", &[&bearer]);
    assert_eq!(reply.status, 101);
    expect(&mut client, "hello");
    house.revocations.insert(Entry {
        revocation: Revocation::Session { sid: "s-1".into() },
        expires_at: UnixTime::from_secs(tokens::NOW + 1000),
    });
    let begun = Instant::now();
    assert!(client.is_closed());
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn dos_003_a_silent_tunnel_ends() {
    let limits = Limits {
        tunnel_idle_timeout: Duration::from_secs(1),
        ..Limits::default()
    };
    let house = house_with(echo(), limits);
    let (mut client, _) = open(&house, "/health", &[]);
    expect(&mut client, "hello");
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        client.write("x");
        expect(&mut client, "x");
    }
    assert!(client.is_closed());
    assert!(begun.elapsed() < PATIENCE);
}

#[test]
fn the_way_down_ends_tunnels() {
    let mut house = house();
    let (mut client, _) = open(&house, "/health", &[]);
    expect(&mut client, "hello");
    house.stop();
    assert!(client.is_closed());
    assert_eq!(house.wait().cut, 0);
}

#[test]
fn a_tunnel_that_the_upstream_cuts_ends() {
    let house = house_with(Recorder::saying(SWITCHING), Limits::default());
    let (mut client, _) = open(&house, "/health", &[]);
    expect(&mut client, "hello");
    assert!(client.is_closed());
    drop(client);
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
}

/// Each event arrives when it was sent, not when the next one is.
#[test]
fn server_sent_events_are_not_held_back() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Recorder::with(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        while gone.lock().unwrap().recv().is_ok() {
            if stream.write_all(b"9\r\ndata: 1\n\n\r\n").is_err() {
                return false;
            }
        }
        false
    });
    let house = house_with(upstream, Limits::default());
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    let mut got = Vec::new();
    for number in 1..5 {
        go.send(()).unwrap();
        while got.windows(7).filter(|part| *part == b"data: 1").count() < number {
            got.extend(client.some().unwrap());
        }
    }
}
