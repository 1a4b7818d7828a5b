//! A turned clock, seeded randomness, and an issuer on a database of its own:
//! a SQLite file in a temporary folder, or a schema of the PostgreSQL server
//! that this process of tests shares.

use std::{
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwap;
use doorward_issuer::{
    Config, Database, Entropy, Issuer, MasterKey, PostgresUrl, Surroundings, TokenAnswer,
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
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, PgConnection, SqliteConnection,
    postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};
use tempfile::TempDir;

use crate::postgres_server::PostgresServer;

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

/// Seeded randomness, but for the first 32 bytes, which are a new root key.
struct RootOfBefore {
    root: Mutex<Option<[u8; 32]>>,
    then: Arc<SeededEntropy>,
}

impl Entropy for RootOfBefore {
    fn fill(&self, bytes: &mut [u8]) {
        self.then.fill(bytes);
        if bytes.len() == 32
            && let Some(root) = self.root.lock().unwrap().take()
        {
            bytes.copy_from_slice(&root);
        }
    }
}

/// On what the tests of a binary run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(dead_code, reason = "each binary of tests names one of them")]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

/// Everything around an issuer; outlives restarts of it.
pub(crate) struct World {
    folder: TempDir,
    database: Database,
    pub(crate) clock: Arc<TurnedClock>,
    pub(crate) entropy: Arc<SeededEntropy>,
    pub(crate) roles: Arc<ArcSwap<Roles>>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::on(match crate::ENGINE {
            Engine::Postgres => postgres_schema(),
            Engine::Sqlite => None,
        })
    }

    /// On this database, or on a SQLite file without one: where there is no
    /// PostgreSQL the tests say so, and run on SQLite once more.
    pub(crate) fn on(database: Option<Database>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = database.unwrap_or_else(|| folder.path().join("doorward.db").into());
        Self {
            folder,
            database,
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
        let issuer = world.peopled().await;
        (world, issuer)
    }

    /// The same, where everything hangs on the master key itself, as it does in
    /// what older programs made ([`World::forget_root_keys`]).
    pub(crate) async fn with_alice_of_before() -> (Self, Issuer) {
        let world = Self::new();
        let entropy = RootOfBefore {
            root: Mutex::new(Some(world.master_key_bytes())),
            then: world.entropy.clone(),
        };
        let surroundings = Surroundings {
            entropy: Arc::new(entropy),
            ..world.surroundings()
        };
        let opened = Issuer::open(world.database(), world.master_key(), config(), surroundings);
        let issuer = world.people(opened.await.unwrap()).await;
        (world, issuer)
    }

    /// As the database was before root keys.
    pub(crate) async fn forget_root_keys(&self) {
        self.tamper(
            "DROP TABLE root_key; DELETE FROM migration WHERE version = 10;
             UPDATE migration_floor SET version = 1",
        )
        .await;
    }

    /// Opens an issuer and makes the tenants and alice.
    pub(crate) async fn peopled(&self) -> Issuer {
        self.people(self.open().await).await
    }

    async fn people(&self, issuer: Issuer) -> Issuer {
        let admin = issuer.admin();
        admin.add_tenant("acme").await.unwrap();
        admin.add_tenant("globex").await.unwrap();
        admin.add_user(new_user("alice")).await.unwrap();
        admin.grant_role("alice", "acme", "reader").await.unwrap();
        // Past the second in which the grant refused all tokens.
        self.clock.turn(5);
        issuer
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> Database {
        self.database.clone()
    }

    pub(crate) fn master_key(&self) -> MasterKey {
        MasterKey::open_or_create(&self.file("master.key"), None, &*self.entropy).unwrap()
    }

    pub(crate) fn master_key_bytes(&self) -> [u8; 32] {
        drop(self.master_key());
        let digits = std::fs::read_to_string(self.file("master.key")).unwrap();
        let byte = |n: usize| u8::from_str_radix(&digits[2 * n..2 * n + 2], 16).unwrap();
        std::array::from_fn(byte)
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
            self.database(),
            self.master_key(),
            config(),
            self.surroundings(),
        )
        .await
        .unwrap()
    }

    /// What a query counts, read by another process.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        match self.hands().await {
            Hands::Sqlite(mut connection) => {
                let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
                count.unwrap()
            }
            Hands::Postgres(mut connection) => {
                let count = sqlx::query_scalar(sql).fetch_one(&mut connection).await;
                count.unwrap()
            }
        }
    }

    /// Another process's bare hands on the database.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let mut hands = self.hands().await;
        hands.run(sql).await;
        hands.close().await;
    }

    /// From now on a write to `table` fails, with everything around it.
    pub(crate) async fn forbid(&self, table: &'static str) {
        let mut hands = self.hands().await;
        let sql = match &hands {
            Hands::Sqlite(_) => format!(
                "CREATE TRIGGER no_{table} BEFORE INSERT ON {table}
                 BEGIN SELECT RAISE(ABORT, 'injected'); END"
            ),
            Hands::Postgres(_) => {
                format!("ALTER TABLE {table} ADD CONSTRAINT no_{table} CHECK (seq < 0) NOT VALID")
            }
        };
        hands.run_made(sql).await;
        hands.close().await;
    }

    /// The contrary.
    pub(crate) async fn allow(&self, table: &'static str) {
        let mut hands = self.hands().await;
        let sql = match &hands {
            Hands::Sqlite(_) => format!("DROP TRIGGER no_{table}"),
            Hands::Postgres(_) => format!("ALTER TABLE {table} DROP CONSTRAINT no_{table}"),
        };
        hands.run_made(sql).await;
        hands.close().await;
    }

    /// A connection of another process.
    pub(crate) async fn hands(&self) -> Hands {
        match &self.database {
            Database::Sqlite(path) => {
                let options = SqliteConnectOptions::new().filename(path);
                Hands::Sqlite(options.connect().await.unwrap())
            }
            Database::Postgres(_) => {
                let options = PgConnectOptions::from_str(&self.url()).unwrap();
                Hands::Postgres(options.connect().await.unwrap())
            }
        }
    }

    /// The whole address of the database on the server.
    fn url(&self) -> String {
        let shown = self.database.to_string();
        assert!(shown.starts_with("postgres://"), "{shown}");
        shown
    }
}

