//! The feed's messages: signed once, kept for those who follow.
//!
//! Pure but for the signature: entries and a time in, messages out. One batch
//! is signed for each change, whoever and however many read it; a reader whose
//! cursor lies inside a batch gets the whole of it and passes over what it has.

use std::collections::VecDeque;

use bytes::Bytes;
use doorward_jose::{error::SignError, signing_key::SigningKey};
use doorward_verify::{
    clock::Timestamp,
    revocation::{
        Entry,
        feed::message::{BATCH_TYPE, Chain, PAGE_TYPE, to_row},
    },
};
use serde_json::{Value, json};

use crate::store::FeedBase;

/// Bytes of the entries of one message. With the rest of the payload, the
/// header and the longest signature, and in base64url, it stays below the
/// 8,192 bytes that a reader takes.
const ENTRIES_BYTES: usize = 4_800;

/// Bytes of messages that are kept for readers who are behind. Who is further
/// behind takes a snapshot.
const KEPT_BYTES: usize = 8 << 20;

/// What the body of an event stream says around a message.
const EVENT: (&[u8], &[u8]) = (b"data: ", b"\n\n");

/// One message, framed as an event.
#[derive(Clone, Debug)]
pub(super) struct Message(Bytes);

impl Message {
    fn new(text: &str) -> Self {
        let (before, after) = EVENT;
        Self([before, text.as_bytes(), after].concat().into())
    }

    /// As an event of a stream.
    pub(super) fn event(&self) -> Bytes {
        self.0.clone()
    }

    /// As a line.
    pub(super) fn line(&self) -> Bytes {
        self.0.slice(EVENT.0.len()..self.0.len() - 1)
    }
}

/// The entries `after + 1` to `last`.
#[derive(Debug)]
struct Batch {
    after: i64,
    last: i64,
    message: Message,
}

/// Who speaks: the same in every message of an epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Speaker {
    pub(super) issuer: String,
    pub(super) epoch: String,
    pub(super) since: Timestamp,
}

impl Speaker {
    fn payload(&self, time: Timestamp, chain: &Chain, rows: Vec<Value>) -> Value {
        json!({
            "iss": self.issuer,
            "epoch": self.epoch,
            "since": self.since.millis(),
            "time": time.millis(),
            "chain": chain.as_str(),
            "entries": rows,
        })
    }
}

/// The feed up to its last entry.
#[derive(Debug)]
pub(super) struct Log {
    speaker: Speaker,
    /// Number of the last entry, and the chain up to it.
    head: i64,
    chain: Chain,
    batches: VecDeque<Batch>,
    bytes: usize,
    /// Who signed the batches: what another key signed may be refused by now.
    kid: String,
    /// The last heartbeat and its time.
    heartbeat: Option<(Timestamp, i64, Message)>,
    /// Everything that was revoked by then is in the log.
    as_of: Timestamp,
}

impl Log {
    /// A feed that knows nothing yet but where it begins.
    pub(super) fn new(issuer: &str, base: &FeedBase) -> Self {
        Self {
            speaker: Speaker {
                issuer: issuer.to_owned(),
                epoch: base.epoch.clone(),
                since: base.since,
            },
            head: base.seq,
            chain: base.chain.clone(),
            batches: VecDeque::new(),
            bytes: 0,
            kid: String::new(),
            heartbeat: None,
            as_of: Timestamp::default(),
        }
    }

    /// Whether it goes on from `base`, or from where that has come since.
    pub(super) fn is_of(&self, base: &FeedBase) -> bool {
        self.speaker.epoch == base.epoch && self.head >= base.seq
    }

    /// Whether this one is of the epoch in which `fresh` begins.
    pub(super) fn goes_on(&self, fresh: &Self) -> bool {
        self.speaker == fresh.speaker && self.head >= fresh.head
    }

    pub(super) const fn speaker(&self) -> &Speaker {
        &self.speaker
    }

    pub(super) const fn head(&self) -> i64 {
        self.head
    }

    pub(super) const fn chain(&self) -> &Chain {
        &self.chain
    }

    pub(super) const fn as_of(&self) -> Timestamp {
        self.as_of
    }

    pub(super) fn kid(&self) -> &str {
        &self.kid
    }

