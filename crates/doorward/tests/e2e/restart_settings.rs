//! What a reload cannot apply, and what is saved while it starts.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use crate::{
    faults::{
        ROUTES,
        observed::{Observed, WITHIN_A_SECOND, access_token, guarded, until},
    },
    harness::{Place, Recorder, find},
};

/// A changed setting that needs a restart is said to need one.
#[test]
fn a_setting_that_only_a_restart_applies_is_named() {
    let recorder = Recorder::start();
    let (place, server) = guarded(recorder.address, ROUTES);
    let file = place.path().join("doorward.toml");
    for (setting, text) in [
        ("issuer", "issuer = \"http://other.example\"\n"),
        ("audience", "audience = \"other\"\n"),
        ("upstream", "upstream = \"http://127.0.0.1:9\"\n"),
        ("identity_headers", "identity_headers = [\"subject\"]\n"),
        ("listen", "listen = \"127.0.0.1:4999\"\n"),
        ("access_lifetime", "[tokens]\naccess_lifetime = \"1m\"\n"),
        ("permissions", "[tokens]\npermissions = \"numbers\"\n"),
    ] {
        fs::write(&file, format!("{text}{ROUTES}")).unwrap();
        server.until_said(WITHIN_A_SECOND * 2, setting);
        assert!(server.err().contains("restart"), "{}", server.err());
    }
}

/// A file that is narrowed while nobody serves is narrowed for the tokens of
/// before, too.
#[test]
fn rev_005_a_role_that_is_narrowed_between_two_starts_counts() {
    let recorder = Recorder::start();
    let config = |roles: &str| format!("issuer = \"http://one.test\"\n{roles}");
    let place = Place::with_demo_users().configured(&config(ROUTES));
    let server = Observed::before(recorder.address, &place);
    let tokens = server.sign_in("reader");
    drop(server);
    let less = ROUTES.replacen("[\"orders:read\"]", "[\"orders:list\"]", 1);
    let place = place.configured(&config(&format!("permissions = [\"orders:read\"]\n{less}")));
    let server = Observed::before(recorder.address, &place);
    let answer = server.call("GET", "/orders", Some(access_token(&tokens)));
    assert_ne!(answer.status, 200, "{answer:?}");
}

/// What a claim meant in tokens of before, it means in none that counts.
#[test]
fn rev_005_a_claim_that_holds_another_attribute_after_a_start_counts() {
    let recorder = Recorder::start();
    let place = Place::with_demo_users();
    let start = |claims: &str| {
        let tokens = format!("[tokens.claims]\n{claims}\n");
        let config = format!("issuer = \"http://one.test\"\n{tokens}{ROUTES}");
        place.write("doorward.toml", &config);
        Observed::before(recorder.address, &place)
    };
    let server = start("team = \"department\"");
    let tokens = server.sign_in("reader");
    let status = |server: &Observed| {
        let answer = server.call("GET", "/orders", Some(access_token(&tokens)));
        answer.status
    };
    drop(server);
    let server = start("team = \"department\"\nsite = \"office\"");
    assert_eq!(status(&server), 200, "one more is no other");
    drop(server);
    let server = start("team = \"office\"\nsite = \"office\"");
    assert_eq!(status(&server), 401);
}

/// A change that is saved between reading the file and serving is not lost.
/// Another process's lock on the store makes that moment two seconds long.
#[test]
fn auz_013_a_change_that_is_saved_during_the_start_is_served() {
    const HOLD: &str = "
import sqlite3, sys, time
store = sqlite3.connect(sys.argv[1], isolation_level=None)
store.execute('BEGIN EXCLUSIVE')
print('held', flush=True)
time.sleep(2)
store.execute('ROLLBACK')
";
    let Some(python) = find("python3") else {
        return;
    };
    let recorder = Recorder::start();
    let place = Place::with_demo_users().configured(ROUTES);
    let mut lock = Command::new(python)
        .args(["-c", HOLD])
        .arg(place.data().join("doorward.db"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(lock.stdout.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    let saved = place.config();
    let saver = thread::spawn(move || {
        thread::park_timeout(Duration::from_millis(700));
        fs::write(
            saved,
            format!("{ROUTES}\n[[route]]\nmatch = \"GET /more\"\npublic = true\n"),
        )
        .unwrap();
    });
    let server = Observed::before(recorder.address, &place);
    saver.join().unwrap();
    lock.wait().unwrap();
    until(WITHIN_A_SECOND, "the saved route", || {
        (server.call("GET", "/more", None).status == 200).then_some(())
    });
}
