//! An honest feed.

use doorward_policy::decision::Reason;
use doorward_verify::revocation::{
    Entry, Revocation,
    feed::{FeedState, FeedView, StalePolicy, follower::Cause},
};

use crate::{
    House,
    issuer::{Issuer, NOW},
};

#[tokio::test]
async fn a_revocation_reaches_the_verifier_and_ends_a_cached_token() {
    let mut house = House::new().await;
    let (token, other) = (house.issuer.token(1), house.issuer.token(2));
    house.settle().await;
    assert_eq!(house.verify_seen(&token), Ok(false));
    assert_eq!(house.verify_seen(&token), Ok(true));
    house.issuer.revoke(1);
    house.later(1000);
    let ended = house.follow().await;
    assert_eq!((ended.entries, ended.cause), (1, None));
    assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
    assert_eq!(house.verify(&other), Ok(()));
    assert_eq!(house.view.sequence(), 1);
    let [trusted] = house.verifier.issuers() else {
        panic!("one issuer is trusted");
    };
    assert_eq!(trusted.feed().map(FeedView::sequence), Some(1));
}

#[tokio::test]
async fn a_snapshot_brings_what_was_revoked_before() {
    let mut house = House::new().await;
    let token = house.issuer.token(7);
    for n in 0..100 {
        house.issuer.revoke(n);
    }
    house.issuer.with(|state| state.oldest = 100);
    house.settle().await;
    assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
    assert_eq!(house.view.sequence(), 100);
    let asked = ["/revocations/snapshot", "/revocations?epoch=e1&after=100"];
    assert_eq!(house.requests(), asked);
}

#[tokio::test]
async fn every_kind_comes_through() {
    let issued_before = doorward_jose::time::UnixTime::from_secs(NOW + 1);
    let kinds = [
        Revocation::Token {
            jti: "token-1".into(),
        },
        Revocation::Session {
            sid: "session-1".into(),
        },
        Revocation::User {
            sub: "user-1".into(),
            issued_before,
        },
        Revocation::Client {
            client_id: "web".into(),
            issued_before,
        },
        Revocation::Everything { issued_before },
    ];
    for revocation in kinds {
        let mut house = House::new().await;
        let token = house.issuer.token(1);
        house.settle().await;
        assert_eq!(house.verify(&token), Ok(()));
        house.issuer.revoke_entry(Entry {
            revocation,
            expires_at: doorward_jose::time::UnixTime::from_secs(NOW + 400),
        });
        house.later(1);
        assert_eq!(house.follow().await.cause, None);
        assert!(house.verify(&token).is_err());
    }
}

#[tokio::test]
async fn a_cursor_that_is_too_old_leads_to_a_snapshot() {
    let mut house = House::new().await;
    house.settle().await;
    for n in 0..10 {
        house.issuer.revoke(n);
    }
    house.issuer.with(|state| state.oldest = 5);
    house.later(1000);
    assert_eq!(house.follow().await.cause, Some(Cause::Gone));
    house.settle().await;
    assert_eq!((house.view.sequence(), house.view.snapshots()), (10, 2));
}

#[tokio::test]
async fn a_snapshot_of_what_is_known_already_is_as_good_as_a_newer_one() {
    let mut house = House::new().await;
    house.issuer.revoke(1);
    house.settle().await;
    house.issuer.with(|state| state.oldest = 2);
    assert_eq!(house.follow().await.cause, Some(Cause::Gone));
    assert_eq!(house.follow().await.cause, None);
    assert_eq!((house.view.sequence(), house.view.snapshots()), (1, 2));
}

#[tokio::test]
async fn a_stream_that_is_held_back_is_given_up_for_polls() {
    let mut house = House::new().await;
    let token = house.issuer.token(1);
    house.issuer.with(|state| state.buffers_streams = true);
    assert_eq!(house.follow().await.cause, None);
    let silent = house.follow().await;
    assert_eq!((silent.messages, silent.cause), (0, None));
    house.issuer.revoke(1);
    house.later(1000);
    assert_eq!(house.follow().await.entries, 1);
    assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
}

#[tokio::test]
async fn failures_wait_longer_and_a_success_forgives() {
    let mut house = House::new().await;
    house.issuer.with(|state| state.cut = Some(10));
    let mut last = 0;
    for _ in 0..12 {
        assert!(house.follow().await.cause.is_some());
        let pause = house.follower.pause().as_millis();
        assert!((125..=10_000).contains(&pause), "{pause} ms");
        assert!(pause * 2 >= last, "{pause} after {last}");
        last = pause;
    }
    assert!(last >= 5_000);
    house.issuer.with(|state| state.cut = None);
    house.settle().await;
    assert!(house.follower.pause() <= std::time::Duration::from_secs(1));
}

#[tokio::test]
async fn the_age_is_counted_from_the_last_word() {
    let mut house = House::new().await;
    assert_eq!(house.state(), FeedState::Lost, "nothing was heard yet");
    house.settle().await;
    for (millis, state) in [
        (5_000, FeedState::Fresh),
        (1_000, FeedState::Stale),
        (54_000, FeedState::Stale),
        (1_000, FeedState::Lost),
    ] {
        house.later(millis);
        assert_eq!(house.state(), state);
    }
    house.follow().await;
    assert_eq!(house.state(), FeedState::Fresh);
}

#[tokio::test]
async fn a_decision_says_how_old_the_feed_is_and_what_the_policy_asks_for() {
    let policies = [
        (StalePolicy::Bounded, 240, "revocations up to the bound"),
        (StalePolicy::Strict, 10, "revocations of the last seconds"),
    ];
    for (policy, seconds, wanted) in policies {
        let issuer = Issuer::new();
        let settings = issuer.settings();
        let mut house = House::with(issuer, settings, policy).await;
        let token = house.issuer.token(1);
        house.settle().await;
        house.later(seconds * 1000);
        let mut decision = house.decision();
        let now = house.clock.unix();
        let refused = house.verifier.verify(&token, now, &mut decision).err();
        assert_eq!(refused, Some(Reason::RevocationsUnknown));
        let check = decision.failed_check().expect("a check failed");
        let seen = format!("revocations known up to {seconds} s ago");
        assert_eq!(check.seen, seen);
        assert!(check.wanted.starts_with(wanted), "{check:?}");
    }
    assert_eq!(StalePolicy::Available.wanted(), "nothing");
}

#[tokio::test]
async fn the_loop_may_move_between_threads() {
    fn is_send(_: &impl Send) {}

    let house = House::new().await;
    let running = house.follower.run(&house.http, &house.clock);
    is_send(&running);
}
