//! Refusals: the one place where a reason becomes a status and a document.
//!
//! Handlers say *why* ([`Refusal`]), [`in_form`] says it to the caller: the
//! status from the table of reasons, an RFC 9457 problem document with the
//! part that this caller may read, the RFC 6750 challenge, `Retry-After`, and
//! for the token endpoint the RFC 6749 `error` member.

use std::borrow::Cow;

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use doorward_policy::decision::{Decision, Reason, Step};
use doorward_verify::{
    challenge,
    problem::{MEDIA_TYPE, Problem},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{answer::forbid_storing, extract::Arrival};
use crate::{
    error::{MintError, StoreError},
    issuer::Issuer,
};

/// When to try again after the store could not be used, seconds.
const STORE_RETRY_AFTER: u64 = 2;

/// Why an endpoint does not do what it was asked.
#[derive(Clone)]
pub(super) struct Refusal {
    reason: Reason,
    /// For the caller: what is wrong with the request itself.
    detail: Option<Cow<'static, str>>,
    /// For the operator only.
    seen: Cow<'static, str>,
    retry_after: Option<u64>,
    /// RFC 6749 section 5.2.
    oauth_error: Option<&'static str>,
    /// The decision of the verifier, where a token was checked.
    decision: Option<Box<Decision>>,
}

impl Refusal {
    /// For this reason, with nothing to add.
    pub(super) fn new(reason: Reason) -> Self {
        Self {
            reason,
            detail: None,
            seen: Cow::Borrowed(""),
            retry_after: None,
            oauth_error: None,
            decision: None,
        }
    }

    /// A token was refused, and `decision` says why.
    pub(super) fn decided(decision: Decision) -> Self {
        Self {
            decision: Some(Box::new(decision.clone())),
            ..Self::new(decision.reason)
        }
    }

    /// The request itself is wrong: says how, to anyone.
    pub(super) fn request(reason: Reason, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..Self::new(reason)
        }
    }

    /// What the operator should see.
    pub(super) fn seen(self, seen: impl Into<Cow<'static, str>>) -> Self {
        Self {
            seen: seen.into(),
            ..self
        }
    }

    /// Whether we failed, rather than the caller: what was asked may be done.
    pub(super) fn is_failure(&self) -> bool {
        self.reason.is_failure()
    }

    pub(super) fn retry_after(self, seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds),
            ..self
        }
    }

    pub(super) fn oauth_error(self, error: &'static str) -> Self {
        Self {
            oauth_error: Some(error),
            ..self
        }
    }

    fn into_decision(self, arrival: &Arrival) -> Decision {
        let mut decision = match self.decision {
            Some(decision) => *decision,
            None => {
                let mut decision = arrival.decision();
                decision.fail(step_of(self.reason), self.reason, self.seen, "");
                decision
            }
        };
        decision.status = Some(self.reason.status());
        decision
    }

    /// RFC 6749 section 5.2, for the endpoints that it and its kin describe.
    fn into_oauth_error(self, arrival: &Arrival) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            error_description: String,
            trace_id: String,
        }
        let (detail, retry_after) = (self.detail.clone(), self.retry_after);
        let decision = self.into_decision(arrival);
        let spoken = decision.reason.public(decision.proven);
        let title = || Cow::Borrowed(spoken.title());
        let body = Body {
            error: oauth_error_of(decision.reason),
            error_description: plain(&detail.unwrap_or_else(title)),
            trace_id: decision.trace_id.to_string(),
        };
        // Only strings: cannot fail; an empty body would still be a refusal.
        let body = serde_json::to_vec(&body).unwrap_or_default();
        in_answer(decision, body, "application/json", retry_after)
    }

    fn into_document(self, arrival: &Arrival) -> Response {
        if arrival.speaks_oauth() {
            return self.into_oauth_error(arrival);
        }
        #[derive(Serialize)]
        struct Body6749 {
            #[serde(flatten)]
            problem: Problem,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'static str>,
        }
        let (detail, error) = (self.detail.clone(), self.oauth_error);
        let retry_after = self.retry_after;
        let decision = self.into_decision(arrival);
        let mut problem = Problem::of(&decision);
        problem.detail = problem.detail.or(detail.map(Cow::into_owned));
        // Only strings and a number: cannot fail; an empty body would still
        // be a refusal.
        let body = serde_json::to_vec(&Body6749 { problem, error }).unwrap_or_default();
        in_answer(decision, body, MEDIA_TYPE, retry_after)
    }
}

