//! A denial as an HTTP answer: the problem document (RFC 9457), the challenge
//! that goes with it (RFC 6750), the request's name, and no store.
//!
//! For services that answer by themselves. It needs no framework, so that a
//! plain handler function refuses with the words of the layer and the gateway.

use doorward_policy::decision::Decision;
use http::{
    HeaderName, HeaderValue, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};

use crate::{
    challenge::www_authenticate,
    problem::{MEDIA_TYPE, Problem},
};

/// Field that names the request, as the gateway sends it.
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The answer to a request that `decision` turned away.
///
/// `scope` names the permission that was asked for, if one was; only a proven
/// caller is told.
///
/// ```
/// use doorward_policy::decision::{Decision, Reason, Step, TraceId};
/// use doorward_verify::refusal;
///
/// let mut decision = Decision::new(TraceId::from_bytes([7; 16]), 0, "GET", "/orders");
/// decision.fail(Step::Credential, Reason::NoToken, "nothing", "a bearer token");
/// let answer = refusal::response(&decision, None);
/// assert_eq!(answer.status(), 401);
/// assert_eq!(answer.headers()["www-authenticate"], "Bearer");
/// ```
pub fn response(decision: &Decision, scope: Option<&str>) -> Response<Vec<u8>> {
    let mut response = Response::new(Problem::of(decision).to_json());
    // Every status of the table is one.
    *response.status_mut() =
        StatusCode::from_u16(decision.reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(challenge) = www_authenticate(decision, scope) {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if decision.reason.status() == 503 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Ok(name) = HeaderValue::try_from(decision.trace_id.to_string()) {
        headers.insert(REQUEST_ID, name);
    }
    response
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::{Decision, Reason, Step, TraceId};

    use super::response;

    /// A refusal must never look like consent, whatever the reason.
    #[test]
    fn every_reason_of_a_denial_has_its_status_its_name_and_no_store() {
        let denials = Reason::ALL.iter().filter(|reason| reason.status() >= 400);
        for reason in denials.copied() {
            let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
            decision.fail(Step::Token, reason, "seen", "wanted");
            let answer = response(&decision, None);
            assert_eq!(answer.status().as_u16(), reason.status());
            assert_eq!(answer.headers()["cache-control"], "no-store");
            assert_eq!(answer.headers()["x-request-id"], "01".repeat(16).as_str());
            let challenged = answer.headers().contains_key("www-authenticate");
            // What a policy forbids no other token opens, and no scope makes
            // another issuer's subject one of ours.
            let no_scope_helps = matches!(
                reason,
                Reason::ForbiddenByPolicy | Reason::PolicyError | Reason::ForeignCaller
            );
            let wants_other = matches!(reason.status(), 401 | 403) && !no_scope_helps;
            assert_eq!(challenged, wants_other, "{}", reason.code());
            // RFC 9110, 15.6.4: what may be there again says when to ask.
            let again = answer.headers().contains_key("retry-after");
            assert_eq!(again, reason.status() == 503, "{}", reason.code());
            let document: serde_json::Value = serde_json::from_slice(answer.body()).unwrap();
            assert_eq!(document["status"], reason.status());
        }
    }
}
