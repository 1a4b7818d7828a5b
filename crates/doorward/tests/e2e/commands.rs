//! Every command as a newcomer meets it: what it prints, how it ends, and
//! that a refusal changes nothing.
//!
//! Each run of a command is held against three rules wherever it stands: it
//! does not panic, its exit code is one of the documented ones, and with
//! `--json` standard output holds exactly one JSON value.

mod damage;
mod database;
mod follow;
mod json;
mod people;
mod policy_tests;
mod refusals;
mod routes;
mod screens;
mod secrets;
mod streams;
mod tokens;
mod transfer;

use std::{
    collections::BTreeMap,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Server, doorward};

/// A password that anybody may have.
const GOOD: &str = "four unrelated words suffice";

/// A place with nothing in it, to run commands in.
struct Place {
    folder: TempDir,
}

/// How a command ended.
struct Run {
    code: i32,
    out: String,
    err: String,
    place: PathBuf,
}

/// Every file under a folder: content and mode.
#[derive(PartialEq, Eq)]
struct Files(BTreeMap<PathBuf, (u32, Vec<u8>)>);

impl Place {
    fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    /// With a data folder that `up --demo` used; the server has ended.
    fn after_demo() -> Self {
        let place = Self::empty();
        let server = Server::start(&place.data(), &["--demo"]);
        assert_eq!(server.call("GET", "/health", None).status, 200);
        assert_eq!(server.signal("-TERM"), Some(0));
        database::fold(&place.data().join("doorward.db"));
        place
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// `doorward` here, on the data folder `data`.
    fn doorward(&self, arguments: &[&str]) -> Command {
        let mut command = doorward(Path::new("data"));
        command
            .args(arguments)
            .current_dir(self.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Run {
        let output = self.doorward(arguments).output().unwrap();
        Run::of(output, arguments, self.path())
    }

    fn run_with(&self, arguments: &[&str], variable: &str, value: &str) -> Run {
        let output = self
            .doorward(arguments)
            .env(variable, value)
            .output()
            .unwrap();
        Run::of(output, arguments, self.path())
    }

    fn run_fed(&self, arguments: &[&str], input: &[u8]) -> Run {
        let mut child = self
            .doorward(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command need not read what it does not want.
        let _ = stdin.write_all(input);
        drop(stdin);
        Run::of(child.wait_with_output().unwrap(), arguments, self.path())
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path().join(name), content).unwrap();
    }

    #[track_caller]
    fn unchanged_since(&self, before: &Files, arguments: &[&str]) {
        let now = self.files();
        let differs = |name: &&PathBuf| now.0.get(*name) != before.0.get(*name);
        let names = now.0.keys().chain(before.0.keys());
        let changed: Vec<_> = names.filter(differs).collect();
        assert!(changed.is_empty(), "{arguments:?} changed {changed:?}");
    }

    /// Every file; those beside the database are a part of it.
    fn files(&self) -> Files {
        let mut files = BTreeMap::new();
        collect(self.path(), &mut files);
        Files(files)
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, (u32, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files.insert(path.clone(), (mode, Vec::new()));
            collect(&path, files);
        } else if !name.ends_with("-wal") && !name.ends_with("-shm") {
            let content = match name.as_str() {
                "doorward.db" => database::content(&path),
                _ => fs::read(&path).unwrap(),
            };
            files.insert(path, (mode, content));
        }
    }
}

impl Run {
    fn of(output: Output, arguments: &[&str], place: &Path) -> Self {
        let run = Self {
            code: output.status.code().expect("not ended by a signal"),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
            place: place.to_owned(),
        };
        let all = run.text();
        assert!(!run.err.contains("panicked"), "{arguments:?} {all}");
        assert!((0..=4).contains(&run.code), "{arguments:?} {all}");
        let asks_for_help = arguments.iter().any(|it| matches!(*it, "--help" | "help"));
        if arguments.contains(&"--json") && !asks_for_help {
            let value: Result<Value, _> = serde_json::from_str(&run.out);
            assert!(value.is_ok(), "{arguments:?} {all}");
        }
        run
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} {}", self.text()))
    }

    /// All of it, with a placeholder for what differs from run to run.
    fn text(&self) -> String {
        let text = format!("{}{}=> {}\n", self.out, self.err, self.code);
        let place = self.place.display().to_string();
        without_ids(&text.replace(&place, "[PLACE]"))
    }

    /// Fails unless everything printed is `expected`, which may be indented.
    #[track_caller]
    fn shows(&self, expected: &str) {
        assert_eq!(self.text(), unindented(expected), "{}", self.text());
    }
}

/// `text` with `[ID]` for each UUID.
fn without_ids(text: &str) -> String {
    let is_id = |word: &str| {
        word.len() == 36
            && word.char_indices().all(|(at, letter)| match at {
                8 | 13 | 18 | 23 => letter == '-',
                _ => letter.is_ascii_hexdigit(),
            })
    };
    let mut out = String::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        match rest.get(..36).filter(|word| is_id(word)) {
            Some(_) => {
                out.push_str("[ID]");
                rest = &rest[36..];
            }
            None => {
                out.push(letter);
                rest = &rest[letter.len_utf8()..];
            }
        }
    }
    out
}

/// `text` without the first line's end and the indentation of its first line.
fn unindented(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let indent = text.len() - text.trim_start_matches(' ').len();
    let line = |line: &str| {
        let spaces = line.len() - line.trim_start_matches(' ').len();
        format!("{}\n", &line[indent.min(spaces)..])
    };
    let mut out: String = text.lines().map(line).collect();
    // The last line is the indentation of the closing quote.
    while out.ends_with("\n\n") {
        out.pop();
    }
    out
}

/// One row of a table of refusals: arguments, exit code, and what is said.
type Case<'c> = (&'c [&'c str], i32, &'c str);

/// Runs each case and holds what it printed on standard error against the
/// table; nothing in the place may have changed at the end.
#[track_caller]
fn each_is_refused(place: &Place, cases: &[Case<'_>]) {
    let before = place.files();
    for (arguments, code, said) in cases {
        let run = place.run(arguments);
        let told = run
            .err
            .replace(&place.path().display().to_string(), "[PLACE]");
        assert_eq!(
            (run.code, told.trim_end()),
            (*code, unindented(said).trim_end()),
            "{arguments:?}"
        );
        assert_eq!(run.out, "", "{arguments:?}");
        let told: Value = place.run(&[arguments, &["--json"][..]].concat()).json();
        assert_eq!(told["error"]["code"], *code, "{arguments:?}");
        place.unchanged_since(&before, arguments);
    }
}
