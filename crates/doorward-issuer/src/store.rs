//! All SQL.
//!
//! One SQLite file in WAL mode with `synchronous=FULL`: what was committed
//! survives a power cut. Several processes may have it open (a server and the
//! command line); each write transaction begins with `BEGIN IMMEDIATE`, so it
//! never fails half way for having read something old.
//!
//! Reads go through a few connections of their own. Every write needs a
//! [`Tx`], which comes from [`Store::begin`] and is rolled back when dropped.
//! The operations themselves are methods of [`Store`] and [`Tx`] in the files
//! below, one file per family of tables; each is written once, as a
//! [`statement`], and checks how many rows it changed.
//!
//! The statements are kept to what PostgreSQL speaks as well: `$1`
//! placeholders, TEXT ids, BIGINT numbers, `RETURNING`, no triggers and no
//! sequences.

mod accounts;
mod api_keys;
mod audit_log;
mod clients;
mod failure;
mod feed;
mod grants;
mod group_commit;
mod installation;
mod keys;
mod migrations;
mod revocations;
mod sessions;
mod statement;
mod tenants;

use std::{
    fs,
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use doorward_jose::time::UnixTime;
use doorward_verify::{
    clock::Timestamp,
    revocation::{Entry, RevocationSet},
};
use sqlx::{
    Connection as _, Sqlite, SqliteConnection, SqlitePool, Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use tokio::sync::Notify;

use crate::error::{OpenError, StoreError};

pub(crate) use accounts::AccountState;
pub(crate) use api_keys::ApiKeyRow;
pub(crate) use clients::{ClientHeads, ClientRow};
pub(crate) use feed::{FEED_ROWS, FeedBase};
pub(crate) use group_commit::{GroupCommit, Job};
pub(crate) use installation::{Heads, Installation};
pub(crate) use keys::KeyRow;
pub(crate) use sessions::{NewSession, Rotation, SessionRow};

use self::statement::sql;

/// How long a statement waits for another process's write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Most rows of a table that one purge deletes: bounds how long it holds the
/// write lock.
pub(crate) const PURGE_ROWS: u64 = 1000;

/// Connections that only read.
const READERS: u32 = 4;

/// The open database. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Store {
    writer: SqlitePool,
    readers: SqlitePool,
    revocations: Arc<RevocationSet>,
    /// Told of every commit that revokes.
    revoked: Arc<Notify>,
    file: Arc<DatabaseFile>,
}

/// The file under the database's path when it was opened.
struct DatabaseFile {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl DatabaseFile {
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

/// A write transaction. Dropped means rolled back.
pub(crate) struct Tx {
    inner: Transaction<'static, Sqlite>,
    revocations: Arc<RevocationSet>,
    told: Arc<Notify>,
    revoked: Vec<Entry>,
}

impl Store {
    /// Opens the database, makes it if it is not there, and migrates it.
    pub(crate) async fn open(
        path: &Path,
        revocations: Arc<RevocationSet>,
    ) -> Result<Self, OpenError> {
        prepare_files(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            // A sealed private key that is overwritten is zeroed in its page.
            .pragma("secure_delete", "1");
        let writer = pool(1)
            .connect_with(options.clone())
            .await
            .map_err(StoreError::from)?;
        migrations::run(&writer).await?;
        let readers = pool(READERS)
            .connect_with(options.pragma("query_only", "1"))
            .await
            .map_err(StoreError::from)?;
        let file = DatabaseFile::at(path)
            .map_err(|error| OpenError::Files(format!("{}: {error}", path.display())))?;
        Ok(Self {
            writer,
            readers,
            revocations,
            revoked: Arc::default(),
            file: Arc::new(file),
        })
    }

    /// Closes every connection. The last process to leave puts what is still in
    /// the write-ahead log into the database file.
    pub(crate) async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }

    /// Told of every commit of this process that revokes.
    pub(crate) fn revoked(&self) -> Arc<Notify> {
        Arc::clone(&self.revoked)
    }

    /// Begins a write transaction.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        self.file.check()?;
        Ok(Tx {
            inner: self.writer.begin_with("BEGIN IMMEDIATE").await?,
            revocations: Arc::clone(&self.revocations),
            told: Arc::clone(&self.revoked),
            revoked: Vec::new(),
        })
    }
}

impl Tx {
    /// Makes everything durable. Revocations are in force in this process
    /// before this returns, so before anybody is told about them.
    pub(crate) async fn commit(self) -> Result<(), StoreError> {
        self.inner.commit().await?;
        let is_news = !self.revoked.is_empty();
        for entry in self.revoked {
            self.revocations.insert(entry);
        }
        if is_news {
            self.told.notify_one();
        }
        Ok(())
    }

    fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.inner
    }

    /// The next number of a head, in commit order and without gaps.
    async fn next(&mut self, head: &'static str) -> Result<i64, StoreError> {
        let (value,) = sql("UPDATE head SET value = value + 1 WHERE name = $1 RETURNING value")
            .bind(head)
            .fetch_one(self.connection())
            .await?;
        Ok(value)
    }
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

/// Milliseconds as they are stored.
fn millis(moment: Timestamp) -> i64 {
    i64::try_from(moment.millis()).unwrap_or(i64::MAX)
}

/// Seconds as they are stored.
fn seconds(moment: UnixTime) -> i64 {
    i64::try_from(moment.as_secs()).unwrap_or(i64::MAX)
}

/// A stored number that cannot be negative.
fn unsigned(value: i64, column: &'static str) -> Result<u64, StoreError> {
    u64::try_from(value).map_err(|_| StoreError::Corrupt(format!("{column} is {value}")))
}

/// A stored moment in milliseconds.
fn moment(value: i64, column: &'static str) -> Result<Timestamp, StoreError> {
    unsigned(value, column).map(Timestamp::from_millis)
}

/// A stored moment in seconds.
fn unix(value: i64, column: &'static str) -> Result<UnixTime, StoreError> {
    unsigned(value, column).map(UnixTime::from_secs)
}

/// A stored text that must parse.
fn parsed<T, E: std::fmt::Display>(
    value: Result<T, E>,
    column: &'static str,
) -> Result<T, StoreError> {
    value.map_err(|error| StoreError::Corrupt(format!("{column}: {error}")))
}

/// The write must have changed exactly one row.
fn one_row(affected: u64, what: &'static str) -> Result<(), StoreError> {
    match affected {
        1 => Ok(()),
        rows => Err(StoreError::Corrupt(format!("{what} changed {rows} rows"))),
    }
}
