//! Reading passwords and tokens: from a file, standard input, the environment
//! or a prompt. Never from an argument.

use std::{
    io::{IsTerminal as _, Read as _},
    path::{Path, PathBuf},
};

use clap::Args;

use crate::exit::Failure;

/// More than any token or password may have.
const LARGEST: u64 = 64 * 1024;

/// Where a password comes from; without any of these, a prompt asks for it.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(super) struct PasswordSource {
    /// Read the password from the first line of FILE
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// Read the password from the first line of standard input
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// The password. Asks twice when it is a new one and a person types it.
    pub(super) fn read(&self, is_new: bool) -> Result<String, Failure> {
        if let Some(file) = &self.password_file {
            return first_line(&read_file(file)?, &file.display().to_string());
        }
        if self.password_stdin {
            return first_line(&read_stdin()?, "standard input");
        }
        if let Some(password) = from_environment("DOORWARD_PASSWORD")? {
            return Ok(password);
        }
        if !std::io::stdin().is_terminal() {
            return Err(
                Failure::usage("there is no terminal to ask for the password")
                    .hint("give it with --password-file, --password-stdin or DOORWARD_PASSWORD"),
            );
        }
        let password = prompt("Password: ")?;
        if is_new && prompt("Again:    ")? != password {
            return Err(Failure::usage("the two passwords differ").hint("try again"));
        }
        Ok(password)
    }
}

fn prompt(text: &str) -> Result<String, Failure> {
    rpassword::prompt_password(text)
        .map_err(|error| Failure::usage(format!("cannot ask for the password: {error}")))
}

/// Where a token comes from.
#[derive(Debug, Default, Args)]
pub(super) struct TokenSource {
    /// Read the token from FILE [default: DOORWARD_TOKEN, else standard input]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenSource {
    /// The token from the file or the environment, if either is given.
    pub(super) fn given(&self) -> Result<Option<String>, Failure> {
        match &self.token_file {
            Some(file) => Ok(Some(read_file(file)?.trim().to_owned())),
            None => from_environment("DOORWARD_TOKEN"),
        }
    }

    /// The token from the file, the environment or standard input.
    pub(super) fn read(&self) -> Result<String, Failure> {
        if let Some(token) = self.given()? {
            return Ok(token);
        }
        if std::io::stdin().is_terminal() {
            return Err(Failure::usage("no token was given")
                .hint("pipe it in, or use --token-file or DOORWARD_TOKEN"));
        }
        let token = read_stdin()?.trim().to_owned();
        if token.is_empty() {
            return Err(Failure::usage("standard input held no token")
                .hint("pipe the token in, or use --token-file or DOORWARD_TOKEN"));
        }
        Ok(token)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the command line is where secrets come in from the environment"
)]
fn from_environment(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("{name} is not UTF-8")))
        }
    }
}

fn read_file(file: &Path) -> Result<String, Failure> {
    let unreadable = |error| {
        Failure::usage(format!("cannot read {}: {error}", file.display()))
            .hint("check the path and its permissions")
    };
    bounded(std::fs::File::open(file).map_err(unreadable)?).map_err(unreadable)
}

fn read_stdin() -> Result<String, Failure> {
    bounded(std::io::stdin().lock())
        .map_err(|error| Failure::usage(format!("cannot read standard input: {error}")))
}

fn bounded(reader: impl std::io::Read) -> std::io::Result<String> {
    let mut text = String::new();
    reader.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn first_line(text: &str, place: &str) -> Result<String, Failure> {
    match text.lines().next() {
        Some(line) if !line.is_empty() => Ok(line.to_owned()),
        _ => Err(Failure::usage(format!("{place} holds no password"))
            .hint("put the password on its first line")),
    }
}
