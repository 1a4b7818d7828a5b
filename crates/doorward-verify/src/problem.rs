//! The safe part of a decision as an RFC 9457 problem document.
//!
//! Strangers get the general word and a trace id; a caller whose token is
//! proven ours also gets what was seen and wanted. The whole record is for
//! the operator (`doorward explain TRACE-ID`).

use doorward_policy::decision::{Audience, Decision, Spoken};
use serde::Serialize;

/// Media type of the document.
pub const MEDIA_TYPE: &str = "application/problem+json";

/// Where Doorward explains its reasons, relative to the origin that answered
/// (RFC 9457 section 3.1.1 allows a relative reference).
pub const REASONS_PATH: &str = "/.well-known/doorward/reasons/";

/// The document.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// Names the reason; stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// The reason in one sentence.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// Stable code of the reason.
    pub reason: &'static str,
    /// What was wanted, for those who may know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// Names the request for `doorward explain`.
    pub trace_id: String,
}

impl Problem {
    /// The part of `decision` that its caller may read.
    pub fn of(decision: &Decision) -> Self {
        let spoken = decision.reason.public(decision.proven);
        Self {
            kind: format!("{REASONS_PATH}{}", spoken.code()),
            title: spoken.title(),
            status: decision.status.unwrap_or(decision.reason.status()),
            reason: spoken.code(),
            detail: detail(decision, spoken),
            trace_id: decision.trace_id.to_string(),
        }
    }

    /// The document as JSON.
    pub fn to_json(&self) -> Vec<u8> {
        // Only strings and a number: cannot fail; an empty body would still
        // be a denial.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// Seen and wanted of the failing check, if its reason may be named at all
/// and the caller proved who they are.
fn detail(decision: &Decision, spoken: Spoken) -> Option<String> {
    let Spoken::Named(reason) = spoken else {
        return None;
    };
    if reason.audience() != Audience::ProvenCaller || !decision.proven {
        return None;
    }
    let check = decision.failed_check()?;
    let detail = match (check.seen.as_ref(), check.wanted.as_ref()) {
        (seen, "") => seen.to_owned(),
        ("", wanted) => format!("wants {wanted}"),
        (seen, wanted) => format!("wants {wanted}, has {seen}"),
    };
    Some(detail)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::{Audience, Decision, Reason, Step, TraceId};

    use super::Problem;

    fn document(reason: Reason, proven: bool) -> serde_json::Value {
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
        decision.proven = proven;
        decision.fail(Step::Token, reason, "seen-value", "wanted-value");
        serde_json::from_slice(&Problem::of(&decision).to_json()).unwrap()
    }

    /// The table of who may hear what, one row for each reason.
    #[test]
    fn every_reason_is_told_only_to_its_audience() {
        for reason in Reason::ALL.iter().copied() {
            let stranger = document(reason, false).to_string();
            assert!(
                !stranger.contains("seen-value"),
                "{} tells strangers",
                reason.code()
            );
            let named = |text: &str| text.contains(&format!("\"{}\"", reason.code()));
            let proven = document(reason, true).to_string();
            match reason.audience() {
                Audience::Anyone => assert!(named(&stranger), "{}", reason.code()),
                Audience::ProvenCaller => {
                    assert!(!named(&stranger), "{} is named to strangers", reason.code());
                    assert!(
                        named(&proven) && proven.contains("wanted-value"),
                        "{}",
                        reason.code()
                    );
                }
                Audience::Operator => {
                    assert!(!named(&stranger) && !named(&proven), "{}", reason.code());
                    assert!(!proven.contains("wanted-value"), "{}", reason.code());
                }
            }
        }
    }

    #[test]
    fn a_proven_caller_reads_what_was_wanted_and_what_was_seen() {
        let detail = |seen: &'static str, wanted: &'static str| {
            let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
            decision.proven = true;
            decision.fail(Step::Token, Reason::MissingPermission, seen, wanted);
            Problem::of(&decision).detail
        };
        assert_eq!(detail("a", "b").as_deref(), Some("wants b, has a"));
        assert_eq!(detail("", "b").as_deref(), Some("wants b"));
        assert_eq!(detail("a", "").as_deref(), Some("a"));
        let public = document(Reason::NoRoute, true);
        assert_eq!(public["type"], "/.well-known/doorward/reasons/no_route");
        assert!(public.get("detail").is_none(), "anyone's reason has none");
    }

    #[test]
    fn it_always_carries_the_trace_id() {
        assert_eq!(
            document(Reason::NoRoute, false)["trace_id"],
            "01".repeat(16)
        );
    }
}
