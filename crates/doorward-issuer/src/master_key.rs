//! The master key: everything secret in the database is sealed under it.
//!
//! It is 32 random bytes in a file of its own (mode 0600), so that a stolen
//! database or backup opens nothing. Each purpose uses a key derived from it
//! (HKDF-SHA-256, RFC 5869), so that no use can weaken another; sealing itself
//! is in `seal`.
//!
//! Nothing starts with a key that is exposed, damaged, missing beside a
//! database, or not the one that the database was sealed under: a new key in
//! the place of a lost one would make every session and every signing key
//! unreadable for good.

pub(crate) mod seal;

use std::{
    fs,
    io::{ErrorKind, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use self::seal::Sealer;
use crate::{
    credential::CredentialKeys,
    entropy::{Entropy, random},
    store::Database,
};

/// 32 secret bytes. Cannot be printed; wiped when dropped.
pub struct MasterKey(Zeroizing<[u8; Self::BYTES]>);

/// The keys that are derived from the master key, one for each purpose.
pub(crate) struct DerivedKeys {
    /// Seals private keys and session keys.
    pub(crate) sealer: Sealer,
    /// Outer MAC of refresh tokens.
    pub(crate) refresh_outer: hmac::Key,
    /// MACs of API keys and client secrets.
    pub(crate) credentials: CredentialKeys,
    /// MACs of tickets.
    pub(crate) tickets: hmac::Key,
    /// MACs of recovery codes at rest.
    pub(crate) recovery_codes: hmac::Key,
    /// MACs of idempotency keys and of what was asked with them.
    pub(crate) idempotency: hmac::Key,
    /// MACs of rows that give rights.
    pub(crate) rows: hmac::Key,
    /// Stored in the database to recognise the master key; tells nothing
    /// about it.
    pub(crate) check: [u8; 32],
    /// What was stored before rows had MACs.
    pub(crate) check_without_row_macs: [u8; 32],
}

/// The master key cannot be used.
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
    /// The file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

impl MasterKey {
    const BYTES: usize = 32;

    /// A key that comes from somewhere else (environment, credential).
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

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
        match (fs::File::open(path), in_use) {
            (Ok(file), _) => Self::read(file, path),
            (Err(error), _) if error.kind() != ErrorKind::NotFound => Err(failed(path, error)),
            (Err(_), Some(database)) => Err(MasterKeyError::Missing {
                path: path.to_owned(),
                database: Box::new(database.clone()),
            }),
            (Err(_), None) => Self::create(path, entropy),
        }
    }

    /// The keys for each purpose.
    pub(crate) fn derive(&self) -> DerivedKeys {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward master key v1");
        let master = salt.extract(&*self.0);
        DerivedKeys {
            sealer: Sealer::new(&expand(&master, b"seal")),
            refresh_outer: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&master, b"refresh outer")),
            credentials: CredentialKeys::new(
                &expand(&master, b"credential tag"),
                &expand(&master, b"credential at rest"),
            ),
            tickets: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&master, b"ticket")),
            recovery_codes: hmac::Key::new(
                hmac::HMAC_SHA256,
                &*expand(&master, b"recovery code at rest"),
            ),
            idempotency: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&master, b"idempotency")),
            rows: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&master, b"rows")),
            check: *expand(&master, b"check, rows have MACs"),
            check_without_row_macs: *expand(&master, b"check"),
        }
    }

    fn read(mut file: fs::File, path: &Path) -> Result<Self, MasterKeyError> {
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
        let mut bytes = Zeroizing::new([0; Self::BYTES]);
        match hex_into(text.trim_end(), &mut *bytes) {
            Some(()) => Ok(Self(bytes)),
            None => Err(malformed("it does not hold 64 hexadecimal digits")),
        }
    }

    /// Written whole to the disk before it is used: a database sealed under a
    /// key that a power cut takes away would be lost. Written beside and
    /// linked into place, so that of two first starts one wins and both use
    /// its key, and a crash leaves no half of one.
    fn create(path: &Path, entropy: &dyn Entropy) -> Result<Self, MasterKeyError> {
        let failed = |error| failed(path, error);
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
        let bytes = Zeroizing::new(random(entropy));
        let fresh = path.with_extension(format!("{:032x}", u128::from_be_bytes(random(entropy))));
        let mut file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)
            .map_err(failed)?;
        let written = file
            .write_all(hex(&bytes).as_bytes())
            .and_then(|()| file.sync_all());
        let linked = written.and_then(|()| fs::hard_link(&fresh, path));
        fs::remove_file(&fresh).map_err(failed)?;
        match linked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Self::read(fs::File::open(path).map_err(failed)?, path);
            }
            Err(error) => return Err(failed(error)),
        }
        fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(failed)?;
        Ok(Self(bytes))
    }
}

fn expand(master: &hkdf::Prk, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    master
        .expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *key))
        .expect("32 bytes are what one round of HKDF-SHA-256 gives");
    key
}

fn failed(path: &Path, source: std::io::Error) -> MasterKeyError {
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
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf};

    use super::{Database, Entropy, MasterKey, MasterKeyError};

    struct Counting(std::sync::atomic::AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
        }
    }

    fn entropy() -> Counting {
        Counting(1.into())
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn key(&self) -> PathBuf {
            self.0.path().join("master.key")
        }

        fn open(&self) -> Result<MasterKey, MasterKeyError> {
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

    #[test]
    fn purposes_have_keys_of_their_own() {
        let derived = MasterKey::from_bytes([7; 32]).derive();
        let other = MasterKey::from_bytes([8; 32]).derive();
        assert_ne!(derived.check, other.check);
        assert_ne!(derived.check, [7; 32]);
    }
}
