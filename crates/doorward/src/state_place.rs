//! Where the state lies: the SQLite file of the data folder, or a PostgreSQL
//! server that several nodes share.
//!
//! A password never comes from the command line, which every user of the
//! machine can read, nor from the configuration, which is kept with the code.
//! It comes from where PostgreSQL's own programs take it (`PGPASSWORD`,
//! `PGPASSFILE`, `~/.pgpass`), or in `DOORWARD_DATABASE` with the address.

use doorward_issuer::{Database, PostgresUrl};

use crate::{
    data_folder::{DataFolder, LastUp},
    exit::Failure,
};

/// The variable that holds an address, and may hold a password in it.
const VARIABLE: &str = "DOORWARD_DATABASE";

const WHERE_PASSWORDS_COME_FROM: &str = "leave it out, and give it in PGPASSWORD, in ~/.pgpass, \
                                         or with the whole address in DOORWARD_DATABASE";

/// The server that an `up` is to use: of the command line, the environment or
/// the configuration, in this order; `None` is the file of the data folder.
pub(crate) fn chosen(
    flag: Option<&str>,
    configured: Option<&PostgresUrl>,
) -> Result<Option<PostgresUrl>, Failure> {
    match flag {
        Some(address) => {
            let url = parsed(address, "--database")?;
            match url.has_password() {
                true => Err(Failure::usage(
                    "the address of --database holds a password, and every user of this machine \
                     can read a command line",
                )
                .hint(WHERE_PASSWORDS_COME_FROM)),
                false => Ok(Some(url)),
            }
        }
        None => Ok(from_environment()?.or_else(|| configured.cloned())),
    }
}

/// Refuses to begin anew beside the state that this folder was served with.
pub(crate) fn check_is_the_same(
    folder: &DataFolder,
    url: Option<&PostgresUrl>,
) -> Result<(), Failure> {
    // What is damaged says nothing; this `up` writes it again.
    let Ok(Some(before)) = folder.read_json::<LastUp>(&folder.last_up()) else {
        return Ok(());
    };
    let path = folder.path().display();
    let elsewhere = "or begin anew in another folder with --data";
    match (&before.database, url) {
        (Some(address), None) => Err(Failure::configuration(format!(
            "{path} was served with {address}, and now no database is named"
        ))
        .hint(format!("say `--database {address}` again, {elsewhere}"))),
        (None, Some(url)) => Err(Failure::configuration(format!(
            "{path} was served with the users in its own doorward.db, and {url} has others"
        ))
        .hint(format!("leave out the database, {elsewhere}"))),
        _ => Ok(()),
    }
}

/// The database that the last `up` of a folder used.
pub(crate) fn of_last_up(folder: &DataFolder, last_up: &LastUp) -> Result<Database, Failure> {
    let Some(address) = &last_up.database else {
        return Ok(Database::Sqlite(folder.database()));
    };
    // The variable may know the password.
    let known = from_environment()?.filter(|url| url.to_string() == *address);
    let url = match known {
        Some(url) => url,
        None => parsed(address, &folder.last_up().display().to_string())?,
    };
    Ok(Database::Postgres(url))
}

fn from_environment() -> Result<Option<PostgresUrl>, Failure> {
    let address = crate::cli::from_environment(VARIABLE)?;
    address
        .map(|address| parsed(&address, VARIABLE))
        .transpose()
}

/// The address is not repeated: there may be a password in it.
fn parsed(address: &str, place: &str) -> Result<PostgresUrl, Failure> {
    PostgresUrl::parse(address).map_err(|error| {
        Failure::usage(format!("the address of {place} is refused: {error}"))
            .hint("write it like postgres://doorward@db.internal/doorward")
    })
}
