//! `doorward.toml` while it serves, and when it starts: a good change is
//! applied whole within a second, a bad one changes nothing and is told with
//! every problem and its place.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use serde_json::Value;

use crate::{
    faults::{
        ROUTES,
        observed::{Observed, PATIENCE, WITHIN_A_SECOND, access_token, guarded, until},
    },
    harness::{Place, Recorder, doorward},
};

const MORE: &str = r#"
[[route]]
match = "GET /more"
public = true
"#;

/// Three problems, each on a line of its own.
const BROKEN: &str = r#"
[[route]]
match = "GET /more"
public = true
colour = "red"

[[route]]
match = "no method"
public = true

[[route]]
match = "GET /orders/{id}"
allow = "orders:raed"
"#;

/// A server that follows a file, and a token that opens `/orders`.
struct Followed {
    server: Observed,
    recorder: Recorder,
    file: PathBuf,
    tokens: Value,
    _place: Place,
}

fn followed() -> Followed {
    let recorder = Recorder::start();
    let (place, server) = guarded(recorder.address, ROUTES);
    let tokens = server.sign_in("reader");
    let file = place.path().join("doorward.toml");
    Followed {
        server,
        recorder,
        file,
        tokens,
        _place: place,
    }
}

impl Followed {
    fn status(&self, path: &str) -> u16 {
        self.server
            .call("GET", path, Some(access_token(&self.tokens)))
            .status
    }

    /// The client refreshes, as clients do when a token is refused.
    fn go_on(&mut self) {
        let answer = self.server.refresh(&self.tokens);
        assert_eq!(answer.status, 200, "the session was lost: {answer:?}");
        self.tokens = answer.json();
    }

    /// `/more` answers with `status` within the promised second.
    fn until_more_is(&self, status: u16) {
        let what = format!("/more answers {status}: {}", self.server.err());
        until(WITHIN_A_SECOND, &what, || {
            (self.status("/more") == status).then_some(())
        });
    }

    /// Saves as most editors do: a new file takes the old one's place.
    fn replace(&self, text: &str) {
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, text).unwrap();
        fs::rename(&fresh, &self.file).unwrap();
    }

    /// What is served is what was served before, and goes on.
    fn assert_last_good(&mut self) {
        assert_eq!(self.status("/orders"), 200, "{}", self.server.err());
        assert_eq!(self.status("/more"), 404);
        self.server.assert_well();
    }
}

/// A reload that says nothing about a place cannot be mended.
fn assert_every_problem(said: &str, file: &Path) {
    let line = |text: &str| {
        let text = format!("{ROUTES}{BROKEN}")
            .split_once(text)
            .unwrap()
            .0
            .to_owned();
        text.lines().count() + usize::from(text.ends_with('\n'))
    };
    for (what, place) in [
        ("colour", "colour"),
        ("no method", "no method"),
        ("raed", "orders:raed"),
    ] {
        assert!(said.contains(what), "{what} is not told: {said}");
        let place = format!("{}:{}:", file.display(), line(place));
        assert!(said.contains(&place), "no {place} in {said}");
    }
    assert!(said.contains('^'), "no caret: {said}");
    assert!(said.contains("orders:read"), "no suggestion: {said}");
}

#[test]
fn auz_013_a_good_change_is_served_within_a_second_of_saving() {
    let mut followed = followed();
    followed.assert_last_good();
    // In place, and by renaming.
    fs::write(&followed.file, format!("{ROUTES}{MORE}")).unwrap();
    followed.until_more_is(200);
    followed.replace(ROUTES);
    followed.until_more_is(404);
    followed.replace(&format!("{ROUTES}{MORE}"));
    followed.until_more_is(200);
    assert!(
        followed.server.err().contains("now serves 4 routes"),
        "{}",
        followed.server.err()
    );
    followed.server.assert_well();
}

#[test]
fn auz_013_a_bad_change_is_told_whole_and_the_last_good_one_serves_on() {
    let mut followed = followed();
    fs::write(&followed.file, format!("{ROUTES}{BROKEN}")).unwrap();
    followed
        .server
        .until_said(PATIENCE, "still serving the last good");
    assert_every_problem(&followed.server.err(), &followed.file);
    followed.assert_last_good();
    for (what, bytes) in [
        ("no TOML", &b"[[route"[..]),
        ("not UTF-8", b"\xff\xfe\0"),
        ("NULs", b"\0\0\0\0"),
        ("an unknown table", b"[routes]\n"),
        ("a wrong type", b"route = 1\n"),
        ("two rules for one request", b"[[route]]\nmatch = \"GET /{a}\"\npublic = true\n[[route]]\nmatch = \"GET /{b}\"\nauthenticated = true\n"),
    ] {
        let before = followed.server.err().matches("still serving the last good").count();
        fs::write(&followed.file, bytes).unwrap();
        until(PATIENCE, what, || {
            let now = followed.server.err().matches("still serving the last good").count();
            (now > before).then_some(())
        });
        followed.assert_last_good();
    }
    followed.replace(&format!("{ROUTES}{MORE}"));
    followed.until_more_is(200);
}

#[test]
fn auz_013_a_file_that_is_deleted_or_a_folder_keeps_the_last_good_one() {
    let mut followed = followed();
    fs::remove_file(&followed.file).unwrap();
    followed.server.until_said(PATIENCE, "does not exist");
    followed
        .server
        .until_said(PATIENCE, "still serving the last good");
    followed.assert_last_good();
    fs::create_dir(&followed.file).unwrap();
    followed.server.until_said(PATIENCE, "is a folder");
    followed.assert_last_good();
    fs::remove_dir(&followed.file).unwrap();
    fs::write(&followed.file, format!("{ROUTES}{MORE}")).unwrap();
    followed.until_more_is(200);
}

