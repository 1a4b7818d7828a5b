//! `doorward init`: a configuration to start from: the commented one, or one that is
//! made of an OpenAPI description.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::{Value, json};

use super::{Place, workplace::DEFAULT_CONFIG};
use crate::{
    config,
    exit::{Answer, Failure},
    openapi::{Description, Operation, proposal::Proposal},
    output,
};

/// Write a commented doorward.toml, or one for an OpenAPI description
#[derive(Debug, Args)]
pub(super) struct Init {
    /// File to write [default: doorward.toml]
    file: Option<PathBuf>,
    /// Propose routes, permissions and roles from this description (OpenAPI 3.0 or 3.1, JSON or
    /// YAML)
    #[arg(long, value_name = "FILE")]
    openapi: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let path = self.file.or_else(|| place.config.clone());
        let path = path.unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
        let proposal = match &self.openapi {
            Some(openapi) => {
                let description = Description::load(openapi)?;
                Some(Proposal::of(&description, openapi, None)?)
            }
            None => None,
        };
        let text = proposal.as_ref().map_or(config::TEMPLATE, |it| &it.text);
        write_new(&path, text)?;
        if place.json {
            output::json(&as_json(&path, proposal.as_ref()));
            return Ok(Answer::Yes);
        }
        let file = path.display();
        let named = if path == Path::new(DEFAULT_CONFIG) {
            String::new()
        } else {
            format!(" --config {file}")
        };
        output::note(match &proposal {
            Some(proposal) => wrote(&path, proposal),
            None => format!("wrote {file}"),
        });
        output::note(format!(
            "next: edit it, then `doorward config check{named}` and \
             `doorward up{named} --upstream URL`"
        ));
        Ok(Answer::Yes)
    }
}

/// Writes a file that is not there yet.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let file = path.display();
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .and_then(|mut handle| handle.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => already_there(path, "name another file: `doorward init FILE`"),
        _ => Failure::configuration(format!("cannot write {file}: {error}"))
            .hint("check the folder and its permissions"),
    })
}

/// For a file that must not be overwritten, and what may be done instead.
pub(super) fn already_there(path: &Path, instead: &str) -> Failure {
    Failure::configuration(format!("{} is already there", path.display()))
        .hint(format!("nothing was changed; {instead}"))
}

/// What a person reads after `proposal` was written to `path`.
pub(super) fn wrote(path: &Path, proposal: &Proposal) -> String {
    let (file, routes) = (path.display(), proposal.routes);
    let s = if routes == 1 { "" } else { "s" };
    format!("wrote {file}: {routes} route{s}\n{}", proposal.remarks())
}

fn as_json(path: &Path, proposal: Option<&Proposal>) -> Value {
    let Some(proposal) = proposal else {
        return json!({ "written": path });
    };
    let named =
        |operation: &Operation| json!({ "method": operation.method, "path": operation.path });
    let left_out = proposal.left_out.iter().map(|(operation, why)| {
        json!({ "method": operation.method, "path": operation.path, "why": why })
    });
    json!({
        "written": path,
        "routes": proposal.routes,
        "closed": proposal.closed.iter().map(named).collect::<Vec<_>>(),
        "left_out": left_out.collect::<Vec<_>>(),
    })
}
