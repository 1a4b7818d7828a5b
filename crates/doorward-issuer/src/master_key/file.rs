//! The file of the master key: read, or made once, and what is wrong with it.
//!
//! While the key is changed there are others beside it: `change`.

use std::{
    ffi::OsStr,
    fs,
    io::{self, ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::{Fingerprint, MasterKey};
use crate::{
    entropy::{Entropy, random},
    store::Database,
};

/// The key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MasterKeyError {
    /// Other users of the machine can read it.
    #[error("{} can be read by other users of this machine; run: chmod 600 {0}", path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// Not a master key.
    #[error("{} is not a master key: {problem}; put back the file that belongs to this database", path.display())]
    Malformed {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// What should take over is no key, or the present one.
    #[error("{} cannot take over: {problem}; delete it and try again", path.display())]
    NoNext {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
    /// There is a database, but not the key that it is sealed under.
    #[error(
        "{} is missing, and {database} is sealed under it; put back the file that belongs to \
         this database",
        path.display()
    )]
    Missing {
        /// Which file.
        path: PathBuf,
        /// The database.
        database: Box<Database>,
    },
    /// The file changed while the key was changed.
    #[error(
        "{} does not hold the key {expected} any more; look at `doorward secret status`, then \
         try again",
        path.display()
    )]
    Changed {
        /// Which file.
        path: PathBuf,
        /// What it held.
        expected: Fingerprint,
    },
    /// A link, in whose place a new key would come.
    #[error(
        "{} is a symbolic link, and another key would take the place of the link and not of the \
         file that it leads to; put a copy of that file there, change the key, and make the \
         link again to where you keep the new one (nothing was changed)",
        path.display()
    )]
    Linked {
        /// Which file.
        path: PathBuf,
    },
    /// Another process changes the key in the same folder.
    #[error("another process changes the master key in {} now; try again when it is done", folder.display())]
    Busy {
        /// Which folder.
        folder: PathBuf,
    },
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl MasterKey {
    /// Reads the key file, or makes one (mode 0600) if neither it nor a
    /// database that is `in_use` is there ([`Database::is_in_use`]).
    ///
    /// # Errors
    ///
    /// When the file can be read by others, is damaged, or is missing beside
    /// a database.
    pub fn open_or_create(
        path: &Path,
        in_use: Option<&Database>,
        entropy: &dyn Entropy,
    ) -> Result<Self, MasterKeyError> {
        match (Self::read(path)?, in_use) {
            (Some(key), _) => Ok(key),
            (None, Some(database)) => Err(MasterKeyError::Missing {
                path: path.to_owned(),
                database: Box::new(database.clone()),
            }),
            (None, None) => create(path, &fresh_file(path, random(entropy)), entropy),
        }
    }

    /// Reads a key file; none if it is not there.
    ///
    /// # Errors
    ///
    /// When the file can be read by others or is damaged.
    pub fn read(path: &Path) -> Result<Option<Self>, MasterKeyError> {
        match fs::File::open(path) {
            Ok(file) => read(file, path).map(Some),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(path, error)),
        }
    }

    /// Where the key that follows the one in `path` lies until it takes over.
    pub fn next_file(path: &Path) -> PathBuf {
        beside(path, "next")
    }

    /// The files beside `path` that are named after it: the key that follows,
    /// those that are kept, and whatever somebody put there under such a name.
    ///
    /// # Errors
    ///
    /// When the folder cannot be read.
    pub fn files_beside(path: &Path) -> Result<Vec<PathBuf>, MasterKeyError> {
        let start = beside(path, "");
        let is_named_so = |found: &PathBuf| {
            let name = found.file_name().map(OsStr::as_encoded_bytes);
            let start = start.file_name().map(OsStr::as_encoded_bytes);
            matches!((name, start), (Some(name), Some(start)) if name.starts_with(start))
        };
        let mut files = siblings(path)?;
        files.retain(is_named_so);
        Ok(files)
    }

    /// Where the key of this fingerprint lies after another took over from it.
    pub fn kept_file(path: &Path, fingerprint: Fingerprint) -> PathBuf {
        beside(path, &fingerprint.to_string())
    }
}

/// Where a first start writes a key before it is `path`: each at a name of its own.
fn fresh_file(path: &Path, name: [u8; 16]) -> PathBuf {
    path.with_extension(format!("{:032x}", u128::from_be_bytes(name)))
}

/// Takes away what first starts left that died between writing a key and using
/// it: it may be a second name of the key that is there now.
pub(super) fn remove_fresh_files(path: &Path) -> Result<(), MasterKeyError> {
    let is_fresh = |found: &PathBuf| {
        let end = found.extension().and_then(OsStr::to_str);
        let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        found.file_stem() == path.file_stem()
            && end.is_some_and(|end| end.len() == 32 && end.bytes().all(digit))
    };
    for left in siblings(path)?.iter().filter(|found| is_fresh(found)) {
        match fs::remove_file(left) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(left, error)),
            _ => {}
        }
    }
    Ok(())
}

/// What lies in the folder of `path`, in the order of the names.
fn siblings(path: &Path) -> Result<Vec<PathBuf>, MasterKeyError> {
    let folder = folder_of(path);
    let failed = |error| failed(folder, error);
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        files.push(entry.map_err(failed)?.path());
    }
    files.sort();
    Ok(files)
}

