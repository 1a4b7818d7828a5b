//! The master key is changed: everything goes on, and only the keys that are
//! meant to open the database do.

use std::fs::{self, OpenOptions};

use aws_lc_rs::hkdf;
use doorward_issuer::{
    AdminError, Database, Fingerprint, Issuer, KeyFileChange, MasterKey, OpenError,
    admin::{NewApiKey, NewOwner, NewSecret},
    error::MasterKeyChangeError,
    session::FIRST_PARTY_CLIENT,
};
use doorward_verify::clock::Clock as _;

use crate::{
    clients::{billing, token},
    harness::{Hands, PASSWORD, World, audit, audited, check, config, sign_in},
    people::{code, enrol, first_step, second_step, text},
};

/// What somebody holds who knows nothing of master keys.
struct Held {
    api_key: String,
    client: NewSecret,
    totp: String,
    recovery_codes: Vec<String>,
    access_token: String,
    refresh_token: String,
    jwks: String,
}

impl Held {
    async fn of(world: &World, issuer: &Issuer) -> Self {
        let first = sign_in(issuer, "alice").await;
        let (totp, recovery_codes) = enrol(world, issuer, &first.access_token).await;
        let new = NewApiKey {
            owner: NewOwner::User("alice".to_owned(), None),
            purpose: "a test".to_owned(),
            permissions: None,
            networks: Vec::new(),
            delay: 0,
            lifetime: 3600,
        };
        let api_key = issuer.admin().add_api_key(new).await.unwrap();
        let client = issuer.admin().add_client(billing()).await.unwrap();
        let session = sign_in(issuer, "alice").await;
        Self {
            api_key: api_key.text.reveal().to_owned(),
            client,
            totp,
            recovery_codes,
            access_token: session.access_token,
            refresh_token: session.refresh_token,
            jwks: issuer.jwks_json().to_string(),
        }
    }

    /// Each of them is worth what it was.
    async fn is_whole(&mut self, world: &World, issuer: &Issuer) {
        assert_eq!(*issuer.jwks_json(), *self.jwks);
        check(issuer, &world.clock, &self.access_token).unwrap();
        let refreshed = issuer
            .refresh(&self.refresh_token, FIRST_PARTY_CLIENT)
            .await;
        self.refresh_token = refreshed.ok().unwrap().answer.refresh_token;
        let exchanged = issuer.exchange_api_key(&self.api_key, world.clock.now());
        assert!(exchanged.await.is_ok());
        token(world, issuer, &self.client).await.unwrap();
        world.clock.turn(30);
        let shown = code(&self.totp, &world.clock, 0);
        let paper = self.recovery_codes.pop().unwrap();
        for proof in [("code", shown.as_str()), ("recovery_code", &paper)] {
            let (status, asked) = first_step(issuer, PASSWORD).await;
            assert_eq!(status, 200, "{asked}");
            let (status, answer) =
                second_step(issuer, text(&asked, "second_factor_token"), proof).await;
            assert_eq!(status, 200, "{}: {answer}", proof.0);
        }
        issuer.poll_changes().await.unwrap();
        assert_eq!(audited(issuer, "row.refused").await, 0);
    }
}

async fn open_with(world: &World, key: MasterKey) -> Result<Issuer, OpenError> {
    Issuer::open(world.database(), key, config(), world.surroundings()).await
}

/// The key of a file, which is there.
fn key_in(file: &std::path::Path) -> MasterKey {
    MasterKey::read(file).unwrap().unwrap()
}

/// A rotation as the command makes it; the key of before, and of now.
async fn rotate(world: &World, issuer: &Issuer) -> (Fingerprint, Fingerprint) {
    let file = world.file("master.key");
    let before = key_in(&file).fingerprint();
    let change = KeyFileChange::begin(&file).unwrap();
    let next = change.next(&*world.entropy).unwrap();
    issuer.admin().add_master_key(&next).await.unwrap();
    let kept = change.take_over(before, next.fingerprint()).unwrap();
    assert_eq!(kept, MasterKey::kept_file(&file, before));
    (before, next.fingerprint())
}

