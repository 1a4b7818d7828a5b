//! An OpenAPI description (3.0 and 3.1, JSON or YAML): which operations an API
//! has, and what each asks of its caller.
//!
//! Only that is read. Schemas, examples and servers' hosts mean nothing here,
//! and nothing is ever fetched: a `$ref` into another document is refused where
//! it matters and not looked at elsewhere. What a description says is a proposal
//! ([`proposal`]) or something to compare with ([`coverage`]); it opens nothing
//! by itself.

pub(crate) mod coverage;
mod document;
mod operation;
pub(crate) mod proposal;
mod yaml;

use std::path::Path;

use crate::{bounded_file, exit::Failure, paint::safe};
pub(crate) use operation::{Operation, Protection};

/// Largest description in bytes: several times the largest public ones.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// What is read of a description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Description {
    /// `info.title`.
    pub(crate) title: String,
    /// In the order of their paths.
    pub(crate) operations: Vec<Operation>,
}

/// Why a description cannot be used: what is wrong, and where in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `paths./orders.get.security`, or `line 3`.
    place: String,
    what: String,
}

impl Fault {
    fn new(place: impl Into<String>, what: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            what: what.into(),
        }
    }
}

impl Description {
    /// Reads the file at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let named = path.display();
        let cannot = |error: std::io::Error| {
            Failure::configuration(format!("cannot read {named}: {error}"))
                .hint("name an OpenAPI description, in JSON or YAML")
        };
        let bytes = bounded_file::read(path, MAX_BYTES).map_err(cannot)?;
        Self::parse(&bytes).map_err(|faults| failure(path, &faults))
    }

    /// Reads the text of one.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Vec<Fault>> {
        let document = document::read(bytes).map_err(|fault| vec![fault])?;
        operation::description(&document)
    }
}

/// Most faults that are told; a document with more has one cause.
const MOST_TOLD: usize = 20;

fn failure(path: &Path, faults: &[Fault]) -> Failure {
    let told = faults.iter().take(MOST_TOLD);
    let told = told.map(|fault| format!("\n  {}: {}", safe(&fault.place), safe(&fault.what)));
    let more = match faults.len().saturating_sub(MOST_TOLD) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    let told: String = told.collect();
    let named = path.display();
    Failure::configuration(format!("{named} cannot be used:{told}{more}"))
        .hint("an OpenAPI description of version 3.0 or 3.1, in JSON or YAML, is wanted")
}

#[cfg(test)]
mod tests;
