//! Streams that end early, are closed or full, and colours.

use std::{
    fs,
    process::{Command, Stdio},
};

use super::{Place, Run};
use crate::harness::find;

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::after_demo();
    for arguments in [
        &["user", "list"][..],
        &["role", "list"],
        &["--help"],
        &["user", "list", "--json"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = place.doorward(arguments).stdout(writer).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments:?}");
    }
    // Nor are messages that nobody reads.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = place
        .doorward(&["user", "disable", "nobody"])
        .stderr(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn output_that_is_lost_is_told_once_and_is_not_success() {
    let place = Place::after_demo();
    for arguments in [&["user", "list"][..], &["token", "mint", "--as", "reader"]] {
        let full = fs::File::options().write(true).open("/dev/full").unwrap();
        let output = place.doorward(arguments).stdout(full).output().unwrap();
        Run::of(output, arguments, place.path()).shows(
            "
            error: cannot write to standard output: No space left on device (os error 28)
            => 4
            ",
        );
    }
}

#[test]
fn closed_streams_do_no_harm() {
    let place = Place::after_demo();
    let binary = env!("CARGO_BIN_EXE_doorward");
    for (stream, command, code) in [
        ("<&-", "user list", 0),
        ("<&-", "token verify", 2),
        ("<&-", "user add bob", 2),
        (">&-", "user list", 0),
        ("2>&-", "user list", 0),
        ("2>&-", "user disable nobody", 2),
    ] {
        let line = format!("exec '{binary}' --data data {command} {stream}");
        let output = Command::new("bash")
            .args(["-c", &line])
            .current_dir(place.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let run = Run::of(output, &[], place.path());
        assert_eq!(run.code, code, "{command} {stream}: {}", run.text());
    }
}

/// What a terminal shows.
fn on_a_terminal(place: &Place, arguments: &str, variables: &[(&str, &str)]) -> Option<String> {
    let script = find("script")?;
    let binary = env!("CARGO_BIN_EXE_doorward");
    let output = Command::new(script)
        .args([
            "-qec",
            &format!("{binary} --data data {arguments}"),
            "/dev/null",
        ])
        .current_dir(place.path())
        .env_clear()
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn colours_are_for_terminals_that_want_them() {
    let place = Place::after_demo();
    place.write("token", "garbage");
    place.write("doorward.toml", "listn = 1\n");
    let commands = [
        "user list",
        "user disable nobody",
        "token verify --token-file token",
        "config check --config doorward.toml",
        "usr",
        "--help",
    ];
    for command in commands {
        let Some(text) = on_a_terminal(&place, command, &[]) else {
            return;
        };
        assert!(text.contains("\u{1b}["), "{command} has no colours: {text}");
        let plain = on_a_terminal(&place, command, &[("NO_COLOR", "1")]).unwrap();
        assert!(
            !plain.contains('\u{1b}'),
            "{command} ignores NO_COLOR: {plain:?}"
        );
        let dumb = on_a_terminal(&place, command, &[("TERM", "dumb")]).unwrap();
        assert!(
            !dumb.contains('\u{1b}'),
            "{command} on a dumb terminal: {dumb:?}"
        );
        // A pipe gets none, whatever the environment.
        let words: Vec<&str> = command.split(' ').collect();
        let piped = place
            .doorward(&words)
            .env_remove("NO_COLOR")
            .output()
            .unwrap();
        let all = [piped.stdout, piped.stderr].concat();
        assert!(!all.contains(&0x1b), "{command} colours a pipe");
    }
}

#[test]
fn sec_003_what_strangers_wrote_does_not_reach_the_terminal_as_it_is() {
    let place = Place::after_demo();
    let token = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJcdTAwMWJbMkpcdTAwMGFldmlsXHUyMDJlIn0.c2ln";
    let run = place.run_fed(&["token", "inspect"], token.as_bytes());
    assert!(
        !run.out.contains('\u{1b}') && !run.out.contains('\u{202e}'),
        "{:?}",
        run.out
    );
    for hostile in ["\u{1b}[2J", "a\nerror: forged", "\u{202e}x"] {
        for arguments in [
            &["role", "grant", "reader", hostile][..],
            &["explain", hostile],
            &["--data", hostile, "user", "list"],
            &[
                "up",
                "--upstream",
                "http://127.0.0.1:9",
                "--config",
                hostile,
            ],
        ] {
            let run = place.run(arguments);
            assert_ne!(run.code, 0);
            assert!(
                !run.err.contains('\u{1b}') && !run.err.contains('\u{202e}'),
                "{:?}",
                run.err
            );
            assert!(!run.err.contains("\nerror: forged"), "{:?}", run.err);
        }
    }
}
