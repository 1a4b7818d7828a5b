//! Several upstreams, their health, and upstreams under TLS.

use std::{
    io::Write as _,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use doorward_gateway::{Config, Limits, UpstreamProtocol, UpstreamRoots};
use http::Uri;

use crate::{
    harness::{House, Plan, Recorder, TurnedClock, part::Certificate, request},
    tls::tls,
};

/// A house before `first` and `more`.
fn house(first: Recorder, more: &[&Recorder], limits: Limits) -> House {
    let more: Vec<Uri> = more
        .iter()
        .map(|one| one.origin().parse().unwrap())
        .collect();
    House::start(Plan {
        upstream: Some(first),
        limits,
        config: Box::new(|config: &mut Config| config.more_upstreams = more),
        ..Plan::default()
    })
}

/// An address where nobody listens.
fn nowhere(host: u8) -> Uri {
    // A port that nobody listens on and that the system gives to nobody, the
    // gateway under test included.
    format!("http://127.0.0.{host}:1").parse().unwrap()
}

#[test]
fn requests_are_spread_and_go_to_the_least_busy() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let slow = Recorder::with(move |recorded, stream| {
        if recorded.target() == "/files/slow" {
            let _ = gone.lock().unwrap().recv();
        }
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .is_ok()
    });
    let other = Recorder::usual();
    let house = house(slow, &[&other], Limits::default());
    for _ in 0..8 {
        assert_eq!(house.get("/health", &[]).status, 200);
    }
    assert!(
        !house.upstream.seen().is_empty() && !other.seen().is_empty(),
        "both have work"
    );
    // One request keeps the slow one busy (if it lands there); all others go
    // to the other one.
    let of_them = |recorder: &Recorder| {
        let seen = recorder.seen();
        let slow = seen.iter().filter(|seen| seen.target() == "/files/slow");
        slow.count()
    };
    let mut busy = Vec::new();
    while of_them(&house.upstream) == 0 {
        let mut client = house.client();
        client.write(request("GET", "/files/slow", &[]));
        busy.push(client);
        // One after the other: a second one on its way would be counted late.
        while of_them(&house.upstream) + of_them(&other) < busy.len() {
            std::thread::yield_now();
        }
    }
    let before = house.upstream.seen().len();
    for _ in 0..8 {
        assert_eq!(house.get("/health", &[]).status, 200);
    }
    assert_eq!(house.upstream.seen().len(), before);
    drop(go);
}

#[test]
fn who_cannot_be_reached_is_left_out_and_nothing_is_lost() {
    let house = House::start(Plan {
        config: Box::new(|config: &mut Config| {
            config.more_upstreams = vec![nowhere(2), nowhere(3)]
        }),
        ..Plan::default()
    });
    let post = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for _ in 0..12 {
        assert_eq!(house.get("/health", &[]).status, 200);
        assert_eq!(house.raw(post).status, 200, "nothing of it was sent before");
    }
    assert_eq!(house.upstream.seen().len(), 24, "each once");
    let nobody = House::start(Plan {
        origin: Some(nowhere(4).to_string()),
        config: Box::new(|config: &mut Config| config.more_upstreams = vec![nowhere(5)]),
        ..Plan::default()
    });
    assert_eq!(nobody.get("/health", &[]).status, 502);
}

#[test]
fn gwy_027_what_may_have_arrived_is_not_sent_to_another() {
    let first = Recorder::saying("");
    let other = Recorder::saying("");
    let house = house(first, &[&other], Limits::default());
    let post = "POST /upload HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
    for number in 1..5 {
        assert_eq!(house.raw(post).status, 502);
        assert_eq!(house.upstream.seen().len() + other.seen().len(), number);
    }
}

/// A server that dies takes the connections with it that it has just been given.
#[test]
fn gwy_027_a_read_goes_to_another_when_a_new_connection_ends() {
    let other = Recorder::usual();
    let dying = house(Recorder::saying(""), &[&other], Limits::default());
    for _ in 0..4 {
        assert_eq!(dying.get("/health", &[]).status, 200);
    }
    let tried = dying.upstream.seen().len();
    assert!((1..=4).contains(&tried), "it was asked {tried} times");
    assert_eq!(other.seen().len(), 4, "each once");
    let other = Recorder::saying("");
    let both = house(Recorder::saying(""), &[&other], Limits::default());
    assert_eq!(both.get("/health", &[]).status, 502);
    assert_eq!((both.upstream.seen().len(), other.seen().len()), (1, 1));
    let alone = house(Recorder::saying(""), &[], Limits::default());
    assert_eq!(alone.get("/health", &[]).status, 502);
    assert_eq!(alone.upstream.seen().len(), 1, "nobody else to ask");
    // Whoever is known to be down is not asked in the place of a failed one.
    let first = Recorder::saying("");
    let config = |config: &mut Config| config.more_upstreams = vec![nowhere(6)];
    let mut house = House::start(Plan {
        upstream: Some(first),
        config: Box::new(config),
        ..Plan::default()
    });
    for _ in 0..12 {
        assert_eq!(house.get("/health", &[]).status, 502);
        let reason = house.decision().reason;
        assert_eq!(reason.code(), "upstream_broken", "what happened first");
    }
}

