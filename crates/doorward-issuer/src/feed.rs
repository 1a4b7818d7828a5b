//! The signed feed of revocations, for verifiers elsewhere. The wire format is
//! in `docs/revocation-feed.md`; the reader is `doorward-verify`.
//!
//! One task reads the table by cursor and signs ([`Issuer::run_feed`]): a
//! commit of this process wakes it, a change by another one is noticed by
//! [`Issuer::poll_changes`], and once a second it says that there is nothing
//! else. Requests only take what it made (`http::revocations`): however many
//! read, each change is signed once.
//!
//! INVARIANT: the time of a message is read *before* the table, so that what a
//! verifier concludes from it (everything revoked by then is known) is true.
//! If the table cannot be read the feed is silent, and verifiers see its age.
//!
//! Readers are strangers: the feed is public, as a certificate revocation list
//! is (`DESIGN.md` says why). So what they can hold is bounded: [`Places`] for
//! those who wait, and a queue each that is cut when it is full. Without a place
//! the same is answered at once, and the reader comes again.

mod log;
mod snapshot;

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use doorward_jose::{error::SignError, signing_key::SigningKey};
use doorward_verify::{clock::Timestamp, revocation::Entry};
use http_body::{Body, Frame};
use tokio::sync::{Notify, mpsc, watch};

use self::log::{Log, Message};
use crate::{
    admission::Network,
    error::StoreError,
    issuer::Issuer,
    store::{FEED_ROWS, FeedBase, contention::again},
};

pub(crate) use snapshot::{OutOfDate, Reading, Snapshots};

/// Between two heartbeats.
const BEAT: Duration = Duration::from_secs(1);

/// A heartbeat that is older says nothing any more.
const BEAT_HOLDS_MILLIS: u64 = 5_000;

/// Messages that wait for one reader; one that is further behind is cut.
const QUEUE: usize = 64;

/// Readers that wait at a time, in all and from one network.
const PLACES: usize = 4096;
const PLACES_OF_ONE: usize = 256;

/// Entries of before the start that are signed again for those who were
/// following; who is further behind takes a snapshot.
const REPLAYED: usize = 4 * FEED_ROWS;

/// The feed as requests see it.
pub(crate) struct Feed {
    live: Mutex<Live>,
    /// Rises with whatever a waiting reader waits for.
    turns: watch::Sender<u64>,
    /// Wakes the task that signs.
    wake: Arc<Notify>,
    places: Arc<Places>,
    pub(crate) snapshots: Snapshots,
}

#[derive(Default)]
struct Live {
    log: Option<Log>,
    streams: Vec<mpsc::Sender<Bytes>>,
    /// No reader waits any more: the process is about to end.
    is_closing: bool,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The cursor is of another epoch, too old or beyond the head.
    Gone,
    /// The feed is silent: the store cannot be read, or nobody signs.
    Silent,
}

impl Feed {
    /// `wake` is told of every commit that revokes.
    pub(crate) fn new(wake: Arc<Notify>) -> Self {
        Self {
            live: Mutex::default(),
            turns: watch::Sender::default(),
            wake,
            places: Arc::default(),
            snapshots: Snapshots::default(),
        }
    }

    /// Something may be new.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Ends every stream and every wait: a server that drains cannot wait for
    /// readers who never leave.
    pub(crate) fn close(&self) {
        let mut live = self.live();
        live.is_closing = true;
        live.streams.clear();
        drop(live);
        self.turns.send_modify(|turns| *turns += 1);
    }

    /// What follows entry `after`, and then what is new, as events. Without a
    /// place, only the first half.
    pub(crate) fn stream(
        &self,
        epoch: &str,
        after: i64,
        peer: Option<IpAddr>,
    ) -> Result<Events, NoAnswer> {
        let place = self.places.take(peer);
        let mut live = self.live();
        let news = live.after(epoch, after)?;
        let mut events = Events {
            ready: news.iter().map(Message::event).collect(),
            live: None,
            _place: None,
        };
        if let Some(place) = place
            && !live.is_closing
        {
            let (sender, receiver) = mpsc::channel(QUEUE);
            live.streams.push(sender);
            (events.live, events._place) = (Some(receiver), Some(place));
        }
        Ok(events)
    }

