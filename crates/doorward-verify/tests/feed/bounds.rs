//! Many revocations.

use doorward_policy::decision::Reason;
use doorward_verify::revocation::feed::{FeedState, StalePolicy, follower::FollowerSettings};

use crate::{
    House,
    issuer::{Issuer, session},
};

/// Counted, not timed: while 10,000 revocations come in within a minute, no
/// honest token costs a second signature, and every revoked one is refused at
/// the next request.
#[tokio::test]
async fn rev_020_ten_thousand_in_a_minute() {
    let mut house = House::new().await;
    house.settle().await;
    let honest: Vec<_> = (0..50).map(|n| house.issuer.token(1_000_000 + n)).collect();
    let doomed: Vec<_> = (0..60).map(|n| house.issuer.token(n * 166)).collect();
    for token in honest.iter().chain(&doomed) {
        assert_eq!(house.verify_seen(token), Ok(false));
    }
    let mut entries = 0;
    for second in 0..60 {
        for n in second * 166..(second + 1) * 166 + usize::from(second == 59) * 40 {
            house.issuer.revoke(n);
        }
        house.later(1000);
        entries += house.follow().await.entries;
        for token in &honest {
            assert_eq!(house.verify_seen(token), Ok(true), "in second {second}");
        }
        for token in &doomed[..=second] {
            assert_eq!(house.verify(token), Err(Reason::SessionRevoked));
        }
        assert_eq!(house.state(), FeedState::Fresh);
    }
    assert_eq!((entries, house.view.revocations().len()), (10_000, 10_000));
    assert_eq!((house.view.snapshots(), house.view.refused()), (1, 0));
    // REV-012: they go when their tokens have expired, and not before.
    house.later(299_000);
    house.follow().await;
    assert_eq!(house.view.revocations().len(), 10_000);
    house.later(62_000);
    house.issuer.revoke(0);
    house.follow().await;
    assert!(house.view.revocations().len() <= 2);
}

/// The memory is what differs: every one is found in either form.
#[tokio::test]
async fn a_large_snapshot_is_kept_in_the_compact_form_and_a_small_one_is_not() {
    for (entries, is_settled) in [(100_000, false), (100_001, true)] {
        let mut house = House::new().await;
        house.issuer.with(|state| state.in_one = 100);
        (0..entries).for_each(|n| house.issuer.revoke(n));
        house.settle().await;
        let revocations = house.view.revocations();
        assert_eq!(revocations.len(), entries);
        assert_eq!(revocations.settled_bytes() > entries, is_settled);
        let last = house.issuer.token(entries - 1);
        assert_eq!(house.verify(&last), Err(Reason::SessionRevoked));
    }
}

#[tokio::test]
async fn dos_009_as_many_as_the_bound_stay_what_they_are() {
    let issuer = Issuer::new();
    let settings = FollowerSettings {
        max_entries: 3,
        ..issuer.settings()
    };
    let mut house = House::with(issuer, settings, StalePolicy::Bounded).await;
    let honest = house.issuer.token(4);
    (1..=3).for_each(|n| house.issuer.revoke(n));
    house.settle().await;
    assert_eq!(house.view.revocations().len(), 3);
    assert_eq!(house.verify(&honest), Ok(()));
}

#[tokio::test]
async fn dos_009_more_than_the_bound_become_one_for_all_tokens() {
    let issuer = Issuer::new();
    let settings = FollowerSettings {
        max_entries: 1000,
        ..issuer.settings()
    };
    let mut house = House::with(issuer, settings, StalePolicy::Bounded).await;
    house.settle().await;
    let (old, revoked) = (house.issuer.token(5_000), house.issuer.token(1));
    for n in 0..3000 {
        let expires_at = house.clock.unix().saturating_add(360);
        house.issuer.revoke_entry(session(n, expires_at));
    }
    house.later(1000);
    assert_eq!(house.follow().await.entries, 3000);
    assert!(house.view.revocations().len() <= 1000);
    for token in [&old, &revoked] {
        assert!(house.verify(token).is_err(), "both refresh, one in vain");
    }
    house.later(3000);
    let new = house.issuer.token(5_000);
    assert_eq!(house.verify(&new), Ok(()));
}
