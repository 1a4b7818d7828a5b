//! Role grants.

use doorward_verify::clock::Timestamp;

use super::{
    RowMacs, Store, Tx, millis, parsed,
    statement::{Value, sql},
    unsigned,
};
use crate::{error::StoreError, tenant::TenantName, user::UserId};

const IN_TENANT: &str = "SELECT account_id, tenant, role, granted_at, row_mac FROM role_grant
     WHERE account_id = $1 AND tenant = $2 ORDER BY role";

/// A stored grant: tenant, role, since when in milliseconds.
pub(crate) type Grant = (TenantName, String, u64);

/// A grant's row: who, where, which role, since when, and its MAC.
pub(super) type Row = (String, String, String, i64, Option<Vec<u8>>);

pub(super) fn columns((user, tenant, role, granted_at, _): &Row) -> [Value<'_>; 4] {
    [
        user.into(),
        tenant.into(),
        role.into(),
        (*granted_at).into(),
    ]
}

/// Whether Doorward wrote it.
pub(super) fn holds(macs: &RowMacs, row: &Row) -> bool {
    let id = format!("{} {} {}", row.0, row.1, row.2);
    macs.hold(("role_grant", &id), &columns(row), row.4.as_deref())
}

impl Store {
    pub(crate) async fn grants(&self, user: &UserId) -> Result<Vec<Grant>, StoreError> {
        let rows: Vec<Row> = sql(
            "SELECT account_id, tenant, role, granted_at, row_mac FROM role_grant
             WHERE account_id = $1 ORDER BY tenant, role",
        )
        .bind(user.as_str())
        .fetch_all(self.readers())
        .await?;
        rows.into_iter()
            .filter(|row| holds(self.row_macs(), row))
            .map(|(_, tenant, role, granted_at, _)| {
                let tenant = parsed(TenantName::parse(&tenant), "role_grant.tenant")?;
                Ok((tenant, role, unsigned(granted_at, "role_grant.granted_at")?))
            })
            .collect()
    }

    pub(crate) async fn has_grant(
        &self,
        user: &UserId,
        tenant: &TenantName,
    ) -> Result<bool, StoreError> {
        let rows: Vec<Row> = sql(IN_TENANT)
            .bind(user.as_str())
            .bind(tenant.as_str())
            .fetch_all(self.readers())
            .await?;
        Ok(rows.iter().any(|row| holds(self.row_macs(), row)))
    }
}

impl Tx {
    pub(crate) async fn roles(
        &mut self,
        user: &UserId,
        tenant: &TenantName,
    ) -> Result<Vec<String>, StoreError> {
        let rows: Vec<Row> = sql(IN_TENANT)
            .bind(user.as_str())
            .bind(tenant.as_str())
            .fetch_all(self.connection())
            .await?;
        let held = rows.into_iter().filter(|row| holds(self.row_macs(), row));
        Ok(held.map(|(_, _, role, ..)| role).collect())
    }

    /// `false` if it was there already. One that somebody else wrote was not.
    pub(crate) async fn insert_grant(
        &mut self,
        user: &UserId,
        tenant: &TenantName,
        role: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        if self
            .roles(user, tenant)
            .await?
            .iter()
            .any(|held| held == role)
        {
            return Ok(false);
        }
        let (id, place) = (user.as_str().to_owned(), tenant.as_str().to_owned());
        let row = (id, place, role.to_owned(), millis(now), None);
        let mac = self.row_macs().of("role_grant", &columns(&row));
        let inserted = sql(
            "INSERT INTO role_grant (account_id, tenant, role, granted_at, row_mac)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (account_id, tenant, role) DO UPDATE SET granted_at = $4, row_mac = $5",
        )
        .bind(user.as_str())
        .bind(tenant.as_str())
        .bind(role)
        .bind(row.3)
        .bind(&mac)
        .execute(self.connection())
        .await?;
        Ok(inserted == 1)
    }

    pub(super) async fn bind_grants(&mut self) -> Result<(), StoreError> {
        let rows: Vec<Row> =
            sql("SELECT account_id, tenant, role, granted_at, row_mac FROM role_grant")
                .fetch_all(self.connection())
                .await?;
        for row in rows {
            let mac = self.row_macs().of("role_grant", &columns(&row));
            sql("UPDATE role_grant SET row_mac = $4
                 WHERE account_id = $1 AND tenant = $2 AND role = $3")
            .bind(&row.0)
            .bind(&row.1)
            .bind(&row.2)
            .bind(&mac)
            .execute(self.connection())
            .await?;
        }
        Ok(())
    }

    /// `false` if there was none.
    pub(crate) async fn delete_grant(
        &mut self,
        user: &UserId,
        tenant: &TenantName,
        role: &str,
    ) -> Result<bool, StoreError> {
        let deleted =
            sql("DELETE FROM role_grant WHERE account_id = $1 AND tenant = $2 AND role = $3")
                .bind(user.as_str())
                .bind(tenant.as_str())
                .bind(role)
                .execute(self.connection())
                .await?;
        Ok(deleted == 1)
    }
}
