//! What most commands need: the data folder, the settings of the last `up`,
//! the configuration, and the issuer opened on them.
//!
//! Commands work on the database itself, so they need no running server; a
//! running one notices their changes within a second.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use doorward_issuer::{
    AdminError, Database, Fingerprint, Issuer, MasterKey, MasterKeyError, OpenError,
    PermissionForm, StoreError, Surroundings,
    attribute::{AttributeName, ClaimName, TokenClaims},
};
use doorward_issuer::{error::MasterKeyChangeError, password::WeakPassword};
use doorward_policy::role::Roles;

use super::Place;
use crate::{
    config::{self, Config, ConfigProblems, Problem},
    data_folder::{DataFolder, LastUp},
    exit::{Answer, Failure},
    invocation::shell_word,
    output, state_place,
    system::{SystemClock, SystemEntropy},
};

/// Where a `doorward.toml` is looked for when nothing names one.
pub(crate) const DEFAULT_CONFIG: &str = "doorward.toml";

/// The gateway's default address.
pub(crate) const DEFAULT_LISTEN: &str = "127.0.0.1:4180";

/// The admin listener's default address.
pub(crate) const DEFAULT_ADMIN_LISTEN: &str = "127.0.0.1:4181";

/// An opened data folder.
pub(crate) struct Workplace {
    pub(crate) folder: DataFolder,
    pub(crate) last_up: LastUp,
    place: Place,
}

impl Workplace {
    /// Opens the data folder that `place` names, which must be there.
    pub(crate) fn open(place: &Place) -> Result<Self, Failure> {
        let folder = DataFolder::open(&place.data)?;
        let last_up = folder.read_json(&folder.last_up())?.ok_or_else(|| {
            Failure::configuration(format!(
                "{} was never used by `doorward up`",
                folder.path().display()
            ))
            .hint("start with `doorward up`, or name another folder with --data")
        })?;
        Ok(Self {
            folder,
            last_up,
            place: place.clone(),
        })
    }

    /// The configuration file that `place` means: the one it names, that of
    /// the last `up`, or `doorward.toml` here; `None` if there is none.
    pub(crate) fn config_file(place: &Place) -> Result<Option<PathBuf>, Failure> {
        if let Some(file) = &place.config {
            return Ok(Some(file.clone()));
        }
        let last_up = match DataFolder::open(&place.data) {
            Ok(folder) => folder.read_json::<LastUp>(&folder.last_up())?,
            Err(_) => None,
        };
        let here = PathBuf::from(DEFAULT_CONFIG);
        Ok(last_up
            .and_then(|last| last.config)
            .or_else(|| here.exists().then_some(here)))
    }

    /// The roles of the configuration; none without a file.
    pub(crate) fn roles(&self) -> Result<Roles, Failure> {
        match Self::config_file(&self.place)? {
            Some(file) => match Config::load(&file) {
                Ok(config) => Ok(config.roles),
                Err(problems) => Err(Self::broken_config(&file, &problems)),
            },
            None => Ok(Roles::default()),
        }
    }

    /// Shows every problem and names the file.
    pub(crate) fn broken_config(file: &Path, problems: &ConfigProblems) -> Failure {
        let list = problems.problems();
        let failure = match list {
            // No text file at all: that is the whole story.
            [
                Problem {
                    line: None,
                    message,
                    help,
                    ..
                },
            ] => {
                let failure = Failure::configuration(message);
                match help {
                    Some(help) => failure.hint(help),
                    None => failure,
                }
            }
            _ => {
                output::note(format!("{problems}\n"));
                let s = if list.len() == 1 { "" } else { "s" };
                let is_here = |problem: &Problem| problem.file == file.display().to_string();
                let named = match list.iter().all(is_here) {
                    true => file.display().to_string(),
                    false => format!("the configuration of {}", file.display()),
                };
                Failure::configuration(format!("{named} has {} problem{s}", list.len()))
                    .hint("correct the file; nothing was changed")
            }
        };
        failure.problems(list)
    }

