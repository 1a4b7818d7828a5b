//! Orders to the disk, or the wire, that fails: `failing_disk.c`.
//!
//! The file of orders is mapped by the process that is to fail, so that what is
//! written here counts at once.

use std::{
    fs::{File, OpenOptions},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

/// What happens to a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    DieBefore = 1,
    DieAfter = 2,
    /// Half of it is written, and the process is gone.
    Tear = 3,
    /// EIO.
    InputOutput = 4,
    /// ENOSPC.
    Full = 5,
}

/// What of the changes that were not synced goes with the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// Nothing: `kill -9`.
    Nothing = 0,
    /// All of it: a power cut.
    All = 1,
    /// Some of it: a power cut of a disk that orders its writes by itself.
    Some = 2,
}

/// Which changes fail, counted from now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    pub(crate) fault: Fault,
    pub(crate) loss: Loss,
    /// Only syncs are counted, and the message COMMIT.
    pub(crate) commits: bool,
    pub(crate) skipped: u64,
    pub(crate) failing: u64,
    pub(crate) seed: u64,
}

/// The orders of one process at a time.
pub(crate) struct Disk {
    file: File,
    path: PathBuf,
}

/// Places of the numbers in the file, as in `struct orders`.
mod word {
    pub(super) const COUNTED: u64 = 0;
    pub(super) const FIRST: u64 = 1;
    pub(super) const LAST: u64 = 2;
    pub(super) const FAULT: u64 = 3;
    pub(super) const LOSS: u64 = 4;
    pub(super) const LIES: u64 = 5;
    pub(super) const WIRE: u64 = 6;
    pub(super) const SEED: u64 = 7;
    pub(super) const HITS: u64 = 8;
    pub(super) const COMMITS: u64 = 9;
}
const WHAT: u64 = 80;
const FOLDER: u64 = WHAT + 64;
const LENGTH: u64 = FOLDER + 1024;

impl Disk {
    /// Orders in the file `orders`, about what is below `folder`.
    pub(crate) fn new(orders: PathBuf, folder: &Path) -> Self {
        let options = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&orders);
        let file = options.unwrap();
        file.set_len(LENGTH).unwrap();
        // The paths that are compared with it have no links in them.
        let folder = folder.canonicalize().unwrap();
        let name = folder.to_str().unwrap().as_bytes();
        file.write_all_at(name, FOLDER).unwrap();
        Self { file, path: orders }
    }

    /// Messages instead of changes of files.
    pub(crate) fn of_the_wire(self) -> Self {
        self.set(word::WIRE, 1);
        self
    }

    /// From now on it says that it synced, and does not.
    pub(crate) fn lie(&self) {
        self.set(word::LIES, 1);
    }

    /// Has `command` use this disk.
    pub(crate) fn put_under(&self, command: &mut Command) {
        command
            .env("LD_PRELOAD", library())
            .env("FAILING_DISK", &self.path);
    }

    pub(crate) fn order(&self, order: Order) {
        self.set(word::FIRST, 0);
        let first = self.get(word::COUNTED) + 1 + order.skipped;
        self.set(word::FAULT, order.fault as u64);
        self.set(word::LOSS, order.loss as u64);
        self.set(word::SEED, order.seed);
        self.set(word::COMMITS, order.commits.into());
        self.set(word::LAST, first + order.failing - 1);
        self.set(word::FIRST, first);
    }

    /// Everything works again.
    pub(crate) fn heal(&self) {
        self.set(word::FIRST, 0);
    }

    /// Changes so far that an order hit, and the last of them.
    pub(crate) fn hits(&self) -> (u64, String) {
        let mut what = [0; 64];
        self.file.read_exact_at(&mut what, WHAT).unwrap();
        let what = String::from_utf8_lossy(&what);
        (
            self.get(word::HITS),
            what.trim_end_matches('\0')
                .split('\0')
                .next()
                .unwrap_or_default()
                .to_owned(),
        )
    }

    fn get(&self, word: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, word * 8).unwrap();
        u64::from_ne_bytes(bytes)
    }

    fn set(&self, word: u64, value: u64) {
        self.file
            .write_all_at(&value.to_ne_bytes(), word * 8)
            .unwrap();
    }
}

/// The compiled library, made once for each process of tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("failing_disk.so");
        let source = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../doorward-issuer/tests/crash/failing_disk.c"
        );
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-o"])
            .arg(&path)
            .args([source, "-ldl", "-lpthread"])
            .status()
            .unwrap();
        assert!(compiled.success(), "cc cannot compile failing_disk.c");
        (folder, path)
    });
    path
}
