//! Refresh, one step at a time.

use doorward_issuer::{
    Config, Issuer, MintError, RefreshError, TokenAnswer,
    refresh_token::ReuseKind,
    session::{EndCause, FIRST_PARTY_CLIENT, Refreshed},
};
use doorward_policy::decision::Reason;

use crate::harness::{World, audit, audited, check, config, roles, sign_in};

async fn refresh(issuer: &Issuer, token: &str) -> Result<Refreshed, RefreshError> {
    issuer.refresh(token, FIRST_PARTY_CLIENT).await
}

async fn next(issuer: &Issuer, token: &str) -> TokenAnswer {
    let refreshed = refresh(issuer, token).await.unwrap();
    assert!(!refreshed.repeated);
    refreshed.answer
}

fn is_invalid<T>(outcome: &Result<T, RefreshError>) -> bool {
    matches!(outcome, Err(RefreshError::Invalid))
}

fn reused<T>(outcome: Result<T, RefreshError>) -> Option<ReuseKind> {
    match outcome {
        Err(RefreshError::Reused(kind)) => Some(kind),
        _ => None,
    }
}

#[tokio::test]
async fn a_refresh_keeps_the_session_and_gives_both_tokens_anew() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    assert_eq!(first.expires_in, 300);
    world.clock.turn(240);
    let second = next(&issuer, &first.refresh_token).await;
    assert_eq!(second.session_id, first.session_id);
    assert_ne!(second.refresh_token, first.refresh_token);
    let principal = check(&issuer, &world.clock, &second.access_token).unwrap();
    assert_eq!(principal.session_id(), Some(&*first.session_id.to_string()));
    assert_eq!(principal.tenant(), Some("acme"));
    assert_eq!(principal.roles(), ["reader"]);
    assert_eq!(principal.claims().permissions(), ["orders:read"]);
    assert_eq!(principal.claims().amr(), ["pwd"]);
    assert_eq!(principal.claims().acr(), Some("aal1"));
    let signed_in = check(&issuer, &world.clock, &first.access_token).unwrap();
    assert_eq!(
        principal.claims().auth_time(),
        signed_in.claims().auth_time()
    );
    assert_ne!(principal.token_id(), signed_in.token_id());
}

#[tokio::test]
async fn rft_001_a_rotated_token_replayed_later_ends_its_family_and_no_other() {
    let (world, issuer) = World::with_alice().await;
    let other_device = sign_in(&issuer, "alice").await;
    let first = sign_in(&issuer, "alice").await;
    let second = next(&issuer, &first.refresh_token).await;
    world.clock.turn(21);

    let replay = refresh(&issuer, &first.refresh_token).await;
    assert_eq!(reused(replay), Some(ReuseKind::LostResponse));
    assert!(
        is_invalid(&refresh(&issuer, &second.refresh_token).await),
        "both holders are out"
    );
    assert!(is_invalid(&refresh(&issuer, &first.refresh_token).await));
    for access_token in [&first.access_token, &second.access_token] {
        let refused = check(&issuer, &world.clock, access_token).unwrap_err();
        assert_eq!(refused, Reason::SessionRevoked);
    }
    let entries = audit(&issuer).await;
    let reuse = entries
        .iter()
        .find(|entry| entry.action == "refresh.reuse")
        .unwrap();
    assert_eq!(reuse.outcome, "refused");
    assert!(reuse.detail.contains("lost_response"), "{}", reuse.detail);

    assert!(check(&issuer, &world.clock, &other_device.access_token).is_ok());
    next(&issuer, &other_device.refresh_token).await;
}

#[tokio::test]
async fn rft_001_a_copy_that_comes_back_late_is_a_replay() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    next(&issuer, &first.refresh_token).await;
    world.clock.turn(20 + 300 + 1);
    let kind = reused(refresh(&issuer, &first.refresh_token).await);
    assert_eq!(kind, Some(ReuseKind::Replay));
}

#[tokio::test]
async fn rft_002_a_retry_inside_the_overlap_gets_the_same_successor() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    let lost = next(&issuer, &first.refresh_token).await;
    for _ in 0..5 {
        world.clock.turn(4);
        let retry = refresh(&issuer, &first.refresh_token).await.unwrap();
        assert!(retry.repeated);
        assert_eq!(
            retry.answer.refresh_token, lost.refresh_token,
            "no second branch"
        );
        assert!(check(&issuer, &world.clock, &retry.answer.access_token).is_ok());
    }
    next(&issuer, &lost.refresh_token).await;
}

