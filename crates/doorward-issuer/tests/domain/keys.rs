//! Signing keys over their life, with clients that cache.

use std::collections::HashSet;

use doorward_issuer::{
    Database, Issuer, MasterKey, OpenError,
    session::{EndCause, FIRST_PARTY_CLIENT},
};
use doorward_policy::decision::{Decision, Reason, TraceId};
use doorward_verify::{
    clock::Clock,
    jose::{
        algorithm::Algorithm,
        jwk_set::{KeySet, Limits},
        validation::Validation,
    },
    key_source::KeySource,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};

use crate::harness::{World, audited, check, config, sign_in};

/// A third party that fetches the JWKS as seldom as it may.
struct StubbornClient {
    fetched_at: u64,
    source: KeySource,
    verifier: Verifier,
}

impl StubbornClient {
    fn new(world: &World, issuer: &Issuer) -> Self {
        let source = KeySource::fixed(fetch(issuer));
        let validation = Validation::issuer("https://id.example")
            .audience("https://api.example")
            .algorithms([Algorithm::Es256]);
        let trusted = TrustedIssuer::new(validation, source.clone());
        let verifier = Verifier::new(vec![trusted], RevocationSet::new());
        Self {
            fetched_at: world.clock.now().millis(),
            source,
            verifier,
        }
    }

    fn check(&mut self, world: &World, issuer: &Issuer, token: &str) -> Result<(), Reason> {
        let now = world.clock.now();
        if now.millis() - self.fetched_at > config().jwks_max_age * 1000 {
            self.source.replace(fetch(issuer));
            self.fetched_at = now.millis();
        }
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now.millis(), "GET", "/");
        self.verifier
            .verify(token, now.unix(), &mut decision)
            .map(|_| ())
    }
}

fn fetch(issuer: &Issuer) -> KeySet {
    KeySet::parse(issuer.jwks_json().as_bytes(), Limits::default()).unwrap()
}

async fn mint(issuer: &Issuer) -> String {
    issuer
        .admin()
        .mint_access_token("alice", None)
        .await
        .unwrap()
        .access_token
}

fn signing(issuer: &Issuer) -> String {
    let keys = issuer.admin().signing_keys();
    let signing: Vec<_> = keys.iter().filter(|key| key.state == "signing").collect();
    assert_eq!(signing.len(), 1);
    signing[0].kid.clone()
}

#[tokio::test]
async fn key_013_fifty_rotations_refuse_no_good_token_and_accept_no_retired_key() {
    let (world, issuer) = World::with_alice().await;
    let mut client = StubbornClient::new(&world, &issuer);
    let mut alive: Vec<(u64, String)> = Vec::new();
    let mut kids = HashSet::new();
    for rotation in 0..50 {
        let old = signing(&issuer);
        let announced = issuer.admin().rotate_key().await.unwrap();
        assert_eq!(
            issuer.admin().rotate_key().await.unwrap(),
            announced,
            "one waits at a time"
        );
        while signing(&issuer) == old {
            world.clock.turn(30);
            issuer.poll_changes().await.unwrap();
            let now = world.clock.now().millis() / 1000;
            alive.retain(|(exp, _)| *exp > now);
            alive.push((now + 300, mint(&issuer).await));
            for (exp, token) in &alive {
                let seen = check(&issuer, &world.clock, token);
                assert!(
                    seen.is_ok(),
                    "rotation {rotation}: {seen:?}, {} s left",
                    exp - now
                );
                let seen = client.check(&world, &issuer, token);
                assert!(
                    seen.is_ok(),
                    "rotation {rotation}, caching client: {seen:?}"
                );
            }
        }
        assert_eq!(signing(&issuer), announced);
        assert!(kids.insert(announced), "no key signs twice");
        assert!(issuer.admin().signing_keys().len() <= 4, "old keys go");
    }
    assert_eq!(audited(&issuer, "key.activate").await, 51);
    assert!(audited(&issuer, "key.destroy").await >= 48);
    world.clock.turn(1000);
    issuer.poll_changes().await.unwrap();
    assert_eq!(issuer.admin().signing_keys().len(), 1);
    assert_eq!(fetch(&issuer).len(), 1);
    let retired = check(&issuer, &world.clock, &alive[0].1).unwrap_err();
    assert_eq!(retired, Reason::UnknownKey);
}

#[tokio::test]
async fn key_014_a_key_is_published_before_it_signs_and_by_itself_after_thirty_days() {
    let (world, issuer) = World::with_alice().await;
    let first = signing(&issuer);
    // Five seconds passed since the first start.
    world.clock.turn(30 * 24 * 3600 - 331 - 5);
    assert!(!issuer.poll_changes().await.unwrap().keys);
    world.clock.turn(1);
    assert!(
        issuer.poll_changes().await.unwrap().keys,
        "the successor is published"
    );
    assert_eq!(fetch(&issuer).len(), 2);
    assert_eq!(signing(&issuer), first);
    world.clock.turn(329);
    assert!(!issuer.poll_changes().await.unwrap().keys);
    world.clock.turn(1);
    assert!(
        issuer.poll_changes().await.unwrap().keys,
        "and signs after 330 s"
    );
    assert_ne!(signing(&issuer), first);
    world.clock.turn(360);
    issuer.poll_changes().await.unwrap();
    assert_eq!(
        fetch(&issuer).len(),
        1,
        "its predecessor is gone with its last token"
    );
}

