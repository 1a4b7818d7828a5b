//! Tokens that were verified before.
//!
//! Checking a signature again costs a hundred times more than remembering it.
//! What is remembered is only that *these exact bytes* satisfied *this
//! verifier's* issuer, audience and type under keys of one generation. What can
//! change is looked at on every hit: the lifetime at the present time, the
//! generation of the keys, and the revocations if any were added since. What a
//! route asks for is not in here at all.
//!
//! A hit can only say yes. Whatever is not clearly good goes the whole way, so
//! a refusal is always the one of the full check, in its words.
//!
//! - *Another's token*: a keyed hash of the token's end chooses the slot, and
//!   every byte of the token is compared (`key_011_*`).
//! - *Another audience*: the cache belongs to one verifier and cannot be shared.
//! - *A twin* of a revoked token, the same claims encoded or signed otherwise,
//!   is another text here and the same `jti` to the revocations (`rev_014_*`).
//! - *A revocation between check and entry*: the epoch is read before the
//!   check, so an entry never claims a newer one than it saw (`tests/model`).
//! - *A bound token* (`cnf`) is worth nothing by itself on a hit either: the
//!   verifier asks for its proof every time.

mod freshness;
mod slots;

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

use doorward_jose::{json::Value, time::UnixTime};

pub(crate) use self::freshness::Before;
use self::{
    freshness::Freshness,
    slots::{Slots, Stored},
};
use crate::{
    principal::Principal,
    revocation::{Fingerprints, RevocationSet},
};

/// Bounds of a cache of verified tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheSize {
    /// Tokens, rounded up to a multiple of four; 16,384 by default. A slot
    /// costs 16 bytes, used or not.
    pub entries: usize,
    /// Bytes of tokens and claims, as estimated; 64 MiB by default.
    pub bytes: u64,
    /// How many tokens that say the same, permissions by names, may be kept beside
    /// each with [`Principal::keep`]; room is reserved for them. None by default.
    pub beside: usize,
}

impl Default for CacheSize {
    fn default() -> Self {
        Self {
            entries: 16_384,
            bytes: 64 << 20,
            beside: 0,
        }
    }
}

pub(crate) struct TokenCache {
    slots: Slots<Remembered>,
    key: RandomState,
    beside: usize,
    /// Bits of the hash that are used; fewer only in tests of collisions.
    mask: u64,
}

/// A token that was good, and what must still hold for it to be good now.
pub(crate) struct Remembered {
    text: Box<str>,
    principal: Principal,
    pub(crate) issuer: usize,
    names: Fingerprints,
    /// The second before which it is not valid, leeway taken off.
    from: UnixTime,
    /// The second from which it is too late, leeway added.
    until: UnixTime,
    freshness: Freshness,
    bytes: u64,
}

impl Remembered {
    /// What to remember of a token that was checked after `before` was read.
    pub(crate) fn new(
        text: &str,
        principal: &Principal,
        issuer: (usize, u64),
        revocations: &RevocationSet,
        before: Before,
    ) -> Option<Self> {
        let (issuer, leeway) = issuer;
        let claims = principal.claims();
        let issued = claims.issued_at();
        let from = claims.not_before().map_or(issued, |nbf| nbf.max(issued));
        Some(Self {
            principal: principal.clone(),
            issuer,
            names: revocations.names_of(principal.token()),
            from: from.saturating_sub(leeway),
            until: claims.expires_at().saturating_add(leeway),
            freshness: Freshness::new(before)?,
            bytes: estimate(text, principal),
            text: text.into(),
        })
    }

    /// The caller, if everything that can change still holds at `now`.
    pub(crate) fn recall(
        &self,
        keys: Option<u64>,
        revocations: &RevocationSet,
        now: UnixTime,
    ) -> Option<Principal> {
        let is_alive = self.from <= now && now < self.until;
        let issued = self.principal.claims().issued_at();
        let is_good = is_alive
            && self.freshness.holds(
                keys,
                || revocations.epoch(),
                // Entries count until they are swept, as in the full check.
                || {
                    revocations
                        .check_names(&self.names, issued, UnixTime::from_secs(0))
                        .is_ok()
                },
            );
        is_good.then(|| self.principal.clone())
    }
}

impl std::fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCache").finish_non_exhaustive()
    }
}

impl TokenCache {
    pub(crate) fn new(size: CacheSize) -> Self {
        Self {
            slots: Slots::new(size.entries, size.bytes),
            key: RandomState::new(),
            beside: size.beside,
            mask: u64::MAX,
        }
    }

    /// Every token has the same hash.
    pub(crate) fn colliding(size: CacheSize) -> Self {
        Self {
            mask: 0,
            ..Self::new(size)
        }
    }

    /// What `read` makes of what is remembered of exactly this token.
    pub(crate) fn find<R>(&self, token: &[u8], read: impl FnOnce(&Remembered) -> R) -> Option<R> {
        self.slots.find(self.hash(token), token, read)
    }

    pub(crate) fn remember(&self, token: &str, mut entry: Remembered) {
        entry.bytes += self.beside as u64 * one_beside(&entry);
        let token = token.as_bytes();
        self.slots.put(self.hash(token), token, entry);
    }

    pub(crate) fn forget(&self, token: &[u8]) {
        self.slots.forget(self.hash(token), token);
    }

    /// Tokens remembered, and their bytes.
    pub(crate) fn usage(&self) -> (usize, u64) {
        (self.slots.len(), self.slots.bytes())
    }

    /// Of the last 32 characters, 24 bytes of the signature: as good as all of
    /// them for telling tokens apart, and ten times as fast. Only tokens that
    /// were good are stored, so nobody can fill a set with others' endings.
    fn hash(&self, token: &[u8]) -> u64 {
        let mut hasher = self.key.build_hasher();
        hasher.write(&token[token.len().saturating_sub(32)..]);
        hasher.finish() & self.mask
    }
}

impl Stored for Remembered {
    fn is_of(&self, text: &[u8]) -> bool {
        self.text.as_bytes() == text
    }

    fn bytes(&self) -> u64 {
        self.bytes
    }

    fn ends_at(&self) -> u64 {
        self.until.as_secs()
    }
}

/// The text, its claims once as read and once as shown, and what each value
/// costs beyond its characters. Of permissions that are numbers in the token the
/// names are the list's, and what points to them is the caller's.
fn estimate(text: &str, principal: &Principal) -> u64 {
    let claims = principal.claims();
    let lists = claims.roles().len() + claims.permissions().len() + claims.audience().len();
    let others: usize = claims.others().values().map(values_in).sum();
    let patterns = size_of_val(principal.permissions());
    let bytes = 1024 + 3 * text.len() + 128 * lists + 128 * others + patterns;
    bytes as u64
}

/// A token that says the same, for another audience: names of permissions, also
/// where this one has numbers, and names of issuer and audience of its own.
fn one_beside(entry: &Remembered) -> u64 {
    let permissions = entry.principal.permissions().iter();
    let names: usize = permissions.map(|name| name.as_str().len() + 3).sum();
    let bytes = 1024 + 2 * entry.text.len() + 2 * names;
    bytes as u64
}

fn values_in(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(values_in).sum::<usize>(),
        Value::Object(members) => 1 + members.values().map(values_in).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
