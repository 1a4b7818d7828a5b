//! One statement, whatever the engine.
//!
//! Every operation of the store is written once: [`sql`] takes a text that is
//! part of the program, [`Statement::bind`] its values in order, and the
//! methods that run it take a pool or the connection of a transaction. Values
//! are texts, numbers and bytes, because those mean the same to every engine.
//! Rows are read as tuples of `String`, `i64` and `Vec<u8>`, or `Option` of
//! them.
//!
//! The one thing that the engines spell differently is [`locking!`]: a row that
//! is read and kept from others until the transaction ends. SQLite needs no
//! word for it, because a write transaction is alone there.

use std::{borrow::Cow, future::Future, io, time::Duration};

use sqlx::{
    Arguments, Database, Encode, FromRow, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection,
    SqlitePool, Type, error::BoxDynError, postgres::PgRow, sqlite::SqliteRow,
};

/// How long an answer of a server may take. The server itself gives up earlier
/// (`postgres`); this is for one that cannot be reached any more.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);

/// A statement that is part of the program: never made from what somebody
/// sent.
pub(super) fn sql<'q>(text: &'static str) -> Statement<'q> {
    Statement {
        sqlite: text,
        postgres: text,
        values: Vec::new(),
    }
}

/// A `SELECT` that keeps the row of table or alias `$of` for this transaction:
/// who else asks for it so, or changes it, waits until the transaction ends,
/// and then sees what it wrote.
macro_rules! locking {
    ($text:literal, $of:literal) => {
        $crate::store::statement::Statement::differing(
            $text,
            concat!($text, " FOR NO KEY UPDATE OF ", $of),
        )
    };
}

pub(super) use locking;

/// A statement and its values.
pub(super) struct Statement<'q> {
    sqlite: &'static str,
    postgres: &'static str,
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
    Sqlite(&'c SqlitePool),
    SqliteTx(&'c mut SqliteConnection),
    Postgres(&'c PgPool),
    PostgresTx(&'c mut PgConnection),
}

/// What a row can be read as.
pub(super) trait Readable:
    for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<T> Readable for T where
    T: for<'r> FromRow<'r, SqliteRow> + for<'r> FromRow<'r, PgRow> + Send + Unpin
{
}

impl<'q> Statement<'q> {
    /// The same, said in two ways.
    pub(super) fn differing(sqlite: &'static str, postgres: &'static str) -> Self {
        Self {
            sqlite,
            postgres,
            values: Vec::new(),
        }
    }

    /// The value of the next placeholder.
    pub(super) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }

    /// Runs it; how many rows it changed.
    pub(super) async fn execute(self, on: On<'_>) -> Result<u64, sqlx::Error> {
        let changed = match on {
            On::Sqlite(pool) => self.for_sqlite()?.execute(pool).await?.rows_affected(),
            On::SqliteTx(tx) => self.for_sqlite()?.execute(tx).await?.rows_affected(),
            On::Postgres(pool) => {
                let done = within(self.for_postgres()?.execute(pool)).await?;
                done.rows_affected()
            }
            On::PostgresTx(tx) => {
                let done = within(self.for_postgres()?.execute(tx)).await?;
                done.rows_affected()
            }
        };
        Ok(changed)
    }

    /// Runs it; every row.
    pub(super) async fn fetch_all<T: Readable>(self, on: On<'_>) -> Result<Vec<T>, sqlx::Error> {
        match on {
            On::Sqlite(pool) => rows_of(self.for_sqlite()?.fetch_all(pool).await?),
            On::SqliteTx(tx) => rows_of(self.for_sqlite()?.fetch_all(tx).await?),
            On::Postgres(pool) => rows_of(within(self.for_postgres()?.fetch_all(pool)).await?),
            On::PostgresTx(tx) => rows_of(within(self.for_postgres()?.fetch_all(tx)).await?),
        }
    }

    /// Runs it; the first row, if there is one.
    pub(super) async fn fetch_optional<T: Readable>(
        self,
        on: On<'_>,
    ) -> Result<Option<T>, sqlx::Error> {
        match on {
            On::Sqlite(pool) => row_of(self.for_sqlite()?.fetch_optional(pool).await?),
            On::SqliteTx(tx) => row_of(self.for_sqlite()?.fetch_optional(tx).await?),
            On::Postgres(pool) => row_of(within(self.for_postgres()?.fetch_optional(pool)).await?),
            On::PostgresTx(tx) => row_of(within(self.for_postgres()?.fetch_optional(tx)).await?),
        }
    }

    /// Runs it; the row that there must be.
    pub(super) async fn fetch_one<T: Readable>(self, on: On<'_>) -> Result<T, sqlx::Error> {
        let row = self.fetch_optional(on).await?;
        row.ok_or(sqlx::Error::RowNotFound)
    }

    fn for_sqlite(&self) -> Result<Query<Sqlite>, sqlx::Error> {
        Ok(sqlx::query_with(
            self.sqlite,
            arguments::<Sqlite>(&self.values)?,
        ))
    }

    fn for_postgres(&self) -> Result<Query<Postgres>, sqlx::Error> {
        Ok(sqlx::query_with(
            self.postgres,
            arguments::<Postgres>(&self.values)?,
        ))
    }
}

type Query<DB> = sqlx::query::Query<'static, DB, <DB as Database>::Arguments>;

fn arguments<DB: Database>(values: &[Value<'_>]) -> Result<DB::Arguments, sqlx::Error>
where
    DB::Arguments: Arguments<Database = DB>,
    for<'v> Option<&'v str>: Encode<'v, DB> + Type<DB>,
    for<'v> Option<&'v [u8]>: Encode<'v, DB> + Type<DB>,
    for<'v> Option<i64>: Encode<'v, DB> + Type<DB>,
{
    let mut arguments = DB::Arguments::default();
    for value in values {
        let added: Result<(), BoxDynError> = match value {
            Value::Text(text) => arguments.add(text.as_deref()),
            Value::Integer(number) => arguments.add(*number),
            Value::Bytes(bytes) => arguments.add(*bytes),
        };
        added.map_err(sqlx::Error::Encode)?;
    }
    Ok(arguments)
}

fn rows_of<R, T: for<'r> FromRow<'r, R>>(rows: Vec<R>) -> Result<Vec<T>, sqlx::Error>
where
    R: sqlx::Row,
{
    rows.iter().map(T::from_row).collect()
}

fn row_of<R, T: for<'r> FromRow<'r, R>>(row: Option<R>) -> Result<Option<T>, sqlx::Error>
where
    R: sqlx::Row,
{
    row.as_ref().map(T::from_row).transpose()
}

/// What a server does within [`ANSWER_TIMEOUT`].
pub(super) async fn within<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    match tokio::time::timeout(ANSWER_TIMEOUT, answer).await {
        Ok(answer) => answer,
        Err(_) => Err(sqlx::Error::Io(io::Error::new(
            io::ErrorKind::TimedOut,
            "the database server does not answer",
        ))),
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
