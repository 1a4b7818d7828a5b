//! From a file to policies, each with its place and its name.

use std::collections::HashMap;
use std::ops::Range;

use cedar_policy::{Policy, PolicyId, PolicySet};
use miette::Diagnostic;

use super::{Fault, Source, told};
use crate::decision::SourceLine;

/// The annotation that names a policy.
const NAME: &str = "id";

/// Where a policy is written, and how it is called.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Index of the source.
    pub(super) source: usize,
    /// Its first line, for a caret.
    pub(super) head: Range<usize>,
    line: SourceLine,
    name: Option<String>,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "`{name}` ({})", self.line),
            None => write!(f, "{}", self.line),
        }
    }
}

/// The policies of a file, with ids from `first` on.
pub(super) fn policies(
    index: usize,
    source: &Source,
    first: usize,
) -> Result<Vec<(Place, Policy)>, Vec<Fault>> {
    let set: PolicySet = source
        .text
        .parse()
        .map_err(|errors: cedar_policy::ParseErrors| {
            let fault = |error: &cedar_policy::ParseError| syntax(index, &source.text, error);
            errors.iter().map(fault).collect::<Vec<_>>()
        })?;
    if let Some(template) = set.templates().next() {
        let at = source.text.find(&template.to_string()).unwrap_or(0);
        let help = "write the principal or the resource in place of the `?` slot";
        return Err(vec![Fault {
            source: index,
            span: first_line(&source.text, at),
            message: "a template is no policy".to_owned(),
            label: String::new(),
            help: Some(help.to_owned()),
        }]);
    }
    let mut found: Vec<(usize, Policy)> = set
        .policies()
        .map(|policy| (number(policy), policy.clone()))
        .collect();
    if found.is_empty() {
        let help = "half a file looks like this; take it out of `files` if nothing is meant";
        return Err(vec![Fault {
            source: index,
            span: 0..0,
            message: format!("{} has no policy", source.file),
            label: String::new(),
            help: Some(help.to_owned()),
        }]);
    }
    found.sort_by_key(|(number, _)| *number);
    let (mut from, mut line) = (0, 1);
    let placed = found.into_iter().enumerate().map(|(count, (_, policy))| {
        // A policy shows as it is written; one after the other, so that of two
        // that are the same each has its place.
        let written = policy.to_string();
        let at = source.text.get(from..).and_then(|rest| rest.find(&written));
        let at = from + at.unwrap_or(0);
        let lines = |part: Range<usize>| {
            let part = source.text.get(part).unwrap_or_default();
            part.bytes().filter(|byte| *byte == b'\n').count()
        };
        let begins = line + lines(from..at);
        from = at + written.len();
        line = begins + lines(at..from);
        let place = Place {
            source: index,
            head: first_line(&source.text, at),
            line: SourceLine {
                file: source.file.clone(),
                line: u32::try_from(begins).unwrap_or(u32::MAX),
            },
            name: policy.annotation(NAME).map(str::to_owned),
        };
        (
            place,
            policy.new_id(PolicyId::new((first + count).to_string())),
        )
    });
    Ok(placed.collect())
}

/// Cedar numbers the policies of a text: `policy0`, `policy1`.
fn number(policy: &Policy) -> usize {
    let id = policy.id().to_string();
    let number = id.trim_start_matches(|c: char| !c.is_ascii_digit());
    number.parse().unwrap_or(usize::MAX)
}

/// Two policies of one name could not be told apart in a decision.
pub(super) fn names_used_twice(policies: &[(Place, Policy)]) -> Vec<Fault> {
    let mut first: HashMap<&str, &Place> = HashMap::new();
    let mut faults = Vec::new();
    for (place, _) in policies {
        let Some(name) = place.name.as_deref() else {
            continue;
        };
        match first.get(name) {
            None => drop(first.insert(name, place)),
            Some(other) => faults.push(Fault {
                source: place.source,
                span: place.head.clone(),
                message: format!("a second policy is called `{name}`"),
                label: String::new(),
                help: Some(format!(
                    "give it another `@id`: the first one is in {}",
                    other.line
                )),
            }),
        }
    }
    faults
}

/// A fault of a policy that can be read.
pub(super) fn fault(place: &Place, error: &dyn Diagnostic, help: Option<String>) -> Fault {
    let (message, span, offered) = told(error);
    Fault {
        source: place.source,
        span: span.unwrap_or_else(|| place.head.clone()),
        message: unnumbered(&message).to_owned(),
        label: String::new(),
        help: help.or_else(|| offered.map(|it| unnumbered(&it).to_owned())),
    }
}

/// Without the number of the policy: it is shown with its line, and its number
/// here means nothing to anybody.
fn unnumbered(message: &str) -> &str {
    let rest = message.strip_prefix("for policy `");
    let rest = rest.and_then(|rest| rest.split_once('`'));
    rest.map_or(message, |(_, rest)| {
        rest.trim_start_matches([',', ':', ' '])
    })
}

fn syntax(index: usize, text: &str, error: &dyn Diagnostic) -> Fault {
    let (message, span, help) = told(error);
    let end = text.trim_end().len();
    let span = span.unwrap_or(end..end);
    Fault {
        source: index,
        span: span.start.min(text.len())..span.end.min(text.len()),
        message: format!("this is not Cedar: {message}"),
        label: String::new(),
        help,
    }
}

fn first_line(text: &str, at: usize) -> Range<usize> {
    let rest = text.get(at..).unwrap_or_default();
    at..at + rest.find('\n').unwrap_or(rest.len())
}
