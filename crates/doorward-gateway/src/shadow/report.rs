//! What came of a candidate, as operators and metrics are told.

use std::{collections::BTreeMap, sync::Arc};

use doorward_policy::decision::{Check, Decision, Reason, RouteRef, Text, TraceId};
use serde::{Deserialize, Serialize};

/// Longest text of an example, in characters: paths may be as long as a head.
pub(super) const LONGEST_TEXT: usize = 300;

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
    /// many of them in this second; or the served routes let it in, and no
    /// internal token could be made for it.
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

impl Flip {
    /// The first of its kind.
    pub(super) fn of(change: Change, served: &Decision, candidate: Decision) -> Self {
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
        let short = |text: &Text| Text::from(cut(text));
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
