//! Many at once, on several threads.

use std::{collections::HashSet, sync::Arc};

use doorward_issuer::{
    Issuer, RefreshError, StoreError,
    session::{EndCause, FIRST_PARTY_CLIENT, Refreshed},
};
use tokio::{sync::Barrier, task::JoinSet};

use crate::harness::{PASSWORD, World, audit, check, password, sign_in};

/// `count` refreshes of one token, released together.
async fn all_at_once(issuer: &Issuer, token: &str, count: usize) -> Vec<Refreshed> {
    let barrier = Arc::new(Barrier::new(count));
    let mut tasks = JoinSet::new();
    for _ in 0..count {
        let (issuer, token, barrier) = (issuer.clone(), token.to_owned(), barrier.clone());
        tasks.spawn(async move {
            barrier.wait().await;
            issuer.refresh(&token, FIRST_PARTY_CLIENT).await
        });
    }
    let outcomes = tasks.join_all().await;
    outcomes
        .into_iter()
        .map(|outcome| outcome.ok().unwrap())
        .collect()
}

/// Check and update are one statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn cve_2026_1035_rft_003_parallel_refreshes_of_one_token_have_one_successor() {
    let (world, issuer) = World::with_alice().await;
    let mut token = sign_in(&issuer, "alice").await.refresh_token;
    for count in [64, 100, 2, 64] {
        let refreshed = all_at_once(&issuer, &token, count).await;
        let successors: HashSet<_> = refreshed
            .iter()
            .map(|refreshed| refreshed.answer.refresh_token.clone())
            .collect();
        assert_eq!(successors.len(), 1, "one live leaf");
        let first = refreshed
            .iter()
            .filter(|refreshed| !refreshed.repeated)
            .count();
        assert_eq!(first, 1, "one of them rotated");
        for refreshed in &refreshed {
            assert!(check(&issuer, &world.clock, &refreshed.answer.access_token).is_ok());
        }
        token = successors.into_iter().next().unwrap();
        world.clock.turn(1);
    }
    let refreshed = issuer
        .refresh(&token, FIRST_PARTY_CLIENT)
        .await
        .ok()
        .unwrap();
    assert!(!refreshed.repeated);
}

/// Two processes on one database: RFT-017.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rft_017_two_processes_rotate_one_token_once() {
    let (world, a) = World::with_alice().await;
    let b = world.open().await;
    let mut token = sign_in(&a, "alice").await.refresh_token;
    for _ in 0..20 {
        let (x, y) = tokio::join!(
            a.refresh(&token, FIRST_PARTY_CLIENT),
            b.refresh(&token, FIRST_PARTY_CLIENT)
        );
        let (x, y) = (x.ok().unwrap(), y.ok().unwrap());
        assert_eq!(x.answer.refresh_token, y.answer.refresh_token);
        assert!(x.repeated != y.repeated);
        token = x.answer.refresh_token;
    }
}

enum Ending {
    Session,
    Disable,
    Password,
    Role,
}

