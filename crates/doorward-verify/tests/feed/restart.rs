//! What survives a restart, and what a damaged file does.

use std::{fs, path::Path};

use doorward_policy::decision::Reason;
use doorward_verify::revocation::feed::{
    FeedState, StalePolicy,
    follower::{Cause, Follower, FollowerSettings},
    message::FeedError,
};

use crate::{
    House,
    issuer::{Issuer, NOW, session},
};

fn settings(issuer: &Issuer, file: &Path) -> FollowerSettings {
    FollowerSettings {
        file: Some(file.to_owned()),
        ..issuer.settings()
    }
}

async fn house(file: &Path) -> House {
    let issuer = Issuer::new();
    let settings = settings(&issuer, file);
    House::with(issuer, settings, StalePolicy::Bounded).await
}

/// The process ends and begins again.
fn restart(house: &mut House, file: &Path) {
    let settings = settings(&house.issuer, file);
    house.follower = Follower::open(settings, &house.clock).unwrap();
    house.view = house.follower.view();
    house.verifier = house.issuer.verifier(&house.view, StalePolicy::Bounded);
}

/// A snapshot of a hundred entries, and ten batches of one.
async fn followed(file: &Path) -> House {
    let mut house = house(file).await;
    for n in 0..100 {
        house.issuer.revoke(n);
    }
    house.settle().await;
    for n in 100..110 {
        house.issuer.revoke(n);
        house.later(1000);
        house.follow().await;
    }
    assert_eq!(house.view.sequence(), 110);
    house.requests();
    house
}

#[tokio::test]
async fn everything_is_there_again_while_the_issuer_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed");
    let mut house = followed(&file).await;
    let tokens = [5, 105].map(|n| house.issuer.token(n));
    house.later(20_000);
    restart(&mut house, &file);
    assert_eq!(house.view.sequence(), 110);
    assert_eq!(house.state(), FeedState::Stale, "as old as its last entry");
    for token in &tokens {
        assert_eq!(house.verify(token), Err(Reason::SessionRevoked));
    }
    assert_eq!(house.requests(), [""; 0]);
    // And it goes on from there, without a snapshot.
    house.issuer.revoke(110);
    assert_eq!(house.follow().await.entries, 1);
    assert_eq!(house.requests(), ["/revocations?epoch=e1&after=110"]);
    assert_eq!(house.state(), FeedState::Fresh);
    restart(&mut house, &file);
    assert_eq!(house.view.sequence(), 111);
}

#[tokio::test]
async fn a_restart_does_not_open_the_way_for_replays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed");
    let mut house = followed(&file).await;
    let old = house
        .issuer
        .with(|state| state.batch(110, 110, NOW * 1000 + 1));
    restart(&mut house, &file);
    house.later(100_000);
    house.issuer.with(|state| {
        state.relay = Box::new(move |_| vec![old.clone()]);
    });
    house.follow().await;
    assert_eq!(house.state(), FeedState::Lost);
    // Nor for an older epoch.
    house.issuer.with(|state| {
        state.relay = crate::issuer::honest();
        state.since -= 1000;
        state.epoch = "e0".to_owned();
    });
    assert_eq!(house.follow().await.cause, Some(Cause::Gone));
    let cause = house.follow().await.cause;
    assert_eq!(cause, Some(Cause::Feed(FeedError::EpochGoneBack)));
}

#[tokio::test]
async fn wherever_the_file_is_cut_or_damaged_nothing_is_invented() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed");
    let mut house = followed(&file).await;
    let whole = fs::read(&file).unwrap();
    let step = whole.len() / 40;
    for at in (0..whole.len()).step_by(step) {
        for damage in [true, false] {
            let mut bytes = whole.clone();
            if damage {
                bytes[at] ^= 1;
            } else {
                bytes.truncate(at);
            }
            fs::write(&file, bytes).unwrap();
            restart(&mut house, &file);
            assert!(house.view.sequence() <= 110);
            house.later(1000);
            // What is missing comes from the issuer.
            for _ in 0..2 {
                assert_eq!(house.follow().await.cause, None);
            }
            assert_eq!(house.view.sequence(), 110);
            assert_eq!(house.view.revocations().len(), 110);
            restart(&mut house, &file);
            assert_eq!(house.view.sequence(), 110, "and is kept after {at}");
        }
    }
}

#[tokio::test]
async fn a_file_of_another_issuer_says_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed");
    followed(&file).await;
    let mut other = house(&file).await;
    assert!(other.view.revocations().is_empty());
    other.settle().await;
    assert_eq!(other.view.sequence(), 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_opened_is_an_error_and_not_an_empty_one() {
    let folder = tempfile::tempdir().unwrap();
    let issuer = Issuer::new();
    let settings = settings(&issuer, folder.path());
    assert!(Follower::open(settings, &*issuer.clock).is_err());
}

#[tokio::test]
async fn the_file_is_for_its_owner_and_does_not_grow_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("feed");
    let mut house = house(&file).await;
    house.settle().await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    // The issuer forgets what has expired, and so does the next snapshot.
    let filler = "x".repeat(100);
    let mut longest = 0;
    for round in 0..60_usize {
        for n in 0..400 {
            let mut entry = session(round * 1000 + n, house.clock.unix().saturating_add(10));
            if let doorward_verify::revocation::Revocation::Session { sid } = &mut entry.revocation
            {
                sid.push_str(&filler);
            }
            house.issuer.revoke_entry(entry);
        }
        house.later(20_000);
        house.follow().await;
        longest = longest.max(fs::metadata(&file).unwrap().len());
    }
    assert!(house.view.snapshots() > 1);
    assert!(longest < 30 << 20, "{longest} bytes");
}
