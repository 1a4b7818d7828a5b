//! What a message does to what is known: the rules, without I/O.

use std::sync::atomic::Ordering;

use doorward_jose::time::UnixTime;

use super::{
    message::{BATCH_TYPE, Batch, Chain, FeedError, FeedTrust, Origin, PAGE_TYPE, Page},
    view::{FeedView, SKEW_MILLIS},
};
use crate::{
    clock::Timestamp,
    revocation::{Entry, Revocation, RevocationSet},
};

/// How often expired entries are forgotten.
const SWEEP_MILLIS: u64 = 10_000;

/// Entries above which a snapshot is kept in the compact form.
const COMPACT_ABOVE: usize = 100_000;

/// Messages between two forgettings of the quickest one.
const QUICKEST_OF: u32 = 32;

/// The end of what is known: everything up to it is in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) epoch: String,
    pub(super) since: Timestamp,
    pub(super) sequence: u64,
    chain: Chain,
}

/// A snapshot of which some pages have come.
#[derive(Debug)]
struct Arriving {
    origin: Origin,
    position: Position,
    next: u64,
    pages: u64,
}

/// What a batch brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// Entries that were not known.
    Entries(usize),
    /// That there are none.
    None,
    /// Nothing: it lies behind.
    Old,
}

pub(super) struct Tail {
    trust: FeedTrust,
    view: FeedView,
    max_entries: usize,
    position: Option<Position>,
    arriving: Option<Arriving>,
    quickest: Quickest,
    last_time: Timestamp,
    swept_at: Timestamp,
    latest_expiry: UnixTime,
    /// What is read was received long ago: it says nothing about the clocks.
    restoring: bool,
}

impl Tail {
    pub(super) fn new(trust: FeedTrust, max_entries: usize, lost_millis: u64) -> Self {
        Self {
            trust,
            view: FeedView::new(RevocationSet::new(), lost_millis),
            max_entries,
            position: None,
            arriving: None,
            quickest: Quickest::default(),
            last_time: Timestamp::default(),
            swept_at: Timestamp::default(),
            latest_expiry: UnixTime::default(),
            restoring: false,
        }
    }

    /// Reads messages that were kept, between `true` and `false`.
    pub(super) const fn restoring(&mut self, restoring: bool) {
        self.restoring = restoring;
    }

    /// Who may speak.
    #[cfg(feature = "fetch")]
    pub(super) const fn trust(&self) -> &FeedTrust {
        &self.trust
    }

    pub(super) const fn view(&self) -> &FeedView {
        &self.view
    }

    pub(super) const fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Takes a batch that arrived at `now`.
    pub(super) fn batch(&mut self, text: &str, now: Timestamp) -> Result<News, FeedError> {
        let taken = self.take_batch(text, now);
        self.count_refused(taken)
    }

    /// Takes the next page of a snapshot and says whether it was the last.
    pub(super) fn page(&mut self, text: &str, now: Timestamp) -> Result<bool, FeedError> {
        let taken = self.take_page(text, now);
        if taken.is_err() {
            self.arriving = None;
        }
        self.count_refused(taken)
    }

    /// No more pages come.
    pub(super) fn pages_ended(&mut self) -> Result<(), FeedError> {
        match self.arriving.take() {
            Some(_) => self.count_refused(Err(FeedError::Incomplete)),
            None => Ok(()),
        }
    }

