//! Role grants.

use std::collections::HashMap;

use doorward_verify::clock::Timestamp;

use super::{
    RowMacs, Store, Tx, millis, parsed,
    statement::{Listing, Value, sql},
    unsigned,
};
use crate::{error::StoreError, tenant::TenantName, user::UserId};

/// A user's id and a tenant.
pub(crate) type Place = (String, String);

/// Where a user has roles.
pub(crate) fn place(user: &UserId, tenant: &TenantName) -> Place {
    (user.as_str().to_owned(), tenant.as_str().to_owned())
}

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
        let mut held = self.roles_of(&[(user, tenant)]).await?;
        Ok(held.remove(&place(user, tenant)).unwrap_or_default())
    }

    /// The roles of several users, each in a tenant; nothing for who has none
    /// there.
    pub(crate) async fn roles_of(
        &mut self,
        members: &[(&UserId, &TenantName)],
    ) -> Result<HashMap<Place, Vec<String>>, StoreError> {
        // Not `(account_id, tenant) IN`, for which SQLite reads the whole table.
        static ROLES: Listing = Listing::new(
            "SELECT account_id, tenant, role, granted_at, row_mac FROM role_grant
             JOIN (SELECT DISTINCT column1, column2 FROM ({}) AS m) AS v
               ON account_id = v.column1 AND tenant = v.column2 ORDER BY role",
        );
        let mut held: HashMap<_, Vec<_>> = HashMap::with_capacity(members.len());
        for members in members.chunks(Listing::MOST) {
            let members = members
                .iter()
                .map(|(user, tenant)| [user.as_str().into(), tenant.as_str().into()]);
            let rows: Vec<Row> = ROLES.about(members).fetch_all(self.connection()).await?;
            for row in rows.into_iter().filter(|row| holds(self.row_macs(), row)) {
                let (user, tenant, role, ..) = row;
                held.entry((user, tenant)).or_default().push(role);
            }
        }
        Ok(held)
    }

    /// `false` if it was there already. One that somebody else wrote was not.
    pub(crate) async fn insert_grant(
        &mut self,
        user: &UserId,
        tenant: &TenantName,
        role: &str,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let held = self.roles(user, tenant).await?;
        if held.iter().any(|held| held == role) {
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
