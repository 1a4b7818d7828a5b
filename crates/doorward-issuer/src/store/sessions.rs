//! Sessions. A refresh is one compare-and-swap on the generation.

use std::collections::HashSet;

use doorward_verify::clock::Timestamp;

use super::{
    PURGE_ROWS, Store, Tx, millis, moment, one_row, parsed,
    statement::{Listing, sql},
};
use crate::{
    error::StoreError,
    session::{EndCause, SessionId, Standing},
    tenant::TenantName,
    user::UserId,
};

/// A session that begins.
pub(crate) struct NewSession<'a> {
    pub(crate) id: SessionId,
    pub(crate) user: &'a UserId,
    pub(crate) tenant: &'a TenantName,
    pub(crate) client_id: &'a str,
    pub(crate) methods: &'a [&'a str],
    pub(crate) now: Timestamp,
    pub(crate) idle_until: Timestamp,
    pub(crate) absolute_until: Timestamp,
}

/// A change of a session's standing, if it still stands as it did.
pub(crate) struct Swap<'a> {
    pub(crate) id: SessionId,
    pub(crate) before: &'a Standing,
    pub(crate) after: &'a Standing,
}

/// A stored session.
#[derive(Clone, Debug)]
pub(crate) struct SessionRow {
    pub(crate) user: UserId,
    pub(crate) tenant: TenantName,
    pub(crate) client_id: String,
    pub(crate) methods: Vec<String>,
    pub(crate) sealed_key: Vec<u8>,
    pub(crate) created_at: Timestamp,
    pub(crate) standing: Standing,
}

type Row = (
    String,
    String,
    String,
    String,
    Vec<u8>,
    i64,
    i64,
    i64,
    i64,
    i64,
    Option<i64>,
);

const SELECT: &str = "SELECT account_id, tenant, client_id, methods, sealed_key, generation,
            rotated_at, idle_until, absolute_until, created_at, ended_at
     FROM session WHERE id = $1";

impl Store {
    pub(crate) async fn session(&self, id: SessionId) -> Result<Option<SessionRow>, StoreError> {
        let row: Option<Row> = sql(SELECT)
            .bind(id.to_string())
            .fetch_optional(self.readers())
            .await?;
        row.map(session).transpose()
    }
}

