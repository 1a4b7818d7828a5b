//! Programs that are not ours, and certificates that one of them makes.

use std::{path::PathBuf, process::Command};

/// The program `name`, or `None` after saying that the test is skipped. With
/// `DOORWARD_REQUIRE_PARTS` set a missing part fails the test.
#[expect(clippy::disallowed_methods, reason = "CI says what must be there")]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
pub(crate) fn part(name: &str) -> Option<Command> {
    let found = find(name);
    if found.is_none() {
        assert!(
            std::env::var_os("DOORWARD_REQUIRE_PARTS").is_none(),
            "{name} is not on this machine and DOORWARD_REQUIRE_PARTS is set"
        );
        eprintln!("*** SKIPPED: {name} is not on this machine");
    }
    found
}

/// The program `name`, if this machine has it. Some of them live in `sbin`,
/// which a plain user's PATH lacks.
#[expect(clippy::disallowed_methods, reason = "programs are found by PATH")]
pub(crate) fn find(name: &str) -> Option<Command> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/local/sbin", "/usr/sbin", "/sbin"])
        .map(|folder| PathBuf::from(folder).join(name))
        .find(|file| file.is_file())
        .map(Command::new)
}

/// A self-signed certificate and its key, made for one test.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    pub(crate) chain: Vec<u8>,
    pub(crate) key: Vec<u8>,
    /// In seconds.
    pub(crate) made_at: u64,
}

impl Certificate {
    /// For `name`, for this machine's loopback address, and for a few days.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::made(name, "CA:TRUE")
    }

    /// The same that cannot be taken for an authority's.
    pub(crate) fn leaf(name: &str) -> Option<Self> {
        Self::made(name, "CA:FALSE")
    }

    fn made(name: &str, basic: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let (chain, key) = (
            folder.path().join("chain.pem"),
            folder.path().join("key.pem"),
        );
        let made = part("openssl")?
            .args(["req", "-x509", "-nodes", "-days", "3", "-newkey", "ec"])
            .args([
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
                "-subj",
                "/CN=doorward test",
            ])
            .args([
                "-addext",
                &format!("subjectAltName=DNS:{name},IP:127.0.0.1"),
            ])
            .args(["-addext", &format!("basicConstraints=critical,{basic}")])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&chain)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let made = std::fs::metadata(&chain).unwrap().modified().unwrap();
        let made_at = made
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs();
        Some(Self {
            made_at,
            chain: std::fs::read(chain).unwrap(),
            key: std::fs::read(key).unwrap(),
        })
    }
}
