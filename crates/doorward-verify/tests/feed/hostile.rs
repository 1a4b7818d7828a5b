//! A relay that forges, drops, reorders, replays, cuts and delays, and an
//! issuer whose database was put back.

use std::sync::{Arc, Mutex};

use doorward_jose::{algorithm::Algorithm, signing_key::SigningKey, time::UnixTime};
use doorward_policy::decision::Reason;
use doorward_verify::revocation::{
    Entry, Revocation,
    feed::{
        FeedState,
        follower::Cause,
        message::{BATCH_TYPE, FeedError, PAGE_TYPE},
        transport::TransportError,
    },
};
use serde_json::json;

use crate::{
    House,
    issuer::{ISSUER, NOW, honest, session},
};

fn feed(error: FeedError) -> Option<Cause> {
    Some(Cause::Feed(error))
}

/// What the follower makes of `message` in place of the next ones.
async fn instead(house: &mut House, message: String) -> Option<Cause> {
    house.issuer.with(|state| {
        state.relay = Box::new(move |_| vec![message.clone()]);
    });
    house.later(1000);
    let before = (house.view.sequence(), house.view.refused());
    let ended = house.follow().await;
    assert_eq!((ended.messages, house.view.sequence()), (0, before.0));
    assert_eq!(
        house.view.refused(),
        before.1 + u64::from(ended.cause.is_some())
    );
    house.issuer.with(|state| state.relay = honest());
    ended.cause
}

#[tokio::test]
async fn rev_013_forged_batches_are_refused() {
    let mut house = House::new().await;
    house.settle().await;
    let time = house.issuer.time() + 500;
    let payload = |issuer: &str| {
        let chain = house.issuer.with(|state| state.chain(0));
        json!({"iss": issuer, "epoch": "e1", "since": NOW * 1000 - 1, "time": time,
            "after": 0, "chain": chain.as_str(), "entries": []})
    };
    let (ours, theirs) = (payload(ISSUER), payload("https://evil.example"));
    let foreign = SigningKey::generate(Algorithm::Es256).unwrap();
    let same_id = foreign
        .clone()
        .with_key_id(house.issuer.with(|state| state.key.key_id().to_owned()))
        .unwrap();
    let secret = SigningKey::hmac(Algorithm::Hs256, &[1; 32]).unwrap();
    let (good, other_type, other_issuer) = house.issuer.with(|state| {
        (
            state.sign(BATCH_TYPE, &ours),
            state.sign(PAGE_TYPE, &ours),
            state.sign(BATCH_TYPE, &theirs),
        )
    });
    let mut altered = good.clone().into_bytes();
    let at = good.find('.').unwrap() + 20;
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    let cases = [
        (
            foreign.sign(BATCH_TYPE, &ours).unwrap(),
            FeedError::UnknownKey,
        ),
        (
            same_id.sign(BATCH_TYPE, &ours).unwrap(),
            FeedError::BadSignature,
        ),
        (
            secret.sign(BATCH_TYPE, &ours).unwrap(),
            FeedError::AlgorithmNotAllowed,
        ),
        (String::from_utf8(altered).unwrap(), FeedError::BadSignature),
        (other_type, FeedError::WrongType),
        (house.issuer.token(1), FeedError::WrongType),
        (other_issuer, FeedError::WrongIssuer),
        ("a.b".to_owned(), FeedError::Malformed),
        (good[..good.len() - 1].to_owned(), FeedError::BadSignature),
    ];
    for (message, error) in cases {
        let cause = instead(&mut house, message).await;
        let is_known = cause == feed(error) || cause == feed(FeedError::Malformed);
        assert!(is_known, "{cause:?}, wanted {error:?}");
    }
    house.later(120_000);
    assert_eq!(house.state(), FeedState::Lost, "forgeries refresh nothing");
}

