//! A turned clock, seeded randomness, and an issuer in a temporary folder.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use doorward_issuer::{
    Config, Entropy, Issuer, MasterKey, Surroundings, TokenAnswer,
    admin::NewUser,
    audit::AuditRecord,
    password::{Hashing, Password},
    session::{Authentication, FIRST_PARTY_CLIENT},
};
use doorward_policy::{
    decision::{Decision, Reason, TraceId},
    permission::PermissionPattern,
    role::{RoleName, RoleSpec, Roles},
};
use doorward_verify::{
    clock::{Clock, Timestamp},
    principal::Principal,
};
use tempfile::TempDir;

pub(crate) const PASSWORD: &str = "a wire gate in the long grass";

/// 2026-11-21 00:00 UTC, in milliseconds.
const START: u64 = 1_795_219_200_000;

/// A clock that stands until it is turned, or goes on with every look at it.
pub(crate) struct TurnedClock {
    millis: AtomicU64,
    step: AtomicU64,
}

impl TurnedClock {
    fn at(millis: u64) -> Self {
        Self {
            millis: millis.into(),
            step: 0.into(),
        }
    }

    pub(crate) fn turn(&self, seconds: u64) {
        self.millis.fetch_add(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) fn turn_back(&self, seconds: u64) {
        self.millis.fetch_sub(seconds * 1000, Ordering::SeqCst);
    }

    /// From now on it goes on by so much each time that it is read.
    pub(crate) fn run(&self, seconds: u64) {
        self.step.store(seconds * 1000, Ordering::SeqCst);
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        let step = self.step.load(Ordering::SeqCst);
        Timestamp::from_millis(self.millis.fetch_add(step, Ordering::SeqCst))
    }
}

/// SplitMix64: the same bytes in every run, never the same twice in one.
pub(crate) struct SeededEntropy(Mutex<u64>);

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut word = *state;
            word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            word ^= word >> 31;
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
    }
}

/// Everything around an issuer; outlives restarts of it.
pub(crate) struct World {
    folder: TempDir,
    pub(crate) clock: Arc<TurnedClock>,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) roles: Arc<ArcSwap<Roles>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            clock: Arc::new(TurnedClock::at(START)),
            entropy: Arc::new(SeededEntropy(Mutex::new(1))),
            roles: Arc::new(ArcSwap::from_pointee(roles(&[
                ("reader", &["orders:read"]),
                ("editor", &["orders:read", "orders:create"]),
            ]))),
        }
    }

    /// A world with an open issuer, the tenants `acme` and `globex`, and the
    /// user `alice`, who belongs to `acme` and reads there.
    pub(crate) async fn with_alice() -> (Self, Issuer) {
        let world = Self::new();
        let issuer = world.open().await;
        let admin = issuer.admin();
        admin.add_tenant("acme").await.unwrap();
        admin.add_tenant("globex").await.unwrap();
        admin.add_user(new_user("alice")).await.unwrap();
        admin.grant_role("alice", "acme", "reader").await.unwrap();
        // Past the second in which the grant refused all tokens.
        world.clock.turn(5);
        (world, issuer)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.file("doorward.db")
    }

    pub(crate) fn master_key(&self) -> MasterKey {
        MasterKey::open_or_create(&self.file("master.key"), &self.database(), &*self.entropy)
            .unwrap()
    }

    pub(crate) fn surroundings(&self) -> Surroundings {
        Surroundings {
            clock: self.clock.clone(),
            entropy: self.entropy.clone(),
            roles: self.roles.clone(),
        }
    }

    pub(crate) async fn open(&self) -> Issuer {
        Issuer::open(
            &self.database(),
            self.master_key(),
            config(),
            self.surroundings(),
        )
        .await
        .unwrap()
    }

    /// What a query counts, read by another process.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
        let options = SqliteConnectOptions::new().filename(self.database());
        let mut connection = options.connect().await.unwrap();
        sqlx::query_scalar(sql)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// Another process's bare hands on the database.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
        let options = SqliteConnectOptions::new().filename(self.database());
        let mut connection = options.connect().await.unwrap();
        sqlx::raw_sql(sql).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}

pub(crate) fn config() -> Config {
    let hashing = Hashing {
        memory_kib: 64,
        passes: 1,
        parallel: 2,
        queue: 64,
    };
    Config {
        hashing,
        ..Config::new("https://id.example", "https://api.example")
    }
}

pub(crate) fn roles(specs: &[(&str, &[&str])]) -> Roles {
    let spec = |(name, permissions): &(&str, &[&str])| RoleSpec {
        name: RoleName::parse(name).unwrap(),
        inherits: Vec::new(),
        permissions: permissions
            .iter()
            .map(|p| PermissionPattern::parse(p).unwrap())
            .collect(),
    };
    Roles::build(specs.iter().map(spec).collect()).unwrap()
}

pub(crate) fn password(text: &str) -> Password {
    Password::new(text.to_owned()).unwrap()
}

pub(crate) fn new_user(name: &str) -> NewUser {
    NewUser {
        username: name.to_owned(),
        tenant: "acme".to_owned(),
        password: password(PASSWORD),
    }
}

pub(crate) const BY_PASSWORD: Authentication<'static> = Authentication {
    client_id: FIRST_PARTY_CLIENT,
    methods: &["pwd"],
};

/// A session of `username` in the home tenant.
pub(crate) async fn sign_in(issuer: &Issuer, username: &str) -> TokenAnswer {
    let account = issuer.account(username).await.unwrap().unwrap();
    let tenant = issuer.membership(&account, None).await.unwrap().unwrap();
    issuer
        .start_session(&account, &tenant, BY_PASSWORD)
        .await
        .unwrap()
}

/// What the gateway in this process says about an access token.
pub(crate) fn check(
    issuer: &Issuer,
    clock: &TurnedClock,
    token: &str,
) -> Result<Principal, Reason> {
    let now = clock.now();
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now.millis(), "GET", "/");
    issuer.verifier().verify(token, now.unix(), &mut decision)
}

/// Every audit entry.
pub(crate) async fn audit(issuer: &Issuer) -> Vec<AuditRecord> {
    issuer.audit_after(0, 10_000).await.unwrap()
}

/// How many entries name this action.
pub(crate) async fn audited(issuer: &Issuer, action: &str) -> usize {
    audit(issuer)
        .await
        .iter()
        .filter(|entry| entry.action == action)
        .count()
}
