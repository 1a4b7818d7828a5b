//! `doorward secret`: the master key, changed while servers run.
//!
//! The database opens with every master key that has a row in it. A change adds
//! the new key's row, and then puts the new file in the place of the old one:
//! whenever it is cut short, `master.key` opens the database, and the same
//! command ends what was begun. The old row is taken away by a command of its
//! own, because every node must have the new file first.

use clap::{Args, Subcommand};
use doorward_attack::report::rfc3339;
use doorward_issuer::{Fingerprint, Issuer, KeyFileChange, MasterKey, admin::MasterKeyInfo};
use doorward_verify::jose::time::UnixTime;
use serde_json::json;

use super::{
    Place, Workplace, table,
    workplace::{CommandError, key_file_failure},
};
use crate::{
    data_folder::DataFolder,
    exit::{Answer, Failure},
    output,
    paint::safe,
    system::SystemEntropy,
};

/// Change the master key
#[derive(Debug, Subcommand)]
pub(super) enum Secret {
    /// Make a new master key; the one before opens the database until it is retired
    Rotate,
    /// Show which master keys open the database, and which is this folder's
    Status,
    /// Have a master key open the database no more
    Retire(Retire),
}

/// Have a master key open the database no more
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Retire {
    /// Its fingerprint, as in `secret status`
    #[arg(value_name = "FINGERPRINT")]
    fingerprint: Option<Fingerprint>,

    /// Every one that is older than this folder's
    #[arg(long)]
    old: bool,
}

impl Secret {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        match self {
            Self::Rotate => rotate(place, &workplace),
            Self::Status => workplace
                .with_issuer(async |issuer| status(place, &workplace.folder, &issuer).await),
            Self::Retire(retire) => {
                workplace.with_issuer(async |issuer| retire.run(place, &workplace, &issuer).await)
            }
        }
    }
}

/// Each step is on the disk before the next begins; see [`KeyFileChange`].
fn rotate(place: &Place, workplace: &Workplace) -> Result<Answer, Failure> {
    let file = workplace.folder.master_key();
    let failed = |error| key_file_failure(&error);
    // Before the database is opened, so that the key that opens it stays that
    // of the file.
    let change = KeyFileChange::begin(&file).map_err(failed)?;
    let is_resumed = MasterKey::next_file(&file).exists();
    workplace.with_issuer(async |issuer| {
        let admin = issuer.admin();
        let keys = admin.master_keys().await?;
        let before = keys.iter().find(|key| key.is_ours);
        let before = before.map(|key| key.fingerprint).ok_or_else(|| {
            Failure::internal("the database was opened with a key that it does not know")
        })?;
        let next = change.next(&SystemEntropy).map_err(failed)?;
        let now = next.fingerprint();
        admin.add_master_key(&next).await?;
        let kept = change.take_over(before, now).map_err(failed)?;
        if place.json {
            output::json(&json!({
                "fingerprint": now.to_string(), "file": file, "resumed": is_resumed,
                "before": { "fingerprint": before.to_string(), "file": kept },
            }));
            return Ok(Answer::Yes);
        }
        if is_resumed {
            output::note("a change that was cut short is done now");
        }
        output::note(safe(&format!(
            "the master key is {now}, in {}; the one before is in {}",
            file.display(),
            kept.display()
        )));
        if workplace.last_up.database.is_some() {
            output::note(
                "copy the new master.key to the data folder of every other node, with mode 0600, \
                 and look there with `doorward secret status`; no server has to be restarted",
            );
        }
        output::note(format!(
            "both open the database until `doorward secret retire {before}`"
        ));
        Ok(Answer::Yes)
    })
}

async fn status(
    place: &Place,
    folder: &DataFolder,
    issuer: &Issuer,
) -> Result<Answer, CommandError> {
    let keys = issuer.admin().master_keys().await?;
    let next = MasterKey::next_file(&folder.master_key());
    let unfinished = next.exists().then_some(next);
    if place.json {
        let key = |key: &MasterKeyInfo| {
            json!({
                "fingerprint": key.fingerprint.to_string(), "is_ours": key.is_ours,
                "opens": key.opens, "added_at_ms": key.added_at_ms,
                "retired_at_ms": key.retired_at_ms,
            })
        };
        let keys: Vec<_> = keys.iter().map(key).collect();
        output::json(&json!({ "master_keys": keys, "unfinished": unfinished }));
        return Ok(Answer::Yes);
    }
    let row = |key: &MasterKeyInfo| {
        let since = |at: u64| rfc3339(UnixTime::from_secs(at / 1000));
        let state = match (key.opens, key.is_ours, key.retired_at_ms) {
            (true, true, _) => "opens the database; this folder's".to_owned(),
            (true, false, _) => "opens the database".to_owned(),
            (false, _, Some(at)) => format!("retired {}", since(at)),
            (false, _, None) => "opens nothing".to_owned(),
        };
        [key.fingerprint.to_string(), since(key.added_at_ms), state]
    };
    let rows: Vec<_> = keys.iter().map(row).collect();
    table::print(["MASTER KEY", "SINCE", "STATE"], &rows, "no master keys");
    if let Some(next) = unfinished {
        output::note(safe(&format!(
            "{} is there: a change was cut short; `doorward secret rotate` ends it",
            next.display()
        )));
    }
    Ok(Answer::Yes)
}

impl Retire {
    async fn run(
        &self,
        place: &Place,
        workplace: &Workplace,
        issuer: &Issuer,
    ) -> Result<Answer, CommandError> {
        let admin = issuer.admin();
        let chosen = match self.fingerprint {
            Some(fingerprint) => vec![fingerprint],
            None => older(&admin.master_keys().await?),
        };
        let mut retired = Vec::new();
        for key in chosen {
            if admin.retire_master_key(key).await? {
                retired.push(key);
            }
        }
        if place.json {
            let retired: Vec<_> = retired.iter().map(ToString::to_string).collect();
            output::json(&json!({ "retired": retired }));
            return Ok(Answer::Yes);
        }
        if retired.is_empty() {
            output::note("there was nothing to retire");
        }
        for key in &retired {
            output::note(safe(&retired_note(&workplace.folder, *key)));
        }
        if !retired.is_empty() && workplace.last_up.database.is_some() {
            output::note(
                "what it opened is still in the files of the database server: `VACUUM root_key`, \
                 and let write-ahead logs and base backups of before go",
            );
        }
        Ok(Answer::Yes)
    }
}

/// The file may be on the node where the key was changed, and not here.
fn retired_note(folder: &DataFolder, key: Fingerprint) -> String {
    let kept = MasterKey::kept_file(&folder.master_key(), key);
    let place = match kept.exists() {
        true => format!("in {}", kept.display()),
        false => "which is not in this folder: keep it where it is".to_owned(),
    };
    format!("{key} opens the database no more; backups of before may open with it alone, {place}")
}

/// Those that open the database and came before ours, which is the last of a
/// change that may not be finished.
fn older(keys: &[MasterKeyInfo]) -> Vec<Fingerprint> {
    let before = keys.iter().take_while(|key| !key.is_ours);
    let opening = before.filter(|key| key.opens);
    opening.map(|key| key.fingerprint).collect()
}
