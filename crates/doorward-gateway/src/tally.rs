//! What the gateway counts, for whoever asks.
//!
//! Each worker has numbers of its own, and only its thread writes them: a load
//! and a store, with no lock and no cache line that two cores pull at. Whoever
//! asks adds them up. The one lock is taken when a worker meets a route for
//! the first time, and by whoever asks.
//!
//! Names are bounded: routes are those of the configuration, reasons those of
//! the closed table, and a status is its class. Nothing that a caller writes
//! becomes one.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use doorward_policy::{
    decision::{Decision, Reason},
    text_map::TextMap,
};
use doorward_verify::verifier;
use tokio::time::Instant;

/// Upper bounds of the buckets of a [`Timing`], microseconds. What took longer
/// than the last stands in one more.
pub const BUCKETS: [u64; 13] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 500_000, 2_500_000,
    10_000_000,
];

/// Routes that are told apart, also when the configuration changes often.
const MOST_ROUTES: usize = 2_000;

/// Where a request belongs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A route of the configuration, by its pattern.
    Route(Arc<str>),
    /// Doorward's own endpoints.
    Own,
    /// No route was found, or none was looked for.
    Nowhere,
    /// A route beyond those that are told apart.
    Further,
}

/// Everything that was counted since the start, by all workers.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By place.
    pub places: BTreeMap<Place, PlaceTally>,
    /// From a request's head to the verdict, waiting for keys included.
    pub judging: Timing,
    /// From the verdict to the head of the upstream's answer.
    pub upstream: Timing,
    /// Requests sent on a connection to the upstream that was new.
    pub connections_opened: u64,
    /// Requests sent on one that had waited.
    pub connections_reused: u64,
    /// Good tokens that had been verified before.
    pub tokens_remembered: u64,
    /// Good tokens whose signature was checked.
    pub tokens_checked: u64,
}

/// What was counted at one place.
#[derive(Clone, Debug, Default)]
pub struct PlaceTally {
    /// By class of the status, 1 to 5; 0 counts callers that left before.
    pub statuses: [u64; 6],
    /// By reason; those that never were are not there.
    pub reasons: Vec<(Reason, u64)>,
    /// From a request's head to the head of its answer.
    pub took: Timing,
}

/// How long something took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Timing {
    /// How often it took no longer than the bound in [`BUCKETS`], and longer
    /// than the one before.
    pub counts: [u64; BUCKETS.len() + 1],
    /// All of it together, microseconds.
    pub micros: u64,
}

/// A server behind the gateway, now.
#[derive(Clone, Debug)]
pub struct UpstreamState {
    /// Its origin.
    pub origin: String,
    /// Requests in progress.
    pub in_progress: usize,
    /// Whether it is asked while others can be.
    pub is_available: bool,
    /// How often it could not be reached or gave no whole answer.
    pub failures: u64,
}

/// A number with one writer.
#[derive(Debug)]
struct Count(AtomicU64);

impl Count {
    const fn zero() -> Self {
        Self(AtomicU64::new(0))
    }

    fn add(&self, more: u64) {
        // INVARIANT: only the worker's own thread writes, so nothing is lost
        // between the two.
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before.wrapping_add(more), Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Measures how long something takes.
#[derive(Debug)]
pub(crate) struct Timer {
    counts: [Count; BUCKETS.len() + 1],
    micros: Count,
}

impl Timer {
    const fn new() -> Self {
        Self {
            counts: [const { Count::zero() }; BUCKETS.len() + 1],
            micros: Count::zero(),
        }
    }

    /// Records what took from `began` until `ended`.
    pub(crate) fn between(&self, began: Instant, ended: Instant) {
        self.record(micros(ended - began));
    }

    fn record(&self, micros: u64) {
        let bucket = BUCKETS.partition_point(|bound| *bound < micros);
        self.counts[bucket].add(1);
        self.micros.add(micros);
    }

    fn add_to(&self, timing: &mut Timing) {
        for (sum, count) in timing.counts.iter_mut().zip(&self.counts) {
            *sum += count.read();
        }
        timing.micros += self.micros.read();
    }
}

/// Whole microseconds.
pub(crate) fn micros(elapsed: Duration) -> u64 {
    u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Debug)]
struct Counts {
    statuses: [Count; 6],
    reasons: [Count; Reason::ALL.len()],
    took: Timer,
}

impl Counts {
    const fn new() -> Self {
        Self {
            statuses: [const { Count::zero() }; 6],
            reasons: [const { Count::zero() }; Reason::ALL.len()],
            took: Timer::new(),
        }
    }

