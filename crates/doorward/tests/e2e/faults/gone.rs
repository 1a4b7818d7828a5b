//! A database that is taken away from under a server, or from its folder.
//!
//! A process keeps the file that it opened. Without a look at the path it goes
//! on writing where nobody will read: what it acknowledges is lost with it, and
//! what commands write into the new file is never seen.

use std::{fs, path::Path, process::Command};

use serde_json::json;

use super::observed::{Observed, WITHIN_A_SECOND, access_token, until, up};
use crate::harness::{doorward, find};

fn remove_database(data: &Path) {
    for side in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
        fs::remove_file(data.join(side)).unwrap();
    }
}

#[test]
fn a_database_that_is_removed_is_503_for_writes_and_serving_goes_on() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    let tokens = server.sign_in("reader");
    remove_database(&data);
    let password = server.password("editor");
    until(
        WITHIN_A_SECOND,
        "a sign-in that is not acknowledged",
        || (server.try_sign_in("editor", &password).status == 503).then_some(()),
    );
    let token = access_token(&tokens);
    assert_eq!(server.refresh(&tokens).status, 503);
    assert_eq!(
        server
            .post("/auth/sign-out", &json!({}), Some(token))
            .status,
        503
    );
    assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
    server.until_said(WITHIN_A_SECOND, "warning:");
    server.assert_well();
}

/// As a backup is put back: a new file under the old name.
#[test]
fn rev_001_a_database_that_is_replaced_is_not_followed_in_silence() {
    let Some(python) = find("python3") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    let tokens = server.sign_in("reader");
    let backup = place.path().join("backup");
    let copied = Command::new(python)
        .args(["-c", "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', sys.argv[2:])"])
        .args([&data.join("doorward.db"), &backup])
        .status()
        .unwrap();
    assert!(copied.success());
    fs::set_permissions(&backup, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    remove_database(&data);
    fs::rename(&backup, data.join("doorward.db")).unwrap();
    // This is written into the new file; the server must follow it or say that
    // it cannot.
    let disabled = doorward(&data)
        .args(["user", "disable", "reader"])
        .output()
        .unwrap();
    assert!(disabled.status.success(), "{disabled:?}");
    until(WITHIN_A_SECOND, "the refusal, or a warning", || {
        let refused = server
            .call("GET", "/orders", Some(access_token(&tokens)))
            .status
            == 401;
        (refused || server.err().contains("warning:")).then_some(())
    });
}
