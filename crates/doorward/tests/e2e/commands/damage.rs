//! Files of the data folder that are damaged, gone or open to others.

use std::{fs, os::unix::fs::PermissionsExt as _};

use super::{Place, Run};

/// How a file may be spoiled.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Empty,
    Cut,
    Noise,
    Foreign,
    Gone,
}

const EVERY_HARM: [Harm; 5] = [
    Harm::Empty,
    Harm::Cut,
    Harm::Noise,
    Harm::Foreign,
    Harm::Gone,
];

impl Harm {
    fn inflict(self, place: &Place, name: &str) {
        let file = place.data().join(name);
        let content = fs::read(&file).unwrap();
        let spoiled = match self {
            Self::Empty => Vec::new(),
            Self::Cut => content[..content.len() / 2].to_vec(),
            Self::Noise => noise(5_000),
            Self::Foreign => b"{\"hello\":1}\n".to_vec(),
            Self::Gone => return fs::remove_file(&file).unwrap(),
        };
        fs::write(&file, spoiled).unwrap();
    }
}

/// Bytes that are no text, the same each time.
fn noise(length: u32) -> Vec<u8> {
    let byte = |at: u32| at.wrapping_mul(2_654_435_761).to_be_bytes()[0] | 0x80;
    (0..length).map(byte).collect()
}

/// Spoils the file, and gives what the command says; nothing may be changed
/// and nothing mended in silence.
#[track_caller]
fn refused(place: &Place, harm: Harm, name: &str, command: &[&str]) -> Run {
    let file = place.data().join(name);
    let whole = fs::read(&file).unwrap();
    harm.inflict(place, name);
    let before = place.files();
    let run = place.run(command);
    place.unchanged_since(&before, command);
    assert_eq!(
        (run.code, run.out.as_str()),
        (3, ""),
        "{name} {harm:?}: {}",
        run.text()
    );
    assert!(
        run.err.starts_with("error: data"),
        "{name} {harm:?}: {}",
        run.text()
    );
    assert_eq!(
        run.err.lines().count(),
        2,
        "{name} {harm:?}: {}",
        run.text()
    );
    fs::write(&file, whole).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    run
}

const UP: [&str; 6] = [
    "up",
    "--demo",
    "--listen",
    "127.0.0.1:0",
    "--admin-listen",
    "127.0.0.1:0",
];

#[test]
fn what_the_last_up_left() {
    let place = Place::after_demo();
    for harm in EVERY_HARM {
        let commands: [&[&str]; 4] = [
            &["user", "list"],
            &["role", "list"],
            &["token", "mint", "--as", "reader"],
            &["explain", "last"],
        ];
        for command in commands {
            refused(&place, harm, "last-up.json", command);
        }
    }
    Harm::Cut.inflict(&place, "last-up.json");
    let run = place.run(&["user", "list"]);
    let (damage, hint) = run.err.trim_end().split_once('\n').unwrap();
    assert!(
        damage.starts_with("error: data/last-up.json is damaged: EOF while parsing"),
        "{damage}"
    );
    assert_eq!(hint, "help:  delete it; `doorward up` writes it again");
    // As it says: the next start writes it again.
    let server = crate::harness::Server::start(&place.data(), &["--demo"]);
    drop(server);
    assert_eq!(place.run(&["user", "list"]).code, 0);
}

#[test]
fn the_kept_session() {
    let place = Place::after_demo();
    let session = place.data().join("login.json");
    fs::write(&session, "{}").unwrap();
    for harm in [Harm::Empty, Harm::Cut, Harm::Noise, Harm::Foreign] {
        let run = refused(&place, harm, "login.json", &["curl", "/orders"]);
        assert!(
            run.err.contains("data/login.json is damaged: "),
            "{}",
            run.err
        );
        assert!(
            run.err
                .ends_with("help:  delete it; `doorward login USER` writes it again\n"),
            "{}",
            run.err
        );
    }
}

