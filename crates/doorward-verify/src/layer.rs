//! A `tower` layer that lets verified callers through (feature `tower`).
//!
//! It reads the bearer token, verifies it, and puts two things into the
//! request's extensions: the [`Principal`] and the [`DecisionRecord`], which
//! the handlers' own checks complete. A caller without a good token is
//! answered here, with the problem document and the challenge; the service
//! behind never hears of them. The body is never touched.
//!
//! It says *who* asks. *What* they may do is asked by the handlers, with the
//! extractors of `extract` or with [`require_permission`]; a handler that asks
//! nothing is open to every caller with a token.
//!
//! CORS preflights carry no token: put the layer that answers them outside
//! this one.
//!
//! [`require_permission`]: doorward_policy::permit::require_permission

mod record;
mod response_future;

use std::{sync::Arc, task::Context, task::Poll, time::Instant};

use doorward_policy::decision::{Decision, Reason, Step, TraceId};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header::AUTHORIZATION};
use tower_layer::Layer;
use tower_service::Service;

pub use self::{record::DecisionRecord, response_future::ResponseFuture};
use self::{record::Observer, response_future::Report};
use crate::{
    bearer,
    clock::{Clock, Timestamp},
    principal::Principal,
    proof::{CertificateThumbprint, Presented, target::TargetUri},
    refusal,
    verifier::Verifier,
};

/// RFC 9449 section 8.
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

type TraceIds = Arc<dyn Fn(&HeaderMap) -> TraceId + Send + Sync>;

/// What happens to a request without any credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strangers {
    Refused,
    LetThrough,
}

/// Lets only verified callers through to the services it is laid around.
///
/// ```
/// use std::sync::Arc;
/// # use doorward_verify::{clock::Clock, layer::AuthenticationLayer, verifier::Verifier};
/// # fn build(verifier: Arc<Verifier>, clock: Arc<dyn Clock>, random: fn() -> [u8; 16]) {
/// use doorward_policy::decision::TraceId;
///
/// let layer = AuthenticationLayer::new(verifier, clock, move |_| TraceId::from_bytes(random()))
///     .on_decision(|decision| { /* hand it to a bounded channel */ });
/// # }
/// ```
#[derive(Clone)]
pub struct AuthenticationLayer {
    verifier: Arc<Verifier>,
    clock: Arc<dyn Clock>,
    trace_ids: TraceIds,
    strangers: Strangers,
    origin: Option<Arc<str>>,
    observer: Option<Observer>,
}

impl AuthenticationLayer {
    /// Callers are those whose token `verifier` accepts at the time of `clock`.
    ///
    /// `trace_ids` names each request. Give a fresh random id, or, where only a
    /// gateway of yours can reach the service, the one that it sends: a name
    /// that strangers choose makes two requests look like one.
    pub fn new(
        verifier: Arc<Verifier>,
        clock: Arc<dyn Clock>,
        trace_ids: impl Fn(&HeaderMap) -> TraceId + Send + Sync + 'static,
    ) -> Self {
        Self {
            verifier,
            clock,
            trace_ids: Arc::new(trace_ids),
            strangers: Strangers::Refused,
            origin: None,
            observer: None,
        }
    }

