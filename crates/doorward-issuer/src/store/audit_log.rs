//! The audit log: appended to in the transaction of the change.

use super::{Store, Tx, millis, statement::sql, unsigned};
use crate::{
    audit::{AuditEntry, AuditRecord},
    error::StoreError,
};

type Row = (
    i64,
    i64,
    Option<String>,
    String,
    String,
    String,
    String,
    String,
    Option<String>,
    String,
    String,
);

impl Store {
    /// Entries after `cursor`, in order.
    pub(crate) async fn audit_after(
        &self,
        cursor: u64,
        limit: u32,
    ) -> Result<Vec<AuditRecord>, StoreError> {
        let rows: Vec<Row> = sql(
            "SELECT seq, at, tenant, actor_kind, actor_id, action, object_kind, object_id,
                    session_id, outcome, detail
             FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2",
        )
        .bind(i64::try_from(cursor).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(record).collect()
    }
}

impl Tx {
    pub(crate) async fn record(&mut self, entry: AuditEntry<'_>) -> Result<(), StoreError> {
        let seq = self.next("audit").await?;
        sql(
            "INSERT INTO audit (seq, at, tenant, actor_kind, actor_id, action, object_kind,
                                object_id, session_id, outcome, detail)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(seq)
        .bind(millis(entry.stamp.at))
        .bind(entry.tenant.map(|tenant| tenant.as_str()))
        .bind(entry.stamp.actor.kind.name())
        .bind(&entry.stamp.actor.id)
        .bind(entry.action.name())
        .bind(entry.object.kind())
        .bind(entry.object.id())
        .bind(entry.session.map(|session| session.to_string()))
        .bind(entry.action.outcome())
        .bind(entry.detail.to_string())
        .execute(self.connection())
        .await?;
        Ok(())
    }
}

fn record(row: Row) -> Result<AuditRecord, StoreError> {
    let (
        seq,
        at,
        tenant,
        actor_kind,
        actor_id,
        action,
        object_kind,
        object_id,
        session,
        outcome,
        detail,
    ) = row;
    Ok(AuditRecord {
        seq: unsigned(seq, "audit.seq")?,
        at_ms: unsigned(at, "audit.at")?,
        tenant,
        actor_kind,
        actor_id,
        action,
        object_kind,
        object_id,
        session,
        outcome,
        detail,
    })
}
