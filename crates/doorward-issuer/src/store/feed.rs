//! Where the signed feed stands, and its entries by number.

use doorward_jose::time::UnixTime;
use doorward_verify::{
    clock::Timestamp,
    revocation::{Entry, feed::message::Chain},
};

use super::{Store, Tx, millis, moment, one_row, revocations, seconds, statement::sql};
use crate::error::StoreError;

/// Most entries of one read.
pub(crate) const FEED_ROWS: usize = 1000;

/// The epoch of the feed, and an entry up to which its chain is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeedBase {
    pub(crate) epoch: String,
    pub(crate) since: Timestamp,
    pub(crate) seq: i64,
    pub(crate) chain: Chain,
}

type BaseRow = (String, i64, i64, String);

const SELECT_BASE: &str = "SELECT epoch, began_at, base_seq, base_chain FROM feed WHERE id = 1";

const SELECT_NUMBERED: &str = "SELECT seq, kind, subject, issued_before, expires_at
     FROM revocation WHERE seq > $1 ORDER BY seq LIMIT $2";

impl Store {
    pub(crate) async fn feed_base(&self) -> Result<Option<FeedBase>, StoreError> {
        let row: Option<BaseRow> = sql(SELECT_BASE).fetch_optional(self.readers()).await?;
        row.map(base).transpose()
    }

    /// At most [`FEED_ROWS`] entries after `cursor`, in order, with their
    /// numbers.
    pub(crate) async fn numbered_revocations(
        &self,
        cursor: i64,
    ) -> Result<Vec<(i64, Entry)>, StoreError> {
        let rows: Vec<revocations::Row> = sql(SELECT_NUMBERED)
            .bind(cursor)
            .bind(FEED_ROWS as i64)
            .fetch_all(self.readers())
            .await?;
        rows.into_iter().map(numbered).collect()
    }

    /// Entries up to `last` that have not expired at `alive_at`.
    pub(crate) async fn revocations_up_to(
        &self,
        last: i64,
        alive_at: UnixTime,
    ) -> Result<Vec<Entry>, StoreError> {
        let rows: Vec<revocations::Row> =
            sql("SELECT seq, kind, subject, issued_before, expires_at
             FROM revocation WHERE seq <= $1 AND expires_at > $2")
            .bind(last)
            .bind(seconds(alive_at))
            .fetch_all(self.readers())
            .await?;
        rows.into_iter().map(revocations::entry).collect()
    }
}

impl Tx {
    /// Where the feed stands. Nobody else moves it until this transaction ends.
    pub(crate) async fn feed_base(&mut self) -> Result<Option<FeedBase>, StoreError> {
        self.lock_installation().await?;
        let row: Option<BaseRow> = sql(SELECT_BASE).fetch_optional(self.connection()).await?;
        row.map(base).transpose()
    }

    /// Begins an epoch of the feed after the last entry that there is, later
    /// than the one before.
    pub(crate) async fn begin_feed(
        &mut self,
        epoch: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let before = self.feed_base().await?;
        let since = before.map_or(now, |before| now.max(before.since.plus_millis(1)));
        sql("DELETE FROM feed").execute(self.connection()).await?;
        let made = sql(
            "INSERT INTO feed (id, epoch, began_at, base_seq, base_chain)
             SELECT 1, $1, $2, value, $3 FROM head WHERE name = 'revocation'",
        )
        .bind(epoch)
        .bind(millis(since))
        .bind(Chain::start(epoch).as_str())
        .execute(self.connection())
        .await?;
        one_row(made, "begin_feed")
    }

    /// Carries the base on past at most [`FEED_ROWS`] entries.
    ///
    /// Entries that are missing (an older Doorward deleted them) leave it where
    /// it is; who reads the feed next begins an epoch.
    pub(crate) async fn advance_feed(&mut self) -> Result<(), StoreError> {
        let Some(base) = self.feed_base().await? else {
            return Ok(());
        };
        let rows: Vec<revocations::Row> = sql(SELECT_NUMBERED)
            .bind(base.seq)
            .bind(FEED_ROWS as i64)
            .fetch_all(self.connection())
            .await?;
        let (mut seq, mut chain) = (base.seq, base.chain);
        for row in rows {
            let (number, entry) = numbered(row)?;
            if number != seq + 1 {
                break;
            }
            (seq, chain) = (number, chain.with(&entry));
        }
        let moved = sql("UPDATE feed SET base_seq = $1, base_chain = $2
             WHERE id = 1 AND epoch = $3")
        .bind(seq)
        .bind(chain.as_str())
        .bind(&base.epoch)
        .execute(self.connection())
        .await?;
        one_row(moved, "advance_feed")
    }
}

fn base((epoch, began_at, seq, chain): BaseRow) -> Result<FeedBase, StoreError> {
    Ok(FeedBase {
        epoch,
        since: moment(began_at, "feed.began_at")?,
        seq,
        chain: Chain::resume(chain),
    })
}

fn numbered(row: revocations::Row) -> Result<(i64, Entry), StoreError> {
    Ok((row.0, revocations::entry(row)?))
}