/// Lets a chain of refreshes run against one change, and then asserts that
/// nothing from before the change is alive.
async fn race(world: &World, (issuer, beside): (&Issuer, &Issuer), ending: &Ending, rounds: usize) {
    for round in 0..rounds {
        let session = sign_in(issuer, "alice").await;
        let (refresher, mut token) = (beside.clone(), session.refresh_token.clone());
        let refreshing = tokio::spawn(async move {
            let mut answers = Vec::new();
            for _ in 0..4 {
                match refresher.refresh(&token, FIRST_PARTY_CLIENT).await {
                    Ok(refreshed) => {
                        token = refreshed.answer.refresh_token.clone();
                        answers.push(refreshed.answer);
                    }
                    Err(RefreshError::Invalid) => break,
                    Err(error) => panic!("{error}"),
                }
            }
            answers
        });
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
        let admin = issuer.admin();
        match ending {
            Ending::Session => {
                assert!(
                    issuer
                        .end_session(session.session_id, EndCause::SignOut)
                        .await
                        .unwrap()
                );
            }
            Ending::Disable => assert!(admin.disable_user("alice").await.unwrap()),
            Ending::Password => admin
                .set_password("alice", password(PASSWORD))
                .await
                .unwrap(),
            Ending::Role => {
                assert!(admin.revoke_role("alice", "acme", "reader").await.unwrap());
            }
        }
        // Every token that was given before the change was answered, and every
        // one that was given to a request from before it.
        let mut answers = refreshing.await.unwrap();
        beside.poll_changes().await.unwrap();
        answers.push(session);
        for answer in &answers {
            match (ending, check(issuer, &world.clock, &answer.access_token)) {
                (_, Err(_)) => {}
                (Ending::Role, Ok(principal)) => assert!(principal.roles().is_empty()),
                (_, Ok(_)) => panic!("round {round}: a token outlived the change"),
            }
            let elsewhere = check(beside, &world.clock, &answer.access_token);
            assert!(elsewhere.is_err() || matches!(ending, Ending::Role));
            let refreshed = issuer
                .refresh(&answer.refresh_token, FIRST_PARTY_CLIENT)
                .await;
            assert!(
                refreshed.is_err() || matches!(ending, Ending::Role),
                "round {round}"
            );
        }
        if let Ending::Disable = ending {
            admin.enable_user("alice").await.unwrap();
        }
        if let Ending::Role = ending {
            admin.grant_role("alice", "acme", "reader").await.unwrap();
        }
        world.clock.turn(40);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rft_006_refresh_races_revoke() {
    let (world, issuer) = World::with_alice().await;
    race(&world, (&issuer, &issuer), &Ending::Session, 100).await;
    let other = world.open().await;
    race(&world, (&issuer, &other), &Ending::Session, 30).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rft_007_refresh_races_disable_password_and_role_removal() {
    let (world, issuer) = World::with_alice().await;
    for ending in [Ending::Disable, Ending::Password, Ending::Role] {
        race(&world, (&issuer, &issuer), &ending, 30).await;
    }
}

/// The change is made on one node, the refreshes on another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rft_007_refresh_on_one_node_races_changes_on_another() {
    let (world, issuer) = World::with_alice().await;
    let other = world.open().await;
    for ending in [Ending::Disable, Ending::Password, Ending::Role] {
        race(&world, (&issuer, &other), &ending, 30).await;
    }
}

/// A request whose caller hangs up is dropped wherever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_caller_who_hangs_up_leaves_no_half_change_and_blocks_nobody() {
    let (world, issuer) = World::with_alice().await;
    let mut token = sign_in(&issuer, "alice").await.refresh_token;
    for round in 0..300 {
        let (dropped, presented) = (issuer.clone(), token.clone());
        let task = tokio::spawn(async move {
            match round % 4 {
                0 => drop(dropped.refresh(&presented, FIRST_PARTY_CLIENT).await.ok()),
                1 => drop(dropped.admin().add_tenant(&format!("t{round}")).await.ok()),
                2 => drop(
                    dropped
                        .admin()
                        .grant_role("alice", "acme", "editor")
                        .await
                        .ok(),
                ),
                _ => drop(
                    dropped
                        .admin()
                        .revoke_role("alice", "acme", "editor")
                        .await
                        .ok(),
                ),
            }
        });
        for _ in 0..round % 23 {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
        let refreshed = issuer
            .refresh(&token, FIRST_PARTY_CLIENT)
            .await
            .ok()
            .unwrap();
        token = refreshed.answer.refresh_token;
    }
    let entries = audit(&issuer).await;
    assert!(
        (1..).zip(&entries).all(|(seq, entry)| entry.seq == seq),
        "no gap"
    );
    let added = entries
        .iter()
        .filter(|entry| entry.action == "tenant.add")
        .count();
    assert_eq!(issuer.admin().tenants().await.unwrap().len(), added);
    // What was committed but not answered is in force after the next poll.
    issuer.poll_changes().await.unwrap();
    let session = sign_in(&issuer, "alice").await;
    assert!(check(&issuer, &world.clock, &session.access_token).is_ok());
}

/// A writer that does not let go: verification and reading go on, writing says
/// that it cannot.
#[tokio::test]
async fn a_locked_database_refuses_writes_and_nothing_else() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let mut other = world.hands().await;
    other.hold().await;

    let (refreshed, ended) = tokio::join!(
        issuer.refresh(&session.refresh_token, FIRST_PARTY_CLIENT),
        issuer.end_session(session.session_id, EndCause::SignOut)
    );
    let refused = refreshed.err().unwrap();
    assert!(
        matches!(refused, RefreshError::Store(StoreError::Unavailable(_))),
        "{refused}"
    );
    assert!(matches!(ended, Err(StoreError::Unavailable(_))));
    assert!(check(&issuer, &world.clock, &session.access_token).is_ok());
    assert!(issuer.poll_changes().await.is_ok());

    other.let_go().await;
    let refreshed = issuer
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await
        .ok()
        .unwrap();
    assert!(!refreshed.repeated, "the refused try changed nothing");
}
