//! A store that cannot be written: locked by another process, a disk that
//! gives errors, a disk that is full, a file that is not ours.
//!
//! What needs no write goes on: access tokens are verified and calls are
//! forwarded. What does answers 503 with `Retry-After`, changes nothing, and
//! works again by itself when the store does.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
};

use serde_json::{Value, json};

use super::observed::{Observed, PATIENCE, access_token, say, through, until, up};
use crate::harness::{Answer, doorward, find};

/// What was acknowledged before the store failed.
pub(super) struct Before {
    /// Alive.
    pub(super) tokens: Value,
    /// Signed out.
    pub(super) ended: Value,
}

pub(super) fn before(server: &Observed) -> Before {
    let (tokens, ended) = (server.sign_in("reader"), server.sign_in("reader"));
    let out = server.post("/auth/sign-out", &json!({}), Some(access_token(&ended)));
    assert_eq!(out.status, 204);
    Before { tokens, ended }
}

/// Sign-in, refresh and sign-out at once, because each may wait for the store.
fn writes(server: &Observed, before: &Before) -> [(&'static str, Answer); 3] {
    let tokens = &before.tokens;
    thread::scope(|scope| {
        let sign_in = scope.spawn(|| server.try_sign_in("editor", &server.password("editor")));
        let refresh = scope.spawn(|| server.refresh(tokens));
        let sign_out =
            scope.spawn(|| server.post("/auth/sign-out", &json!({}), Some(access_token(tokens))));
        // Meanwhile, and at once: what needs no write.
        assert_serving(server, before);
        [
            ("sign-in", sign_in.join().unwrap()),
            ("refresh", refresh.join().unwrap()),
            ("sign-out", sign_out.join().unwrap()),
        ]
    })
}

fn assert_serving(server: &Observed, before: &Before) {
    let begun = std::time::Instant::now();
    let token = access_token(&before.tokens);
    assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
    assert_eq!(server.call("GET", "/health", None).status, 200);
    assert_eq!(server.call("DELETE", "/orders/7", Some(token)).status, 403);
    assert_eq!(
        server.call("GET", "/.well-known/jwks.json", None).status,
        200
    );
    let ended = server.call("GET", "/orders", Some(access_token(&before.ended)));
    assert_eq!(
        (ended.status, ended.reason().as_str()),
        (401, "session_revoked")
    );
    assert!(begun.elapsed().as_secs() < 2, "{:?}", begun.elapsed());
}

pub(super) fn assert_writes_fail(server: &Observed, before: &Before) {
    for (what, answer) in writes(server, before) {
        assert_eq!(
            (answer.status, answer.reason().as_str()),
            (503, "store_unavailable"),
            "{what}"
        );
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds), "{what}: {seconds}");
        let text = String::from_utf8_lossy(&answer.body).to_lowercase();
        assert!(
            !text.contains("sql") && !text.contains("disk"),
            "{what} tells a stranger: {text}"
        );
    }
    assert_serving(server, before);
}

/// Nothing that was acknowledged is lost, and nothing that was refused was
/// done.
pub(super) fn assert_well_again(server: &mut Observed, before: &Before) {
    let editor = server.password("editor");
    until(PATIENCE, "a sign-in", || {
        (server.try_sign_in("editor", &editor).status == 200).then_some(())
    });
    assert_serving(server, before);
    let refreshed = server.refresh(&before.tokens);
    assert_eq!(
        refreshed.status, 200,
        "the session was not ended: {refreshed:?}"
    );
    assert_eq!(
        server.refresh(&before.ended).status,
        400,
        "the other one was"
    );
    let out = server.post(
        "/auth/sign-out",
        &json!({}),
        Some(access_token(&refreshed.json())),
    );
    assert_eq!(out.status, 204);
    assert_eq!(
        server
            .call("GET", "/orders", Some(access_token(&before.tokens)))
            .status,
        401
    );
    server.assert_well();
}

/// Another process that holds the write lock.
struct Locker(Child);

impl Locker {
    fn hold(python: &Path, database: &Path) -> Self {
        const HOLD: &str = "
import sqlite3, sys
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
sys.stdin.read()
store.execute('ROLLBACK')
";
        let mut child = Command::new(python)
            .args(["-c", HOLD])
            .arg(database)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said, "held\n");
        Self(child)
    }

    fn release(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

#[test]
fn a_store_that_is_locked_by_another_process_is_503_and_serving_goes_on() {
    let Some(python) = find("python3") else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let mut server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    let before = before(&server);
    let locker = Locker::hold(&python, &data.join("doorward.db"));
    let command = thread::scope(|scope| {
        let command = scope.spawn(|| {
            doorward(&data)
                .args(["user", "disable", "visitor"])
                .output()
                .unwrap()
        });
        assert_writes_fail(&server, &before);
        command.join().unwrap()
    });
    let said = String::from_utf8(command.stderr).unwrap();
    assert_eq!(command.status.code(), Some(4), "{said}");
    assert!(said.contains("help:"), "{said}");
    locker.release();
    // The command was refused, so the visitor is as before.
    assert_eq!(
        server
            .try_sign_in("visitor", &server.password("visitor"))
            .status,
        200
    );
    assert_well_again(&mut server, &before);
}

/// Starts on `data`, which cannot work: gives what it said.
fn refused_start(data: &Path) -> (Option<i32>, String) {
    let output = up(data, &["--demo"]).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!said.contains("panicked"), "{said}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{said}");
    (output.status.code(), said)
}

