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
//!
//! Names are kept as keyed 64-bit fingerprints (`fingerprint`, with the odds of
//! a collision). New entries go to a table that readers search without a lock
//! (`table`, `live`: 23 to 34 bytes an entry); [`RevocationSet::compact`] moves
//! them to a sorted form (`compact`: about 9). How a process comes to know of
//! them is not told here but in [`feed`].

mod compact;
pub mod feed;
mod fingerprint;
mod live;
mod mark;
pub(crate) mod sync;
mod table;

use std::{fmt, hash::RandomState, sync::Arc};

use doorward_jose::{time::UnixTime, token::VerifiedToken};
use doorward_policy::decision::Reason;
use serde::{Deserialize, Serialize};

use self::{
    compact::Compact,
    fingerprint::{Fingerprint, FingerprintKey, KINDS, Kind},
    live::{Entries, Live},
    mark::Mark,
    sync::{AtomicU64, Ordering, Swap},
};

pub(crate) use self::fingerprint::Fingerprints;

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

/// Everything that is revoked. Shared by all requests; clones of the `Arc` see
/// one set. Checks take no lock.
pub struct RevocationSet {
    key: FingerprintKey,
    live: Live<KINDS>,
    settled: Swap<Compact>,
    settled_len: AtomicU64,
    /// The mark for all tokens; zero refuses none.
    everything: AtomicU64,
}

impl Default for RevocationSet {
    fn default() -> Self {
        Self::with_key(RandomState::new())
    }
}

impl RevocationSet {
    /// An empty set, whose fingerprints are keyed at random.
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// An empty set whose fingerprints are keyed by `key`: two sets that share
    /// it have the same collisions.
    pub fn with_key(key: RandomState) -> Self {
        Self {
            key: FingerprintKey(key),
            live: Live::new(),
            settled: Swap::new(Compact::default()),
            settled_len: AtomicU64::new(0),
            everything: AtomicU64::new(0),
        }
    }

    /// Adds an entry. An older entry for the same thing only grows: a later
    /// moment or a longer life wins, so entries may arrive in any order and
    /// more than once.
    ///
    /// When this returns, every check that happens after it knows the entry,
    /// on whatever thread. Insertion may wait for another one, and now and then
    /// copies the set (about 20 ms for a million entries).
    pub fn insert(&self, entry: Entry) {
        let Entry {
            revocation,
            expires_at,
        } = entry;
        let (kind, name, issued_before) = match &revocation {
            Revocation::Token { jti } => (Kind::Token, jti, None),
            Revocation::Session { sid } => (Kind::Session, sid, None),
            Revocation::Key { kid } => (Kind::Key, kid, None),
            Revocation::User { sub, issued_before } => (Kind::User, sub, Some(*issued_before)),
            Revocation::Client {
                client_id,
                issued_before,
            } => (Kind::Client, client_id, Some(*issued_before)),
            Revocation::Tenant {
                tenant,
                issued_before,
            } => (Kind::Tenant, tenant, Some(*issued_before)),
            Revocation::Everything { issued_before } => {
                return self.insert_for_everything(Mark::before(*issued_before, expires_at));
            }
        };
        let mark = issued_before.map_or_else(
            || Mark::all(expires_at),
            |issued_before| Mark::before(issued_before, expires_at),
        );
        let fingerprint = self.key.of(kind, name);
        self.live.put::<Marks>(fingerprint.bits(), mark.pack());
    }

    fn insert_for_everything(&self, mark: Mark) {
        let join = |held| Some(Mark::unpack(held).join(mark).pack());
        // It cannot fail: `join` always gives a value.
        let _ = self
            .everything
            .fetch_update(Ordering::Release, Ordering::Relaxed, join);
        self.live.raise_epoch();
    }

    /// Whether `token` is still good, whatever the time: entries count until
    /// they are swept.
    ///
    /// # Errors
    ///
    /// As [`Self::check_at`].
    pub fn check(&self, token: &VerifiedToken) -> Result<(), Reason> {
        self.check_at(token, UnixTime::from_secs(0))
    }

    /// Whether `token` is still good at `now`. Entries that have expired by
    /// then say nothing, swept or not.
    ///
    /// # Errors
    ///
    /// The reason that ends it: the mark for all tokens first, then a withdrawn
    /// key, then the widest; and what was compacted after what was not.
    pub fn check_at(&self, token: &VerifiedToken, now: UnixTime) -> Result<(), Reason> {
        self.epoch(); // before anything else: see `live` for what it orders
        let is_live: [bool; KINDS] = std::array::from_fn(|index| !self.live.is_empty_of(index));
        // After the live form: what `compact` moves is settled before it goes.
        let settled = self.settled_len.load(Ordering::Acquire) != 0;
        let wanted = |kind: Kind| settled || is_live[kind.index()];
        let names = self.key.of_token(token.key_id(), token.claims(), wanted);
        self.check_names(&names, token.claims().issued_at(), now)
    }

    /// Everything that a token can be looked up by; good for this set only.
    pub(crate) fn names_of(&self, token: &VerifiedToken) -> Fingerprints {
        self.key.of_token(token.key_id(), token.claims(), |_| true)
    }

