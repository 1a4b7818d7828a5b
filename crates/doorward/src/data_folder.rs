//! The data folder: the database, the master key and what the last `up` left
//! for the other commands.
//!
//! The folder is 0700 and every file in it 0600: it holds the keys to
//! everything. Files are replaced by rename, so that a crash leaves the old
//! or the new content and never half of one.

use std::{
    collections::BTreeMap,
    fs, io,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{exit::Failure, up::Given};

/// A folder with Doorward's state.
#[derive(Clone, Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
}

/// What the last `up` on this folder used. Commands that run without a server
/// need it to name the same issuer and to find the same configuration.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LastUp {
    /// Origin of the gateway, for example `http://127.0.0.1:4180`.
    pub(crate) gateway: String,
    /// Origin of the admin listener.
    pub(crate) admin: String,
    /// `iss` of the tokens.
    pub(crate) issuer: String,
    /// `aud` of the tokens.
    pub(crate) audience: String,
    /// Seconds that an access token lives.
    pub(crate) access_lifetime: u64,
    /// Whether they may name permissions by numbers.
    #[serde(default)]
    pub(crate) numbered_permissions: bool,
    /// Largest access token, bytes; the usual if an older program wrote this.
    #[serde(default)]
    pub(crate) max_token_bytes: Option<usize>,
    /// Attributes of users by the claims of tokens that hold them.
    #[serde(default)]
    pub(crate) claims: BTreeMap<String, String>,
    /// The same in tokens of earlier runs that may still be out; `None` when that
    /// is not known, or an older program wrote this.
    #[serde(default)]
    pub(crate) earlier_claims: Option<BTreeMap<String, String>>,
    /// Most sessions of one user; the usual if an older program wrote this.
    #[serde(default)]
    pub(crate) sessions_per_user: Option<u32>,
    /// Whether the issuer is in another process: this folder has none of its
    /// secrets.
    #[serde(default)]
    pub(crate) issuer_elsewhere: bool,
    /// The configuration file, absolute.
    pub(crate) config: Option<PathBuf>,
    /// The PostgreSQL server with the state, without a password; none for the
    /// database of this folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<String>,
    /// What each role gave in tokens that may still be out; `None` when that
    /// is not known.
    #[serde(default)]
    pub(crate) roles: Option<Given>,
}

/// Who can sign in to the demo, with the passwords that were made for it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DemoUsers {
    pub(crate) users: Vec<DemoUser>,
}

/// One demo identity.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DemoUser {
    pub(crate) username: String,
    pub(crate) password: String,
    pub(crate) tenant: String,
    pub(crate) roles: Vec<String>,
}

