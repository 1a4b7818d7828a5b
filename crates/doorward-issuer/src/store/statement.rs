//! One statement, whatever the engine.
//!
//! Every operation of the store is written once: [`sql`] takes a text that is
//! part of the program, [`Statement::bind`] its values in order, and the
//! methods that run it take a pool or the connection of a transaction. Values
//! are texts, numbers and bytes, because those mean the same to every engine.
//! Rows are read as tuples of `String`, `i64` and `Vec<u8>`, or `Option` of
//! them.
//!
//! The one thing that the engines spell differently is what locks
//! ([`locking!`], [`Listing::locking`]): a row that is read and kept from others
//! until the transaction ends. SQLite needs no word for it, because a write
//! transaction is alone there.

use std::{borrow::Cow, future::Future, io, sync::OnceLock, time::Duration};

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

/// A statement about several things at once: where it says `{}`, a list of them
/// follows, `VALUES ($1, $2), ($3, $4), …`.
///
/// Servers prepare a statement for each text. So a list has one of eight
/// lengths, and its last thing is said again until it has: what is written in
/// this way has to mean the same twice as once.
pub(super) struct Listing {
    text: &'static str,
    /// What PostgreSQL needs to hear besides.
    lock: &'static str,
    texts: [OnceLock<[String; 2]>; Self::LENGTHS],
}

impl Listing {
    const LENGTHS: usize = 8;

    /// Most things of one list.
    pub(super) const MOST: usize = 1 << (Self::LENGTHS - 1);

    /// A statement that is part of the program, with one `{}`.
    pub(super) const fn new(text: &'static str) -> Self {
        Self::locking(text, "")
    }

    /// One that also locks, in PostgreSQL's words.
    pub(super) const fn locking(text: &'static str, lock: &'static str) -> Self {
        Self {
            text,
            lock,
            texts: [const { OnceLock::new() }; Self::LENGTHS],
        }
    }

    /// The statement about `rows`: at least one and at most [`MOST`](Self::MOST).
    pub(super) fn about<'q, const COLUMNS: usize>(
        &'static self,
        rows: impl ExactSizeIterator<Item = [Value<'q>; COLUMNS]>,
    ) -> Statement<'q> {
        let length = rows.len().next_power_of_two();
        let class = usize::try_from(length.trailing_zeros()).unwrap_or(usize::MAX);
        let [sqlite, postgres] = self.texts[class].get_or_init(|| self.texts_for(length, COLUMNS));
        let mut values: Vec<_> = rows.flatten().collect();
        while values.len() < length * COLUMNS {
            let again = values[values.len() - COLUMNS].clone();
            values.push(again);
        }
        Statement {
            sqlite,
            postgres,
            values,
        }
    }

    fn texts_for(&self, length: usize, columns: usize) -> [String; 2] {
        let row = |row: usize| {
            let numbers = row * columns + 1..=(row + 1) * columns;
            let places: Vec<_> = numbers.map(|number| format!("${number}")).collect();
            format!("({})", places.join(", "))
        };
        let rows: Vec<_> = (0..length).map(row).collect();
        let sqlite = self
            .text
            .replacen("{}", &format!("VALUES {}", rows.join(", ")), 1);
        let postgres = format!("{sqlite}{}", self.lock);
        [sqlite, postgres]
    }
}

/// A value, with its type even if it is absent.
#[derive(Clone)]
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

#[cfg(test)]
mod tests {
    use super::{Listing, Value};

    static PAIRS: Listing = Listing::locking("SELECT b FROM t WHERE (a, b) IN ({})", " FOR UPDATE");

    #[test]
    fn a_list_has_few_lengths_and_ends_with_its_last() {
        let rows = ["a", "b", "c"].map(|text| [Value::from(text), Value::from(7)]);
        let statement = PAIRS.about(rows.into_iter());
        let list = "VALUES ($1, $2), ($3, $4), ($5, $6), ($7, $8)";
        let text = format!("SELECT b FROM t WHERE (a, b) IN ({list})");
        assert_eq!(statement.sqlite, text);
        assert_eq!(statement.postgres, format!("{text} FOR UPDATE"));
        let texts = statement.values.iter().filter_map(|value| match value {
            Value::Text(text) => text.as_deref(),
            _ => None,
        });
        assert_eq!(texts.collect::<Vec<_>>(), ["a", "b", "c", "c"]);
        let one = PAIRS.about([[Value::from("a"), Value::from(7)]].into_iter());
        assert!(
            one.sqlite.ends_with("IN (VALUES ($1, $2))"),
            "{}",
            one.sqlite
        );
        let most = PAIRS.about((0..Listing::MOST).map(|_| [Value::from("a"), 7.into()]));
        assert_eq!(most.values.len(), 2 * Listing::MOST);
    }
}
