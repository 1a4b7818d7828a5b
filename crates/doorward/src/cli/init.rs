//! `doorward init`: a commented configuration to start from.

use std::{
    fs::OpenOptions,
    io::ErrorKind,
    io::Write as _,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Place, workplace::DEFAULT_CONFIG};
use crate::{
    config,
    exit::{Answer, Failure},
    output,
};

/// Write a commented doorward.toml
#[derive(Debug, Args)]
pub(super) struct Init {
    /// File to write [default: doorward.toml]
    file: Option<PathBuf>,
}

impl Init {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let path = self.file.or_else(|| place.config.clone());
        let path = path.unwrap_or_else(|| PathBuf::from(DEFAULT_CONFIG));
        let file = path.display();
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&path)
            .and_then(|mut handle| handle.write_all(config::TEMPLATE.as_bytes()));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::configuration(format!("{file} is already there"))
                .hint("nothing was changed; name another file: `doorward init FILE`"),
            _ => Failure::configuration(format!("cannot write {file}: {error}"))
                .hint("check the folder and its permissions"),
        })?;
        if place.json {
            output::json(&serde_json::json!({ "written": path }));
        } else {
            let named = if path == Path::new(DEFAULT_CONFIG) {
                String::new()
            } else {
                format!(" --config {file}")
            };
            output::note(format!(
                "wrote {file}\nnext: edit it, then `doorward config check{named}` and \
                 `doorward up{named} --upstream URL`"
            ));
        }
        Ok(Answer::Yes)
    }
}
