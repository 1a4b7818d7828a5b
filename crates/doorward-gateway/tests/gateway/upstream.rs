//! Upstreams that misbehave, and connections that are used again.

use std::{
    io::Write as _,
    net::Shutdown,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use doorward_gateway::Limits;
use doorward_policy::decision::Outcome;

use crate::harness::{Client, House, Plan, Recorder, Reply, request};

const SHORT: Duration = Duration::from_millis(50);
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn before(upstream: Recorder) -> House {
    House::start(Plan {
        upstream: Some(upstream),
        workers: 1,
        ..Plan::default()
    })
}

fn before_in_haste(upstream: Recorder) -> House {
    let limits = Limits {
        answer_timeout: SHORT,
        answer_stall_timeout: SHORT,
        connect_timeout: Duration::from_millis(500),
        ..Limits::default()
    };
    House::start(Plan {
        upstream: Some(upstream),
        workers: 1,
        limits,
        ..Plan::default()
    })
}

fn ask(house: &House) -> Reply {
    house.get("/health", &[])
}

#[test]
fn gwy_027_an_upstream_that_is_not_there() {
    // A port that is taken, and that nobody listens on.
    let taken = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    taken
        .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    let gone = taken.local_addr().unwrap().as_socket().unwrap();
    let origin = Some(format!("http://{gone}"));
    let mut house = House::start(Plan {
        origin,
        workers: 1,
        ..Plan::default()
    });
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    let reply = client.reply();
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (502, "upstream_unreachable")
    );
    let decision = house.decision();
    assert_eq!(
        (decision.outcome, decision.status),
        (Outcome::Failed, Some(502))
    );
    assert_eq!(decision.failed_check().unwrap().seen, "connection refused");
    client.write(request("GET", "/nothing", &[]));
    assert_eq!(
        client.reply().status,
        404,
        "the caller's connection lives on"
    );
}

#[test]
fn gwy_027_answers_that_are_not_http() {
    let bomb = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(101));
    let bad: [&[u8]; 11] = [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 200 OK\r\n\r",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        b"HTTP/9.9 200 OK\r\n\r\n",
        bomb.as_bytes(),
        many.as_bytes(),
    ];
    for answer in bad {
        let mut house = before(Recorder::saying(answer));
        let reply = ask(&house);
        let shown = String::from_utf8_lossy(&answer[..answer.len().min(60)]).into_owned();
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (502, "upstream_broken"),
            "{shown:?}"
        );
        let decision = house.decision();
        assert_eq!(
            (decision.outcome, decision.status),
            (Outcome::Failed, Some(502))
        );
    }
}

#[test]
fn gwy_027_answers_with_two_lengths() {
    let two = [
        "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "Transfer-Encoding: gzip\r\n\r\nok",
        "Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        "Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "Content-Length: 2, 2\r\n\r\nok",
    ];
    for rest in two {
        let house = before(Recorder::saying(format!("HTTP/1.1 200 OK\r\n{rest}")));
        let reply = ask(&house);
        assert_eq!(
            (reply.status, reply.reason().as_str()),
            (502, "upstream_broken"),
            "{rest:?}"
        );
    }
}

/// The body of an answer that has none would be the next caller's answer.
#[test]
fn gwy_027_a_body_where_none_may_be_reaches_nobody() {
    const TRAILING: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nPOISON";
    for (method, status) in [("HEAD", "200 OK"), ("GET", "204 No Content")] {
        let upstream = Recorder::with(move |recorded, stream| {
            if recorded.target() == "/health" {
                return stream.write_all(ANSWER).is_ok();
            }
            let length = TRAILING.len();
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            // Waits until the caller has the head, and has asked again.
            stream.set_read_timeout(Some(SHORT)).unwrap();
            let _ = stream.peek(&mut [0]);
            let _ = stream.write_all(TRAILING);
            true
        });
        let house = before(upstream);
        let mut client = house.client();
        client.write(request(method, "/files/a", &[]));
        client.reply_to_head();
        client.write(request("GET", "/health", &[]));
        assert_eq!(client.reply().text(), "ok", "{method} {status}");
    }
}

