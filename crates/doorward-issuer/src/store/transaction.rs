//! A write transaction.

use std::sync::Arc;

use doorward_verify::revocation::{Entry, RevocationSet};
use sqlx::{AssertSqlSafe, Postgres, Sqlite, Transaction};
use tokio::sync::Notify;

use super::{
    RowMacs,
    audit_log::AuditRow,
    revocations::RevocationRow,
    statement::{On, sql, within},
};
use crate::error::StoreError;

/// A write transaction. Dropped means rolled back.
pub(crate) struct Tx {
    engine: Engine,
    in_force: Arc<RevocationSet>,
    told: Arc<Notify>,
    revoked: Vec<RevocationRow>,
    audited: Vec<AuditRow>,
    row_macs: RowMacs,
}

pub(super) enum Engine {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

impl Tx {
    pub(super) fn new(
        engine: Engine,
        in_force: Arc<RevocationSet>,
        told: Arc<Notify>,
        row_macs: RowMacs,
    ) -> Self {
        Self {
            row_macs,
            engine,
            in_force,
            told,
            revoked: Vec::new(),
            audited: Vec::new(),
        }
    }

    /// Makes everything durable. Revocations are in force in this process
    /// before this returns, so before anybody is told about them.
    ///
    /// The feed and the log get their numbers here, last of all: see
    /// [`store`](super).
    pub(crate) async fn commit(mut self) -> Result<(), StoreError> {
        let revoked = std::mem::take(&mut self.revoked);
        let entries: Vec<Entry> = revoked.iter().map(|row| row.entry.clone()).collect();
        let first = self.numbers("revocation", revoked.len()).await?;
        for (seq, row) in (first..).zip(revoked) {
            self.insert_numbered_revocation(seq, row).await?;
        }
        let audited = std::mem::take(&mut self.audited);
        let first = self.numbers("audit", audited.len()).await?;
        for (seq, row) in (first..).zip(audited) {
            self.insert_numbered_record(seq, row).await?;
        }
        self.engine.commit().await?;
        let is_news = !entries.is_empty();
        for entry in entries {
            self.in_force.insert(entry);
        }
        if is_news {
            self.told.notify_one();
        }
        Ok(())
    }

    /// Runs a script that is part of the program.
    pub(super) async fn run_script(&mut self, script: String) -> Result<(), sqlx::Error> {
        let script = sqlx::raw_sql(AssertSqlSafe(script));
        match &mut self.engine {
            Engine::Sqlite(tx) => script.execute(&mut **tx).await.map(drop),
            Engine::Postgres(tx) => script.execute(&mut **tx).await.map(drop),
        }
    }

    pub(super) const fn row_macs(&self) -> &RowMacs {
        &self.row_macs
    }

    pub(super) const fn is_postgres(&self) -> bool {
        matches!(self.engine, Engine::Postgres(_))
    }

    pub(super) fn connection(&mut self) -> On<'_> {
        match &mut self.engine {
            Engine::Sqlite(tx) => On::SqliteTx(tx),
            Engine::Postgres(tx) => On::PostgresTx(tx),
        }
    }

    /// An entry of the feed that the commit numbers and puts in force.
    pub(super) fn will_revoke(&mut self, row: RevocationRow) {
        self.revoked.push(row);
    }

    /// An entry of the log that the commit numbers.
    pub(super) fn will_record(&mut self, row: AuditRow) {
        self.audited.push(row);
    }

    /// Takes the next `count` numbers of a head, in commit order and without
    /// gaps; the first of them.
    pub(super) async fn numbers(
        &mut self,
        head: &'static str,
        count: usize,
    ) -> Result<i64, StoreError> {
        if count == 0 {
            return Ok(0);
        }
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        let (last,): (i64,) =
            sql("UPDATE head SET value = value + $2 WHERE name = $1 RETURNING value")
                .bind(head)
                .bind(count)
                .fetch_one(self.connection())
                .await?;
        Ok(last - count + 1)
    }
}

impl Engine {
    async fn commit(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(tx) => Ok(tx.commit().await?),
            Self::Postgres(tx) => within(tx.commit()).await.map_err(|error| {
                let error = StoreError::from(error);
                match error {
                    StoreError::Unavailable(why) => StoreError::Unavailable(format!(
                        "{why}; it is not known whether the last change was made"
                    )),
                    error => error,
                }
            }),
        }
    }
}
