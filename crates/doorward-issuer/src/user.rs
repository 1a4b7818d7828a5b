//! User accounts.
//!
//! A user has one home tenant and may hold roles in others. The `sub` of
//! tokens is the account's id, which is never used again; the user name is
//! what people type.

use crate::{password::PasswordHash, tenant::TenantName};

/// A user name: 1 to 128 of `a-z 0-9 . _ @ + -`, lower-cased when it is read.
///
/// The alphabet is small on purpose: two names that look alike (full width,
/// zero width, composed and decomposed) cannot both exist, and every place
/// that reads a name (sign-in, throttling, commands) reads it through here.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Username(String);

/// The text is not a user name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a user name has 1 to 128 characters out of a-z, 0-9 and . _ @ + -")]
pub struct UsernameError;

impl Username {
    /// Longest user name.
    pub const MAX_LENGTH: usize = 128;

    /// Reads and lower-cases a user name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, UsernameError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._@+-".contains(&byte);
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(UsernameError)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Username {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// The id of an account: `sub` in tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(String);

impl UserId {
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for UserId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An account as sign-in needs it.
#[derive(Clone, Debug)]
pub struct Account {
    /// `sub`.
    pub id: UserId,
    /// What the user types.
    pub username: Username,
    /// The tenant of a sign-in that names none.
    pub home_tenant: TenantName,
    /// Refused everywhere.
    pub disabled: bool,
    /// Absent for a user who cannot sign in with a password.
    pub password_hash: Option<PasswordHash>,
    /// Rises when the account is disabled, enabled or gets a new password.
    /// What was decided on an older version no longer counts.
    pub(crate) version: i64,
}

/// An account as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// `sub`.
    pub id: UserId,
    /// What the user types.
    pub username: Username,
    /// Where the user belongs.
    pub home_tenant: TenantName,
    /// Since when the user is disabled, milliseconds since 1970 UTC.
    pub disabled_at_ms: Option<u64>,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at_ms: u64,
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::Username;

    #[test]
    fn par_018_look_alike_names_cannot_exist() {
        let name = Username::parse("Alice@Example.org").unwrap();
        assert_eq!(name.as_str(), "alice@example.org");
        let look_alikes = [
            "аlice",         // Cyrillic a
            "ａlice",        // full width
            "ali\u{200b}ce", // zero width space
            "al\u{131}ce",   // dotless i
            "e\u{301}ve",    // decomposed
            "\u{e9}ve",      // composed
            "alice ",
            "alice\0",
            "",
        ];
        for text in look_alikes {
            assert!(Username::parse(text).is_err(), "{text:?}");
        }
        assert!(Username::parse(&"a".repeat(128)).is_ok());
        assert!(Username::parse(&"a".repeat(129)).is_err());
    }
}
