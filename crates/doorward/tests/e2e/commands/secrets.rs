//! Where passwords and tokens come from: a file, standard input, the
//! environment or a prompt, and never an argument.

use std::{
    fs,
    io::Write as _,
    process::{Command, Stdio},
};

use super::{GOOD, Place, each_is_refused};
use crate::harness::find;

#[test]
fn passwords_that_may_not_be_chosen() {
    let place = Place::after_demo();
    let refused = [
        (
            "short".to_owned(),
            "
            error: the password is too short: a password has at least 15 characters; a few unrelated words do well
            help:  nothing was changed",
        ),
        (
            "password1234567".to_owned(),
            "
            error: the password is too common: it is made of passwords that attackers try first
            help:  nothing was changed; a few unrelated words do well",
        ),
        (
            "margaret margaret margaret".to_owned(),
            "
            error: the password is too close to the account: it is made of the user name or of this service's name
            help:  nothing was changed; a few unrelated words do well",
        ),
        (
            "aaaaaaaaaaaaaaaaaaaa".to_owned(),
            "
            error: the password is too regular: it is made of repeats, sequences or rows of keys
            help:  nothing was changed; a few unrelated words do well",
        ),
        ("ü".repeat(513), "error: a password may have at most 1024 bytes"),
        (
            "x".repeat(70_000),
            "
            error: password is larger than 64 KiB
            help:  put the password or the token there, and nothing else",
        ),
        (
            format!("\n{GOOD}\n"),
            "
            error: the first line of password is empty
            help:  put the password there, and nothing else",
        ),
        (
            String::new(),
            "
            error: the first line of password is empty
            help:  put the password there, and nothing else",
        ),
    ];
    for (password, said) in refused {
        place.write("password", &password);
        let add = [
            "user",
            "add",
            "margaret",
            "--tenant",
            "fresh",
            "--password-file",
            "password",
        ];
        each_is_refused(&place, &[(&add, 2, said)]);
    }
    place.write("password", "short");
    let set = ["user", "password", "reader", "--password-file", "password"];
    assert_eq!(place.run(&set).code, 2);
    place.write("password", b"\xff\xfe no text, but long enough\n");
    let binary = "
        error: the first line of password is not text
        help:  put the password there, and nothing else";
    each_is_refused(&place, &[(&set, 2, binary)]);
}

#[test]
fn a_password_comes_from_each_place_but_an_argument() {
    let place = Place::after_demo();
    place.write("password", format!("{GOOD}\r\nanother line\n"));
    let added = |name: &str| {
        format!("added {name} in tenant acme; `doorward role grant {name} ROLE` gives a role\n=> 0")
    };
    let add = |name| ["user", "add", name, "--tenant", "acme"];
    let file = [&add("a")[..], &["--password-file", "password"]].concat();
    place.run(&file).shows(&added("a"));
    let stdin = [&add("b")[..], &["--password-stdin"]].concat();
    place
        .run_fed(&stdin, format!("{GOOD}\n").as_bytes())
        .shows(&added("b"));
    place
        .run_with(&add("c"), "DOORWARD_PASSWORD", GOOD)
        .shows(&added("c"));
    each_is_refused(
        &place,
        &[
            (
                &add("d"),
                2,
                "
                error: there is no terminal to ask for the password
                help:  give it with --password-file, --password-stdin or DOORWARD_PASSWORD",
            ),
            (
                &[&add("d")[..], &["--password-file", "none"]].concat(),
                4,
                "
                error: cannot read none: No such file or directory (os error 2)
                help:  check the path and its permissions",
            ),
            (
                &[&add("d")[..], &["--password-file", "data"]].concat(),
                4,
                "
                error: cannot read data: Is a directory (os error 21)
                help:  check the path and its permissions",
            ),
        ],
    );
    let argument = place.run(&[&add("d")[..], &["--password", GOOD]].concat());
    assert_eq!(argument.code, 2);
    assert!(!argument.err.contains(GOOD), "{}", argument.err);
    // More than anybody types: read up to a bound, and refused.
    let huge = place.run_fed(&stdin, &vec![b'a'; 4 << 20]);
    assert_eq!(huge.code, 2);
}

/// Types into a terminal of its own; gives what stood there, and the exit code.
fn typed(place: &Place, arguments: &[&str], keys: &str) -> Option<(String, Option<i32>)> {
    let script = find("script")?;
    let binary = env!("CARGO_BIN_EXE_doorward");
    let command = format!("{binary} --data data {}", arguments.join(" "));
    let mut child = Command::new(script)
        .args(["-qec", &command, "/dev/null"])
        .current_dir(place.path())
        .env_clear()
        .env("TERM", "xterm")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(keys.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    let text = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    Some((text, output.status.code()))
}

#[test]
fn a_person_types_a_new_password_twice_and_unseen() {
    let place = Place::after_demo();
    let add = ["user", "add", "bob", "--tenant", "acme"];
    let Some((text, code)) = typed(&place, &add, &format!("{GOOD}\nsomething else\n")) else {
        return;
    };
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("the two passwords differ"), "{text}");
    let (text, code) = typed(&place, &add, &format!("{GOOD}\n{GOOD}\n")).unwrap();
    assert_eq!(code, Some(0), "{text}");
    assert!(
        text.contains("Password: ") && text.contains("Again:    "),
        "{text}"
    );
    // Whoever is not there is told before a password is asked for.
    let (text, code) = typed(&place, &["user", "password", "nobody"], "").unwrap();
    assert_eq!(code, Some(2), "{text}");
    assert!(!text.contains("Password: "), "{text}");
}

#[test]
fn a_token_comes_from_a_file_the_environment_or_standard_input() {
    let place = Place::after_demo();
    let token = place.run(&["token", "mint", "--as", "reader"]).out;
    place.write("token", &token);
    place.write("header", format!("Bearer {token}"));
    for command in ["inspect", "verify"] {
        let ways = [
            place.run(&["token", command, "--token-file", "token"]),
            place.run(&["token", command, "--token-file", "header"]),
            place.run_with(&["token", command], "DOORWARD_TOKEN", token.trim()),
            place.run_fed(&["token", command], token.as_bytes()),
        ];
        for run in ways {
            assert_eq!(run.code, 0, "{command}: {}", run.err);
        }
        each_is_refused(
            &place,
            &[
                (
                    &["token", command],
                    2,
                    "
                    error: standard input held no token
                    help:  pipe the token in, or use --token-file or DOORWARD_TOKEN",
                ),
                (
                    &["token", command, "--token-file", "none"],
                    4,
                    "
                    error: cannot read none: No such file or directory (os error 2)
                    help:  check the path and its permissions",
                ),
            ],
        );
    }
    let secret = fs::read_to_string(place.data().join("operator.token")).unwrap();
    assert!(
        !place
            .run(&["token", "verify", "--token-file", "data/operator.token"])
            .text()
            .contains(secret.trim())
    );
}
