//! Where the state lies: a SQLite file or a PostgreSQL server.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use sqlx::{
    ConnectOptions as _, Connection as _,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{failure::is_missing_table, statement::within};
use crate::error::{OpenError, StoreError};

/// Where the state lies.
#[derive(Clone, Debug)]
pub enum Database {
    /// A SQLite file; it is made if it is not there.
    Sqlite(PathBuf),
    /// A database of a PostgreSQL server, which several nodes may share.
    Postgres(PostgresUrl),
}

/// The address of a PostgreSQL database, `postgres://user@host:port/name`.
///
/// What it leaves out comes from where every PostgreSQL client takes it: the
/// password from `PGPASSWORD` or the password file (`PGPASSFILE`,
/// `~/.pgpass`), the rest from `PGHOST` and its like. Neither `Debug` nor
/// `Display` shows a password.
///
/// A server that is not on this machine is spoken to over TLS with its
/// certificate and name checked (`sslmode=verify-full`) unless the address
/// says otherwise.
#[derive(Clone)]
pub struct PostgresUrl {
    options: Box<PgConnectOptions>,
    shown: String,
    has_password: bool,
}

/// Not the address of a PostgreSQL database.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseUrlError {
    /// Another scheme, or none.
    #[error("it does not begin with postgres://")]
    Scheme,
    /// A parameter that means nothing here; a misspelt one must not leave TLS
    /// out.
    #[error("it has the parameter `{0}`, which is not one of: {known}", known = PARAMETERS.join(", "))]
    Parameter(String),
    /// It does not name a database.
    #[error("it does not name a database")]
    NoName,
    /// Not a URL, or a value that cannot be.
    #[error("{0}")]
    Malformed(&'static str),
}

const UNREADABLE: &str = "its host, its port or the value of a parameter cannot be read";

/// The parameters that an address may have.
const PARAMETERS: [&str; 6] = [
    "host",
    "options",
    "password",
    "sslmode",
    "sslrootcert",
    "user",
];

impl Database {
    /// Whether somebody has begun to use it.
    ///
    /// # Errors
    ///
    /// When a server cannot be asked.
    pub async fn is_in_use(&self) -> Result<bool, OpenError> {
        match self {
            // A file without content was made by a start that did not get far
            // enough to seal anything.
            Self::Sqlite(path) => Ok(fs::metadata(path).is_ok_and(|file| file.len() > 0)),
            Self::Postgres(url) => url.is_in_use().await,
        }
    }
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "{}", path.display()),
            Self::Postgres(url) => write!(f, "{url}"),
        }
    }
}

impl From<&Path> for Database {
    fn from(path: &Path) -> Self {
        Self::Sqlite(path.to_owned())
    }
}

impl From<PathBuf> for Database {
    fn from(path: PathBuf) -> Self {
        Self::Sqlite(path)
    }
}

impl From<&PathBuf> for Database {
    fn from(path: &PathBuf) -> Self {
        Self::Sqlite(path.clone())
    }
}

impl PostgresUrl {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`DatabaseUrlError`]; none of them repeats the address.
    pub fn parse(text: &str) -> Result<Self, DatabaseUrlError> {
        let parts = Parts::of(text)?;
        let options =
            // The driver's words repeat what it could not read.
            PgConnectOptions::from_str(text).map_err(|_| DatabaseUrlError::Malformed(UNREADABLE))?;
        if options.get_database().is_none_or(str::is_empty) {
            return Err(DatabaseUrlError::NoName);
        }
        let mode = options.get_ssl_mode();
        let is_given = parts.parameters.iter().any(|(name, _)| *name == "sslmode");
        let options = match is_local(&options) || is_given || !matches!(mode, PgSslMode::Prefer) {
            true => options,
            false => options.ssl_mode(PgSslMode::VerifyFull),
        };
        Ok(Self {
            options: Box::new(options.application_name("doorward")),
            shown: parts.without_password(),
            has_password: parts.has_password(),
        })
    }

    /// Whether the address itself holds a password: it must not come from a
    /// command line, which every user of the machine can read.
    pub fn has_password(&self) -> bool {
        self.has_password
    }

    pub(super) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    async fn is_in_use(&self) -> Result<bool, OpenError> {
        let failed = |error: sqlx::Error| OpenError::Store(StoreError::from(error));
        let options = PgConnectOptions::clone(&self.options).disable_statement_logging();
        let mut connection = within(options.connect()).await.map_err(failed)?;
        let count = sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM installation")
            .fetch_one(&mut connection)
            .await;
        let in_use = match count {
            Ok(rows) => rows > 0,
            Err(error) if is_missing_table(&error) => false,
            Err(error) => return Err(failed(error)),
        };
        connection.close().await.map_err(failed)?;
        Ok(in_use)
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresUrl").field(&self.shown).finish()
    }
}

