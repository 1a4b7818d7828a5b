//! What another configuration would say to the requests that arrive: a
//! *candidate*, judged beside the routes that are served.
//!
//! Nothing that it says reaches a caller. It judges by the functions that serve,
//! with a record of its own, and what would count against somebody (rates, the
//! replay of proofs, the exchange of API keys) is left alone; how it judges is in
//! `judge::candidate`. Here is what came of it: every difference, a [`Flip`],
//! counted by the routes and the reasons on both sides, with one request as an
//! example and neither token nor body.
//!
//! A candidate is compared with the routes that it was put beside, and with no
//! others: once they are replaced it rests, until somebody puts one beside the
//! new ones. So no flip is an edit of the served configuration in disguise.
//!
//! What is kept is bounded: by the routes and reasons that there are, and by
//! `MOST_FLIPS` where that is more.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use arc_swap::ArcSwapOption;
use doorward_policy::{
    decision::{Check, Decision, Outcome, Reason, RouteRef, Text, TraceId},
    permission::PermissionPattern,
    role::Roles,
    route::RouteTable,
};
use doorward_verify::{clock::Timestamp, jose::time::UnixTime};
use serde::{Deserialize, Serialize};

/// Most flips that are told apart; those beyond are only counted.
const MOST_FLIPS: usize = 1000;

/// Most looks in a second, for a candidate alone, at tokens of callers whom the
/// served routes do not ask: a hundred signatures take a few milliseconds.
const LOOKS_PER_SECOND: u64 = 100;

/// Longest text of an example, in characters: paths may be as long as a head.
const LONGEST_TEXT: usize = 300;

/// Another configuration, as far as requests can be judged by it.
#[derive(Debug)]
pub struct Candidate {
    /// Its routes, under its policies.
    pub routes: RouteTable,
    /// Its roles.
    pub roles: Roles,
    /// The roles that are served. Where a role gives something else in
    /// [`Self::roles`], the tokens that name it are judged as if they had been
    /// issued under those.
    pub served_roles: Roles,
}

/// What came of a candidate so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Since when it is judged, milliseconds since 1970 UTC.
    pub since_ms: u64,
    /// How many requests, by what came of them.
    pub requests: Requests,
    /// What would change: what would be let in, what would be refused and then
    /// what would have another reason, the most frequent first.
    pub flips: Vec<Flip>,
    /// How many more requests would change than those in `flips`: of them there
    /// are too many kinds.
    pub further: u64,
}

/// Requests, by what the candidate would have said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Requests {
    /// The same, for the same reason.
    pub same: u64,
    /// Refused now, let in by the candidate.
    pub opened: u64,
    /// Let in now, refused by the candidate.
    pub closed: u64,
    /// The same, for another reason.
    pub other_reason: u64,
    /// Not known: the candidate asks who sent a request of which the served
    /// routes did not ask, and asking would use something up, or there were too
    /// many of them in this second.
    pub unknown: u64,
    /// The candidate panicked.
    pub panicked: u64,
}

/// What came of a candidate so far, in numbers alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// How many requests, by what came of them.
    pub requests: Requests,
    /// Of those that would change and are told apart, how many by the route that
    /// decides, or by the candidate's where there is none.
    pub flips: BTreeMap<(Option<Arc<str>>, Change), u64>,
}

/// What would change, and for how many requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flip {
    /// In which way.
    pub change: Change,
    /// How many requests.
    pub count: u64,
    /// The route that decides, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteRef>,
    /// The route of the candidate that would decide, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_route: Option<RouteRef>,
    /// The reason now.
    pub before: Reason,
    /// The candidate's reason.
    pub after: Reason,
    /// The first such request, milliseconds since 1970 UTC.
    pub first_ms: u64,
    /// The last one.
    pub last_ms: u64,
    /// The last one.
    pub example: Example,
}

/// In which way a decision would change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Refused now, let in by the candidate.
    Opened,
    /// Let in now, refused by the candidate.
    Closed,
    /// The same, for another reason.
    OtherReason,
}

impl Change {
    /// Stable machine-readable word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
            Self::OtherReason => "other_reason",
        }
    }
}

/// A request whose decision would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Example {
    /// Names it, for `doorward explain`.
    pub trace_id: TraceId,
    /// Request method.
    pub method: String,
    /// Canonical path without the query, cut where it is long.
    pub path: String,
    /// The check that fails before the candidate, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<Check>,
}

/// The place of a gateway's candidate, empty at first.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    /// All that is looked at while there is none.
    is_on: AtomicBool,
    trial: ArcSwapOption<Trial>,
}

impl Shadow {
    /// Judges by `candidate` from the next request on that `served` decides.
    pub(crate) fn begin(&self, candidate: Candidate, served: Arc<RouteTable>, now: Timestamp) {
        let trial = Trial::new(candidate, served, now);
        self.trial.store(Some(Arc::new(trial)));
        self.is_on.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        self.trial.store(None);
    }