fn read(mut file: fs::File, path: &Path) -> Result<MasterKey, MasterKeyError> {
    let mode = file
        .metadata()
        .map_err(|error| failed(path, error))?
        .permissions()
        .mode();
    if mode & 0o077 != 0 {
        return Err(MasterKeyError::Exposed {
            path: path.to_owned(),
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(128));
    let read = (&mut file).take(128).read_to_string(&mut text);
    let malformed = |problem| MasterKeyError::Malformed {
        path: path.to_owned(),
        problem,
    };
    match read {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            return Err(malformed("it is not text"));
        }
        Err(error) => return Err(failed(path, error)),
    }
    let mut bytes = Zeroizing::new([0; MasterKey::BYTES]);
    match hex_into(text.trim_end(), &mut *bytes) {
        Some(()) => Ok(MasterKey(bytes)),
        None => Err(malformed("it does not hold 64 hexadecimal digits")),
    }
}

/// Written whole to the disk before it is used: a database sealed under a
/// key that a power cut takes away would be lost. Written beside, as `fresh`,
/// and linked into place, so that of two first starts one wins and both use
/// its key, and a crash leaves no half of one.
pub(super) fn create(
    path: &Path,
    fresh: &Path,
    entropy: &dyn Entropy,
) -> Result<MasterKey, MasterKeyError> {
    let failed = |error| failed(path, error);
    let folder = folder_of(path);
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(failed)?;
    let bytes = Zeroizing::new(random(entropy));
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(fresh)
        .map_err(failed)?;
    let written = file
        .write_all(hex(&bytes).as_bytes())
        .and_then(|()| file.sync_all());
    let linked = written.and_then(|()| fs::hard_link(fresh, path));
    fs::remove_file(fresh).map_err(failed)?;
    match linked {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return read(fs::File::open(path).map_err(failed)?, path);
        }
        Err(error) => return Err(failed(error)),
    }
    fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed)?;
    Ok(MasterKey(bytes))
}

pub(super) fn folder_of(path: &Path) -> &Path {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// `master.key` and an end.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(end);
    name.into()
}

pub(super) fn failed(path: &Path, source: io::Error) -> MasterKeyError {
    MasterKeyError::File {
        path: path.to_owned(),
        source,
    }
}

fn hex(bytes: &[u8; MasterKey::BYTES]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(2 * bytes.len() + 1));
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(digit.into(), 16).expect("four bits are one digit"));
        }
    }
    text.push('\n');
    text
}

fn hex_into(text: &str, bytes: &mut [u8]) -> Option<()> {
    if text.len() != 2 * bytes.len() || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        let digit = |digit: u8| {
            char::from(digit)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        *byte = digit(digits[0])? << 4 | digit(digits[1])?;
    }
    Some(())
}

#[cfg(test)]
pub(super) mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use super::{Database, Entropy, MasterKey, MasterKeyError};

    pub(crate) struct Counting(pub(crate) std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    pub(crate) fn entropy() -> Counting {
        Counting(1.into())
    }

    pub(crate) struct Folder(pub(crate) tempfile::TempDir);

    impl Folder {
        pub(crate) fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        pub(crate) fn key(&self) -> PathBuf {
            self.0.path().join("master.key")
        }

        pub(crate) fn open(&self) -> Result<MasterKey, MasterKeyError> {
            MasterKey::open_or_create(&self.key(), None, &entropy())
        }
    }

    #[test]
    fn is_made_once_with_mode_0600_and_read_again() {
        let folder = Folder::new();
        let first = folder.open().unwrap();
        let second = folder.open().unwrap();
        assert_eq!(*first.0, *second.0);
        assert_eq!(
            fs::metadata(folder.key()).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(
            fs::read_dir(folder.0.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }

    #[test]
    fn key_022_a_key_that_others_can_read_is_refused() {
        let folder = Folder::new();
        drop(folder.open().unwrap());
        for mode in [0o644, 0o640, 0o604, 0o666] {
            fs::set_permissions(folder.key(), fs::Permissions::from_mode(mode)).unwrap();
            let error = folder.open().err().unwrap();
            assert!(matches!(error, MasterKeyError::Exposed { .. }), "{mode:o}");
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
    }

    #[test]
    fn key_018_a_damaged_key_file_is_refused() {
        let folder = Folder::new();
        drop(folder.open().unwrap());
        let good = fs::read(folder.key()).unwrap();
        let damaged = [
            Vec::new(),
            good[..63].to_vec(),
            [&good[..], &good[..]].concat(),
            [b"g", &good[1..]].concat(),
            vec![0xff; 64],
            vec![b'0'; 100_000],
        ];
        for bytes in damaged {
            fs::write(folder.key(), &bytes).unwrap();
            let error = folder.open().err().unwrap();
            assert!(matches!(error, MasterKeyError::Malformed { .. }), "{error}");
        }
    }

    #[test]
    fn key_018_a_lost_key_is_not_replaced_beside_a_database() {
        let folder = Folder::new();
        let database = Database::from(folder.0.path().join("doorward.db"));
        let opened = MasterKey::open_or_create(&folder.key(), Some(&database), &entropy());
        let error = opened.err().unwrap();
        assert!(matches!(error, MasterKeyError::Missing { .. }), "{error}");
        assert!(!folder.key().exists(), "no key was made");
    }
}
