//! What a database file and the write-ahead log beside it say together.
//!
//! Whoever closes the database may move pages from the log into the file, at
//! a time of its own choosing. That changes bytes and no content, so files are
//! compared as SQLite would read them (<https://www.sqlite.org/fileformat.html>,
//! section 4).

use std::{fs, path::Path};

const LOG_HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The pages of the database at `file`, those of the log laid over them.
pub(super) fn content(file: &Path) -> Vec<u8> {
    let mut pages = fs::read(file).unwrap();
    let log = fs::read(file.with_extension("db-wal")).unwrap_or_default();
    if log.len() < LOG_HEADER {
        return pages;
    }
    let page_size = number(&log[8..12]);
    let frame_size = FRAME_HEADER + page_size;
    // Frames of an earlier round carry another salt.
    let salt = &log[16..24];
    let frames: Vec<&[u8]> = log[LOG_HEADER..]
        .chunks_exact(frame_size)
        .take_while(|frame| &frame[8..16] == salt)
        .collect();
    // The last frame of a transaction says how many pages there are then.
    let committed = frames.iter().rposition(|frame| number(&frame[4..8]) > 0);
    for frame in &frames[..committed.map_or(0, |last| last + 1)] {
        let end = number(&frame[..4]) * page_size;
        pages.resize(pages.len().max(end), 0);
        pages[end - page_size..end].copy_from_slice(&frame[FRAME_HEADER..]);
    }
    if let Some(last) = committed {
        pages.truncate(number(&frames[last][4..8]) * page_size);
    }
    pages
}

/// Moves the log into the file, so that the file is the whole database.
pub(super) fn fold(file: &Path) {
    let pages = content(file);
    fs::write(file, pages).unwrap();
    for beside in ["db-wal", "db-shm"] {
        // It may have been tidied up already.
        let _ = fs::remove_file(file.with_extension(beside));
    }
}

fn number(bytes: &[u8]) -> usize {
    let bytes: [u8; 4] = bytes.try_into().unwrap();
    usize::try_from(u32::from_be_bytes(bytes)).unwrap()
}