    /// What follows entry `after`, as lines; waits for something to follow, at
    /// most `limit` and only if there is a place.
    pub(crate) async fn poll(
        &self,
        (epoch, after): (&str, i64),
        peer: Option<IpAddr>,
        limit: Duration,
        clock: impl Fn() -> Timestamp,
    ) -> Result<Vec<Bytes>, NoAnswer> {
        let mut turns = self.turns.subscribe();
        if let Some(_place) = self.places.take(peer) {
            let something = async {
                while self.live().has_nothing_after(after) {
                    if turns.changed().await.is_err() {
                        return;
                    }
                }
            };
            // Nothing new is an answer too.
            let _ = tokio::time::timeout(limit, something).await;
        }
        let live = self.live();
        let news = live.after(epoch, after)?;
        match live.is_silent(clock()) {
            true => Err(NoAnswer::Silent),
            false => Ok(news.iter().map(Message::line).collect()),
        }
    }

    // What is done under the lock is done whole or seen by nobody: a reader
    // that was not told is cut and comes again.
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    fn has_nothing_after(&self, after: i64) -> bool {
        !self.is_closing && self.log.as_ref().is_none_or(|log| log.head() == after)
    }

    fn after(&self, epoch: &str, after: i64) -> Result<Vec<Message>, NoAnswer> {
        let log = self.log.as_ref().ok_or(NoAnswer::Silent)?;
        log.after(epoch, after).ok_or(NoAnswer::Gone)
    }

    /// The last entry known of this epoch, if it is the one that is followed.
    fn head_of(&self, base: &FeedBase) -> Option<i64> {
        let log = self.log.as_ref().filter(|log| log.is_of(base));
        log.map(Log::head)
    }

    /// Puts `entries` into the log, or into `fresh` if that is of another
    /// epoch, and tells every reader.
    fn advance(
        &mut self,
        fresh: Log,
        mut entries: &[Entry],
        (key, time): (&SigningKey, Timestamp),
        is_beat: bool,
    ) -> Result<(), SignError> {
        let is_followed = self.log.as_ref().is_some_and(|log| log.goes_on(&fresh));
        if !is_followed {
            // Cursors of another epoch mean nothing in this one.
            self.streams.clear();
            self.log = None;
        }
        let log = self.log.get_or_insert(fresh);
        if !is_followed {
            let (passed, kept) = entries.split_at(entries.len().saturating_sub(REPLAYED));
            log.pass(passed);
            entries = kept;
        }
        let mut messages = log.append(entries, key, time)?;
        // A log that begins, or goes on under another key, says so at once.
        if is_beat || log.last_beat().is_none() {
            messages.push(log.beat(key, time)?);
        }
        log.is_complete_as_of(time);
        for message in &messages {
            self.publish(message);
        }
        Ok(())
    }

    fn is_silent(&self, now: Timestamp) -> bool {
        let beat = self.log.as_ref().and_then(Log::last_beat);
        beat.is_none_or(|beat| now.millis().saturating_sub(beat.millis()) > BEAT_HOLDS_MILLIS)
    }

    /// Tells every reader; who does not keep up is cut.
    fn publish(&mut self, message: &Message) {
        self.streams
            .retain(|stream| stream.try_send(message.event()).is_ok());
    }
}

