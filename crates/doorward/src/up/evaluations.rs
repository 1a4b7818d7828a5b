//! The decision point of the Authorization API 1.0 (OpenID AuthZEN).
//!
//! It is asked by programs with a permission for it, about users of their own
//! tenant. The user's rights are read from the store at that moment, in the form
//! of the token that they would get; that token is verified and judged by the
//! gateway's own function, as if the user had sent it. It never leaves this
//! process.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use axum::body::{Body, to_bytes};
use doorward_gateway::{Gateway, LocalBody, LocalService};
use doorward_issuer::Issuer;
use doorward_policy::{
    decision::{Decision, Outcome, Reason, Step, TraceId},
    permission::Permission,
    permit::require_permission,
};
use doorward_verify::{
    bearer,
    challenge::www_authenticate,
    clock::Clock as _,
    jose::json::{Limits, Object, parse_object},
    principal::Principal,
    problem::{MEDIA_TYPE, Problem},
    verifier::Verifier,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;
use tokio::{runtime::Handle, sync::Mutex};

use super::wiring::random;
use crate::{
    authzen::{self, Asked, Decided, Question, What},
    system::SystemClock,
};

/// What a program needs to ask about others.
const PERMISSION: &str = "doorward:decisions:evaluate";

/// Largest body: a hundred questions with room.
const BODY: Limits = Limits {
    max_bytes: 256 * 1024,
    max_depth: 16,
};

/// Answers questions about users of the issuer.
#[derive(Clone)]
pub(super) struct Evaluations(Arc<Inner>);

struct Inner {
    issuer: Issuer,
    verifier: Arc<ArcSwap<Verifier>>,
    /// There once the gateway is, which is before the first request.
    gateway: OnceLock<Gateway>,
    permission: Permission,
}

impl Evaluations {
    pub(super) fn new(issuer: Issuer, verifier: Arc<ArcSwap<Verifier>>) -> Self {
        Self(Arc::new(Inner {
            issuer,
            verifier,
            gateway: OnceLock::new(),
            permission: PERMISSION.parse().expect("the name is a permission"),
        }))
    }

    /// Whose judgement is asked for.
    pub(super) fn ask(&self, gateway: Gateway) {
        // Told once.
        let _ = self.0.gateway.set(gateway);
    }

    /// Answers before `local` does.
    pub(super) fn before(&self, local: LocalService) -> LocalService {
        let (inner, runtime) = (Arc::clone(&self.0), Handle::current());
        let next = local.call;
        LocalService {
            matches: local.matches,
            call: Arc::new(move |request| {
                let path = request.uri().path();
                if ![authzen::EVALUATION, authzen::EVALUATIONS, authzen::METADATA].contains(&path) {
                    return next(request);
                }
                let inner = Arc::clone(&inner);
                let request = request.map(Body::new);
                let answering = runtime.spawn(async move { inner.serve(request).await });
                Box::pin(async move {
                    // It panicked: this request fails, the server goes on.
                    answering.await.unwrap_or_else(|_| failed())
                })
            }),
        }
    }
}

impl Inner {
    async fn serve(&self, request: Request<Body>) -> Response<LocalBody> {
        let (parts, body) = request.into_parts();
        let trace_id = parts.extensions.get::<TraceId>().copied();
        let trace_id = trace_id.unwrap_or_else(|| TraceId::from_bytes(random()));
        let (method, path) = (parts.method.as_str(), parts.uri.path());
        let now = SystemClock.now().millis();
        let mut decision = Decision::new(trace_id, now, method, path);
        match self.answer(&parts, body, &mut decision).await {
            Ok(document) => answered(&document, decision),
            Err(_) => refused(decision),
        }
    }

    async fn answer(
        &self,
        parts: &Parts,
        body: Body,
        decision: &mut Decision,
    ) -> Result<Value, Reason> {
        let is_metadata = parts.uri.path() == authzen::METADATA;
        let wanted = if is_metadata {
            Method::GET
        } else {
            Method::POST
        };
        if parts.method != wanted {
            let (seen, wanted) = (parts.method.to_string(), wanted.to_string());
            return Err(decision.fail(Step::Route, Reason::MethodNotAllowed, seen, wanted));
        }
        if is_metadata {
            return Ok(authzen::metadata(&self.issuer.config().issuer));
        }
        let caller = self.caller(&parts.headers, decision)?;
        let body = read(&parts.headers, body, decision).await?;
        let read = match parts.uri.path() {
            authzen::EVALUATION => authzen::one(&body),
            _ => authzen::several(&body),
        };
        let asked = read.map_err(|what| {
            let wanted = "subject, action and resource (AuthZEN Authorization API 1.0)";
            decision.fail(Step::Request, Reason::BadBody, what, wanted)
        })?;
        Ok(self.decide_all(asked, &caller, decision).await)
    }

    /// A program of ours that may ask.
    fn caller(&self, headers: &HeaderMap, decision: &mut Decision) -> Result<Principal, Reason> {
        let token = bearer::from_headers(headers).map_err(|reason| {
            let wanted = "Authorization: Bearer TOKEN";
            decision.fail(Step::Credential, reason, reason.title(), wanted)
        })?;
        let verifier = self.verifier.load_full();
        let caller = verifier.verify(token, SystemClock.now().unix(), decision)?;
        if caller.foreign_issuer().is_some() {
            let seen = "a token of another issuer";
            let reason = Reason::MissingPermission;
            return Err(decision.fail(Step::Permission, reason, seen, PERMISSION));
        }
        require_permission(&self.permission, &caller, decision)?;
        Ok(caller)
    }

    async fn decide_all(&self, asked: Asked, caller: &Principal, decision: &mut Decision) -> Value {
        let tokens = Mutex::new(HashMap::new());
        let decide = |question| self.decide(question, caller, &tokens);
        let (answer, tally) = asked.answer(decide).await;
        let told = format!("{} of {} answered with yes", tally.yes, tally.asked);
        decision.pass(Step::Account, told);
        answer
    }

    /// `tokens` are those of the subjects of this request.
    async fn decide(
        &self,
        question: Question,
        caller: &Principal,
        tokens: &Mutex<HashMap<String, Option<String>>>,
    ) -> Decided {
        let tenant = caller.tenant().ok_or(None)?;
        if question.tenant.is_some_and(|asked| asked != tenant) {
            return Err(None);
        }
        let now = SystemClock.now();
        let mut tokens = tokens.lock().await;
        let token = match tokens.get(&question.subject) {
            Some(token) => token.clone(),
            None => {
                let standing = self.issuer.standing(&question.subject, tenant, now).await;
                // Whatever went wrong: it is not known, so it is no.
                let token = standing.unwrap_or(None);
                tokens.insert(question.subject, token.clone());
                token
            }
        };
        drop(tokens);
        let token = token.ok_or(None)?;
        match question.what {
            What::Request { method, path } => self.may_request(&method, &path, &token).await,
            What::Permitted(permission) => self.may(&permission, &token),
        }
    }

    async fn may_request(&self, method: &str, path: &str, token: &str) -> Decided {
        let gateway = self.gateway.get().ok_or(None)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("localhost"));
        let bearer = HeaderValue::try_from(format!("Bearer {token}")).map_err(|_| None)?;
        headers.insert(header::AUTHORIZATION, bearer);
        let now = SystemClock.now();
        let decision = gateway.explain(method, path, &headers, now).await;
        // What Doorward answers itself has no route, and is nobody's right.
        match decision.outcome == Outcome::Allowed && decision.route.is_some() {
            true => Ok(()),
            false => Err(Some(decision.reason.code())),
        }
    }

    /// By the permission alone, where that says it all: what policies say of a
    /// request is not known without one.
    fn may(&self, permission: &Permission, token: &str) -> Decided {
        let gateway = self.gateway.get().ok_or(None)?;
        if gateway.is_governed(permission) {
            return Err(Some(Reason::PolicyError.code()));
        }
        let trace_id = TraceId::from_bytes(random());
        let now = SystemClock.now();
        let mut decision = Decision::new(trace_id, now.millis(), "", "");
        let verifier = self.verifier.load_full();
        let verified = verifier.verify(token, now.unix(), &mut decision);
        verified
            .and_then(|subject| require_permission(permission, &subject, &mut decision))
            .map(|_| ())
            .map_err(|reason| Some(reason.code()))
    }
}

