//! What is wrong with a configuration: collected as faults, shown as snippets
//! with carets, handed to programs as plain values.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use serde::{Deserialize, Serialize};

/// Most problems that are drawn. A file with more has one cause.
const MOST_SHOWN: usize = 50;

/// Farthest lines, from the problem, of a second place that is drawn with it.
const MOST_LINES: usize = 400;

/// A problem as it is found.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    span: Option<Range<usize>>,
    title: String,
    label: String,
    help: Option<String>,
    related: Option<(Range<usize>, String)>,
    hidden: bool,
}

impl Fault {
    /// At these bytes of the text.
    pub(super) fn at(span: Range<usize>, title: impl Into<String>) -> Self {
        Self {
            span: Some(span),
            ..Self::whole(title)
        }
    }

    /// With the file as a whole.
    pub(super) fn whole(title: impl Into<String>) -> Self {
        Self {
            span: None,
            title: title.into(),
            label: String::new(),
            help: None,
            related: None,
            hidden: false,
        }
    }

    /// Where it begins.
    pub(super) fn start(&self) -> Option<usize> {
        self.span.as_ref().map(|span| span.start)
    }

    /// Words beside the caret.
    pub(super) fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// What to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// What to do, when a near word is known; otherwise something general.
    pub(super) fn did_you_mean(self, near: Option<&str>, else_help: impl Into<String>) -> Self {
        match near {
            Some(near) => self.help(format!("did you mean `{near}`?")),
            None => self.help(else_help),
        }
    }

    /// The line is named, but not shown: there is a secret in it.
    pub(super) fn hidden(mut self) -> Self {
        self.hidden = true;
        self
    }

    /// Another place that has to do with it.
    pub(super) fn related(mut self, span: Range<usize>, label: impl Into<String>) -> Self {
        self.related = Some((span, label.into()));
        self
    }
}

/// A problem as programs read it (`--json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// The file, as the operator named it.
    pub(crate) file: String,
    /// Line, from 1; absent when the file as a whole is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<usize>,
    /// Character in the line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<usize>,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) help: Option<String>,
}

/// Every problem of one file, in the order of its lines, and of the files that
/// it names.
///
/// `Display` draws them with carets and colours; print it through `anstream`,
/// which takes the colours out for pipes and `NO_COLOR`.
#[derive(Clone, Debug)]
pub(crate) struct ConfigProblems {
    name: String,
    text: String,
    faults: Vec<Fault>,
    problems: Vec<Problem>,
    /// Of the files that this one names.
    others: Vec<Self>,
}

impl ConfigProblems {
    pub(super) fn new(name: &str, text: &str, mut faults: Vec<Fault>) -> Self {
        faults.sort_by_key(|fault| fault.span.as_ref().map(|span| (span.start, span.end)));
        let lines = Lines::of(text);
        let problems = faults
            .iter()
            .map(|fault| {
                let place = fault.span.as_ref().map(|span| lines.place(span.start));
                Problem {
                    file: name.to_owned(),
                    line: place.map(|(line, _)| line),
                    column: place.map(|(_, column)| column),
                    message: fault.title.clone(),
                    help: fault.help.clone(),
                }
            })
            .collect();
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
            faults,
            problems,
            others: Vec::new(),
        }
    }

    /// With the problems of the files that this one names.
    pub(super) fn and(mut self, others: Vec<Self>) -> Self {
        let theirs = others
            .iter()
            .flat_map(|other| other.problems.iter().cloned());
        self.problems.extend(theirs);
        self.others = others;
        self
    }

    pub(super) fn one(name: &str, text: &str, fault: Fault) -> Self {
        Self::new(name, text, vec![fault])
    }

    /// Every problem, in the order of the lines; those of other files last.
    pub(crate) fn problems(&self) -> &[Problem] {
        &self.problems
    }
}

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = Lines::of(&self.text);
        let renderer = Renderer::styled();
        for (number, fault) in self.faults.iter().take(MOST_SHOWN).enumerate() {
            if number > 0 {
                f.write_str("\n\n")?;
            }
            f.write_str(&draw(&renderer, &self.name, &lines, fault))?;
        }
        match self.faults.len().saturating_sub(MOST_SHOWN) {
            0 => {}
            more => write!(f, "\n\nand {more} more")?,
        }
        for (number, other) in self.others.iter().enumerate() {
            let gap = if number > 0 || !self.faults.is_empty() {
                "\n\n"
            } else {
                ""
            };
            write!(f, "{gap}{other}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigProblems {}

fn draw(renderer: &Renderer, name: &str, lines: &Lines<'_>, fault: &Fault) -> String {
    let title = Level::ERROR.primary_title(fault.title.as_str());
    let Some(span) = &fault.span else {
        // Two drawings: in one, a bar would stand between the lines.
        let help = fault.help.as_deref().map(|help| {
            let group = Group::with_title(Level::HELP.secondary_title(help));
            format!("\n{}", renderer.render(&[group]))
        });
        let title = renderer.render(&[Group::with_title(title)]);
        return title + &help.unwrap_or_default();
    };
    let group = if fault.hidden {
        let (line, column) = lines.place(span.start);
        title.element(Origin::path(name).line(line).char_column(column))
    } else {
        title.element(snippet(name, lines, fault, span))
    };
    let help = fault.help.as_deref().map(|help| Level::HELP.message(help));
    renderer.render(&[group.elements(help)])
}

fn snippet<'f>(
    name: &'f str,
    lines: &Lines<'f>,
    fault: &'f Fault,
    span: &Range<usize>,
) -> Snippet<'f, Annotation<'f>> {
    let related = fault.related.as_ref().filter(|(other, _)| {
        lines.number(span.start).abs_diff(lines.number(other.start)) <= MOST_LINES
    });
    let (first, last) = match related {
        Some((other, _)) => (span.start.min(other.start), span.end.max(other.end)),
        None => (span.start, span.end),
    };
    let window = lines.window(first, last);
    let inside = |span: &Range<usize>| span.start - window.start..span.end - window.start;
    let caret = AnnotationKind::Primary.span(inside(span));
    Snippet::source(window.text)
        .line_start(window.line)
        .path(name)
        .annotation(match fault.label.as_str() {
            "" => caret,
            label => caret.label(label),
        })
        .annotations(related.map(|(other, label)| {
            AnnotationKind::Context
                .span(inside(other))
                .label(label.as_str())
        }))
}

/// Where the lines of a text begin.
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

/// Whole lines of a text.
struct Window<'t> {
    text: &'t str,
    start: usize,
    line: usize,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let ends = text.match_indices('\n').map(|(at, _)| at + 1);
        Self {
            text,
            starts: std::iter::once(0).chain(ends).collect(),
        }
    }

    /// Index of the line that byte `at` is in.
    fn index(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at) - 1
    }

    /// The line of byte `at`, from 1.
    pub(super) fn number(&self, at: usize) -> usize {
        self.index(at) + 1
    }

    /// Line and character of byte `at`, from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.index(at);
        let before = self.text.get(self.starts[line]..at).unwrap_or_default();
        (line + 1, before.chars().count() + 1)
    }

    /// The lines from byte `first` to byte `last`.
    fn window(&self, first: usize, last: usize) -> Window<'t> {
        let line = self.index(first);
        let start = self.starts[line];
        let end = self.starts.get(self.index(last) + 1);
        let end = end.copied().unwrap_or(self.text.len());
        Window {
            text: &self.text[start..end],
            start,
            line: line + 1,
        }
    }
}
