//! A PostgreSQL server (15 or newer), which several nodes may share.
//!
//! Transactions run READ COMMITTED. What that leaves open, compared with
//! SQLite's one writer at a time, is closed by locks on rows, taken in one
//! order; the reasoning is in [`store`](super). Nothing else of PostgreSQL is
//! used: no advisory locks, no sequences, no triggers, no NOTIFY.
//!
//! A connection that breaks is replaced by the pool. What ran on it failed;
//! whether a COMMIT got through is then not known, and the error says so.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{database::PostgresUrl, statement::within};
use crate::error::{OpenError, StoreError};

/// How long a caller waits for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Connections of one node that write.
const WRITERS: u32 = 8;

/// Connections of one node that only read: what waits for a lock must not keep
/// revocations from being read.
const READERS: u32 = 4;

/// A connection that was idle for longer is asked whether it still lives.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

/// What each connection begins with. Not as options of the connection's start,
/// which poolers refuse.
///
/// The isolation is the one that the reasoning assumes. A lock or a statement
/// that takes too long fails rather than filling the pool. What is answered is
/// durable: a server that was told to commit lazily waits here.
const SETTINGS: &str = "SET default_transaction_isolation = 'read committed';
    SET lock_timeout = '5s';
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '30s';
    SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')
        WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";

/// An open server. Clones are the same one.
#[derive(Clone)]
pub(super) struct Server {
    writers: PgPool,
    pub(super) readers: PgPool,
}

impl Server {
    pub(super) async fn open(url: &PostgresUrl) -> Result<Self, OpenError> {
        let options = PgConnectOptions::clone(url.options()).disable_statement_logging();
        // The pools would try again and again and say in the end that they did.
        let first = within(options.connect()).await.map_err(StoreError::from)?;
        first.close().await.map_err(StoreError::from)?;
        Ok(Self {
            writers: pool(WRITERS, options.clone()).await?,
            readers: pool(READERS, options).await?,
        })
    }

    pub(super) async fn begin(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        Ok(within(self.writers.begin()).await?)
    }

    pub(super) async fn close(&self) {
        self.readers.close().await;
        self.writers.close().await;
    }
}

async fn pool(connections: u32, options: PgConnectOptions) -> Result<PgPool, StoreError> {
    let pool = PgPoolOptions::new()
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, metadata| {
            Box::pin(async move {
                if metadata.idle_for > TRUSTED_IDLE {
                    within(connection.ping()).await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(SETTINGS).await.map(drop) })
        });
    Ok(pool.connect_with(options).await?)
}