    fn add_to(&self, tally: &mut PlaceTally) {
        for (sum, count) in tally.statuses.iter_mut().zip(&self.statuses) {
            *sum += count.read();
        }
        for (reason, count) in Reason::ALL.iter().zip(&self.reasons) {
            let count = count.read();
            match tally.reasons.iter_mut().find(|(known, _)| known == reason) {
                Some((_, sum)) => *sum += count,
                None if count > 0 => tally.reasons.push((*reason, count)),
                None => {}
            }
        }
        self.took.add_to(&mut tally.took);
    }
}

/// The numbers of one worker, as others see them.
#[derive(Debug)]
struct Ledger {
    routes: Mutex<Vec<(Arc<str>, Arc<Counts>)>>,
    own: Counts,
    nowhere: Counts,
    further: Counts,
    judging: Timer,
    upstream: Timer,
    opened: Count,
    reused: Count,
    remembered: Count,
    checked: Count,
}

impl Ledger {
    fn new() -> Self {
        Self {
            routes: Mutex::default(),
            own: Counts::new(),
            nowhere: Counts::new(),
            further: Counts::new(),
            judging: Timer::new(),
            upstream: Timer::new(),
            opened: Count::zero(),
            reused: Count::zero(),
            remembered: Count::zero(),
            checked: Count::zero(),
        }
    }

    fn routes(&self) -> MutexGuard<'_, Vec<(Arc<str>, Arc<Counts>)>> {
        // One push at a time.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_to(&self, tally: &mut Tally) {
        for (pattern, counts) in &*self.routes() {
            let place = Place::Route(Arc::clone(pattern));
            counts.add_to(tally.places.entry(place).or_default());
        }
        for (place, counts) in [
            (Place::Own, &self.own),
            (Place::Nowhere, &self.nowhere),
            (Place::Further, &self.further),
        ] {
            counts.add_to(tally.places.entry(place).or_default());
        }
        self.judging.add_to(&mut tally.judging);
        self.upstream.add_to(&mut tally.upstream);
        tally.connections_opened += self.opened.read();
        tally.connections_reused += self.reused.read();
        tally.tokens_remembered += self.remembered.read();
        tally.tokens_checked += self.checked.read();
    }
}

/// Of all workers.
#[derive(Debug, Default)]
pub(crate) struct Ledgers(Mutex<Vec<Arc<Ledger>>>);

impl Ledgers {
    fn all(&self) -> MutexGuard<'_, Vec<Arc<Ledger>>> {
        // One push at a time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What another worker counts with.
    pub(crate) fn open(&self) -> Counting {
        let ledger = Arc::new(Ledger::new());
        self.all().push(Arc::clone(&ledger));
        Counting {
            ledger,
            known: RefCell::default(),
        }
    }

    /// Everything so far.
    pub(crate) fn read(&self) -> Tally {
        let mut tally = Tally::default();
        for ledger in &*self.all() {
            ledger.add_to(&mut tally);
        }
        tally
    }
}

/// What one worker counts with. Not to be shared between threads.
#[derive(Debug)]
pub(crate) struct Counting {
    ledger: Arc<Ledger>,
    known: RefCell<TextMap<Arc<str>, Arc<Counts>>>,
}

impl Counting {
    /// Counts a request that came to its end. `is_own` says that Doorward
    /// itself answered it.
    pub(crate) fn ended(&self, decision: &Decision, is_own: bool) {
        match &decision.route {
            _ if is_own => count(&self.ledger.own, decision),
            None => count(&self.ledger.nowhere, decision),
            Some(route) => self.at_route(&route.pattern, decision),
        }
        match verifier::was_verified_before(decision) {
            Some(true) => self.ledger.remembered.add(1),
            Some(false) => self.ledger.checked.add(1),
            None => {}
        }
    }

    fn at_route(&self, pattern: &Arc<str>, decision: &Decision) {
        let mut known = self.known.borrow_mut();
        if let Some(counts) = known.get(pattern) {
            return count(counts, decision);
        }
        if known.len() == MOST_ROUTES {
            return count(&self.ledger.further, decision);
        }
        let counts = Arc::new(Counts::new());
        count(&counts, decision);
        let shared = (Arc::clone(pattern), Arc::clone(&counts));
        self.ledger.routes().push(shared);
        known.insert(Arc::clone(pattern), counts);
    }