/// Through rotation, restart and retirement, with a server that runs on.
async fn goes_through(world: World, issuer: Issuer) {
    let mut held = Held::of(&world, &issuer).await;
    let file = world.file("master.key");
    for round in 1..3 {
        let server = world.open().await;
        let (before, now) = rotate(&world, &server).await;
        held.is_whole(&world, &server).await;
        // Nodes that have the new file, and nodes that wait for it.
        let others = world.open().await;
        held.is_whole(&world, &others).await;
        let waiting = key_in(&MasterKey::kept_file(&file, before));
        let waiting = open_with(&world, waiting).await.unwrap();
        held.is_whole(&world, &waiting).await;

        assert!(others.admin().retire_master_key(before).await.unwrap());
        assert!(!others.admin().retire_master_key(before).await.unwrap());
        held.is_whole(&world, &server).await;
        let old = key_in(&MasterKey::kept_file(&file, before));
        let refused = open_with(&world, old).await.err().unwrap();
        let OpenError::RetiredMasterKey { fingerprint, opens } = &refused else {
            panic!("{refused}");
        };
        assert_eq!((*fingerprint, &opens[..]), (before, &[now][..]));
        for named in [before, now] {
            assert!(
                refused.to_string().contains(&named.to_string()),
                "{refused}"
            );
        }
        held.is_whole(&world, &world.open().await).await;

        let known = world.open().await.admin().master_keys().await.unwrap();
        let opening: Vec<_> = known.iter().filter(|k| k.opens).collect();
        assert_eq!((known.len(), opening.len()), (round + 1, 1));
        assert!(opening[0].is_ours && opening[0].fingerprint == now);
        let entries = audit(&issuer).await;
        let named = |action, key: Fingerprint| {
            entries.iter().any(|entry| {
                (entry.action == action, &entry.object_kind[..]) == (true, "master_key")
                    && entry.object_id == key.to_string()
            })
        };
        assert!(named("master_key.add", now) && named("master_key.retire", before));
    }
}

#[tokio::test]
async fn another_master_key_loses_nothing_and_the_one_before_opens_no_more() {
    let (world, issuer) = World::with_alice().await;
    goes_through(world, issuer).await;
}

#[tokio::test]
async fn a_database_of_before_root_keys_goes_through_the_same() {
    let (world, issuer) = World::with_alice_of_before().await;
    world.forget_root_keys().await;
    drop(issuer);
    let issuer = world.open().await;
    goes_through(world, issuer).await;
}

/// What an older program looks at stays until the first rotation, and from then
/// on it is told that it is too old.
#[tokio::test]
async fn an_older_program_goes_on_until_the_first_rotation() {
    const FLOOR: &str = "SELECT version FROM migration_floor";
    let (world, before) = World::with_alice_of_before().await;
    world.forget_root_keys().await;
    let master = world.master_key_bytes();
    let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward master key v1");
    let mut expected = [0; 32];
    let purpose: &[&[u8]] = &[b"check, rows have MACs"];
    let prk = salt.extract(&master);
    let okm = prk.expand(purpose, hkdf::HKDF_SHA256).unwrap();
    okm.fill(&mut expected).unwrap();

    let mut refresh = sign_in(&before, "alice").await.refresh_token;
    let issuer = world.open().await;
    assert_eq!(installation_check(&world).await, expected);
    assert_eq!(world.count(FLOOR).await, 1);
    assert_eq!(world.count("SELECT COUNT(*) FROM root_key").await, 1);
    // The two see each other's rows and sessions.
    for node in [&issuer, &before] {
        let refreshed = node.refresh(&refresh, FIRST_PARTY_CLIENT).await;
        refresh = refreshed.ok().unwrap().answer.refresh_token;
    }
    rotate(&world, &issuer).await;
    assert_eq!(world.count(FLOOR).await, 10);
    assert_eq!(installation_check(&world).await, expected);
    // In a new database an older program would find another root key.
    let (new, _) = World::with_alice().await;
    assert_eq!(new.count(FLOOR).await, 10);
}

