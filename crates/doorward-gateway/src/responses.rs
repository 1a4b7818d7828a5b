//! The answers that the gateway gives in its own name.
//!
//! Every status code of its own comes from [`Reason::status`] through here:
//! a problem document (RFC 9457), a challenge where one is due (RFC 6750,
//! RFC 9449), the request's name, and no store.
//!
//! [`Reason::status`]: doorward_policy::decision::Reason::status

use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::{
    challenge,
    problem::{MEDIA_TYPE, Problem},
    proof::DPOP_NONCE,
};
use http::{
    HeaderMap, HeaderValue, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
};
use http_body_util::Full;

use crate::{answer::Content, identity::REQUEST_ID, judge::Refusal};

/// The answer to a request that was turned away or could not be served.
///
/// `closes` ends the connection with it: part of the request is still to come,
/// and what follows it cannot be told from a request.
pub(crate) fn refusal(decision: &Decision, refusal: &Refusal, closes: bool) -> Response<Content> {
    let document = Problem::of(decision).to_json();
    let mut response = Response::new(Content::Whole(Full::from(document)));
    // Every status of the table is one.
    *response.status_mut() =
        StatusCode::from_u16(decision.reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let (challenge, nonce) = match &refusal.proof {
        Some(proof) => (proof.challenge.clone(), proof.nonce.clone()),
        None => (challenge_of(decision, refusal), None),
    };
    if let Some(challenge) = challenge {
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if let Some(nonce) = nonce {
        headers.insert(DPOP_NONCE, nonce);
    }
    let allow = refusal
        .allow
        .as_deref()
        .and_then(|methods| HeaderValue::try_from(methods).ok());
    if let Some(allow) = allow {
        headers.insert(ALLOW, allow);
    }
    if decision.reason.status() == 503 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if closes {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    name(headers, decision.trace_id);
    response
}

fn challenge_of(decision: &Decision, refusal: &Refusal) -> Option<HeaderValue> {
    let step_up = refusal.step_up.as_ref();
    step_up
        .and_then(|wanted| challenge::step_up(decision, wanted))
        .or_else(|| challenge::www_authenticate(decision, refusal.scope.as_deref()))
}

/// Names the request in its answer.
pub(crate) fn name(headers: &mut HeaderMap, trace_id: TraceId) {
    if let Ok(value) = HeaderValue::from_bytes(&trace_id.digits()) {
        headers.insert(REQUEST_ID, value);
    }
}
