//! Many accounts in one statement: what an import writes and an export reads.
//!
//! The rows of a batch travel as one JSON text, because the texts of the
//! statements are part of the program, however many rows there are. The two
//! engines take such a text apart with functions of different names.

use std::collections::{BTreeMap, BTreeSet};

use doorward_verify::clock::Timestamp;
use serde_json::{Value, json};

use super::{
    RowMacs, Store, Tx,
    accounts::{self, Bound, genuine},
    grants::{self, columns, holds},
    millis, parsed,
    statement::{Statement, sql},
    unsigned,
};
use crate::{
    attribute::Attributes,
    error::StoreError,
    hexadecimal::hex,
    password::PasswordHash,
    tenant::TenantName,
    user::{User, UserId, Username},
};

/// An account to be made.
pub(crate) struct NewAccount<'a> {
    pub(crate) user: User,
    pub(crate) password_hash: Option<&'a PasswordHash>,
}

/// A role to be given: whose, where, which.
pub(crate) type NewGrant<'a> = (&'a UserId, &'a TenantName, &'a str);

/// An account and its roles, by tenant and name.
pub(crate) struct ExportedRow {
    pub(crate) user: User,
    pub(crate) password_hash: Option<String>,
    pub(crate) attributes: Attributes,
    pub(crate) grants: Vec<(TenantName, String)>,
}

/// What there is of names and ids.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) by_name: BTreeMap<String, Holder>,
    pub(crate) ids: BTreeSet<String>,
}

/// Who has a name.
pub(crate) struct Holder {
    pub(crate) id: String,
    pub(crate) home_tenant: String,
    /// Whether Doorward wrote the row; else nothing in it is believed.
    pub(crate) is_genuine: bool,
}

/// When an account was made stands in no MAC, so it is read beside the row.
type AccountRow = (
    String,
    String,
    String,
    Option<String>,
    Option<i64>,
    i64,
    Option<Vec<u8>>,
    i64,
);

impl Store {
    /// Which of these names and ids there are.
    pub(crate) async fn taken(&self, names: &[&str], ids: &[&str]) -> Result<Taken, StoreError> {
        let rows = taken(names, ids).fetch_all(self.readers()).await?;
        Ok(Taken::of(rows, self.row_macs()))
    }

    /// Accounts by name with their roles, and the last name that was looked at:
    /// rows that Doorward did not write are left out.
    pub(crate) async fn export(
        &self,
        after: &str,
        limit: u32,
    ) -> Result<Option<(String, Vec<ExportedRow>)>, StoreError> {
        let rows: Vec<AccountRow> = sql(
            "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac,
                    created_at
             FROM account WHERE username > $1 ORDER BY username LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(self.readers())
        .await?;
        let Some((_, last, ..)) = rows.last() else {
            return Ok(None);
        };
        let last = last.clone();
        let grants: Vec<grants::Row> = sql(
            "SELECT g.account_id, g.tenant, g.role, g.granted_at, g.row_mac
             FROM role_grant g JOIN account a ON a.id = g.account_id
             WHERE a.username > $1 AND a.username <= $2
             ORDER BY a.username, g.tenant, g.role",
        )
        .bind(after)
        .bind(&last)
        .fetch_all(self.readers())
        .await?;
        let mut attributes = self.attributes_between(after, &last).await?;
        let mut grants = grants.into_iter().peekable();
        let mut exported = Vec::with_capacity(rows.len());
        for row in rows {
            let mut of_user = Vec::new();
            while let Some(grant) = grants.next_if(|grant| grant.0 == row.0) {
                if holds(self.row_macs(), &grant) {
                    let tenant = parsed(TenantName::parse(&grant.1), "role_grant.tenant")?;
                    of_user.push((tenant, grant.2));
                }
            }
            let attributes = attributes.remove(&row.0).unwrap_or_default();
            if let Some(row) = self.exported(row, attributes, of_user)? {
                exported.push(row);
            }
        }
        Ok(Some((last, exported)))
    }

    fn exported(
        &self,
        row: AccountRow,
        attributes: Attributes,
        grants: Vec<(TenantName, String)>,
    ) -> Result<Option<ExportedRow>, StoreError> {
        let (id, name, tenant, hash, disabled_at, version, mac, created_at) = row;
        let row: accounts::Row = (id, name, tenant, hash, disabled_at, version, mac);
        let Some((id, username, tenant, password_hash, disabled_at, ..)) =
            genuine(self.row_macs(), Some(row))
        else {
            return Ok(None);
        };
        let disabled_at = disabled_at.map(|at| unsigned(at, "account.disabled_at"));
        let user = User {
            id: UserId::from_text(id),
            username: parsed(Username::parse(&username), "account.username")?,
            home_tenant: parsed(TenantName::parse(&tenant), "account.home_tenant")?,
            disabled_at_ms: disabled_at.transpose()?,
            created_at_ms: unsigned(created_at, "account.created_at")?,
        };
        Ok(Some(ExportedRow {
            user,
            password_hash,
            attributes,
            grants,
        }))
    }
}

impl Taken {
    fn of(rows: Vec<accounts::Row>, macs: &RowMacs) -> Self {
        let mut taken = Self::default();
        for row in rows {
            let (id, name, home_tenant) = (row.0.clone(), row.1.clone(), row.2.clone());
            taken.ids.insert(id.clone());
            let holder = Holder {
                id,
                home_tenant,
                is_genuine: genuine(macs, Some(row)).is_some(),
            };
            taken.by_name.insert(name, holder);
        }
        taken
    }
}

fn taken(names: &[&str], ids: &[&str]) -> Statement<'static> {
    Statement::differing(
        "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account WHERE username IN (SELECT value FROM json_each($1))
         UNION SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account WHERE id IN (SELECT value FROM json_each($2))",
        "SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account
             WHERE username IN (SELECT json_array_elements_text(CAST($1 AS json)))
         UNION SELECT id, username, home_tenant, password_hash, disabled_at, version, row_mac
             FROM account
             WHERE id IN (SELECT json_array_elements_text(CAST($2 AS json)))",
    )
    .bind(json!(names).to_string())
    .bind(json!(ids).to_string())
}

