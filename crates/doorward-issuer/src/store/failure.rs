//! What a failed statement means.

use sqlx::{error::DatabaseError, postgres::PgDatabaseError};

use crate::error::StoreError;

// Primary result codes of SQLite, the low byte of the extended ones
// (https://www.sqlite.org/rescode.html).
/// PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN,
/// PROTOCOL, AUTH: the file or the machine is at fault, not its content.
const SQLITE_UNAVAILABLE: [i32; 11] = [3, 5, 6, 7, 8, 9, 10, 13, 14, 15, 23];

// SQLSTATE of PostgreSQL and of those who speak like it (appendix A of its
// manual).
/// Serialization failure and deadlock.
const CONTENDED: [&str; 2] = ["40001", "40P01"];
const UNDEFINED_TABLE: &str = "42P01";
/// What two processes meet that make the same tables at once.
const MADE_MEANWHILE: [&str; 2] = ["23505", "42P07"];
/// Connection, authorization, transaction ended or read-only, no such
/// database, resources, lock not available, operator, system: the server or
/// the way to it is at fault, not its content.
const UNAVAILABLE: [&str; 9] = ["08", "28", "25", "3D", "53", "55", "57", "58", "42501"];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match &error {
            Error::Database(database) => from_database(&**database),
            Error::PoolTimedOut => {
                Self::Unavailable("no connection to it became free in time".to_owned())
            }
            // A server that goes away in the middle of a sentence is no fault
            // of what is stored.
            Error::Io(_)
            | Error::Tls(_)
            | Error::Protocol(_)
            | Error::PoolClosed
            | Error::WorkerCrashed => Self::Unavailable(error.to_string()),
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

fn from_database(error: &dyn DatabaseError) -> StoreError {
    let said = error.to_string();
    match error.try_downcast_ref::<PgDatabaseError>() {
        Some(error) if CONTENDED.contains(&error.code()) => StoreError::Contended(said),
        Some(error) if is_of(error.code(), &UNAVAILABLE) => StoreError::Unavailable(said),
        None if is_sqlite_unavailable(error) => StoreError::Unavailable(said),
        // A constraint that does not hold, a statement that does not fit the
        // schema, a damaged page: the store is not what this program made.
        _ => StoreError::Corrupt(said),
    }
}

fn is_of(code: &str, classes: &[&str]) -> bool {
    classes.iter().any(|class| code.starts_with(class))
}

fn is_sqlite_unavailable(error: &dyn DatabaseError) -> bool {
    let code = error.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| SQLITE_UNAVAILABLE.contains(&(code & 0xff)))
}

/// Whether a PostgreSQL database lacks the table: nobody used it yet.
pub(super) fn is_missing_table(error: &sqlx::Error) -> bool {
    has_code(error, &[UNDEFINED_TABLE])
}

/// Whether another process made the same thing at the same time.
pub(super) fn is_made_meanwhile(error: &sqlx::Error) -> bool {
    has_code(error, &MADE_MEANWHILE)
}

fn has_code(error: &sqlx::Error, codes: &[&str]) -> bool {
    let error = error.as_database_error();
    let error = error.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    error.is_some_and(|error| codes.contains(&error.code()))
}
