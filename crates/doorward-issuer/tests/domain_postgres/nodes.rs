//! Several nodes on one server: what they agree on, and that they never wait
//! for each other in a circle.

use std::{collections::HashSet, sync::Arc};

use doorward_issuer::{
    Database, Issuer, OpenError, RefreshError,
    session::{EndCause, FIRST_PARTY_CLIENT, Refreshed},
};
use tokio::{sync::Barrier, task::JoinSet};

use crate::harness::{World, audit, audited, check, new_user, sign_in};

async fn nodes(world: &World, count: usize) -> Vec<Issuer> {
    let mut nodes = Vec::new();
    for _ in 0..count {
        nodes.push(world.open().await);
    }
    nodes
}

/// RFT-017 on three nodes: one live leaf, and everybody gets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn rft_017_sixty_four_refreshes_on_three_nodes_have_one_successor() {
    let (world, issuer) = World::with_alice().await;
    let nodes = nodes(&world, 3).await;
    let mut token = sign_in(&issuer, "alice").await.refresh_token;
    for _ in 0..4 {
        let barrier = Arc::new(Barrier::new(64));
        let mut tasks = JoinSet::new();
        for n in 0..64 {
            let (node, token) = (nodes[n % 3].clone(), token.clone());
            let barrier = Arc::clone(&barrier);
            tasks.spawn(async move {
                barrier.wait().await;
                node.refresh(&token, FIRST_PARTY_CLIENT).await.ok().unwrap()
            });
        }
        let refreshed: Vec<Refreshed> = tasks.join_all().await;
        let successors: HashSet<_> = refreshed
            .iter()
            .map(|refreshed| refreshed.answer.refresh_token.clone())
            .collect();
        assert_eq!(successors.len(), 1, "one live leaf");
        let rotations = refreshed.iter().filter(|refreshed| !refreshed.repeated);
        assert_eq!(rotations.count(), 1, "one of them rotated");
        token = successors.into_iter().next().unwrap();
        world.clock.turn(1);
    }
}

