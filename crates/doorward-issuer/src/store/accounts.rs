//! Accounts.

use std::collections::HashMap;

use doorward_jose::time::UnixTime;
use doorward_verify::clock::Timestamp;

use super::{
    RowMacs, Store, Tx, millis, moment, one_row, parsed, seconds,
    statement::{Listing, Value, locking, sql},
    unix, unsigned,
};
use crate::{
    error::StoreError,
    password::PasswordHash,
    tenant::TenantName,
    user::{Account, User, UserId, Username},
};

pub(super) type Row = (
    String,
    String,
    String,
    Option<String>,
    Option<i64>,
    i64,
    Option<Vec<u8>>,
);

/// What the MAC of an account's row covers.
pub(super) struct Bound<'a> {
    pub(super) id: &'a str,
    pub(super) username: &'a str,
    pub(super) home_tenant: &'a str,
    pub(super) password_hash: Option<&'a str>,
    pub(super) disabled_at: Option<i64>,
}

impl Bound<'_> {
    fn columns(&self) -> [Value<'_>; 5] {
        [
            self.id.into(),
            self.username.into(),
            self.home_tenant.into(),
            self.password_hash.into(),
            self.disabled_at.into(),
        ]
    }

    pub(super) fn mac(&self, macs: &RowMacs) -> Vec<u8> {
        macs.of("account", &self.columns())
    }

    fn holds(&self, macs: &RowMacs, stored: Option<&[u8]>) -> bool {
        macs.hold(("account", self.id), &self.columns(), stored)
    }
}

/// What [`Tx::account_states`] reads: the state, and what the MAC covers beside.
type StateRow = (
    String,
    String,
    Option<i64>,
    i64,
    i64,
    i64,
    i64,
    String,
    Option<String>,
    Option<Vec<u8>>,
);

/// Largest page of users.
const MAX_PAGE: u32 = 1000;

/// What decides about an account inside a transaction.
#[derive(Clone, Debug)]
pub(crate) struct AccountState {
    pub(crate) home_tenant: TenantName,
    pub(crate) disabled: bool,
    pub(crate) version: i64,
    /// Access tokens issued before are refused.
    pub(crate) tokens_from: UnixTime,
    /// Whether a token was issued at a `tokens_from` that lay in the future.
    pub(crate) tokens_from_used: bool,
    /// Everybody's access tokens issued before are refused.
    pub(crate) all_tokens_from: UnixTime,
}

impl AccountState {
    /// Whether a token that is issued `now` is the first one at a
    /// `tokens_from` that lies in the future.
    pub(crate) fn uses_tokens_from(&self, now: Timestamp) -> bool {
        self.tokens_from > now.unix() && !self.tokens_from_used
    }
}

impl Store {
    pub(crate) async fn account_by_name(
        &self,
        username: &Username,
    ) -> Result<Option<Account>, StoreError> {
        let row: Option<Row> = sql(
            "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account WHERE username = $1",
        )
        .bind(username.as_str())
        .fetch_optional(self.readers())
        .await?;
        genuine(self.row_macs(), row).map(account).transpose()
    }

    pub(crate) async fn account_by_id(&self, id: &str) -> Result<Option<Account>, StoreError> {
        let row: Option<Row> = sql(
            "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account WHERE id = $1",
        )
        .bind(id)
        .fetch_optional(self.readers())
        .await?;
        genuine(self.row_macs(), row).map(account).transpose()
    }

