//! All SQL.
//!
//! The state lies in a SQLite file or on a PostgreSQL server ([`Database`]);
//! the operations do not know in which. They are methods of [`Store`] and
//! [`Tx`] in the files below, one file per family of tables; each is written
//! once, as a [`statement`], and checks how many rows it changed.
//!
//! The statements are kept to what both engines speak: `$1` placeholders, TEXT
//! ids, BIGINT numbers, `RETURNING`, no triggers and no sequences. Nothing is
//! used that CockroachDB or YugabyteDB lacks.
//!
//! Reads go through connections of their own. Every write needs a [`Tx`],
//! which comes from [`Store::begin`] and is rolled back when dropped.
//!
//! # Many writers
//!
//! On SQLite a write transaction is alone from its first statement on, and
//! what it reads is what is true until it commits. On PostgreSQL it is one of
//! many, on several nodes, and READ COMMITTED: each statement sees what was
//! committed before it began. Three rules make the operations mean the same:
//!
//! 1. **A user's account row is held by whoever gives that user something or
//!    changes what the user may have** (sign-in, refresh, mint; disable,
//!    password, roles, log out everywhere), from before the first thing is read
//!    until the commit: `account_state` and `account_id` of [`Tx`] take it. So
//!    each user's changes and issues have one order, as on SQLite: an issue
//!    that comes first is seen by the change (its time is in the session's
//!    row, and the watermark passes it), one that comes second sees the change.
//!    A refresh takes the account before it swaps the generation.
//! 2. **A change of the signing keys holds the head `keys`** from before the
//!    keys are read ([`Tx::lock_keys`]): of two nodes that find a rotation due,
//!    the second finds it done.
//! 3. **Numbers of the feed and of the audit log are taken last**, at the
//!    commit, the feed's before the log's. Their heads are rows that every
//!    change updates, so that numbers follow the order of commits without gaps
//!    and whoever reads by cursor skips nothing; taken last, they are held for
//!    the commit alone, and nobody who holds one waits for anything else.
//!
//! Rows are locked in the order installation, accounts (by id, within a
//! batch), sessions, keys, heads, so that no two transactions wait for each
//! other. Where one engine or a rare operation does not keep to it, the server
//! ends one of the two, and it is run again ([`contention`]).
//!
//! What is not ordered by a lock: a change for everybody
//! (`revocation::revoke_all_tokens`), which would have to hold every account.
//! It looks at the clock once more after its commit instead. Ending one session
//! locks that session's row only: its `sid` is revoked for good, whatever a
//! refresh beside it still gives.

mod accounts;
mod api_keys;
mod attributes;
mod audit_log;
mod backup;
mod clients;
pub(crate) mod contention;
mod database;
mod failure;
mod feed;
mod grants;
mod group_commit;
mod idempotency;
mod installation;
mod keys;
mod migrations;
mod permission_numbers;
mod postgres;
mod revocations;
mod root_keys;
mod row_mac;
mod second_factors;
mod sessions;
mod sign_in_failures;
mod sqlite;
mod statement;
mod tenants;
mod transaction;
mod transfer;

use std::sync::Arc;

use doorward_jose::time::UnixTime;
use doorward_verify::{clock::Timestamp, revocation::RevocationSet};
use tokio::sync::Notify;

use self::{postgres::Server, sqlite::File, statement::On};
use crate::error::{OpenError, StoreError};

pub(crate) use postgres::OLDEST as OLDEST_POSTGRES;

pub use database::{Database, DatabaseUrlError, PostgresUrl};

pub(crate) use accounts::AccountState;
pub(crate) use api_keys::ApiKeyRow;
pub(crate) use attributes::StoredAttributes;
pub(crate) use clients::{ClientHeads, ClientRow};
pub(crate) use feed::{FEED_ROWS, FeedBase};
pub(crate) use grants::{Place, place};
pub(crate) use group_commit::{GroupCommit, Job};
pub(crate) use installation::{Heads, Installation};
pub(crate) use keys::KeyRow;
pub(crate) use root_keys::{Locked, RootKeyRow};
pub(crate) use row_mac::RowMacs;
pub(crate) use second_factors::TotpRow;
pub(crate) use sessions::{NewSession, SessionRow, Swap};
pub(crate) use transaction::Tx;
pub(crate) use transfer::{ExportedRow, NewAccount, NewGrant, Taken};

/// Most rows of a table that one purge deletes: bounds how long it holds
/// locks.
pub(crate) const PURGE_ROWS: u64 = 1000;

/// The open database. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Store {
    engine: Engine,
    revocations: Arc<RevocationSet>,
    /// Told of every commit that revokes.
    revoked: Arc<Notify>,
    row_macs: RowMacs,
}

#[derive(Clone)]
enum Engine {
    Sqlite(File),
    Postgres(Server),
}

impl Store {
    /// Opens the database, makes it if it is not there, and migrates it; for
    /// [`Locked`].
    async fn open(database: &Database, revocations: Arc<RevocationSet>) -> Result<Self, OpenError> {
        let engine = match database {
            Database::Sqlite(path) => Engine::Sqlite(File::open(path).await?),
            Database::Postgres(url) => Engine::Postgres(Server::open(url).await?),
        };
        let store = Self {
            engine,
            revocations,
            revoked: Arc::default(),
            row_macs: RowMacs::locked(),
        };
        migrations::run(&store).await?;
        Ok(store)
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        match &self.engine {
            Engine::Sqlite(file) => file.close().await,
            Engine::Postgres(server) => server.close().await,
        }
    }

    /// Told of every commit of this process that revokes.
    pub(crate) fn revoked(&self) -> Arc<Notify> {
        Arc::clone(&self.revoked)
    }

    /// Begins a write transaction.
    pub(crate) async fn begin(&self) -> Result<Tx, StoreError> {
        let transaction = match &self.engine {
            Engine::Sqlite(file) => transaction::Engine::Sqlite(file.begin().await?),
            Engine::Postgres(server) => transaction::Engine::Postgres(server.begin().await?),
        };
        let in_force = Arc::clone(&self.revocations);
        let macs = self.row_macs.clone();
        Ok(Tx::new(transaction, in_force, self.revoked(), macs))
    }

    /// What tells rows that Doorward wrote.
    pub(crate) const fn row_macs(&self) -> &RowMacs {
        &self.row_macs
    }

    /// Whether others may write while a transaction is open.
    pub(crate) const fn has_many_writers(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    /// Whether it is still the database that was opened.
    fn check(&self) -> Result<(), StoreError> {
        match &self.engine {
            Engine::Sqlite(file) => file.check(),
            Engine::Postgres(_) => Ok(()),
        }
    }

    fn readers(&self) -> On<'_> {
        match &self.engine {
            Engine::Sqlite(file) => On::Sqlite(&file.readers),
            Engine::Postgres(server) => On::Postgres(&server.readers),
        }
    }
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
