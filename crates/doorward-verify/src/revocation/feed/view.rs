//! What a request sees of a feed: its revocations and their age.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use doorward_jose::time::UnixTime;

use crate::{clock::Timestamp, revocation::RevocationSet};

/// Up to this age nothing need be said; the issuer speaks every second.
const FRESH_MILLIS: u64 = 5_000;

/// Beyond this age a feed is lost, unless another bound is set.
pub(super) const LOST_MILLIS: u64 = 60_000;

/// Difference between the clocks that is made up for, and no more: as large
/// as the leeway of tokens. A relay that delays everything from the beginning
/// gains this and no more.
pub(super) const SKEW_MILLIS: u64 = 30_000;

/// A feed as requests read it. Clones see the same feed.
#[derive(Clone)]
pub struct FeedView(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) revocations: Arc<RevocationSet>,
    /// Everything that the issuer had revoked by then is in force here.
    pub(super) as_of: AtomicU64,
    pub(super) skew: AtomicI64,
    pub(super) sequence: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) snapshots: AtomicU64,
    /// Up to this age the feed is fresh.
    fresh_millis: u64,
    /// Beyond this age it is lost.
    lost_millis: u64,
}

/// How far the feed can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FeedState {
    /// At most 5 s behind the issuer.
    Fresh,
    /// At most the bound behind, 60 s unless another was set.
    Stale,
    /// Further behind, never heard of, or the clock cannot be right.
    Lost,
}

/// What is accepted while the feed is behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StalePolicy {
    /// Everything while it is stale; once it is lost, only tokens younger than
    /// the bound (60 s). A revoked token lives at most that much longer than it
    /// should, and honest callers with a live issuer refresh their way through.
    #[default]
    Bounded,
    /// Nothing unless it is fresh: payments, administration, keys.
    Strict,
    /// Everything, always: a revoked token may live until its `exp`.
    Available,
}

/// Whether a token that is not in the set may be let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// The set is current.
    Current,
    /// The set is behind, and the policy accepts that for this token.
    Tolerated,
    /// It cannot be known whether the token is revoked.
    Refused,
}

impl StalePolicy {
    /// What it asks for, for a decision.
    pub const fn wanted(self) -> &'static str {
        match self {
            Self::Bounded => "revocations up to the bound, or a token younger than that",
            Self::Strict => "revocations of the last seconds",
            Self::Available => "nothing",
        }
    }
}

impl FeedView {
    /// Of a feed that is lost once it is `lost_millis` behind.
    pub(super) fn new(revocations: Arc<RevocationSet>, lost_millis: u64) -> Self {
        Self(Arc::new(Shared {
            revocations,
            as_of: AtomicU64::new(0),
            skew: AtomicI64::new(0),
            sequence: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            snapshots: AtomicU64::new(0),
            fresh_millis: FRESH_MILLIS.min(lost_millis),
            lost_millis,
        }))
    }

    /// The revocations that it brings.
    pub fn revocations(&self) -> &RevocationSet {
        &self.0.revocations
    }

    /// Milliseconds by which it is behind at `now`; none if nothing was ever
    /// heard, or if `now` lies so far before what was heard that one of the
    /// clocks is wrong.
    pub fn age_millis(&self, now: UnixTime) -> Option<u64> {
        let as_of = self.0.as_of.load(Ordering::Acquire);
        let now = now.as_secs().saturating_mul(1000);
        let known = as_of != 0 && as_of <= now.saturating_add(SKEW_MILLIS);
        known.then(|| now.saturating_sub(as_of))
    }

    /// How far it can be relied on at `now`. Nobody has to tell it that time
    /// went by: a follower that died is seen like a feed that is cut.
    pub fn state(&self, now: UnixTime) -> FeedState {
        match self.age_millis(now) {
            Some(age) if age <= self.0.fresh_millis => FeedState::Fresh,
            Some(age) if age <= self.0.lost_millis => FeedState::Stale,
            _ => FeedState::Lost,
        }
    }

    /// Whether a token that was issued at `issued` and is not in the set may be
    /// let in at `now`. Routes may ask more strictly than the verifier does.
    pub fn admit(&self, policy: StalePolicy, issued: UnixTime, now: UnixTime) -> Admission {
        let age = now.as_secs().saturating_sub(issued.as_secs());
        let is_young = age.saturating_mul(1000) < self.0.lost_millis;
        match (self.state(now), policy) {
            (FeedState::Fresh, _) => Admission::Current,
            (_, StalePolicy::Strict) => Admission::Refused,
            (_, StalePolicy::Available) | (FeedState::Stale, StalePolicy::Bounded) => {
                Admission::Tolerated
            }
            (FeedState::Lost, StalePolicy::Bounded) if is_young => Admission::Tolerated,
            (FeedState::Lost, StalePolicy::Bounded) => Admission::Refused,
        }
    }

    /// Its age for people.
    pub fn describe(&self, now: UnixTime) -> String {
        match self.age_millis(now) {
            Some(age) => format!("revocations known up to {} s ago", age / 1000),
            None => "revocations never heard of, or a clock that is wrong".to_owned(),
        }
    }

    /// The number of the last entry in force.
    pub fn sequence(&self) -> u64 {
        self.0.sequence.load(Ordering::Relaxed)
    }

    /// This machine's clock minus the issuer's, in milliseconds, as seen when
    /// messages arrive: the difference and the quickest way together.
    pub fn skew_millis(&self) -> i64 {
        self.0.skew.load(Ordering::Relaxed)
    }

    /// Messages that were refused: forged, foreign, out of order.
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    /// Snapshots that were taken over.
    pub fn snapshots(&self) -> u64 {
        self.0.snapshots.load(Ordering::Relaxed)
    }

    /// Everything that the issuer revoked until `moment` is in force now.
    pub(super) fn is_current_as_of(&self, moment: Timestamp) {
        // `Release`: who sees the moment sees the entries.
        self.0.as_of.store(moment.millis(), Ordering::Release);
    }

    pub(super) fn as_of(&self) -> Timestamp {
        Timestamp::from_millis(self.0.as_of.load(Ordering::Acquire))
    }
}

impl fmt::Debug for FeedView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedView")
            .field("sequence", &self.sequence())
            .field("as_of", &self.as_of())
            .finish_non_exhaustive()
    }
}
