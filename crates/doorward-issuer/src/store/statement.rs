//! One statement, whatever the engine.
//!
//! Every operation of the store is written once: [`sql`] takes a text that is
//! part of the program, [`Statement::bind`] its values in order, and the
//! methods that run it take a pool or the connection of a transaction. Values
//! are texts, numbers and bytes, because those mean the same to every engine.
//! Rows are read as tuples of `String`, `i64` and `Vec<u8>`, or `Option` of
//! them.

use std::borrow::Cow;

use sqlx::{
    Arguments, Database, Encode, FromRow, Sqlite, SqliteConnection, SqlitePool, Type,
    error::BoxDynError, sqlite::SqliteRow,
};

/// A statement that is part of the program: never made from what somebody
/// sent.
pub(super) fn sql<'q>(text: &'static str) -> Statement<'q> {
    Statement {
        text,
        values: Vec::new(),
    }
}

/// A statement and its values.
pub(super) struct Statement<'q> {
    text: &'static str,
    values: Vec<Value<'q>>,
}

/// A value, with its type even if it is absent.
pub(super) enum Value<'q> {
    Text(Option<Cow<'q, str>>),
    Integer(Option<i64>),
    Bytes(Option<&'q [u8]>),
}

/// Where a statement runs.
pub(super) enum On<'c> {
    Pool(&'c SqlitePool),
    Connection(&'c mut SqliteConnection),
}

/// What a row can be read as.
pub(super) trait Readable: for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

impl<T> Readable for T where T: for<'r> FromRow<'r, SqliteRow> + Send + Unpin {}

impl<'q> Statement<'q> {
    /// The value of the next placeholder.
    pub(super) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; how many rows it changed.
    pub(super) async fn execute(self, on: impl Into<On<'_>>) -> Result<u64, sqlx::Error> {
        let query = sqlx::query_with(self.text, self.sqlite()?);
        let done = match on.into() {
            On::Pool(pool) => query.execute(pool).await?,
            On::Connection(connection) => query.execute(connection).await?,
        };
        Ok(done.rows_affected())
    }

    /// Runs it; every row.
    pub(super) async fn fetch_all<T: Readable>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Vec<T>, sqlx::Error> {
        let query = sqlx::query_as_with(self.text, self.sqlite()?);
        match on.into() {
            On::Pool(pool) => query.fetch_all(pool).await,
            On::Connection(connection) => query.fetch_all(connection).await,
        }
    }

    /// Runs it; the first row, if there is one.
    pub(super) async fn fetch_optional<T: Readable>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<Option<T>, sqlx::Error> {
        let query = sqlx::query_as_with(self.text, self.sqlite()?);
        match on.into() {
            On::Pool(pool) => query.fetch_optional(pool).await,
            On::Connection(connection) => query.fetch_optional(connection).await,
        }
    }

    /// Runs it; the row that there must be.
    pub(super) async fn fetch_one<T: Readable>(
        self,
        on: impl Into<On<'_>>,
    ) -> Result<T, sqlx::Error> {
        let row = self.fetch_optional(on).await?;
        row.ok_or(sqlx::Error::RowNotFound)
    }

    fn sqlite(&self) -> Result<<Sqlite as Database>::Arguments, sqlx::Error> {
        arguments::<Sqlite>(&self.values).map_err(sqlx::Error::Encode)
    }
}

fn arguments<DB: Database>(values: &[Value<'_>]) -> Result<DB::Arguments, BoxDynError>
where
    DB::Arguments: Arguments<Database = DB>,
    for<'v> Option<&'v str>: Encode<'v, DB> + Type<DB>,
    for<'v> Option<&'v [u8]>: Encode<'v, DB> + Type<DB>,
    for<'v> Option<i64>: Encode<'v, DB> + Type<DB>,
{
    let mut arguments = DB::Arguments::default();
    for value in values {
        match value {
            Value::Text(text) => arguments.add(text.as_deref())?,
            Value::Integer(number) => arguments.add(*number)?,
            Value::Bytes(bytes) => arguments.add(*bytes)?,
        }
    }
    Ok(arguments)
}

impl<'c> From<&'c SqlitePool> for On<'c> {
    fn from(pool: &'c SqlitePool) -> Self {
        Self::Pool(pool)
    }
}

impl<'c> From<&'c mut SqliteConnection> for On<'c> {
    fn from(connection: &'c mut SqliteConnection) -> Self {
        Self::Connection(connection)
    }
}

macro_rules! values {
    ($($kind:ident: $value:ty, $given:ident => $stored:expr;)+) => {$(
        impl<'q> From<$value> for Value<'q> {
            fn from($given: $value) -> Self {
                Self::$kind(Some($stored))
            }
        }

        impl<'q> From<Option<$value>> for Value<'q> {
            fn from(given: Option<$value>) -> Self {
                Self::$kind(given.map(|$given| $stored))
            }
        }
    )+};
}

values! {
    Text: &'q str, text => Cow::Borrowed(text);
    Text: &'q String, text => Cow::Borrowed(text.as_str());
    Text: String, text => Cow::Owned(text);
    Integer: i64, number => number;
    Bytes: &'q [u8], bytes => bytes;
    Bytes: &'q Vec<u8>, bytes => bytes.as_slice();
}