    /// Hands each [`Decision`] to `observer`, once, when the answer's head is
    /// ready or the caller has gone (then without a status).
    ///
    /// It is called on the thread that serves the request and must not block.
    #[must_use]
    pub fn on_decision(mut self, observer: impl Fn(Decision) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Lets requests *without any credential* through, without a
    /// [`Principal`]. Every handler that does not ask for one is then open to
    /// the world. A credential that is present and not good is refused as ever.
    #[must_use]
    pub fn dangerously_let_anonymous_through(mut self) -> Self {
        self.strangers = Strangers::LetThrough;
        self
    }

    /// Also takes tokens that are bound to a key (`cnf`), with their proof;
    /// without this they are refused.
    ///
    /// `origin` is the one under which clients reach the service, for example
    /// `https://api.example`; a DPoP proof (RFC 9449) names it and the path
    /// that this layer sees, so do not lay it inside a nested router. A
    /// [`CertificateThumbprint`] in the request's extensions, put there by what
    /// ends TLS, is the certificate of RFC 8705.
    #[must_use]
    pub fn with_proofs_for(mut self, origin: impl Into<Arc<str>>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// The caller, or `None` for a stranger that may pass.
    fn admit<B>(
        &self,
        request: &Request<B>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<Option<Principal>, Reason> {
        let strange = !request.headers().contains_key(AUTHORIZATION);
        if strange && self.strangers == Strangers::LetThrough {
            decision.pass(Step::Credential, "none, let through as anonymous");
            decision.allow(Reason::PublicRoute);
            return Ok(None);
        }
        let principal = match &self.origin {
            None => self
                .verifier
                .verify_bearer(request.headers(), now.unix(), decision),
            Some(origin) => self.verify_presented(origin, request, now, decision),
        }?;
        decision.allow(Reason::Authenticated);
        Ok(Some(principal))
    }

    fn verify_presented<B>(
        &self,
        origin: &str,
        request: &Request<B>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<Principal, Reason> {
        let path = request.uri().path();
        let target = TargetUri::of_request(origin, path).ok_or_else(|| {
            let wanted = "a path with one reading";
            decision.fail(Step::Path, Reason::AmbiguousPath, path.to_owned(), wanted)
        })?;
        let certificate = request.extensions().get::<CertificateThumbprint>();
        let presented = Presented::from_headers(request.headers(), request.method(), &target)
            .map_err(|reason| bearer::refuse(reason, decision))?
            .certificate(certificate.copied());
        decision.pass(Step::Credential, "one token");
        self.verifier
            .verify_presented(&presented, now.unix(), decision)
    }

    fn refusal(&self, decision: &Decision, now: Timestamp) -> Response<Vec<u8>> {
        let mut response = refusal::response(decision, None);
        if decision.reason == Reason::ProofNonce {
            let nonce = self.verifier.proofs().nonce(now.unix());
            let nonce = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok());
            response
                .headers_mut()
                .extend(nonce.map(|nonce| (DPOP_NONCE, nonce)));
        }
        response
    }
}

impl std::fmt::Debug for AuthenticationLayer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthenticationLayer")
            .field("verifier", &self.verifier)
            .field("strangers", &self.strangers)
            .field("origin", &self.origin)
            .finish_non_exhaustive()
    }
}

impl<S> Layer<S> for AuthenticationLayer {
    type Service = Authentication<S>;

    fn layer(&self, inner: S) -> Authentication<S> {
        Authentication {
            layer: self.clone(),
            inner,
        }
    }
}

/// A service behind an [`AuthenticationLayer`].
///
/// Its answers' bodies must be buildable from bytes, as those of axum and of
/// `http_body_util::Full` are.
#[derive(Clone, Debug)]
pub struct Authentication<S> {
    layer: AuthenticationLayer,
    inner: S,
}

impl<S, B, C> Service<Request<B>> for Authentication<S>
where
    S: Service<Request<B>, Response = Response<C>>,
    C: From<Vec<u8>>,
{
    type Response = Response<C>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, C>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let started = Instant::now();
        let now = self.layer.clock.now();
        let mut decision = Decision::new(
            (self.layer.trace_ids)(request.headers()),
            now.millis(),
            request.method().as_str(),
            request.uri().path(),
        );
        let verdict = self.layer.admit(&request, now, &mut decision);
        let refused = verdict.is_err().then(|| self.layer.refusal(&decision, now));
        let record = DecisionRecord::new(decision);
        let report = Report::new(record.clone(), started, self.layer.observer.clone());
        if let Some(response) = refused {
            return ResponseFuture::refused(response.map(C::from), report);
        }
        // What an outer layer or an earlier hop left there is not our word.
        request.extensions_mut().remove::<Principal>();
        if let Ok(Some(principal)) = verdict {
            request.extensions_mut().insert(principal);
        }
        request.extensions_mut().insert(record);
        // Whoever logs the request from here on does not log the token.
        if let Some(field) = request.headers_mut().get_mut(AUTHORIZATION) {
            field.set_sensitive(true);
        }
        ResponseFuture::passed(self.inner.call(request), report)
    }
}
