//! Role grants.

use doorward_verify::clock::Timestamp;

use super::{Store, Tx, millis, parsed, statement::sql, unsigned};
use crate::{error::StoreError, tenant::TenantName, user::UserId};

/// A stored grant: tenant, role, since when in milliseconds.
pub(crate) type Grant = (TenantName, String, u64);

impl Store {
    pub(crate) async fn grants(&self, user: &UserId) -> Result<Vec<Grant>, StoreError> {
        let rows: Vec<(String, String, i64)> =
            sql("SELECT tenant, role, granted_at FROM role_grant
             WHERE account_id = $1 ORDER BY tenant, role")
            .bind(user.as_str())
            .fetch_all(self.readers())
            .await?;
        rows.into_iter()
            .map(|(tenant, role, granted_at)| {
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
        let row: Option<(i64,)> = sql(
            "SELECT CAST(1 AS BIGINT) FROM role_grant WHERE account_id = $1 AND tenant = $2 LIMIT 1",
        )
        .bind(user.as_str())
        .bind(tenant.as_str())
        .fetch_optional(self.readers())
        .await?;
        Ok(row.is_some())
    }
}

impl Tx {
    pub(crate) async fn roles(
        &mut self,
        user: &UserId,
        tenant: &TenantName,
    ) -> Result<Vec<String>, StoreError> {
        let rows: Vec<(String,)> =
            sql("SELECT role FROM role_grant WHERE account_id = $1 AND tenant = $2 ORDER BY role")
                .bind(user.as_str())
                .bind(tenant.as_str())
                .fetch_all(self.connection())
                .await?;
        Ok(rows.into_iter().map(|(role,)| role).collect())
    }

    /// `false` if it was there already.
    pub(crate) async fn insert_grant(
        &mut self,
        user: &UserId,
        tenant: &TenantName,
        role: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let inserted = sql(
            "INSERT INTO role_grant (account_id, tenant, role, granted_at)
             VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
        )
        .bind(user.as_str())
        .bind(tenant.as_str())
        .bind(role)
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        Ok(inserted == 1)
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
