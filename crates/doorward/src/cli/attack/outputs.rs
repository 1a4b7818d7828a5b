//! Where a report goes, and what is seen while it is made.

use std::path::PathBuf;

use clap::Args;
use doorward_attack::{
    report::{self, Report, Tone as Meaning},
    run::Event,
};

use super::super::Place;
use crate::{
    exit::Failure,
    invocation, output,
    paint::{Tone, paint, safe},
};

/// Reports beside the one on the terminal.
#[derive(Debug, Args)]
#[command(next_help_heading = "Reports")]
pub(super) struct Outputs {
    /// Write a report too: json=FILE; may be repeated
    #[arg(long = "output", value_name = "FORMAT=FILE")]
    outputs: Vec<String>,
}

/// Makes one form of a report.
type Render = fn(&Report) -> String;

/// The formats of `--output`, each with what makes it.
const FORMATS: [(&str, Render); 1] = [("json", |report| format!("{:#}\n", super::as_json(report)))];

impl Outputs {
    /// Refuses what cannot be written, before anything is sent.
    pub(super) fn check(&self) -> Result<(), Failure> {
        self.parsed().map(|_| ())
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
    pub(super) fn write(&self, place: &Place, report: &Report, url: &str) -> Result<(), Failure> {
        for (render, file) in self.parsed()? {
            std::fs::write(&file, render(report)).map_err(|error| {
                Failure::unreachable(format!("cannot write {}: {error}", file.display()))
                    .hint("the attack itself is done; check the path and run it again")
            })?;
        }
        if place.json {
            output::json(&super::as_json(report));
            return Ok(());
        }
        let command = invocation::command(&place.data);
        let replay = |id: &str| format!("{command} attack --only {id} {}", safe(url));
        output::data(report::terminal(report, &painted, &replay));
        Ok(())
    }
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
