//! Where a report goes, and what is seen while it is made.

use std::{
    fs::{DirBuilder, OpenOptions},
    io::Write as _,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use clap::Args;
use doorward_attack::{
    report::{self, Report, Suppression, Tone as Meaning},
    run::Event,
};
use serde::Deserialize;

use super::{super::Place, files, observed};
use crate::{
    exit::Failure,
    invocation, output,
    paint::{Tone, paint, safe},
};

/// Reports beside the one on the terminal.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reports")]
pub(super) struct Outputs {
    /// Write a report too, as json, sarif, junit, markdown or html; may be
    /// repeated
    #[arg(long = "output", value_name = "FORMAT=FILE")]
    outputs: Vec<String>,
    /// Compare with the JSON report of an earlier run
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
    /// Findings that somebody has accepted: a TOML file of `[[suppression]]`
    /// with id, reason, owner, until and, if need be, route
    #[arg(long, value_name = "FILE")]
    suppressions: Option<PathBuf>,
    /// Look every probe up in the decision log of the Doorward before the
    /// target [default: the admin address of the data folder]
    #[arg(long, value_name = "ADMIN-URL", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    decisions: Option<String>,
    /// Write the forged tokens of findings into this folder, for `$FORGED`
    #[arg(long, value_name = "DIR")]
    forged_tokens: Option<PathBuf>,
}

/// The file of `--suppressions`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Suppressions {
    #[serde(default)]
    suppression: Vec<Suppression>,
}

/// What was read before the attack, so that a mistake costs no run.
pub(super) struct Expectations {
    suppressions: Vec<Suppression>,
    baseline: Option<String>,
}

/// Makes one form of a report.
type Render = fn(&Report) -> String;

/// The formats of `--output`, each with what makes it.
const FORMATS: [(&str, Render); 5] = [
    ("json", |report| format!("{:#}\n", report::json(report))),
    ("sarif", |report| format!("{:#}\n", report::sarif(report))),
    ("junit", report::junit),
    ("markdown", report::markdown),
    ("html", report::html),
];

