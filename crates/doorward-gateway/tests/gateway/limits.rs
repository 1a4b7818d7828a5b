//! Every wait and every size has an end.

use std::time::{Duration, Instant};

use doorward_gateway::Limits;
use doorward_policy::decision::Reason;

use crate::harness::{House, PATIENCE, request};

const SHORT: Duration = Duration::from_millis(50);

#[test]
fn gwy_035_heads_and_targets_above_the_limit() {
    let house = House::usual();
    let long = format!("/files/{}", "a".repeat(8 * 1024));
    assert_eq!(house.get(&long, &[]).status, 414);
    assert_eq!(
        house
            .get(&format!("/health?{}", "a".repeat(8 * 1024)), &[])
            .status,
        414
    );
    assert_eq!(house.get(&"/a".repeat(300), &[]).status, 414);
    let many: Vec<String> = (0..100).map(|number| format!("X-{number}: y")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(house.get("/health", &many).status, 431);
    assert_eq!(house.get("/health", &many[..99]).status, 200);
    let large = format!("X: {}", "a".repeat(33 * 1024));
    assert_eq!(house.get("/health", &[&large]).status, 431);
    assert_eq!(house.upstream.seen().len(), 1);
}

#[test]
fn gwy_035_endless_heads_end() {
    let house = House::usual();
    let mut client = house.client();
    client.write("GET /health HTTP/1.1\r\nHost: a\r\n");
    while client.try_write("X: ".to_owned() + &"a".repeat(1000) + "\r\n") {}
    drop(client);
    assert_eq!(
        house
            .raw("GET /".to_owned() + &"a".repeat(33 * 1024))
            .status,
        414
    );
    assert_eq!(house.raw("A".repeat(33 * 1024)).status, 431);
    house.upstream.assert_untouched();
}

#[test]
fn a_head_that_does_not_end_is_answered_408() {
    let mut house = House::with_limits(Limits {
        head_timeout: SHORT,
        ..Limits::default()
    });
    let mut client = house.client();
    client.write("GET /files/slow?secret HTTP/1.1\r\nHost: a\r\nX: ");
    let reply = client.reply();
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (408, "request_timeout")
    );
    assert!(client.is_closed());
    let decision = house.decision();
    assert_eq!(
        (decision.method.as_str(), decision.path.as_str()),
        ("GET", "/files/slow")
    );
    house.upstream.assert_untouched();
}

#[test]
fn a_dripping_head_is_bounded_as_a_whole() {
    let house = House::with_limits(Limits {
        head_timeout: SHORT,
        ..Limits::default()
    });
    let mut client = house.client();
    // Far more time than the limit, in steps that are each within it.
    for _ in 0..10_000 {
        if !client.try_write("G") {
            break;
        }
    }
    let _ = client.try_reply(false);
    house.upstream.assert_untouched();
}

#[test]
fn silent_and_idle_connections_are_closed() {
    let house = House::with_limits(Limits {
        head_timeout: SHORT,
        ..Limits::default()
    });
    assert!(house.client().is_closed(), "one that never spoke");
    let house = House::with_limits(Limits {
        idle_timeout: SHORT,
        ..Limits::default()
    });
    let mut client = house.client();
    client.write(request("GET", "/health", &[]));
    assert_eq!(client.reply().status, 200);
    assert!(client.is_closed(), "one that fell silent");
}

#[test]
fn a_body_that_stops_is_answered_408() {
    let mut house = House::with_limits(Limits {
        body_timeout: SHORT,
        ..Limits::default()
    });
    let mut client = house.client();
    client.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    let reply = client.reply();
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (408, "request_timeout")
    );
    assert!(client.is_closed());
    assert_eq!(house.decision().reason, Reason::RequestTimeout);
    assert!(
        house
            .upstream
            .seen()
            .iter()
            .all(|seen| seen.body.is_empty())
    );
}

#[test]
fn dos_003_a_body_that_trickles_is_answered_408() {
    let house = House::with_limits(Limits {
        body_timeout: Duration::from_millis(300),
        slowest: 1_000_000,
        ..Limits::default()
    });
    let mut client = house.client();
    client.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    let drip = client.twin();
    drip.set_read_timeout(Some(Duration::from_millis(5)))
        .unwrap();
    // A byte every few milliseconds: never silent, and never done.
    let began = Instant::now();
    while drip.peek(&mut [0]).is_err() {
        assert!(began.elapsed() < PATIENCE, "it trickles on");
        client.write("x");
    }
    drip.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(client.reply().status, 408);
    assert!(client.is_closed());
}

#[test]
fn connections_above_the_limit_are_told_to_come_again() {
    let house = House::with_limits(Limits {
        connections: 2,
        ..Limits::default()
    });
    let mut held: Vec<_> = (0..2).map(|_| house.client()).collect();
    for client in &mut held {
        client.write(request("GET", "/health", &[]));
        assert_eq!(client.reply().status, 200);
    }
    let reply = house.client().reply();
    assert_eq!((reply.status, reply.field("retry-after")), (503, Some("1")));
    drop(held);
    // The places come back when the gateway has seen the ends.
    while house.gateway.connections() > 0 {
        std::thread::yield_now();
    }
    assert_eq!(house.get("/health", &[]).status, 200);
}

#[test]
fn gwy_030_a_body_is_not_read_before_its_caller_is_known() {
    let house = House::usual();
    let mut client = house.client();
    let head = "POST /orders HTTP/1.1\r\nHost: a\r\nContent-Length: 104857600\r\n";
    client.write(format!("{head}Expect: 100-continue\r\n\r\n"));
    let reply = client.reply();
    assert_eq!(reply.status, 401, "and no 100 before it");
    assert!(client.is_closed());

    let mut client = house.client();
    client.write(format!("{head}\r\n"));
    // The answer comes while the body is still being sent, and can be read.
    let mut sent = 0;
    while sent < 104_857_600 && client.try_write([b'x'; 65536]) {
        sent += 65536;
    }
    assert!(
        sent < 16 * 1024 * 1024,
        "{sent} bytes of a refused body were taken"
    );
    assert_eq!(client.reply().status, 401);
    house.upstream.assert_untouched();
}

#[test]
fn a_slow_caller_is_not_a_slow_upstream() {
    let limits = Limits {
        answer_timeout: SHORT,
        body_timeout: SHORT * 4,
        ..Limits::default()
    };
    let house = House::with_limits(limits);
    let mut client = house.client();
    client.write("POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
    assert_eq!(client.reply().status, 408);
}
