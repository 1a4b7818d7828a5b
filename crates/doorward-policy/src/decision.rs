//! The decision record: one value that says why a request was let in or
//! turned away.
//!
//! Every check writes its line here: what it looked at, what it saw, what it
//! wanted. The same record is the terminal line, the problem document, the
//! answer of `explain`, the log entry and a recorded test. It never holds a
//! token, a password or a body.
//!
//! Who may read which part is decided by [`Reason::audience`], not by the
//! place that prints it.

mod reason;
mod text;
mod trace_id;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use reason::{Audience, Reason, Spoken};
pub use text::Text;
pub use trace_id::{ParseTraceIdError, TraceId};

/// Whether the request went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Let through, or answered by Doorward itself with success.
    Allowed,
    /// Turned away.
    Denied,
    /// Allowed, but the upstream or Doorward could not serve it.
    Failed,
}

/// The step of the request's way that a check belongs to, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Step {
    /// Shape of the message: framing, sizes, header hygiene.
    Request,
    /// The path has exactly one reading.
    Path,
    /// A route matches method and path.
    Route,
    /// A credential is present, once, in the right place.
    Credential,
    /// The token's form: three parts, strict header, allowed algorithm.
    Token,
    /// The key is known and the signature holds.
    Signature,
    /// Issuer and audience are the expected ones.
    Audience,
    /// The token is inside its lifetime.
    Time,
    /// Neither token, session, user, client, tenant nor key is revoked.
    Revocation,
    /// What policies say beside the roles.
    Policy,
    /// The caller holds the permission that the route asks for.
    Permission,
    /// The route's `where` conditions hold.
    Condition,
    /// The sign-in behind the token is strong and fresh enough for the route.
    StepUp,
    /// The account: sign-in, refresh, sign-out.
    Account,
    /// The API behind the gateway.
    Upstream,
}

impl Step {
    /// The word shown in front of the check.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Path => "path",
            Self::Route => "route",
            Self::Credential => "credential",
            Self::Token => "token",
            Self::Signature => "signature",
            Self::Audience => "audience",
            Self::Time => "time",
            Self::Revocation => "revocation",
            Self::Policy => "policy",
            Self::Permission => "permission",
            Self::Condition => "condition",
            Self::StepUp => "step_up",
            Self::Account => "account",
            Self::Upstream => "upstream",
        }
    }
}

/// One check: what was looked at, what was seen, what was wanted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// Where on the way it stands.
    pub step: Step,
    /// Whether it held.
    pub passed: bool,
    /// What it saw.
    pub seen: Text,
    /// What it wanted; empty where seeing is enough.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub wanted: Text,
}

/// A line in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SourceLine {
    /// The file's name as the operator gave it.
    pub file: Arc<str>,
    /// Line number, from 1.
    pub line: u32,
}

impl std::fmt::Display for SourceLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// The route that decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteRef {
    /// The pattern as written, for example `GET /orders/{id}`.
    pub pattern: Arc<str>,
    /// Where it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<SourceLine>,
}

/// Who asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Caller {
    /// `sub` of the token.
    pub subject: String,
    /// `iss` of the token, where it is another issuer's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Tenant the token is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Roles in that tenant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// What a token grants that names no roles which would.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// `client_id` of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<String>,
    /// `acr` of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// `auth_time` of the token, seconds since 1970 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<u64>,
    /// Session (`sid`) of the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Token id (`jti`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// Key that signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
}

/// The span of a caller that a request belongs to (W3C Trace Context).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerSpan {
    /// `parent-id`, not all zero.
    pub id: [u8; 8],
    /// Whether the caller may have recorded it.
    pub is_sampled: bool,
}

/// Why one request was let in or turned away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Names this request in every log, answer and header.
    pub trace_id: TraceId,
    /// When it arrived, milliseconds since 1970 UTC.
    pub at_ms: u64,
    /// The caller's own trace, where the request came with one
    /// (`traceparent`). Many requests may share it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller_trace: Option<TraceId>,
    /// The caller's span in it. For whoever exports spans; it is not written down.
    #[serde(skip)]
    pub caller_span: Option<CallerSpan>,
    /// Request method.
    pub method: Text,
    /// Path without the query: queries carry secrets.
    pub path: Text,
    /// Network address of the peer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<std::net::IpAddr>,
    /// The route that matched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteRef>,
    /// Whether signature, issuer and audience of the token held: from then on
    /// the caller may be told precisely what is missing.
    #[serde(default)]
    pub proven: bool,
    /// The caller, once proven and inside the token's lifetime.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<Arc<Caller>>,
    /// Every check, in the order in which it was made.
    pub checks: Vec<Check>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it ended so.
    pub reason: Reason,
    /// Status sent to the caller; absent for a decision that was only explained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// From the request's head to the answer's head, microseconds.
    #[serde(default)]
    pub elapsed_us: u64,
    /// The command or change that would turn a denial around.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