#[test]
fn the_operators_token() {
    let place = Place::after_demo();
    for harm in EVERY_HARM {
        let run = refused(&place, harm, "operator.token", &["explain", "last"]);
        assert!(run.err.contains("data/operator.token is "), "{}", run.err);
    }
}

#[test]
fn the_demos_passwords() {
    let place = Place::after_demo();
    for harm in [Harm::Empty, Harm::Cut, Harm::Noise, Harm::Foreign] {
        let run = refused(&place, harm, "demo.json", &UP);
        assert!(
            run.err.contains("data/demo.json is damaged: "),
            "{}",
            run.err
        );
        let hint = "help:  delete it; `doorward up --demo` gives its users new passwords\n";
        assert!(run.err.ends_with(hint), "{}", run.err);
    }
    // As it says: new passwords, and they work.
    fs::remove_file(place.data().join("demo.json")).unwrap();
    let server = crate::harness::Server::start(&place.data(), &["--demo"]);
    server.access_token("reader");
}

#[test]
fn the_master_key() {
    let place = Place::after_demo();
    let key = place.data().join("master.key");
    for harm in EVERY_HARM {
        for command in [&["user", "list"][..], &UP] {
            let file = fs::read(&key).unwrap();
            harm.inflict(&place, "master.key");
            let before = place.files();
            let run = place.run(command);
            place.unchanged_since(&before, command);
            assert_eq!(run.code, 3, "{harm:?} {command:?}: {}", run.text());
            assert!(
                run.err
                    .contains("put back the file that belongs to this database")
            );
            fs::write(&key, file).unwrap();
            fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        }
    }
    fs::write(&key, format!("{}\n", "0".repeat(64))).unwrap();
    let run = place.run(&["user", "list"]);
    let (said, advice) = (
        "error: the master key ",
        "put back the master.key that belongs to it",
    );
    assert!(run.code == 3 && run.err.starts_with(said), "{}", run.text());
    assert!(
        run.err
            .contains("does not fit this database, which opens with ")
    );
    assert!(run.err.contains(advice), "{}", run.text());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640)).unwrap();
    place.run(&["user", "list"]).shows(
        "
        error: data/master.key can be read by other users of this machine; run: chmod 600 data/master.key
        => 3
        ",
    );
}

/// An empty database in its place would take users and revocations away
/// without a word.
#[test]
fn a_database_that_is_gone_is_not_replaced() {
    let place = Place::after_demo();
    for (harm, what) in [(Harm::Gone, "is missing"), (Harm::Empty, "is empty")] {
        for command in [&["user", "list"][..], &["tenant", "add", "x"], &UP] {
            refused(&place, harm, "doorward.db", command).shows(&format!(
                "
                error: data/doorward.db {what}, and data has been in use
                help:  put the database back from a backup, or begin anew in another folder with --data
                => 3
                "
            ));
        }
    }
    assert_eq!(place.run(&["user", "list"]).code, 0, "put back, it works");
}

#[test]
fn a_damaged_database() {
    let place = Place::after_demo();
    let database = place.data().join("doorward.db");
    let whole = fs::read(&database).unwrap();
    for harm in [Harm::Cut, Harm::Noise, Harm::Foreign] {
        for command in [&["user", "list"][..], &["tenant", "add", "x"], &UP] {
            harm.inflict(&place, "doorward.db");
            let before = place.files();
            let run = place.run(command);
            place.unchanged_since(&before, command);
            assert_eq!(
                (run.code, run.out.as_str()),
                (3, ""),
                "{harm:?}: {}",
                run.text()
            );
            let hint = "help:  restore doorward.db from a backup\n";
            assert!(
                run.err.ends_with(hint),
                "{harm:?} {command:?}: {}",
                run.text()
            );
            fs::write(&database, &whole).unwrap();
        }
    }
    fs::set_permissions(&database, fs::Permissions::from_mode(0o644)).unwrap();
    place.run(&["user", "list"]).shows(
        "
        error: data/doorward.db can be read by other users of this machine; run: chmod 600 data/doorward.db
        => 3
        ",
    );
}
