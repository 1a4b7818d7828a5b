//! A batch, made by hand: which jobs share one is otherwise a matter of time.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

use arc_swap::ArcSwap;
use doorward_policy::role::Roles;
use doorward_verify::clock::{Clock, Timestamp};

use super::{Exchange, Exchanged, Job};
use crate::{
    Config, Database, Entropy, Issuer, MasterKey, Surroundings,
    admin::NewUser,
    password::{Hashing, Password},
    session::{Authentication, FIRST_PARTY_CLIENT},
};

struct Standing(AtomicU64);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Counted(Mutex<u64>);

impl Entropy for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        let mut count = self.0.lock().unwrap();
        *count += 1;
        for (byte, value) in bytes.iter_mut().zip(count.to_le_bytes().iter().cycle()) {
            *byte = *value;
        }
    }
}

struct World {
    folder: tempfile::TempDir,
    clock: Arc<Standing>,
    issuer: Issuer,
}

impl World {
    async fn with(users: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(Standing(AtomicU64::new(1_795_219_200_000)));
        let mut config = Config::new("https://id.example", "https://api.example");
        config.hashing = Hashing {
            memory_kib: 64,
            passes: 1,
            ..config.hashing
        };
        let surroundings = Surroundings {
            clock: clock.clone(),
            entropy: Arc::new(Counted(Mutex::new(0))),
            roles: Arc::new(ArcSwap::from_pointee(Roles::build(Vec::new()).unwrap())),
        };
        let database = Database::from(folder.path().join("doorward.db"));
        let key = MasterKey::from_bytes([7; 32]);
        let issuer = Issuer::open(database, key, config, surroundings);
        let issuer = issuer.await.unwrap();
        issuer.admin().add_tenant("acme").await.unwrap();
        for user in users {
            let new = NewUser {
                username: (*user).to_owned(),
                tenant: "acme".to_owned(),
                password: Password::new("a wire gate in the long grass".to_owned()).unwrap(),
            };
            issuer.admin().add_user(new).await.unwrap();
        }
        let world = Self {
            folder,
            clock,
            issuer,
        };
        world.turn(5);
        world
    }

    fn turn(&self, seconds: u64) {
        self.clock.0.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    /// The refresh token of a new session.
    async fn sign_in(&self, user: &str) -> String {
        let account = self.issuer.account(user).await.unwrap().unwrap();
        let tenant = self.issuer.membership(&account, None).await.unwrap();
        let how = Authentication {
            client_id: FIRST_PARTY_CLIENT,
            methods: &["pwd"],
        };
        let tenant = tenant.unwrap();
        let session = self.issuer.start_session(&account, &tenant, how);
        session.await.unwrap().refresh_token
    }

    async fn exchange(&self, token: &str) -> Exchange {
        let genuine = self.issuer.genuine(token).await.unwrap().unwrap();
        let client = genuine.row.client_id.clone();
        self.issuer
            .exchange(&genuine.presented, genuine.row, &client)
    }

    /// What `run_usual` does of `jobs`, and then `run` of the rest.
    async fn run(&self, jobs: &[Exchange]) -> (Vec<bool>, Vec<Exchanged>) {
        let mut tx = self.issuer.store().begin().await.unwrap();
        let jobs: Vec<_> = jobs.iter().collect();
        let usual = Exchange::run_usual(&jobs, &mut tx).await.unwrap();
        let was_usual = usual.iter().map(Option::is_some).collect();
        let mut outcomes = Vec::new();
        for (job, outcome) in jobs.into_iter().zip(usual) {
            outcomes.push(match outcome {
                Some(outcome) => outcome,
                None => job.run(&mut tx).await.unwrap(),
            });
        }
        tx.commit().await.unwrap();
        (was_usual, outcomes)
    }

    /// Another process's bare hands on the database.
    async fn tamper(&self, sql: &'static str) {
        use sqlx::ConnectOptions as _;
        let path = self.folder.path().join("doorward.db");
        let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path);
        let mut hands = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut hands).await.unwrap();
    }
}

fn is_given(exchanged: &Exchanged, again: bool) -> bool {
    matches!(exchanged, Exchanged::Given { repeated, .. } if *repeated == again)
}

#[tokio::test]
async fn what_stands_in_the_way_of_one_is_nothing_to_its_neighbours() {
    let world = World::with(&["alice", "bob", "carol", "dave"]).await;
    let mut jobs = Vec::new();
    let mut tokens = Vec::new();
    for user in ["alice", "bob", "bob", "carol", "dave"] {
        tokens.push(world.sign_in(user).await);
    }
    // Alice's comes twice.
    for at in [0, 0, 1, 2, 3, 4] {
        jobs.push(world.exchange(&tokens[at]).await);
    }
    world.issuer.admin().disable_user("carol").await.unwrap();
    // Somebody else writes dave's row.
    world
        .tamper("UPDATE account SET password_hash = 'x' WHERE username = 'dave'")
        .await;
    let (was_usual, outcomes) = world.run(&jobs).await;
    assert_eq!(was_usual, [true, false, true, true, false, false]);
    assert!(is_given(&outcomes[0], false));
    assert!(is_given(&outcomes[1], true), "the same successor");
    assert!(is_given(&outcomes[2], false) && is_given(&outcomes[3], false));
    assert!(matches!(outcomes[4], Exchanged::Refused));
    assert!(matches!(outcomes[5], Exchanged::Refused));
}

#[tokio::test]
async fn each_is_given_what_is_its_own() {
    let world = World::with(&["alice", "bob"]).await;
    let tokens = [world.sign_in("bob").await, world.sign_in("alice").await];
    let jobs = [
        world.exchange(&tokens[0]).await,
        world.exchange(&tokens[1]).await,
    ];
    let (_, outcomes) = world.run(&jobs).await;
    for (job, outcome) in jobs.iter().zip(outcomes) {
        let Exchanged::Given { entitled, .. } = outcome else {
            panic!("nothing stands in the way");
        };
        assert_eq!(entitled.subject, job.row.user);
    }
}

#[tokio::test]
async fn rft_003_what_was_rotated_since_it_was_read_is_judged_anew() {
    let world = World::with(&["alice", "bob"]).await;
    let (late, other) = (world.sign_in("alice").await, world.sign_in("bob").await);
    let jobs = [world.exchange(&late).await, world.exchange(&other).await];
    world
        .issuer
        .refresh(&late, FIRST_PARTY_CLIENT)
        .await
        .unwrap();
    let (was_usual, outcomes) = world.run(&jobs).await;
    assert_eq!(was_usual, [false, true]);
    assert!(is_given(&outcomes[0], true), "inside the overlap");
    assert!(is_given(&outcomes[1], false));
}
