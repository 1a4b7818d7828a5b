//! The master key: everything secret in the database is sealed under it.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::entropy::Entropy;

/// 32 secret bytes. Cannot be printed; wiped when dropped.
pub struct MasterKey(Zeroizing<[u8; 32]>);

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
        "{} is missing, and {} is sealed under it; put back the file that belongs to this database",
        path.display(),
        database.display()
    )]
    Missing {
        /// Which file.
        path: PathBuf,
        /// The database.
        database: PathBuf,
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
    /// A key that comes from somewhere else (environment, credential).
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Reads the key file, or makes one (mode 0600) if neither it nor
    /// `database` exists.
    ///
    /// # Errors
    ///
    /// When the file can be read by others, is damaged, or is missing beside
    /// a database.
    pub fn open_or_create(
        path: &Path,
        database: &Path,
        entropy: &dyn Entropy,
    ) -> Result<Self, MasterKeyError> {
        let _ = (path, database, entropy);
        todo!()
    }
}
