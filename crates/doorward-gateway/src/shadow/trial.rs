//! A candidate while it judges: what its roles give, and the count of what it
//! said.
//!
//! What is kept is bounded: by the routes and reasons that there are, and by
//! `MOST_FLIPS` where that is more.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use doorward_policy::{
    decision::{Decision, Outcome, Reason, RouteRef},
    permission::PermissionPattern,
    role::Roles,
    route::RouteTable,
};
use doorward_verify::{clock::Timestamp, jose::time::UnixTime};

use super::{Candidate, Change, Counts, Flip, Report, Requests};

/// Most flips that are told apart; those beyond are only counted.
const MOST_FLIPS: usize = 1000;

/// Most looks in a second, for a candidate alone, at tokens of callers whom the
/// served routes do not ask: a hundred signatures take a few milliseconds.
const LOOKS_PER_SECOND: u64 = 100;

/// A candidate, and what came of it.
#[derive(Debug)]
pub(crate) struct Trial {
    candidate: Candidate,
    /// Names of the roles that give something else in the candidate.
    changed: BTreeSet<String>,
    pub(super) served: Arc<RouteTable>,
    since_ms: u64,
    same: AtomicU64,
    unknown: AtomicU64,
    panicked: AtomicU64,
    looks: Looks,
    flips: Mutex<Flips>,
}

/// What the candidate says of a request.
#[derive(Debug)]
pub(crate) enum Said {
    /// This.
    Decided(Box<Decision>),
    /// It cannot be known.
    Unknown,
    /// Nothing: it panicked.
    Panicked,
}

#[derive(Debug, Default)]
struct Flips {
    opened: u64,
    closed: u64,
    other_reason: u64,
    further: u64,
    kinds: HashMap<Kind, Flip>,
}

/// By what flips are told apart: the patterns of both routes and both reasons.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Kind {
    routes: [Option<Arc<str>>; 2],
    reasons: [Reason; 2],
}

impl Trial {
    pub(super) fn new(candidate: Candidate, served: Arc<RouteTable>, now: Timestamp) -> Self {
        let gives = |roles: &Roles| -> BTreeMap<_, _> {
            let its = |role: &doorward_policy::role::Role| {
                (role.name().to_string(), role.effective().clone())
            };
            roles.iter().map(its).collect()
        };
        let (before, after) = (gives(&candidate.served_roles), gives(&candidate.roles));
        let names = before.keys().chain(after.keys());
        let changed = names.filter(|name| before.get(*name) != after.get(*name));
        Self {
            changed: changed.cloned().collect(),
            candidate,
            served,
            since_ms: now.millis(),
            same: AtomicU64::default(),
            unknown: AtomicU64::default(),
            panicked: AtomicU64::default(),
            looks: Looks::default(),
            flips: Mutex::default(),
        }
    }

    pub(crate) fn routes(&self) -> &RouteTable {
        &self.candidate.routes
    }

    /// Whether a token may be looked at that somebody brings who is not charged
    /// for it: at most `LOOKS_PER_SECOND` times in a second.
    pub(crate) fn may_look(&self, now: Timestamp) -> bool {
        self.looks.take(now.unix())
    }

    /// What somebody with these roles and permissions would hold, if their token
    /// had been issued under the candidate's roles; `None` where that is the same.
    pub(crate) fn regranted(
        &self,
        roles: &[String],
        held: &[PermissionPattern],
    ) -> Option<Vec<PermissionPattern>> {
        if !roles.iter().any(|role| self.changed.contains(role)) {
            return None;
        }
        let before = self.candidate.served_roles.effective(roles);
        let is_of_a_role = |held: &PermissionPattern| before.iter().any(|it| it.includes(held));
        let own = held.iter().filter(|held| !is_of_a_role(held)).cloned();
        Some(own.chain(self.candidate.roles.effective(roles)).collect())
    }

