//! Authenticators and recovery codes. Who changes them holds the account.

use doorward_verify::clock::Timestamp;

use super::{Store, Tx, millis, moment, one_row, parsed, statement::sql, unsigned};
use crate::{error::StoreError, second_factor::CodeMac, user::UserId};

/// A stored authenticator.
pub(crate) struct TotpRow {
    pub(crate) sealed_secret: Vec<u8>,
    /// The step of the last code that was accepted.
    pub(crate) last_step: u64,
    /// Wrong codes since the last right one.
    pub(crate) failures: u32,
    pub(crate) last_failed_at: Timestamp,
    /// Whether it is asked for; else it was only begun.
    pub(crate) confirmed: bool,
    pub(crate) created_at: Timestamp,
}

type Row = (Vec<u8>, i64, i64, i64, Option<i64>, i64);

impl Store {
    /// Whether a second factor of the user is asked for.
    pub(crate) async fn has_second_factor(&self, user: &UserId) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = sql("SELECT CAST(1 AS BIGINT) FROM totp
             WHERE account_id = $1 AND confirmed_at IS NOT NULL")
        .bind(user.as_str())
        .fetch_optional(self.readers())
        .await?;
        Ok(row.is_some())
    }

    /// Recovery codes of the user that were not used.
    pub(crate) async fn recovery_codes_left(&self, user: &UserId) -> Result<u64, StoreError> {
        let (left,): (i64,) =
            sql("SELECT COUNT(*) FROM recovery_code WHERE account_id = $1 AND used_at IS NULL")
                .bind(user.as_str())
                .fetch_one(self.readers())
                .await?;
        unsigned(left, "recovery codes")
    }
}

impl Tx {
    pub(crate) async fn totp(&mut self, user: &UserId) -> Result<Option<TotpRow>, StoreError> {
        let row: Option<Row> = sql(
            "SELECT sealed_secret, last_step, failures, last_failed_at, confirmed_at, created_at
             FROM totp WHERE account_id = $1",
        )
        .bind(user.as_str())
        .fetch_optional(self.connection())
        .await?;
        row.map(
            |(sealed_secret, step, failures, failed, confirmed, created)| {
                Ok(TotpRow {
                    sealed_secret,
                    last_step: unsigned(step, "totp.last_step")?,
                    failures: parsed(u32::try_from(failures), "totp.failures")?,
                    last_failed_at: moment(failed, "totp.last_failed_at")?,
                    confirmed: confirmed.is_some(),
                    created_at: moment(created, "totp.created_at")?,
                })
            },
        )
        .transpose()
    }

    /// In the place of one that was begun; `false` if there is one that is
    /// asked for.
    pub(crate) async fn begin_totp(
        &mut self,
        user: &UserId,
        sealed_secret: &[u8],
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let begun = sql(
            "INSERT INTO totp (account_id, sealed_secret, last_step, failures, last_failed_at,
                               created_at)
             VALUES ($1, $2, 0, 0, 0, $3)
             ON CONFLICT (account_id) DO UPDATE
                 SET sealed_secret = $2, last_step = 0, created_at = $3
                 WHERE totp.confirmed_at IS NULL",
        )
        .bind(user.as_str())
        .bind(sealed_secret)
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        Ok(begun == 1)
    }

    /// From now on it is asked for, also by who is signing in: a session that was
    /// decided on before, with the password alone, does not begin any more.
    pub(crate) async fn confirm_totp(
        &mut self,
        user: &UserId,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed = sql("UPDATE totp SET confirmed_at = $2
             WHERE account_id = $1 AND confirmed_at IS NULL")
        .bind(user.as_str())
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        one_row(changed, "confirm_totp")?;
        let raised = sql("UPDATE account SET version = version + 1 WHERE id = $1")
            .bind(user.as_str())
            .execute(self.connection())
            .await?;
        one_row(raised, "confirm_totp")
    }

    /// A right code: it and those before count no more.
    pub(crate) async fn accept_totp(&mut self, user: &UserId, step: u64) -> Result<(), StoreError> {
        let changed = sql("UPDATE totp SET last_step = $2, failures = 0
             WHERE account_id = $1 AND last_step < $2")
        .bind(user.as_str())
        .bind(i64::try_from(step).unwrap_or(i64::MAX))
        .execute(self.connection())
        .await?;
        one_row(changed, "accept_totp")
    }

    /// A wrong code.
    pub(crate) async fn refuse_totp(
        &mut self,
        user: &UserId,
        failures: u32,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let changed =
            sql("UPDATE totp SET failures = $2, last_failed_at = $3 WHERE account_id = $1")
                .bind(user.as_str())
                .bind(i64::from(failures))
                .bind(millis(now))
                .execute(self.connection())
                .await?;
        one_row(changed, "refuse_totp")
    }

    /// Authenticator and recovery codes; `false` if there was nothing.
    pub(crate) async fn delete_second_factor(&mut self, user: &UserId) -> Result<bool, StoreError> {
        self.delete_recovery_codes(user).await?;
        let deleted = sql("DELETE FROM totp WHERE account_id = $1")
            .bind(user.as_str())
            .execute(self.connection())
            .await?;
        Ok(deleted == 1)
    }

    /// These, and no older ones.
    pub(crate) async fn put_recovery_codes(
        &mut self,
        user: &UserId,
        macs: &[CodeMac],
    ) -> Result<(), StoreError> {
        self.delete_recovery_codes(user).await?;
        for mac in macs {
            sql("INSERT INTO recovery_code (account_id, mac) VALUES ($1, $2)")
                .bind(user.as_str())
                .bind(mac.as_slice())
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// `false` if there is none like it that was not used.
    pub(crate) async fn use_recovery_code(
        &mut self,
        user: &UserId,
        mac: &CodeMac,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let used = sql("UPDATE recovery_code SET used_at = $3
             WHERE account_id = $1 AND mac = $2 AND used_at IS NULL")
        .bind(user.as_str())
        .bind(mac.as_slice())
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        Ok(used == 1)
    }

    async fn delete_recovery_codes(&mut self, user: &UserId) -> Result<(), StoreError> {
        sql("DELETE FROM recovery_code WHERE account_id = $1")
            .bind(user.as_str())
            .execute(self.connection())
            .await?;
        Ok(())
    }
}
