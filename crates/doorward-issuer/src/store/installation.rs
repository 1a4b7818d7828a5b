//! What belongs to the installation as a whole, and the heads.

use doorward_jose::time::UnixTime;
use doorward_verify::clock::Timestamp;

use super::{
    Store, Tx, millis, moment, one_row, seconds,
    statement::{On, locking, sql},
    unix, unsigned,
};
use crate::error::StoreError;

/// The one row of `installation`.
#[derive(Clone, Debug)]
pub(crate) struct Installation {
    pub(crate) epoch: String,
    /// By what the root key is recognised; of before root keys, the master key.
    pub(crate) master_key_check: Vec<u8>,
    /// Every access token issued before is refused.
    pub(crate) tokens_from: UnixTime,
    /// Longest life that any process with this store gives access tokens.
    pub(crate) longest_access_token: u64,
}

/// How far the store has come; one cheap read tells whether anything is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Heads {
    pub(crate) epoch: String,
    pub(crate) revocation: i64,
    pub(crate) keys: i64,
}

const SELECT: &str = "SELECT epoch, master_key_check, tokens_from, longest_access_token
     FROM installation WHERE id = 1";

async fn read(on: On<'_>) -> Result<Option<Installation>, StoreError> {
    let row: Option<(String, Vec<u8>, i64, i64)> = sql(SELECT).fetch_optional(on).await?;
    row.map(|(epoch, master_key_check, tokens_from, longest)| {
        Ok(Installation {
            epoch,
            master_key_check,
            tokens_from: unix(tokens_from, "tokens_from")?,
            longest_access_token: unsigned(longest, "longest_access_token")?,
        })
    })
    .transpose()
}

impl Store {
    pub(super) async fn installation(&self) -> Result<Option<Installation>, StoreError> {
        read(self.readers()).await
    }

    pub(crate) async fn heads(&self) -> Result<Heads, StoreError> {
        self.check()?;
        let (epoch, revocation, keys) = sql("SELECT i.epoch, r.value, k.value
             FROM installation i, head r, head k
             WHERE i.id = 1 AND r.name = 'revocation' AND k.name = 'keys'")
        .fetch_one(self.readers())
        .await?;
        Ok(Heads {
            epoch,
            revocation,
            keys,
        })
    }
}

impl Store {
    /// The epoch, and what makes its tickets different from those that a copy
    /// of the database could make.
    pub(crate) async fn epoch_and_ticket_salt(
        &self,
    ) -> Result<(String, Option<Vec<u8>>), StoreError> {
        self.check()?;
        let row = sql("SELECT epoch, ticket_salt FROM installation WHERE id = 1")
            .fetch_one(self.readers())
            .await?;
        Ok(row)
    }
}

impl Tx {
    /// Every ticket of before is refused.
    pub(crate) async fn set_ticket_salt(&mut self, salt: &[u8]) -> Result<(), StoreError> {
        let changed = sql("UPDATE installation SET ticket_salt = $1 WHERE id = 1")
            .bind(salt)
            .execute(self.connection())
            .await?;
        one_row(changed, "set_ticket_salt")
    }

    pub(crate) async fn installation(&mut self) -> Result<Option<Installation>, StoreError> {
        read(self.connection()).await
    }

    /// `false` if another process was faster.
    pub(crate) async fn insert_installation(
        &mut self,
        new: &Installation,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let inserted = sql("INSERT INTO installation
                 (id, epoch, master_key_check, tokens_from, longest_access_token, created_at)
             VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
        .bind(&new.epoch)
        .bind(&new.master_key_check)
        .bind(seconds(new.tokens_from))
        .bind(i64::try_from(new.longest_access_token).unwrap_or(i64::MAX))
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        Ok(inserted == 1)
    }

    pub(crate) async fn raise_longest_access_token(&mut self, life: u64) -> Result<(), StoreError> {
        let life = i64::try_from(life).unwrap_or(i64::MAX);
        sql("UPDATE installation SET longest_access_token = $1
             WHERE id = 1 AND longest_access_token < $1")
        .bind(life)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Begins a new epoch, in which the revocation head continues after
    /// `revocation`.
    pub(crate) async fn begin_epoch(
        &mut self,
        epoch: &str,
        revocation: i64,
    ) -> Result<(), StoreError> {
        let changed = sql("UPDATE installation SET epoch = $1 WHERE id = 1")
            .bind(epoch)
            .execute(self.connection())
            .await?;
        one_row(changed, "begin_epoch")?;
        sql("UPDATE head SET value = $1 WHERE name = 'revocation' AND value < $1")
            .bind(revocation)
            .execute(self.connection())
            .await?;
        Ok(())
    }

    pub(crate) async fn set_all_tokens_from(
        &mut self,
        tokens_from: UnixTime,
    ) -> Result<(), StoreError> {
        let changed =
            sql("UPDATE installation SET tokens_from = $1 WHERE id = 1 AND tokens_from < $1")
                .bind(seconds(tokens_from))
                .execute(self.connection())
                .await?;
        one_row(changed, "set_all_tokens_from")
    }

    /// Keeps others from changing the installation until this transaction ends.
    pub(crate) async fn lock_installation(&mut self) -> Result<(), StoreError> {
        let _row: Option<(i64,)> =
            locking!("SELECT id FROM installation WHERE id = 1", "installation")
                .fetch_optional(self.connection())
                .await?;
        Ok(())
    }

    /// The last refresh or beginning of any session.
    pub(crate) async fn latest_rotation(&mut self) -> Result<Timestamp, StoreError> {
        let (latest,): (i64,) = sql("SELECT COALESCE(MAX(rotated_at), 0) FROM session")
            .fetch_one(self.connection())
            .await?;
        moment(latest, "session.rotated_at")
    }

    /// The latest watermark of any user, of any client that gets tokens, or of
    /// the installation.
    pub(crate) async fn latest_watermark(&mut self) -> Result<UnixTime, StoreError> {
        let (latest,): (i64,) = sql("SELECT COALESCE(MAX(tokens_from), 0) FROM
                 (SELECT tokens_from FROM account UNION ALL SELECT tokens_from FROM installation
                  UNION ALL SELECT tokens_from FROM client WHERE removed_at IS NULL) w")
        .fetch_one(self.connection())
        .await?;
        unix(latest, "tokens_from")
    }

    /// Tells other processes that the signing keys changed.
    pub(crate) async fn keys_changed(&mut self) -> Result<(), StoreError> {
        self.numbers("keys", 1).await.map(drop)
    }

    /// Keeps others from changing the signing keys until this transaction ends:
    /// see [`store`](super).
    pub(crate) async fn lock_keys(&mut self) -> Result<(), StoreError> {
        let (_head,): (i64,) = locking!("SELECT value FROM head WHERE name = 'keys'", "head")
            .fetch_one(self.connection())
            .await?;
        Ok(())
    }
}
