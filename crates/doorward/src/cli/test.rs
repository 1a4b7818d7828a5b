//! `doorward test`: the configuration held against decisions.
//!
//! Written by hand they say what must hold; recorded they say what held, so
//! that an edit shows whom it would let in or turn away before it is served.
//! Every one is judged by the functions that serve (see [`crate::rehearsal`]).

mod case;
mod outputs;
mod recorded;
mod written;

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use clap::Args;
use doorward_verify::clock::{Clock as _, Timestamp};

use super::{Place, route, workplace::runtime};
use crate::{
    config::Config,
    exit::{Answer, Failure},
    rehearsal::Rehearsal,
    system::SystemClock,
};
use case::{Case, Judged, Verdict};

/// Hold the configuration against decisions, recorded or written by hand
#[derive(Debug, Args)]
pub(super) struct Test {
    /// Files of decisions: written by hand (.toml), or recorded, as `explain
    /// --json` prints them (anything else, `-` for standard input)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write a JUnit report too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
}

/// A file that holds more is not read to its end, and so not at all.
const LARGEST: u64 = 64 * 1024 * 1024;

/// How it went, in numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Test {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let (_, config) = route::config(place)?;
        let mut cases = Vec::new();
        for file in &self.files {
            cases.extend(read(file, &config)?);
        }
        let rehearsal = Rehearsal::of(config)?;
        let judging = judge(&rehearsal, cases, SystemClock.now());
        let judged = runtime()?.block_on(judging)?;
        let tally = Tally::of(&judged);
        outputs::show(place, &judged, tally);
        if let Some(file) = &self.junit {
            outputs::junit(file, &judged, tally)?;
        }
        Ok(tally.answer())
    }
}

fn read(file: &Path, config: &Config) -> Result<Vec<Case>, Failure> {
    let (name, text) = match file == Path::new("-") {
        true => ("standard input".to_owned(), text(std::io::stdin())),
        false => {
            let name = file.display().to_string();
            (name, File::open(file).and_then(text))
        }
    };
    let text = text.map_err(|error| {
        Failure::unreachable(format!("cannot read {name}: {error}"))
            .hint("check the path; decisions are text, and at most 64 MiB of it")
    })?;
    match file.extension().is_some_and(|end| end == "toml") {
        true => written::cases(&name, &text, config),
        false => recorded::cases(&name, &text),
    }
}

fn text(from: impl Read) -> std::io::Result<String> {
    let mut text = String::new();
    match from.take(LARGEST + 1).read_to_string(&mut text)? as u64 {
        0..=LARGEST => Ok(text),
        _ => Err(std::io::ErrorKind::FileTooLarge.into()),
    }
}

async fn judge(
    rehearsal: &Rehearsal,
    cases: Vec<Case>,
    now: Timestamp,
) -> Result<Vec<Judged>, Failure> {
    let mut judged = Vec::with_capacity(cases.len());
    for case in cases {
        judged.push(case.judge(rehearsal, now).await?);
    }
    Ok(judged)
}

impl Tally {
    fn of(judged: &[Judged]) -> Self {
        let count =
            |wanted: fn(&Verdict) -> bool| judged.iter().filter(|one| wanted(&one.verdict)).count();
        Self {
            passed: count(|verdict| matches!(verdict, Verdict::Passed(_))),
            failed: count(|verdict| matches!(verdict, Verdict::Failed(_))),
            skipped: count(|verdict| matches!(verdict, Verdict::Skipped(_))),
        }
    }

    /// Nothing judged is not a yes.
    const fn answer(self) -> Answer {
        match self {
            Self {
                failed: 0,
                passed: 0,
                ..
            } => Answer::Void,
            Self { failed: 0, .. } => Answer::Yes,
            _ => Answer::No,
        }
    }
}
