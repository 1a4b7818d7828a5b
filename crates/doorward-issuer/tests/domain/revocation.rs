//! Access tokens that end before their time.

use std::fs;

use doorward_issuer::{
    Database, Issuer, RefreshError, SessionError,
    session::{EndCause, FIRST_PARTY_CLIENT},
};
use doorward_policy::decision::Reason;

use crate::harness::{BY_PASSWORD, PASSWORD, World, audit, audited, check, password, sign_in};

#[tokio::test]
async fn rev_001_and_002_sign_out_ends_access_and_refresh_at_once() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let other = sign_in(&issuer, "alice").await;
    assert!(
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    let refused = check(&issuer, &world.clock, &session.access_token).unwrap_err();
    assert_eq!(refused, Reason::SessionRevoked);
    assert!(
        issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await
            .is_err()
    );
    assert!(
        !issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    assert_eq!(
        audited(&issuer, "session.end").await,
        1,
        "nothing happened the second time"
    );
    assert!(check(&issuer, &world.clock, &other.access_token).is_ok());
}

#[tokio::test]
async fn rev_003_log_out_everywhere_ends_all_devices() {
    let (world, issuer) = World::with_alice().await;
    let devices = [
        sign_in(&issuer, "alice").await,
        sign_in(&issuer, "alice").await,
    ];
    let minted = issuer
        .admin()
        .mint_access_token("alice", None)
        .await
        .unwrap();
    assert_eq!(issuer.admin().end_sessions("alice").await.unwrap(), 2);
    for device in devices {
        assert!(check(&issuer, &world.clock, &device.access_token).is_err());
        assert!(
            issuer
                .refresh(&device.refresh_token, FIRST_PARTY_CLIENT)
                .await
                .is_err()
        );
    }
    let refused = check(&issuer, &world.clock, &minted.access_token).unwrap_err();
    assert_eq!(refused, Reason::UserChanged);
}

#[tokio::test]
async fn rev_004_a_new_password_ends_the_sessions_and_what_was_checked_against_the_old() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    // Somebody is between the check of the old password and the session.
    let account = issuer.account("alice").await.unwrap().unwrap();
    issuer
        .admin()
        .set_password("alice", password("another gate, further on"))
        .await
        .unwrap();
    let started = issuer
        .start_session(&account, &account.home_tenant, BY_PASSWORD)
        .await;
    assert!(matches!(started, Err(SessionError::AccountChanged)));
    assert!(check(&issuer, &world.clock, &session.access_token).is_err());
    assert!(
        issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await
            .is_err()
    );
    let fresh = sign_in(&issuer, "alice").await;
    assert!(check(&issuer, &world.clock, &fresh.access_token).is_ok());
}

#[tokio::test]
async fn rev_005_a_role_that_is_taken_away_is_gone_without_a_new_sign_in() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    admin.grant_role("alice", "acme", "editor").await.unwrap();
    let session = sign_in(&issuer, "alice").await;
    let before = check(&issuer, &world.clock, &session.access_token).unwrap();
    assert_eq!(
        before.claims().permissions(),
        ["orders:create", "orders:read"]
    );

    assert!(admin.revoke_role("alice", "acme", "editor").await.unwrap());
    let refused = check(&issuer, &world.clock, &session.access_token).unwrap_err();
    assert_eq!(refused, Reason::UserChanged);
    let refreshed = issuer
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await
        .ok()
        .unwrap();
    let after = check(&issuer, &world.clock, &refreshed.answer.access_token).unwrap();
    assert_eq!(after.claims().permissions(), ["orders:read"]);
    assert_eq!(after.roles(), ["reader"]);
    assert!(!admin.revoke_role("alice", "acme", "editor").await.unwrap());
}

#[tokio::test]
async fn rev_006_a_disabled_user_loses_every_token() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let minted = issuer
        .admin()
        .mint_access_token("alice", None)
        .await
        .unwrap();
    assert!(issuer.admin().disable_user("alice").await.unwrap());
    for token in [&session.access_token, &minted.access_token] {
        assert!(check(&issuer, &world.clock, token).is_err());
    }
}

