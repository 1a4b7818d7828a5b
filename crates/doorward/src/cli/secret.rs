//! Reading passwords and tokens: from a file, standard input, the environment
//! or a prompt. Never from an argument.

use std::{
    io::{Error, ErrorKind, IsTerminal as _},
    path::{Path, PathBuf},
};

use clap::Args;
use zeroize::Zeroizing;

use crate::{bounded_file, exit::Failure};

/// More than any token or password may have.
const LARGEST: usize = 64 * 1024;

/// Where a password comes from; without any of these, a prompt asks for it.
#[derive(Debug, Default, Args)]
#[group(multiple = false)]
pub(super) struct PasswordSource {
    /// First line of FILE [default: DOORWARD_PASSWORD, else a prompt]
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,

    /// First line of standard input
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

/// The second factor of a sign-in: an authenticator's code or a recovery code.
pub(super) fn second_factor() -> Result<String, Failure> {
    if let Some(code) = from_environment("DOORWARD_CODE")? {
        return Ok(code);
    }
    if !std::io::stdin().is_terminal() {
        return Err(Failure::usage(
            "a second factor is asked for, and there is no terminal to type it",
        )
        .hint("give the authenticator's code, or a recovery code, in DOORWARD_CODE"));
    }
    prompt("Code: ")
}

fn prompt(text: &str) -> Result<String, Failure> {
    rpassword::prompt_password(text)
        .map_err(|error| Failure::usage(format!("cannot ask for the password: {error}")))
}

/// Where a token comes from.
#[derive(Debug, Default, Args)]
pub(super) struct TokenSource {
    /// File with the token [default: DOORWARD_TOKEN]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenSource {
    /// The file that was named.
    pub(super) fn file(&self) -> Option<&Path> {
        self.token_file.as_deref()
    }

    /// The token from the file or the environment, if either is given.
    pub(super) fn given(&self) -> Result<Option<String>, Failure> {
        match &self.token_file {
            Some(file) => Ok(Some(bare(&read_file(file)?))),
            None => Ok(from_environment("DOORWARD_TOKEN")?.map(|text| bare(text.as_bytes()))),
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
        let token = bare(&read_stdin()?);
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
pub(crate) fn from_environment(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(text) if text.is_empty() => Ok(None),
        Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::usage(format!("{name} is not UTF-8")))
        }
    }
}

/// The token in a file that is an argument by itself.
pub(super) fn token_of_file(file: &Path) -> Result<String, Failure> {
    Ok(bare(&read_file(file)?))
}

/// The first line of a file that holds a secret.
pub(super) fn line_of_file(file: &Path) -> Result<String, Failure> {
    first_line(&read_file(file)?, &file.display().to_string())
}

/// Reads a file that the command line names, up to [`LARGEST`].
fn read_file(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    bounded_file::read_secret(file, LARGEST)
        .map_err(|error| unreadable(&file.display().to_string(), &error))
}

fn read_stdin() -> Result<Zeroizing<Vec<u8>>, Failure> {
    bounded_file::secret_of(std::io::stdin().lock(), LARGEST)
        .map_err(|error| unreadable("standard input", &error))
}

fn unreadable(place: &str, error: &Error) -> Failure {
    match error.kind() {
        ErrorKind::FileTooLarge => Failure::usage(format!("{place} is larger than 64 KiB"))
            .hint("put the password or the token there, and nothing else"),
        _ => Failure::unreachable(format!("cannot read {place}: {error}"))
            .hint("check the path and its permissions"),
    }
}

/// The token in `bytes`, without the scheme that a copied header brings.
/// Bytes that are no text stay visible as such: judging them is the
/// verifier's work.
fn bare(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim().to_owned(),
        _ => text.to_owned(),
    }
}

fn first_line(bytes: &[u8], place: &str) -> Result<String, Failure> {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let first = |what| {
        Failure::usage(format!("the first line of {place} {what}"))
            .hint("put the password there, and nothing else")
    };
    match str::from_utf8(line) {
        Ok(line) if !line.is_empty() => Ok(line.to_owned()),
        Ok(_) => Err(first("is empty")),
        Err(_) => Err(first("is not text")),
    }
}

#[cfg(test)]
mod tests {
    use super::{bare, first_line};

    #[test]
    fn a_password_is_its_line_as_it_stands() {
        for (bytes, password) in [
            ("secret", Some("secret")),
            (" secret \r\nmore", Some(" secret ")),
            ("\nsecret", None),
            ("", None),
        ] {
            let read = first_line(bytes.as_bytes(), "FILE");
            assert_eq!(read.ok().as_deref(), password, "{bytes:?}");
        }
        assert!(first_line(&[0xff; 9], "FILE").is_err());
    }

    #[test]
    fn a_token_is_taken_out_of_a_copied_header() {
        for text in ["a.b.c", " a.b.c\n", "Bearer a.b.c", "bearer  a.b.c\n"] {
            assert_eq!(bare(text.as_bytes()), "a.b.c", "{text:?}");
        }
        assert_eq!(bare(b"basic a.b.c"), "basic a.b.c");
    }
}
