//! `doorward restore`: a backup in the place of the present state.
//!
//! What was revoked since the backup was taken must stay so (KEY-021). Sessions
//! and tokens: every session ends, every access token is refused and every
//! signing key is replaced, because the backup knows too little of them. API
//! keys, clients and disabled users: the present state is asked, if it can be
//! read, and what it ended is ended in the restored one too. Whatever has another
//! secret by now is ended as well: the one in the backup was replaced, maybe
//! because it leaked. Of master keys, only that of this folder opens what is
//! restored. Passwords, second factors, recovery codes and roles are
//! those of the backup, and the operator is told so.
//!
//! The backup is opened, and all of this done to it, beside the present
//! database; only then do the two change places, and the present one is kept.
//! No server may run meanwhile: SQLite removes a database's side files by their
//! names, and one that ends later would remove those of the restored one.

mod master_keys;

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use clap::Args;
use doorward_issuer::{AdminError, Database, Fingerprint, Issuer};
use doorward_policy::role::Roles;
use doorward_verify::clock::Clock as _;
use http::{Request, StatusCode, header};
use serde_json::json;

use self::master_keys::{only_ours, open_copy};
use super::{
    Place, Workplace,
    backup::{cannot, kept, make},
    workplace::{CommandError, open_issuer},
};
use crate::{
    admin_listener::OperatorToken,
    client,
    exit::{Answer, Failure},
    output,
    paint::safe,
    system::SystemClock,
};

/// Put a backup back; API keys, clients and users ended since stay so
#[derive(Debug, Args)]
pub(super) struct Restore {
    /// What `doorward backup` wrote; without it, the state is taken as restored
    /// by the database server's own tools
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What was ended since the backup, and is ended in it too.
#[derive(Default)]
struct Ended {
    /// Whether the present state could be asked.
    is_known: bool,
    api_keys: Vec<String>,
    clients: Vec<String>,
    users: Vec<String>,
    /// Those of `api_keys` and `clients` whose secret was another by then.
    rotated: Vec<String>,
    /// Whatever the present state says of them: all but that of this folder.
    master_keys: Vec<Fingerprint>,
}

impl Restore {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let workplace = Workplace::open(place)?;
        let is_server = workplace.last_up.database.is_some();
        match self.file {
            Some(_) if is_server => Err(Failure::usage(
                "the state of this folder is on a PostgreSQL server",
            )
            .hint("put the dump back with pg_restore, then run `doorward restore` alone")),
            Some(file) => restore(place, &workplace, &file),
            None if is_server => workplace.with_issuer(async |issuer| {
                begin_epoch(&issuer).await?;
                let others = master_keys::others(&issuer).await?;
                told(place, None, &Ended::default(), &others);
                Ok(Answer::Yes)
            }),
            None => Err(Failure::usage("a backup is missing")
                .hint("name the file that `doorward backup` wrote")),
        }
    }
}

fn restore(place: &Place, workplace: &Workplace, file: &Path) -> Result<Answer, Failure> {
    workplace.block_on(refuse_beside_server(workplace))?;
    let present = workplace.folder.database();
    let stamp = SystemClock.now().millis();
    let fresh = present.with_extension(format!("restoring-{stamp}"));
    let kept_as = present.with_extension(format!("before-restore-{stamp}"));
    make(&fresh)?;
    // The copy takes the mode of what it is copied from.
    let copied = fs::copy(file, &fresh)
        .and_then(|_| fs::set_permissions(&fresh, Permissions::from_mode(0o600)))
        .and_then(|()| kept(&fresh));
    let outcome = copied
        .map_err(|error| cannot("copy", file, &error))
        .and_then(|_| workplace.block_on(prepare(workplace, &present, &fresh)))
        .and_then(|ended| {
            exchange(&present, &fresh, &kept_as)?;
            Ok(ended)
        });
    match outcome {
        Ok(ended) => {
            told(place, Some(&kept_as), &ended, &[]);
            Ok(Answer::Yes)
        }
        Err(failure) => {
            // Best effort: nothing was put in the place of the present state.
            for left in files_of(&fresh) {
                let _ = fs::remove_file(left);
            }
            Err(failure)
        }
    }
}

