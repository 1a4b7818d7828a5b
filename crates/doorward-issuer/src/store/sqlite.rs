//! One SQLite file in WAL mode with `synchronous=FULL`: what was committed
//! survives a power cut.
//!
//! Several processes may have it open (a server and the command line); each
//! write transaction begins with `BEGIN IMMEDIATE`, so it never fails half way
//! for having read something old. Reads go through a few connections of their
//! own.

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlx::{
    Connection as _, Sqlite, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tokio::time::{Instant, sleep};

use crate::error::{OpenError, StoreError};

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it is until the next try to open a file that somebody else is opening.
const BUSY_PAUSE: Duration = Duration::from_millis(10);

/// Connections that only read.
const READERS: u32 = 4;

/// The open file. Clones are the same one.
#[derive(Clone)]
pub(super) struct File {
    writer: SqlitePool,
    pub(super) readers: SqlitePool,
    found: Arc<Found>,
}

/// The file under the database's path when it was opened.
struct Found {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl File {
    /// Opens the file, and makes it if it is not there.
    pub(super) async fn open(path: &Path) -> Result<Self, OpenError> {
        prepare_files(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // A sealed private key that is overwritten is zeroed in its page.
            .pragma("secure_delete", "1");
        let writer = connect(1, &options).await?;
        let readers = connect(READERS, &options.pragma("query_only", "1")).await?;
        let found = Found::at(path)
            .map_err(|error| OpenError::Files(format!("{}: {error}", path.display())))?;
        Ok(Self {
            writer,
            readers,
            found: Arc::new(found),
        })
    }

    /// Whether it is still the file under its path.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.found.check()
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.check()?;
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// The connection that writes, for what is no transaction.
    pub(super) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Closes every connection. The last process to leave puts what is still in
    /// the write-ahead log into the database file.
    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

impl Found {
    fn at(path: &Path) -> std::io::Result<Self> {
        let metadata = fs::metadata(path)?;
        Ok(Self {
            path: path.to_owned(),
            device_and_inode: (metadata.dev(), metadata.ino()),
        })
    }

    /// A process keeps the file that it opened: without this look it would go
    /// on acknowledging writes to a file that was removed or replaced.
    fn check(&self) -> Result<(), StoreError> {
        match Self::at(&self.path) {
            Ok(now) if now.device_and_inode == self.device_and_inode => Ok(()),
            _ => Err(StoreError::Unavailable(format!(
                "{} was removed or replaced; restart doorward",
                self.path.display()
            ))),
        }
    }
}

/// Connects, after others that are about to.
///
/// Where two turn a new file to WAL at once, SQLite tells one of them that it is
/// busy without waiting as it was told to, because both could wait for ever.
async fn connect(
    connections: u32,
    options: &SqliteConnectOptions,
) -> Result<SqlitePool, StoreError> {
    let patience = Instant::now() + BUSY_TIMEOUT;
    loop {
        match pool(connections).connect_with(options.clone()).await {
            Err(error) if is_busy(&error) && Instant::now() < patience => sleep(BUSY_PAUSE).await,
            connected => return Ok(connected?),
        }
    }
}

/// `SQLITE_BUSY`, whatever its extended code says besides.
fn is_busy(error: &sqlx::Error) -> bool {
    const SQLITE_BUSY: u32 = 5;
    let code = error.as_database_error().and_then(|error| error.code());
    let code = code.and_then(|code| code.parse::<u32>().ok());
    code.is_some_and(|code| code & 0xff == SQLITE_BUSY)
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(BUSY_TIMEOUT)
        .test_before_acquire(false)
        // SQLite itself rolls back when a write fails (a full disk, an I/O
        // error). The driver then counts a transaction that is none, and the
        // connection could never begin another.
        .before_acquire(|connection, _| {
            let usable = !connection.is_in_transaction();
            Box::pin(async move { Ok(usable) })
        })
        .idle_timeout(None)
        .max_lifetime(None)
}

/// Makes the file with mode 0600 before SQLite would make it with the umask's;
/// SQLite gives its side files the mode of the database. An existing file is
/// not opened here: closing it would drop this process's locks on it.
fn prepare_files(path: &Path) -> Result<(), OpenError> {
    let failed = |error: std::io::Error| OpenError::Files(format!("{}: {error}", path.display()));
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(failed)?;
    }
    match fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
    {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(error)),
    }
    let mode = fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        let path = path.display();
        return Err(OpenError::Files(format!(
            "{path} can be read by other users of this machine; run: chmod 600 {path}"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::File;

    /// SQLite does not wait, whatever it was told, where two turn a new file to
    /// WAL at once.
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_several_that_open_a_new_file_at_once_none_is_turned_away() {
        for _ in 0..40 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("new.db");
            let opening = (0..4).map(|_| {
                let path = path.clone();
                tokio::spawn(async move { File::open(&path).await.map(drop) })
            });
            for opened in opening.collect::<Vec<_>>() {
                opened.await.unwrap().unwrap();
            }
        }
    }
}
