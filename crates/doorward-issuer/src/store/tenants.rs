//! Tenants.

use doorward_verify::clock::Timestamp;

use super::{Store, Tx, millis, parsed, statement::sql, unsigned};
use crate::{
    error::StoreError,
    tenant::{Tenant, TenantName},
};

impl Store {
    pub(crate) async fn tenants(&self) -> Result<Vec<Tenant>, StoreError> {
        let rows: Vec<(String, i64)> = sql("SELECT name, created_at FROM tenant ORDER BY name")
            .fetch_all(self.readers())
            .await?;
        rows.into_iter()
            .map(|(name, created_at)| {
                Ok(Tenant {
                    name: parsed(TenantName::parse(&name), "tenant.name")?,
                    created_at_ms: unsigned(created_at, "tenant.created_at")?,
                })
            })
            .collect()
    }
}

impl Tx {
    /// `false` if the name is taken.
    pub(crate) async fn insert_tenant(
        &mut self,
        name: &TenantName,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let inserted =
            sql("INSERT INTO tenant (name, created_at) VALUES ($1, $2) ON CONFLICT DO NOTHING")
                .bind(name.as_str())
                .bind(millis(now))
                .execute(self.connection())
                .await?;
        Ok(inserted == 1)
    }

    pub(crate) async fn has_tenant(&mut self, name: &TenantName) -> Result<bool, StoreError> {
        let row: Option<(i64,)> = sql("SELECT CAST(1 AS BIGINT) FROM tenant WHERE name = $1")
            .bind(name.as_str())
            .fetch_optional(self.connection())
            .await?;
        Ok(row.is_some())
    }
}
