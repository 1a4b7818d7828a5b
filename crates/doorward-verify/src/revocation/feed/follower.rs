//! Keeps the revocations of one issuer up to date.
//!
//! Takes a snapshot, follows the stream from there, and begins again where it
//! broke off. A stream through which nothing comes, because something between
//! buffers it, is given up for long polls of the same messages.

use std::{io, path::PathBuf, time::Duration};

use super::{
    frames::{Frames, Framing},
    journal::{Draft, Journal, Line},
    message::{FeedError, FeedTrust},
    tail::{News, Tail},
    transport::{
        EVENTS, FeedBody as _, FeedRequest, FeedResponse, FeedTransport, LINES, TransportError,
    },
    view::{FeedView, LOST_MILLIS},
};
use crate::clock::{Clock, Timestamp};

/// The issuer speaks every second, and within ten on a long poll.
const STREAM_PATIENCE: Duration = Duration::from_secs(5);
const POLL_PATIENCE: Duration = Duration::from_secs(20);

/// A connection that brought nothing new and ended sooner than this is followed
/// by a pause of as long: an issuer without a place to wait in answers at once.
const IDLE_PAUSE: Duration = Duration::from_secs(1);

/// How long newer keys are waited for when the feed is signed with another one.
#[cfg(feature = "fetch")]
const KEYS_PATIENCE: Duration = Duration::from_secs(2);

/// Pauses between attempts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What to follow, and what to keep.
#[derive(Clone, Debug)]
pub struct FollowerSettings {
    /// Who may speak.
    pub trust: FeedTrust,
    /// Where to keep what was applied; nowhere if a restart may wait for the
    /// issuer.
    pub file: Option<PathBuf>,
    /// Entries above which all become one for all tokens, so that memory is
    /// bounded: their holders refresh. About 34 bytes each while they arrive.
    pub max_entries: usize,
    /// Beyond this age the feed is lost (see
    /// [`StalePolicy`](super::StalePolicy)).
    pub lost_after: Duration,
}

impl FollowerSettings {
    /// Nothing is kept, memory is for four million entries, and a feed that is
    /// 60 s behind is lost.
    pub const fn new(trust: FeedTrust) -> Self {
        Self {
            trust,
            file: None,
            max_entries: 4_000_000,
            lost_after: Duration::from_millis(LOST_MILLIS),
        }
    }
}

/// Follows the feed of one issuer.
pub struct Follower {
    tail: Tail,
    journal: Option<Journal>,
    wants_snapshot: bool,
    /// A gap may be a message lost on the way: once, asking again is enough.
    gap_seen: bool,
    polls: bool,
    failures: u32,
    /// The last connection brought nothing and ended at once.
    is_idle: bool,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Messages that were accepted.
    pub messages: usize,
    /// Entries that were not known before.
    pub entries: usize,
    /// Why it ended; none for a proper end of the body.
    pub cause: Option<Cause>,
}

/// Why a connection was given up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Cause {
    /// A message that is not accepted.
    #[error(transparent)]
    Feed(#[from] FeedError),
    /// Nothing arrived.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The cursor is too old or of another epoch: a snapshot comes next.
    #[error("the issuer asks for a snapshot")]
    Gone,
    /// What was applied cannot be kept.
    #[error("the file cannot be written: {0}")]
    File(io::ErrorKind),
}

impl From<io::Error> for Cause {
    fn from(error: io::Error) -> Self {
        Self::File(error.kind())
    }
}

impl Follower {
    /// Begins with what the file holds.
    ///
    /// # Errors
    ///
    /// If the file is there and cannot be read or written. What it holds is no
    /// cause: what cannot be accepted is cut off and comes from the issuer.
    pub fn open(settings: FollowerSettings, clock: &dyn Clock) -> io::Result<Self> {
        let mut follower = Self {
            tail: Tail::new(
                settings.trust,
                settings.max_entries,
                u64::try_from(settings.lost_after.as_millis()).unwrap_or(u64::MAX),
            ),
            journal: settings.file.map(Journal::new),
            wants_snapshot: false,
            gap_seen: false,
            polls: false,
            failures: 0,
            is_idle: false,
        };
        if let Some(journal) = &mut follower.journal {
            let tail = &mut follower.tail;
            tail.restoring(true);
            journal.replay(|line| match line {
                Line::Page(message) => tail.page(message, clock.now()).is_ok(),
                Line::Batch(message) => tail.batch(message, clock.now()).is_ok(),
            })?;
            // Half a snapshot stands nowhere.
            let _ = tail.pages_ended();
            tail.restoring(false);
        }
        follower.wants_snapshot = follower.tail.position().is_none();
        Ok(follower)
    }

