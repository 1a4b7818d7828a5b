//! Routes under the policies that the configuration names.

use std::path::Path;

use doorward_policy::cedar::{Fault as Wrong, Policies, Source};
use doorward_policy::role::Roles;
use doorward_policy::route::RouteTable;
use toml::de::DeTable;

use super::super::ConfigProblems;
use super::super::document::{Reader, Word};
use super::super::problem::Fault;
use super::super::source;
use super::{beside, expanded, vocabulary};
use crate::bounded_file;

const SHAPE: &str = "write `[policies]`, and `files = [\"policies/*.cedar\"]` below it";
const EXAMPLE: &str = "policies/*.cedar";
const KEYS: [&str; 3] = ["files", "claims", "headers"];

/// `routes` under the policies, and how many there are. Without `roles`
/// something is wrong with routes or roles already, so that policies could be
/// measured against nothing: only their own form is looked at.
pub(in super::super) fn govern(
    reader: &mut Reader<'_>,
    table: &DeTable<'_>,
    routes: RouteTable,
    roles: Option<&Roles>,
) -> (RouteTable, usize) {
    let Some(section) = table.get("policies") else {
        return (routes, 0);
    };
    let Some(section) = reader.table(section, "policies", SHAPE) else {
        return (routes, 0);
    };
    reader.unknown_keys(section, "[policies]", &KEYS);
    let before = reader.count();
    let vocabulary = vocabulary::of(reader, table, section, roles);
    let is_whole = reader.count() == before;
    let sources = sources(reader, table, section);
    let policies = match Policies::parse(&sources) {
        Ok(policies) => policies,
        Err(faults) => {
            tell(reader, &sources, faults);
            return (routes, 0);
        }
    };
    if roles.is_none() || !is_whole || reader.count() != before {
        return (routes, 0);
    }
    match policies.govern(routes, &vocabulary) {
        Ok(routes) => (routes, policies.len()),
        Err(faults) => {
            tell(reader, &sources, faults);
            (RouteTable::default(), 0)
        }
    }
}

fn sources(reader: &mut Reader<'_>, table: &DeTable<'_>, section: &DeTable<'_>) -> Vec<Source> {
    let Some(value) = section.get("files") else {
        let place = table.get_key_value("policies").map(|(key, _)| key.span());
        let fault = Fault::at(place.unwrap_or_default(), "[policies] lacks `files`");
        reader.fault(fault.help(format!("write `files = [\"{EXAMPLE}\"]`")));
        return Vec::new();
    };
    let words = reader.strings(value, "files", EXAMPLE);
    if words.is_empty() {
        let fault = Fault::at(value.span(), "no file is named");
        reader.fault(fault.help("name one, or take `[policies]` out"));
    }
    let mut sources = Vec::new();
    for word in &words {
        sources.extend(read(reader, word));
    }
    sources
}

/// The files that `word` stands for.
fn read(reader: &mut Reader<'_>, word: &Word<'_>) -> Vec<Source> {
    let pattern = beside(Path::new(reader.name()), word.text);
    let shown = pattern.display().to_string();
    let files = match expanded(&pattern) {
        Ok(files) => files,
        Err(error) => {
            let fault = Fault::at(
                word.span.clone(),
                format!("{shown} cannot be read: {error}"),
            );
            reader.fault(fault.help("name files beside the configuration"));
            return Vec::new();
        }
    };
    if files.is_empty() {
        let fault = Fault::at(word.span.clone(), format!("there is no file {shown}"));
        reader.fault(fault.help("write one, or take it out of `files`"));
    }
    let mut sources = Vec::new();
    for file in files {
        let name = file.display().to_string();
        let bytes = match bounded_file::read(&file, source::MAX_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => {
                let fault = Fault::at(word.span.clone(), format!("{name} cannot be read: {error}"));
                reader.fault(fault.help("correct the name, or take it out of `files`"));
                continue;
            }
        };
        match source::decode(&name, bytes) {
            Ok(text) => sources.push(Source {
                file: name.as_str().into(),
                text,
            }),
            Err(problems) => reader.problems_of_another(problems),
        }
    }
    sources
}

/// Each fault in its file.
fn tell(reader: &mut Reader<'_>, sources: &[Source], faults: Vec<Wrong>) {
    for (index, source) in sources.iter().enumerate() {
        let of_this = faults.iter().filter(|fault| fault.source == index);
        let drawn: Vec<Fault> = of_this
            .map(|fault| {
                // Cedar's spans are trusted, but slicing by a wrong one would panic.
                let is_inside = source.text.get(fault.span.clone()).is_some();
                let span = if is_inside { fault.span.clone() } else { 0..0 };
                let drawn = Fault::at(span, fault.message.clone()).label(fault.label.clone());
                match &fault.help {
                    Some(help) => drawn.help(help.clone()),
                    None => drawn,
                }
            })
            .collect();
        if !drawn.is_empty() {
            reader.problems_of_another(ConfigProblems::new(&source.file, &source.text, drawn));
        }
    }
}