#[tokio::test]
async fn iss_023_a_disabled_user_is_refused_in_every_flow() {
    let (_world, issuer) = World::with_alice().await;
    let account = issuer.account("alice").await.unwrap().unwrap();
    let session = sign_in(&issuer, "alice").await;
    assert!(issuer.admin().disable_user("alice").await.unwrap());

    let stale = issuer
        .start_session(&account, &account.home_tenant, BY_PASSWORD)
        .await;
    assert!(matches!(stale, Err(SessionError::AccountChanged)));
    let fresh = issuer.account("alice").await.unwrap().unwrap();
    assert!(fresh.disabled);
    let started = issuer
        .start_session(&fresh, &fresh.home_tenant, BY_PASSWORD)
        .await;
    assert!(matches!(started, Err(SessionError::AccountChanged)));
    let refreshed = issuer
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    assert!(matches!(refreshed, Err(RefreshError::Invalid)));
    assert!(
        issuer
            .admin()
            .mint_access_token("alice", None)
            .await
            .is_err()
    );
    assert!(!issuer.admin().disable_user("alice").await.unwrap());

    // Enabling brings back the right to sign in and nothing else.
    assert!(issuer.admin().enable_user("alice").await.unwrap());
    let refreshed = issuer
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await;
    assert!(matches!(refreshed, Err(RefreshError::Invalid)));
    let stale = issuer
        .start_session(&fresh, &fresh.home_tenant, BY_PASSWORD)
        .await;
    assert!(matches!(stale, Err(SessionError::AccountChanged)));
    sign_in(&issuer, "alice").await;
}

#[tokio::test]
async fn clm_028_within_one_second_the_old_token_is_refused_and_the_new_one_good() {
    let (world, issuer) = World::with_alice().await;
    let mut session = sign_in(&issuer, "alice").await;
    // The clock stands still all the time.
    for round in 0..5 {
        let admin = issuer.admin();
        let changed = match round % 2 {
            0 => admin.grant_role("alice", "acme", "editor").await.unwrap(),
            _ => admin.revoke_role("alice", "acme", "editor").await.unwrap(),
        };
        assert!(changed);
        assert!(
            check(&issuer, &world.clock, &session.access_token).is_err(),
            "round {round}"
        );
        let refreshed = issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await;
        session = refreshed.ok().unwrap().answer;
        assert!(
            check(&issuer, &world.clock, &session.access_token).is_ok(),
            "round {round}"
        );
        let signed_in = sign_in(&issuer, "alice").await;
        assert!(check(&issuer, &world.clock, &signed_in.access_token).is_ok());
    }
}

#[tokio::test]
async fn many_grants_in_one_second_do_not_lock_the_user_out() {
    let (world, issuer) = World::with_alice().await;
    let specs: Vec<_> = (0..60).map(|n| format!("role{n}")).collect();
    let specs: Vec<(&str, &[&str])> = specs.iter().map(|name| (&**name, &["a:b"][..])).collect();
    world.roles.store(crate::harness::roles(&specs).into());
    for (role, _) in specs {
        assert!(
            issuer
                .admin()
                .grant_role("alice", "acme", role)
                .await
                .unwrap()
        );
    }
    let session = sign_in(&issuer, "alice").await;
    assert!(check(&issuer, &world.clock, &session.access_token).is_ok());
}

#[tokio::test]
async fn rev_011_what_was_answered_survives_a_crash_at_that_moment() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let disabled = issuer
        .admin()
        .mint_access_token("alice", None)
        .await
        .unwrap();
    assert!(
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    assert!(issuer.admin().disable_user("alice").await.unwrap());
    let Database::Sqlite(_) = world.database() else {
        return; // `domain_postgres` kills the server itself
    };
    // What a killed process leaves: the files as they are at this moment.
    let after = World::new();
    for file in ["doorward.db", "doorward.db-wal", "master.key"] {
        fs::copy(world.file(file), after.file(file)).unwrap();
    }
    after.clock.turn(5);
    let issuer = after.open().await;
    for token in [&session.access_token, &disabled.access_token] {
        assert!(check(&issuer, &after.clock, token).is_err());
    }
    assert!(
        issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await
            .is_err()
    );
    assert!(issuer.account("alice").await.unwrap().unwrap().disabled);
    assert_eq!(audited(&issuer, "user.disable").await, 1);
}

#[tokio::test]
async fn another_process_hears_of_it_at_its_next_poll() {
    let (world, server) = World::with_alice().await;
    let session = sign_in(&server, "alice").await;
    let command = world.open().await;
    assert_eq!(
        server.poll_changes().await.unwrap().revocations,
        1,
        "the grant of the set-up"
    );
    assert!(
        command
            .admin()
            .grant_role("alice", "acme", "editor")
            .await
            .unwrap()
    );
    assert!(
        check(&server, &world.clock, &session.access_token).is_ok(),
        "not yet"
    );
    assert_eq!(server.poll_changes().await.unwrap().revocations, 1);
    let refused = check(&server, &world.clock, &session.access_token).unwrap_err();
    assert_eq!(refused, Reason::UserChanged);
    assert_eq!(
        server.poll_changes().await.unwrap(),
        doorward_issuer::Changes::default()
    );
}

