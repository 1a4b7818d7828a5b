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

/// The oldest version that Doorward is tested on.
pub(crate) const OLDEST: u32 = 15;

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
        let mut first = within(options.connect()).await.map_err(StoreError::from)?;
        let (version,): (String,) =
            within(sqlx::query_as("SELECT version()").fetch_one(&mut first))
                .await
                .map_err(StoreError::from)?;
        if is_too_old(&version) {
            return Err(OpenError::OldServer {
                found: named(&version).to_owned(),
            });
        }
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

/// By what the server calls itself. Those that only speak like PostgreSQL count
/// in versions of their own.
fn is_too_old(version: &str) -> bool {
    let number = version.strip_prefix("PostgreSQL ");
    let is_relative = version.contains("-YB-");
    let major = number.and_then(|number| {
        let digits = number.split(|it: char| !it.is_ascii_digit()).next()?;
        digits.parse::<u32>().ok()
    });
    !is_relative && major.is_some_and(|major| major < OLDEST)
}

/// Name and number, without platform and compiler.
fn named(version: &str) -> &str {
    let end = version.match_indices(' ').nth(1);
    end.map_or(version, |(end, _)| &version[..end])
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

#[cfg(test)]
mod tests {
    use super::{is_too_old, named};

    #[test]
    fn an_old_server_is_known_by_its_name() {
        let said = "PostgreSQL 13.14 (Debian 13.14-1) on x86_64-pc-linux-gnu, 64-bit";
        assert!(is_too_old(said));
        assert_eq!(named(said), "PostgreSQL 13.14");
        for old in [
            "PostgreSQL 9.6.24 on x86_64",
            "PostgreSQL 14beta1 on aarch64",
        ] {
            assert!(is_too_old(old), "{old}");
        }
        for new in [
            "PostgreSQL 15.8 (Debian 15.8-0) on x86_64",
            "PostgreSQL 18beta2 on x86_64",
            "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu)",
            "PostgreSQL 11.2-YB-2.21.0.0-b0 on x86_64",
            "PostgreSQL",
            "",
        ] {
            assert!(!is_too_old(new), "{new}");
        }
    }
}
