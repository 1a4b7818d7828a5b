//! What admission counts.

use doorward_verify::clock::Timestamp;

use super::{PURGE_ROWS, Store, Tx, millis, statement::sql};
use crate::{
    admission::{Change, Kept},
    error::StoreError,
};

/// Most rows that are read at the start: as many as the tables in memory hold.
const MOST_ROWS: i64 = 65_536;

impl Store {
    /// What was counted and is younger than `since`, the youngest last.
    pub(crate) async fn sign_in_failures(
        &self,
        kind: &'static str,
        since: Timestamp,
    ) -> Result<Vec<Kept>, StoreError> {
        let mut rows: Vec<(String, i64, i64)> = sql("SELECT who, count, at FROM sign_in_failure
             WHERE kind = $1 AND at > $2 ORDER BY at DESC, who LIMIT $3")
        .bind(kind)
        .bind(millis(since))
        .bind(MOST_ROWS)
        .fetch_all(self.readers())
        .await?;
        rows.reverse();
        let kept = rows.into_iter().map(|(who, count, at)| Kept {
            who,
            count: u32::try_from(count).unwrap_or(u32::MAX),
            at: u64::try_from(at).unwrap_or(0),
        });
        Ok(kept.collect())
    }
}

impl Tx {
    pub(crate) async fn keep_sign_in_failure(&mut self, change: &Change) -> Result<(), StoreError> {
        let Some((count, at)) = change.value else {
            sql("DELETE FROM sign_in_failure WHERE kind = $1 AND who = $2")
                .bind(change.kind)
                .bind(&change.who)
                .execute(self.connection())
                .await?;
            return Ok(());
        };
        sql(
            "INSERT INTO sign_in_failure (kind, who, count, at) VALUES ($1, $2, $3, $4)
             ON CONFLICT (kind, who) DO UPDATE SET count = $3, at = $4",
        )
        .bind(change.kind)
        .bind(&change.who)
        .bind(i64::from(count))
        .bind(i64::try_from(at).unwrap_or(i64::MAX))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Deletes up to [`PURGE_ROWS`] counts that are forgotten: failures from
    /// before `failures`, sign-ins from before `familiar`.
    pub(crate) async fn purge_sign_in_failures(
        &mut self,
        failures: Timestamp,
        familiar: Timestamp,
    ) -> Result<u64, StoreError> {
        let purged = sql("DELETE FROM sign_in_failure WHERE (kind, who) IN
                 (SELECT kind, who FROM sign_in_failure
                  WHERE at < $1 AND (kind <> 'familiar' OR at < $2) LIMIT $3)")
        .bind(millis(failures))
        .bind(millis(familiar))
        .bind(PURGE_ROWS as i64)
        .execute(self.connection())
        .await?;
        Ok(purged)
    }
}