    fn take_batch(&mut self, text: &str, now: Timestamp) -> Result<News, FeedError> {
        let payload = self.open(text, BATCH_TYPE, now)?;
        let batch = Batch::parse(&payload)?;
        self.check_origin(&batch.origin)?;
        let position = self.position.as_ref().ok_or(FeedError::Gap)?;
        if batch.origin.epoch != position.epoch {
            return Err(FeedError::NewEpoch);
        }
        if batch.after > position.sequence {
            return Err(FeedError::Gap);
        }
        let last = batch.after + batch.entries.len() as u64;
        if last < position.sequence {
            // A heartbeat says how far the issuer is: one that is newer than
            // anything heard and knows less is no replay.
            let is_news = batch.entries.is_empty() && batch.origin.time > self.last_time;
            return if is_news {
                Err(FeedError::GoneBack)
            } else {
                Ok(News::Old)
            };
        }
        let (known, chain) = walk(&batch, position)?;
        let fresh = &batch.entries[known..];
        let next = Position {
            sequence: last,
            chain,
            ..position.clone()
        };
        self.put(fresh);
        self.stand_at(next);
        self.heard(&batch.origin, now);
        self.keep_house(now);
        Ok(match fresh.len() {
            0 => News::None,
            entries => News::Entries(entries),
        })
    }

    fn take_page(&mut self, text: &str, now: Timestamp) -> Result<bool, FeedError> {
        let payload = self.open(text, PAGE_TYPE, now)?;
        let page = Page::parse(&payload)?;
        self.check_origin(&page.origin)?;
        self.check_not_behind(&page)?;
        let arriving = match self.arriving.take() {
            Some(arriving) => arriving.followed_by(&page)?,
            None => Arriving::begun_by(&page)?,
        };
        self.put(&page.entries);
        self.keep_bounded(page.origin.time);
        if arriving.next < arriving.pages {
            self.arriving = Some(arriving);
            return Ok(false);
        }
        self.stand_at(arriving.position);
        self.heard(&arriving.origin, now);
        self.view.0.snapshots.fetch_add(1, Ordering::Relaxed);
        if self.view.revocations().len() > COMPACT_ABOVE {
            self.view.revocations().compact(self.view.as_of().unix());
        }
        Ok(true)
    }

    /// The payload, if a key signed it that is not itself revoked.
    fn open(&self, text: &str, wanted: &str, now: Timestamp) -> Result<Vec<u8>, FeedError> {
        let (payload, key_id) = self.trust.open(text, wanted, now.unix())?;
        match key_id {
            Some(kid) if self.view.revocations().holds_key(&kid, now.unix()) => {
                Err(FeedError::UnknownKey)
            }
            _ => Ok(payload),
        }
    }

    /// Epochs only go forward.
    fn check_origin(&self, origin: &Origin) -> Result<(), FeedError> {
        if origin.issuer != self.trust.issuer {
            return Err(FeedError::WrongIssuer);
        }
        let Some(position) = &self.position else {
            return Ok(());
        };
        let is_same = origin.epoch == position.epoch;
        match origin.since.cmp(&position.since) {
            std::cmp::Ordering::Less => Err(FeedError::EpochGoneBack),
            std::cmp::Ordering::Equal if !is_same => Err(FeedError::Forked),
            std::cmp::Ordering::Greater if is_same => Err(FeedError::Forked),
            _ => Ok(()),
        }
    }

    /// A snapshot from before what is known would only lose the way.
    fn check_not_behind(&self, page: &Page) -> Result<(), FeedError> {
        match &self.position {
            Some(position) if position.epoch == page.origin.epoch => {
                let is_behind = page.at < position.sequence;
                is_behind.then_some(FeedError::GoneBack).map_or(Ok(()), Err)
            }
            _ => Ok(()),
        }
    }

    fn put(&mut self, entries: &[Entry]) {
        for entry in entries {
            if !matches!(entry.revocation, Revocation::Key { .. }) {
                self.latest_expiry = self.latest_expiry.max(entry.expires_at);
            }
            self.view.revocations().insert(entry.clone());
        }
    }

    fn stand_at(&mut self, position: Position) {
        let shared = &self.view.0;
        shared.sequence.store(position.sequence, Ordering::Relaxed);
        self.position = Some(position);
    }

