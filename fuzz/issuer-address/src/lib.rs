//! What the configuration reads of the issuer, roughly: what makes an address of
//! a database good is not what is fuzzed, nor how large a token may be.

pub mod access_token;
pub mod config;
// An inline module, so that the files of the attributes are looked for in their
// own folder. These are the issuer's own: what may be a claim is fuzzed.
#[path = "../../../crates/doorward-issuer/src"]
mod issuer {
    #[expect(dead_code, reason = "nobody has attributes here")]
    pub mod attribute;
}

pub use issuer::attribute;

use std::fmt;

/// How tokens say what their holder may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PermissionForm {
    /// By name.
    #[default]
    Names,
    /// By number where names do not fit.
    Numbers,
}

/// Something that begins like the address of a PostgreSQL database.
#[derive(Clone, Debug)]
pub struct PostgresUrl(String);

impl PostgresUrl {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// If it does not begin like one.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        match text.starts_with("postgres://") {
            true => Ok(Self(text.to_owned())),
            false => Err("it does not begin with postgres://"),
        }
    }

    /// Whether it holds a password.
    pub fn has_password(&self) -> bool {
        self.0.contains("password") || self.0.matches(':').count() > 2
    }
}

impl fmt::Display for PostgresUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
