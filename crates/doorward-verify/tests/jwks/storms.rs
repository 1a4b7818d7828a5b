//! KEY-009 and HDR-010: what many requests, or many verifiers, cost the issuer.

use std::{sync::Arc, time::Duration};

use doorward_policy::decision::Reason;
use doorward_verify::jwks::remote::Follower;

use crate::{
    bench::{
        Bench, ISSUER, TurnedClock, bench, decision, jwks, key, on_loopback, remote, surroundings,
        token,
    },
    server::{Answer, Server},
};

/// 100 tokens with made-up key ids each second, and one of a known key.
async fn flood(bench: &mut Bench, seconds: u64) {
    let known = key("known");
    let made_up = key("made-up");
    for second in 0..seconds {
        for number in 0..100 {
            let made_up = made_up.clone().with_key_id(format!("{second}-{number}"));
            let verdict = bench.check(&made_up.unwrap());
            assert_eq!(verdict.unwrap_err(), Reason::UnknownKey);
        }
        // A known id with a foreign key asks for nothing either.
        assert_eq!(bench.check(&known).unwrap_err(), Reason::BadSignature);
        bench.step().await;
        bench.clock.turn(1);
    }
}

#[tokio::test]
async fn key_009_hdr_010_unknown_keys_cost_one_fetch_per_cool_down() {
    let good = key("known");
    let server = Server::start(Answer::keys(&jwks(&[&good]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    flood(&mut bench, 30).await;
    assert_eq!(server.count(), 1, "the first fetch began the cool-down");
    flood(&mut bench, 61).await;
    assert_eq!(server.count(), 4, "after 30, 60 and 90 s");
    assert!(bench.check(&good).is_ok());
}

#[tokio::test]
async fn key_009_a_look_without_asking_has_nothing_fetched() {
    let server = Server::start(Answer::keys(&jwks(&[&key("known")]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    let unknown = key("unknown");
    for _ in 0..91 {
        let now = bench.clock.unix();
        let token = token(&unknown, ISSUER, now);
        let quiet = bench.verifier.aimed_at(None).without_asking();
        let verdict = quiet.verify(&token, now, &mut decision());
        assert_eq!(verdict.unwrap_err(), Reason::UnknownKey);
        bench.step().await;
        bench.clock.turn(1);
    }
    assert_eq!(server.count(), 1);
    // Nor did it use up what another may ask for.
    assert!(bench.check(&unknown).is_err());
    bench.step().await;
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn key_009_a_failing_issuer_is_asked_no_oftener() {
    let good = key("known");
    let server = Server::start(Answer::keys(&jwks(&[&good]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    server.answer(Answer::response("500 Oops", &[], b""));
    flood(&mut bench, 91).await;
    assert_eq!(
        server.count(),
        4,
        "counted from the last attempt, failed or not"
    );
    assert!(bench.check(&good).is_ok());
}

#[tokio::test]
async fn key_009_one_unknown_key_is_asked_for_once_a_minute() {
    let server = Server::start(Answer::keys(&jwks(&[&key("known")]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    let unknown = key("unknown");
    for _ in 0..120 {
        assert!(bench.check(&unknown).is_err());
        bench.step().await;
        bench.clock.turn(1);
    }
    assert_eq!(server.count(), 3, "at 0, 30 and 90 s");
}

#[tokio::test]
async fn key_009_requests_that_wait_share_one_flight() {
    let (old, new) = (key("old"), key("new"));
    let server = Server::start(Answer::keys(&jwks(&[&old]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    bench.clock.turn(31);
    server.answer(Answer::keys(&jwks(&[&old, &new])));

    let now = bench.clock.unix();
    let text: Arc<str> = token(&new, ISSUER, now).into();
    let mut waiting = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let (verifier, text) = (Arc::clone(&bench.verifier), Arc::clone(&text));
        waiting.spawn(async move {
            verifier
                .verify_or_refresh(&text, now, &mut decision())
                .await
                .is_ok()
        });
    }
    let following = tokio::spawn(bench.follower.run());
    let verdicts = waiting.join_all().await;
    assert_eq!(verdicts, [true; 100]);
    assert_eq!(server.count(), 2);
    following.abort();
}

#[tokio::test]
async fn key_009_nobody_waits_where_there_is_nothing_to_wait_for() {
    let server = Server::start(Answer::keys(&jwks(&[&key("known")]))).await;
    let mut bench = bench(server.address());
    bench.step().await;
    let now = bench.clock.unix();
    let text = token(&key("unknown"), ISSUER, now);
    // In the cool-down of the first fetch.
    let mut said = decision();
    let verdict = bench.verifier.verify_or_refresh(&text, now, &mut said);
    let verdict = tokio::time::timeout(Duration::from_secs(1), verdict).await;
    assert_eq!(verdict.unwrap().unwrap_err(), Reason::UnknownKey);
    assert_eq!(said.checks.iter().filter(|check| !check.passed).count(), 1);
    // Asked for, fetched, and still not there.
    bench.clock.turn(30);
    bench.step().await;
    assert_eq!(server.count(), 2);
    bench.clock.turn(29);
    let now = bench.clock.unix();
    let verdict = bench.verifier.verify_or_refresh(&text, now, &mut said);
    let verdict = tokio::time::timeout(Duration::from_secs(1), verdict).await;
    assert_eq!(verdict.unwrap().unwrap_err(), Reason::UnknownKey);
}

/// A small generator with a seed, for jitter.
fn random(seed: u64) -> impl Fn() -> u64 + Send + Sync {
    let state = std::sync::atomic::AtomicU64::new(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    move || {
        let step = 0x9e37_79b9_7f4a_7c15;
        let mut mixed = state.fetch_add(step, std::sync::atomic::Ordering::SeqCst);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Turns the clock in steps and returns the requests of each.
async fn turn(
    server: &Server,
    clock: &TurnedClock,
    followers: &mut [Follower],
    (steps, millis): (u32, u64),
) -> Vec<usize> {
    let mut arrivals = Vec::new();
    for _ in 0..steps {
        let before = server.count();
        clock.turn_millis(millis);
        for follower in &mut *followers {
            follower.step().await.unwrap();
        }
        arrivals.push(server.count() - before);
    }
    arrivals
}

#[tokio::test]
async fn key_009_a_hundred_verifiers_that_restart_together_do_not_ask_together() {
    let server = Server::start(Answer::keys(&jwks(&[&key("a")]))).await;
    let clock = TurnedClock::new();
    let mut sources = Vec::new();
    let mut followers = Vec::new();
    for seed in 1..=100 {
        let keys = remote(on_loopback(server.address())).start_spread(Duration::from_secs(1));
        let (source, follower) = keys.follow(surroundings(&clock, random(seed)));
        sources.push(source);
        followers.push(follower);
    }
    let first = turn(&server, &clock, &mut followers, (10, 100)).await;
    assert_eq!(first.iter().sum::<usize>(), 100, "{first:?}");
    assert!(first.iter().all(|arrived| *arrived <= 25), "{first:?}");
    // Refreshed between 60 and 75 % of ten minutes.
    let quiet = turn(&server, &clock, &mut followers, (35, 10_000)).await;
    assert_eq!(quiet.iter().sum::<usize>(), 0, "{quiet:?}");
    let second = turn(&server, &clock, &mut followers, (10, 10_000)).await;
    assert_eq!(second.iter().sum::<usize>(), 100, "{second:?}");
    assert!(second.iter().all(|arrived| *arrived <= 25), "{second:?}");
}