impl Issuer {
    /// Signs the feed until the future is dropped. Without it the endpoint has
    /// nothing to say.
    pub async fn run_feed(&self) {
        let feed = self.feed();
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let is_beat = tokio::select! {
                _ = beats.tick() => true,
                () = feed.wake.notified() => false,
            };
            // A store that cannot be read is told by who polls it for changes;
            // here it means silence.
            let _ = self.turn_feed(is_beat).await;
        }
    }

    /// Ends every wait on the feed, so that a server can drain.
    pub fn close_feed(&self) {
        self.feed().close();
    }

    /// Reads what is new and signs it; with `is_beat`, also that this is all.
    pub(crate) async fn turn_feed(&self, is_beat: bool) -> Result<(), StoreError> {
        let time = self.clock().now();
        let base = self.store().feed_base().await?;
        let base = base.ok_or_else(StoreError::no_installation)?;
        let known = self.feed().live().head_of(&base);
        let Some(entries) = self.entries_after(known.unwrap_or(base.seq)).await? else {
            // Entries are missing: the chain is lost, and with it the epoch.
            return again(|| self.begin_feed_epoch(&base)).await;
        };
        let picture = self.key_ring().picture();
        let key = picture.signing.as_ref();
        let key = key.ok_or_else(|| StoreError::Corrupt("no key signs".to_owned()))?;
        let feed = self.feed();
        feed.live()
            .advance(self.fresh_log(&base), &entries, (key, time), is_beat)
            .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        feed.turns.send_modify(|turns| *turns += 1);
        Ok(())
    }

    fn fresh_log(&self, base: &FeedBase) -> Log {
        Log::new(&self.config().issuer, base)
    }

    /// Every entry after `cursor`; none if one is missing.
    async fn entries_after(&self, mut cursor: i64) -> Result<Option<Vec<Entry>>, StoreError> {
        // Before the rows: the last of them are deleted no earlier than others.
        let head = self.store().heads().await?.revocation;
        let mut entries = Vec::new();
        loop {
            let rows = self.store().numbered_revocations(cursor).await?;
            let count = rows.len();
            for (number, entry) in rows {
                if number != cursor + 1 {
                    return Ok(None);
                }
                cursor = number;
                entries.push(entry);
            }
            if count < FEED_ROWS {
                return Ok((cursor >= head).then_some(entries));
            }
        }
    }

    async fn begin_feed_epoch(&self, broken: &FeedBase) -> Result<(), StoreError> {
        let epoch = self.fresh_epoch();
        let mut tx = self.store().begin().await?;
        if tx.feed_base().await?.as_ref() == Some(broken) {
            tx.begin_feed(&epoch, self.clock().now()).await?;
            tx.commit().await?;
        }
        self.feed().wake();
        Ok(())
    }
}

/// A stream of events: what was there, then what comes.
pub(crate) struct Events {
    ready: VecDeque<Bytes>,
    live: Option<mpsc::Receiver<Bytes>>,
    _place: Option<Place>,
}

impl Body for Events {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(event) = self.ready.pop_front() {
            return Poll::Ready(Some(Ok(Frame::data(event))));
        }
        match &mut self.live {
            Some(live) => live
                .poll_recv(context)
                .map(|event| event.map(|event| Ok(Frame::data(event)))),
            None => Poll::Ready(None),
        }
    }
}

/// Who waits, by network: of IPv6, one caller has as many addresses as it likes.
#[derive(Default)]
struct Places(Mutex<HashMap<Network, usize>>);

/// One of the [`Places`], until it is dropped.
struct Place {
    places: Arc<Places>,
    network: Network,
}

impl Places {
    fn take(self: &Arc<Self>, peer: Option<IpAddr>) -> Option<Place> {
        let network = Network::from(peer);
        let mut taken = self.taken();
        let all: usize = taken.values().sum();
        let of_one = taken.entry(network).or_default();
        let is_free = all < PLACES && *of_one < PLACES_OF_ONE;
        if is_free {
            *of_one += 1;
        } else if *of_one == 0 {
            taken.remove(&network);
        }
        drop(taken);
        is_free.then(|| Place {
            places: Arc::clone(self),
            network,
        })
    }

    // Each change is one number.
    fn taken(&self) -> MutexGuard<'_, HashMap<Network, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.network) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, sync::Arc};

    use super::{PLACES_OF_ONE, Places};

    #[test]
    fn bru_006_one_64_does_not_take_every_place() {
        let places = Arc::new(Places::default());
        let take = |peer: String| places.take(peer.parse::<IpAddr>().ok());
        let held: Vec<_> = (0..PLACES_OF_ONE)
            .map(|host| take(format!("2001:db8:1:2::{host:x}")))
            .collect();
        assert!(held.iter().all(Option::is_some));
        assert!(take("2001:db8:1:2:ffff::1".into()).is_none());
        assert!(take("2001:db8:1:3::1".into()).is_some(), "another network");
        drop(held);
        assert!(take("2001:db8:1:2:ffff::1".into()).is_some(), "room again");
        assert!(places.taken().is_empty(), "nobody is remembered");
    }
}
