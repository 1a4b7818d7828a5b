//! `doorward route`: what the configuration opens, and to whom.
//!
//! Read from the file, so it needs no server and no data folder.

mod list;

use std::path::PathBuf;

use clap::Subcommand;

use super::{Place, Workplace};
use crate::{
    config::Config,
    exit::{Answer, Failure},
};

/// Look at the routes of the configuration
#[derive(Debug, Subcommand)]
pub(super) enum Route {
    /// List what is open, and to whom
    List(list::List),
}

impl Route {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        match self {
            Self::List(list) => list.run(place),
        }
    }
}

/// The configuration that `place` means, and where it is written.
fn config(place: &Place) -> Result<(PathBuf, Config), Failure> {
    let file = Workplace::config_file(place)?.ok_or_else(|| {
        Failure::configuration("there is no configuration file, so every path is closed")
            .hint("write one with `doorward init`, or name it with --config")
    })?;
    match Config::load(&file) {
        Ok(config) => Ok((file, config)),
        Err(problems) => Err(Workplace::broken_config(&file, &problems)),
    }
}