/// Whether the server of this folder runs: it knows the token that lies there.
async fn refuse_beside_server(workplace: &Workplace) -> Result<(), Failure> {
    let folder = &workplace.folder;
    let token = folder.read(&folder.operator_token())?;
    let Some(token) = token.and_then(|text| OperatorToken::parse(text.trim())) else {
        return Ok(());
    };
    let question = format!("{}/api/decisions/last", workplace.last_up.admin);
    let request = Request::get(question)
        .header(header::AUTHORIZATION, token.authorization())
        .body(Bytes::new());
    let Ok(request) = request else {
        return Ok(());
    };
    match client::send(request).await {
        Ok(answer) if answer.status() != StatusCode::UNAUTHORIZED => Err(Failure::usage(
            "a server runs on the state that is to be replaced",
        )
        .hint("stop it, restore, and start it again; nothing was changed")),
        _ => Ok(()),
    }
}

/// Ends in the copy what must not come alive.
async fn prepare(workplace: &Workplace, present: &Path, fresh: &Path) -> Result<Ended, Failure> {
    let roles: Arc<ArcSwap<Roles>> = Arc::new(ArcSwap::from_pointee(workplace.roles()?));
    let open = |path: &Path| {
        let database = Database::Sqlite(path.to_owned());
        let (folder, last_up, roles) = (&workplace.folder, &workplace.last_up, roles.clone());
        async move { open_issuer(folder, database, last_up, &roles).await }
    };
    let restored = open_copy(workplace, fresh, &roles).await?;
    let mut ended = match open(present).await {
        Ok(issuer) => {
            let ended = carry_over(&issuer, &restored).await;
            issuer.close().await;
            ended?
        }
        Err(_) => Ended::default(),
    };
    ended.master_keys = only_ours(&restored).await?;
    let begun = begin_epoch(&restored).await;
    restored.close().await;
    begun?;
    Ok(ended)
}

/// Ends in `restored` what `present` ended.
async fn carry_over(present: &Issuer, restored: &Issuer) -> Result<Ended, CommandError> {
    let (present, admin) = (present.admin(), restored.admin());
    let mut ended = Ended {
        is_known: true,
        ..Ended::default()
    };
    let keys = admin.api_keys().await?;
    for key in present.api_keys().await? {
        let before = keys.iter().find(|before| before.id == key.id);
        let is_rotated = before.is_some_and(|before| before.last_four != key.last_four);
        let is_ended = is_rotated || key.revoked_at_ms.is_some();
        if is_ended && there(admin.revoke_api_key(&key.id).await)? {
            ended.rotated.extend(is_rotated.then(|| key.id.clone()));
            ended.api_keys.push(key.id);
        }
    }
    let clients = present.clients().await?;
    for client in admin.clients().await? {
        let now = clients.iter().find(|now| now.id == client.id);
        let name = client.name.as_str();
        let is_ended = match now {
            None => {
                admin.remove_client(name).await?;
                true
            }
            Some(now) => {
                let is_rotated = now.last_four != client.last_four;
                if is_rotated {
                    ended.rotated.push(name.to_owned());
                }
                (is_rotated || now.disabled_at_ms.is_some()) && admin.disable_client(name).await?
            }
        };
        if is_ended {
            ended.clients.push(name.to_owned());
        }
    }
    let mut page = doorward_issuer::admin::Page::default();
    loop {
        let users = present.users(page.clone()).await?;
        let Some(last) = users.last() else { break };
        page.after = Some(last.username.to_string());
        for user in users.iter().filter(|user| user.disabled_at_ms.is_some()) {
            let name = user.username.as_str();
            if there(admin.disable_user(name).await)? {
                ended.users.push(name.to_owned());
            }
        }
    }
    Ok(ended)
}