impl DataFolder {
    /// The folder at `path`, which may come later: [`DataFolder::make`] makes
    /// it once everything else is known to be good.
    pub(crate) fn planned(path: &Path) -> Result<Self, Failure> {
        match fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self {
                path: path.to_owned(),
            }),
            _ => Self::open(path),
        }
    }

    /// Makes the folder if it is not there.
    pub(crate) fn make(&self) -> Result<(), Failure> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|error| cannot("create", &self.path, &error))?;
        // Somebody else may have been quicker, with another mode.
        Self::open(&self.path).map(drop)
    }

    /// The folder at `path`, which must be there.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let metadata = fs::metadata(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Failure::configuration(format!("there is no data folder at {}", path.display()))
                    .hint("start with `doorward up`, or name the folder with --data")
            }
            _ => cannot("open", path, &error),
        })?;
        if !metadata.is_dir() {
            return Err(
                Failure::configuration(format!("{} is not a folder", path.display()))
                    .hint("name a folder with --data"),
            );
        }
        if metadata.permissions().mode() & 0o077 != 0 {
            return Err(Failure::configuration(format!(
                "{} can be read by other users of this machine",
                path.display()
            ))
            .hint(format!("chmod 700 {}", path.display())));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path.join("doorward.db")
    }

    pub(crate) fn master_key(&self) -> PathBuf {
        self.path.join("master.key")
    }

    pub(crate) fn demo_users(&self) -> PathBuf {
        self.path.join("demo.json")
    }

    pub(crate) fn demo_config(&self) -> PathBuf {
        self.path.join("demo.toml")
    }

    pub(crate) fn demo_log(&self) -> PathBuf {
        self.path.join("demo-api.log")
    }

    pub(crate) fn last_up(&self) -> PathBuf {
        self.path.join("last-up.json")
    }

    pub(crate) fn login(&self) -> PathBuf {
        self.path.join("login.json")
    }

    /// Keys of an issuer in another process, as they were fetched.
    pub(crate) fn issuer_keys(&self) -> PathBuf {
        self.path.join("issuer-keys.json")
    }

    /// Revocations of that issuer, signed as they came.
    pub(crate) fn issuer_revocations(&self) -> PathBuf {
        self.path.join("issuer-revocations")
    }

    pub(crate) fn operator_token(&self) -> PathBuf {
        self.path.join("operator.token")
    }

    /// Opens the numbers and nothing else.
    pub(crate) fn metrics_token(&self) -> PathBuf {
        self.path.join("metrics.token")
    }

    /// Signs what the APIs behind the gateway are told of callers.
    pub(crate) fn internal_key(&self) -> PathBuf {
        self.path.join("internal.pem")
    }

    /// Reads a JSON file of the folder; `None` if it is not there.
    pub(crate) fn read_json<T: DeserializeOwned>(&self, file: &Path) -> Result<Option<T>, Failure> {
        let Some(text) = self.read(file)? else {
            return Ok(None);
        };
        match serde_json::from_str(&text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => Err(damaged(file, &error.to_string())),
        }
    }

    /// Reads a text file of the folder; `None` if it is not there.
    pub(crate) fn read(&self, file: &Path) -> Result<Option<String>, Failure> {
        match fs::read_to_string(file) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                Err(damaged(file, "it is not text"))
            }
            Err(error) => Err(cannot("read", file, &error)),
        }
    }

    /// Writes a JSON file of the folder, whole or not at all.
    pub(crate) fn write_json<T: Serialize>(&self, file: &Path, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(value)
            .map_err(|error| Failure::configuration(format!("{error}")))?;
        self.write(file, &format!("{text}\n"))
    }

    /// Writes a text file of the folder, whole or not at all.
    pub(crate) fn write(&self, file: &Path, text: &str) -> Result<(), Failure> {
        let fresh = unfinished(file);
        let written = fs::remove_file(&fresh)
            .or_else(|error| match error.kind() {
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(error),
            })
            .and_then(|()| {
                fs::OpenOptions::new()
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(&fresh)
            })
            .and_then(|mut handle| {
                handle.write_all(text.as_bytes())?;
                handle.sync_all()
            })
            .and_then(|()| fs::rename(&fresh, file));
        written.map_err(|error| {
            // Best effort: what could not be written may not be removable.
            let _ = fs::remove_file(&fresh);
            cannot("write", file, &error)
        })
    }
}

/// A file that holds something else than Doorward wrote, and which command
/// writes it anew.
fn damaged(file: &Path, why: &str) -> Failure {
    let again = match file.file_name().and_then(|name| name.to_str()) {
        Some("login.json") => "`doorward login USER` writes it again",
        Some("demo.json") => "`doorward up --demo` gives its users new passwords",
        _ => "`doorward up` writes it again",
    };
    Failure::configuration(format!("{} is damaged: {why}", file.display()))
        .hint(format!("delete it; {again}"))
}

/// Where a file is written before it takes its name. Several processes may
/// write the same one.
fn unfinished(file: &Path) -> PathBuf {
    file.with_extension(format!("{}.new", std::process::id()))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::configuration(format!("cannot {what} {}: {error}", path.display()))
        .hint("check the path, its owner and the free space, or choose another folder with --data")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{fs, os::unix::fs::PermissionsExt, path::Path};

    use super::DataFolder;

    fn made(path: &Path) -> DataFolder {
        let folder = DataFolder::planned(path).unwrap();
        assert!(!path.exists(), "a plan makes nothing");
        folder.make().unwrap();
        folder
    }

    #[test]
    fn sec_017_folder_and_files_are_private() {
        let place = tempfile::tempdir().unwrap();
        let folder = made(&place.path().join("a/b"));
        folder.write(&folder.login(), "secret").unwrap();
        let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path().to_owned()), 0o700);
        assert_eq!(mode(folder.login()), 0o600);
    }

    #[test]
    fn sec_017_a_planted_link_is_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let folder = made(&place.path().join("data"));
        let victim = place.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        std::os::unix::fs::symlink(&victim, super::unfinished(&folder.login())).unwrap();
        folder.write(&folder.login(), "secret").unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
    }

    #[test]
    fn a_missing_folder_says_how_to_begin() {
        let place = tempfile::tempdir().unwrap();
        let failure = DataFolder::open(&place.path().join("nothing")).unwrap_err();
        assert!(failure.hint.unwrap().contains("doorward up"));
    }

    #[test]
    fn a_folder_open_to_others_is_refused() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let failure = DataFolder::open(place.path()).unwrap_err();
        assert!(failure.hint.unwrap().starts_with("chmod 700"));
    }
}
