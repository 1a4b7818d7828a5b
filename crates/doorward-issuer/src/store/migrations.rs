//! Schema migrations: forward only, checked by SHA-256, all in one
//! transaction, so that two processes that start together cannot meet half
//! way (sqlx's own runner takes no lock on SQLite).
//!
//! A newer Doorward may have expanded the schema under an older one that still
//! runs, or that is put back: tables and columns that it does not know do not
//! disturb it. What a newer one took away would. So the database says which
//! version a program must know at least (`migration_floor`), and only a
//! program that does not is refused.

use aws_lc_rs::digest::{SHA256, digest};

use super::{
    Store, Tx,
    contention::again,
    failure::is_made_meanwhile,
    statement::{locking, sql},
};
use crate::error::{OpenError, StoreError};

/// Every migration, oldest first. A file that was released never changes.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_identity.sql"),
    include_str!("../../migrations/0002_revocation_feed.sql"),
    include_str!("../../migrations/0003_clients.sql"),
    include_str!("../../migrations/0004_api_keys.sql"),
    include_str!("../../migrations/0005_second_factors.sql"),
    include_str!("../../migrations/0006_idempotency.sql"),
    include_str!("../../migrations/0007_sign_in_failures.sql"),
    include_str!("../../migrations/0008_row_macs.sql"),
    include_str!("../../migrations/0009_permission_numbers.sql"),
    include_str!("../../migrations/0010_root_key.sql"),
    include_str!("../../migrations/0011_attributes.sql"),
    include_str!("../../migrations/0012_ticket_salt.sql"),
];

/// The newest migration that took something away: programs that do not know it
/// are refused. 1, because a program without any could not even begin.
const FLOOR: i64 = 1;

/// What a program must know to open a database that does not hang on its master
/// key itself.
const ROOT_KEYS: i64 = 10;

const TABLES: &str = "CREATE TABLE IF NOT EXISTS migration (
    version BIGINT NOT NULL PRIMARY KEY,
    sha256  BLOB   NOT NULL
);
CREATE TABLE IF NOT EXISTS migration_floor (
    id      BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    version BIGINT NOT NULL
);
INSERT INTO migration_floor (id, version) VALUES (1, 1) ON CONFLICT DO NOTHING;";

/// A refresh writes a new version of its row: room for it in the same page
/// spares every index an entry.
const POSTGRES_STORAGE: &str = "ALTER TABLE session SET (fillfactor = 80);";

/// Tables may take longer to change than a request may take.
const POSTGRES_PATIENCE: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s';";

pub(super) async fn run(store: &Store) -> Result<(), OpenError> {
    if store.has_many_writers() && is_up_to_date(store).await? {
        return Ok(());
    }
    again(|| migrate(store)).await
}

/// A look that needs no right to make tables.
async fn is_up_to_date(store: &Store) -> Result<bool, OpenError> {
    let (tables,): (i64,) = sql("SELECT COUNT(*) FROM information_schema.tables
         WHERE table_schema = current_schema() AND table_name IN ('migration', 'migration_floor')")
    .fetch_one(store.readers())
    .await
    .map_err(StoreError::from)?;
    if tables < 2 {
        return Ok(false);
    }
    let applied: Vec<(i64, Vec<u8>)> = sql(APPLIED)
        .fetch_all(store.readers())
        .await
        .map_err(StoreError::from)?;
    let (floor,): (i64,) = sql("SELECT version FROM migration_floor WHERE id = 1")
        .fetch_one(store.readers())
        .await
        .map_err(StoreError::from)?;
    check_floor(floor, &applied)?;
    Ok(missing(&applied)?.is_empty())
}

async fn migrate(store: &Store) -> Result<(), OpenError> {
    let mut tx = store.begin().await?;
    if tx.is_postgres() {
        run_script(&mut tx, POSTGRES_PATIENCE).await?;
    }
    run_script(&mut tx, TABLES).await?;
    // Of several nodes that start together, one migrates and the others find
    // it done.
    let (floor,): (i64,) = locking!(
        "SELECT version FROM migration_floor WHERE id = 1",
        "migration_floor"
    )
    .fetch_one(tx.connection())
    .await
    .map_err(StoreError::from)?;
    let applied: Vec<(i64, Vec<u8>)> = sql(APPLIED)
        .fetch_all(tx.connection())
        .await
        .map_err(StoreError::from)?;
    check_floor(floor, &applied)?;
    for (version, script) in missing(&applied)? {
        apply(&mut tx, version, script).await?;
    }
    sql("UPDATE migration_floor SET version = $1 WHERE id = 1 AND version < $1")
        .bind(FLOOR)
        .execute(tx.connection())
        .await
        .map_err(StoreError::from)?;
    Ok(tx.commit().await?)
}

impl Tx {
    /// From now on only programs that know root keys open this database: others
    /// would take the master key for it, and say that it is a wrong one.
    pub(crate) async fn require_root_keys(&mut self) -> Result<(), StoreError> {
        sql("UPDATE migration_floor SET version = $1 WHERE id = 1 AND version < $1")
            .bind(ROOT_KEYS)
            .execute(self.connection())
            .await?;
        Ok(())
    }
}

const APPLIED: &str = "SELECT version, sha256 FROM migration ORDER BY version";

/// Refuses a database from which something was taken that this program needs.
fn check_floor(floor: i64, applied: &[(i64, Vec<u8>)]) -> Result<(), OpenError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    match floor > known {
        true => Err(OpenError::TooNew {
            found: applied.last().map_or(floor, |(version, _)| *version),
            known,
        }),
        false => Ok(()),
    }
}

/// What still has to be applied. Versions that this program does not know are
/// those of a newer one.
fn missing(applied: &[(i64, Vec<u8>)]) -> Result<Vec<(i64, &'static str)>, OpenError> {
    let mut missing = Vec::new();
    for (version, script) in (1..).zip(MIGRATIONS) {
        let sha256 = digest(&SHA256, script.as_bytes());
        match applied.iter().find(|(applied, _)| *applied == version) {
            Some((_, known)) if known == sha256.as_ref() => {}
            Some(_) => return Err(OpenError::ForeignMigration { version }),
            None => missing.push((version, *script)),
        }
    }
    Ok(missing)
}

async fn apply(tx: &mut Tx, version: i64, script: &'static str) -> Result<(), OpenError> {
    run_script(tx, script).await?;
    if version == 1 && tx.is_postgres() {
        run_script(tx, POSTGRES_STORAGE).await?;
    }
    let sha256 = digest(&SHA256, script.as_bytes());
    sql("INSERT INTO migration (version, sha256) VALUES ($1, $2)")
        .bind(version)
        .bind(sha256.as_ref())
        .execute(tx.connection())
        .await
        .map_err(StoreError::from)?;
    Ok(())
}

async fn run_script(tx: &mut Tx, script: &str) -> Result<(), StoreError> {
    let script = match tx.is_postgres() {
        true => for_postgres(script),
        false => script.to_owned(),
    };
    tx.run_script(script)
        .await
        .map_err(|error| match is_made_meanwhile(&error) {
            true => StoreError::Contended(error.to_string()),
            false => error.into(),
        })
}

/// The same schema in PostgreSQL's words. Texts are compared by their bytes, as
/// SQLite does: the order of a language would differ between servers, and with
/// it every page of a list, and an upgrade of the server's C library would
/// leave indexes in the wrong order.
fn for_postgres(script: &str) -> String {
    script
        .replace(" BLOB", " BYTEA")
        .replace(" TEXT", " TEXT COLLATE \"C\"")
}
