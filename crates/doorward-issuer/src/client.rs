//! Service clients: programs that sign in with an id and a secret of their own
//! (RFC 6749 section 2.3.1) and get an access token for it (section 4.4).
//!
//! A client belongs to one tenant, has roles there, and may have permissions of
//! its own besides. A value of `scope` is a permission: what a token may do is
//! what the client may do, narrowed to the values that were asked for.

mod grant;
mod registry;

use aws_lc_rs::digest::{SHA256, digest};
use doorward_verify::clock::Timestamp;
use serde_json::json;

pub(crate) use grant::{AHEAD, ProvenClient, held};
pub use grant::{ClientTokenAnswer, ClientTokenError, TokenRequest};
pub(crate) use registry::Registry;

use crate::{credential::LiveSecrets, hexadecimal::hex, store::ClientRow, tenant::TenantName};

/// The id of a client: `client_id` and `sub` of its tokens. Made by us, no
/// secret, never given again.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId(String);

impl ClientId {
    pub(crate) fn from_text(text: String) -> Self {
        Self(text)
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ClientId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What operators call a client: 1 to 64 of `a-z 0-9 . _ -`. Free again when
/// its client is removed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientName(String);

/// The text is not a name of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a client's name has 1 to 64 characters out of a-z, 0-9 and . _ -")]
pub struct ClientNameError;

impl ClientName {
    /// Longest name.
    pub const MAX_LENGTH: usize = 64;

    /// Reads a name.
    ///
    /// # Errors
    ///
    /// When it is empty, too long, or holds another character.
    pub fn parse(text: &str) -> Result<Self, ClientNameError> {
        let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-');
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len());
        if fits && text.bytes().all(allowed) {
            Ok(Self(text.to_owned()))
        } else {
            Err(ClientNameError)
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for ClientName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A client as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// `client_id`.
    pub id: ClientId,
    /// What operators call it.
    pub name: ClientName,
    /// Where it belongs.
    pub tenant: TenantName,
    /// Its roles there.
    pub roles: Vec<String>,
    /// Permissions that it has besides.
    pub permissions: Vec<String>,
    /// The last four characters of its secret.
    pub last_four: String,
    /// Until when the secret before still counts, milliseconds since 1970 UTC.
    pub old_secret_until_ms: Option<u64>,
    /// Since when it is disabled, milliseconds since 1970 UTC.
    pub disabled_at_ms: Option<u64>,
    /// When it was made, milliseconds since 1970 UTC.
    pub created_at_ms: u64,
}

impl Client {
    pub(crate) fn of(row: ClientRow, now: Timestamp) -> Self {
        let old_secret_until = overlap_of(&row.secrets, now);
        Self {
            id: row.id,
            name: row.name,
            tenant: row.tenant,
            roles: row.roles,
            permissions: row.permissions,
            last_four: row.last_four,
            old_secret_until_ms: old_secret_until,
            disabled_at_ms: row.disabled_at.map(Timestamp::millis),
            created_at_ms: row.created_at.millis(),
        }
    }
}

impl Client {
    /// Another one with every change of what it shows, and for every client:
    /// names are given again.
    pub(crate) fn tag(&self) -> String {
        let shown = json!([
            self.id.as_str(),
            self.name.as_str(),
            self.tenant.as_str(),
            self.roles,
            self.permissions,
            self.last_four,
            self.old_secret_until_ms,
            self.disabled_at_ms,
            self.created_at_ms,
        ]);
        let hash = digest(&SHA256, shown.to_string().as_bytes());
        format!("\"c{}\"", hex(&hash.as_ref()[..16]))
    }
}

fn overlap_of(secrets: &LiveSecrets, now: Timestamp) -> Option<u64> {
    secrets.overlap(now).map(Timestamp::millis)
}

#[cfg(test)]
mod tests {
    use super::ClientName;

    #[test]
    fn names_are_plain() {
        assert!(ClientName::parse("billing-2.nightly_run").is_ok());
        for text in ["", "Billing", "a b", "a/b", "ä", "a:b", &"a".repeat(65)] {
            assert!(ClientName::parse(text).is_err(), "{text:?}");
        }
    }
}
