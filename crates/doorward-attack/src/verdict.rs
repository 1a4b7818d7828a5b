//! What was found out about each case.

use serde::{Deserialize, Serialize};

use crate::{
    case::{Case, Severity},
    likeness::Shown,
    report::Suppression,
};

/// What is known about a case after a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The attack worked, again, and the controls did not.
    Vulnerable,
    /// Something is wrong, but nobody got in.
    Suspect,
    /// Every probe was refused.
    Safe,
    /// There is nothing to attack here.
    NotApplicable,
    /// The answers cannot be judged; never read as safe.
    Inconclusive,
    /// Not tried; the result says what would unlock it.
    Skipped,
}

impl Verdict {
    /// Every verdict, the worst first.
    pub const ALL: [Self; 6] = [
        Self::Vulnerable,
        Self::Suspect,
        Self::Inconclusive,
        Self::Safe,
        Self::NotApplicable,
        Self::Skipped,
    ];

    /// Its name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vulnerable => "vulnerable",
            Self::Suspect => "suspect",
            Self::Safe => "safe",
            Self::NotApplicable => "not_applicable",
            Self::Inconclusive => "inconclusive",
            Self::Skipped => "skipped",
        }
    }

    /// Whether it is something to act on.
    pub const fn is_finding(self) -> bool {
        matches!(self, Self::Vulnerable | Self::Suspect)
    }
}

/// One case of a run.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// Which.
    pub case: &'static Case,
    /// What is known now.
    pub verdict: Verdict,
    /// Why nothing more is known; empty when it was tried.
    pub why: String,
    /// The option that would let it be tried.
    pub unlocked_by: Option<&'static str>,
    /// Requests that were its own.
    pub requests: u32,
    /// What was found, one for each probe that showed something.
    pub findings: Vec<Finding>,
    /// The requests by which a decision log can be asked.
    pub traces: Vec<Trace>,
    /// How many of its requests the target's decision log holds as refused;
    /// none if no log was asked.
    pub seen: Option<Seen>,
    /// Who accepted it, if somebody did.
    pub suppressed: Option<Suppression>,
}

/// What the target's own log knows of a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Requests that were answered with an id.
    pub asked: u32,
    /// Of those, how many the log holds as denied.
    pub denied: u32,
}

/// One request, as two logs may know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// The trace id that was sent in `traceparent`.
    pub sent: String,
    /// The id that came back in `x-request-id`.
    pub answered: Option<String>,
}

/// One probe that showed something.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Vulnerable or suspect.
    pub verdict: Verdict,
    /// The case's severity; a suspicion counts as medium at the most.
    pub severity: Severity,
    /// Which variant.
    pub what: String,
    /// Why it proves what it proves.
    pub why: String,
    /// The request line and header fields, with tokens masked.
    pub request: String,
    /// What came back to the probe.
    pub probe: Shown,
    /// The start of what came back, when it is no protected content.
    pub excerpt: Option<String>,
    /// The same as a curl command line, with `$TOKEN` or `$FORGED`.
    pub curl: String,
    /// The forged token, when there is one; never shown in a report.
    pub forged: Option<String>,
    /// Trace ids of the probe.
    pub trace: Option<Trace>,
}

impl CaseResult {
    /// A case that was not tried.
    pub(crate) fn untried(case: &'static Case, verdict: Verdict, why: impl Into<String>) -> Self {
        Self {
            case,
            verdict,
            why: why.into(),
            unlocked_by: None,
            requests: 0,
            findings: Vec::new(),
            traces: Vec::new(),
            seen: None,
            suppressed: None,
        }
    }

    /// The worst severity among its findings.
    pub fn severity(&self) -> Option<Severity> {
        self.findings.iter().map(|finding| finding.severity).max()
    }
}
