//! `doorward backup`: the state in one file, taken while a server runs.
//!
//! The master key is not in it: whoever finds the file opens nothing with it,
//! and whoever wants to put it back needs the `master.key` of today.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use clap::Args;
use doorward_issuer::AdminError;
use serde_json::json;

use super::{Place, Workplace, workplace::CommandError};
use crate::{
    exit::{Answer, Failure},
    output,
    paint::safe,
};

/// Copy the state into a file, while a server runs
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write, which must not be there
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Backup {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        let file = self.file.as_path();
        let name = file.to_str().ok_or_else(|| {
            Failure::usage("the name of the file is not UTF-8").hint("choose another name")
        })?;
        if workplace.last_up.database.is_some() {
            return Err(CommandError::from(AdminError::BackedUpElsewhere).into());
        }
        make(file)?;
        let backed_up = workplace.with_issuer(async |issuer| {
            issuer.admin().back_up_to(name).await?;
            Ok(Answer::Yes)
        });
        if let Err(failure) = backed_up {
            // Best effort: an unfinished copy is of no use to anybody.
            let _ = fs::remove_file(file);
            return Err(failure);
        }
        let bytes = kept(file).map_err(|error| cannot("write", file, &error))?;
        if place.json {
            output::json(&json!({ "file": name, "bytes": bytes }));
        } else {
            let key = workplace.folder.master_key();
            output::note(safe(&format!(
                "wrote {name}, {bytes} bytes; it opens with {} only: keep that elsewhere",
                key.display()
            )));
        }
        Ok(Answer::Yes)
    }
}

/// An empty file that only its owner reads, where there was none.
pub(super) fn make(file: &Path) -> Result<(), Failure> {
    let made = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file);
    made.map(drop)
        .map_err(|error| cannot("create", file, &error))
}

/// Whole on the disk before anybody is told; its size.
pub(super) fn kept(file: &Path) -> std::io::Result<u64> {
    let written = fs::File::open(file)?;
    written.sync_all()?;
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    fs::File::open(folder.unwrap_or(Path::new(".")))?.sync_all()?;
    Ok(written.metadata()?.len())
}

pub(super) fn cannot(what: &str, file: &Path, error: &std::io::Error) -> Failure {
    Failure::usage(format!("cannot {what} {}: {error}", file.display()))
        .hint("check the path, its owner and the free space")
}
