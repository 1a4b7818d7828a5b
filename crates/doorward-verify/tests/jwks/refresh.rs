//! Freshness, tags, and rotations that nobody notices.

use std::time::Duration;

use doorward_policy::decision::Reason;
use doorward_verify::key_source::Health;

use crate::{
    bench::{bench, jwks, key},
    server::{Answer, Server},
};

#[tokio::test]
async fn a_rotation_is_seen_without_a_failed_request() {
    let keys: Vec<_> = (0..11).map(|number| key(&format!("{number}"))).collect();
    let server = Server::start(Answer::keys(&jwks(&[&keys[0]]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    for pair in keys.windows(2) {
        let [old, new] = pair else {
            unreachable!("two")
        };
        // Published beside the old one for as long as a cache may live, then
        // used; the old one goes when its last token has expired.
        server.answer(Answer::keys(&jwks(&[old, new])));
        for _ in 0..60 {
            bench.clock.turn(10);
            bench.step().await;
            assert!(bench.check(old).is_ok());
        }
        assert!(bench.check(new).is_ok());
        server.answer(Answer::keys(&jwks(&[new])));
        for _ in 0..60 {
            bench.clock.turn(10);
            bench.step().await;
            assert!(bench.check(new).is_ok());
        }
        assert_eq!(bench.check(old).unwrap_err(), Reason::UnknownKey);
    }
    assert_eq!(bench.failures(), [""; 0]);
}

#[tokio::test]
async fn the_answer_says_when_to_ask_again() {
    let jwks = jwks(&[&key("a")]);
    for (header, seconds) in [
        ("Cache-Control: max-age=1200", 900),
        ("Cache-Control: max-age=1", 45),
        ("Cache-Control: max-age=31536000", 64_800),
        ("Cache-Control: no-store", 45),
        ("X-Nothing: said", 450),
    ] {
        let server = Server::start(Answer::keys_with(&jwks, &[header])).await;
        let mut bench = bench(server.address());
        bench.step().await;
        bench.clock.turn(seconds - 1);
        assert_eq!(bench.step().await, Duration::from_secs(1), "{header}");
        assert_eq!(server.count(), 1, "{header}");
        bench.clock.turn(1);
        bench.step().await;
        assert_eq!(server.count(), 2, "{header}");
    }
}

#[tokio::test]
async fn an_unchanged_set_is_not_sent_again_and_is_no_new_generation() {
    let good = key("a");
    let tagged = ["ETag: \"one\"", "Cache-Control: max-age=600"];
    let server = Server::start(Answer::keys_with(&jwks(&[&good]), &tagged)).await;
    let mut bench = bench(server.address());
    bench.step().await;
    let generation = bench.source.generation(bench.clock.unix());
    assert!(generation.is_some());

    let same = Answer::response("304 Not Modified", &["Cache-Control: max-age=600"], b"");
    server.answer(same);
    for _ in 0..3 {
        bench.clock.turn(450);
        bench.step().await;
        assert_eq!(bench.health(), Health::Fresh);
    }
    let requests = server.requests();
    assert_eq!(requests.len(), 4);
    assert!(!requests[0].contains("if-none-match"));
    for request in &requests[1..] {
        assert!(request.contains("if-none-match: \"one\"\r\n"), "{request}");
    }
    assert_eq!(bench.source.generation(bench.clock.unix()), generation);
    assert!(bench.check(&good).is_ok());

    server.answer(Answer::keys(&jwks(&[&key("b")])));
    bench.clock.turn(450);
    bench.step().await;
    assert_ne!(bench.source.generation(bench.clock.unix()), generation);
    assert_eq!(bench.check(&good).unwrap_err(), Reason::UnknownKey);
}

#[tokio::test]
async fn what_else_an_issuer_writes_into_its_set_is_no_change_of_keys() {
    let server = Server::start(Answer::keys(&jwks(&[&key("a")]))).await;
    let mut bench = bench(server.address());
    let good = key("a");
    let written_at = |seconds: u64| {
        let mut set: serde_json::Value = serde_json::from_str(&jwks(&[&good])).unwrap();
        set["generated_at"] = seconds.into();
        Answer::keys(&set.to_string())
    };
    server.answer(written_at(1));
    bench.step().await;
    let generation = bench.source.generation(bench.clock.unix());
    assert!(generation.is_some());
    server.answer(written_at(2));
    bench.clock.turn(450);
    bench.step().await;
    assert_eq!(bench.source.generation(bench.clock.unix()), generation);
}

#[tokio::test]
async fn the_request_carries_nothing_but_the_question() {
    let server = Server::start(Answer::keys(&jwks(&[&key("a")]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    let request = &server.requests()[0];
    let mut lines: Vec<_> = request.trim_end().lines().collect();
    lines.sort_unstable();
    let host = format!("host: {}", server.address());
    let mut wanted = [
        "GET /jwks.json HTTP/1.1",
        &host,
        "accept: application/jwk-set+json, application/json",
        "accept-encoding: identity",
        "connection: close",
    ];
    wanted.sort_unstable();
    assert_eq!(lines, wanted);
}

#[tokio::test]
async fn a_clock_that_jumps_is_a_reason_to_ask_at_once() {
    let server = Server::start(Answer::keys(&jwks(&[&key("a")]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    bench.clock.turn(7 * 24 * 3600);
    assert_eq!(bench.health(), Health::Expired);
    bench.step().await;
    assert_eq!((server.count(), bench.health()), (2, Health::Fresh));
    bench.clock.set(crate::bench::NOW);
    bench.step().await;
    assert_eq!(server.count(), 3);
    bench.clock.turn(601);
    assert_eq!(bench.health(), Health::Stale, "no lifetime was stretched");
}