#[tokio::test]
async fn a_message_of_the_feed_is_no_token() {
    let mut house = House::new().await;
    house.settle().await;
    let batch = house.issuer.with(|state| state.batch(0, 0, NOW * 1000));
    assert_eq!(house.verify(&batch), Err(Reason::WrongTokenType));
}

#[tokio::test]
async fn rev_013_a_withdrawn_key_speaks_no_more() {
    let mut house = House::new().await;
    house.settle().await;
    let kid = house.issuer.with(|state| state.key.key_id().to_owned());
    house.issuer.revoke_entry(Entry {
        revocation: Revocation::Key { kid },
        expires_at: UnixTime::from_secs(NOW + 90_000),
    });
    house.later(1000);
    // The batch that withdraws it is the last that it signs.
    let ended = house.follow().await;
    assert_eq!(
        (ended.entries, ended.cause),
        (1, feed(FeedError::UnknownKey))
    );
    house.later(1000);
    assert_eq!(house.follow().await.cause, feed(FeedError::UnknownKey));
}

#[tokio::test]
async fn rev_013_a_dropped_batch_is_a_gap_and_comes_again() {
    let mut house = House::new().await;
    let token = house.issuer.token(3);
    house.settle().await;
    for n in 0..100 {
        house.issuer.revoke(n);
    }
    house.issuer.with(|state| {
        state.relay = Box::new(|mut messages| {
            messages.remove(0);
            messages
        });
    });
    house.later(1000);
    assert_eq!(house.follow().await.cause, feed(FeedError::Gap));
    house.issuer.with(|state| state.relay = honest());
    assert_eq!(house.follow().await.entries, 100, "from where it was");
    assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
    assert_eq!(house.view.snapshots(), 1);
}

#[tokio::test]
async fn rev_013_a_feed_that_always_lacks_something_is_read_anew() {
    let mut house = House::new().await;
    house.settle().await;
    house.issuer.revoke(1);
    house.issuer.with(|state| {
        state.relay = Box::new(|messages| match messages.len() {
            1 => messages,
            _ => messages[1..].to_vec(),
        });
    });
    house.later(1000);
    for _ in 0..2 {
        assert_eq!(house.follow().await.cause, feed(FeedError::Gap));
    }
    house.settle().await;
    assert_eq!((house.view.snapshots(), house.view.sequence()), (2, 1));
}

#[tokio::test]
async fn rev_013_reordered_batches_are_a_gap() {
    let mut house = House::new().await;
    house.settle().await;
    for n in 0..100 {
        house.issuer.revoke(n);
    }
    house.issuer.with(|state| {
        state.relay = Box::new(|mut messages| {
            messages.swap(0, 1);
            messages
        });
    });
    house.later(1000);
    let ended = house.follow().await;
    assert_eq!((ended.entries, ended.cause), (0, feed(FeedError::Gap)));
}

#[tokio::test]
async fn rev_013_what_is_replayed_makes_nothing_newer() {
    let mut house = House::new().await;
    house.settle().await;
    let kept = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&kept);
    house.issuer.with(|state| {
        state.relay = Box::new(move |messages| {
            seen.lock().unwrap().extend(messages.clone());
            messages
        });
    });
    house.issuer.revoke(1);
    house.later(1000);
    house.follow().await;
    // From now on the relay tells the same story for ever.
    let old = kept.lock().unwrap().clone();
    house
        .issuer
        .with(|state| state.relay = Box::new(move |_| old.clone()));
    let token = house.issuer.token(2);
    house.issuer.revoke(2);
    for _ in 0..60 {
        house.later(1000);
        assert_eq!(house.follow().await.cause, None, "old, and no offence");
    }
    assert_eq!(house.state(), FeedState::Stale);
    house.later(2000);
    assert_eq!(house.state(), FeedState::Lost);
    house.later(60_000);
    assert_eq!(house.verify(&token), Err(Reason::RevocationsUnknown));
}