/// A connection of another process.
pub(crate) enum Hands {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Hands {
    /// Runs what is written for SQLite.
    pub(crate) async fn run(&mut self, sql: &str) {
        let sql = match self {
            Self::Sqlite(_) => sql.to_owned(),
            Self::Postgres(_) => sql
                .replace("x'00'", "'\\x00'::bytea")
                .replace("x'0000000000000000'", "'\\x0000000000000000'::bytea")
                .replace(" AS BLOB", " AS BYTEA"),
        };
        self.run_made(sql).await;
    }

    /// Keeps every other writer waiting until [`Hands::let_go`].
    pub(crate) async fn hold(&mut self) {
        let sql = match self {
            Self::Sqlite(_) => "BEGIN IMMEDIATE",
            Self::Postgres(_) => {
                "BEGIN; LOCK TABLE account, head, installation, session IN EXCLUSIVE MODE"
            }
        };
        self.run_made(sql.to_owned()).await;
    }

    pub(crate) async fn let_go(&mut self) {
        self.run_made("ROLLBACK".to_owned()).await;
    }

    /// Runs what is written for this engine.
    pub(crate) async fn run_made(&mut self, sql: String) {
        let script = sqlx::raw_sql(AssertSqlSafe(sql));
        match self {
            Self::Sqlite(connection) => drop(script.execute(connection).await.unwrap()),
            Self::Postgres(connection) => drop(script.execute(connection).await.unwrap()),
        }
    }

    pub(crate) async fn close(self) {
        match self {
            Self::Sqlite(connection) => connection.close().await.unwrap(),
            Self::Postgres(connection) => connection.close().await.unwrap(),
        }
    }
}

/// The server that the tests of this process share.
fn shared_server() -> Option<&'static PostgresServer> {
    static SERVER: OnceLock<Option<PostgresServer>> = OnceLock::new();
    SERVER.get_or_init(PostgresServer::start).as_ref()
}

/// Where it has its files.
pub(crate) fn postgres_folder() -> PathBuf {
    shared_server().unwrap().folder().to_owned()
}

/// A new schema of the shared server; `None` where there is no PostgreSQL.
fn postgres_schema() -> Option<Database> {
    static SCHEMAS: AtomicU64 = AtomicU64::new(0);
    let server = shared_server()?;
    let schema = format!("w{}", SCHEMAS.fetch_add(1, Ordering::Relaxed));
    let url = server.url(&schema);
    make_schema(url.clone(), schema);
    Some(Database::Postgres(PostgresUrl::parse(&url).unwrap()))
}

/// On a thread of its own, because a test's runtime may have one only.
pub(crate) fn make_schema(url: String, schema: String) {
    let making = async move {
        let options = PgConnectOptions::from_str(&url).unwrap();
        let mut hands = Hands::Postgres(options.connect().await.unwrap());
        hands.run_made(format!("CREATE SCHEMA {schema}")).await;
        hands.close().await;
    };
    let maker = std::thread::spawn(|| {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(making);
    });
    maker.join().unwrap();
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
