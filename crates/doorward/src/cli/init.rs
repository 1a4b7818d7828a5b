//! `doorward init`: a commented configuration to start from.

use std::{fs::OpenOptions, io::ErrorKind, io::Write as _, path::PathBuf};

use clap::Args;

use super::Place;
use crate::{
    config,
    exit::{Answer, Failure},
    output,
};

/// Write a commented doorward.toml
#[derive(Debug, Args)]
pub(super) struct Init {
    /// File to write
    #[arg(default_value = "doorward.toml")]
    file: PathBuf,
}

impl Init {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let file = self.file.display();
        let written = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&self.file)
            .and_then(|mut handle| handle.write_all(config::TEMPLATE.as_bytes()));
        written.map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => Failure::configuration(format!("{file} is already there"))
                .hint("nothing was changed; name another file: `doorward init FILE`"),
            _ => Failure::configuration(format!("cannot write {file}: {error}"))
                .hint("check the folder and its permissions"),
        })?;
        if place.json {
            output::json(&serde_json::json!({ "written": self.file }));
        } else {
            output::note(format!(
                "wrote {file}\nnext: edit it, then `doorward config check --config {file}` and \
                 `doorward up --config {file} --upstream URL`"
            ));
        }
        Ok(Answer::Yes)
    }
}
