//! One decision that is wanted, and what became of it.

use std::net::IpAddr;

use doorward_policy::decision::{Decision, Outcome, Reason};
use doorward_verify::clock::Timestamp;

use crate::{
    exit::Failure,
    rehearsal::{Asked, Claims, Rehearsal},
};

/// A decision that is wanted.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    /// File and line, or file and number.
    pub(super) source: String,
    pub(super) method: String,
    pub(super) target: String,
    pub(super) caller: Option<Claims>,
    /// Where the request comes from, if that is said.
    pub(super) peer: Option<IpAddr>,
    /// When, if not now.
    pub(super) at: Option<Timestamp>,
    pub(super) wanted: Wanted,
}

/// What is wanted of it.
#[derive(Debug)]
pub(super) enum Wanted {
    /// By hand: let in or turned away, and maybe why.
    Written(Outcome, Option<Reason>),
    /// What it was when it was recorded; the reason may be another one.
    Recorded(Outcome, Reason),
    /// It cannot be judged, for this reason.
    Nothing(String),
}

/// A case, and what became of it.
pub(super) struct Judged {
    pub(super) case: Case,
    pub(super) verdict: Verdict,
}

/// What became of it.
pub(super) enum Verdict {
    Passed(Box<Decision>),
    Failed(Box<Decision>),
    Skipped(String),
}

impl Case {
    /// Judges the request and compares.
    pub(super) async fn judge(
        self,
        rehearsal: &Rehearsal,
        now: Timestamp,
    ) -> Result<Judged, Failure> {
        if let Wanted::Nothing(why) = &self.wanted {
            let verdict = Verdict::Skipped(why.clone());
            return Ok(Judged {
                case: self,
                verdict,
            });
        }
        let asked = Asked {
            method: &self.method,
            target: &self.target,
            peer: self.peer,
        };
        let judging = rehearsal.judge(&asked, self.caller.as_ref(), self.at.unwrap_or(now));
        let decision = Box::new(judging.await?);
        let verdict = match self.wanted.is_met_by(&decision) {
            true => Verdict::Passed(decision),
            false => Verdict::Failed(decision),
        };
        Ok(Judged {
            case: self,
            verdict,
        })
    }

    /// `GET /orders/7`.
    pub(super) fn request(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

impl Wanted {
    fn is_met_by(&self, decision: &Decision) -> bool {
        match self {
            Self::Written(outcome, reason) => {
                decision.outcome == *outcome && reason.is_none_or(|it| it == decision.reason)
            }
            Self::Recorded(outcome, _) => decision.outcome == *outcome,
            Self::Nothing(_) => false,
        }
    }

    /// In words: `denied (no_token)`.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Written(outcome, None) => word(*outcome).to_owned(),
            Self::Written(outcome, Some(reason)) | Self::Recorded(outcome, reason) => {
                format!("{} ({})", word(*outcome), reason.code())
            }
            Self::Nothing(_) => "nothing".to_owned(),
        }
    }

    /// As a program reads it.
    pub(super) const fn parts(&self) -> Option<(Outcome, Option<Reason>)> {
        match self {
            Self::Written(outcome, reason) => Some((*outcome, *reason)),
            Self::Recorded(outcome, reason) => Some((*outcome, Some(*reason))),
            Self::Nothing(_) => None,
        }
    }
}

/// The word for an outcome.
pub(super) const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Allowed => "allowed",
        Outcome::Denied => "denied",
        Outcome::Failed => "failed",
    }
}