fn is_local(options: &PgConnectOptions) -> bool {
    let host = options.get_host();
    options.get_socket().is_some()
        || host.starts_with('/')
        || host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// The parts of an address that tell what may be shown.
struct Parts<'a> {
    user: Option<&'a str>,
    password: Option<&'a str>,
    /// Host, port and path.
    place: &'a str,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, DatabaseUrlError> {
        let rest = ["postgres://", "postgresql://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme))
            .ok_or(DatabaseUrlError::Scheme)?;
        if rest.contains('#') {
            let why = "it has a `#`; write %23 if a name holds one";
            return Err(DatabaseUrlError::Malformed(why));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let authority_end = rest.find('/').unwrap_or(rest.len());
        let (who, place) = match rest[..authority_end].rfind('@') {
            Some(at) => (Some(&rest[..at]), &rest[at + 1..]),
            None => (None, rest),
        };
        let (user, password) = match who.map(|who| who.split_once(':').ok_or(who)) {
            Some(Ok((user, password))) => (Some(user), Some(password)),
            Some(Err(user)) => (Some(user), None),
            None => (None, None),
        };
        let parameters: Vec<_> = query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .collect();
        match parameters
            .iter()
            .find(|(name, _)| !PARAMETERS.contains(name))
        {
            // A name without value may be the end of a password with a `?`.
            Some((name, value)) if !value.is_empty() => {
                Err(DatabaseUrlError::Parameter((*name).to_owned()))
            }
            Some(_) => Err(DatabaseUrlError::Malformed(
                "it has a parameter without a value",
            )),
            None => Ok(Self {
                user,
                password,
                place,
                parameters,
            }),
        }
    }

    fn has_password(&self) -> bool {
        self.password.is_some() || self.parameters.iter().any(|(name, _)| *name == "password")
    }

    fn without_password(&self) -> String {
        let user = self.user.map(|user| format!("{user}@")).unwrap_or_default();
        let shown: Vec<_> = self
            .parameters
            .iter()
            .filter(|(name, _)| *name != "password")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let query = match shown.is_empty() {
            true => String::new(),
            false => format!("?{}", shown.join("&")),
        };
        format!("postgres://{user}{}{query}", self.place)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use sqlx::postgres::PgSslMode;

    use super::{DatabaseUrlError, PostgresUrl};

    #[test]
    fn sec_020_a_password_is_found_and_never_shown() {
        for address in [
            "postgres://ana:s3cr3t@db.example/doorward",
            "postgresql://ana:s3cr3t@127.0.0.1:5433/doorward?sslmode=disable",
            "postgres://ana:x@s3cr3t@localhost/doorward",
            "postgres://ana@localhost/doorward?password=s3cr3t",
        ] {
            let url = PostgresUrl::parse(address).unwrap();
            assert!(url.has_password(), "{address}");
            assert!(!format!("{url} {url:?}").contains("s3cr3t"), "{url:?}");
            assert!(url.to_string().starts_with("postgres://ana@"), "{url}");
        }
        let bare = PostgresUrl::parse("postgres://ana@localhost:5433/doorward").unwrap();
        assert!(!bare.has_password());
        assert_eq!(bare.to_string(), "postgres://ana@localhost:5433/doorward");
    }

    #[test]
    fn a_server_elsewhere_is_spoken_to_over_checked_tls() {
        let mode = |text| PostgresUrl::parse(text).unwrap().options.get_ssl_mode();
        let is_checked = |text| matches!(mode(text), PgSslMode::VerifyFull);
        assert!(is_checked("postgres://db.example/doorward"));
        assert!(is_checked("postgres://10.0.0.7/doorward"));
        assert!(!is_checked(
            "postgres://db.example/doorward?sslmode=require"
        ));
        for local in [
            "postgres://localhost/doorward",
            "postgres://127.0.0.1/doorward",
            "postgres://[::1]/doorward",
            "postgres:///doorward?host=/run/postgresql",
        ] {
            assert!(matches!(mode(local), PgSslMode::Prefer), "{local}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_without_being_repeated() {
        let refusal = |text| PostgresUrl::parse(text).unwrap_err();
        assert_eq!(refusal("mysql://ana:s3cr3t@h/d"), DatabaseUrlError::Scheme);
        assert_eq!(refusal("doorward.db"), DatabaseUrlError::Scheme);
        assert_eq!(
            refusal("postgres://h/d?sslmod=disable"),
            DatabaseUrlError::Parameter("sslmod".to_owned())
        );
        assert_eq!(refusal("postgres://h/"), DatabaseUrlError::NoName);
        for broken in [
            "postgres://ana:s3cr3t@h:port/d",
            "postgres://ana:s3?cr3t@h/d",
            "postgres://ana:s3#cr3t@h/d",
            "postgres://h/d?sslmode=s3cr3t",
        ] {
            let refusal = refusal(broken);
            assert!(
                !format!("{refusal} {refusal:?}").contains("cr3t"),
                "{refusal}"
            );
        }
    }
}