#[tokio::test]
async fn key_015_a_withdrawn_key_is_refused_everywhere_at_once() {
    let (world, server) = World::with_alice().await;
    let session = sign_in(&server, "alice").await;
    let leaked = signing(&server);
    let command = world.open().await;
    command.admin().withdraw_key(&leaked).await.unwrap();
    assert!(check(&command, &world.clock, &session.access_token).is_err());
    assert!(
        check(&server, &world.clock, &session.access_token).is_ok(),
        "not yet"
    );
    assert!(server.poll_changes().await.unwrap().keys);
    assert!(check(&server, &world.clock, &session.access_token).is_err());
    assert!(!server.jwks_json().contains(&leaked));
    // A verifier that still holds the old JWKS hears of it by the feed.
    assert!(!server.revocations().is_empty());

    let refreshed = server
        .refresh(&session.refresh_token, FIRST_PARTY_CLIENT)
        .await
        .ok()
        .unwrap();
    for process in [&server, &command] {
        assert!(check(process, &world.clock, &refreshed.answer.access_token).is_ok());
    }
    assert_ne!(signing(&server), leaked);
    assert_eq!(audited(&server, "key.withdraw").await, 1);
    assert!(
        command.admin().withdraw_key(&leaked).await.is_err(),
        "only once"
    );
    assert!(command.admin().withdraw_key("nonsense").await.is_err());

    drop((server, command));
    let server = world.open().await;
    assert!(check(&server, &world.clock, &session.access_token).is_err());

    // Whoever holds the key writes any `exp`, and a verifier that is cut off
    // may go on with the old JWKS for hours.
    world.clock.turn(6 * 24 * 3600);
    server.poll_changes().await.unwrap();
    assert!(!server.revocations().is_empty());
}

#[tokio::test]
async fn key_015_a_published_successor_takes_over_from_a_withdrawn_key() {
    let (_world, issuer) = World::with_alice().await;
    let waiting = issuer.admin().rotate_key().await.unwrap();
    issuer
        .admin()
        .withdraw_key(&signing(&issuer))
        .await
        .unwrap();
    assert_eq!(signing(&issuer), waiting);
}

async fn open_error(world: &World, master_key: MasterKey) -> OpenError {
    Issuer::open(world.database(), master_key, config(), world.surroundings())
        .await
        .err()
        .unwrap()
}

#[tokio::test]
async fn key_018_a_wrong_master_key_or_a_damaged_row_stops_the_start() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    drop(issuer);
    let error = open_error(&world, MasterKey::from_bytes([7; 32])).await;
    assert!(matches!(error, OpenError::WrongMasterKey { .. }));
    assert!(error.to_string().contains("master.key"), "{error}");

    // Nothing was changed by the attempt.
    let issuer = world.open().await;
    assert!(
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap()
    );
    drop(issuer);

    world
        .tamper(
            "UPDATE signing_key SET sealed_private =
                 CAST(substr(sealed_private, 1, 40) || x'0000000000000000' || substr(sealed_private, 49) AS BLOB)",
        )
        .await;
    let error = open_error(&world, world.master_key()).await;
    assert!(matches!(error, OpenError::DamagedKey { .. }), "{error}");
}

#[tokio::test]
async fn key_022_a_database_that_others_can_read_stops_the_start() {
    use std::{fs, os::unix::fs::PermissionsExt};
    let (world, issuer) = World::with_alice().await;
    let Database::Sqlite(database) = world.database() else {
        return;
    };
    for file in [
        "doorward.db",
        "doorward.db-wal",
        "doorward.db-shm",
        "master.key",
    ] {
        let mode = fs::metadata(world.file(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    drop(issuer);
    fs::set_permissions(database, fs::Permissions::from_mode(0o644)).unwrap();
    let error = open_error(&world, world.master_key()).await;
    assert!(error.to_string().contains("chmod 600"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_first_starts_one_makes_the_key() {
    let world = World::new();
    let (a, b) = tokio::join!(world.open(), world.open());
    assert_eq!(a.jwks_json(), b.jwks_json());
    assert_eq!(fetch(&a).len(), 1);
    assert_eq!(audited(&a, "key.activate").await, 1);
}

#[tokio::test]
async fn a_newer_or_foreign_database_stops_the_start() {
    let world = World::new();
    drop(world.open().await);
    world
        .tamper("UPDATE migration_floor SET version = 99")
        .await;
    let error = open_error(&world, world.master_key()).await;
    assert!(matches!(error, OpenError::TooNew { .. }), "{error}");
    world
        .tamper("UPDATE migration_floor SET version = 1; UPDATE migration SET sha256 = x'00'")
        .await;
    let error = open_error(&world, world.master_key()).await;
    assert!(
        matches!(error, OpenError::ForeignMigration { version: 1 }),
        "{error}"
    );
}
