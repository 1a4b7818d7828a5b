//! What a failed statement means.

use sqlx::error::DatabaseError;

use crate::error::StoreError;

// Primary result codes of SQLite, the low byte of the extended ones
// (https://www.sqlite.org/rescode.html).
const SQLITE_CORRUPT: i32 = 11;
const SQLITE_NOTADB: i32 = 26;
/// PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, FULL, CANTOPEN,
/// PROTOCOL, AUTH: the file or the machine is at fault, not its content.
const UNAVAILABLE: [i32; 11] = [3, 5, 6, 7, 8, 9, 10, 13, 14, 15, 23];

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error;
        match &error {
            Error::Database(database) => from_database(&**database),
            Error::Io(_) | Error::PoolTimedOut | Error::PoolClosed | Error::WorkerCrashed => {
                Self::Unavailable(error.to_string())
            }
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

fn from_database(error: &dyn DatabaseError) -> StoreError {
    let code = error
        .code()
        .and_then(|code| code.parse::<i32>().ok())
        .map(|code| code & 0xff);
    match code {
        Some(code) if UNAVAILABLE.contains(&code) => StoreError::Unavailable(error.to_string()),
        Some(SQLITE_CORRUPT | SQLITE_NOTADB) => StoreError::Corrupt(error.to_string()),
        // A constraint that does not hold, or a statement that does not fit
        // the schema: the store is not what this program made.
        _ => StoreError::Corrupt(error.to_string()),
    }
}