#[test]
fn gwy_027_interim_answers_are_swallowed() {
    let flood =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n".repeat(50);
    let answer = [flood.as_slice(), ANSWER].concat();
    let house = before(Recorder::saying(answer));
    assert_eq!(ask(&house).text(), "ok");
}

#[test]
fn gwy_027_an_upstream_that_hangs_is_504() {
    let upstream = Recorder::with(|_, _| {
        std::thread::park();
        false
    });
    let mut house = before_in_haste(upstream);
    let reply = ask(&house);
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (504, "upstream_timeout")
    );
    assert_eq!(house.decision().outcome, Outcome::Failed);
}

#[test]
fn gwy_027_bodies_that_break_off_are_cut_for_the_caller_too() {
    let cuts: [&[u8]; 3] = [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    ];
    for answer in cuts {
        let house = before(Recorder::saying(answer));
        let reply = ask(&house);
        assert_eq!(reply.status, 200);
        assert!(!reply.is_whole, "a part looked like the whole: {reply:?}");
        let old = house.raw("GET /health HTTP/1.0\r\nHost: a\r\n\r\n");
        assert!(!old.is_whole, "HTTP/1.0 could not tell: {old:?}");
    }
}

#[test]
fn gwy_027_a_body_that_stops_is_cut() {
    let upstream = Recorder::with(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
            .unwrap();
        std::thread::park();
        false
    });
    let house = before_in_haste(upstream);
    let reply = ask(&house);
    assert!(reply.status == 200 && !reply.is_whole, "{reply:?}");
}

#[test]
fn gwy_027_bytes_behind_an_answer_reach_nobody() {
    let upstream = Recorder::with(|_, stream| {
        let stray = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray";
        stream.write_all(&[ANSWER, stray].concat()).is_ok()
    });
    let house = before(upstream);
    for _ in 0..5 {
        assert_eq!(ask(&house).text(), "ok");
    }
    assert_eq!(
        house.upstream.connections(),
        5,
        "a connection in doubt is not used again"
    );
}

#[test]
fn connections_are_used_again() {
    let house = before(Recorder::usual());
    let mut client = house.client();
    for _ in 0..20 {
        client.write(request("GET", "/health", &[]));
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(house.upstream.connections(), 1);
}

#[test]
fn an_idle_connection_is_not_kept_too_long() {
    let limits = Limits {
        upstream_idle_timeout: Duration::ZERO,
        ..Limits::default()
    };
    let house = House::start(Plan {
        limits,
        workers: 1,
        ..Plan::default()
    });
    for _ in 0..3 {
        assert_eq!(ask(&house).status, 200);
    }
    assert_eq!(house.upstream.connections(), 3);
}

/// Answers the first request of a connection and hangs up on the second one
/// without a word, as servers do whose idle time is over.
fn hangs_up_on_the_second() -> Recorder {
    let answered: Arc<std::sync::Mutex<std::collections::HashSet<usize>>> = Arc::default();
    Recorder::with(move |recorded, stream| {
        let is_first = answered.lock().unwrap().insert(recorded.connection);
        is_first && stream.write_all(ANSWER).is_ok()
    })
}

#[test]
fn a_dead_idle_connection_costs_an_idempotent_request_nothing() {
    let house = before(hangs_up_on_the_second());
    for _ in 0..10 {
        assert_eq!(ask(&house).text(), "ok");
    }
}

#[test]
fn a_request_with_an_effect_is_never_sent_twice() {
    let house = before(hangs_up_on_the_second());
    assert_eq!(ask(&house).status, 200);
    let bearer = format!("Authorization: Bearer {}", house.tokens.editor());
    let reply = house.raw(request("POST", "/orders", &[&bearer, "Content-Length: 0"]));
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (502, "upstream_broken")
    );
    let put =
        format!("PUT /orders/1 HTTP/1.1\r\nHost: a\r\n{bearer}\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(ask(&house).status, 200);
    assert_eq!(
        house.raw(put).status,
        502,
        "a body is not sent twice either"
    );
    let count = |method: &str| {
        house
            .upstream
            .seen()
            .iter()
            .filter(|seen| seen.line().starts_with(method))
            .count()
    };
    assert_eq!((count("POST"), count("PUT")), (1, 1));
}

#[test]
fn a_connection_that_said_something_is_not_tried_again() {
    let times = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&times);
    let upstream = Recorder::with(move |_, stream| {
        let first = counted.fetch_add(1, Ordering::SeqCst) == 0;
        let answer: &[u8] = if first { ANSWER } else { b"HTTP/1.1 2" };
        stream.write_all(answer).unwrap();
        first
    });
    let house = before(upstream);
    assert_eq!(ask(&house).status, 200);
    assert_eq!(ask(&house).status, 502);
    assert_eq!(times.load(Ordering::SeqCst), 2);
}

