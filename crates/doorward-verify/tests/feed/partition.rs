//! A verifier that is cut off, and clocks that differ.

use doorward_policy::decision::Reason;
use doorward_verify::revocation::feed::{Admission, FeedState, StalePolicy};

use crate::{House, issuer::Issuer};

async fn house(policy: StalePolicy) -> House {
    let issuer = Issuer::new();
    let settings = issuer.settings();
    let mut house = House::with(issuer, settings, policy).await;
    house.settle().await;
    house
}

/// Ten minutes without a word, looked at every ten seconds. In each interval a
/// token is issued, so there are young ones and old ones.
async fn rev_013(policy: StalePolicy, accepts: impl Fn(FeedState, u64) -> bool) {
    let house = house(policy).await;
    let mut tokens = Vec::new();
    for second in (0..600).step_by(10) {
        tokens.push((second, house.issuer.token(second)));
        for (issued, token) in &tokens {
            let age = (second - issued) as u64;
            if age > 300 {
                continue;
            }
            // The first look verifies, the second remembers: the same answer.
            for _ in 0..2 {
                let wanted = match accepts(house.state(), age) {
                    true => Ok(()),
                    false => Err(Reason::RevocationsUnknown),
                };
                assert_eq!(house.verify(token), wanted, "{age} s old after {second} s");
            }
        }
        house.later(10_000);
    }
    assert_eq!(house.state(), FeedState::Lost);
    assert_eq!(house.view.age_millis(house.clock.unix()), Some(600_000));
}

#[tokio::test]
async fn rev_013_bounded_lets_in_the_young_once_the_feed_is_lost() {
    rev_013(StalePolicy::Bounded, |state, age| {
        state != FeedState::Lost || age < 60
    })
    .await;
}

#[tokio::test]
async fn rev_013_strict_closes_at_once() {
    rev_013(StalePolicy::Strict, |state, _| state == FeedState::Fresh).await;
}

#[tokio::test]
async fn rev_013_available_stays_open() {
    rev_013(StalePolicy::Available, |_, _| true).await;
}

/// What a request opened is not kept open when no request would be let in.
#[tokio::test]
async fn rev_013_a_tunnel_ends_when_the_feed_is_too_old_for_its_token() {
    for (policy, stale, lost) in [
        (StalePolicy::Strict, false, false),
        (StalePolicy::Bounded, true, false),
        (StalePolicy::Available, true, true),
    ] {
        let house = house(policy).await;
        let token = house.issuer.token(1);
        let review = house.reviewed(&token);
        let open = || match review() {
            Ok(()) => true,
            Err(reason) => {
                assert_eq!(reason, Reason::RevocationsUnknown, "{policy:?}");
                false
            }
        };
        assert!(open(), "{policy:?}");
        house.later(20_000);
        assert_eq!(open(), stale, "{policy:?}, stale");
        house.later(80_000);
        assert_eq!(open(), lost, "{policy:?}, lost");
        assert_eq!(
            house.verify(&token).is_ok(),
            lost,
            "{policy:?}: as a request"
        );
    }
}

#[tokio::test]
async fn rev_013_a_route_may_ask_more_than_the_verifier() {
    let house = house(StalePolicy::Available).await;
    let issued = house.clock.unix();
    house.later(20_000);
    let now = house.clock.unix();
    let admit = |policy| house.view.admit(policy, issued, now);
    assert_eq!(admit(StalePolicy::Available), Admission::Tolerated);
    assert_eq!(admit(StalePolicy::Bounded), Admission::Tolerated);
    assert_eq!(admit(StalePolicy::Strict), Admission::Refused);
}

#[tokio::test]
async fn rev_013_what_was_known_is_refused_however_old_the_feed() {
    for policy in [StalePolicy::Available, StalePolicy::Bounded] {
        let mut house = house(policy).await;
        let token = house.issuer.token(1);
        house.issuer.revoke(1);
        house.later(1000);
        house.follow().await;
        house.later(200_000);
        assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
    }
}

#[tokio::test]
async fn rev_013_it_opens_again_when_the_feed_comes_back() {
    let mut house = house(StalePolicy::Bounded).await;
    let (token, revoked) = (house.issuer.token(1), house.issuer.token(2));
    house.issuer.revoke(2);
    house.later(100_000);
    assert_eq!(house.verify(&token), Err(Reason::RevocationsUnknown));
    assert_eq!(house.follow().await.cause, None);
    assert_eq!(house.verify(&token), Ok(()));
    assert_eq!(house.verify(&revoked), Err(Reason::SessionRevoked));
}

#[tokio::test]
async fn an_issuer_a_few_seconds_off_is_fresh() {
    for skew in [-5_000, 5_000, -25_000, 25_000] {
        let issuer = Issuer::new();
        issuer.with(|state| state.skew = skew);
        let settings = issuer.settings();
        let mut house = House::with(issuer, settings, StalePolicy::Bounded).await;
        for _ in 0..100 {
            house.later(1000);
            house.follow().await;
            assert_eq!(house.state(), FeedState::Fresh, "skew {skew}");
        }
        assert_eq!(house.view.skew_millis(), -skew);
        // And it is not fresh for longer, in either direction.
        house.later(6000);
        assert_eq!(house.state(), FeedState::Stale, "skew {skew}");
    }
}

#[tokio::test]
async fn an_issuer_ten_minutes_behind_is_never_fresh() {
    let issuer = Issuer::new();
    issuer.with(|state| state.skew = -600_000);
    let settings = issuer.settings();
    let mut house = House::with(issuer, settings, StalePolicy::Bounded).await;
    for _ in 0..5 {
        house.later(1000);
        house.follow().await;
    }
    assert_eq!(house.state(), FeedState::Lost);
    assert_eq!(house.view.skew_millis(), 600_000, "and one can see why");
}

#[tokio::test]
async fn an_issuer_ten_minutes_ahead_gives_no_freshness_in_advance() {
    let issuer = Issuer::new();
    issuer.with(|state| state.skew = 600_000);
    let settings = issuer.settings();
    let mut house = House::with(issuer, settings, StalePolicy::Bounded).await;
    house.follow().await;
    assert_eq!(house.state(), FeedState::Fresh);
    house.later(6_000);
    assert_eq!(house.state(), FeedState::Stale);
}

#[tokio::test]
async fn a_clock_that_is_set_back_hides_no_silence() {
    let mut house = house(StalePolicy::Bounded).await;
    house.clock.turn(-3_600_000);
    assert_eq!(house.state(), FeedState::Lost);
    // The next word dates itself by the slower clock.
    house.issuer.clock.turn(1000);
    house.follow().await;
    assert_eq!(house.state(), FeedState::Fresh);
    house.clock.turn(6_000);
    assert_eq!(house.state(), FeedState::Stale);
}

#[tokio::test]
async fn a_clock_that_was_set_right_is_believed_after_a_while() {
    let mut house = house(StalePolicy::Bounded).await;
    house.clock.turn(12_000);
    let mut states = Vec::new();
    for _ in 0..70 {
        house.later(1000);
        house.follow().await;
        states.push(house.state());
    }
    assert_eq!(states[0], FeedState::Stale, "it looks like a delay");
    assert_eq!(states[69], FeedState::Fresh);
}