/// The answer with what every refusal carries.
fn in_answer(
    decision: Decision,
    body: Vec<u8>,
    media_type: &'static str,
    retry_after: Option<u64>,
) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(decision.reason.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    forbid_storing(headers);
    if let Some(challenge) = challenge_of(&decision) {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response.extensions_mut().insert(decision.reason);
    if let Some(caller) = decision.caller.as_deref().cloned() {
        response.extensions_mut().insert(caller);
    }
    response.extensions_mut().insert(decision);
    response
}

/// The word of RFC 6749 section 5.2, or of its kin (RFC 8707), for a reason.
fn oauth_error_of(reason: Reason) -> &'static str {
    match reason {
        Reason::InvalidClient => "invalid_client",
        Reason::UnauthorizedClient => "unauthorized_client",
        Reason::UnsupportedGrantType => "unsupported_grant_type",
        Reason::InvalidScope => "invalid_scope",
        Reason::InvalidTarget => "invalid_target",
        Reason::InvalidGrant | Reason::RefreshReused => "invalid_grant",
        reason => match reason.status() {
            503 => "temporarily_unavailable",
            500.. => "server_error",
            _ => "invalid_request",
        },
    }
}

/// The characters that `error_description` may have (RFC 6749 section 5.2).
fn plain(text: &str) -> String {
    let fits = |c: &char| matches!(c, ' '..='~') && !matches!(c, '"' | '\\');
    text.chars().filter(fits).collect()
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(text) | StoreError::Contended(text) => {
                Self::new(Reason::StoreUnavailable)
                    .seen(text)
                    .retry_after(STORE_RETRY_AFTER)
            }
            error => Self::new(Reason::Internal).seen(error.to_string()),
        }
    }
}

impl From<MintError> for Refusal {
    fn from(error: MintError) -> Self {
        Self::new(Reason::Internal).seen(error.to_string())
    }
}

/// One of our own answers could not be written.
impl From<serde_json::Error> for Refusal {
    fn from(error: serde_json::Error) -> Self {
        Self::new(Reason::Internal).seen(error.to_string())
    }
}

/// Only the status and the refusal; [`in_form`] writes the document, because
/// only there the request is known.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Around every endpoint and both fallbacks: gives the request its trace id
/// and time, and every answer its form. An answer without a reason is a fault
/// of ours and becomes one.
pub(super) async fn in_form(
    State(issuer): State<Issuer>,
    mut request: Request,
    next: Next,
) -> Response {
    let arrival = Arrival::of(&request, &issuer);
    request.extensions_mut().insert(arrival.clone());
    let mut response = next.run(request).await;
    if let Some(refusal) = response.extensions_mut().remove::<Refusal>() {
        response = refusal.into_document(&arrival);
    } else if response.extensions().get::<Reason>().is_none() {
        let seen = format!("an answer of status {} without a reason", response.status());
        response = Refusal::new(Reason::Internal)
            .seen(seen)
            .into_document(&arrival);
    }
    let nosniff = HeaderValue::from_static("nosniff");
    response
        .headers_mut()
        .insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    response
}

/// 404 for every path without an endpoint.
pub(super) async fn no_route() -> Refusal {
    Refusal::new(Reason::NoRoute)
}

/// 405; the router adds `Allow`.
pub(super) async fn method_not_allowed() -> Refusal {
    Refusal::new(Reason::MethodNotAllowed)
}

/// RFC 9110 section 15.5.2: every 401 names a way in.
fn challenge_of(decision: &Decision) -> Option<HeaderValue> {
    match decision.reason {
        Reason::WrongCredentials | Reason::SignInExpired => {
            Some(HeaderValue::from_static("Bearer"))
        }
        // Another scope would not help.
        Reason::WrongPassword | Reason::WrongCode | Reason::BeyondOwnRights => None,
        // RFC 6749 section 5.2.
        Reason::InvalidClient => Some(HeaderValue::from_static("Basic realm=\"doorward\"")),
        _ => challenge::www_authenticate(decision, None),
    }
}

fn step_of(reason: Reason) -> Step {
    match reason {
        Reason::NoRoute | Reason::MethodNotAllowed => Step::Route,
        Reason::BadRequest
        | Reason::BadBody
        | Reason::BodyTooLarge
        | Reason::UnsupportedMediaType => Step::Request,
        _ => Step::Account,
    }
}
