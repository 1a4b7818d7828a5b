//! API keys: credentials of a user or a client, for programs that cannot sign in.
//!
//! A key acts for its owner and never for more: what its tokens may do is what
//! the owner may do *now*, narrowed to the key's own limit (AUZ-016). Callers
//! send it with each request; the gateway exchanges it for an access token
//! (`exchange`) and asks again once a minute, so that APIs see one kind of
//! credential and the store is not asked for each request.
//!
//! In those tokens `sub` is the owner and `client_id` the key. So a watermark of
//! the owner refuses them, and so does one of the key.

mod exchange;
mod last_use;
mod report;

use doorward_policy::network::Network;
use doorward_verify::clock::Timestamp;

pub use exchange::{ApiKeyError, ExchangedKey};
pub(crate) use last_use::LastUses;

use crate::{client::ClientId, store::ApiKeyRow, tenant::TenantName, user::UserId};

/// Longest life of a key, seconds: who uses one for longer renews it.
pub const MAX_API_KEY_LIFETIME: u64 = 366 * 24 * 3600;

/// Longest purpose, in bytes.
pub const MAX_PURPOSE: usize = 200;

/// Whom a key acts for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A user.
    User(UserId),
    /// A service client.
    Client(ClientId),
}

impl Owner {
    /// `sub` of the key's tokens.
    pub fn id(&self) -> &str {
        match self {
            Self::User(id) => id.as_str(),
            Self::Client(id) => id.as_str(),
        }
    }
}

/// A key as administration shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id; no secret.
    pub id: String,
    /// Whom it acts for.
    pub owner: Owner,
    /// In which tenant.
    pub tenant: TenantName,
    /// What it is for.
    pub purpose: String,
    /// Its limit; absent if it may do all that its owner may.
    pub permissions: Option<Vec<String>>,
    /// From where it may be used; anywhere if there are none.
    pub networks: Vec<Network>,
    /// The last four characters of its text.
    pub last_four: String,
    /// Until when the secret before still counts, milliseconds since 1970 UTC.
    pub old_secret_until_ms: Option<u64>,
    /// From when it is valid, milliseconds since 1970 UTC.
    pub valid_from_ms: u64,
    /// From when it is no longer valid, milliseconds since 1970 UTC.
    pub expires_at_ms: u64,
    /// When it was last used, to about a minute, milliseconds since 1970 UTC.
    pub last_used_at_ms: Option<u64>,
    /// Since when it is revoked, milliseconds since 1970 UTC.
    pub revoked_at_ms: Option<u64>,
}

impl ApiKey {
    pub(crate) fn of(row: ApiKeyRow, now: Timestamp) -> Self {
        Self {
            old_secret_until_ms: row.secrets.overlap(now).map(Timestamp::millis),
            id: row.id,
            owner: row.owner,
            tenant: row.tenant,
            purpose: row.purpose,
            permissions: row.permissions,
            networks: row.networks,
            last_four: row.last_four,
            valid_from_ms: row.valid_from.millis(),
            expires_at_ms: row.expires_at.millis(),
            last_used_at_ms: row.last_used_at.map(Timestamp::millis),
            revoked_at_ms: row.revoked_at.map(Timestamp::millis),
        }
    }
}
