//! Tokens that end before their `exp`.
//!
//! The issuer writes what is revoked; a verifier holds it here and asks on
//! every request, without a look-up anywhere else. An entry dies when the
//! last token that it could concern has expired, so the set stays at
//! *revocations per second × token lifetime*.
//!
//! INVARIANT: an entry is matched by what the token *says* (`jti`, `sid`,
//! `sub`, ...), never by its text, so a re-encoded twin of a revoked token is
//! revoked too.

use std::{
    collections::HashMap,
    sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use doorward_jose::{time::UnixTime, token::VerifiedToken};
use doorward_policy::decision::Reason;
use serde::{Deserialize, Serialize};

/// What is revoked.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Revocation {
    /// One token.
    Token {
        /// Its `jti`.
        jti: String,
    },
    /// Every token of one session.
    Session {
        /// Its `sid`.
        sid: String,
    },
    /// Every token of one user issued before a moment.
    User {
        /// The `sub`.
        sub: String,
        /// Tokens with an earlier `iat` are refused.
        issued_before: UnixTime,
    },
    /// Every token of one client issued before a moment.
    Client {
        /// The `client_id`.
        client_id: String,
        /// Tokens with an earlier `iat` are refused.
        issued_before: UnixTime,
    },
    /// Every token of one tenant issued before a moment.
    Tenant {
        /// The tenant's name.
        tenant: String,
        /// Tokens with an earlier `iat` are refused.
        issued_before: UnixTime,
    },
    /// Every token signed by one key.
    Key {
        /// The `kid`.
        kid: String,
    },
    /// Every token issued before a moment (restore from a backup, disaster).
    Everything {
        /// Tokens with an earlier `iat` are refused.
        issued_before: UnixTime,
    },
}

/// A revocation and the moment from which it cannot matter any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What is revoked.
    pub revocation: Revocation,
    /// Every token it could concern has expired by then, leeway included.
    pub expires_at: UnixTime,
}

/// The live set. Shared by all requests; clones of the `Arc` see one set.
#[derive(Debug, Default)]
pub struct RevocationSet(RwLock<Tables>);

#[derive(Debug, Default)]
struct Tables {
    tokens: HashMap<String, UnixTime>,
    sessions: HashMap<String, UnixTime>,
    keys: HashMap<String, UnixTime>,
    users: HashMap<String, Watermark>,
    clients: HashMap<String, Watermark>,
    tenants: HashMap<String, Watermark>,
    everything: Option<Watermark>,
}

#[derive(Clone, Copy, Debug)]
struct Watermark {
    issued_before: UnixTime,
    expires_at: UnixTime,
}

impl RevocationSet {
    /// An empty set.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Adds an entry. An older entry for the same thing only grows: a later
    /// moment or a longer life wins, so entries may arrive in any order and
    /// more than once.
    pub fn insert(&self, entry: Entry) {
        let Entry {
            revocation,
            expires_at,
        } = entry;
        let tables = &mut *self.write();
        match revocation {
            Revocation::Token { jti } => extend(&mut tables.tokens, jti, expires_at),
            Revocation::Session { sid } => extend(&mut tables.sessions, sid, expires_at),
            Revocation::Key { kid } => extend(&mut tables.keys, kid, expires_at),
            Revocation::User { sub, issued_before } => {
                Watermark {
                    issued_before,
                    expires_at,
                }
                .raise(&mut tables.users, sub);
            }
            Revocation::Client {
                client_id,
                issued_before,
            } => {
                Watermark {
                    issued_before,
                    expires_at,
                }
                .raise(&mut tables.clients, client_id);
            }
            Revocation::Tenant {
                tenant,
                issued_before,
            } => {
                Watermark {
                    issued_before,
                    expires_at,
                }
                .raise(&mut tables.tenants, tenant);
            }
            Revocation::Everything { issued_before } => {
                let new = Watermark {
                    issued_before,
                    expires_at,
                };
                tables.everything = Some(tables.everything.map_or(new, |old| old.max(new)));
            }
        }
    }

    /// Whether `token` is still good.
    ///
    /// # Errors
    ///
    /// The reason that ends it, the widest first.
    pub fn check(&self, token: &VerifiedToken) -> Result<(), Reason> {
        let tables = self.read();
        let claims = token.claims();
        let issued = claims.issued_at();
        let before = |watermark: Option<&Watermark>| {
            watermark.is_some_and(|watermark| issued < watermark.issued_before)
        };
        if token
            .key_id()
            .is_some_and(|kid| tables.keys.contains_key(kid))
        {
            return Err(Reason::KeyRevoked);
        }
        if before(tables.everything.as_ref()) {
            return Err(Reason::TokenRevoked);
        }
        if claims
            .tenant()
            .is_some_and(|tenant| before(tables.tenants.get(tenant)))
        {
            return Err(Reason::TenantRevoked);
        }
        if claims
            .client_id()
            .is_some_and(|client| before(tables.clients.get(client)))
        {
            return Err(Reason::ClientRevoked);
        }
        if claims
            .session_id()
            .is_some_and(|sid| tables.sessions.contains_key(sid))
        {
            return Err(Reason::SessionRevoked);
        }
        if before(tables.users.get(claims.subject())) {
            return Err(Reason::UserChanged);
        }
        if tables.tokens.contains_key(claims.token_id()) {
            return Err(Reason::TokenRevoked);
        }
        Ok(())
    }

    /// Forgets entries whose tokens have all expired. Returns how many went.
    pub fn sweep(&self, now: UnixTime) -> usize {
        let tables = &mut *self.write();
        let before = tables.len();
        let alive = |_: &String, expires_at: &mut UnixTime| *expires_at > now;
        tables.tokens.retain(alive);
        tables.sessions.retain(alive);
        tables.keys.retain(alive);
        let alive = |_: &String, watermark: &mut Watermark| watermark.expires_at > now;
        tables.users.retain(alive);
        tables.clients.retain(alive);
        tables.tenants.retain(alive);
        tables.everything = tables
            .everything
            .filter(|watermark| watermark.expires_at > now);
        before - tables.len()
    }

    /// Entries held.
    pub fn len(&self) -> usize {
        self.read().len()
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // A writer that panicked cannot have left half an entry behind: each
    // insert is one map operation. So a poisoned lock is still good to read,
    // and refusing to read it would turn a fault into an outage.
    fn read(&self) -> RwLockReadGuard<'_, Tables> {
        self.0
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Tables> {
        self.0
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Tables {
    fn len(&self) -> usize {
        self.tokens.len()
            + self.sessions.len()
            + self.keys.len()
            + self.users.len()
            + self.clients.len()
            + self.tenants.len()
            + usize::from(self.everything.is_some())
    }
}

fn extend(table: &mut HashMap<String, UnixTime>, key: String, expires_at: UnixTime) {
    let held = table.entry(key).or_insert(expires_at);
    *held = (*held).max(expires_at);
}

impl Watermark {
    fn max(self, other: Self) -> Self {
        Self {
            issued_before: self.issued_before.max(other.issued_before),
            expires_at: self.expires_at.max(other.expires_at),
        }
    }

    fn raise(self, table: &mut HashMap<String, Self>, key: String) {
        let held = table.entry(key).or_insert(self);
        *held = held.max(self);
    }
}
