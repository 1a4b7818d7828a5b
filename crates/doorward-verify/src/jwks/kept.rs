//! The last good key set, kept over a restart.
//!
//! A verifier that starts while its issuer is down would otherwise have no
//! key. Unlike the feed's file this one is believed as it is: a key set is
//! signed by nobody, and `https` vouched for it when it was fetched. It must
//! lie where only this program writes. What it holds is used for as long as it
//! would have been without the restart, and no longer.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use doorward_jose::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::url::JwksUrl;

/// Where the set is kept, and from where it came.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    path: PathBuf,
    url: String,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Record {
    /// From where: another URL's keys are nobody's.
    url: String,
    /// Until when it was fresh, seconds.
    fresh_until: u64,
    /// The document.
    jwks: String,
}

impl Record {
    pub(super) const fn fresh_until(&self) -> UnixTime {
        UnixTime::from_secs(self.fresh_until)
    }

    pub(super) const fn document(&self) -> &[u8] {
        self.jwks.as_bytes()
    }
}

impl Kept {
    pub(super) fn new(path: PathBuf, url: &JwksUrl) -> Self {
        Self {
            path,
            url: url.to_string(),
        }
    }

    /// What was kept of this URL. A file that cannot be read is none: the
    /// issuer has the keys.
    pub(super) fn read(&self) -> Option<Record> {
        let text = fs::read(&self.path).ok()?;
        let record: Record = serde_json::from_slice(&text).ok()?;
        (record.url == self.url).then_some(record)
    }

    /// Puts `document` in the file's place, whole or not at all.
    pub(super) fn write(&self, document: &[u8], fresh_until: UnixTime) -> io::Result<()> {
        let record = Record {
            url: self.url.clone(),
            fresh_until: fresh_until.as_secs(),
            jwks: String::from_utf8_lossy(document).into_owned(),
        };
        let fresh = self.path.with_extension("new");
        match fs::remove_file(&fresh) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        private(&fresh).and_then(|mut file| {
            file.write_all(&serde_json::to_vec(&record)?)?;
            file.sync_all()
        })?;
        fs::rename(&fresh, &self.path)
    }
}

fn private(path: &Path) -> io::Result<fs::File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
