//! Schema migrations: forward only, checked by SHA-256, all in one
//! transaction, so that two processes that start together cannot meet half
//! way (sqlx's own runner takes no lock on SQLite).

use aws_lc_rs::digest::{SHA256, digest};
use sqlx::{Sqlite, SqlitePool, Transaction};

use super::statement::sql;
use crate::error::{OpenError, StoreError};

/// Every migration, oldest first. A file that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_identity.sql"),
    include_str!("../../migrations/0002_revocation_feed.sql"),
    include_str!("../../migrations/0003_clients.sql"),
    include_str!("../../migrations/0004_api_keys.sql"),
];

const TABLE: &str = "CREATE TABLE IF NOT EXISTS migration (
    version BIGINT NOT NULL PRIMARY KEY,
    sha256  BLOB   NOT NULL
)";

pub(super) async fn run(writer: &SqlitePool) -> Result<(), OpenError> {
    let mut tx = writer
        .begin_with("BEGIN IMMEDIATE")
        .await
        .map_err(StoreError::from)?;
    sql(TABLE)
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
    let applied = applied(&mut tx).await?;
    for (version, script) in (1..).zip(MIGRATIONS) {
        let sha256 = digest(&SHA256, script.as_bytes());
        match applied.iter().find(|(applied, _)| *applied == version) {
            Some((_, known)) if known == sha256.as_ref() => {}
            Some(_) => return Err(OpenError::ForeignMigration { version }),
            None => apply(&mut tx, version, script, sha256.as_ref()).await?,
        }
    }
    Ok(tx.commit().await.map_err(StoreError::from)?)
}

async fn applied(tx: &mut Transaction<'_, Sqlite>) -> Result<Vec<(i64, Vec<u8>)>, OpenError> {
    let applied: Vec<(i64, Vec<u8>)> =
        sql("SELECT version, sha256 FROM migration ORDER BY version")
            .fetch_all(&mut **tx)
            .await
            .map_err(StoreError::from)?;
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match applied.last() {
        Some(&(found, _)) if found > known => Err(OpenError::TooNew { found, known }),
        _ => Ok(applied),
    }
}

async fn apply(
    tx: &mut Transaction<'_, Sqlite>,
    version: i64,
    script: &'static str,
    sha256: &[u8],
) -> Result<(), StoreError> {
    sqlx::raw_sql(script).execute(&mut **tx).await?;
    sql("INSERT INTO migration (version, sha256) VALUES ($1, $2)")
        .bind(version)
        .bind(sha256)
        .execute(&mut **tx)
        .await?;
    Ok(())
}