    /// Opens the issuer and runs `work` on it.
    pub(crate) fn with_issuer<W>(&self, work: W) -> Result<Answer, Failure>
    where
        W: AsyncFnOnce(Issuer) -> Result<Answer, CommandError>,
    {
        let roles = self.roles()?;
        self.block_on(async {
            let database = state_place::of_last_up(&self.folder, &self.last_up)?;
            let roles = Arc::new(ArcSwap::from_pointee(roles));
            let issuer = open_issuer(&self.folder, database.clone(), &self.last_up, &roles).await?;
            let answer = work(issuer.clone()).await;
            issuer.close().await;
            answer.map_err(|error| match error {
                CommandError::Admin(AdminError::Store(error)) => store_failure(&error, &database),
                error => error.into(),
            })
        })
    }

    /// Runs `work` on a runtime of its own.
    pub(crate) fn block_on<T>(
        &self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        runtime()?.block_on(work)
    }
}

/// A runtime for one command.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::unreachable(format!("cannot start threads: {error}")))
}

/// Opens the issuer of a data folder on `database`.
pub(crate) async fn open_issuer(
    folder: &DataFolder,
    database: Database,
    settings: &LastUp,
    roles: &Arc<ArcSwap<Roles>>,
) -> Result<Issuer, Failure> {
    if settings.issuer_elsewhere {
        return Err(Failure::usage(format!(
            "{} is the folder of a gateway; its issuer is {}",
            folder.path().display(),
            settings.issuer
        ))
        .hint("run this on the issuer's machine, with its data folder in --data"));
    }
    let failed = |error| open_failure(&error, folder, &database);
    let is_in_use = database.is_in_use().await.map_err(failed)?;
    still_there(folder, &database, is_in_use)?;
    let sealed = is_in_use.then_some(&database);
    let master_key = MasterKey::open_or_create(&folder.master_key(), sealed, &SystemEntropy)
        .map_err(|error| key_failure(&error, &database))?;
    open_with(master_key, database.clone(), settings, roles)
        .await
        .map_err(failed)
}

/// Opens the issuer on `database` with a master key.
pub(super) async fn open_with(
    master_key: MasterKey,
    database: Database,
    settings: &LastUp,
    roles: &Arc<ArcSwap<Roles>>,
) -> Result<Issuer, OpenError> {
    let mut config = doorward_issuer::Config::new(&settings.issuer, &settings.audience);
    config.access_token_lifetime = settings.access_lifetime;
    if settings.numbered_permissions {
        config.permissions = PermissionForm::Numbers;
    }
    config.max_token_bytes = settings.max_token_bytes.unwrap_or(config.max_token_bytes);
    config.claims = claims_of(settings)?;
    config.sessions_per_user = settings
        .sessions_per_user
        .unwrap_or(config.sessions_per_user);
    let surroundings = Surroundings {
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        roles: Arc::clone(roles),
    };
    Issuer::open(database, master_key, config, surroundings).await
}

/// Looked at once more: the file is not what was checked when it was read.
fn claims_of(settings: &LastUp) -> Result<TokenClaims, OpenError> {
    let refused = |why: String| {
        let correct = "correct [tokens.claims] and start with `doorward up`";
        OpenError::Config(format!("last-up.json: {why}; {correct}"))
    };
    let mut claims = TokenClaims::default();
    for (claim, attribute) in &settings.claims {
        let claim = ClaimName::parse(claim).map_err(|error| refused(error.to_string()))?;
        let attribute = AttributeName::parse(attribute);
        let attribute = attribute.map_err(|error| refused(error.to_string()))?;
        claims.add(claim, attribute);
    }
    Ok(claims)
}

/// Refuses to begin anew where a database was: users and revocations would be
/// gone without a word. A folder that was served once has a database with
/// content, because `last-up.json` is written after it.
fn still_there(folder: &DataFolder, database: &Database, is_in_use: bool) -> Result<(), Failure> {
    if is_in_use || !folder.last_up().exists() {
        return Ok(());
    }
    let lost = match database {
        Database::Sqlite(path) if !path.exists() => "is missing",
        _ => "is empty",
    };
    Err(Failure::configuration(format!(
        "{database} {lost}, and {} has been in use",
        folder.path().display()
    ))
    .hint("put the database back from a backup, or begin anew in another folder with --data"))
}

