//! Hashes that others made: bcrypt, scrypt and PBKDF2, as they are written
//! down by PHC, passlib, Django and Werkzeug.
//!
//! None is made here. One is kept as it came, checked once the user signs in,
//! and replaced by Argon2id when the password was right. The computing is done
//! by libraries; here is only what they leave open: the forms, and the bounds
//! of what one check may cost.
//!
//! bcrypt reads the first 72 bytes of a password and no more. That was so where
//! the hash comes from; it ends with the replacement, which takes the whole.

mod bcrypt;
mod pbkdf2;
mod scrypt;

use self::{bcrypt::Bcrypt, pbkdf2::Pbkdf2, scrypt::Scrypt};
use super::{
    Password,
    hash::{NotComputed, PasswordHashError, Workspace},
};

/// Longest text of one.
const MAX_TEXT: usize = 512;

/// Length of salts and of results that are taken, bytes.
const SALT: std::ops::RangeInclusive<usize> = 8..=64;
const LEAST_RESULT: usize = 16;

/// A hash of another kind, and the text in which it came.
#[derive(Clone)]
pub(super) struct Foreign {
    text: String,
    scheme: Scheme,
}

#[derive(Clone)]
enum Scheme {
    Bcrypt(Bcrypt),
    Scrypt(Scrypt),
    Pbkdf2(Pbkdf2),
}

impl Foreign {
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        // A salt may be plain text; a NUL in it is no text for PostgreSQL.
        if text.len() > MAX_TEXT || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(PasswordHashError::Malformed);
        }
        let scheme = if text.starts_with("$2") {
            Scheme::Bcrypt(Bcrypt::parse(text)?)
        } else if text.trim_start_matches('$').starts_with("scrypt") {
            Scheme::Scrypt(Scrypt::parse(text)?)
        } else {
            Scheme::Pbkdf2(Pbkdf2::parse(text)?)
        };
        let text = text.to_owned();
        Ok(Self { text, scheme })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn kind(&self) -> &'static str {
        match &self.scheme {
            Scheme::Bcrypt(_) => "bcrypt",
            Scheme::Scrypt(_) => "scrypt",
            Scheme::Pbkdf2(_) => "pbkdf2",
        }
    }

    pub(super) fn workspace(&self) -> Workspace {
        match &self.scheme {
            Scheme::Scrypt(_) => Workspace::Own,
            // A few KiB.
            Scheme::Bcrypt(_) | Scheme::Pbkdf2(_) => Workspace::Arena(0),
        }
    }

    /// Whether it is good enough to be taken over.
    pub(super) fn strong_enough(&self) -> Result<(), PasswordHashError> {
        let least = match &self.scheme {
            Scheme::Bcrypt(hash) => hash.falls_short(),
            Scheme::Scrypt(hash) => hash.falls_short(),
            Scheme::Pbkdf2(hash) => hash.falls_short(),
        };
        least.map_or(Ok(()), |least| Err(PasswordHashError::TooWeak(least)))
    }

    pub(super) fn matches(&self, password: &Password) -> Result<bool, NotComputed> {
        let password = password.as_str().as_bytes();
        match &self.scheme {
            Scheme::Bcrypt(_) => Bcrypt::matches(&self.text, password),
            Scheme::Scrypt(hash) => hash.matches(password),
            Scheme::Pbkdf2(hash) => Ok(hash.matches(password)),
        }
    }

    /// bcrypt reads the first 72 bytes, and a password with a byte of zero
    /// like a shorter one that is repeated.
    pub(super) fn covers(&self, password: &Password) -> bool {
        let password = password.as_str().as_bytes();
        match &self.scheme {
            Scheme::Bcrypt(_) => password.len() <= BCRYPT_READS && !password.contains(&0),
            Scheme::Scrypt(_) | Scheme::Pbkdf2(_) => true,
        }
    }
}

/// How much of a password bcrypt reads, in bytes.
const BCRYPT_READS: usize = 72;

/// A result in hexadecimal, as Werkzeug writes it.
fn hex(text: &str) -> Result<Vec<u8>, PasswordHashError> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .filter(|_| !byte.is_ascii_uppercase())
    };
    let pairs = text.as_bytes().chunks_exact(2);
    if !pairs.remainder().is_empty() {
        return Err(PasswordHashError::Malformed);
    }
    let byte = |pair: &[u8]| {
        let value = digit(pair[0])? * 16 + digit(pair[1])?;
        u8::try_from(value).ok()
    };
    let bytes: Option<Vec<u8>> = pairs.map(byte).collect();
    bytes.ok_or(PasswordHashError::Malformed)
}

/// A salt that is used as the text that it is, as Django and Werkzeug do.
fn plain_salt(text: &str) -> Result<Vec<u8>, PasswordHashError> {
    match SALT.contains(&text.len()) {
        true => Ok(text.as_bytes().to_vec()),
        false => Err(PasswordHashError::Malformed),
    }
}

#[cfg(test)]
mod tests;
