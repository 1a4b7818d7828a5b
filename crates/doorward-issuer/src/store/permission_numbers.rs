//! The numbers of permissions: rows that are only ever added.

use doorward_policy::permission::PermissionPattern;
use doorward_verify::clock::Timestamp;

use super::{
    RowMacs, Store, Tx, millis,
    statement::{Value, sql},
};
use crate::error::StoreError;

const TABLE: &str = "permission_number";

const SELECT: &str =
    "SELECT number, name, added_at, row_mac FROM permission_number ORDER BY number";

/// Number, name, since when, MAC.
type Row = (i64, String, i64, Option<Vec<u8>>);

impl Store {
    /// What has a number, from 0 on; none if a row is not Doorward's, because
    /// then nobody knows what the numbers behind it meant.
    pub(crate) async fn permission_numbers(
        &self,
    ) -> Result<Option<Vec<PermissionPattern>>, StoreError> {
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.readers()).await?;
        Ok(genuine(self.row_macs(), rows))
    }
}

impl Tx {
    /// As [`Store::permission_numbers`]; nobody else adds to them until this
    /// transaction ends.
    pub(crate) async fn permission_numbers(
        &mut self,
    ) -> Result<Option<Vec<PermissionPattern>>, StoreError> {
        self.lock_keys().await?;
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.connection()).await?;
        Ok(genuine(self.row_macs(), rows))
    }

    /// Gives `name` the next `number`.
    pub(crate) async fn insert_permission_number(
        &mut self,
        number: usize,
        name: &PermissionPattern,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let row = (number, name.to_string(), millis(now), None);
        let mac = self.row_macs().of(TABLE, &columns(&row));
        sql(
            "INSERT INTO permission_number (number, name, added_at, row_mac)
             VALUES ($1, $2, $3, $4)",
        )
        .bind(row.0)
        .bind(&row.1)
        .bind(row.2)
        .bind(&mac)
        .execute(self.connection())
        .await?;
        Ok(())
    }

    /// Writes every MAC anew.
    pub(super) async fn bind_permission_numbers(&mut self) -> Result<(), StoreError> {
        let rows: Vec<Row> = sql(SELECT).fetch_all(self.connection()).await?;
        for row in rows {
            let mac = self.row_macs().of(TABLE, &columns(&row));
            sql("UPDATE permission_number SET row_mac = $2 WHERE number = $1")
                .bind(row.0)
                .bind(&mac)
                .execute(self.connection())
                .await?;
        }
        Ok(())
    }
}

fn columns((number, name, added_at, _): &Row) -> [Value<'_>; 3] {
    [(*number).into(), name.into(), (*added_at).into()]
}

fn genuine(macs: &RowMacs, rows: Vec<Row>) -> Option<Vec<PermissionPattern>> {
    let mut names = Vec::with_capacity(rows.len());
    for (next, row) in (0..).zip(rows) {
        let holds = macs.hold(
            (TABLE, &row.0.to_string()),
            &columns(&row),
            row.3.as_deref(),
        );
        if !holds || row.0 != next {
            return None;
        }
        names.push(PermissionPattern::parse(&row.1).ok()?);
    }
    Some(names)
}
