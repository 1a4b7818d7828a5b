//! Which master keys open what is restored.
//!
//! A backup opens with the master keys of its time. It may not know the present
//! one, and it does not know which of its own were retired since, maybe because
//! they leaked (KEY-021): so what is restored opens with the key of this folder,
//! and with nothing else.

use std::{path::Path, sync::Arc};

use arc_swap::ArcSwap;
use doorward_issuer::{Database, Fingerprint, Issuer, MasterKey, OpenError};
use doorward_policy::role::Roles;

use crate::{
    cli::{
        Workplace,
        workplace::{
            CommandError, key_file_failure, keys_beside, open_failure, open_issuer, open_with,
        },
    },
    exit::Failure,
};

/// Opens the copy with the key of this folder. One that is older than this key
/// is opened with the key of its time first, and learns this one.
pub(super) async fn open_copy(
    workplace: &Workplace,
    copy: &Path,
    roles: &Arc<ArcSwap<Roles>>,
) -> Result<Issuer, Failure> {
    let (folder, last_up) = (&workplace.folder, &workplace.last_up);
    let database = Database::Sqlite(copy.to_owned());
    let failed = |error: OpenError| open_failure(&error, folder, &database);
    let open = || open_issuer(folder, database.clone(), last_up, roles);
    if !database.is_in_use().await.map_err(failed)? {
        return Err(Failure::usage("the backup is empty")
            .hint("name the file that `doorward backup` wrote; nothing was changed"));
    }
    let key = || MasterKey::read(&folder.master_key()).map_err(|error| key_file_failure(&error));
    let (Some(ours), Some(added)) = (key()?, key()?) else {
        return open().await;
    };
    match open_with(ours, database.clone(), last_up, roles).await {
        Err(OpenError::WrongMasterKey { opens, .. }) => {
            let before = open_with_key_of_then(workplace, &database, roles, &opens).await?;
            let outcome = before.admin().add_master_key(&added).await;
            before.close().await;
            outcome.map_err(CommandError::from)?;
            open().await
        }
        opened => opened.map_err(failed),
    }
}

/// Opens the copy with a key that lies beside ours and fits.
async fn open_with_key_of_then(
    workplace: &Workplace,
    database: &Database,
    roles: &Arc<ArcSwap<Roles>>,
    opens: &[Fingerprint],
) -> Result<Issuer, Failure> {
    let (folder, last_up) = (&workplace.folder, &workplace.last_up);
    for (_, key) in keys_beside(folder, opens) {
        match open_with(key, database.clone(), last_up, roles).await {
            Err(OpenError::WrongMasterKey { .. }) => {}
            opened => return opened.map_err(|error| open_failure(&error, folder, database)),
        }
    }
    Err(no_key_of_then(&folder.master_key(), opens))
}

fn no_key_of_then(file: &Path, opens: &[Fingerprint]) -> Failure {
    let (key, place) = match opens {
        [] => {
            let place = format!("{}.before", file.display());
            ("a master key of before the change".to_owned(), place)
        }
        [first, ..] => {
            let names: Vec<_> = opens.iter().map(ToString::to_string).collect();
            let place = MasterKey::kept_file(file, *first).display().to_string();
            (format!("the master key {}", names.join(" or ")), place)
        }
    };
    Failure::configuration(format!(
        "the backup opens with {key}, which is not in this folder"
    ))
    .hint(format!(
        "put it back as {place}, with mode 0600; nothing was changed"
    ))
}

/// Has the restored state open with the key of this folder and with nothing
/// else; those that it opened with.
pub(super) async fn only_ours(restored: &Issuer) -> Result<Vec<Fingerprint>, CommandError> {
    let admin = restored.admin();
    let mut retired = Vec::new();
    for key in admin.master_keys().await? {
        if !key.is_ours && key.opens && admin.retire_master_key(key.fingerprint).await? {
            retired.push(key.fingerprint);
        }
    }
    Ok(retired)
}

/// The keys other than ours that open what the database server restored.
pub(super) async fn others(issuer: &Issuer) -> Result<Vec<Fingerprint>, CommandError> {
    let keys = issuer.admin().master_keys().await?.into_iter();
    let others = keys.filter(|key| key.opens && !key.is_ours);
    Ok(others.map(|key| key.fingerprint).collect())
}
