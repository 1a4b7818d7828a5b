//! What was applied, kept over a restart.
//!
//! A file of the issuer's own signed messages: the pages of the last snapshot
//! and the batches since, one a line. Nothing in it is believed: it is read
//! through the same checks as the network, so whoever alters it can only cut
//! it short, and what is cut off comes again from the issuer. Heartbeats are
//! not kept: after a restart the feed is as old as its last entry until the
//! issuer speaks.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
};

/// First line of the file.
const TITLE: &str = "doorward revocation feed 1";

/// A file that grows beyond this and four times its snapshot is begun anew.
const MIN_LIMIT: u64 = 4 << 20;

/// Which kind of message a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'l> {
    Page(&'l str),
    Batch(&'l str),
}

pub(super) struct Journal {
    path: PathBuf,
    file: Option<File>,
    length: u64,
    snapshot_length: u64,
    /// Below this length the file is not begun anew.
    floor: u64,
}

impl Journal {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self {
            path,
            file: None,
            length: 0,
            snapshot_length: 0,
            floor: MIN_LIMIT,
        }
    }

    /// No snapshot can be had: the file may become twice as long.
    pub(super) const fn put_off(&mut self) {
        let twice = self.length.saturating_mul(2);
        self.floor = if twice > MIN_LIMIT { twice } else { MIN_LIMIT };
    }

    /// Hands every line to `apply` until one is not accepted, and goes on
    /// writing after the last that was. A file that is not there is empty.
    pub(super) fn replay(&mut self, mut apply: impl FnMut(Line<'_>) -> bool) -> io::Result<()> {
        let file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut lines = BufReader::new(&file);
        let mut text = String::new();
        let mut good = 0;
        loop {
            text.clear();
            let read = match lines.read_line(&mut text) {
                Ok(read) => read,
                // Not text: whatever this is, it ends what is good.
                Err(error) if error.kind() == io::ErrorKind::InvalidData => break,
                Err(error) => return Err(error),
            };
            let Some(line) = text.strip_suffix('\n') else {
                break;
            };
            let accepted = match line.split_once(' ') {
                _ if good == 0 => line == TITLE,
                Some(("page", message)) => apply(Line::Page(message)),
                Some(("batch", message)) => apply(Line::Batch(message)),
                _ => false,
            };
            if !accepted {
                break;
            }
            good += read as u64;
            if line.starts_with("page") {
                self.snapshot_length = good;
            }
        }
        drop(lines);
        file.set_len(good)?;
        self.length = good;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        Ok(())
    }

    /// Adds a batch that was applied. Not forced to the disk: what a crash
    /// takes comes again from the issuer.
    pub(super) fn batch(&mut self, message: &str) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let line = format!("batch {message}\n");
        file.write_all(line.as_bytes())?;
        self.length += line.len() as u64;
        Ok(())
    }

    /// Whether a snapshot would make it much shorter.
    pub(super) fn is_long(&self) -> bool {
        self.length > self.floor.max(4 * self.snapshot_length)
    }

    /// Begins a file beside this one, for a snapshot.
    pub(super) fn begin(&self) -> io::Result<Draft> {
        let path = self.path.with_extension("new");
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut draft = Draft {
            file: options.open(&path)?,
            path,
            length: 0,
        };
        draft.line(TITLE)?;
        Ok(draft)
    }

    /// Puts a complete snapshot in place of the file.
    pub(super) fn adopt(&mut self, draft: Draft) -> io::Result<()> {
        draft.file.sync_all()?;
        std::fs::rename(&draft.path, &self.path)?;
        sync_folder(&self.path)?;
        self.file = Some(OpenOptions::new().append(true).open(&self.path)?);
        self.length = draft.length;
        self.snapshot_length = draft.length;
        self.floor = MIN_LIMIT;
        Ok(())
    }
}

/// A snapshot that is being written.
pub(super) struct Draft {
    file: File,
    path: PathBuf,
    length: u64,
}

impl Draft {
    pub(super) fn page(&mut self, message: &str) -> io::Result<()> {
        self.line(&format!("page {message}"))
    }

    fn line(&mut self, line: &str) -> io::Result<()> {
        self.file.write_all(line.as_bytes())?;
        self.file.write_all(b"\n")?;
        self.length += line.len() as u64 + 1;
        Ok(())
    }
}

/// The rename itself is an entry of the folder.
fn sync_folder(path: &Path) -> io::Result<()> {
    match path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