/// What came after the backup is not in it, and needs no end.
fn there(outcome: Result<bool, AdminError>) -> Result<bool, AdminError> {
    match outcome {
        Err(AdminError::NoSuchApiKey(_) | AdminError::NoSuchUser(_)) => Ok(false),
        outcome => outcome,
    }
}

async fn begin_epoch(issuer: &Issuer) -> Result<(), CommandError> {
    let begun = issuer.begin_restored_epoch().await;
    Ok(begun.map_err(AdminError::from)?)
}

/// The copy takes the place of the present database, which is kept. The database
/// goes first and its side files before the copy comes: whenever this is cut
/// short, there is no database, and nothing starts.
fn exchange(present: &Path, fresh: &Path, kept_as: &Path) -> Result<(), Failure> {
    for (from, to) in files_of(present).into_iter().zip(files_of(kept_as)) {
        match fs::rename(&from, &to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(cannot("move", &from, &error));
            }
            _ => {}
        }
    }
    fs::rename(fresh, present).map_err(|error| cannot("move", fresh, &error))?;
    kept(present)
        .map(drop)
        .map_err(|error| cannot("write", present, &error))
}

/// A database and the side files that SQLite keeps beside it.
fn files_of(database: &Path) -> [PathBuf; 3] {
    ["", "-wal", "-shm"].map(|end| {
        let mut name = database.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

/// `others` are master keys that open the restored state beside ours.
fn told(place: &Place, kept_as: Option<&Path>, ended: &Ended, others: &[Fingerprint]) {
    let kept = kept_as.map(|path| path.display().to_string());
    let names = |keys: &[Fingerprint]| -> Vec<_> { keys.iter().map(ToString::to_string).collect() };
    let (retired, others) = (names(&ended.master_keys), names(others));
    if place.json {
        output::json(&json!({
            "restored": true, "kept": kept, "present_state_was_read": ended.is_known,
            "ended": { "api_keys": ended.api_keys, "clients": ended.clients, "users": ended.users,
                       "because_of_another_secret": ended.rotated, "master_keys": retired },
            "other_master_keys": others,
        }));
        return;
    }
    output::note("restored; every session ended, every access token is refused, and new keys sign");
    for (what, names) in [
        ("API keys", &ended.api_keys),
        ("clients", &ended.clients),
        ("users", &ended.users),
    ] {
        if !names.is_empty() {
            let names = names.join(", ");
            output::note(safe(&format!(
                "ended or rotated since the backup, and ended here: {what} {names}"
            )));
        }
    }
    if !retired.is_empty() {
        output::note(format!(
            "the backup opened with other master keys, and opens with this folder's alone now: \
             {} retired here",
            retired.join(", ")
        ));
    }
    if !others.is_empty() {
        output::note(format!(
            "other master keys than this folder's open it: {}; whichever was retired since the \
             backup: `doorward secret retire FINGERPRINT`, or `--old` for all before this one",
            others.join(", ")
        ));
    }
    if !ended.rotated.is_empty() {
        let names = ended.rotated.join(", ");
        output::note(safe(&format!(
            "the backup has the secrets from before they were rotated of {names}: give out new API \
             keys; `doorward client secret rotate CLIENT --now`, then `doorward client enable CLIENT`"
        )));
    }
    if !ended.is_known {
        output::note(
            "the state before it could not be asked what it had revoked or rotated: look at \
             `doorward apikey list`, `doorward client list` and `doorward user list`",
        );
    }
    output::note(
        "passwords, second factors, recovery codes and roles are those of the backup: \
         `doorward user reset` and `doorward user reset-second-factor` for whoever changed theirs \
         because it was known; then start the server again",
    );
    if let Some(kept) = kept {
        output::note(safe(&format!("the state before is in {kept}")));
    }
}
