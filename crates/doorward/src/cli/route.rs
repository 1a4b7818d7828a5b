//! `doorward route`: what the configuration opens, and to whom.
//!
//! Read from the file, so it needs no server and no data folder.

mod allow;
mod check;
mod diff;
mod list;

use std::path::PathBuf;

use clap::Subcommand;

use super::{Place, Workplace};
use crate::{
    config::Config,
    exit::{Answer, Failure},
};

/// Look at the routes of the configuration, and open more
#[derive(Debug, Subcommand)]
pub(super) enum Route {
    /// List what is open, and to whom
    List(list::List),
    /// Say what would become of a request, by the configuration alone
    Check(check::Check),
    /// Open a route: adds it to the configuration
    Allow(allow::Allow),
    /// Compare with an OpenAPI description; exit 1 if they differ
    Diff(diff::Diff),
}

impl Route {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        match self {
            Self::List(list) => list.run(place),
            Self::Check(check) => check.run(place),
            Self::Allow(allow) => allow.run(place),
            Self::Diff(diff) => diff.run(place),
        }
    }
}

/// The configuration that `place` means, and where it is written.
pub(super) fn config(place: &Place) -> Result<(PathBuf, Config), Failure> {
    let file = Workplace::config_file(place)?.ok_or_else(|| {
        Failure::configuration("there is no configuration file, so every path is closed")
            .hint("write one with `doorward init`, or name it with --config")
    })?;
    match Config::load(&file) {
        Ok(config) => Ok((file, config)),
        Err(problems) => Err(Workplace::broken_config(&file, &problems)),
    }
}