#[test]
fn an_upstream_that_dies_and_returns_is_used_again() {
    let times = AtomicUsize::new(0);
    let upstream = Recorder::with(move |_, stream| {
        if times.fetch_add(1, Ordering::SeqCst) == 0 {
            stream.shutdown(Shutdown::Both).unwrap();
            return false;
        }
        stream.write_all(ANSWER).is_ok()
    });
    let house = before(upstream);
    assert_eq!(ask(&house).status, 502);
    assert_eq!(ask(&house).status, 200);
}

#[test]
fn an_early_answer_reaches_the_caller_in_the_middle_of_its_upload() {
    let upstream = Recorder::heads_only(|_, stream| {
        stream
            .write_all(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nmuch")
            .unwrap();
        true
    });
    let house = before(upstream);
    let mut client = house.client();
    client.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    let reply = client.reply();
    assert_eq!((reply.status, reply.text()), (413, "much"));
}

#[test]
fn an_early_answer_is_heard_although_the_upstream_hangs_up() {
    let upstream = Recorder::heads_only(|_, stream| {
        stream
            .write_all(
                b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\nConnection: close\r\n\r\nmuch",
            )
            .unwrap();
        // With most of the body unread: the connection is reset.
        false
    });
    let house = before(upstream);
    for _ in 0..10 {
        let mut client = house.client();
        let mut up = client.twin();
        let sender = std::thread::spawn(move || {
            let head = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n";
            up.write_all(head.as_bytes()).unwrap();
            while up.write_all(&[b'x'; 65536]).is_ok() {}
        });
        let reply = client.reply();
        assert_eq!((reply.status, reply.text()), (413, "much"));
        drop(client);
        sender.join().unwrap();
    }
}

#[test]
fn fields_of_the_upstreams_connection_end_here() {
    let house = before(Recorder::saying(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
         Keep-Alive: x\r\nX-Own: 2\r\nX-Request-Id: theirs\r\n\r\nok",
    ));
    let mut client: Client = house.client();
    client.write(request("GET", "/health", &[]));
    let reply = client.reply();
    assert_eq!(
        (reply.text(), reply.field("x-own"), reply.field("x-hop")),
        ("ok", Some("2"), None)
    );
    assert_ne!(reply.field("x-request-id"), Some("theirs"));
    assert_eq!(
        reply.field("connection").or(reply.field("keep-alive")),
        None
    );
    client.write(request("GET", "/health", &[]));
    assert_eq!(
        client.reply().status,
        200,
        "the caller's connection is another one"
    );
}

#[test]
fn an_answer_of_http_1_0_is_passed_on() {
    let house = before(Recorder::saying("HTTP/1.0 200 OK\r\n\r\nuntil the end"));
    let reply = ask(&house);
    assert_eq!((reply.text(), reply.is_whole), ("until the end", true));
}