/// Everybody's rows in every order: batches of two nodes, changes of users and
/// ends of sessions take the same rows, and none of them is refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn crossing_changes_of_two_nodes_never_block_each_other() {
    let (world, issuer) = World::with_alice().await;
    let names: Vec<_> = (0..8).map(|n| format!("u{n}")).collect();
    for name in &names {
        issuer.admin().add_user(new_user(name)).await.unwrap();
    }
    let nodes = nodes(&world, 2).await;
    let Database::Postgres(_) = world.database() else {
        return;
    };
    let before = world.count(DEADLOCKS).await;
    let mut tasks = JoinSet::new();
    for (n, name) in names.iter().enumerate() {
        for (m, node) in nodes.iter().enumerate() {
            let (name, node) = (name.clone(), node.clone());
            tasks.spawn(async move { refresh_and_sign_out(&node, &name, n + m).await });
        }
        let (name, node) = (name.clone(), nodes[n % 2].clone());
        tasks.spawn(async move {
            for _ in 0..6 {
                let admin = node.admin();
                admin.grant_role(&name, "globex", "editor").await.unwrap();
                admin.revoke_role(&name, "globex", "editor").await.unwrap();
                admin.mint_access_token(&name, None).await.unwrap();
                node.poll_changes().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(
        world.count(DEADLOCKS).await,
        before,
        "two waited in a circle"
    );
    let entries = audit(&issuer).await;
    assert!(
        (1..).zip(&entries).all(|(seq, entry)| entry.seq == seq),
        "a gap"
    );
}

const DEADLOCKS: &str = "SELECT CAST(SUM(deadlocks) AS BIGINT) FROM pg_stat_database";

async fn refresh_and_sign_out(node: &Issuer, name: &str, shift: usize) {
    for round in 0..6 {
        let session = sign_in(node, name).await;
        let mut token = session.refresh_token;
        for _ in 0..3 {
            let refreshed = node.refresh(&token, FIRST_PARTY_CLIENT).await;
            token = refreshed.ok().unwrap().answer.refresh_token;
        }
        if (round + shift).is_multiple_of(2) {
            let cause = EndCause::SignOut;
            assert!(node.end_session(session.session_id, cause).await.unwrap());
            let refreshed = node.refresh(&token, FIRST_PARTY_CLIENT).await;
            assert!(matches!(refreshed, Err(RefreshError::Invalid)));
        }
    }
}

/// Numbers follow the order of commits: whoever reads by cursor while four
/// nodes revoke at once has everything that was answered before it read.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_by_cursor_skips_no_revocation_that_commits_late() {
    let (world, issuer) = World::with_alice().await;
    let reader = world.open().await;
    let mut tasks = JoinSet::new();
    for node in nodes(&world, 4).await {
        tasks.spawn(async move {
            let mut ended = Vec::new();
            for _ in 0..25 {
                let session = sign_in(&node, "alice").await;
                let cause = EndCause::SignOut;
                assert!(node.end_session(session.session_id, cause).await.unwrap());
                ended.push(session.access_token);
            }
            ended
        });
    }
    let mut ended = Vec::new();
    while let Some(some) = tasks.join_next().await {
        reader.poll_changes().await.unwrap();
        for token in some.unwrap() {
            assert!(check(&reader, &world.clock, &token).is_err(), "skipped");
            ended.push(token);
        }
    }
    assert_eq!(ended.len(), 100);
    let numbers = "SELECT COUNT(*) FROM revocation";
    let head = "SELECT value FROM head WHERE name = 'revocation'";
    assert_eq!(world.count(numbers).await, world.count(head).await);
    assert_eq!(audited(&issuer, "session.end").await, 100);
}

/// A watermark that was chosen before another node issued does not spare what
/// it issued: a change for everybody looks at the clock again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_another_node_issues_while_everything_is_refused_is_refused_too() {
    let (world, issuer) = World::with_alice().await;
    let other = world.open().await;
    for _ in 0..20 {
        let session = sign_in(&other, "alice").await;
        // The clock goes on by a second with each look at it.
        world.clock.run(1);
        let admin = issuer.admin();
        let (refreshed, expired) = tokio::join!(
            other.refresh(&session.refresh_token, FIRST_PARTY_CLIENT),
            admin.expire_access_tokens()
        );
        world.clock.run(0);
        // With a clock that never stands still it may have to give up.
        let refreshed = refreshed.ok().unwrap();
        if expired.is_ok() && refreshed.repeated {
            assert!(check(&issuer, &world.clock, &refreshed.answer.access_token).is_err());
        }
        world.clock.turn(60);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_eight_nodes_that_start_at_once_one_makes_everything() {
    let world = Arc::new(World::new());
    // The file of the master key is copied to every node.
    drop(world.master_key());
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let world = Arc::clone(&world);
        tasks.spawn(async move { world.open().await });
    }
    let nodes = tasks.join_all().await;
    let keys: HashSet<_> = nodes.iter().map(Issuer::jwks_json).collect();
    assert_eq!(keys.len(), 1);
    assert_eq!(audited(&nodes[0], "key.activate").await, 1);
    assert_eq!(audited(&nodes[0], "installation.create").await, 1);
}

/// KEY: ten rotations by schedule, with every node polling at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_rotate_the_keys_once_and_agree() {
    let (world, issuer) = World::with_alice().await;
    let nodes = nodes(&world, 3).await;
    let mut seen = HashSet::new();
    for _ in 0..10 {
        // Until the next change is due, and then the wait of a new key.
        for step in [30 * 24 * 3600, 3600, 3600] {
            world.clock.turn(step);
            let mut tasks = JoinSet::new();
            for node in &nodes {
                let node = node.clone();
                tasks.spawn(async move { node.poll_changes().await.map(drop) });
            }
            for polled in tasks.join_all().await {
                polled.unwrap();
            }
            for node in nodes.iter().chain([&issuer]) {
                node.poll_changes().await.unwrap();
            }
            for node in &nodes {
                node.poll_changes().await.unwrap();
                assert_eq!(node.jwks_json(), issuer.jwks_json());
            }
        }
        let keys = issuer.admin().signing_keys();
        let signing: Vec<_> = keys.iter().filter(|key| key.state == "signing").collect();
        assert_eq!(signing.len(), 1);
        seen.insert(signing[0].kid.clone());
        for node in &nodes {
            let session = sign_in(node, "alice").await;
            assert!(check(&issuer, &world.clock, &session.access_token).is_ok());
        }
    }
    assert!(seen.len() >= 9, "{}", seen.len());
    let published = audited(&issuer, "key.publish").await;
    let activated = audited(&issuer, "key.activate").await;
    assert!(
        activated.abs_diff(published) <= 1,
        "{activated} of {published}"
    );
}

/// Expand, then contract: an older program goes on beside a newer one that
/// added tables and columns, and is refused only when something was taken away.
#[tokio::test]
async fn an_older_program_goes_on_beside_an_expanded_schema() {
    let (world, issuer) = World::with_alice().await;
    world
        .tamper(
            "CREATE TABLE passkey (id TEXT NOT NULL PRIMARY KEY, account_id TEXT NOT NULL);
             ALTER TABLE account ADD COLUMN locale TEXT;
             ALTER TABLE session ADD COLUMN device BIGINT NOT NULL DEFAULT 0;
             INSERT INTO migration (version, sha256) VALUES (99, x'00')",
        )
        .await;
    // The one that runs, and one that is started after it.
    for node in [issuer, world.open().await] {
        let session = sign_in(&node, "alice").await;
        let refreshed = node
            .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
            .await;
        assert!(refreshed.is_ok());
        let admin = node.admin();
        assert!(admin.grant_role("alice", "globex", "editor").await.unwrap());
        assert!(
            admin
                .revoke_role("alice", "globex", "editor")
                .await
                .unwrap()
        );
        node.poll_changes().await.unwrap();
    }
    world
        .tamper("UPDATE migration_floor SET version = 99")
        .await;
    let opened = Issuer::open(
        world.database(),
        world.master_key(),
        crate::harness::config(),
        world.surroundings(),
    );
    let error = opened.await.err().unwrap();
    assert!(
        matches!(error, OpenError::TooNew { found: 99, .. }),
        "{error}"
    );
    assert!(error.to_string().contains("newer Doorward"), "{error}");
}