#[test]
fn a_start_on_a_store_that_is_not_ours_is_refused_and_changes_nothing() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    drop(Observed::start(&data, up(&data, &["--demo", "--json"])));
    for side in ["doorward.db-wal", "doorward.db-shm"] {
        let _ = fs::remove_file(data.join(side));
    }
    let database = data.join("doorward.db");
    let noise: Vec<u8> = (0..50_000_u32)
        .map(|n| (n.wrapping_mul(0x9e37_79b9) >> 24) as u8)
        .collect();
    fs::write(&database, &noise).unwrap();
    let (code, said) = refused_start(&data);
    assert!(matches!(code, Some(3 | 4)), "{code:?}: {said}");
    assert!(
        said.contains("doorward.db") || said.contains("database"),
        "{said}"
    );
    assert!(
        fs::read(&database).unwrap() == noise,
        "the file was changed"
    );
}

/// A key that others can read is refused before it is looked at.
fn write_private(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn key_013_a_start_without_the_master_key_is_refused_and_makes_no_new_one() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    drop(Observed::start(&data, up(&data, &["--demo", "--json"])));
    let key = data.join("master.key");
    let right = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    let (code, said) = refused_start(&data);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("master.key") && !key.exists(), "{said}");
    // Another one opens nothing, and is not written over.
    let mut wrong = right.clone();
    let last = wrong.iter().rposition(u8::is_ascii_alphanumeric).unwrap();
    wrong[last] = if wrong[last] == b'0' { b'1' } else { b'0' };
    for other in [wrong, b"".to_vec(), b"not a key\n".to_vec()] {
        write_private(&key, &other);
        let (code, said) = refused_start(&data);
        assert_eq!(code, Some(3), "{said}");
        assert!(
            said.contains("master.key") && !said.contains("other users"),
            "{said}"
        );
        assert_eq!(fs::read(&key).unwrap(), other, "{said}");
    }
    write_private(&key, &right);
    Observed::start(&data, up(&data, &["--demo", "--json"])).sign_in("reader");
}

/// A folder on a medium that cannot be written.
#[test]
fn a_start_on_a_read_only_disk_is_refused_with_what_to_do() {
    const MOUNT: &str =
        "mount --bind \"$0\" \"$0\" && mount -o remount,ro,bind \"$0\" || exit 77; exec \"$@\"";
    let (Some(unshare), Some(shell)) = (find("unshare"), find("sh")) else {
        return;
    };
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    drop(Observed::start(&data, up(&data, &["--demo", "--json"])));
    let arguments = [
        "--mount",
        "--propagation",
        "private",
        shell.to_str().unwrap(),
        "-c",
        MOUNT,
        data.to_str().unwrap(),
    ];
    let output = through(&unshare, &arguments, &up(&data, &["--demo"]))
        .output()
        .unwrap();
    if output.status.code() == Some(77) {
        say("*** SKIPPED: nobody may mount a read-only disk here");
        return;
    }
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        matches!(output.status.code(), Some(3 | 4)),
        "{:?}: {said}",
        output.status
    );
    assert!(
        said.contains("help:") && !said.contains("panicked"),
        "{said}"
    );
}

fn remove_database(data: &Path) {
    for side in ["doorward.db", "doorward.db-wal", "doorward.db-shm"] {
        // Without its side files the database is whole, too.
        let _ = fs::remove_file(data.join(side));
    }
}

#[test]
fn a_command_on_a_folder_without_its_database_makes_no_empty_one() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    drop(Observed::start(&data, up(&data, &["--demo", "--json"])));
    remove_database(&data);
    let listed = doorward(&data).args(["user", "list"]).output().unwrap();
    let said = String::from_utf8_lossy(&listed.stderr).into_owned();
    assert_eq!(listed.status.code(), Some(3), "{said}");
    assert!(said.contains("doorward.db"), "{said}");
    assert!(!data.join("doorward.db").exists());
}

/// The file with the passwords is there, so the users must be.
#[test]
fn a_demo_on_a_folder_without_its_database_keeps_its_word() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    drop(Observed::start(&data, up(&data, &["--demo", "--json"])));
    remove_database(&data);
    // Either the start is refused with what to do, or the passwords open.
    let mut start = up(&data, &["--demo", "--json"]);
    let mut child = start
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let refused = (0..200).find_map(|_| {
        thread::park_timeout(std::time::Duration::from_millis(10));
        child.try_wait().unwrap()
    });
    let _ = child.kill();
    let _ = child.wait();
    match refused {
        Some(ended) => assert_eq!(ended.code(), Some(3)),
        None => _ = Observed::start(&data, up(&data, &["--demo", "--json"])).sign_in("reader"),
    }
}