/// An empty file is valid and means what no file means: no route is open and
/// no role gives anything. It says so; sessions are not ended by it.
#[test]
fn auz_013_an_empty_file_closes_everything_and_says_so() {
    let mut followed = followed();
    let seen = followed.recorder.count();
    fs::write(&followed.file, "").unwrap();
    followed
        .server
        .until_said(WITHIN_A_SECOND, "now serves 0 routes");
    until(WITHIN_A_SECOND, "closed", || {
        (followed.status("/orders") == 404).then_some(())
    });
    assert_eq!(followed.status("/public"), 404);
    assert_eq!(followed.server.call("GET", "/orders", None).status, 404);
    assert_eq!(
        followed
            .server
            .call("GET", "/.well-known/jwks.json", None)
            .status,
        200
    );
    assert_eq!(followed.recorder.count(), seen);
    followed.replace(ROUTES);
    until(WITHIN_A_SECOND, "open again", || {
        (followed.status("/public") == 200).then_some(())
    });
    followed.go_on();
    assert_eq!(followed.status("/orders"), 200);
    followed.server.assert_well();
}

/// What a role gives is in access tokens: those of before say too much.
#[test]
fn rev_005_a_permission_taken_from_a_role_by_saving_is_gone_within_a_second() {
    let mut followed = followed();
    let less = ROUTES.replacen("[\"orders:read\"]", "[\"orders:list\"]", 1);
    let less = format!("permissions = [\"orders:read\"]\n{less}");
    followed.replace(&less);
    until(WITHIN_A_SECOND, "a refusal", || {
        (followed.status("/orders") != 200).then_some(())
    });
    assert_eq!(followed.status("/orders"), 401);
    // The session goes on, with less.
    followed.go_on();
    assert_eq!(followed.status("/orders"), 403);
    followed.replace(ROUTES);
    until(WITHIN_A_SECOND, "the right again", || {
        followed.go_on();
        (followed.status("/orders") == 200).then_some(())
    });
    followed.server.assert_well();
}

/// Every save goes through an empty and a half file; nobody may meet either.
#[test]
fn auz_014_saving_again_and_again_shows_no_half_a_policy() {
    let mut followed = followed();
    let whole = format!("{ROUTES}{MORE}");
    // Valid without its last line, and then open to everybody.
    let guarded = format!("{whole}\n[[route]]\nmatch = \"GET /most\"\nallow = \"orders:write\"\n");
    let done = AtomicBool::new(false);
    let wrong = thread::scope(|scope| {
        let caller = scope.spawn(|| {
            let mut wrong = Vec::new();
            while !done.load(Ordering::Relaxed) {
                for (path, good) in [("/orders", &[200][..]), ("/most", &[404, 403])] {
                    let status = followed.status(path);
                    if !good.contains(&status) {
                        wrong.push((path, status));
                    }
                }
            }
            wrong
        });
        for round in 0..500 {
            let text = if round % 2 == 0 { &guarded } else { &whole };
            if round % 5 == 0 {
                followed.replace(text);
                continue;
            }
            let mut file = fs::File::create(&followed.file).unwrap();
            let (first, rest) = text.split_at(text.len() / 2);
            file.write_all(first.as_bytes()).unwrap();
            file.sync_data().unwrap();
            file.write_all(rest.as_bytes()).unwrap();
        }
        followed.replace(&guarded);
        until(PATIENCE, "the last save", || {
            (followed.status("/most") == 403).then_some(())
        });
        done.store(true, Ordering::Relaxed);
        caller.join().unwrap()
    });
    assert_eq!(wrong, []);
    followed.server.assert_well();
    assert!(
        !followed.server.err().contains("error"),
        "{}",
        followed.server.err()
    );
}

/// A start with a bad file is refused with every problem; nothing is begun.
#[test]
fn auz_013_a_start_with_a_bad_file_is_refused_with_every_problem() {
    let place = tempfile::tempdir().unwrap();
    let (data, file) = (
        place.path().join("data"),
        place.path().join("doorward.toml"),
    );
    fs::write(&file, format!("{ROUTES}{BROKEN}")).unwrap();
    let arguments = [
        "--upstream",
        "http://127.0.0.1:9",
        "--listen",
        "127.0.0.1:0",
    ];
    let run = |command: &[&str]| {
        let output = doorward(&data)
            .args(command)
            .arg("--config")
            .arg(&file)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            said,
        )
    };
    let (code, out, said) = run(&[&["up"], &arguments[..]].concat());
    assert_eq!((code, out.as_str()), (Some(3), ""), "{said}");
    assert_every_problem(&said, &file);
    assert!(!said.contains("panicked"), "{said}");
    assert!(
        !data.join("doorward.db").exists(),
        "a refused start made a database"
    );
    let (code, _, said) = run(&["config", "check"]);
    assert_eq!(code, Some(3), "{said}");
    assert_every_problem(&said, &file);
    fs::remove_file(&file).unwrap();
    let (code, out, said) = run(&[&["up"], &arguments[..]].concat());
    assert_eq!((code, out.as_str()), (Some(3), ""), "{said}");
    assert!(said.contains("does not exist"), "{said}");
}