#[tokio::test]
async fn rev_013_what_was_heard_before_is_no_offence_and_no_news() {
    let mut house = House::new().await;
    for n in 0..5 {
        house.issuer.revoke(n);
    }
    house.settle().await;
    let (heartbeat, entries) = house.issuer.with(|state| {
        // Another node's, of the same millisecond; and old entries told anew.
        (
            state.batch(3, 3, NOW * 1000),
            state.batch(0, 3, NOW * 1000 + 900),
        )
    });
    for old in [heartbeat, entries] {
        assert_eq!(instead(&mut house, old).await, None);
    }
}

#[tokio::test]
async fn rev_013_what_is_delayed_shows_its_age() {
    let mut house = House::new().await;
    house.settle().await;
    // Every message comes twenty seconds late.
    let mut waiting = std::collections::VecDeque::new();
    house.issuer.with(|state| {
        state.relay = Box::new(move |messages| {
            waiting.push_back(messages);
            if waiting.len() > 20 {
                waiting.pop_front().unwrap_or_default()
            } else {
                Vec::new()
            }
        });
    });
    for _ in 0..30 {
        house.later(1000);
        house.follow().await;
    }
    assert_eq!(house.state(), FeedState::Stale);
    assert_eq!(house.view.age_millis(house.clock.unix()), Some(20_000));
}

#[tokio::test]
async fn rev_013_a_cut_batch_and_a_cut_snapshot_count_for_nothing() {
    let mut house = House::new().await;
    for n in 0..100 {
        house.issuer.revoke(n);
    }
    house.issuer.with(|state| state.cut = Some(5000));
    let ended = house.follow().await;
    assert!(matches!(
        ended.cause,
        Some(Cause::Transport(TransportError::Unreachable(_)))
    ));
    assert_eq!(house.view.snapshots(), 0);
    // Ended properly, and a page short.
    house.issuer.with(|state| {
        state.cut = None;
        state.relay = Box::new(|mut pages| {
            pages.pop();
            pages
        });
    });
    assert_eq!(house.follow().await.cause, feed(FeedError::Incomplete));
    assert_eq!(house.state(), FeedState::Lost);
    // The second page of another snapshot.
    let other = house.issuer.with(|state| state.pages(NOW * 1000 + 1));
    house.issuer.with(|state| {
        state.relay = Box::new(move |mut pages| {
            pages[1] = other[1].clone();
            pages
        });
    });
    assert_eq!(house.follow().await.cause, feed(FeedError::Incomplete));
    house.issuer.with(|state| state.relay = honest());
    house.settle().await;
}

#[tokio::test]
async fn a_database_that_was_put_back_begins_a_new_epoch() {
    let mut house = House::new().await;
    let token = house.issuer.token(1);
    house.issuer.revoke(1);
    house.settle().await;
    let old = house
        .issuer
        .with(|state| state.batch(1, 1, NOW * 1000 + 9000));
    // The backup does not know that the session ended.
    house.later(1000);
    let since = house.issuer.time();
    house.issuer.with(|state| {
        state.forget_everything();
        state.epoch = "e2".to_owned();
        state.since = since;
    });
    assert_eq!(house.follow().await.cause, Some(Cause::Gone));
    house.settle().await;
    assert_eq!((house.view.sequence(), house.view.snapshots()), (0, 2));
    assert_eq!(
        house.verify(&token),
        Err(Reason::SessionRevoked),
        "it stays in force"
    );
    // Nobody leads back into the old epoch.
    assert_eq!(
        instead(&mut house, old).await,
        feed(FeedError::EpochGoneBack)
    );
    house.issuer.with(|state| {
        state.epoch = "e1".to_owned();
        state.since = NOW * 1000 - 1;
    });
    house.later(1000);
    assert_eq!(house.follow().await.cause, Some(Cause::Gone));
    assert_eq!(house.follow().await.cause, feed(FeedError::EpochGoneBack));
}

