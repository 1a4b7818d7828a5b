//! The messages of the feed: pure functions from text to entries.
//!
//! Two kinds, told apart by `typ`: a [`Batch`] of entries that follow a number
//! (with none, it is a heartbeat), and a [`Page`] of a snapshot. Both are
//! compact JWS of at most 8 KiB; their payload is strict JSON.

use std::fmt::Write as _;

use doorward_jose::{
    algorithm::Algorithm,
    dpop::access_token_hash as sha256,
    json::{Limits, Object, Value, parse_object},
    jws::UnverifiedJws,
    time::UnixTime,
};
use thiserror::Error;

use crate::{
    clock::Timestamp,
    key_source::KeySource,
    revocation::{Entry, Revocation},
};

/// `typ` of a batch.
pub const BATCH_TYPE: &str = "doorward-revocations+jwt";

/// `typ` of a page of a snapshot.
pub const PAGE_TYPE: &str = "doorward-revocation-snapshot+jwt";

/// Most pages of a snapshot: about six million entries.
const MAX_PAGES: u64 = 65_536;

/// Why a message or a feed is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum FeedError {
    /// Not a compact JWS, or its payload is not such a message.
    #[error("the message is malformed")]
    Malformed,
    /// An entry of a kind that this version does not know.
    #[error("the message has an entry of an unknown kind; update the verifier")]
    UnknownKind,
    /// A message of another type.
    #[error("the message is of another type")]
    WrongType,
    /// Signed with an algorithm that is not accepted.
    #[error("the message's algorithm is not accepted")]
    AlgorithmNotAllowed,
    /// No key of the issuer has this id, or it is withdrawn.
    #[error("no trusted key fits the message")]
    UnknownKey,
    /// The signature does not hold.
    #[error("the message's signature does not hold")]
    BadSignature,
    /// Another issuer's feed.
    #[error("the message is of another issuer")]
    WrongIssuer,
    /// An epoch that ended before the one that is followed.
    #[error("the message is of an earlier epoch")]
    EpochGoneBack,
    /// A later epoch: everything is read anew.
    #[error("a new epoch began")]
    NewEpoch,
    /// Entries are missing before this message.
    #[error("entries are missing before the message")]
    Gap,
    /// The issuer's entries are not those that were followed.
    #[error("the issuer tells another history")]
    Forked,
    /// The issuer knows fewer entries than were followed, in the same epoch.
    #[error("the issuer went back in the same epoch")]
    GoneBack,
    /// A snapshot whose pages are not of one piece or not all there.
    #[error("the snapshot is incomplete")]
    Incomplete,
}

impl FeedError {
    /// Whether somebody must look at once: whoever answers is not the issuer,
    /// or tells what cannot be. The others pass by themselves.
    pub const fn is_alarming(self) -> bool {
        !matches!(
            self,
            Self::Gap | Self::NewEpoch | Self::UnknownKey | Self::Incomplete
        )
    }
}

/// Who may speak.
#[derive(Clone, Debug)]
pub struct FeedTrust {
    /// `iss` of every message.
    pub issuer: String,
    /// The issuer's keys, or those of its feed.
    pub keys: KeySource,
    /// Accepted algorithms.
    pub algorithms: Vec<Algorithm>,
}

/// What every message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `iss`.
    pub issuer: String,
    /// Names the epoch.
    pub epoch: String,
    /// When the epoch began; a later one began later.
    pub since: Timestamp,
    /// The issuer's clock when it signed.
    pub time: Timestamp,
}

/// Entries `after + 1`, `after + 2`, ... ; none for a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// From whom and when.
    pub origin: Origin,
    /// The number of the entry before the first.
    pub after: u64,
    /// The chain up to that entry.
    pub chain: Chain,
    /// In order, without gaps.
    pub entries: Vec<Entry>,
}

/// One page of everything that is in force at a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// From whom and when.
    pub origin: Origin,
    /// The number up to which entries are in the snapshot.
    pub at: u64,
    /// The chain up to that entry.
    pub chain: Chain,
    /// Which page this is, from 0.
    pub page: u64,
    /// How many there are.
    pub pages: u64,
    /// In no order.
    pub entries: Vec<Entry>,
}