#[tokio::test]
async fn rft_004_the_grandparent_inside_the_overlap_is_theft() {
    let (_world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    let second = next(&issuer, &first.refresh_token).await;
    let third = next(&issuer, &second.refresh_token).await;
    let kind = reused(refresh(&issuer, &first.refresh_token).await);
    assert_eq!(kind, Some(ReuseKind::Theft));
    assert!(is_invalid(&refresh(&issuer, &third.refresh_token).await));
}

#[tokio::test]
async fn rft_005_rotations_within_one_second_are_ordered_by_generation() {
    let (_world, issuer) = World::with_alice().await;
    let mut tokens = vec![sign_in(&issuer, "alice").await.refresh_token];
    for _ in 0..10 {
        let successor = next(&issuer, tokens.last().unwrap()).await;
        tokens.push(successor.refresh_token);
    }
    let kind = reused(refresh(&issuer, &tokens[8]).await);
    assert_eq!(
        kind,
        Some(ReuseKind::Theft),
        "although the clock never moved"
    );
}

/// A thief who stays one step behind and inside the overlap is caught the
/// first time that he is not (the weakness of accepting the parent for ever).
#[tokio::test]
async fn rft_001_walk_in_step_theft_is_caught_at_the_first_step_outside_the_overlap() {
    let (world, issuer) = World::with_alice().await;
    let mut stolen = sign_in(&issuer, "alice").await.refresh_token;
    for _ in 0..3 {
        world.clock.turn(240);
        let victim = next(&issuer, &stolen).await;
        world.clock.turn(10);
        let thief = refresh(&issuer, &stolen).await.unwrap();
        assert_eq!(thief.answer.refresh_token, victim.refresh_token);
        stolen = thief.answer.refresh_token;
    }
    world.clock.turn(240);
    let victim = next(&issuer, &stolen).await;
    world.clock.turn(21);
    assert!(reused(refresh(&issuer, &stolen).await).is_some());
    assert!(is_invalid(&refresh(&issuer, &victim.refresh_token).await));
}

/// What decides is in the row, not in the process.
#[tokio::test]
async fn cve_2026_9802_rft_009_a_restart_forgets_no_revocation_and_no_reuse() {
    let (world, issuer) = World::with_alice().await;
    let ended = sign_in(&issuer, "alice").await;
    let rotated = sign_in(&issuer, "alice").await;
    let successor = next(&issuer, &rotated.refresh_token).await;
    assert!(
        issuer
            .end_session(ended.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    drop(issuer);

    let issuer = world.open().await;
    assert!(is_invalid(&refresh(&issuer, &ended.refresh_token).await));
    let refused = check(&issuer, &world.clock, &ended.access_token).unwrap_err();
    assert_eq!(refused, Reason::SessionRevoked);
    world.clock.turn(21);
    assert!(reused(refresh(&issuer, &rotated.refresh_token).await).is_some());
    assert!(is_invalid(
        &refresh(&issuer, &successor.refresh_token).await
    ));
}

#[tokio::test]
async fn rft_008_a_retry_across_a_restart_gets_the_same_successor() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    let lost = next(&issuer, &first.refresh_token).await;
    drop(issuer);
    let issuer = world.open().await;
    let retry = refresh(&issuer, &first.refresh_token).await.unwrap();
    assert!(retry.repeated);
    assert_eq!(retry.answer.refresh_token, lost.refresh_token);
}

#[tokio::test]
async fn rft_010_another_client_gets_nothing_and_does_no_harm() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    assert!(is_invalid(
        &issuer.refresh(&first.refresh_token, "client-b").await
    ));
    assert_eq!(
        issuer
            .session_of(&first.refresh_token, "client-b")
            .await
            .unwrap(),
        None
    );
    assert_eq!(audited(&issuer, "refresh.wrong_client").await, 1);
    let second = next(&issuer, &first.refresh_token).await;
    // Neither the overlap nor reuse is for another client.
    assert!(is_invalid(
        &issuer.refresh(&first.refresh_token, "client-b").await
    ));
    world.clock.turn(60);
    assert!(is_invalid(
        &issuer.refresh(&first.refresh_token, "client-b").await
    ));
    next(&issuer, &second.refresh_token).await;
}

#[tokio::test]
async fn rft_013_idle_and_absolute_limits_hold() {
    let (world, issuer) = World::with_alice().await;
    let idle = sign_in(&issuer, "alice").await;
    world.clock.turn(config().refresh_idle);
    assert!(is_invalid(&refresh(&issuer, &idle.refresh_token).await));

    let mut sliding = sign_in(&issuer, "alice").await;
    for _ in 0..5 {
        world.clock.turn(6 * 24 * 3600 - 1);
        sliding = next(&issuer, &sliding.refresh_token).await;
    }
    world.clock.turn(5);
    assert!(
        is_invalid(&refresh(&issuer, &sliding.refresh_token).await),
        "30 days are over"
    );
}

#[tokio::test]
async fn rft_014_a_cut_padded_or_changed_token_is_refused_and_does_no_harm() {
    let (_world, issuer) = World::with_alice().await;
    let token = sign_in(&issuer, "alice").await.refresh_token;
    let mut bad = vec![
        String::new(),
        token.to_uppercase(),
        format!("{token}="),
        format!("{token}AAAA"),
        format!("{token}\0"),
        "x".repeat(1_000_000),
    ];
    bad.extend((0..=8).map(|cut| token[..token.len() - 1 - cut].to_owned()));
    for text in bad {
        assert!(is_invalid(&refresh(&issuer, &text).await), "{:.80}", text);
    }
    next(&issuer, &token).await;
}

#[tokio::test]
async fn rft_015_a_user_who_is_disabled_or_left_the_tenant_refreshes_nothing() {
    let (_world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    admin.grant_role("alice", "globex", "editor").await.unwrap();
    let account = issuer.account("alice").await.unwrap().unwrap();
    let globex = issuer
        .membership(&account, Some("globex"))
        .await
        .unwrap()
        .unwrap();
    let abroad = issuer
        .start_session(&account, &globex, crate::harness::BY_PASSWORD)
        .await
        .unwrap();
    let home = sign_in(&issuer, "alice").await;

    assert!(
        admin
            .revoke_role("alice", "globex", "editor")
            .await
            .unwrap()
    );
    assert!(is_invalid(&refresh(&issuer, &abroad.refresh_token).await));
    assert_eq!(
        issuer.membership(&account, Some("globex")).await.unwrap(),
        None
    );
    let home = next(&issuer, &home.refresh_token).await;

    assert!(admin.disable_user("alice").await.unwrap());
    assert!(is_invalid(&refresh(&issuer, &home.refresh_token).await));
    assert!(admin.enable_user("alice").await.unwrap());
    assert!(
        is_invalid(&refresh(&issuer, &home.refresh_token).await),
        "ended is ended"
    );
}

#[tokio::test]
async fn rft_018_a_clock_that_went_back_gives_no_second_overlap() {
    let (world, issuer) = World::with_alice().await;
    world.clock.turn(3600);
    let first = sign_in(&issuer, "alice").await;
    next(&issuer, &first.refresh_token).await;
    world.clock.turn_back(60);
    assert!(reused(refresh(&issuer, &first.refresh_token).await).is_some());
}

#[tokio::test]
async fn a_generation_that_the_database_never_wrote_ends_the_session() {
    let (world, issuer) = World::with_alice().await;
    let first = sign_in(&issuer, "alice").await;
    let second = next(&issuer, &first.refresh_token).await;
    let third = next(&issuer, &second.refresh_token).await;
    world.tamper("UPDATE session SET generation = 1").await;
    assert!(is_invalid(&refresh(&issuer, &third.refresh_token).await));
    assert!(is_invalid(&refresh(&issuer, &first.refresh_token).await));
}

/// A token that cannot be made costs an answer and not the session: nothing
/// was swapped for it, so the same refresh token goes on when it can be.
#[tokio::test]
async fn a_token_that_is_too_large_costs_nobody_the_session() {
    let (world, issuer) = World::with_alice().await;
    let before = world.roles.load_full();
    let first = sign_in(&issuer, "alice").await;
    let many: Vec<String> = (0..600).map(|n| format!("orders:read{n:04}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    world.roles.store(roles(&[("reader", &many)]).into());
    for _ in 0..3 {
        let refused = refresh(&issuer, &first.refresh_token).await;
        assert!(
            matches!(refused, Err(RefreshError::Mint(MintError::TooLarge { .. }))),
            "{:?}",
            refused.err()
        );
        world.clock.turn(60);
    }
    world.roles.store(before);
    next(&issuer, &first.refresh_token).await;
}

#[tokio::test]
async fn rft_016_a_session_too_many_ends_the_oldest_and_says_so() {
    let (world, issuer) = World::with_alice().await;
    drop(issuer);
    let config = Config {
        sessions_per_user: 3,
        ..config()
    };
    let issuer = Issuer::open(
        world.database(),
        world.master_key(),
        config,
        world.surroundings(),
    );
    let issuer = issuer.await.unwrap();
    let mut sessions = Vec::new();
    for _ in 0..5 {
        world.clock.turn(1);
        sessions.push(sign_in(&issuer, "alice").await);
    }
    for (n, session) in sessions.iter().enumerate() {
        let refreshed = refresh(&issuer, &session.refresh_token).await;
        let checked = check(&issuer, &world.clock, &session.access_token);
        assert_eq!(
            (refreshed.is_ok(), checked.is_ok()),
            (n >= 2, n >= 2),
            "{n}"
        );
    }
    let entries = audit(&issuer).await;
    let ended = entries
        .iter()
        .filter(|entry| entry.detail.contains("too_many_sessions"));
    assert_eq!(ended.count(), 2);
}