async fn installation_check(world: &World) -> Vec<u8> {
    const SQL: &str = "SELECT master_key_check FROM installation";
    match world.hands().await {
        Hands::Sqlite(mut connection) => {
            let check = sqlx::query_scalar(SQL).fetch_one(&mut connection).await;
            check.unwrap()
        }
        Hands::Postgres(mut connection) => {
            let check = sqlx::query_scalar(SQL).fetch_one(&mut connection).await;
            check.unwrap()
        }
    }
}

#[tokio::test]
async fn a_root_key_that_somebody_else_put_there_stops_the_start() {
    let changes = [
        "CREATE TABLE was AS SELECT fingerprint, sealed FROM root_key;
         UPDATE root_key SET sealed = (SELECT was.sealed FROM was
             WHERE was.fingerprint <> root_key.fingerprint)",
        "UPDATE root_key SET sealed = x'00'",
        "UPDATE root_key SET added_at = added_at + 1",
        "UPDATE installation SET master_key_check = x'00'",
    ];
    for change in changes {
        let (world, issuer) = World::with_alice().await;
        rotate(&world, &issuer).await;
        drop(issuer);
        world.tamper(change).await;
        let refused = open_with(&world, world.master_key()).await.err().unwrap();
        assert!(
            matches!(refused, OpenError::DamagedRootKey { .. }),
            "{change}: {refused}"
        );
        assert!(refused.to_string().contains("backup"), "{refused}");
    }
}

/// Not even that of another database under the same master key.
#[tokio::test]
async fn the_root_key_of_another_database_does_not_open() {
    let (world, issuer) = World::with_alice().await;
    let other = World::new();
    fs::copy(world.file("master.key"), other.file("master.key")).unwrap();
    drop((issuer, other.peopled().await));
    let sealed = match other.hands().await {
        Hands::Sqlite(mut connection) => sqlx::query_as("SELECT sealed, added_at FROM root_key")
            .fetch_one(&mut connection)
            .await
            .unwrap(),
        Hands::Postgres(mut connection) => sqlx::query_as("SELECT sealed, added_at FROM root_key")
            .fetch_one(&mut connection)
            .await
            .unwrap(),
    };
    let (sealed, added_at): (Vec<u8>, i64) = sealed;
    let digits: String = sealed.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut hands = world.hands().await;
    let sealed = match &hands {
        Hands::Sqlite(_) => format!("x'{digits}'"),
        Hands::Postgres(_) => format!("'\\x{digits}'::bytea"),
    };
    hands
        .run_made(format!(
            "UPDATE root_key SET sealed = {sealed}, added_at = {added_at}"
        ))
        .await;
    let refused = open_with(&world, world.master_key()).await.err().unwrap();
    assert!(
        matches!(refused, OpenError::DamagedRootKey { .. }),
        "{refused}"
    );
    // Nor is the master key taken for the root key when there is none.
    hands.run_made("DELETE FROM root_key".to_owned()).await;
    hands.close().await;
    let refused = open_with(&world, world.master_key()).await.err().unwrap();
    assert!(
        matches!(&refused, OpenError::WrongMasterKey { opens, .. } if opens.is_empty()),
        "{refused}"
    );
}

#[tokio::test]
async fn what_may_not_be_retired_or_added_is_refused() {
    let (world, issuer) = World::with_alice().await;
    let refusal = |outcome: Result<bool, AdminError>| match outcome {
        Err(AdminError::MasterKey(refusal)) => refusal,
        other => panic!("{other:?}"),
    };
    let admin = issuer.admin();
    let ours = world.master_key().fingerprint();
    let unknown = MasterKey::from_bytes([3; 32]).fingerprint();
    assert_eq!(
        refusal(admin.retire_master_key(ours).await),
        MasterKeyChangeError::InUse(ours)
    );
    assert_eq!(
        refusal(admin.retire_master_key(unknown).await),
        MasterKeyChangeError::NoSuch(unknown)
    );
    let (_, now) = rotate(&world, &issuer).await;
    let next = open_with(&world, world.master_key()).await.unwrap();
    assert!(next.admin().retire_master_key(ours).await.unwrap());
    // A server that still has the old one opened goes on, but it may not bring
    // its key back, nor take away the one that is left.
    let third = MasterKey::from_bytes([4; 32]);
    let old = key_in(&MasterKey::kept_file(&world.file("master.key"), ours));
    for outcome in [
        admin.retire_master_key(now).await,
        admin.add_master_key(&third).await,
    ] {
        assert_eq!(refusal(outcome), MasterKeyChangeError::OursRetired(ours));
    }
    assert_eq!(
        refusal(next.admin().add_master_key(&old).await),
        MasterKeyChangeError::Retired(ours)
    );
    assert!(
        !next
            .admin()
            .add_master_key(&world.master_key())
            .await
            .unwrap()
    );
    world.open().await;
}