/// A strict JSON object.
async fn read(headers: &HeaderMap, body: Body, decision: &mut Decision) -> Result<Object, Reason> {
    let media_type = headers.get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|it| it.to_str().ok()?.split(';').next());
    if !media_type.is_some_and(|it| it.trim().eq_ignore_ascii_case("application/json")) {
        let reason = Reason::UnsupportedMediaType;
        let seen = media_type.unwrap_or("none").to_owned();
        return Err(decision.fail(Step::Request, reason, seen, "application/json"));
    }
    let whole = to_bytes(body, BODY.max_bytes).await;
    let whole = whole.map_err(|_| {
        let (seen, wanted) = ("a body that is too large or not whole", "at most 256 KiB");
        decision.fail(Step::Request, Reason::BodyTooLarge, seen, wanted)
    })?;
    parse_object(&whole, BODY).map_err(|error| {
        let wanted = "one strict JSON object";
        decision.fail(Step::Request, Reason::BadBody, error.to_string(), wanted)
    })
}

fn answered(document: &Value, mut decision: Decision) -> Response<LocalBody> {
    let mut answer = with_body(StatusCode::OK, "application/json", document.to_string());
    decision.allow(Reason::Served);
    answer.extensions_mut().insert(Reason::Served);
    tell_of(&mut answer, decision);
    answer
}

fn refused(mut decision: Decision) -> Response<LocalBody> {
    let status = StatusCode::from_u16(decision.reason.status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    decision.status = Some(status.as_u16());
    let mut answer = with_body(status, MEDIA_TYPE, Problem::of(&decision).to_json());
    if let Some(challenge) = www_authenticate(&decision, Some(PERMISSION)) {
        answer
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    answer.extensions_mut().insert(decision.reason);
    tell_of(&mut answer, decision);
    answer
}

/// For the record of the gateway.
fn tell_of(answer: &mut Response<LocalBody>, decision: Decision) {
    if let Some(caller) = decision.caller.as_deref().filter(|_| decision.proven) {
        answer.extensions_mut().insert(caller.clone());
    }
    answer.extensions_mut().insert(decision);
}

fn failed() -> Response<LocalBody> {
    let mut answer = with_body(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "");
    answer.extensions_mut().insert(Reason::Internal);
    answer
}

fn with_body(
    status: StatusCode,
    media_type: &'static str,
    body: impl Into<Full<bytes::Bytes>>,
) -> Response<LocalBody> {
    let body = body.into().map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