/// The hash of all entries up to one, each over the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain(String);

impl Chain {
    /// The chain of an epoch before its first entry.
    pub fn start(epoch: &str) -> Self {
        Self(sha256(epoch))
    }

    /// The chain with one more entry.
    #[must_use]
    pub fn with(&self, entry: &Entry) -> Self {
        let (kind, name, issued_before) = parts(&entry.revocation);
        let mut text = format!("{}\n{kind}\n{name}\n{}", self.0, entry.expires_at);
        if let Some(issued_before) = issued_before {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "\n{issued_before}");
        }
        Self(sha256(&text))
    }

    /// A chain that was written down by who computed it.
    pub fn resume(written: impl Into<String>) -> Self {
        Self(written.into())
    }

    /// As it is written in messages.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FeedTrust {
    /// The payload of a message of type `wanted` that one of the keys signed,
    /// and the id of that key.
    ///
    /// # Errors
    ///
    /// [`FeedError`], before anything of the payload is decoded.
    pub fn open(
        &self,
        text: &str,
        wanted: &str,
        now: UnixTime,
    ) -> Result<(Vec<u8>, Option<String>), FeedError> {
        let jws = UnverifiedJws::parse(text).map_err(|_| FeedError::Malformed)?;
        // Compared exactly: nobody but Doorward writes these.
        if jws.header().token_type() != Some(wanted) {
            return Err(FeedError::WrongType);
        }
        if !self.algorithms.contains(&jws.algorithm()) {
            return Err(FeedError::AlgorithmNotAllowed);
        }
        if self.keys.generation(now).is_none() {
            return Err(FeedError::UnknownKey);
        }
        let keys = self.keys.current();
        let mut refusal = FeedError::UnknownKey;
        for key in keys.candidates(jws.algorithm(), jws.key_id()) {
            match jws.verify(key) {
                Ok(payload) => return Ok((payload, key.key_id().map(str::to_owned))),
                Err(_) => refusal = FeedError::BadSignature,
            }
        }
        Err(refusal)
    }
}

impl Batch {
    /// Reads the payload of a message of type [`BATCH_TYPE`].
    ///
    /// # Errors
    ///
    /// [`FeedError::Malformed`] and [`FeedError::UnknownKind`].
    pub fn parse(payload: &[u8]) -> Result<Self, FeedError> {
        let members = object(payload)?;
        let batch = Self {
            origin: Origin::read(&members)?,
            after: number(&members, "after")?,
            chain: Chain(text(&members, "chain")?),
            entries: entries(&members)?,
        };
        let last = batch.after.checked_add(batch.entries.len() as u64);
        last.map(|_| batch).ok_or(FeedError::Malformed)
    }
}

impl Page {
    /// Reads the payload of a message of type [`PAGE_TYPE`].
    ///
    /// # Errors
    ///
    /// [`FeedError::Malformed`] and [`FeedError::UnknownKind`].
    pub fn parse(payload: &[u8]) -> Result<Self, FeedError> {
        let members = object(payload)?;
        let page = Self {
            origin: Origin::read(&members)?,
            at: number(&members, "at")?,
            chain: Chain(text(&members, "chain")?),
            page: number(&members, "page")?,
            pages: number(&members, "pages")?,
            entries: entries(&members)?,
        };
        let is_one = page.page < page.pages && page.pages <= MAX_PAGES;
        is_one.then_some(page).ok_or(FeedError::Malformed)
    }
}

impl Origin {
    fn read(members: &Object) -> Result<Self, FeedError> {
        let origin = Self {
            issuer: text(members, "iss")?,
            epoch: text(members, "epoch")?,
            since: Timestamp::from_millis(number(members, "since")?),
            time: Timestamp::from_millis(number(members, "time")?),
        };
        // It goes into a query string.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        let is_name = (1..=64).contains(&origin.epoch.len()) && origin.epoch.chars().all(is_plain);
        is_name.then_some(origin).ok_or(FeedError::Malformed)
    }
}