    /// What requests ask.
    pub fn view(&self) -> FeedView {
        self.tail.view().clone()
    }

    /// Follows for ever. Dropping the future is how to stop.
    pub async fn run<T: FeedTransport>(self, transport: &T, clock: &dyn Clock) {
        self.run_observed(transport, clock, |_| ()).await;
    }

    /// Follows for ever, and tells `observe` how each connection ended. It must
    /// not block.
    pub async fn run_observed<T: FeedTransport>(
        mut self,
        transport: &T,
        clock: &dyn Clock,
        mut observe: impl FnMut(&Ended) + Send,
    ) {
        loop {
            let ended = self.follow(transport, clock).await;
            observe(&ended);
            #[cfg(feature = "fetch")]
            if ended.cause == Some(Cause::Feed(FeedError::UnknownKey))
                && self.tail.trust().keys.renew(KEYS_PATIENCE).await
            {
                // The key that was missing may be there now.
                continue;
            }
            transport.pause(self.pause()).await;
        }
    }

    /// One connection, until it ends: a snapshot if one is wanted, else the
    /// stream or a long poll.
    pub async fn follow<T: FeedTransport>(&mut self, transport: &T, clock: &dyn Clock) -> Ended {
        let mut ended = Ended {
            messages: 0,
            entries: 0,
            cause: None,
        };
        let (began, was_snapshot) = (clock.now(), self.wants_snapshot);
        let outcome = match self.wants_snapshot {
            true => self.snapshot(transport, clock, &mut ended).await,
            false => self.stream(transport, clock, &mut ended).await,
        };
        match &outcome {
            Ok(()) if ended.messages > 0 => self.failures = 0,
            _ => self.failures = self.failures.saturating_add(1),
        }
        ended.cause = outcome.err();
        let lasted = clock.now().millis().saturating_sub(began.millis());
        self.is_idle =
            !was_snapshot && ended.entries == 0 && u128::from(lasted) < IDLE_PAUSE.as_millis();
        self.learn(&ended);
        ended
    }

