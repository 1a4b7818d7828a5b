//! Attributes of users. Who changes them, or issues by them, holds the account
//! (rule 1 of [`store`](super)).

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};

use super::{
    RowMacs, Store, Tx, one_row, parsed,
    statement::{Listing, Statement, Value, sql},
};
use crate::{attribute::Attributes, error::StoreError, hexadecimal::hex, user::UserId};

const TABLE: &str = "account_attributes";

const SELECT: &str = "SELECT account_id, attributes, version, row_mac FROM account_attributes
     WHERE account_id = $1";

/// What a user has; the default for one who has no row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct StoredAttributes {
    pub(crate) attributes: Attributes,
    /// Rises with every change; 0 before the first.
    pub(crate) version: i64,
}

/// Whose, what, version, MAC.
type Row = (String, String, i64, Option<Vec<u8>>);

impl Store {
    pub(crate) async fn attributes(&self, user: &UserId) -> Result<StoredAttributes, StoreError> {
        let row = sql(SELECT).bind(user.as_str());
        let row: Option<Row> = row.fetch_optional(self.readers()).await?;
        genuine(self.row_macs(), row)
    }

    /// Those of the users whose names lie behind `after` and up to `last`, by id.
    pub(super) async fn attributes_between(
        &self,
        after: &str,
        last: &str,
    ) -> Result<BTreeMap<String, Attributes>, StoreError> {
        let rows: Vec<Row> = sql("SELECT t.account_id, t.attributes, t.version, t.row_mac
             FROM account_attributes t JOIN account a ON a.id = t.account_id
             WHERE a.username > $1 AND a.username <= $2")
        .bind(after)
        .bind(last)
        .fetch_all(self.readers())
        .await?;
        let read = |row: Row| {
            let id = row.0.clone();
            Ok((id, genuine(self.row_macs(), Some(row))?.attributes))
        };
        rows.into_iter().map(read).collect()
    }
}

impl Tx {
    pub(crate) async fn attributes(
        &mut self,
        user: &UserId,
    ) -> Result<StoredAttributes, StoreError> {
        let mut stored = self.attributes_of(&[user]).await?;
        Ok(stored.remove(user.as_str()).unwrap_or_default())
    }

    /// Those of several users, by their ids; nothing for who never had one.
    pub(crate) async fn attributes_of(
        &mut self,
        users: &[&UserId],
    ) -> Result<HashMap<String, StoredAttributes>, StoreError> {
        static ATTRIBUTES: Listing = Listing::new(
            "SELECT account_id, attributes, version, row_mac FROM account_attributes
             WHERE account_id IN ({})",
        );
        let mut stored = HashMap::with_capacity(users.len());
        for users in users.chunks(Listing::MOST) {
            let ids = users.iter().map(|user| [user.as_str().into()]);
            let rows: Vec<Row> = ATTRIBUTES.about(ids).fetch_all(self.connection()).await?;
            for row in rows {
                stored.insert(row.0.clone(), genuine(self.row_macs(), Some(row))?);
            }
        }
        Ok(stored)
    }

    /// In the place of what the user had, if that was anything.
    pub(crate) async fn set_attributes(
        &mut self,
        user: &UserId,
        stored: &StoredAttributes,
    ) -> Result<(), StoreError> {
        let row = row_of(user, stored);
        let mac = self.row_macs().of(TABLE, &columns(&row));
        let changed = sql(
            "INSERT INTO account_attributes (account_id, attributes, version, row_mac)
             VALUES ($1, $2, $3, $4)
             ON CONFLICT (account_id) DO UPDATE SET attributes = $2, version = $3, row_mac = $4",
        )
        .bind(&row.0)
        .bind(&row.1)
        .bind(row.2)
        .bind(&mac)
        .execute(self.connection())
        .await?;
        one_row(changed, "set_attributes")
    }

    /// Those of accounts that were made in this transaction.
    pub(crate) async fn insert_attributes(
        &mut self,
        attributes: &[(&UserId, &Attributes)],
    ) -> Result<(), StoreError> {
        if attributes.is_empty() {
            return Ok(());
        }
        let values = |(user, attributes): &(&UserId, &Attributes)| {
            let first = StoredAttributes {
                attributes: Attributes::clone(attributes),
                version: 1,
            };
            let row = row_of(user, &first);
            let mac = hex(&self.row_macs().of(TABLE, &columns(&row)));
            json!([row.0, row.1, row.2, mac])
        };
        let rows = Json::Array(attributes.iter().map(values).collect()).to_string();
        let inserted = Statement::differing(
            "INSERT INTO account_attributes (account_id, attributes, version, row_mac)
             SELECT value ->> 0, value ->> 1, value ->> 2, unhex(value ->> 3)
             FROM json_each($1)",
            "INSERT INTO account_attributes (account_id, attributes, version, row_mac)
             SELECT v ->> 0, v ->> 1, CAST(v ->> 2 AS bigint), decode(v ->> 3, 'hex')
             FROM json_array_elements(CAST($1 AS json)) AS rows (v)",
        )
        .bind(rows)
        .execute(self.connection())
        .await?;
        match usize::try_from(inserted) == Ok(attributes.len()) {
            true => Ok(()),
            false => Err(StoreError::Corrupt(format!(
                "insert_attributes changed {inserted} rows"
            ))),
        }
    }
}

fn row_of(user: &UserId, stored: &StoredAttributes) -> Row {
    let (id, text) = (user.to_string(), stored.attributes.to_text());
    (id, text, stored.version, None)
}

fn columns((user, attributes, version, _): &Row) -> [Value<'_>; 3] {
    [user.into(), attributes.into(), (*version).into()]
}

/// What is in the row; nothing, if Doorward did not write it.
fn genuine(macs: &RowMacs, row: Option<Row>) -> Result<StoredAttributes, StoreError> {
    let holds = |row: &Row| macs.hold((TABLE, &row.0), &columns(row), row.3.as_deref());
    let Some((_, text, version, _)) = row.filter(holds) else {
        return Ok(StoredAttributes::default());
    };
    let attributes = Attributes::from_stored(&text);
    Ok(StoredAttributes {
        attributes: parsed(attributes, "account_attributes.attributes")?,
        version,
    })
}