    /// Adds entries that follow the head, signed at `time` by `key`. Gives the
    /// new messages.
    pub(super) fn append(
        &mut self,
        entries: &[Entry],
        key: &SigningKey,
        time: Timestamp,
    ) -> Result<Vec<Message>, SignError> {
        self.signed_by(key);
        let mut messages = Vec::new();
        for rows in packed(entries) {
            let after = self.head;
            let mut payload = self.speaker.payload(time, &self.chain, rows.values);
            payload["after"] = after.into();
            let message = Message::new(&key.sign(BATCH_TYPE, &payload)?);
            for entry in rows.entries {
                self.head += 1;
                self.chain = self.chain.with(entry);
            }
            self.keep(Batch {
                after,
                last: self.head,
                message: message.clone(),
            });
            messages.push(message);
        }
        Ok(messages)
    }

    /// Goes past entries that nobody will ask for.
    pub(super) fn pass(&mut self, entries: &[Entry]) {
        for entry in entries {
            self.head += 1;
            self.chain = self.chain.with(entry);
        }
    }

    /// Everything that was revoked by `time` is in the log.
    pub(super) fn is_complete_as_of(&mut self, time: Timestamp) {
        self.as_of = time;
    }

    /// Says that nothing follows the head at `time`.
    pub(super) fn beat(&mut self, key: &SigningKey, time: Timestamp) -> Result<Message, SignError> {
        self.signed_by(key);
        let mut payload = self.speaker.payload(time, &self.chain, Vec::new());
        payload["after"] = self.head.into();
        let message = Message::new(&key.sign(BATCH_TYPE, &payload)?);
        self.heartbeat = Some((time, self.head, message.clone()));
        Ok(message)
    }

    /// What follows entry `after`, and the last heartbeat if it is still true;
    /// none if the cursor is of another epoch, too old or beyond the head.
    pub(super) fn after(&self, epoch: &str, after: i64) -> Option<Vec<Message>> {
        let oldest = self.batches.front().map_or(self.head, |batch| batch.after);
        if epoch != self.speaker.epoch || after < oldest || after > self.head {
            return None;
        }
        let news = self.batches.iter().filter(|batch| batch.last > after);
        let news = news.map(|batch| batch.message.clone());
        let beat = self.heartbeat.iter().filter(|beat| beat.1 == self.head);
        let beat = beat.map(|(_, _, message)| message.clone());
        Some(news.chain(beat).collect())
    }

    /// When the last heartbeat was signed.
    pub(super) fn last_beat(&self) -> Option<Timestamp> {
        self.heartbeat.as_ref().map(|(time, _, _)| *time)
    }

    /// A batch of a key that is withdrawn by now would be refused, and one of
    /// a key that was retired in time some day. Keys change seldom, and who is
    /// behind at that moment takes a snapshot.
    fn signed_by(&mut self, key: &SigningKey) {
        if self.kid != key.key_id() {
            self.kid = key.key_id().to_owned();
            self.batches.clear();
            self.bytes = 0;
            self.heartbeat = None;
        }
    }

    fn keep(&mut self, batch: Batch) {
        self.bytes += batch.message.0.len();
        self.batches.push_back(batch);
        while self.bytes > KEPT_BYTES
            && let Some(oldest) = self.batches.pop_front()
        {
            self.bytes -= oldest.message.0.len();
        }
    }
}

/// Everything in force, signed page by page.
pub(super) fn pages(
    speaker: &Speaker,
    (at, chain): (i64, &Chain),
    entries: &[Entry],
    key: &SigningKey,
    time: Timestamp,
) -> Result<Vec<Bytes>, SignError> {
    let mut pages: Vec<Vec<Value>> = packed(entries).map(|rows| rows.values).collect();
    if pages.is_empty() {
        pages.push(Vec::new());
    }
    let count = pages.len();
    let sign = |(number, rows): (usize, Vec<Value>)| {
        let mut payload = speaker.payload(time, chain, rows);
        payload["at"] = at.into();
        payload["page"] = number.into();
        payload["pages"] = count.into();
        let mut line = key.sign(PAGE_TYPE, &payload)?;
        line.push('\n');
        Ok(Bytes::from(line))
    };
    pages.into_iter().enumerate().map(sign).collect()
}

/// Entries of one message.
struct Rows<'e> {
    entries: &'e [Entry],
    values: Vec<Value>,
}

/// Entries in as few messages as hold them.
fn packed(entries: &[Entry]) -> impl Iterator<Item = Rows<'_>> {
    let mut rest = entries;
    std::iter::from_fn(move || {
        let (mut bytes, mut values) = (0, Vec::new());
        for entry in rest {
            let row = to_row(entry);
            bytes += row.to_string().len() + 1;
            if bytes > ENTRIES_BYTES && !values.is_empty() {
                break;
            }
            values.push(row);
        }
        let (now, later) = rest.split_at(values.len());
        rest = later;
        (!now.is_empty()).then_some(Rows {
            entries: now,
            values,
        })
    })
}