    /// The issuer spoke at its `time`, and it is `now` here: everything that it
    /// had revoked by then is in force.
    fn heard(&mut self, origin: &Origin, now: Timestamp) {
        if origin.time <= self.last_time {
            return; // a replay makes nothing newer
        }
        self.last_time = origin.time;
        if self.restoring {
            return self.view.is_current_as_of(origin.time.min(now));
        }
        let skew = self.quickest.see(origin.time, now);
        self.view.0.skew.store(skew, Ordering::Relaxed);
        let bound = i64::try_from(SKEW_MILLIS).unwrap_or(i64::MAX);
        let corrected = origin
            .time
            .millis()
            .saturating_add_signed(skew.clamp(-bound, bound));
        let as_of = Timestamp::from_millis(corrected).min(now);
        self.view.is_current_as_of(as_of);
    }

    fn keep_house(&mut self, now: Timestamp) {
        // By the slower clock: one that runs ahead must not forget too early.
        let now = now.min(self.view.as_of());
        if now >= self.swept_at.plus_millis(SWEEP_MILLIS) {
            self.swept_at = now;
            self.view.revocations().sweep(now.unix());
        }
        self.keep_bounded(self.last_time);
    }

    /// More entries than memory was promised for become one for all tokens.
    fn keep_bounded(&self, time: Timestamp) {
        let revocations = self.view.revocations();
        if revocations.len() > self.max_entries {
            // Tokens are dated at most one second ahead of the issuer's clock.
            let issued_before = time.unix().saturating_add(2);
            revocations.collapse(issued_before, self.latest_expiry);
        }
    }

    fn count_refused<T>(&self, taken: Result<T, FeedError>) -> Result<T, FeedError> {
        if taken.is_err() {
            self.view.0.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }
}

/// Goes along the entries of a batch, past the known ones, and compares the
/// chain where the known ones end. Returns how many those are, and the chain
/// after the last.
fn walk(batch: &Batch, position: &Position) -> Result<(usize, Chain), FeedError> {
    let known = position.sequence - batch.after;
    let known = usize::try_from(known).map_err(|_| FeedError::Malformed)?;
    let mut chain = batch.chain.clone();
    for (at, entry) in batch.entries.iter().enumerate() {
        if at == known && chain != position.chain {
            return Err(FeedError::Forked);
        }
        chain = chain.with(entry);
    }
    if known == batch.entries.len() && chain != position.chain {
        return Err(FeedError::Forked);
    }
    Ok((known, chain))
}

impl Arriving {
    fn begun_by(page: &Page) -> Result<Self, FeedError> {
        if page.page != 0 {
            return Err(FeedError::Incomplete);
        }
        Ok(Self {
            origin: page.origin.clone(),
            position: Position {
                epoch: page.origin.epoch.clone(),
                since: page.origin.since,
                sequence: page.at,
                chain: page.chain.clone(),
            },
            next: 1,
            pages: page.pages,
        })
    }

    /// All pages are of one piece, told at one time.
    fn followed_by(mut self, page: &Page) -> Result<Self, FeedError> {
        let is_next = page.page == self.next
            && page.pages == self.pages
            && page.origin == self.origin
            && page.at == self.position.sequence
            && page.chain == self.position.chain;
        self.next += 1;
        is_next.then_some(self).ok_or(FeedError::Incomplete)
    }
}

/// The smallest difference between arrival and sending of the last messages:
/// what the clocks differ by, as far as one can tell. A delay shows as a larger
/// one. It is forgotten after a while, so that a clock that was set right does
/// not look like a delay for ever.
#[derive(Default)]
struct Quickest {
    now: Option<i64>,
    before: Option<i64>,
    seen: u32,
}

impl Quickest {
    fn see(&mut self, sent: Timestamp, arrived: Timestamp) -> i64 {
        let signed = |time: Timestamp| i64::try_from(time.millis()).unwrap_or(i64::MAX);
        let took = signed(arrived).saturating_sub(signed(sent));
        if self.seen == QUICKEST_OF {
            self.before = self.now.take();
            self.seen = 0;
        }
        self.seen += 1;
        let now = self.now.map_or(took, |now| now.min(took));
        self.now = Some(now);
        self.before.map_or(now, |before| before.min(now))
    }
}