    pub(crate) async fn users(
        &self,
        after: &str,
        limit: Option<u32>,
    ) -> Result<Vec<User>, StoreError> {
        let limit = limit.unwrap_or(MAX_PAGE).min(MAX_PAGE);
        let rows: Vec<(String, String, String, Option<i64>, i64)> =
            sql("SELECT id, username, home_tenant, disabled_at, created_at
             FROM account WHERE username > $1 ORDER BY username LIMIT $2")
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await?;
        rows.into_iter().map(user).collect()
    }

    /// Users of a tenant, or of all of them, by name.
    pub(crate) async fn users_of(
        &self,
        tenant: Option<&TenantName>,
        after: &str,
        limit: u32,
    ) -> Result<Vec<User>, StoreError> {
        let Some(tenant) = tenant else {
            return self.users(after, Some(limit)).await;
        };
        let rows: Vec<(String, String, String, Option<i64>, i64)> =
            sql("SELECT id, username, home_tenant, disabled_at, created_at
             FROM account WHERE home_tenant = $1 AND username > $2 ORDER BY username LIMIT $3")
            .bind(tenant.as_str())
            .bind(after)
            .bind(i64::from(limit))
            .fetch_all(self.readers())
            .await?;
        rows.into_iter().map(user).collect()
    }

    pub(crate) async fn user(&self, username: &Username) -> Result<Option<User>, StoreError> {
        let row = sql("SELECT id, username, home_tenant, disabled_at, created_at
             FROM account WHERE username = $1")
        .bind(username.as_str())
        .fetch_optional(self.readers())
        .await?;
        row.map(user).transpose()
    }
}

impl Tx {
    /// `false` if the user name is taken.
    pub(crate) async fn insert_account(
        &mut self,
        user: &User,
        hash: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let phc = hash.to_text();
        let bound = Bound {
            id: user.id.as_str(),
            username: user.username.as_str(),
            home_tenant: user.home_tenant.as_str(),
            password_hash: Some(&phc),
            disabled_at: None,
        };
        let mac = bound.mac(self.row_macs());
        let inserted = sql(
            "INSERT INTO account (id, username, home_tenant, password_hash, version,
                                  tokens_from, tokens_from_used, created_at, row_mac)
             VALUES ($1, $2, $3, $4, 1, 0, 0, $5, $6) ON CONFLICT DO NOTHING",
        )
        .bind(user.id.as_str())
        .bind(user.username.as_str())
        .bind(user.home_tenant.as_str())
        .bind(phc.as_str())
        .bind(i64::try_from(user.created_at_ms).unwrap_or(i64::MAX))
        .bind(&mac)
        .execute(self.connection())
        .await?;
        Ok(inserted == 1)
    }

    /// Whose name it is. Nobody else changes the account, or issues to it,
    /// until this transaction ends.
    pub(crate) async fn account_id(
        &mut self,
        username: &Username,
    ) -> Result<Option<UserId>, StoreError> {
        let row = self.held_row(username).await?;
        Ok(row.map(|(id, ..)| UserId::from_text(id)))
    }

    /// The account of that name, held as by [`account_id`](Self::account_id).
    pub(crate) async fn account(
        &mut self,
        username: &Username,
    ) -> Result<Option<Account>, StoreError> {
        self.held_row(username).await?.map(account).transpose()
    }

    async fn held_row(&mut self, username: &Username) -> Result<Option<Row>, StoreError> {
        let row: Option<Row> = locking!(
            "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account WHERE username = $1",
            "account"
        )
        .bind(username.as_str())
        .fetch_optional(self.connection())
        .await?;
        Ok(genuine(self.row_macs(), row))
    }

    /// What decides about an account. Nobody else changes it, or issues to it,
    /// until this transaction ends.
    pub(crate) async fn account_state(
        &mut self,
        id: &UserId,
    ) -> Result<Option<AccountState>, StoreError> {
        let mut states = self.account_states(&[id]).await?;
        Ok(states.remove(id.as_str()))
    }

    /// The states of several accounts by their ids, held as by
    /// [`account_state`](Self::account_state) and in the order of the ids.
    pub(crate) async fn account_states(
        &mut self,
        ids: &[&UserId],
    ) -> Result<HashMap<String, AccountState>, StoreError> {
        static STATES: Listing = Listing::locking(
            "SELECT a.id, a.home_tenant, a.disabled_at, a.version, a.tokens_from,
                    a.tokens_from_used, i.tokens_from, a.username, a.password_hash, a.row_mac
             FROM account a, installation i WHERE a.id IN ({}) AND i.id = 1 ORDER BY a.id",
            " FOR NO KEY UPDATE OF a",
        );
        let mut states = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(Listing::MOST) {
            let rows: Vec<StateRow> = STATES
                .about(ids.iter().map(|id| [id.as_str().into()]))
                .fetch_all(self.connection())
                .await?;
            for row in rows {
                states.extend(state(self.row_macs(), row)?);
            }
        }
        Ok(states)
    }

    /// `false` if it was so already.
    pub(crate) async fn set_disabled(
        &mut self,
        id: &UserId,
        disabled_at: Option<Timestamp>,
    ) -> Result<bool, StoreError> {
        let (_, username, home_tenant, hash, ..) = self.written_account(id).await?;
        let disabled_at = disabled_at.map(millis);
        let bound = Bound {
            id: id.as_str(),
            username: &username,
            home_tenant: &home_tenant,
            password_hash: hash.as_deref(),
            disabled_at,
        };
        let mac = bound.mac(self.row_macs());
        let changed = sql(
            "UPDATE account SET disabled_at = $2, version = version + 1, row_mac = $3
             WHERE id = $1 AND (disabled_at IS NULL) <> ($2 IS NULL)",
        )
        .bind(id.as_str())
        .bind(disabled_at)
        .bind(&mac)
        .execute(self.connection())
        .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn set_password_hash(
        &mut self,
        id: &UserId,
        hash: &PasswordHash,
    ) -> Result<(), StoreError> {
        let phc = hash.to_text();
        let mac = self.mac_with_hash(id, &phc).await?;
        let changed = sql(
            "UPDATE account SET password_hash = $2, version = version + 1, row_mac = $3
             WHERE id = $1",
        )
        .bind(id.as_str())
        .bind(phc.as_str())
        .bind(&mac)
        .execute(self.connection())
        .await?;
        one_row(changed, "set_password_hash")
    }

    /// The MAC of the account with another password hash.
    async fn mac_with_hash(&mut self, id: &UserId, phc: &str) -> Result<Vec<u8>, StoreError> {
        let (_, username, home_tenant, _, disabled_at, ..) = self.written_account(id).await?;
        let bound = Bound {
            id: id.as_str(),
            username: &username,
            home_tenant: &home_tenant,
            password_hash: Some(phc),
            disabled_at,
        };
        Ok(bound.mac(self.row_macs()))
    }

    /// An account before a change of what its MAC covers. One that somebody
    /// else wrote is not made good by changing it.
    async fn written_account(&mut self, id: &UserId) -> Result<Row, StoreError> {
        let row: Option<Row> = locking!(
            "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account WHERE id = $1",
            "account"
        )
        .bind(id.as_str())
        .fetch_optional(self.connection())
        .await?;
        genuine(self.row_macs(), row)
            .ok_or_else(|| StoreError::Corrupt(format!("account {id} was not written by Doorward")))
    }

    pub(super) async fn bind_accounts(&mut self) -> Result<(), StoreError> {
        let rows: Vec<Row> = sql(
            "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account",
        )
        .fetch_all(self.connection())
        .await?;
        for row in rows {
            let mac = bound(&row).mac(self.row_macs());
            sql("UPDATE account SET row_mac = $2 WHERE id = $1")
                .bind(&row.0)
                .bind(&mac)
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }

    /// The same password under other parameters: nobody is signed out for it.
    /// `false` if the stored hash is another one by now.
    pub(crate) async fn replace_password_hash(
        &mut self,
        id: &UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<bool, StoreError> {
        let phc = new.to_text();
        let mac = self.mac_with_hash(id, &phc).await?;
        let changed = sql("UPDATE account SET password_hash = $3, row_mac = $4
             WHERE id = $1 AND password_hash = $2")
        .bind(id.as_str())
        .bind(old.to_text())
        .bind(phc.as_str())
        .bind(&mac)
        .execute(self.connection())
        .await?;
        Ok(changed == 1)
    }

    pub(crate) async fn set_tokens_from(
        &mut self,
        id: &UserId,
        tokens_from: UnixTime,
    ) -> Result<(), StoreError> {
        let changed = sql("UPDATE account SET tokens_from = $2, tokens_from_used = 0
             WHERE id = $1 AND tokens_from <= $2")
        .bind(id.as_str())
        .bind(seconds(tokens_from))
        .execute(self.connection())
        .await?;
        one_row(changed, "set_tokens_from")
    }

    /// A moment at which something was issued to this user, or later: the last
    /// refresh of any session, and the last audit entry of all.
    pub(crate) async fn latest_issue(&mut self, id: &UserId) -> Result<Timestamp, StoreError> {
        let (latest,): (i64,) = sql("SELECT COALESCE(MAX(latest), 0) FROM
                 (SELECT MAX(rotated_at) AS latest FROM session WHERE account_id = $1
                  UNION ALL
                  SELECT at FROM audit
                      WHERE seq = (SELECT value FROM head WHERE name = 'audit')) w")
        .bind(id.as_str())
        .fetch_one(self.connection())
        .await?;
        moment(latest, "session.rotated_at or audit.at")
    }

    pub(crate) async fn mark_tokens_from_used(&mut self, id: &UserId) -> Result<(), StoreError> {
        let changed = sql("UPDATE account SET tokens_from_used = 1 WHERE id = $1")
            .bind(id.as_str())
            .execute(self.connection())
            .await?;
        one_row(changed, "mark_tokens_from_used")
    }
}

/// Under its id, if Doorward wrote the row.
fn state(macs: &RowMacs, row: StateRow) -> Result<Option<(String, AccountState)>, StoreError> {
    let (id, home_tenant, disabled_at, version, tokens_from, used, all, username, hash, mac) = row;
    let bound = Bound {
        id: &id,
        username: &username,
        home_tenant: &home_tenant,
        password_hash: hash.as_deref(),
        disabled_at,
    };
    if !bound.holds(macs, mac.as_deref()) {
        return Ok(None);
    }
    let state = AccountState {
        home_tenant: parsed(TenantName::parse(&home_tenant), "account.home_tenant")?,
        disabled: disabled_at.is_some(),
        version,
        tokens_from: unix(tokens_from, "account.tokens_from")?,
        tokens_from_used: used != 0,
        all_tokens_from: unix(all, "installation.tokens_from")?,
    };
    Ok(Some((id, state)))
}

fn bound(row: &Row) -> Bound<'_> {
    let (id, username, home_tenant, hash, disabled_at, ..) = row;
    Bound {
        id,
        username,
        home_tenant,
        password_hash: hash.as_deref(),
        disabled_at: *disabled_at,
    }
}

/// The row, if Doorward wrote it.
pub(super) fn genuine(macs: &RowMacs, row: Option<Row>) -> Option<Row> {
    row.filter(|row| bound(row).holds(macs, row.6.as_deref()))
}

fn account(row: Row) -> Result<Account, StoreError> {
    let (id, username, home_tenant, hash, disabled_at, version, _) = row;
    let hash = hash.map(|hash| parsed(PasswordHash::parse(&hash), "account.password_hash"));
    Ok(Account {
        id: UserId::from_text(id),
        username: parsed(Username::parse(&username), "account.username")?,
        home_tenant: parsed(TenantName::parse(&home_tenant), "account.home_tenant")?,
        disabled: disabled_at.is_some(),
        password_hash: hash.transpose()?,
        version,
    })
}

fn user(row: (String, String, String, Option<i64>, i64)) -> Result<User, StoreError> {
    let (id, username, home_tenant, disabled_at, created_at) = row;
    let disabled_at = disabled_at.map(|at| unsigned(at, "account.disabled_at"));
    Ok(User {
        id: UserId::from_text(id),
        username: parsed(Username::parse(&username), "account.username")?,
        home_tenant: parsed(TenantName::parse(&home_tenant), "account.home_tenant")?,
        disabled_at_ms: disabled_at.transpose()?,
        created_at_ms: unsigned(created_at, "account.created_at")?,
    })
}
