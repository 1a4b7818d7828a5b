//! The root key, sealed under each master key that opens the database.
//!
//! It is looked for before anything else is read, because rows are believed by
//! keys that hang on it: [`Locked`] is the database until then.

use std::sync::Arc;

use doorward_verify::{clock::Timestamp, revocation::RevocationSet};

use super::{
    Installation, RowMacs, Store, Tx, millis, one_row,
    statement::{On, sql},
    unsigned,
};
use crate::{
    error::{OpenError, StoreError},
    master_key::Fingerprint,
    store::Database,
};

/// A database whose root key is not open yet.
pub(crate) struct Locked(Store);

/// A row of `root_key`: what one master key opens, or opened.
#[derive(Clone, Debug)]
pub(crate) struct RootKeyRow {
    pub(crate) fingerprint: Fingerprint,
    /// The root key; none once the master key is retired.
    pub(crate) sealed: Option<Vec<u8>>,
    /// Milliseconds, as both are.
    pub(crate) added_at: u64,
    pub(crate) retired_at: Option<u64>,
}

const SELECT: &str = "SELECT fingerprint, sealed, added_at, retired_at FROM root_key
     ORDER BY added_at, fingerprint";

type Columns = (String, Option<Vec<u8>>, i64, Option<i64>);

impl Locked {
    /// Opens the database, makes it if it is not there, and migrates it.
    pub(crate) async fn open(
        database: &Database,
        revocations: Arc<RevocationSet>,
    ) -> Result<Self, OpenError> {
        Store::open(database, revocations).await.map(Self)
    }

    /// The installation, if there is one, and what opens it.
    pub(crate) async fn look(&self) -> Result<(Option<Installation>, Vec<RootKeyRow>), StoreError> {
        // In this order: who makes the installation makes the row with it.
        let installation = self.0.installation().await?;
        Ok((installation, self.0.root_keys().await?))
    }

    /// The database, whose rows are believed by these MACs.
    pub(crate) fn unlocked(&self, row_macs: RowMacs) -> Store {
        Store {
            row_macs,
            ..self.0.clone()
        }
    }

    /// Closes every connection.
    pub(crate) async fn close(&self) {
        self.0.close().await;
    }
}

impl Store {
    /// Every master key that opens the database or did, oldest first.
    pub(crate) async fn root_keys(&self) -> Result<Vec<RootKeyRow>, StoreError> {
        read(self.readers()).await
    }
}

impl Tx {
    /// As [`Store::root_keys`]; who changes them holds the installation.
    pub(crate) async fn root_keys(&mut self) -> Result<Vec<RootKeyRow>, StoreError> {
        read(self.connection()).await
    }

    pub(crate) async fn insert_root_key(
        &mut self,
        fingerprint: Fingerprint,
        sealed: &[u8],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let inserted =
            sql("INSERT INTO root_key (fingerprint, sealed, added_at) VALUES ($1, $2, $3)")
                .bind(fingerprint.to_string())
                .bind(sealed)
                .bind(millis(now))
                .execute(self.connection())
                .await?;
        one_row(inserted, "insert_root_key")
    }

    /// What was sealed is gone from the row.
    pub(crate) async fn retire_root_key(
        &mut self,
        fingerprint: Fingerprint,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let retired = sql("UPDATE root_key SET sealed = NULL, retired_at = $2
             WHERE fingerprint = $1 AND sealed IS NOT NULL")
        .bind(fingerprint.to_string())
        .bind(millis(now))
        .execute(self.connection())
        .await?;
        one_row(retired, "retire_root_key")
    }
}

async fn read(on: On<'_>) -> Result<Vec<RootKeyRow>, StoreError> {
    let rows: Vec<Columns> = sql(SELECT).fetch_all(on).await?;
    rows.into_iter().filter_map(row).collect()
}

/// A row with another fingerprint than we write is nobody's and opens nothing.
fn row(
    (fingerprint, sealed, added_at, retired_at): Columns,
) -> Option<Result<RootKeyRow, StoreError>> {
    let fingerprint = fingerprint.parse().ok()?;
    let retired_at = retired_at.map(|at| unsigned(at, "root_key.retired_at"));
    let row = unsigned(added_at, "root_key.added_at").and_then(|added_at| {
        Ok(RootKeyRow {
            fingerprint,
            sealed,
            added_at,
            retired_at: retired_at.transpose()?,
        })
    });
    Some(row)
}
