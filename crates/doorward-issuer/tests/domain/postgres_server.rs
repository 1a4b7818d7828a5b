//! A real PostgreSQL server, started by the tests and gone with them.
//!
//! The server belongs to a small shell script that watches this process's end
//! of a pipe: however the tests end, the server stops and its folder goes.

use std::{
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::Mutex,
};

/// A running server.
pub(crate) struct PostgresServer {
    pipe: Mutex<Pipe>,
    folder: PathBuf,
    address: Option<String>,
}

struct Pipe {
    supervisor: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl PostgresServer {
    /// A server on a socket in a folder of its own, that need not survive a
    /// power cut; `None`, said aloud, where there is no PostgreSQL.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(None, &["fsync=off", "max_connections=300"])
    }

    /// A server with these settings, on a TCP address if one is given.
    pub(crate) fn start_with(address: Option<String>, settings: &[&str]) -> Option<Self> {
        Self::start_told(address, settings, &[])
    }

    /// The same with variables for the script, which says what they mean.
    pub(crate) fn start_told(
        address: Option<String>,
        settings: &[&str],
        variables: &[(&str, &Path)],
    ) -> Option<Self> {
        if !is_installed() {
            missed();
            return None;
        }
        // Short, because the name of a socket may have 107 bytes.
        let folder = tempfile::Builder::new().prefix("dwpg").tempdir().unwrap();
        // The script deletes it.
        let folder = folder.keep();
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../doorward-issuer/tests/domain/postgres_server.sh"
        );
        let mut supervisor = Command::new("sh")
            .arg(script)
            .arg(&folder)
            .arg(address.as_deref().unwrap_or_default())
            .args(settings)
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = supervisor.stdin.take();
        let answers = BufReader::new(supervisor.stdout.take().unwrap());
        let server = Self {
            pipe: Mutex::new(Pipe {
                supervisor,
                orders,
                answers,
            }),
            folder,
            address,
        };
        server.order("start", "started");
        Some(server)
    }

    /// The address of the database, with every table in a schema `name`.
    pub(crate) fn url(&self, name: &str) -> String {
        let (host, socket) = match &self.address {
            Some(address) => (address.as_str(), String::new()),
            None => ("", format!("host={}&", self.folder.display())),
        };
        let search_path = format!("options=-c%20search_path%3D{name}");
        match host {
            "" => format!("postgres:///postgres?user=doorward&{socket}{search_path}"),
            host => format!("postgres://doorward@{host}/postgres?{search_path}"),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Has the script obey a word.
    pub(crate) fn order(&self, word: &str, expected: &str) {
        let mut pipe = self.pipe.lock().unwrap();
        let orders = pipe.orders.as_mut().unwrap();
        writeln!(orders, "{word}").unwrap();
        orders.flush().unwrap();
        let mut answer = String::new();
        pipe.answers.read_line(&mut answer).unwrap();
        assert_eq!(answer.trim(), expected, "the server did not {word}");
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        let pipe = self.pipe.get_mut().unwrap();
        drop(pipe.orders.take());
        let _ = pipe.supervisor.wait();
    }
}

fn is_installed() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql");
    versions.is_ok_and(|versions| {
        versions
            .flatten()
            .any(|version| version.path().join("bin/initdb").is_file())
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the environment says whether a skip is a failure"
)]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn missed() {
    assert!(
        std::env::var_os("DOORWARD_REQUIRE_PARTS").is_none(),
        "PostgreSQL is not on this machine and DOORWARD_REQUIRE_PARTS is set"
    );
    eprintln!("*** SKIPPED: PostgreSQL is not on this machine");
}