#[tokio::test]
async fn an_issuer_that_goes_back_in_its_epoch_is_not_followed() {
    let mut house = House::new().await;
    house.issuer.revoke(1);
    house.settle().await;
    let entries = house.issuer.with(|state| state.entries.clone());
    let heartbeat = house.issuer.with(|state| {
        state.forget_everything();
        state.batch(0, 0, NOW * 1000 + 900)
    });
    house.issuer.with(|state| state.entries = entries);
    assert_eq!(
        instead(&mut house, heartbeat).await,
        feed(FeedError::GoneBack)
    );
    house.issuer.with(|state| state.forget_everything());
    // It answers 410 to a cursor beyond its head, and its snapshot is older.
    for wanted in [Some(Cause::Gone), feed(FeedError::GoneBack)] {
        house.later(30_000);
        assert_eq!(house.follow().await.cause, wanted);
    }
    house.later(30_000);
    assert_eq!(house.state(), FeedState::Lost);
}

#[tokio::test]
async fn an_epoch_has_one_beginning_and_a_beginning_one_epoch() {
    for (epoch, later) in [("e2", 0), ("e1", 5)] {
        let mut house = House::new().await;
        house.settle().await;
        let other = house.issuer.with(|state| {
            let honest = (state.epoch.clone(), state.since);
            (state.epoch, state.since) = (epoch.to_owned(), honest.1 + later);
            let message = state.batch(0, 0, NOW * 1000 + 900);
            (state.epoch, state.since) = honest;
            message
        });
        assert_eq!(instead(&mut house, other).await, feed(FeedError::Forked));
    }
}

#[tokio::test]
async fn history_that_was_rewritten_and_overtaken_is_seen() {
    let mut house = House::new().await;
    house.issuer.revoke(1);
    house.settle().await;
    // Put back without a new epoch, and already past the cursor.
    house.issuer.with(|state| state.forget_everything());
    for n in 11..14 {
        house.issuer.revoke(n);
    }
    let token = house.issuer.token(11);
    house.later(1000);
    let ended = house.follow().await;
    assert_eq!((ended.entries, ended.cause), (0, feed(FeedError::Forked)));
    house.settle().await;
    assert_eq!((house.view.sequence(), house.view.snapshots()), (3, 2));
    assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
}

#[tokio::test]
async fn a_batch_that_overlaps_is_compared_and_taken_from_where_it_is_new() {
    let mut house = House::new().await;
    for n in 0..5 {
        house.issuer.revoke(n);
    }
    house.settle().await;
    for n in 5..8 {
        house.issuer.revoke(n);
    }
    let overlapping = house
        .issuer
        .with(|state| state.batch(2, 8, NOW * 1000 + 900));
    house.issuer.with(|state| {
        state.relay = Box::new(move |_| vec![overlapping.clone()]);
    });
    house.later(1000);
    let ended = house.follow().await;
    assert_eq!((ended.entries, ended.cause), (3, None));
    assert_eq!(house.view.sequence(), 8);
}

#[tokio::test]
async fn an_entry_of_an_unknown_kind_cannot_be_decided() {
    let mut house = House::new().await;
    house.settle().await;
    let message = house.issuer.with(|state| {
        let payload = json!({"iss": ISSUER, "epoch": "e1", "since": state.since,
            "time": NOW * 1000 + 900, "after": 0, "chain": state.chain(0).as_str(),
            "entries": [["galaxy", "milky way", NOW + 300]]});
        state.sign(BATCH_TYPE, &payload)
    });
    assert_eq!(
        instead(&mut house, message).await,
        feed(FeedError::UnknownKind)
    );
}

#[tokio::test]
async fn entries_of_a_snapshot_that_failed_stay_in_force() {
    let mut house = House::new().await;
    let token = house.issuer.token(1);
    house
        .issuer
        .revoke_entry(session(1, UnixTime::from_secs(NOW + 400)));
    for n in 100..200 {
        house.issuer.revoke(n);
    }
    house.issuer.with(|state| {
        state.relay = Box::new(|pages| pages[..1].to_vec());
    });
    house.follow().await;
    assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
}