impl Store {
    /// The sessions of a user that are alive at `now`, the oldest first.
    pub(crate) async fn live_sessions_of(
        &self,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Vec<(SessionId, SessionRow)>, StoreError> {
        let ids: Vec<(String,)> = sql("SELECT id FROM session
             WHERE account_id = $1 AND ended_at IS NULL AND idle_until > $2
               AND absolute_until > $2 ORDER BY id LIMIT 1000")
        .bind(user.as_str())
        .bind(millis(now))
        .fetch_all(self.readers())
        .await?;
        let mut sessions = Vec::with_capacity(ids.len());
        for (id,) in ids {
            let id = parsed(SessionId::parse(&id).ok_or(id), "session.id")?;
            if let Some(row) = self.session(id).await? {
                sessions.push((id, row));
            }
        }
        Ok(sessions)
    }
}

impl Tx {
    pub(crate) async fn session(
        &mut self,
        id: SessionId,
    ) -> Result<Option<SessionRow>, StoreError> {
        let row: Option<Row> = sql(SELECT)
            .bind(id.to_string())
            .fetch_optional(self.connection())
            .await?;
        row.map(session).transpose()
    }

    pub(crate) async fn insert_session(
        &mut self,
        new: &NewSession<'_>,
        sealed_key: &[u8],
    ) -> Result<(), StoreError> {
        sql(
            "INSERT INTO session (id, account_id, tenant, client_id, methods, sealed_key,
                                  generation, rotated_at, idle_until, absolute_until, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $7)",
        )
        .bind(new.id.to_string())
        .bind(new.user.as_str())
        .bind(new.tenant.as_str())
        .bind(new.client_id)
        .bind(new.methods.join(" "))
        .bind(sealed_key)
        .bind(millis(new.now))
        .bind(millis(new.idle_until))
        .bind(millis(new.absolute_until))
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Check and update in one statement: whatever else is going on, one
    /// generation is exchanged once. `false` if the session no longer stands
    /// as it did `before`: every change of the standing changes one of the
    /// columns that are compared.
    pub(crate) async fn swap_standing(
        &mut self,
        id: SessionId,
        before: &Standing,
        after: &Standing,
    ) -> Result<bool, StoreError> {
        let swapped = self.swap_standings(&[Swap { id, before, after }]).await?;
        Ok(swapped.contains(&id))
    }

    /// The same for several sessions, each of them there once; those that were
    /// swapped.
    pub(crate) async fn swap_standings(
        &mut self,
        swaps: &[Swap<'_>],
    ) -> Result<HashSet<SessionId>, StoreError> {
        static SWAPS: Listing = Listing::new(
            "UPDATE session
             SET generation = v.column3, rotated_at = v.column4, idle_until = v.column5
             FROM ({}) AS v
             WHERE id = v.column1 AND generation = v.column2 AND ended_at IS NULL RETURNING id",
        );
        let mut swapped = HashSet::with_capacity(swaps.len());
        for swaps in swaps.chunks(Listing::MOST) {
            let swap = |Swap { id, before, after }: &Swap<'_>| {
                [
                    id.to_string().into(),
                    i64::from(before.generation).into(),
                    i64::from(after.generation).into(),
                    millis(after.rotated_at).into(),
                    millis(after.idle_until).into(),
                ]
            };
            let rows: Vec<(String,)> = SWAPS
                .about(swaps.iter().map(swap))
                .fetch_all(self.connection())
                .await?;
            for (id,) in rows {
                swapped.insert(parsed(SessionId::parse(&id).ok_or(id), "session.id")?);
            }
        }
        Ok(swapped)
    }

    /// The sessions of a user that are alive, but for the newest `kept`.
    pub(crate) async fn sessions_beyond(
        &mut self,
        kept: u32,
        user: &UserId,
        now: Timestamp,
    ) -> Result<Vec<SessionId>, StoreError> {
        // Ids are in the order of time.
        let rows: Vec<(String,)> = sql("SELECT id FROM session
             WHERE account_id = $1 AND ended_at IS NULL AND idle_until > $2
               AND absolute_until > $2
             ORDER BY id DESC LIMIT $4 OFFSET $3")
        .bind(user.as_str())
        .bind(millis(now))
        .bind(i64::from(kept))
        .bind(PURGE_ROWS as i64)
        .fetch_all(self.connection())
        .await?;
        let read = |(id,): (String,)| SessionId::parse(&id).ok_or(id);
        rows.into_iter()
            .map(|row| parsed(read(row), "session.id"))
            .collect()
    }

    /// Every session that has not ended.
    pub(crate) async fn every_live_session(&mut self) -> Result<Vec<SessionId>, StoreError> {
        let rows: Vec<(String,)> = sql("SELECT id FROM session WHERE ended_at IS NULL ORDER BY id")
            .fetch_all(self.connection())
            .await?;
        let read = |(id,): (String,)| SessionId::parse(&id).ok_or(id);
        rows.into_iter()
            .map(|row| parsed(read(row), "session.id"))
            .collect()
    }

    pub(crate) async fn set_session_key(
        &mut self,
        id: SessionId,
        sealed_key: &[u8],
    ) -> Result<(), StoreError> {
        let changed = sql("UPDATE session SET sealed_key = $2 WHERE id = $1")
            .bind(id.to_string())
            .bind(sealed_key)
            .execute(self.connection())
            .await?;
        one_row(changed, "set_session_key")
    }

    /// Whose session it was, or `None` if there is none alive.
    pub(crate) async fn end_session(
        &mut self,
        id: SessionId,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<Option<(UserId, TenantName)>, StoreError> {
        let row: Option<(String, String)> = sql("UPDATE session SET ended_at = $2, end_cause = $3
             WHERE id = $1 AND ended_at IS NULL RETURNING account_id, tenant")
        .bind(id.to_string())
        .bind(millis(now))
        .bind(cause.name())
        .fetch_optional(self.connection())
        .await?;
        row.map(|(user, tenant)| {
            let tenant = parsed(TenantName::parse(&tenant), "session.tenant")?;
            Ok((UserId::from_text(user), tenant))
        })
        .transpose()
    }

    /// The sessions of a user that have not ended.
    pub(crate) async fn live_sessions(
        &mut self,
        user: &UserId,
    ) -> Result<Vec<SessionId>, StoreError> {
        let rows: Vec<(String,)> =
            sql("SELECT id FROM session WHERE account_id = $1 AND ended_at IS NULL ORDER BY id")
                .bind(user.as_str())
                .fetch_all(self.connection())
                .await?;
        let read = |(id,): (String,)| SessionId::parse(&id).ok_or(id);
        rows.into_iter()
            .map(|row| parsed(read(row), "session.id"))
            .collect()
    }

    /// Ends every session of a user; how many there were.
    pub(crate) async fn end_sessions_of(
        &mut self,
        user: &UserId,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let ended = sql("UPDATE session SET ended_at = $2, end_cause = $3
             WHERE account_id = $1 AND ended_at IS NULL")
        .bind(user.as_str())
        .bind(millis(now))
        .bind(cause.name())
        .execute(self.connection())
        .await?;
        Ok(ended)
    }

    /// Ends every session there is; how many there were.
    pub(crate) async fn end_every_session(
        &mut self,
        cause: EndCause,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let ended = sql("UPDATE session SET ended_at = $1, end_cause = $2 WHERE ended_at IS NULL")
            .bind(millis(now))
            .bind(cause.name())
            .execute(self.connection())
            .await?;
        Ok(ended)
    }

    /// Deletes up to [`PURGE_ROWS`] sessions whose absolute end lies before
    /// `before`; how many there were.
    pub(crate) async fn purge_sessions(&mut self, before: Timestamp) -> Result<u64, StoreError> {
        let purged = sql("DELETE FROM session WHERE id IN
                 (SELECT id FROM session WHERE absolute_until < $1 LIMIT $2)")
        .bind(millis(before))
        .bind(PURGE_ROWS as i64)
        .execute(self.connection())
        .await?;
        Ok(purged)
    }
}

fn session(row: Row) -> Result<SessionRow, StoreError> {
    let (
        user,
        tenant,
        client_id,
        methods,
        sealed_key,
        generation,
        rotated_at,
        idle_until,
        absolute_until,
        created_at,
        ended_at,
    ) = row;
    Ok(SessionRow {
        user: UserId::from_text(user),
        tenant: parsed(TenantName::parse(&tenant), "session.tenant")?,
        client_id,
        methods: methods.split_whitespace().map(str::to_owned).collect(),
        sealed_key,
        created_at: moment(created_at, "session.created_at")?,
        standing: Standing {
            generation: parsed(u32::try_from(generation), "session.generation")?,
            rotated_at: moment(rotated_at, "session.rotated_at")?,
            idle_until: moment(idle_until, "session.idle_until")?,
            absolute_until: moment(absolute_until, "session.absolute_until")?,
            ended: ended_at.is_some(),
        },
    })
}