    /// How long to wait before the next connection; nothing after a good one,
    /// a second if that brought nothing. Doubles with every failure and differs between processes, so that a
    /// thousand verifiers do not come back as one.
    pub fn pause(&self) -> Duration {
        let Some(doublings) = self.failures.checked_sub(1) else {
            return if self.is_idle {
                IDLE_PAUSE
            } else {
                Duration::ZERO
            };
        };
        let full = SHORTEST_PAUSE
            .saturating_mul(1 << doublings.min(6))
            .min(LONGEST_PAUSE);
        let random =
            std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), self.failures);
        let half = full / 2;
        let part = (random % 256) as u32;
        half + half * part / 256
    }

    /// Chooses the next connection after how this one ended.
    fn learn(&mut self, ended: &Ended) {
        let is_lost = matches!(
            ended.cause,
            Some(Cause::Gone | Cause::Feed(FeedError::Forked | FeedError::NewEpoch))
        );
        let is_gap = matches!(ended.cause, Some(Cause::Feed(FeedError::Gap)));
        let was_snapshot = self.wants_snapshot;
        if was_snapshot
            && ended.cause == Some(Cause::Feed(FeedError::GoneBack))
            && let Some(journal) = &mut self.journal
        {
            // A relay's snapshot may be older than what is known: the stream
            // goes on from there, or says that it cannot.
            journal.put_off();
            self.wants_snapshot = self.tail.position().is_none();
        }
        if is_lost || is_gap && self.gap_seen {
            self.wants_snapshot = true;
        }
        self.gap_seen = is_gap;
        if !was_snapshot && !is_gap && !is_lost && ended.messages == 0 {
            self.polls = !self.polls;
        }
    }

    async fn snapshot<T: FeedTransport>(
        &mut self,
        transport: &T,
        clock: &dyn Clock,
        ended: &mut Ended,
    ) -> Result<(), Cause> {
        let request = FeedRequest {
            suffix: "/snapshot".to_owned(),
            accept: LINES,
            patience: POLL_PATIENCE,
        };
        let mut body = answer(transport.get(&request).await?, &[LINES])?.1;
        let mut draft = self.journal.as_ref().map(Journal::begin).transpose()?;
        let mut frames = Frames::new(Framing::Lines);
        let mut complete = false;
        while let Some(chunk) = body.chunk().await? {
            frames.read(&chunk, |message| {
                if complete {
                    return Err(Cause::Feed(FeedError::Incomplete));
                }
                complete = self.tail.page(message, clock.now())?;
                ended.messages += 1;
                draft
                    .as_mut()
                    .map_or(Ok(()), |draft: &mut Draft| draft.page(message))?;
                Ok(())
            })?;
        }
        self.tail.pages_ended()?;
        if !complete {
            return Err(FeedError::Incomplete.into());
        }
        self.wants_snapshot = false;
        match (&mut self.journal, draft) {
            (Some(journal), Some(draft)) => Ok(journal.adopt(draft)?),
            _ => Ok(()),
        }
    }

    async fn stream<T: FeedTransport>(
        &mut self,
        transport: &T,
        clock: &dyn Clock,
        ended: &mut Ended,
    ) -> Result<(), Cause> {
        let Some(position) = self.tail.position() else {
            return Err(Cause::Gone);
        };
        let (accept, patience) = match self.polls {
            true => (LINES, POLL_PATIENCE),
            false => (EVENTS, STREAM_PATIENCE),
        };
        let request = FeedRequest {
            suffix: format!("?epoch={}&after={}", position.epoch, position.sequence),
            accept,
            patience,
        };
        let (framing, mut body) = answer(transport.get(&request).await?, &[LINES, EVENTS])?;
        let mut frames = Frames::new(framing);
        // A stream has no end of its own: a file that has become long ends it.
        let (mut heard, mut messages) = (clock.now(), ended.messages);
        while !self.wants_snapshot
            && let Some(chunk) = body.chunk().await?
        {
            frames.read(&chunk, |message| self.batch(message, clock, ended))?;
            // Bytes that make no message keep a connection open, not alive.
            if ended.messages > messages {
                (heard, messages) = (clock.now(), ended.messages);
            } else if is_later(clock.now(), heard, 2 * patience) {
                return Err(TransportError::Silent.into());
            }
        }
        Ok(())
    }

    fn batch(&mut self, message: &str, clock: &dyn Clock, ended: &mut Ended) -> Result<(), Cause> {
        match self.tail.batch(message, clock.now())? {
            News::Entries(entries) => {
                ended.entries += entries;
                if let Some(journal) = &mut self.journal {
                    journal.batch(message)?;
                    self.wants_snapshot |= journal.is_long();
                }
            }
            News::None => {}
            News::Old => return Ok(()),
        }
        ended.messages += 1;
        Ok(())
    }
}

/// Whether more than `bound` passed between two moments.
fn is_later(now: Timestamp, before: Timestamp, bound: Duration) -> bool {
    u128::from(now.millis().saturating_sub(before.millis())) > bound.as_millis()
}

/// The framing and body of an answer that has one of the wanted media types.
fn answer<B>(response: FeedResponse<B>, wanted: &[&str]) -> Result<(Framing, B), Cause> {
    match response.status {
        200 => {}
        410 => return Err(Cause::Gone),
        status => return Err(TransportError::Status(status).into()),
    }
    let media_type = response.media_type.to_ascii_lowercase();
    if !wanted.contains(&media_type.as_str()) {
        return Err(TransportError::MediaType.into());
    }
    let framing = if media_type == EVENTS {
        Framing::Events
    } else {
        Framing::Lines
    };
    Ok((framing, response.body))
}

impl std::fmt::Debug for Follower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Follower")
            .field("view", self.tail.view())
            .field("wants_snapshot", &self.wants_snapshot)
            .finish_non_exhaustive()
    }
}