#[tokio::test]
async fn a_process_with_a_longer_token_life_makes_revocations_last_longer() {
    let (world, command) = World::with_alice().await;
    let config = doorward_issuer::Config {
        access_token_lifetime: 3600,
        ..crate::harness::config()
    };
    let server = Issuer::open(
        world.database(),
        world.master_key(),
        config.clone(),
        world.surroundings(),
    )
    .await
    .unwrap();
    let session = sign_in(&server, "alice").await;
    assert!(
        command
            .end_session(session.session_id, EndCause::Administrator)
            .await
            .unwrap()
    );
    // Longer than the tokens of the process that wrote the revocation live.
    world.clock.turn(3000);
    drop((server, command));
    let server = Issuer::open(
        world.database(),
        world.master_key(),
        config,
        world.surroundings(),
    )
    .await
    .unwrap();
    assert!(check(&server, &world.clock, &session.access_token).is_err());
}

#[tokio::test]
async fn expired_revocations_are_forgotten_and_never_too_early() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    assert!(
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    world.clock.turn(330);
    issuer.poll_changes().await.unwrap();
    let still = check(&issuer, &world.clock, &session.access_token);
    assert_eq!(still.unwrap_err(), Reason::TokenExpired);
    assert!(
        !issuer.revocations().is_empty(),
        "kept for a verifier that is behind"
    );
    // In steps: a clock that jumps has everything held for longer.
    let mut swept = 0;
    for _ in 0..500 {
        world.clock.turn(9);
        swept += issuer.poll_changes().await.unwrap().swept;
    }
    assert!(swept > 0);
    assert!(issuer.revocations().is_empty());
    let rows = "SELECT COUNT(*) FROM revocation WHERE kind = 'session'";
    world.clock.turn(600);
    issuer.poll_changes().await.unwrap();
    assert_eq!(
        world.count(rows).await,
        1,
        "kept for a clock that goes back"
    );
    assert!(world.open().await.revocations().is_empty());
    world.clock.turn(24 * 3600);
    issuer.poll_changes().await.unwrap();
    assert_eq!(world.count(rows).await, 0, "purged from the store too");
}

/// DOS-009: what expires in ten minutes of a busy day is more than one part.
#[tokio::test]
async fn dos_009_expired_rows_go_as_fast_as_they_come() {
    let (world, issuer) = World::with_alice().await;
    sign_in(&issuer, "alice").await;
    world
        .tamper(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500)
             INSERT INTO session
             SELECT id || n, account_id, tenant, client_id, methods, sealed_key, generation,
                    rotated_at, idle_until, absolute_until, created_at, ended_at, end_cause
             FROM session, n;
             WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2500)
             INSERT INTO revocation
             SELECT h.value + n, 'token', 'jti' || n, NULL, r.expires_at, 'sign_out', r.revoked_at
             FROM (SELECT * FROM revocation ORDER BY seq LIMIT 1) r, head h, n
             WHERE h.name = 'revocation';
             UPDATE head SET value = value + 2500 WHERE name = 'revocation';",
        )
        .await;
    world.clock.turn(32 * 24 * 3600);
    for _ in 0..3 {
        issuer.poll_changes().await.unwrap();
    }
    assert_eq!(world.count("SELECT COUNT(*) FROM session").await, 0);
    assert_eq!(world.count("SELECT COUNT(*) FROM revocation").await, 0);
}

#[tokio::test]
async fn a_token_without_a_session_ends_alone() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let one = admin.mint_access_token("alice", None).await.unwrap();
    let other = admin.mint_access_token("alice", None).await.unwrap();
    let principal = check(&issuer, &world.clock, &one.access_token).unwrap();
    assert_eq!(principal.session_id(), None);
    let account = issuer.account("alice").await.unwrap().unwrap();
    issuer
        .revoke_token(principal.token_id(), &account.id, principal.expires_at())
        .await
        .unwrap();
    let refused = check(&issuer, &world.clock, &one.access_token).unwrap_err();
    assert_eq!(refused, Reason::TokenRevoked);
    assert!(check(&issuer, &world.clock, &other.access_token).is_ok());
    assert_eq!(audited(&issuer, "token.mint").await, 2);
    assert_eq!(audited(&issuer, "token.revoke").await, 1);
}

#[tokio::test]
async fn rev_010_one_command_refuses_every_access_token_and_signs_nobody_out() {
    let (world, issuer) = World::with_alice().await;
    let other_process = world.open().await;
    issuer
        .admin()
        .add_user(crate::harness::new_user("bob"))
        .await
        .unwrap();
    let sessions = [
        sign_in(&issuer, "alice").await,
        sign_in(&issuer, "bob").await,
    ];
    issuer.admin().expire_access_tokens().await.unwrap();
    other_process.poll_changes().await.unwrap();
    for session in &sessions {
        for process in [&issuer, &other_process, &world.open().await] {
            let refused = check(process, &world.clock, &session.access_token).unwrap_err();
            assert_eq!(refused, Reason::TokenRevoked);
        }
        let refreshed = issuer
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await;
        let access_token = refreshed.ok().unwrap().answer.access_token;
        assert!(check(&other_process, &world.clock, &access_token).is_ok());
        // The next change of the user still refuses what was just given.
        let user = issuer
            .account_by_id(session.subject.as_str())
            .await
            .unwrap()
            .unwrap();
        issuer
            .admin()
            .end_sessions(user.username.as_str())
            .await
            .unwrap();
        assert!(check(&issuer, &world.clock, &access_token).is_err());
    }
}