/// An issuer that cannot be opened.
pub(super) fn open_failure(error: &OpenError, folder: &DataFolder, database: &Database) -> Failure {
    let failure = Failure::configuration(error.to_string());
    match error {
        OpenError::Store(error) => store_failure(error, database),
        OpenError::WrongMasterKey { fingerprint, opens }
        | OpenError::RetiredMasterKey { fingerprint, opens } => {
            match (&keys_beside(folder, opens)[..], &opens[..]) {
                ([], []) => failure,
                ([], _) => failure.hint(
                    "`doorward secret status` on a node that starts shows which key it has; copy \
                     its master.key, with mode 0600",
                ),
                (found, []) => failure.hint(format!(
                    "a database of before the master key was changed opens with the key of then: \
                     see whether it is {}",
                    found
                        .iter()
                        .map(|(file, _)| file.display().to_string())
                        .collect::<Vec<_>>()
                        .join(" or ")
                )),
                ([(found, _), ..], _) => {
                    failure.hint(in_its_place(found, &folder.master_key(), *fingerprint))
                }
            }
        }
        _ => failure,
    }
}

/// How to put the key of `found` in the place of `file`, which holds another
/// one and may be the only one that does.
fn in_its_place(found: &Path, file: &Path, present: Fingerprint) -> String {
    let kept = MasterKey::kept_file(file, present);
    let copy = |from: &Path, to: &Path| format!("cp -p {} {}", shell_word(from), shell_word(to));
    let keep = match kept.exists() {
        true => String::new(),
        false => format!("{} && ", copy(file, &kept)),
    };
    format!(
        "it is in {}; run: {keep}{}",
        found.display(),
        copy(found, file)
    )
}

/// The master keys in the folder, beside the one in use, that may open what
/// `opens` do: that of an unfinished change, and those of before. All of them,
/// where nothing says which do.
pub(super) fn keys_beside(folder: &DataFolder, opens: &[Fingerprint]) -> Vec<(PathBuf, MasterKey)> {
    let files = MasterKey::files_beside(&folder.master_key()).unwrap_or_default();
    let keys = files.into_iter().filter_map(|file| {
        let key = MasterKey::read(&file).ok().flatten()?;
        Some((file, key))
    });
    keys.filter(|(_, key)| opens.is_empty() || opens.contains(&key.fingerprint()))
        .collect()
}

/// A file of a master key that cannot be used.
pub(super) fn key_file_failure(error: &MasterKeyError) -> Failure {
    let message = error.to_string();
    match error {
        MasterKeyError::Busy { .. } => Failure::unreachable(message),
        MasterKeyError::File { .. } => Failure::configuration(message)
            .hint("check the permissions of the data folder and the free space, then try again"),
        _ => Failure::configuration(message),
    }
}

/// A master key that cannot be used to open the database.
fn key_failure(error: &MasterKeyError, database: &Database) -> Failure {
    let failure = Failure::configuration(error.to_string());
    match (error, database) {
        (MasterKeyError::Missing { path, .. }, Database::Postgres(_)) => failure.hint(format!(
            "every node has the same one: copy it from the data folder of the first to {}, \
             with mode 0600",
            path.display()
        )),
        _ => failure,
    }
}

fn store_failure(error: &StoreError, database: &Database) -> Failure {
    let message = error.to_string();
    let is_server = matches!(database, Database::Postgres(_));
    match error {
        StoreError::Corrupt(_) if is_server => {
            Failure::configuration(message).hint(format!("restore {database} from a backup"))
        }
        StoreError::Corrupt(_) => {
            Failure::configuration(message).hint("restore doorward.db from a backup")
        }
        _ if is_server => Failure::unreachable(message).hint(format!(
            "see whether {database} answers and lets this user in; a password comes from \
             PGPASSWORD, ~/.pgpass or DOORWARD_DATABASE"
        )),
        _ => Failure::unreachable(message).hint(
            "check the free space and the permissions of the data folder, then try again; \
             nothing was changed",
        ),
    }
}

