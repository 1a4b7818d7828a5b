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

/// An entry that waits for its number.
pub(super) struct AuditRow {
    at: i64,
    tenant: Option<String>,
    actor_kind: &'static str,
    actor_id: String,
    action: &'static str,
    object_kind: &'static str,
    object_id: String,
    session: Option<String>,
    outcome: &'static str,
    detail: String,
}

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
        .fetch_all(self.readers())
        .await?;
        rows.into_iter().map(record).collect()
    }
}

impl Tx {
    /// Writes an entry; the commit gives it its number.
    pub(crate) async fn record(&mut self, entry: AuditEntry<'_>) -> Result<(), StoreError> {
        self.will_record(AuditRow {
            at: millis(entry.stamp.at),
            tenant: entry.tenant.map(ToString::to_string),
            actor_kind: entry.stamp.actor.kind.name(),
            actor_id: entry.stamp.actor.id.clone(),
            action: entry.action.name(),
            object_kind: entry.object.kind(),
            object_id: entry.object.id().to_owned(),
            session: entry.session.map(|session| session.to_string()),
            outcome: entry.action.outcome(),
            detail: entry.detail.to_string(),
        });
        Ok(())
    }

    pub(super) async fn insert_numbered_record(
        &mut self,
        seq: i64,
        row: AuditRow,
    ) -> Result<(), StoreError> {
        sql(
            "INSERT INTO audit (seq, at, tenant, actor_kind, actor_id, action, object_kind,
                                object_id, session_id, outcome, detail)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        )
        .bind(seq)
        .bind(row.at)
        .bind(row.tenant)
        .bind(row.actor_kind)
        .bind(row.actor_id)
        .bind(row.action)
        .bind(row.object_kind)
        .bind(row.object_id)
        .bind(row.session)
        .bind(row.outcome)
        .bind(row.detail)
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
