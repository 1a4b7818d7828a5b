//! Decisions that were made, from the decision log and from `explain --json`.
//!
//! A record holds no token, so what is asked is whether the same caller, with
//! the roles of that token, would fare the same by the present configuration.
//! What was decided by the token itself (a bad signature, an expiry, a
//! revocation) says nothing about a configuration and is skipped.

use doorward_policy::decision::{Decision, Outcome, Reason};
use doorward_verify::clock::Timestamp;
use serde_json::Value;

use super::case::{Case, Wanted};
use crate::{exit::Failure, rehearsal::Claims};

/// The cases of `text`: JSON values one after another, or arrays of them; each
/// a decision, or an object with one as `decision`.
pub(super) fn cases(file: &str, text: &str) -> Result<Vec<Case>, Failure> {
    let mut decisions = Vec::new();
    for value in serde_json::Deserializer::from_str(text).into_iter() {
        let value: Value = value.map_err(|error| {
            Failure::configuration(format!("{file} is not JSON: {error}")).hint(
                "recorded decisions are JSON, as `doorward explain last --json` prints them; \
                 those written by hand stand in a file that ends with .toml",
            )
        })?;
        match value {
            Value::Array(values) => decisions.extend(values),
            value => decisions.push(value),
        }
    }
    let number = |(index, value)| {
        let source = format!("{file} #{}", index + 1);
        let decision = decision(value).map_err(|error| {
            Failure::configuration(format!("{source} is no decision: {error}"))
                .hint("was it recorded by this version?")
        })?;
        Ok(case(source, &decision))
    };
    decisions.into_iter().enumerate().map(number).collect()
}

fn decision(mut value: Value) -> Result<Decision, serde_json::Error> {
    let inner = value.get_mut("decision").map(Value::take);
    serde_json::from_value(inner.unwrap_or(value))
}

fn case(source: String, decision: &Decision) -> Case {
    let caller = decision.caller.as_deref();
    let wanted = match outcome_of(decision) {
        Ok(outcome) => Wanted::Recorded(outcome, decision.reason),
        Err(why) => Wanted::Nothing(why),
    };
    Case {
        name: format!("{} {}", decision.method, decision.path),
        source,
        method: decision.method.to_string(),
        target: decision.path.to_string(),
        caller: caller.map(|caller| Claims::recorded(caller, decision.at_ms)),
        peer: decision.peer,
        at: Some(Timestamp::from_millis(decision.at_ms)),
        wanted,
    }
}

/// What the configuration made of it, or why it was not the configuration.
fn outcome_of(decision: &Decision) -> Result<Outcome, String> {
    let reason = decision.reason;
    match reason {
        Reason::PublicRoute
        | Reason::Authenticated
        | Reason::PermissionGranted
        | Reason::PermittedByPolicy => Ok(Outcome::Allowed),
        // It was let in, and failed behind.
        Reason::UpstreamUnreachable | Reason::UpstreamBroken | Reason::UpstreamTimeout => {
            Ok(Outcome::Allowed)
        }
        Reason::NoRoute
        | Reason::MethodNotAllowed
        | Reason::AmbiguousPath
        | Reason::NoToken
        | Reason::MissingPermission
        | Reason::ForbiddenByPolicy
        | Reason::PolicyError
        | Reason::WrongTenant
        | Reason::ConditionFailed
        | Reason::InsufficientUserAuthentication => Ok(Outcome::Denied),
        _ if decision.route.is_none() && decision.outcome == Outcome::Allowed => {
            Err(format!("answered by Doorward itself ({})", reason.code()))
        }
        _ => Err(format!(
            "not decided by the configuration ({})",
            reason.code()
        )),
    }
}