    /// Counts a request that goes to the upstream.
    pub(crate) fn sent(&self, on_reused_connection: bool) {
        match on_reused_connection {
            true => self.ledger.reused.add(1),
            false => self.ledger.opened.add(1),
        }
    }

    /// Measures judging.
    pub(crate) fn judging(&self) -> &Timer {
        &self.ledger.judging
    }

    /// Measures the upstream.
    pub(crate) fn upstream(&self) -> &Timer {
        &self.ledger.upstream
    }
}

fn count(counts: &Counts, decision: &Decision) {
    let class = decision.status.map_or(0, |status| status / 100);
    if let Some(count) = counts.statuses.get(usize::from(class)) {
        count.add(1);
    }
    if let Some(count) = counts.reasons.get(decision.reason.index()) {
        count.add(1);
    }
    counts.took.record(decision.elapsed_us);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{sync::Arc, thread};

    use doorward_policy::decision::{Decision, Reason, RouteRef, TraceId};

    use super::{BUCKETS, Ledgers, MOST_ROUTES, Place};

    fn decision(pattern: Option<&str>, status: Option<u16>, reason: Reason) -> Decision {
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/secret?token");
        decision.route = pattern.map(|pattern| RouteRef {
            pattern: pattern.into(),
            source: None,
        });
        decision.status = status;
        decision.refuse(reason);
        decision.elapsed_us = 400;
        decision
    }

    #[test]
    fn what_two_workers_count_is_added_up() {
        let ledgers = Arc::new(Ledgers::default());
        let workers = [7, 5].map(|count| {
            let ledgers = Arc::clone(&ledgers);
            thread::spawn(move || {
                let counting = ledgers.open();
                for _ in 0..count {
                    let route = Some("GET /orders/{id}");
                    counting.ended(
                        &decision(route, Some(200), Reason::PermissionGranted),
                        false,
                    );
                    counting.ended(&decision(route, None, Reason::PermissionGranted), false);
                    counting.ended(&decision(None, Some(404), Reason::NoRoute), false);
                    counting.ended(&decision(None, Some(200), Reason::SignedIn), true);
                    counting.sent(true);
                }
            })
        });
        for worker in workers {
            worker.join().unwrap();
        }
        let tally = ledgers.read();
        let orders = &tally.places[&Place::Route("GET /orders/{id}".into())];
        assert_eq!(orders.statuses, [12, 0, 12, 0, 0, 0]);
        assert_eq!(orders.reasons, [(Reason::PermissionGranted, 24)]);
        let bucket = BUCKETS.iter().position(|bound| *bound == 500).unwrap();
        assert_eq!(
            (orders.took.counts[bucket], orders.took.micros),
            (24, 9_600)
        );
        assert_eq!(
            tally.places[&Place::Nowhere].reasons,
            [(Reason::NoRoute, 12)]
        );
        assert_eq!(tally.places[&Place::Own].reasons, [(Reason::SignedIn, 12)]);
        assert_eq!(
            (tally.connections_opened, tally.connections_reused),
            (0, 12)
        );
    }

    #[test]
    fn the_number_of_names_is_bounded() {
        let ledgers = Ledgers::default();
        let counting = ledgers.open();
        for number in 0..MOST_ROUTES + 3 {
            let pattern = format!("GET /{number}");
            counting.ended(
                &decision(Some(&pattern), Some(200), Reason::PublicRoute),
                false,
            );
        }
        let tally = ledgers.read();
        assert_eq!(tally.places.len(), MOST_ROUTES + 3);
        assert_eq!(tally.places[&Place::Further].statuses[2], 3);
    }

    #[test]
    fn a_duration_stands_in_the_bucket_of_its_bound() {
        let ledgers = Ledgers::default();
        let counting = ledgers.open();
        for micros in [0, 100, 101, 10_000_000, 10_000_001] {
            counting.judging().record(micros);
        }
        let counts = ledgers.read().judging.counts;
        assert_eq!((counts[0], counts[1], counts[12], counts[13]), (2, 1, 1, 1));
    }
}