/// What can go wrong inside a command that changes the store.
pub(crate) enum CommandError {
    Admin(AdminError),
    Failure(Failure),
}

impl From<AdminError> for CommandError {
    fn from(error: AdminError) -> Self {
        Self::Admin(error)
    }
}

impl From<Failure> for CommandError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<CommandError> for Failure {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::Failure(failure) => failure,
            CommandError::Admin(error) => admin_failure(&error),
        }
    }
}

/// An administrative error with its blame and what to do.
fn admin_failure(error: &AdminError) -> Failure {
    let message = error.to_string();
    match error {
        AdminError::Store(_) => Failure::unreachable(message),
        AdminError::NoSuchUser(_) => {
            Failure::usage(message).hint("`doorward user list` shows who there is")
        }
        AdminError::UserExists(name) => Failure::usage(message).hint(format!(
            "nothing was changed; `doorward user password {name}` sets a new password"
        )),
        AdminError::NoSuchClient(_) => {
            Failure::usage(message).hint("`doorward client list` shows which there are")
        }
        AdminError::ClientExists(name) => Failure::usage(message).hint(format!(
            "nothing was changed; `doorward client secret rotate {name}` makes a new secret"
        )),
        AdminError::NoSuchApiKey(_) => {
            Failure::usage(message).hint("`doorward apikey list` shows which there are")
        }
        AdminError::ApiKey(_) => Failure::usage(message).hint("nothing was made"),
        AdminError::SecretsOverlap { .. } => {
            Failure::usage(message).hint("nothing was changed; --now ends every older secret")
        }
        AdminError::BackedUpElsewhere => Failure::usage(message).hint(
            "run pg_dump on it, and keep master.key of this folder beside the dump; after \
             pg_restore, `doorward restore` begins a new epoch",
        ),
        AdminError::TenantExists(_) => Failure::usage(message).hint("nothing was changed"),
        AdminError::UserDisabled(name) => Failure::usage(message)
            .hint(format!("`doorward user enable {name}` lets them in again")),
        AdminError::NotAMember { user, tenant } => Failure::usage(message).hint(format!(
            "`doorward role grant {user} ROLE --tenant {tenant}` lets them in; \
             `doorward role list {user}` shows what they hold"
        )),
        AdminError::UnknownRole(unknown) => {
            Failure::usage(message).hint(role_hint(&unknown.role, &unknown.known))
        }
        AdminError::MasterKey(change) => Failure::usage(message).hint(match change {
            MasterKeyChangeError::Retired(_) => {
                "nothing was changed; if it is in master.key.next, delete that file and try again"
            }
            MasterKeyChangeError::OursRetired(_) => {
                "nothing was changed; copy the master.key of a node that starts, with mode 0600, \
                 and leave master.key.next where it is"
            }
            _ => "nothing was changed; `doorward secret status` shows which there are",
        }),
        AdminError::WeakPassword(weak) => weak_password(weak),
        AdminError::Hash(_) | AdminError::Key(_) => Failure::internal(message),
        _ => Failure::usage(message),
    }
}

/// A refusal of the password that was chosen.
pub(super) fn weak_password(weak: &WeakPassword) -> Failure {
    let advice = match weak {
        // It is in the message already.
        WeakPassword::TooShort => "",
        _ => "; a few unrelated words do well",
    };
    Failure::usage(format!("the password is {weak}")).hint(format!("nothing was changed{advice}"))
}

/// What somebody who wrote `role` may have meant.
pub(crate) fn role_hint(role: &str, known: &[String]) -> String {
    match config::suggest(role, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None if known.is_empty() => "the configuration defines no roles".to_owned(),
        None => format!("the configuration defines: {}", known.join(", ")),
    }
}

/// `name` cleaned for a message about it.
pub(crate) fn shown(name: impl Display) -> String {
    crate::paint::safe(&name.to_string())
}
