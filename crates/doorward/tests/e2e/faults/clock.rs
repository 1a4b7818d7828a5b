//! A clock that jumps an hour and back, under a server that runs.
//!
//! `faketime`'s library stands between the process and its clock; the jumps
//! are written into a file that it reads. The monotonic clock is left alone,
//! as a real jump leaves it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::observed::{Observed, PATIENCE, WITHIN_A_SECOND, access_token, until, up};
use crate::harness::{Answer, doorward, find};

struct Turned {
    server: Observed,
    jump: PathBuf,
    _place: TempDir,
}

/// A clean end, because `faketime` cleans up only then.
impl Drop for Turned {
    fn drop(&mut self) {
        if !thread::panicking() {
            stop(&mut self.server);
        }
    }
}

fn stop(server: &mut Observed) {
    server.signal("-TERM");
    assert_eq!(server.end(), Some(0));
}

/// The library behind the program: the program itself would stand between the
/// test and the process that it starts.
fn library(faketime: &Path) -> String {
    let printed = Command::new(faketime)
        .args(["-f", "+0", "printenv", "LD_PRELOAD"])
        .output()
        .unwrap();
    String::from_utf8(printed.stdout).unwrap().trim().to_owned()
}

fn turned() -> Option<Turned> {
    let library = library(&find("faketime")?);
    let place = tempfile::tempdir().unwrap();
    let jump = place.path().join("jump");
    let data = place.path().join("data");
    let start = |seconds: &str| {
        fs::write(&jump, seconds).unwrap();
        let mut up = up(&data, &["--demo", "--json"]);
        up.env("LD_PRELOAD", &library)
            .env("FAKETIME_TIMESTAMP_FILE", &jump)
            .env("FAKETIME_NO_CACHE", "1")
            .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Observed::start(&data, up)
    };
    // The users are two hours old: whoever was changed in the hour before a
    // jump back waits until the clock has come up with the change.
    stop(&mut start("-7200"));
    let server = start("+0");
    Some(Turned {
        server,
        jump,
        _place: place,
    })
}

impl Turned {
    /// Turns the clock, and waits until the server has looked at it.
    fn jump(&self, seconds: i64) {
        let before = self.server_time();
        let fresh = self.jump.with_extension("new");
        fs::write(&fresh, format!("{seconds:+}")).unwrap();
        fs::rename(&fresh, &self.jump).unwrap();
        until(PATIENCE, "a turned clock", || {
            (self.server_time().abs_diff(before) > 1_000_000).then_some(())
        });
    }

    /// Milliseconds, from the newest decision.
    fn server_time(&self) -> u64 {
        let trace = self.server.call("GET", "/health", None);
        let trace = trace.header("x-request-id").unwrap().to_owned();
        let line = until(PATIENCE, "a decision", || {
            let out = self.server.out();
            out.lines()
                .find(|line| line.contains(&trace))
                .map(ToOwned::to_owned)
        });
        let line: Value = serde_json::from_str(&line).unwrap();
        line["decision"]["at_ms"].as_u64().unwrap()
    }

    fn call(&self, tokens: &Value) -> (u16, String) {
        let answer = self
            .server
            .call("GET", "/orders", Some(access_token(tokens)));
        let reason = if answer.status == 200 {
            String::new()
        } else {
            answer.reason()
        };
        (answer.status, reason)
    }

    fn refreshed(&self, tokens: &Value) -> Value {
        let answer: Answer = self.server.refresh(tokens);
        assert_eq!(answer.status, 200, "an honest session was lost: {answer:?}");
        answer.json()
    }
}

const GOOD: (u16, &str) = (200, "");

fn is(answer: &(u16, String), status: u16, reason: &str) -> bool {
    answer.0 == status && answer.1 == reason
}

#[test]
fn dos_012_an_hour_forward_ends_access_tokens_and_no_session() {
    let Some(mut turned) = turned() else { return };
    let first = turned.server.sign_in("reader");
    assert!(is(&turned.call(&first), GOOD.0, GOOD.1));
    turned.jump(3600);
    let late = turned.call(&first);
    assert!(is(&late, 401, "token_expired"), "{late:?}");
    let second = turned.refreshed(&first);
    assert!(is(&turned.call(&second), GOOD.0, GOOD.1));
    // And back: what was issued in the hour that is to come is not valid yet,
    // and certainly not for an hour and five minutes.
    turned.jump(0);
    let early = turned.call(&second);
    assert!(is(&early, 401, "token_not_yet_valid"), "{early:?}");
    let third = turned.refreshed(&second);
    assert!(
        is(&turned.call(&third), GOOD.0, GOOD.1),
        "{:?}",
        turned.call(&third)
    );
    // A retry of the exchange two generations ago is no retry, whatever the
    // clock says.
    assert_eq!(turned.server.refresh(&first).status, 400);
    turned.server.assert_well();
}

#[test]
fn dos_012_an_hour_back_stretches_no_lifetime() {
    let Some(mut turned) = turned() else { return };
    let first = turned.server.sign_in("reader");
    turned.jump(-3600);
    let early = turned.call(&first);
    assert!(is(&early, 401, "token_not_yet_valid"), "{early:?}");
    let second = turned.refreshed(&first);
    assert!(
        is(&turned.call(&second), GOOD.0, GOOD.1),
        "{:?}",
        turned.call(&second)
    );
    let out = turned
        .server
        .post("/auth/sign-out", &json!({}), Some(access_token(&second)));
    assert_eq!(out.status, 204);
    turned.jump(0);
    assert_eq!(turned.call(&second).0, 401);
    assert_eq!(
        turned.call(&first).0,
        401,
        "a session that ended under another clock"
    );
    assert_eq!(turned.server.refresh(&second).status, 400);
    // Whoever comes anew gets tokens of this hour.
    let anew = turned.server.sign_in("reader");
    assert!(
        is(&turned.call(&anew), GOOD.0, GOOD.1),
        "{:?}",
        turned.call(&anew)
    );
    turned.server.assert_well();
}

/// What is swept in an hour that was none must not come back to life.
#[test]
fn dos_012_rev_012_what_was_revoked_stays_revoked_when_the_clock_comes_back() {
    let Some(mut turned) = turned() else { return };
    let ended = turned.server.sign_in("reader");
    let out = turned
        .server
        .post("/auth/sign-out", &json!({}), Some(access_token(&ended)));
    assert_eq!(out.status, 204);
    assert!(is(&turned.call(&ended), 401, "session_revoked"));
    turned.jump(3600);
    // What a command changes is noticed by the same look at the store that
    // forgets what has expired.
    let visitor = turned.server.sign_in("visitor");
    let data = turned.server.data();
    let disabled = doorward(&data)
        .args(["user", "disable", "visitor"])
        .output()
        .unwrap();
    assert!(disabled.status.success(), "{disabled:?}");
    until(PATIENCE, "a look at the store", || {
        (turned.call(&visitor).0 == 401).then_some(())
    });
    turned.jump(0);
    until(WITHIN_A_SECOND, "a refusal of what was revoked", || {
        is(&turned.call(&ended), 401, "session_revoked").then_some(())
    });
    turned.server.assert_well();
}