/// What is worked on for long and then hangs up may be the request's doing.
#[test]
fn gwy_027_a_read_that_kills_a_server_late_is_not_sent_to_the_next() {
    let slow = || {
        Recorder::with(|_, _| {
            std::thread::park_timeout(Duration::from_millis(1200));
            false
        })
    };
    let other = slow();
    let house = house(slow(), &[&other], Limits::default());
    assert_eq!(house.get("/health", &[]).status, 502);
    assert_eq!(house.upstream.seen().len() + other.seen().len(), 1);
}

#[test]
fn a_health_check_takes_out_and_brings_back() {
    let is_well = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&is_well);
    let sick = Recorder::with(move |recorded, stream| {
        let is_bad = recorded.target() == "/healthz" && !told.load(Ordering::SeqCst);
        let status = if is_bad { "503 No" } else { "200 OK" };
        stream
            .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").as_bytes())
            .is_ok()
    });
    let other = Recorder::usual();
    let more = vec![other.origin().parse().unwrap()];
    let house = House::start(Plan {
        upstream: Some(sick),
        limits: Limits {
            health_interval: Duration::from_millis(100),
            ..Limits::default()
        },
        config: Box::new(|config: &mut Config| {
            config.more_upstreams = more;
            config.health_path = Some("/healthz".parse().unwrap());
        }),
        ..Plan::default()
    });
    let served = |house: &House| {
        let seen = house.upstream.seen();
        seen.iter()
            .filter(|seen| seen.target() == "/health")
            .count()
    };
    // Two checks have ended for certain when a third one begins.
    while house.upstream.seen().len() < 3 {
        std::thread::yield_now();
    }
    assert!(house.upstream.seen()[0].field("host").is_some());
    let before = served(&house);
    for _ in 0..8 {
        assert_eq!(house.get("/health", &[]).status, 200);
    }
    assert_eq!(served(&house), before, "the sick one gets no work");
    is_well.store(true, Ordering::SeqCst);
    while served(&house) == before {
        assert_eq!(house.get("/health", &[]).status, 200);
    }
}

#[test]
fn no_more_requests_at_an_upstream_than_allowed() {
    let (arrived, arrivals) = std::sync::mpsc::channel();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let upstream = Recorder::with(move |_, stream| {
        arrived.send(()).unwrap();
        let _ = gone.lock().unwrap().recv();
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            .is_ok()
    });
    let limits = Limits {
        upstream_requests: 1,
        ..Limits::default()
    };
    let mut house = house(upstream, &[], limits);
    let mut first = house.client();
    first.write(request("GET", "/health", &[]));
    arrivals.recv().unwrap();
    let refused = house.get("/health", &[]);
    assert_eq!(refused.status, 503);
    assert_eq!(refused.field("retry-after"), Some("1"));
    assert_eq!(house.decision().reason.code(), "overloaded");
    drop(go);
    assert_eq!(first.reply().status, 200);
    assert_eq!(
        house.get("/health", &[]).status,
        200,
        "the place is free again"
    );
}

#[test]
fn an_upstream_under_tls_is_who_it_says_or_nobody() {
    let (Some(certificate), Some(other)) =
        (Certificate::leaf("api.test"), Certificate::leaf("api.test"))
    else {
        return;
    };
    // Another gateway is the server.
    let shown = tls(&[&certificate]);
    let server = House::start(Plan {
        config: Box::new(|config: &mut Config| config.tls = Some(shown)),
        ..Plan::default()
    });
    let port = server.address.port();
    let ask_in = |protocol, origin: String, root: &Certificate, at: u64| {
        let clock = Arc::new(TurnedClock(AtomicU64::new(at * 1000)));
        let roots = UpstreamRoots::from_pem(&root.chain, clock).unwrap();
        let mut house = House::start(Plan {
            origin: Some(origin),
            config: Box::new(move |config: &mut Config| {
                config.upstream_roots = Some(roots);
                config.upstream_protocol = protocol;
            }),
            ..Plan::default()
        });
        let status = house.get("/health", &[]).status;
        let seen = house.decision().checks.last().unwrap().seen.to_string();
        (status, seen)
    };
    let ask = |origin, root: &_, at| ask_in(UpstreamProtocol::Http1, origin, root, at);
    let good = format!("https://127.0.0.1:{port}");
    let (status, seen) = ask(good.clone(), &certificate, certificate.made_at);
    assert_eq!(status, 200, "{seen}");
    assert_eq!(
        server.upstream.only().field("x-forwarded-proto"),
        Some("https")
    );
    for (origin, root, at) in [
        (good.clone(), &other, certificate.made_at),
        (good.clone(), &certificate, certificate.made_at + 40_000_000),
        (
            format!("https://localhost:{port}"),
            &certificate,
            certificate.made_at,
        ),
    ] {
        let (status, seen) = ask(origin, root, at);
        assert_eq!(status, 502);
        assert!(seen.starts_with("TLS: "), "{seen}");
    }
    assert_eq!(server.upstream.seen().len(), 1);
    let http2 = UpstreamProtocol::Http2;
    let (status, seen) = ask_in(http2, good, &certificate, certificate.made_at);
    assert_eq!(status, 200, "{seen}");
    let hops = server.upstream.seen()[1].head.clone();
    assert!(hops.contains("via: 2.0 doorward"), "{hops}");
    assert!(
        UpstreamRoots::from_pem(&certificate.key, Arc::new(TurnedClock(AtomicU64::new(0))))
            .is_err()
    );
}
