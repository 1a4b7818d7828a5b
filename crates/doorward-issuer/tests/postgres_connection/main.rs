//! The way to a PostgreSQL server: TLS with a certificate that is checked, and
//! a password that comes from where every PostgreSQL client takes it.
//!
//! Each try is a process of its own ([`opens`]), because the password is in its
//! environment.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

#[expect(dead_code, reason = "other tests ask more of it")]
#[path = "../domain/postgres_server.rs"]
mod postgres_server;

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::Arc,
    thread,
};

use arc_swap::ArcSwap;
use doorward_issuer::{Config, Database, Entropy, Issuer, MasterKey, PostgresUrl, Surroundings};
use doorward_policy::role::Roles;
use doorward_verify::clock::{Clock, Timestamp};
use postgres_server::PostgresServer;
use tempfile::TempDir;

const PASSWORD: &str = "sweep the lane before the carts";

/// Tells [`opens`] where the database is.
const DATABASE: &str = "CONNECTION_DATABASE";

struct Standing;

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_795_219_200_000)
    }
}

impl Entropy for Standing {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

/// Opens the issuer and says how that went.
#[tokio::test]
#[ignore = "a process that the other tests start"]
async fn opens() {
    #[expect(
        clippy::disallowed_methods,
        reason = "this process is told so by its parent"
    )]
    let Ok(url) = std::env::var(DATABASE) else {
        return;
    };
    let surroundings = Surroundings {
        clock: Arc::new(Standing),
        entropy: Arc::new(Standing),
        roles: Arc::new(ArcSwap::from_pointee(Roles::default())),
    };
    let database = Database::Postgres(PostgresUrl::parse(&url).unwrap());
    let config = Config::new("https://id.example", "https://api.example");
    let key = MasterKey::from_bytes([7; 32]);
    match Issuer::open(database, key, config, surroundings).await {
        Ok(issuer) => issuer.close().await,
        Err(error) => panic!("{error}"),
    }
}

/// How a try to open `url` went, with these variables.
fn attempt(url: &str, variables: &[(&str, &str)]) -> Result<(), String> {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(std::env::current_exe().unwrap())
        .args(["opens", "--exact", "--ignored", "--nocapture"])
        .env_remove("PGPASSWORD")
        .env("PGPASSFILE", "/nowhere")
        .env(DATABASE, url)
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = [stdout, stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(!said.contains(PASSWORD), "it says the password: {said}");
    match status.success() {
        true => Ok(()),
        false => Err(said),
    }
}

fn refusal(url: &str, variables: &[(&str, &str)]) -> String {
    attempt(url, variables).expect_err("it was let in")
}

const WITH_PASSWORD: &[(&str, &str)] = &[("PGPASSWORD", PASSWORD)];

/// A server with a certificate for `localhost` that asks for a password.
struct Guarded {
    server: PostgresServer,
    address: SocketAddr,
    place: TempDir,
}

impl Guarded {
    /// `None` where a part is missing.
    fn start() -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        certificate(place.path(), "server")?;
        certificate(place.path(), "stranger")?;
        let password = place.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        let address = free_address();
        let variables: &[(&str, &Path)] = &[("TLS", place.path()), ("PASSWORD_FILE", &password)];
        let settings = ["fsync=off", "log_connections=on"];
        let server = PostgresServer::start_told(Some(address.to_string()), &settings, variables)?;
        Some(Self {
            server,
            address,
            place,
        })
    }

    fn url(&self, host: &str, parameters: &str) -> String {
        format!(
            "postgres://doorward@{host}:{}/postgres?{parameters}",
            self.address.port()
        )
    }

    /// Checked against the certificate `root`.
    fn verified(&self, host: &str, root: &str) -> String {
        let root = self.file(&format!("{root}.crt"));
        self.url(
            host,
            &format!("sslmode=verify-full&sslrootcert={}", root.display()),
        )
    }

    fn file(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// Connections that the server says were made over TLS.
    fn over_tls(&self) -> usize {
        let log = fs::read_to_string(self.server.folder().join("log")).unwrap();
        log.matches("SSL enabled").count()
    }
}

/// Writes `NAME.crt` and `NAME.key` for `localhost`; the certificate is its own
/// authority.
fn certificate(folder: &Path, name: &str) -> Option<()> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-nodes", "-days", "3", "-newkey", "ec"])
        .args(["-pkeyopt", "ec_paramgen_curve:prime256v1"])
        .args(["-subj", "/CN=doorward test"])
        .args(["-addext", "subjectAltName=DNS:localhost"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .arg("-keyout")
        .arg(folder.join(format!("{name}.key")))
        .arg("-out")
        .arg(folder.join(format!("{name}.crt")))
        .output();
    let Ok(made) = made else {
        missed();
        return None;
    };
    let why = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{why}");
    Some(())
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment says whether a skip is a failure"
)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn missed() {
    assert!(
        std::env::var_os("DOORWARD_REQUIRE_PARTS").is_none(),
        "openssl is not on this machine and DOORWARD_REQUIRE_PARTS is set"
    );
    eprintln!("*** SKIPPED: openssl is not on this machine");
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn a_checked_server_and_a_password_from_the_environment_or_a_file_let_in() {
    let Some(guarded) = Guarded::start() else {
        return;
    };
    let checked = guarded.verified("localhost", "server");
    attempt(&checked, WITH_PASSWORD).unwrap();
    let over_tls = guarded.over_tls();
    assert!(over_tls > 0, "nothing was encrypted");

    let passfile = guarded.file("pgpass");
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&passfile);
    writeln!(file.unwrap(), "localhost:*:*:doorward:{PASSWORD}").unwrap();
    let from_file = [("PGPASSFILE", passfile.to_str().unwrap())];
    attempt(&checked, &from_file).unwrap();

    // Encrypted, whoever it is: what the operator asked for.
    let unchecked = guarded.url("127.0.0.1", "sslmode=require");
    attempt(&unchecked, WITH_PASSWORD).unwrap();
    assert!(guarded.over_tls() > over_tls);
}

#[test]
fn another_certificate_or_another_name_is_refused() {
    let Some(guarded) = Guarded::start() else {
        return;
    };
    for (host, root) in [("localhost", "stranger"), ("127.0.0.1", "server")] {
        let said = refusal(&guarded.verified(host, root), WITH_PASSWORD);
        assert!(said.contains("certificate"), "{host}, {root}: {said}");
    }
}

#[test]
fn sec_017_a_wrong_password_is_named_and_not_shown() {
    let Some(guarded) = Guarded::start() else {
        return;
    };
    let checked = guarded.verified("localhost", "server");
    let wrong = "not the one of the lane";
    let said = refusal(&checked, &[("PGPASSWORD", wrong)]);
    assert!(said.contains("password authentication failed"), "{said}");
    assert!(!said.contains(wrong), "{said}");
    let said = refusal(&checked, &[]);
    assert!(said.contains("password"), "{said}");
}

/// Somebody between who says that there is no TLS gets nothing to read.
#[test]
fn a_server_without_tls_is_told_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 8];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all(b"N").unwrap();
        let mut told = Vec::new();
        let _ = stream.read_to_end(&mut told);
        (asked, told)
    });
    let url = format!("postgres://doorward@127.0.0.1:{port}/postgres?sslmode=verify-full");
    let said = refusal(&url, WITH_PASSWORD);
    assert!(said.contains("TLS"), "{said}");
    let (asked, told) = server.join().unwrap();
    // SSLRequest, of the protocol's chapter on message formats.
    assert_eq!(asked, [0, 0, 0, 8, 4, 210, 22, 47]);
    assert!(told.is_empty(), "{told:?}");
}