/// An entry as it is written in messages.
pub fn to_row(entry: &Entry) -> Value {
    let (kind, name, issued_before) = parts(&entry.revocation);
    let mut row = vec![kind.into(), name.into(), entry.expires_at.as_secs().into()];
    row.extend(issued_before.map(|moment| Value::from(moment.as_secs())));
    Value::Array(row)
}

fn parts(revocation: &Revocation) -> (&'static str, &str, Option<UnixTime>) {
    match revocation {
        Revocation::Token { jti } => ("token", jti, None),
        Revocation::Session { sid } => ("session", sid, None),
        Revocation::Key { kid } => ("key", kid, None),
        Revocation::User { sub, issued_before } => ("user", sub, Some(*issued_before)),
        Revocation::Client {
            client_id,
            issued_before,
        } => ("client", client_id, Some(*issued_before)),
        Revocation::Tenant {
            tenant,
            issued_before,
        } => ("tenant", tenant, Some(*issued_before)),
        Revocation::Everything { issued_before } => ("everything", "", Some(*issued_before)),
    }
}

fn entries(members: &Object) -> Result<Vec<Entry>, FeedError> {
    let rows = members.get("entries").and_then(Value::as_array);
    rows.ok_or(FeedError::Malformed)?
        .iter()
        .map(entry)
        .collect()
}

fn entry(row: &Value) -> Result<Entry, FeedError> {
    let row = row.as_array().ok_or(FeedError::Malformed)?;
    let word = |at: usize| {
        row.get(at)
            .and_then(Value::as_str)
            .ok_or(FeedError::Malformed)
    };
    let moment = |at: usize| row.get(at).and_then(date).ok_or(FeedError::Malformed);
    let kind = word(0)?;
    let name = word(1)?.to_owned();
    if name.is_empty() != (kind == "everything") || name.chars().any(char::is_control) {
        return Err(FeedError::Malformed);
    }
    let (revocation, length) = match kind {
        "token" => (Revocation::Token { jti: name }, 3),
        "session" => (Revocation::Session { sid: name }, 3),
        "key" => (Revocation::Key { kid: name }, 3),
        "user" => {
            let issued_before = moment(3)?;
            let sub = name;
            (Revocation::User { sub, issued_before }, 4)
        }
        "client" => {
            let issued_before = moment(3)?;
            let client_id = name;
            (
                Revocation::Client {
                    client_id,
                    issued_before,
                },
                4,
            )
        }
        "tenant" => {
            let issued_before = moment(3)?;
            let tenant = name;
            (
                Revocation::Tenant {
                    tenant,
                    issued_before,
                },
                4,
            )
        }
        "everything" => {
            let issued_before = moment(3)?;
            (Revocation::Everything { issued_before }, 4)
        }
        _ => return Err(FeedError::UnknownKind),
    };
    let expires_at = moment(2)?;
    let entry = Entry {
        revocation,
        expires_at,
    };
    (row.len() == length)
        .then_some(entry)
        .ok_or(FeedError::Malformed)
}

fn date(value: &Value) -> Option<UnixTime> {
    let seconds = value.as_u64()?;
    (seconds <= UnixTime::MAX.as_secs()).then(|| UnixTime::from_secs(seconds))
}

fn object(payload: &[u8]) -> Result<Object, FeedError> {
    parse_object(payload, Limits::CLAIMS).map_err(|_| FeedError::Malformed)
}

fn text(members: &Object, name: &str) -> Result<String, FeedError> {
    let value = members.get(name).and_then(Value::as_str);
    value.map(str::to_owned).ok_or(FeedError::Malformed)
}

fn number(members: &Object, name: &str) -> Result<u64, FeedError> {
    let value = members.get(name).and_then(Value::as_u64);
    value
        .filter(|number| *number <= UnixTime::MAX.as_secs())
        .ok_or(FeedError::Malformed)
}

#[cfg(test)]
mod tests {
    use super::FeedError;

    #[test]
    fn what_passes_by_itself_alarms_nobody() {
        for error in [FeedError::Gap, FeedError::NewEpoch, FeedError::UnknownKey] {
            assert!(!error.is_alarming(), "{error}");
        }
        for error in [FeedError::BadSignature, FeedError::Forked] {
            assert!(error.is_alarming(), "{error}");
        }
    }
}
