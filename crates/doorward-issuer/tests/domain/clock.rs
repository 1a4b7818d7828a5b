//! When the clock jumps, and when a decision takes its time.

use std::time::Duration;

use doorward_issuer::session::{EndCause, FIRST_PARTY_CLIENT};
use doorward_policy::decision::Reason;
use doorward_verify::clock::Clock;

use crate::harness::{World, audit, check, sign_in};

/// A queue, a lock or a suspended machine between decision and signature.
#[tokio::test]
async fn a_token_lives_from_its_decision_on_however_late_it_is_signed() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    world.clock.run(100);
    let refreshed = issuer
        .refresh(&first.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    let minted = issuer.admin().mint_access_token("alice", None).await;
    let signed_in = sign_in(&issuer, "alice").await;
    world.clock.run(0);
    // So that none of them is expired when it is looked at.
    world.clock.turn_back(1_000);
    for token in [
        refreshed.ok().unwrap().answer.access_token,
        minted.unwrap().access_token,
        signed_in.access_token,
    ] {
        let payload = token.split('.').nth(1).unwrap();
        let payload = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(payload).unwrap();
        let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap();
        let seconds = |name: &str| claims[name].as_u64().unwrap();
        assert_eq!(seconds("exp") - seconds("iat"), 300);
    }
}

/// A command that waits for its turn behind a busy server.
#[tokio::test]
async fn rft_007_what_was_issued_while_a_change_waited_is_refused_too() {
    let (world, server) = World::with_alice().await;
    let session = sign_in(&server, "alice").await;
    world.clock.turn(2);
    let refreshed = server
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    let access_token = refreshed.ok().unwrap().answer.access_token;
    // The command began two seconds ago and has waited since.
    world.clock.turn_back(2);
    let command = world.open().await;
    let mut busy = world.hands().await;
    busy.hold().await;
    let admin = command.admin();
    let mut disabling = std::pin::pin!(admin.disable_user("alice"));
    let waits = tokio::time::timeout(Duration::from_millis(50), &mut disabling).await;
    assert!(waits.is_err(), "the database was not locked");
    world.clock.turn(2);
    busy.let_go().await;
    assert!(disabling.await.unwrap());
    server.poll_changes().await.unwrap();
    let refused = check(&server, &world.clock, &access_token).unwrap_err();
    assert_eq!(refused, Reason::UserChanged);
    let log = audit(&server).await;
    let disabled = log.iter().find(|entry| entry.action == "user.disable");
    assert_eq!(disabled.unwrap().at_ms, world.clock.now().millis());
}

#[tokio::test]
async fn dos_012_a_clock_that_went_back_spares_no_token_of_a_changed_user() {
    for back in [1, 2, 29, 600] {
        let (world, issuer) = World::with_alice().await;
        let session = sign_in(&issuer, "alice").await;
        world.clock.turn(100);
        let refreshed = issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await;
        let refreshed = refreshed.ok().unwrap().answer;
        world.clock.turn_back(back);
        let admin = issuer.admin();
        assert!(admin.revoke_role("alice", "acme", "reader").await.unwrap());
        let again = issuer
            .refresh(&refreshed.refresh_token, FIRST_PARTY_CLIENT)
            .await;
        let again = again.ok().unwrap().answer.access_token;
        if back < 30 {
            let good = check(&issuer, &world.clock, &again);
            assert!(good.is_ok(), "{back} s back: the user is locked out");
        }
        world.clock.turn(back);
        let refused = check(&issuer, &world.clock, &refreshed.access_token).unwrap_err();
        assert_eq!(refused, Reason::UserChanged, "{back} s back");
    }
}

/// An hour ahead for a moment: everything looks expired, and is forgotten.
#[tokio::test]
async fn dos_012_a_clock_that_was_ahead_revives_no_revoked_token() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let ended = issuer
        .end_session(session.session_id, EndCause::SignOut)
        .await;
    assert!(ended.unwrap());
    world.clock.turn(3_600);
    issuer.poll_changes().await.unwrap();
    let opened_ahead = world.open().await;
    world.clock.turn_back(3_599);
    for process in [&issuer, &opened_ahead] {
        process.poll_changes().await.unwrap();
        let refused = check(process, &world.clock, &session.access_token).unwrap_err();
        assert_eq!(refused, Reason::SessionRevoked);
    }
}

/// An hour behind for a moment: what is revoked in it expires too early by the
/// clock that is set right.
#[tokio::test]
async fn dos_012_a_clock_that_was_behind_forgets_no_revoked_token() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    world.clock.turn_back(3_600);
    issuer.poll_changes().await.unwrap();
    let ended = issuer
        .end_session(session.session_id, EndCause::SignOut)
        .await;
    assert!(ended.unwrap());
    world.clock.turn(3_600);
    for _ in 0..30 {
        assert_eq!(issuer.poll_changes().await.unwrap().swept, 0);
        let refused = check(&issuer, &world.clock, &session.access_token).unwrap_err();
        assert_eq!(refused, Reason::SessionRevoked);
        world.clock.turn(9);
    }
}