    /// Counts what the candidate `said` of a request on which `served` was decided.
    pub(crate) fn note(&self, said: Said, served: &Decision) {
        let candidate = match said {
            // Let in by the served routes, and failed after: no rule of either.
            Said::Decided(_) if served.reason == Reason::InternalTokenUnavailable => {
                return one_more(&self.unknown);
            }
            Said::Decided(decision) => decision,
            Said::Unknown => return one_more(&self.unknown),
            Said::Panicked => return one_more(&self.panicked),
        };
        let change = match (is_let_in(served), is_let_in(&candidate)) {
            (false, true) => Change::Opened,
            (true, false) => Change::Closed,
            _ if served.reason == candidate.reason => return one_more(&self.same),
            _ => Change::OtherReason,
        };
        let kind = Kind::of(served, &candidate);
        let flip = Flip::of(change, served, *candidate);
        // Every worker comes here: what costs more than a count is done before,
        // and what is left over ends after the lock.
        let _left_over = self.flips().add(kind, flip);
    }

    pub(super) fn report(&self) -> Report {
        let (requests, mut listed, further) = {
            let flips = self.flips();
            let listed: Vec<Flip> = flips.kinds.values().cloned().collect();
            (self.requests(&flips), listed, flips.further)
        };
        listed.sort_by_key(|flip| (flip.change, Reverse(flip.count), flip.first_ms));
        Report {
            since_ms: self.since_ms,
            requests,
            flips: listed,
            further,
        }
    }

    /// Copies no example, so that it may be asked for often.
    pub(super) fn counts(&self) -> Counts {
        let (requests, listed) = {
            let flips = self.flips();
            let count = |(kind, flip): (&Kind, &Flip)| (kind.place(), flip.change, flip.count);
            let listed: Vec<_> = flips.kinds.iter().map(count).collect();
            (self.requests(&flips), listed)
        };
        let mut flips = BTreeMap::new();
        for (place, change, count) in listed {
            *flips.entry((place, change)).or_default() += count;
        }
        Counts { requests, flips }
    }

    fn requests(&self, flips: &Flips) -> Requests {
        Requests {
            same: self.same.load(Ordering::Relaxed),
            opened: flips.opened,
            closed: flips.closed,
            other_reason: flips.other_reason,
            unknown: self.unknown.load(Ordering::Relaxed),
            panicked: self.panicked.load(Ordering::Relaxed),
        }
    }

    fn flips(&self) -> MutexGuard<'_, Flips> {
        // Counts and copies of texts: a panic leaves them whole.
        self.flips.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The present second, times `LOOKS_PER_SECOND` + 1, and how many looks there
/// were in it: one number, so that no lock is asked for.
#[derive(Debug, Default)]
struct Looks(AtomicU64);

impl Looks {
    fn take(&self, now: UnixTime) -> bool {
        const SPAN: u64 = LOOKS_PER_SECOND + 1;
        let begun = now.as_secs().saturating_mul(SPAN);
        let one_more = |state: u64| {
            // Another second, also an earlier one after a change of the clock.
            let taken = match state - state % SPAN == begun {
                true => state % SPAN,
                false => 0,
            };
            (taken < LOOKS_PER_SECOND).then(|| begun.saturating_add(taken + 1))
        };
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        taken.is_ok()
    }
}

fn one_more(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

fn is_let_in(decision: &Decision) -> bool {
    decision.outcome == Outcome::Allowed
}

impl Flips {
    /// Counts `flip`. What comes back is not needed.
    fn add(&mut self, kind: Kind, mut flip: Flip) -> Option<Flip> {
        match flip.change {
            Change::Opened => self.opened += 1,
            Change::Closed => self.closed += 1,
            Change::OtherReason => self.other_reason += 1,
        }
        if let Some(known) = self.kinds.get_mut(&kind) {
            known.count += 1;
            known.last_ms = flip.last_ms;
            mem::swap(&mut known.example, &mut flip.example);
            return Some(flip);
        }
        if self.kinds.len() == MOST_FLIPS {
            self.further += 1;
            return Some(flip);
        }
        self.kinds.insert(kind, flip);
        None
    }
}

impl Kind {
    fn of(served: &Decision, candidate: &Decision) -> Self {
        let pattern = |route: &RouteRef| Arc::clone(&route.pattern);
        Self {
            routes: [&served.route, &candidate.route].map(|route| route.as_ref().map(pattern)),
            reasons: [served.reason, candidate.reason],
        }
    }

    /// The route that decides; the candidate's where there is none.
    fn place(&self) -> Option<Arc<str>> {
        self.routes.iter().flatten().next().cloned()
    }
}

#[cfg(test)]
mod tests;
