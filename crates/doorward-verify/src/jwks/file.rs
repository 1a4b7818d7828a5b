//! A key set in a file that may be replaced while the verifier runs.
//!
//! [`KeyFile::check`] reads the file again and compares its bytes with the
//! last good ones: a time stamp can miss a change within its grain, and a key
//! file is small. What cannot be read or used changes nothing; the last good
//! set stays and the owner is told.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use doorward_jose::{
    algorithm::Algorithm,
    error::KeyError,
    jwk_set::{KeySet, Limits},
};

use crate::key_source::KeySource;

/// A key set in a file. The owner calls [`Self::check`], about every second.
#[derive(Debug)]
pub struct KeyFile {
    path: PathBuf,
    algorithms: Vec<Algorithm>,
    read: Vec<u8>,
    source: KeySource,
}

/// What [`KeyFile::check`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file is the same.
    None,
    /// The keys of the file are in place.
    Replaced,
}

/// Why a key file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// It is not there, not a file, or not ours to read.
    #[error("cannot read the key file {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What it holds is no key set that may be trusted.
    #[error("the key file {path} is refused: {source}")]
    Keys {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: KeyError,
    },
}

impl KeyFile {
    /// Reads the key set at `path`, for exactly these algorithms.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`] if it cannot be read or used: a verifier does not
    /// start without keys.
    pub fn open(
        path: impl Into<PathBuf>,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Result<Self, KeyFileError> {
        let path = path.into();
        let algorithms: Vec<_> = algorithms.into_iter().collect();
        let read = read(&path)?;
        let keys = parse(&path, &read, &algorithms)?;
        Ok(Self {
            path,
            algorithms,
            read,
            source: KeySource::fixed(keys),
        })
    }

    /// Where verifiers find the keys.
    pub const fn source(&self) -> &KeySource {
        &self.source
    }

    /// Reads the file again and puts its keys in place if they changed.
    ///
    /// # Errors
    ///
    /// [`KeyFileError`], every time as long as the file is bad; the last good
    /// keys stay in place.
    pub fn check(&mut self) -> Result<Change, KeyFileError> {
        let read = read(&self.path)?;
        if read == self.read {
            return Ok(Change::None);
        }
        self.source
            .replace(parse(&self.path, &read, &self.algorithms)?);
        self.read = read;
        Ok(Change::Replaced)
    }
}

/// At most one byte more than a key set may have: enough to refuse it.
fn read(path: &Path) -> Result<Vec<u8>, KeyFileError> {
    let bound = Limits::default().max_bytes as u64 + 1;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(bound).read_to_end(&mut bytes))
        .map_err(|source| KeyFileError::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(bytes)
}

fn parse(path: &Path, bytes: &[u8], algorithms: &[Algorithm]) -> Result<KeySet, KeyFileError> {
    KeySet::parse_for(bytes, Limits::default(), algorithms).map_err(|source| KeyFileError::Keys {
        path: path.to_owned(),
        source,
    })
}
