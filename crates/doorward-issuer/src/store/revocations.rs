//! The revocation feed: numbered in commit order, read by cursor.

use doorward_jose::time::UnixTime;
use doorward_verify::{
    clock::Timestamp,
    revocation::{Entry, Revocation},
};

use super::{PURGE_ROWS, Store, Tx, millis, parsed, seconds, statement::sql, unix};
use crate::error::StoreError;

pub(super) type Row = (i64, String, String, Option<i64>, i64);

/// An entry that waits for its number.
pub(super) struct RevocationRow {
    pub(super) entry: Entry,
    cause: String,
    now: Timestamp,
}

impl Store {
    /// Entries after `cursor` that have not expired at `alive_at`, in order,
    /// and the cursor after them.
    pub(crate) async fn revocations_after(
        &self,
        cursor: i64,
        alive_at: UnixTime,
    ) -> Result<(Vec<Entry>, i64), StoreError> {
        let rows: Vec<Row> = sql("SELECT seq, kind, subject, issued_before, expires_at
             FROM revocation WHERE seq > $1 AND expires_at > $2 ORDER BY seq")
        .bind(cursor)
        .bind(seconds(alive_at))
        .fetch_all(self.readers())
        .await?;
        let cursor = rows.last().map_or(cursor, |row| row.0);
        let entries = rows.into_iter().map(entry).collect::<Result<_, _>>()?;
        Ok((entries, cursor))
    }
}

impl Tx {
    /// Writes an entry; [`Tx::commit`] gives it its number and puts it in
    /// force.
    pub(crate) async fn insert_revocation(
        &mut self,
        entry: Entry,
        cause: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.will_revoke(RevocationRow {
            entry,
            cause: cause.to_owned(),
            now,
        });
        Ok(())
    }

    pub(super) async fn insert_numbered_revocation(
        &mut self,
        seq: i64,
        row: RevocationRow,
    ) -> Result<(), StoreError> {
        let (kind, subject, issued_before) = columns(&row.entry.revocation)?;
        sql("INSERT INTO revocation
                 (seq, kind, subject, issued_before, expires_at, cause, revoked_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)")
        .bind(seq)
        .bind(kind)
        .bind(subject)
        .bind(issued_before.map(seconds))
        .bind(seconds(row.entry.expires_at))
        .bind(row.cause)
        .bind(millis(row.now))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Deletes up to [`PURGE_ROWS`] entries that expired before `before` and
    /// that the base of the feed has passed; how many there were.
    pub(crate) async fn purge_revocations(&mut self, before: UnixTime) -> Result<u64, StoreError> {
        let purged = sql("DELETE FROM revocation WHERE seq IN
                 (SELECT seq FROM revocation WHERE expires_at < $1
                      AND seq <= (SELECT base_seq FROM feed WHERE id = 1)
                  ORDER BY seq LIMIT $2)")
        .bind(seconds(before))
        .bind(PURGE_ROWS as i64)
        .execute(self.connection())
        .await?;
        Ok(purged)
    }
}

fn columns(revocation: &Revocation) -> Result<(&'static str, &str, Option<UnixTime>), StoreError> {
    Ok(match revocation {
        Revocation::Token { jti } => ("token", jti, None),
        Revocation::Session { sid } => ("session", sid, None),
        Revocation::Key { kid } => ("key", kid, None),
        Revocation::User { sub, issued_before } => ("user", sub, Some(*issued_before)),
        Revocation::Client {
            client_id,
            issued_before,
        } => ("client", client_id, Some(*issued_before)),
        Revocation::Tenant {
            tenant,
            issued_before,
        } => ("tenant", tenant, Some(*issued_before)),
        Revocation::Everything { issued_before } => ("everything", "", Some(*issued_before)),
        other => return Err(StoreError::Corrupt(format!("no column for {other:?}"))),
    })
}

pub(super) fn entry(
    (_, kind, subject, issued_before, expires_at): Row,
) -> Result<Entry, StoreError> {
    let issued_before = issued_before
        .map(|moment| unix(moment, "revocation.issued_before"))
        .transpose()?;
    let revocation = match (&*kind, issued_before) {
        ("token", None) => Revocation::Token { jti: subject },
        ("session", None) => Revocation::Session { sid: subject },
        ("key", None) => Revocation::Key { kid: subject },
        ("user", Some(issued_before)) => Revocation::User {
            sub: subject,
            issued_before,
        },
        ("client", Some(issued_before)) => Revocation::Client {
            client_id: subject,
            issued_before,
        },
        ("tenant", Some(issued_before)) => Revocation::Tenant {
            tenant: subject,
            issued_before,
        },
        ("everything", Some(issued_before)) => Revocation::Everything { issued_before },
        _ => return parsed(Err(format!("{kind:?} is not a kind")), "revocation.kind"),
    };
    let expires_at = unix(expires_at, "revocation.expires_at")?;
    Ok(Entry {
        revocation,
        expires_at,
    })
}