impl Outputs {
    /// Reads what the report will be held against, and refuses what cannot be
    /// written, before anything is sent.
    pub(super) fn expectations(&self) -> Result<Expectations, Failure> {
        self.parsed()?;
        let baseline = self.baseline.as_deref().map(files::read).transpose()?;
        Ok(Expectations {
            suppressions: self
                .suppressions
                .as_deref()
                .map_or(Ok(Vec::new()), suppressions)?,
            baseline: baseline.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    /// Completes the report with what is known beside the answers.
    pub(super) async fn complete(
        &self,
        place: &Place,
        expectations: &Expectations,
        report: &mut Report,
    ) -> Result<(), Failure> {
        report.suppress(&expectations.suppressions);
        if let (Some(text), Some(file)) = (&expectations.baseline, &self.baseline) {
            report.compare(text).map_err(|error| {
                let file = file.display();
                Failure::usage(format!(
                    "{file} cannot be compared with: {}",
                    safe(&error.to_string())
                ))
                .hint("give the file of `--output json=FILE` of an earlier run of this route")
            })?;
        }
        match &self.decisions {
            Some(admin) => observed::look_up(place, admin, report).await,
            None => Ok(()),
        }
    }

    fn parsed(&self) -> Result<Vec<(Render, PathBuf)>, Failure> {
        let one = |text: &String| {
            let found = text.split_once('=').and_then(|(format, file)| {
                let (_, render) = FORMATS.iter().find(|(name, _)| *name == format)?;
                (!file.is_empty()).then(|| (*render, PathBuf::from(file)))
            });
            found.ok_or_else(|| {
                let known: Vec<String> = FORMATS
                    .iter()
                    .map(|(name, _)| format!("{name}=FILE"))
                    .collect();
                Failure::usage(format!("`{}` is not a report to write", safe(text)))
                    .hint(known.join(", "))
            })
        };
        self.outputs.iter().map(one).collect()
    }

    /// Writes every report and shows one.
    pub(super) fn write(&self, place: &Place, report: &Report, again: &str) -> Result<(), Failure> {
        if let Some(folder) = &self.forged_tokens {
            forged_tokens(folder, report)?;
        }
        for (render, file) in self.parsed()? {
            std::fs::write(&file, render(report)).map_err(|error| {
                Failure::unreachable(format!("cannot write {}: {error}", file.display()))
                    .hint("the attack itself is done; check the path and run it again")
            })?;
        }
        if place.json {
            output::json(&report::json(report));
            return Ok(());
        }
        let command = invocation::command(&place.data);
        let replay = |id: &str| format!("{command} attack --only {id} {again}");
        output::data(report::terminal(report, &painted, &replay));
        Ok(())
    }
}

fn suppressions(file: &Path) -> Result<Vec<Suppression>, Failure> {
    let shown = file.display();
    let hint = "[[suppression]] with id = \"SIG-017\", reason, owner and until = \"2026-12-31\"";
    let bytes = files::read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let read: Suppressions = toml::from_str(&text).map_err(|error| {
        let what = safe(error.message());
        Failure::configuration(format!("{shown} is no list of suppressions: {what}")).hint(hint)
    })?;
    for entry in &read.suppression {
        entry.check().map_err(|error| {
            Failure::configuration(format!("{shown}: {}", safe(&error.to_string()))).hint(hint)
        })?;
    }
    Ok(read.suppression)
}

/// One file for each finding, readable by its owner alone: a forged token may
/// hold the claims, and now and then the signature, of the valid one.
fn forged_tokens(folder: &Path, report: &Report) -> Result<(), Failure> {
    let failed = |error: std::io::Error| {
        Failure::unreachable(format!("cannot write into {}: {error}", folder.display()))
            .hint("the attack itself is done; check the path and run it again")
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    for result in report.findings() {
        for (number, token) in result
            .findings
            .iter()
            .filter_map(|f| f.forged.as_ref())
            .enumerate()
        {
            let file = folder.join(format!("{}-{}.txt", result.case.id, number + 1));
            let mut options = OpenOptions::new();
            let opened = options
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(file);
            opened
                .and_then(|mut file| file.write_all(token.as_bytes()))
                .map_err(failed)?;
        }
    }
    Ok(())
}

/// A piece of a report in its colour, and harmless to a terminal.
fn painted(tone: Meaning, text: &str) -> String {
    let text = safe(text);
    match tone {
        Meaning::Plain => text,
        Meaning::Good => paint(Tone::Good, text),
        Meaning::Bad => paint(Tone::Bad, text),
        Meaning::Warn => paint(Tone::Warn, text),
        Meaning::Quiet => paint(Tone::Quiet, text),
        Meaning::Strong => paint(Tone::Strong, text),
    }
}

/// One line that is written over and over, on a terminal only.
pub(super) struct Progress {
    is_shown: bool,
    done: (usize, usize),
}

impl Progress {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            is_shown: !place.json && output::has_terminal(),
            done: (0, 0),
        }
    }

    pub(super) fn tell(&mut self, event: &Event<'_>) {
        if let Event::Judged(result, done, of) = event {
            self.done = (*done, *of);
            if self.is_shown && result.verdict == doorward_attack::verdict::Verdict::Vulnerable {
                output::passing("");
                let line = format!(
                    "{} {}  {}",
                    paint(Tone::Bad, "✗"),
                    result.case.id,
                    result.case.name
                );
                output::note(line);
            }
        }
        if !self.is_shown {
            return;
        }
        let (done, of) = self.done;
        match event {
            Event::Calibrated(_) => output::passing("calibrated"),
            Event::Trying(case) => {
                output::passing(&format!("{done}/{of}  {}  {}", case.id, case.name));
            }
            Event::Searching(tried) => {
                output::passing(&format!("{done}/{of}  BRU-015  {tried} secrets tried"));
            }
            Event::Judged(..) => {}
        }
    }

    /// Leaves a clean line.
    pub(super) fn end(&mut self) {
        if self.is_shown {
            output::passing("");
        }
    }
}
