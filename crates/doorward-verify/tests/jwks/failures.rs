//! KEY-008: an endpoint that is down, slow, large, wrong or hostile. The last
//! good set stays, for a bounded time, and then nothing is accepted.

use std::time::Duration;

use doorward_policy::decision::Reason;
use doorward_verify::{key_source::Health, token_cache::CacheSize};
use serde_json::{Value, json};

use crate::{
    bench::{
        Bench, ISSUER, bench, bench_of, decision, jwks, key, on_loopback, remote, token, verifier,
    },
    server::{Answer, Server},
};

const DAY: u64 = 24 * 3600;

/// Good keys first, then `answer`: what it fails with.
async fn failure_after_good(answer: Answer) -> String {
    let good = key("good");
    let server = Server::start(Answer::keys(&jwks(&[&good]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    assert!(bench.check(&good).is_ok());
    let before = bench.source.generation(bench.clock.unix());

    server.answer(answer);
    bench.clock.turn(450);
    bench.step().await;
    assert_eq!(server.count(), 2);
    assert_eq!(bench.source.generation(bench.clock.unix()), before);
    assert!(bench.check(&good).is_ok(), "the last good set stays");
    let failures = bench.failures();
    assert_eq!(failures.len(), 1, "{failures:?}");
    failures[0].clone()
}

fn json_of(body: &str) -> Answer {
    Answer::keys(body)
}

#[tokio::test]
async fn key_008_a_bad_answer_never_replaces_a_good_set() {
    let html = "<html>sign in to the wireless network</html>";
    let gzip = ["Content-Type: application/json", "Content-Encoding: gzip"];
    let twice = ["Content-Type: application/json", "Content-Type: text/html"];
    let other = jwks(&[&key("other")]);
    let cut = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9999\r\n\r\n{other}"
    );
    let long_head = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let broke = "the exchange broke";
    let not_json = "the answer is not a JSON document";
    let malformed = "the key set is refused: the key is malformed";
    let unusable = "the key set is refused: the key set has no usable key";
    for (answer, wanted) in [
        (Answer::HangUp, broke),
        (Answer::Bytes(b"SSH-2.0-OpenSSH_9\r\n".to_vec()), broke),
        (Answer::Bytes(b"HTTP/1.1 200 OK\r\nConte".to_vec()), broke),
        (Answer::Bytes(cut.into_bytes()), broke),
        (Answer::Bytes(long_head.into_bytes()), broke),
        (
            Answer::response(
                "500 Oops",
                &["Content-Type: application/json"],
                other.as_bytes(),
            ),
            "the answer has status 500 Internal Server Error",
        ),
        (
            Answer::response("204 Empty", &[], b""),
            "the answer has status 204 No Content",
        ),
        (
            Answer::response("304 Same", &[], b""),
            "the answer has status 304 Not Modified",
        ),
        (
            Answer::response("200 OK", &["Content-Type: text/html"], html.as_bytes()),
            not_json,
        ),
        (Answer::response("200 OK", &[], other.as_bytes()), not_json),
        (
            Answer::response("200 OK", &twice, other.as_bytes()),
            not_json,
        ),
        (
            Answer::response("200 OK", &["Content-Type: text/plain"], other.as_bytes()),
            not_json,
        ),
        (
            Answer::response("200 OK", &gzip, other.as_bytes()),
            "the answer is compressed",
        ),
        (json_of(html), malformed),
        (json_of(""), malformed),
        (json_of("null"), malformed),
        (json_of("{}"), malformed),
        (json_of(&other[..other.len() - 1]), malformed),
        (json_of(&format!("{other}{other}")), malformed),
        (json_of(r#"{"keys":[],"keys":[]}"#), malformed),
        (json_of(r#"{"keys":[]}"#), unusable),
        (json_of(r#"{"keys":[{"kty":"EC"}]}"#), unusable),
    ] {
        let shown = format!("{answer:?}");
        let shown = shown.get(..200).unwrap_or(&shown).to_owned();
        assert_eq!(failure_after_good(answer).await, wanted, "{shown}");
    }
}

#[tokio::test]
async fn key_008_a_leaking_or_ambiguous_set_is_refused_and_alarmed() {
    let good: Value = serde_json::from_str(&jwks(&[&key("a")])).unwrap();
    let public = &good["keys"][0];
    let mut private = public.clone();
    private["d"] = "AAAA".into();
    let secret = json!({ "kty": "oct", "k": "AAAA", "kid": "b" });
    let many: Vec<_> = (0..33)
        .map(|number| {
            let mut key = public.clone();
            key["kid"] = number.to_string().into();
            key
        })
        .collect();
    for (keys, wanted) in [
        (
            json!([private]),
            "!the key set is refused: the key carries private members; publish only the public part",
        ),
        (
            json!([public, secret]),
            "!the key set is refused: a shared secret and a public key were mixed up",
        ),
        (
            json!([public, public]),
            "!the key set is refused: two keys of the set have the same id",
        ),
        (
            json!(many),
            "the key set is refused: the key set has more keys than the limit",
        ),
    ] {
        let answer = json_of(&json!({ "keys": keys }).to_string());
        assert_eq!(failure_after_good(answer).await, wanted);
    }
}

#[tokio::test]
async fn key_008_ten_megabytes_are_not_read() {
    let large = vec![b' '; 10 * 1024 * 1024];
    let answer = Answer::response("200 OK", &["Content-Type: application/json"], &large);
    let wanted = "the answer is larger than a key set may be";
    assert_eq!(failure_after_good(answer).await, wanted);

    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000)).repeat(160);
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    let answer = Answer::Bytes(format!("{head}{chunk}0\r\n\r\n").into_bytes());
    assert_eq!(failure_after_good(answer).await, wanted);
}

#[tokio::test]
async fn key_008_a_stall_and_a_slow_drip_end_in_time() {
    let late = "no complete answer in time";
    assert_eq!(failure_after_good(Answer::Stall).await, late);
    let head =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 90000\r\n\r\n{";
    assert_eq!(failure_after_good(Answer::Drip(head.to_vec())).await, late);
    assert_eq!(
        failure_after_good(Answer::Drip(b"HTTP/1.1 200 OK\r\nX:".to_vec())).await,
        late
    );
}

#[tokio::test]
async fn key_008_down_at_the_start_nothing_is_accepted_until_it_is_up() {
    let address = Server::gone().await;
    let mut bench = bench(address);
    let good = key("good");
    assert_eq!(bench.check(&good).unwrap_err(), Reason::KeysUnavailable);
    for pause in [1, 2, 4, 8] {
        assert_eq!(bench.step().await, Duration::from_secs(pause));
        assert_eq!(bench.health(), Health::Expired);
        assert_eq!(bench.check(&good).unwrap_err(), Reason::KeysUnavailable);
        bench.clock.turn(pause);
    }
    assert_eq!(bench.failures(), ["no connection"; 4]);

    let server = Server::start(Answer::keys(&jwks(&[&good]))).await;
    let mut bench = bench_of(remote(on_loopback(server.address())));
    server.answer(Answer::response("503 Busy", &[], b""));
    bench.step().await;
    server.answer(Answer::keys(&jwks(&[&good])));
    bench.clock.turn(1);
    bench.step().await;
    assert_eq!(bench.health(), Health::Fresh);
    assert!(bench.check(&good).is_ok());
}

/// Lets a day and more pass as the follower would: from attempt to attempt.
async fn pass(bench: &mut Bench, seconds: u64) {
    let end = bench.clock.unix().saturating_add(seconds);
    while bench.clock.unix() < end {
        let pause = bench.step().await.as_secs().max(1);
        let left = end.as_secs() - bench.clock.unix().as_secs();
        bench.clock.turn(pause.min(left));
    }
}

#[tokio::test]
async fn key_008_down_later_the_last_good_set_is_stale_for_a_day_and_no_longer() {
    let good = key("good");
    let server = Server::start(Answer::keys(&jwks(&[&good]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    assert_eq!(bench.health(), Health::Fresh);

    server.answer(Answer::response("500 Oops", &[], b""));
    pass(&mut bench, 600).await;
    assert_eq!(bench.health(), Health::Stale);
    assert!(bench.check(&good).is_ok());
    pass(&mut bench, DAY - 1).await;
    assert_eq!(bench.health(), Health::Stale);
    assert!(bench.check(&good).is_ok());
    pass(&mut bench, 1).await;
    assert_eq!(bench.health(), Health::Expired);
    assert_eq!(bench.source.generation(bench.clock.unix()), None);
    assert_eq!(bench.check(&good).unwrap_err(), Reason::KeysUnavailable);
    // About every five minutes, not every second.
    assert!(server.count() < 310, "{} attempts in a day", server.count());

    server.answer(Answer::keys(&jwks(&[&good])));
    pass(&mut bench, 301).await;
    assert_eq!(bench.health(), Health::Fresh);
    assert!(bench.check(&good).is_ok());
}

#[tokio::test]
async fn key_008_a_token_verified_before_is_refused_with_expired_keys() {
    let good = key("good");
    let server = Server::start(Answer::keys(&jwks(&[&good]))).await;
    let url = on_loopback(server.address());
    let mut bench = bench_of(remote(url).stale_for(Duration::ZERO));
    let verifier = verifier(&[(ISSUER, &bench.source)]).with_cache(CacheSize::default());
    bench.step().await;
    bench.clock.turn(400);
    let text = token(&good, ISSUER, bench.clock.unix());
    let check = |bench: &Bench| verifier.verify(&text, bench.clock.unix(), &mut decision());
    assert!(check(&bench).is_ok() && check(&bench).is_ok());
    assert_eq!(verifier.cached().0, 1);
    bench.clock.turn(200);
    assert_eq!(check(&bench).unwrap_err(), Reason::KeysUnavailable);

    bench.step().await;
    assert!(check(&bench).is_ok(), "fetched again");
    server.answer(Answer::keys(&jwks(&[&key("other")])));
    bench.clock.turn(30);
    assert!(bench.check(&key("unknown")).is_err());
    bench.step().await;
    assert_eq!(
        check(&bench).unwrap_err(),
        Reason::UnknownKey,
        "its key is gone"
    );
}

#[tokio::test]
async fn key_008_the_bound_holds_even_if_the_follower_died() {
    let good = key("good");
    let server = Server::start(Answer::keys(&jwks(&[&good]))).await;
    let url = on_loopback(server.address());
    let mut bench = bench_of(remote(url).stale_for(Duration::ZERO));
    bench.step().await;
    bench.clock.turn(599);
    assert!(bench.check(&good).is_ok());
    bench.clock.turn(1);
    assert_eq!(bench.check(&good).unwrap_err(), Reason::KeysUnavailable);
}
