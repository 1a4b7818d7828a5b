//! The README's first minutes: the binary is started, every line that it
//! prints is pasted into a shell, and what comes back is compared with what
//! the screen promised.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use crate::harness::{Server, binary, doorward};

struct Demo {
    child: Child,
    screen: Vec<String>,
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn demo(data: &Path) -> Demo {
    let mut child = doorward(data)
        .args([
            "up",
            "--demo",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut screen = Vec::new();
    for line in lines.by_ref().map_while(Result::ok) {
        let last = line.contains("Every request appears below");
        screen.push(line);
        if last {
            break;
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    Demo { child, screen }
}

/// What the shell prints for a pasted line, and its exit code.
fn paste(line: &str) -> (String, Option<i32>) {
    let output = Command::new("bash")
        .args(["-c", line])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].concat();
    (
        String::from_utf8_lossy(&text).into_owned(),
        output.status.code(),
    )
}

/// The command under the line that promises `result`.
fn line_for<'s>(screen: &'s [String], result: &str) -> &'s str {
    let at = screen
        .iter()
        .position(|line| line.trim_start().starts_with(result));
    screen[at.unwrap_or_else(|| panic!("no {result:?} on the screen: {screen:#?}")) + 1].trim()
}

#[test]
fn every_printed_line_does_what_the_screen_says() {
    let place = tempfile::tempdir().unwrap();
    let demo = demo(&place.path().join("data"));

    let (text, code) = paste(line_for(&demo.screen, "401"));
    assert!(
        text.starts_with("HTTP/1.1 401") && text.contains("no_token"),
        "{text}"
    );
    assert_eq!(code, Some(0), "curl itself succeeds");

    let (text, code) = paste(line_for(&demo.screen, "200"));
    assert!(text.contains("\"orders\""), "{text}");
    assert_eq!(code, Some(0));

    let (text, code) = paste(line_for(&demo.screen, "403"));
    assert!(
        text.contains("missing_permission") && text.contains("orders:delete"),
        "{text}"
    );
    assert_eq!(code, Some(1), "the answer is no");

    let (text, code) = paste(line_for(&demo.screen, "why the last"));
    assert!(text.contains("DENIED  DELETE /orders/7"), "{text}");
    assert_eq!(code, Some(1));

    // The fix that it names is a line to paste, too, and it does fix it.
    let fix = text
        .lines()
        .find_map(|line| line.trim_start().strip_prefix("fix "));
    let (text, code) = paste(fix.unwrap_or_else(|| panic!("no fix in {text}")).trim());
    assert_eq!(code, Some(0), "{text}");
    let (text, code) = paste(line_for(&demo.screen, "403"));
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn passwords_are_shown_once_and_kept_for_scripts() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let first = demo(&data);
    let text = std::fs::read_to_string(data.join("demo.json")).unwrap();
    let file: serde_json::Value = serde_json::from_str(&text).unwrap();
    let users = file["users"].as_array().unwrap();
    assert_eq!(users.len(), 3);
    let screen = first.screen.join("\n");
    for user in users {
        assert!(screen.contains(user["password"].as_str().unwrap()));
    }
    let mode = std::fs::metadata(data.join("demo.json"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    drop(first);
    let second = demo(&data).screen.join("\n");
    for user in users {
        assert!(!second.contains(user["password"].as_str().unwrap()));
    }
    assert!(second.contains("demo.json"));
}

/// How long a newcomer waits: from the start of the process on an empty folder
/// to the first 200 for a signed-in caller. Printed, never judged.
#[test]
#[expect(clippy::print_stdout, reason = "the figure is for the reader")]
fn the_time_from_up_to_the_first_200_is_printed() {
    let tested = binary();
    let release = tested.with_file_name("").join("../release/doorward");
    for (build, binary) in [("this build", tested), ("release", release)] {
        if !binary.is_file() {
            println!("{build}: not built; `cargo build --release` makes it");
            continue;
        }
        let place = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let server = Server::start_binary(&binary, &place.path().join("data"), &["--demo"]);
        let ready = started.elapsed();
        let token = server.access_token("reader");
        assert_eq!(server.call("GET", "/orders", Some(&token)).status, 200);
        let first = started.elapsed();
        println!(
            "{build}: listening after {} ms, first 200 after {} ms",
            ready.as_millis(),
            first.as_millis()
        );
    }
}
