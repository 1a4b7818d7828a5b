//! What a run found out, and its forms: one report, many renderings.

mod comparison;
mod html;
mod json;
mod junit;
mod markdown;
mod moment;
mod sarif;
mod suppression;
mod terminal;
#[cfg(test)]
mod tests;

use doorward_jose::{json::Value, time::UnixTime, token::Inspected};

use crate::{
    case::{self, Severity, Tier},
    likeness::Shown,
    run::Attack,
    verdict::{CaseResult, Verdict},
};

pub use self::{
    comparison::{Comparison, ComparisonError},
    html::html,
    json::json,
    junit::junit,
    markdown::markdown,
    moment::rfc3339,
    sarif::sarif,
    suppression::{Suppression, SuppressionError},
    terminal::{Tone, terminal},
};

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Names the run; every request of it carries the first half.
    pub run_id: String,
    /// When it began.
    pub started: UnixTime,
    /// How long it took.
    pub milliseconds: u64,
    /// The route, without its query.
    pub target: String,
    /// Path of the route.
    pub route: String,
    /// Request method.
    pub method: String,
    /// Where the token went.
    pub place: String,
    /// `alg` of the token, when it is a compact JWS.
    pub algorithm: Option<String>,
    /// How it ended.
    pub end: End,
    /// Requests that were sent, all in all.
    pub requests: u32,
    /// How the target looks when it lets in and when it refuses.
    pub calibration: Vec<(&'static str, Shown)>,
    /// Every case, in the catalogue's order.
    pub cases: Vec<CaseResult>,
    /// The mildest finding that fails the run.
    pub threshold: Severity,
    /// What changed since an earlier run, if one was given.
    pub comparison: Option<Comparison>,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every case was judged.
    Complete,
    /// The findings, or their absence, are worth nothing; says why.
    Void(String),
    /// A limit was reached; says which.
    Budget(String),
}

impl End {
    /// Its name in reports.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Void(_) => "void",
            Self::Budget(_) => "budget",
        }
    }

    /// Why it was not complete.
    pub fn why(&self) -> Option<&str> {
        match self {
            Self::Complete => None,
            Self::Void(why) | Self::Budget(why) => Some(why),
        }
    }
}

impl Report {
    /// An empty one.
    pub(crate) fn begin(attack: &Attack) -> Self {
        let jws = Inspected::parse(&attack.token).ok();
        let algorithm = jws.and_then(|jws| {
            jws.header
                .get("alg")
                .and_then(Value::as_str)
                .map(str::to_owned)
        });
        Self {
            run_id: attack
                .run_id
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            started: attack.started,
            milliseconds: 0,
            target: attack.target.shown(),
            route: attack.target.path.clone(),
            method: attack.target.method.clone(),
            place: attack.target.place.to_string(),
            algorithm,
            end: End::Complete,
            requests: 0,
            calibration: Vec::new(),
            cases: Vec::new(),
            threshold: Severity::High,
            comparison: None,
        }
    }

    /// Adds the cases that have no verdict yet: nothing is left out silently.
    pub(crate) fn complete(&mut self, attack: &Attack) {
        let (verdict, why) = match &self.end {
            End::Complete => (
                Verdict::NotApplicable,
                "the route is not protected (AUZ-001)".to_owned(),
            ),
            End::Void(why) | End::Budget(why) => (Verdict::Inconclusive, why.clone()),
        };
        for case in case::all() {
            if self.cases.iter().any(|result| result.case.id == case.id) {
                continue;
            }
            let result = match case.tier {
                _ if !attack.is_wanted(case) => {
                    CaseResult::untried(case, Verdict::Skipped, "not asked for")
                }
                Tier::OwnStack => CaseResult::untried(
                    case,
                    Verdict::NotApplicable,
                    "only the makers of a system can test this, from inside",
                ),
                _ => CaseResult::untried(case, verdict, why.clone()),
            };
            self.cases.push(result);
        }
        let place = |id: &str| case::all().iter().position(|case| case.id == id);
        self.cases.sort_by_key(|result| place(result.case.id));
    }

    /// How many cases of the outside tiers have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        let outside = self
            .cases
            .iter()
            .filter(|result| result.case.tier != Tier::OwnStack);
        outside.filter(|result| result.verdict == verdict).count()
    }

    /// Cases with something to act on, the worst first.
    pub fn findings(&self) -> Vec<&CaseResult> {
        let mut found: Vec<_> = self
            .cases
            .iter()
            .filter(|result| result.verdict.is_finding() && result.suppressed.is_none())
            .collect();
        found.sort_by_key(|result| {
            let severity = result.severity().unwrap_or(Severity::Info);
            (
                result.verdict != Verdict::Vulnerable,
                std::cmp::Reverse(severity),
            )
        });
        found
    }

    /// How many of them are more than worth knowing.
    pub fn actionable(&self) -> usize {
        let findings = self.findings().into_iter();
        findings
            .filter(|result| result.severity() > Some(Severity::Info))
            .count()
    }

    /// Ids of the cases that were proven.
    pub fn found(&self) -> Vec<&'static str> {
        self.ids(Verdict::Vulnerable)
    }

    /// Ids of the cases with this verdict.
    pub fn ids(&self, verdict: Verdict) -> Vec<&'static str> {
        let results = self.cases.iter().filter(|result| result.verdict == verdict);
        results.map(|result| result.case.id).collect()
    }

    /// Whether a finding reaches the threshold.
    pub fn fails(&self) -> bool {
        let severities = self.findings().into_iter().filter_map(CaseResult::severity);
        severities
            .max()
            .is_some_and(|worst| worst >= self.threshold)
    }

    /// What the command ends with: 0 nothing at the threshold, 1 findings, 3
    /// void, 4 a limit was reached. A void run is never green.
    pub fn exit_code(&self) -> u8 {
        match &self.end {
            End::Void(_) => 3,
            _ if self.fails() => 1,
            End::Budget(_) => 4,
            End::Complete => 0,
        }
    }
}