    pub(crate) fn report(&self) -> Option<Report> {
        Some(self.trial.load_full()?.report())
    }

    pub(crate) fn counts(&self) -> Option<Counts> {
        Some(self.trial.load_full()?.counts())
    }

    /// The candidate beside `served`, if there is one.
    #[inline]
    pub(crate) fn beside(&self, served: &Arc<RouteTable>) -> Option<Arc<Trial>> {
        if !self.is_on.load(Ordering::Relaxed) {
            return None;
        }
        let trial = self.trial.load_full()?;
        Arc::ptr_eq(&trial.served, served).then_some(trial)
    }
}

/// A candidate, and what came of it.
#[derive(Debug)]
pub(crate) struct Trial {
    candidate: Candidate,
    /// Names of the roles that give something else in the candidate.
    changed: BTreeSet<String>,
    served: Arc<RouteTable>,
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
    fn new(candidate: Candidate, served: Arc<RouteTable>, now: Timestamp) -> Self {
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

    fn report(&self) -> Report {
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
    fn counts(&self) -> Counts {
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

impl Flip {
    /// The first of its kind.
    fn of(change: Change, served: &Decision, candidate: Decision) -> Self {
        Self {
            change,
            count: 1,
            route: served.route.clone(),
            before: served.reason,
            after: candidate.reason,
            first_ms: served.at_ms,
            last_ms: served.at_ms,
            example: Example::of(&candidate),
            candidate_route: candidate.route,
        }
    }
}

impl Example {
    fn of(candidate: &Decision) -> Self {
        let short = |text: &Text| Text::Owned(cut(text));
        Self {
            trace_id: candidate.trace_id,
            method: cut(&candidate.method),
            path: cut(&candidate.path),
            failed: candidate.failed_check().map(|check| Check {
                seen: short(&check.seen),
                wanted: short(&check.wanted),
                ..*check
            }),
        }
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::*;

    use doorward_policy::{
        decision::Step,
        permission::Permission,
        role::{RoleName, RoleSpec},
    };

    fn roles(named: &[(&str, &[&str])]) -> Roles {
        let spec = |(name, permissions): &(&str, &[&str])| RoleSpec {
            name: RoleName::parse(name).unwrap(),
            inherits: Vec::new(),
            permissions: patterns(permissions),
        };
        Roles::build(named.iter().map(spec).collect()).unwrap()
    }

    fn patterns(texts: &[&str]) -> Vec<PermissionPattern> {
        let parse = |text: &&str| PermissionPattern::parse(text).unwrap();
        texts.iter().map(parse).collect()
    }

    fn trial(served: &[(&str, &[&str])], candidate: &[(&str, &[&str])]) -> Trial {
        let candidate = Candidate {
            routes: RouteTable::default(),
            roles: roles(candidate),
            served_roles: roles(served),
        };
        Trial::new(candidate, Arc::default(), Timestamp::from_millis(1))
    }

    fn decision(path: &str, reason: Reason) -> Decision {
        let mut decision = Decision::new(TraceId::from_bytes([7; 16]), 5, "GET", path);
        match reason.status() {
            200 => decision.allow(reason),
            _ => drop(decision.fail(Step::Route, reason, "seen", "wanted")),
        }
        decision
    }

    #[test]
    fn a_role_that_gives_something_else_gives_that() {
        let trial = trial(
            &[("reader", &["orders:*"]), ("clerk", &["bills:read"])],
            &[("reader", &["orders:read"]), ("clerk", &["bills:read"])],
        );
        let of = |roles: &[&str], held: &[&str]| {
            let roles: Vec<_> = roles.iter().map(ToString::to_string).collect();
            trial.regranted(&roles, &patterns(held))
        };
        assert_eq!(of(&["clerk"], &["bills:read"]), None, "it gives the same");
        assert_eq!(of(&[], &["orders:*"]), None, "no role gave it");
        let now = of(&["reader"], &["orders:*", "own:thing"]).unwrap();
        assert_eq!(now, patterns(&["own:thing", "orders:read"]));
        // As numbers, a wildcard is written out.
        let now = of(&["reader"], &["orders:read", "orders:delete"]).unwrap();
        let delete = Permission::parse("orders:delete").unwrap();
        assert!(!now.iter().any(|held| held.covers(&delete)));
    }

    #[test]
    fn a_role_that_is_gone_gives_nothing_and_a_new_one_something() {
        let trial = trial(&[("old", &["a:b"])], &[("new", &["c:d"])]);
        let of = |role: &str, held: &[&str]| {
            let now = trial.regranted(&[role.to_owned()], &patterns(held));
            now.unwrap()
        };
        assert!(of("old", &["a:b"]).is_empty());
        assert_eq!(of("new", &[]), patterns(&["c:d"]));
    }

    #[test]
    fn flips_are_counted_by_kind_and_the_last_one_is_the_example() {
        let trial = trial(&[], &[]);
        let note = |path: &str, before, after| {
            let candidate = decision(path, after);
            trial.note(Said::Decided(candidate.into()), &decision(path, before));
        };
        note("/1", Reason::PublicRoute, Reason::PublicRoute);
        note("/2", Reason::PublicRoute, Reason::NoRoute);
        note("/3", Reason::NoRoute, Reason::NoToken);
        note("/4", Reason::NoRoute, Reason::PublicRoute);
        note("/5", Reason::PublicRoute, Reason::NoRoute);
        trial.note(Said::Unknown, &decision("/6", Reason::NoRoute));
        trial.note(Said::Panicked, &decision("/7", Reason::NoRoute));
        let report = trial.report();
        let wanted = Requests {
            same: 1,
            opened: 1,
            closed: 2,
            other_reason: 1,
            unknown: 1,
            panicked: 1,
        };
        assert_eq!(report.requests, wanted);
        let changes: Vec<_> = report.flips.iter().map(|flip| flip.change).collect();
        assert_eq!(
            changes,
            [Change::Opened, Change::Closed, Change::OtherReason]
        );
        let closed = &report.flips[1];
        assert_eq!((closed.count, closed.example.path.as_str()), (2, "/5"));
        assert_eq!(closed.example.failed.as_ref().unwrap().seen, "seen");
    }

    #[test]
    fn counts_are_summed_by_route() {
        let trial = trial(&[], &[]);
        let note = |route: Option<&str>, before: Reason, after: Reason| {
            let mut served = decision("/", before);
            let mut candidate = decision("/", after);
            let named = |pattern: &str| RouteRef {
                pattern: pattern.into(),
                source: None,
            };
            served.route = route.map(named);
            candidate.route = Some(named("GET /new"));
            trial.note(Said::Decided(candidate.into()), &served);
        };
        note(Some("GET /a"), Reason::PublicRoute, Reason::NoToken);
        note(Some("GET /a"), Reason::PublicRoute, Reason::TokenExpired);
        note(Some("GET /a"), Reason::NoToken, Reason::PublicRoute);
        note(None, Reason::NoRoute, Reason::PublicRoute);
        let Counts { requests, flips } = trial.counts();
        assert_eq!(requests, trial.report().requests);
        let place = |route: &str, change| (Some(Arc::from(route)), change);
        let wanted = [
            (place("GET /a", Change::Opened), 1),
            (place("GET /a", Change::Closed), 2),
            (place("GET /new", Change::Opened), 1),
        ];
        assert_eq!(flips, BTreeMap::from(wanted));
    }

    #[test]
    fn looks_are_counted_by_the_second() {
        let looks = Looks::default();
        let taken = |second: u64| {
            let all = 0..2 * LOOKS_PER_SECOND;
            all.filter(|_| looks.take(UnixTime::from_secs(second)))
                .count()
        };
        assert_eq!([taken(7), taken(7), taken(8), taken(7)], [100, 0, 100, 100]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let trial = trial(&[], &[]);
        let long = format!("/{}", "é".repeat(4000));
        for number in 0..=MOST_FLIPS + 1 {
            let mut candidate = decision(&long, Reason::PublicRoute);
            candidate.route = Some(RouteRef {
                pattern: format!("GET /{number}").into(),
                source: None,
            });
            let said = Said::Decided(candidate.into());
            trial.note(said, &decision(&long, Reason::NoRoute));
        }
        let report = trial.report();
        assert_eq!((report.flips.len(), report.further), (MOST_FLIPS, 2));
        assert_eq!(report.requests.opened, report.further + 1000);
        let path = &report.flips[0].example.path;
        assert_eq!(path.chars().count(), LONGEST_TEXT + 1, "{path}");
    }

    #[test]
    fn a_candidate_rests_when_what_it_stands_beside_is_replaced() {
        let shadow = Shadow::default();
        let served = Arc::new(RouteTable::default());
        assert!(shadow.beside(&served).is_none() && shadow.report().is_none());
        let candidate = Candidate {
            routes: RouteTable::default(),
            roles: Roles::default(),
            served_roles: Roles::default(),
        };
        let now = Timestamp::from_millis(1);
        shadow.begin(candidate, Arc::clone(&served), now);
        assert!(shadow.beside(&served).is_some());
        assert!(shadow.beside(&Arc::new(RouteTable::default())).is_none());
        shadow.end();
        assert!(shadow.beside(&served).is_none() && shadow.report().is_none());
    }
}