    /// [`Self::check_at`] for a token whose names are known already.
    pub(crate) fn check_names(
        &self,
        names: &Fingerprints,
        issued: UnixTime,
        now: UnixTime,
    ) -> Result<(), Reason> {
        self.epoch(); // before anything else: see `live` for what it orders
        if Mark::unpack(self.everything.load(Ordering::Acquire)).refuses(issued, now) {
            return Err(Reason::TokenRevoked);
        }
        let keys = names.0.map(|name| name.map(Fingerprint::bits));
        let refuses = |value| Mark::unpack(value).refuses(issued, now);
        if let Some(found) = self.live.find_first(&keys, refuses) {
            return Err(REASONS[found]);
        }
        // Again after the live form.
        if self.settled_len.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        let settled = self.settled.load();
        let found = names.0.iter().position(|name| {
            name.and_then(|name| settled.find(name))
                .is_some_and(|mark| mark.refuses(issued, now))
        });
        found.map_or(Ok(()), |found| Err(REASONS[found]))
    }

    /// Whether the key of this id is withdrawn at `now`.
    pub(crate) fn holds_key(&self, key_id: &str, now: UnixTime) -> bool {
        let mut names = [None; KINDS];
        names[Kind::Key.index()] = Some(self.key.of(Kind::Key, key_id));
        let issued = UnixTime::MAX; // no mark for all tokens concerns it
        self.check_names(&Fingerprints(names), issued, now).is_err()
    }

    /// Another number than before means that something was inserted since; the
    /// same number means that a check made under it still stands, but for the
    /// time.
    pub fn epoch(&self) -> u64 {
        self.live.epoch()
    }

    /// Forgets entries whose tokens have all expired. Returns how many went.
    ///
    /// The caller's clock decides, for good: what is forgotten does not come
    /// back when the clock does. Of more than 4,096 entries none go before an
    /// eighth of them can, so that sweeping costs a constant for each entry;
    /// until then they take memory and say nothing.
    pub fn sweep(&self, now: UnixTime) -> usize {
        let alive = |value| Mark::unpack(value).is_alive(now);
        let seconds = u32::try_from(now.as_secs()).unwrap_or(u32::MAX);
        let went = self.live.sweep::<Marks>(seconds, alive);
        let cleared = |held| (held != 0 && !alive(held)).then_some(0);
        let everything =
            self.everything
                .fetch_update(Ordering::Release, Ordering::Relaxed, cleared);
        went + usize::from(everything.is_ok())
    }

    /// Moves the entries to the compact form and forgets the expired ones of
    /// both. For large sets that change little, after a snapshot for example;
    /// it sorts everything, so not for every insertion.
    pub fn compact(&self, now: UnixTime) {
        self.settle(|_, mark| mark.is_alive(now));
    }

    /// Puts one mark for all tokens in place of every entry but those of keys.
    ///
    /// For a set that outgrows its memory: tokens issued before
    /// `issued_before` are all refused, so their holders refresh once, and no
    /// revoked one is let in. A stolen key can date its tokens as it likes, so
    /// entries of keys stay.
    pub fn collapse(&self, issued_before: UnixTime, expires_at: UnixTime) {
        self.insert_for_everything(Mark::before(issued_before, expires_at));
        self.settle(|fingerprint, _| fingerprint.kind_index() == Kind::Key.index());
    }

    /// Moves what `keep` wants of both forms to the compact one.
    fn settle(&self, keep: impl Fn(Fingerprint, Mark) -> bool) {
        self.live.drain::<Marks>(|entries| {
            let fresh = entries.filter_map(|(key, value)| {
                Fingerprint::from_bits(key).map(|name| (name, Mark::unpack(value)))
            });
            let mut all: Vec<_> = self.settled.load().iter().chain(fresh).collect();
            all.sort_unstable_by_key(|(name, _)| *name);
            all.dedup_by(|(name, mark), (kept_name, kept)| {
                let same = name == kept_name;
                if same {
                    *kept = kept.join(*mark);
                }
                same
            });
            all.retain(|(name, mark)| keep(*name, *mark));
            let settled = Compact::new(&all);
            let len = settled.len() as u64;
            self.settled.store(settled);
            self.settled_len.store(len, Ordering::Release);
        });
    }

    /// Bytes of the compact form, its share of [`Self::len`] and no more.
    pub fn settled_bytes(&self) -> usize {
        self.settled.load().bytes()
    }

    /// Entries held, expired or not. One that was compacted and came again
    /// counts twice.
    pub fn len(&self) -> usize {
        let settled = self.settled_len.load(Ordering::Acquire);
        let everything = self.everything.load(Ordering::Acquire);
        self.live.len()
            + usize::try_from(settled).unwrap_or(usize::MAX)
            + usize::from(everything != 0)
    }

    /// Whether nothing is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl fmt::Debug for RevocationSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationSet")
            .field("len", &self.len())
            .field("epoch", &self.epoch())
            .finish_non_exhaustive()
    }
}

/// The reasons that go with the kinds, in their order.
const REASONS: [Reason; KINDS] = [
    Reason::KeyRevoked,
    Reason::TenantRevoked,
    Reason::ClientRevoked,
    Reason::SessionRevoked,
    Reason::UserChanged,
    Reason::TokenRevoked,
];

/// Fingerprints and marks, as the table holds them.
struct Marks;

impl Entries for Marks {
    fn kind_index(key: u64) -> usize {
        Fingerprint::from_bits(key).map_or(0, Fingerprint::kind_index)
    }

    fn expires_at(value: u64) -> u32 {
        Mark::unpack(value).expires_at()
    }

    fn join(held: u64, new: u64) -> u64 {
        Mark::unpack(held).join(Mark::unpack(new)).pack()
    }
}