/// KEY-021: old revocations and old sequence numbers come back.
#[tokio::test]
async fn key_021_a_database_that_went_back_ends_everything_that_it_might_have_forgotten() {
    let (world, issuer) = World::with_alice().await;
    let other_process = world.open().await;
    // It may be one that was withdrawn since the backup.
    let old_key = issuer.admin().signing_keys().remove(0).kid;
    let ended = sign_in(&issuer, "alice").await;
    let alive = sign_in(&issuer, "alice").await;
    assert!(
        issuer
            .end_session(ended.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    for process in [&issuer, &other_process] {
        assert!(!process.poll_changes().await.unwrap().rolled_back);
    }
    world
        .tamper(
            "UPDATE head SET value = value - 1 WHERE name = 'revocation';
             UPDATE head SET value = value - 2 WHERE name = 'keys';
             DELETE FROM revocation WHERE kind = 'session';
             UPDATE session SET ended_at = NULL, end_cause = NULL;",
        )
        .await;
    assert!(issuer.poll_changes().await.unwrap().rolled_back);
    assert!(
        !other_process.poll_changes().await.unwrap().rolled_back,
        "one of them is enough"
    );
    for process in [&issuer, &other_process] {
        for session in [&ended, &alive] {
            let refused = check(process, &world.clock, &session.access_token).unwrap_err();
            assert!(matches!(refused, Reason::UnknownKey | Reason::KeyRevoked));
            let refreshed = process
                .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
                .await;
            assert!(matches!(refreshed, Err(RefreshError::Invalid)));
        }
        assert!(!process.poll_changes().await.unwrap().rolled_back);
        let keys = process.admin().signing_keys();
        assert!(keys.len() == 1 && keys[0].kid != old_key, "{keys:?}");
        assert!(!process.jwks_json().contains(&old_key));
    }
    assert_eq!(audited(&issuer, "installation.rolled_back").await, 1);
    assert_eq!(audited(&issuer, "key.withdraw").await, 1);
    let fresh = sign_in(&other_process, "alice").await;
    for process in [&issuer, &other_process] {
        assert!(check(process, &world.clock, &fresh.access_token).is_ok());
    }
}

#[tokio::test]
async fn sec_009_a_change_and_its_audit_entry_exist_together_or_not_at_all() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let before = audit(&issuer).await.len();
    world.forbid("audit").await;
    let admin = issuer.admin();
    assert!(admin.add_tenant("initech").await.is_err());
    assert!(
        admin
            .add_user(crate::harness::new_user("bob"))
            .await
            .is_err()
    );
    assert!(admin.grant_role("alice", "acme", "editor").await.is_err());
    assert!(admin.revoke_role("alice", "acme", "reader").await.is_err());
    assert!(admin.disable_user("alice").await.is_err());
    assert!(
        admin
            .set_password("alice", password(PASSWORD))
            .await
            .is_err()
    );
    assert!(admin.rotate_key().await.is_err());
    assert!(admin.mint_access_token("alice", None).await.is_err());
    assert!(
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .is_err()
    );
    let account = issuer.account("alice").await.unwrap().unwrap();
    let started = issuer
        .start_session(&account, &account.home_tenant, BY_PASSWORD)
        .await;
    assert!(started.is_err());
    world.allow("audit").await;

    // Nothing of it happened, in the store or in memory.
    assert!(check(&issuer, &world.clock, &session.access_token).is_ok());
    assert_eq!(admin.tenants().await.unwrap().len(), 2);
    assert!(issuer.account("bob").await.unwrap().is_none());
    assert!(!account.disabled);
    assert_eq!(admin.role_grants("alice").await.unwrap().len(), 1);
    assert_eq!(admin.signing_keys().len(), 1);
    let entries = audit(&issuer).await;
    assert_eq!(entries.len(), before);
    assert!(
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    // The numbers that were not used are used now: no gap.
    let numbers: Vec<_> = audit(&issuer).await.iter().map(|entry| entry.seq).collect();
    assert_eq!(
        numbers,
        (1..=u64::try_from(before).unwrap() + 1).collect::<Vec<_>>()
    );

    // And the other way round: the entry is gone when the change fails later.
    world.forbid("revocation").await;
    assert!(admin.disable_user("alice").await.is_err());
    assert_eq!(audited(&issuer, "user.disable").await, 0);
    assert!(!issuer.account("alice").await.unwrap().unwrap().disabled);
}