impl Tx {
    /// Which of these names and ids there are.
    pub(crate) async fn taken(
        &mut self,
        names: &[&str],
        ids: &[&str],
    ) -> Result<Taken, StoreError> {
        let rows = taken(names, ids).fetch_all(self.connection()).await?;
        Ok(Taken::of(rows, self.row_macs()))
    }

    /// Makes those whose name, and id, is free; the names of these.
    pub(crate) async fn insert_accounts(
        &mut self,
        accounts: &[NewAccount<'_>],
    ) -> Result<BTreeSet<String>, StoreError> {
        let rows = accounts.iter().map(|account| self.account_values(account));
        let rows = Value::Array(rows.collect()).to_string();
        let added: Vec<(String,)> = Statement::differing(
            "INSERT INTO account (id, username, home_tenant, password_hash, version, tokens_from,
                                  tokens_from_used, disabled_at, created_at, row_mac)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 1, 0,
                    0, value ->> 4, value ->> 5, unhex(value ->> 6)
             FROM json_each($1) WHERE true
             ON CONFLICT DO NOTHING RETURNING username",
            "INSERT INTO account (id, username, home_tenant, password_hash, version, tokens_from,
                                  tokens_from_used, disabled_at, created_at, row_mac)
             SELECT v ->> 0, v ->> 1, v ->> 2, v ->> 3, 1, 0,
                    0, CAST(v ->> 4 AS bigint), CAST(v ->> 5 AS bigint), decode(v ->> 6, 'hex')
             FROM json_array_elements(CAST($1 AS json)) AS rows (v)
             ON CONFLICT DO NOTHING RETURNING username",
        )
        .bind(rows)
        .fetch_all(self.connection())
        .await?;
        Ok(added.into_iter().map(|(name,)| name).collect())
    }

    fn account_values(
        &self,
        NewAccount {
            user,
            password_hash,
        }: &NewAccount<'_>,
    ) -> Value {
        let phc = password_hash.map(PasswordHash::to_text);
        let stored = |millis| i64::try_from(millis).unwrap_or(i64::MAX);
        let bound = Bound {
            id: user.id.as_str(),
            username: user.username.as_str(),
            home_tenant: user.home_tenant.as_str(),
            password_hash: phc.as_deref(),
            disabled_at: user.disabled_at_ms.map(stored),
        };
        let mac = hex(&bound.mac(self.row_macs()));
        let Bound {
            id,
            username,
            home_tenant,
            disabled_at,
            ..
        } = bound;
        let created_at = stored(user.created_at_ms);
        json!([id, username, home_tenant, phc, disabled_at, created_at, mac])
    }

    /// Gives roles to accounts that were made in this transaction.
    pub(crate) async fn insert_grants(
        &mut self,
        grants: &[NewGrant<'_>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        if grants.is_empty() {
            return Ok(());
        }
        let values = |(user, tenant, role): &NewGrant<'_>| {
            let (user, tenant) = (user.as_str().to_owned(), tenant.as_str().to_owned());
            let row = (user, tenant, (*role).to_owned(), millis(now), None);
            let mac = hex(&self.row_macs().of("role_grant", &columns(&row)));
            json!([row.0, row.1, row.2, row.3, mac])
        };
        let rows = Value::Array(grants.iter().map(values).collect()).to_string();
        let inserted = Statement::differing(
            "INSERT INTO role_grant (account_id, tenant, role, granted_at, row_mac)
             SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, unhex(value ->> 4)
             FROM json_each($1)",
            "INSERT INTO role_grant (account_id, tenant, role, granted_at, row_mac)
             SELECT v ->> 0, v ->> 1, v ->> 2, CAST(v ->> 3 AS bigint), decode(v ->> 4, 'hex')
             FROM json_array_elements(CAST($1 AS json)) AS rows (v)",
        )
        .bind(rows)
        .execute(self.connection())
        .await?;
        match usize::try_from(inserted) == Ok(grants.len()) {
            true => Ok(()),
            false => Err(StoreError::Corrupt(format!(
                "insert_grants changed {inserted} rows"
            ))),
        }
    }
}