impl Decision {
    /// A record with no check yet. What stays undecided is denied, so it
    /// starts as [`Outcome::Denied`] for [`Reason::Internal`].
    pub fn new(trace_id: TraceId, at_ms: u64, method: &str, path: &str) -> Self {
        // As many as a request that is let through has.
        let line = (Text::copied(method), Text::copied(path));
        Self::with_room(Vec::with_capacity(11), trace_id, at_ms, line)
    }

    fn with_room(
        checks: Vec<Check>,
        trace_id: TraceId,
        at_ms: u64,
        (method, path): (Text, Text),
    ) -> Self {
        Self {
            trace_id,
            at_ms,
            caller_trace: None,
            caller_span: None,
            method,
            path,
            peer: None,
            route: None,
            proven: false,
            caller: None,
            checks,
            outcome: Outcome::Denied,
            reason: Reason::Internal,
            status: None,
            elapsed_us: 0,
            fix: None,
        }
    }

    /// The record so far; what stays behind is as good as new, holds no memory
    /// and names the same request.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let line = (Text::default(), Text::default());
        let behind = Self::with_room(Vec::new(), self.trace_id, self.at_ms, line);
        std::mem::replace(self, behind)
    }

    /// Records a check that held.
    pub fn pass(&mut self, step: Step, seen: impl Into<Text>) {
        self.checks.push(Check {
            step,
            passed: true,
            seen: seen.into(),
            wanted: Text::default(),
        });
    }

    /// Records a check that failed, denies for `reason`, and returns it.
    pub fn fail(
        &mut self,
        step: Step,
        reason: Reason,
        seen: impl Into<Text>,
        wanted: impl Into<Text>,
    ) -> Reason {
        self.checks.push(Check {
            step,
            passed: false,
            seen: seen.into(),
            wanted: wanted.into(),
        });
        self.refuse(reason)
    }

    /// Denies for `reason`; for a check that is recorded already.
    pub fn refuse(&mut self, reason: Reason) -> Reason {
        self.outcome = if reason.is_failure() {
            Outcome::Failed
        } else {
            Outcome::Denied
        };
        self.reason = reason;
        reason
    }

    /// Lets the request through for `reason`.
    pub fn allow(&mut self, reason: Reason) {
        self.outcome = Outcome::Allowed;
        self.reason = reason;
    }

    /// Records who asked. Only for a caller whose token was proven.
    ///
    /// Shared, so that a verifier that has seen the token before does not
    /// write the same names again for every request.
    pub fn prove(&mut self, caller: impl Into<Arc<Caller>>) {
        self.proven = true;
        self.caller = Some(caller.into());
    }

    /// The failing check, if there is one.
    pub fn failed_check(&self) -> Option<&Check> {
        self.checks.iter().rev().find(|check| !check.passed)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::{Caller, Decision, Outcome, Reason, Step, TraceId};

    fn decision() -> Decision {
        Decision::new(TraceId::from_bytes([7; 16]), 1, "GET", "/orders")
    }

    #[test]
    fn undecided_is_denied() {
        assert_eq!(decision().outcome, Outcome::Denied);
    }

    #[test]
    fn a_failed_check_denies_and_names_itself() {
        let mut decision = decision();
        decision.pass(Step::Route, "GET /orders");
        decision.fail(
            Step::Permission,
            Reason::MissingPermission,
            "orders:read",
            "orders:delete",
        );
        assert_eq!(decision.outcome, Outcome::Denied);
        assert_eq!(decision.failed_check().unwrap().step, Step::Permission);
    }

    #[test]
    fn an_upstream_failure_is_not_a_denial() {
        let mut decision = decision();
        decision.fail(Step::Upstream, Reason::UpstreamUnreachable, "refused", "");
        assert_eq!(decision.outcome, Outcome::Failed);
    }

    #[test]
    fn nobody_is_proven_until_somebody_is() {
        let mut decision = decision();
        assert!(!decision.proven);
        let caller = Caller {
            subject: "u1".to_owned(),
            ..Caller::default()
        };
        decision.prove(caller.clone());
        assert!(decision.proven);
        assert_eq!(decision.caller.as_deref(), Some(&caller));
    }

    #[test]
    fn a_step_has_one_name_in_the_terminal_and_in_json() {
        let all = Step::Request..=Step::Upstream;
        for name in [
            "request",
            "path",
            "route",
            "credential",
            "token",
            "signature",
            "audience",
            "time",
            "revocation",
            "policy",
            "permission",
            "condition",
            "step_up",
            "account",
            "upstream",
        ] {
            let step: Step = serde_json::from_str(&format!("{name:?}")).unwrap();
            assert_eq!(step.name(), name);
            assert!(all.contains(&step));
        }
    }

    #[test]
    fn survives_json() {
        let mut decision = decision();
        decision.fail(Step::Credential, Reason::NoToken, "no Authorization", "");
        let text = serde_json::to_string(&decision).unwrap();
        assert_eq!(serde_json::from_str::<Decision>(&text).unwrap(), decision);
    }
}
