//! Requests of administration that were sent with a key, so that each is done
//! once.

use doorward_verify::clock::Timestamp;

use super::{PURGE_ROWS, Tx, millis, one_row, statement::sql};
use crate::error::StoreError;

impl Tx {
    /// `false` if the key is known.
    pub(crate) async fn note_idempotency(
        &mut self,
        id: &str,
        request: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let noted = sql(
            "INSERT INTO idempotency (id, request, created_at) VALUES ($1, $2, $3)
             ON CONFLICT DO NOTHING",
        )
        .bind(id)
        .bind(request)
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        Ok(noted == 1)
    }

    /// The request that came with the key, and its sealed answer.
    pub(crate) async fn idempotency(
        &mut self,
        id: &str,
    ) -> Result<Option<(String, Option<Vec<u8>>)>, StoreError> {
        let row = sql("SELECT request, sealed_answer FROM idempotency WHERE id = $1")
            .bind(id)
            .fetch_optional(self.connection())
            .await?;
        Ok(row)
    }

    pub(crate) async fn end_idempotency(
        &mut self,
        id: &str,
        sealed_answer: &[u8],
    ) -> Result<(), StoreError> {
        let ended = sql("UPDATE idempotency SET sealed_answer = $2 WHERE id = $1")
            .bind(id)
            .bind(sealed_answer)
            .execute(self.connection())
            .await?;
        one_row(ended, "end_idempotency")
    }

    pub(crate) async fn forget_idempotency(&mut self, id: &str) -> Result<(), StoreError> {
        sql("DELETE FROM idempotency WHERE id = $1")
            .bind(id)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    /// Deletes up to [`PURGE_ROWS`] keys from before `before`; how many.
    pub(crate) async fn purge_idempotency(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let purged = sql("DELETE FROM idempotency WHERE id IN
                 (SELECT id FROM idempotency WHERE created_at < $1 LIMIT $2)")
        .bind(millis(before))
        .bind(PURGE_ROWS as i64)
        .execute(self.connection())
        .await?;
        Ok(purged)
    }
}