/// Somebody who writes the database can say that a key is retired, and have it
/// open all the same: what is told goes by what opens.
#[tokio::test]
async fn a_key_that_is_only_said_to_be_retired_opens_and_is_told_so() {
    let (world, issuer) = World::with_alice().await;
    let (before, now) = rotate(&world, &issuer).await;
    world.tamper("UPDATE root_key SET retired_at = 1").await;
    let old = key_in(&MasterKey::kept_file(&world.file("master.key"), before));
    assert!(open_with(&world, old).await.is_ok());
    let admin = world.open().await.admin();
    let opening = async || {
        let keys = admin.master_keys().await.unwrap().into_iter();
        let opening = keys.filter(|key| key.opens);
        opening.map(|key| key.fingerprint).collect::<Vec<_>>()
    };
    assert_eq!(opening().await, [before, now]);
    assert!(admin.retire_master_key(before).await.unwrap());
    assert_eq!(opening().await, [now]);
}

/// Whatever the clocks of the nodes say, and whatever somebody else wrote.
#[tokio::test]
async fn each_key_comes_after_those_before_it() {
    let (world, issuer) = World::with_alice().await;
    let mut expected = vec![world.master_key().fingerprint()];
    for turned_back in [0, 60, 0, 3600] {
        world.clock.turn_back(turned_back);
        expected.push(rotate(&world, &issuer).await.1);
    }
    world
        .tamper(
            "INSERT INTO root_key (fingerprint, sealed, added_at)
             VALUES ('00000000000000ff', x'00', 9223372036854775807)",
        )
        .await;
    let known = world.open().await.admin().master_keys().await.unwrap();
    let known: Vec<_> = known.iter().map(|key| key.fingerprint).collect();
    assert_eq!(known[..5], expected);
    rotate(&world, &issuer).await;
    world.open().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_that_retire_each_others_key_one_does() {
    for _ in 0..5 {
        let (world, a) = World::with_alice().await;
        let ours = world.master_key().fingerprint();
        rotate(&world, &a).await;
        let b = world.open().await;
        let theirs = world.master_key().fingerprint();
        let (a, b) = (a.admin(), b.admin());
        let (first, second) = tokio::join!(a.retire_master_key(theirs), b.retire_master_key(ours));
        assert!(first.is_ok() != second.is_ok(), "{first:?} {second:?}");
        assert_eq!(
            world
                .count("SELECT COUNT(*) FROM root_key WHERE sealed IS NOT NULL")
                .await,
            1
        );
    }
}

/// A backup of before opens with the key of before: that row is in it.
#[tokio::test]
async fn a_backup_opens_with_the_master_key_of_its_time() {
    use std::os::unix::fs::OpenOptionsExt as _;
    let (world, issuer) = World::with_alice().await;
    let Database::Sqlite(_) = world.database() else {
        return;
    };
    let file = world.file("backup.db");
    let mut options = OpenOptions::new();
    drop(options.create_new(true).write(true).mode(0o600).open(&file));
    let admin = issuer.admin();
    admin.back_up_to(file.to_str().unwrap()).await.unwrap();
    let (before, _) = rotate(&world, &issuer).await;
    let next = world.open().await;
    next.admin().retire_master_key(before).await.unwrap();
    let open = |key| Issuer::open(file.clone(), key, config(), world.surroundings());
    let refused = open(world.master_key()).await.err().unwrap();
    assert!(
        matches!(&refused, OpenError::WrongMasterKey { opens, .. } if *opens == [before]),
        "{refused}"
    );
    let old = key_in(&MasterKey::kept_file(&world.file("master.key"), before));
    let restored = open(old).await.unwrap();
    assert!(restored.account("alice").await.unwrap().is_some());
}
