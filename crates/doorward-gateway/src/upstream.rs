//! Forwarding to the API behind the gateway.
//!
//! Takes only a [`Permitted`] request. Bodies stream both ways with
//! back-pressure; nothing is collected. A request is sent a second time in one
//! case only: the connection came from the pool, it died before a byte of the
//! answer, and the request is idempotent and has no body (or was never put on
//! the wire at all). RFC 9110 section 9.2.2, RFC 9112 section 9.3.1.

mod body;
mod pool;

use std::{cell::Cell, net::IpAddr, rc::Rc, sync::Arc};

use doorward_policy::{decision::Reason, permit::Permitted};
use http::{HeaderMap, Method, Request, Response, Uri, Version};
use hyper::body::{Body as _, Incoming};
use tokio::time::Instant;

pub(crate) use body::Relayed;
use body::{Outgoing, Upload};
use pool::{Connection, Pool};

use crate::{
    config::Limits,
    hop,
    identity::{self, Identity},
    wire::{Fault, watch::Exchange},
};

/// The API behind the gateway, as one worker reaches it.
#[derive(Debug)]
pub(crate) struct Upstream {
    pool: Rc<Pool>,
    limits: Arc<Limits>,
}

/// Where a request comes from.
pub(crate) struct Origin {
    /// The caller's address.
    pub(crate) peer: IpAddr,
    /// The caller's connection.
    pub(crate) exchange: Rc<Exchange>,
    /// The request's name.
    pub(crate) trace_id: doorward_policy::decision::TraceId,
}

/// Why a permitted request got no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    /// By blame: the caller's 4xx, the upstream's 502 or 504.
    pub(crate) reason: Reason,
    /// What happened.
    pub(crate) seen: String,
}

impl Failure {
    fn new(reason: Reason, seen: impl Into<String>) -> Self {
        Self { reason, seen: seen.into() }
    }
}

impl Upstream {
    /// The API at `origin`.
    pub(crate) fn new(origin: &Uri, limits: Arc<Limits>) -> Self {
        Self { pool: Pool::new(origin, Arc::clone(&limits)), limits }
    }

    /// Drops idle connections that are too old, for ever.
    pub(crate) async fn sweep(&self) {
        self.pool.sweep().await;
    }

    /// Sends the request, and returns the answer's head with its body
    /// streaming behind it.
    pub(crate) async fn forward(
        &self,
        permitted: Permitted<Request<Incoming>>,
        identity: Option<Identity>,
        origin: &Origin,
    ) -> Result<Response<Relayed>, Failure> {
        let (mut head, incoming) = permitted.into_inner().into_parts();
        hop::to_upstream(&mut head.headers, origin.peer);
        identity::set_trace(&mut head.headers, origin.trace_id);
        if let Some(identity) = identity {
            identity.set(&mut head.headers);
        }
        let sending = Sending::default();
        let body = if incoming.is_end_stream() {
            Outgoing::Empty
        } else {
            Outgoing::Upload(Upload::new(incoming, sending.clone()))
        };
        let line = Line { method: head.method, target: head.uri };
        let repeat = (body.is_empty() && is_idempotent(&line.method)).then(|| head.headers.clone());
        let request = line.request(head.headers, body);
        let exchange = &origin.exchange;
        let (connection, answer) = self.exchange(request, &line, repeat, &sending, exchange).await?;
        Ok(self.relay(connection, answer, &sending, exchange))
    }

    /// One try, and a second where that is safe.
    async fn exchange(
        &self,
        request: Request<Outgoing>,
        line: &Line,
        repeat: Option<HeaderMap>,
        sending: &Sending,
        exchange: &Exchange,
    ) -> Result<(Connection, Response<Incoming>), Failure> {
        let connection = self.pool.checkout().await?;
        let was_reused = connection.is_reused();
        let failed = match self.send(connection, request, sending).await {
            Ok(answered) => return Ok(answered),
            Err(failed) => failed,
        };
        if let Some(fault) = sending.upload_failed().then(|| exchange.body_fault()) {
            let fault = fault.unwrap_or(Fault::BodyCut);
            return Err(Failure::new(fault.reason(), fault.seen()));
        }
        let again = match (failed.unsent, repeat) {
            (Some(unsent), _) => Some(unsent),
            (None, Some(headers)) if failed.was_silent && was_reused => {
                Some(line.request(headers, Outgoing::Empty))
            }
            _ => None,
        };
        let Some(request) = again else {
            return Err(failed.failure);
        };
        let fresh = self.pool.connect().await?;
        self.send(fresh, request, sending).await.map_err(|failed| failed.failure)
    }

    async fn send(
        &self,
        mut connection: Connection,
        request: Request<Outgoing>,
        sending: &Sending,
    ) -> Result<(Connection, Response<Incoming>), Failed> {
        let answer = tokio::select! {
            biased;
            answer = connection.send(request) => answer,
            () = sending.silent_for(self.limits.answer_timeout) => {
                let failure = Failure::new(Reason::UpstreamTimeout, "no answer in time");
                return Err(Failed { failure, unsent: None, was_silent: false });
            }
        };
        let answer = answer.map_err(|mut error| {
            let unsent = error.take_message();
            let seen = describe(error.error());
            let failure = Failure::new(Reason::UpstreamBroken, seen);
            Failed { failure, unsent, was_silent: !connection.has_spoken() }
        })?;
        if answer.status().is_informational() {
            let seen = format!("{} that nobody asked for", answer.status());
            let failure = Failure::new(Reason::UpstreamBroken, seen);
            return Err(Failed { failure, unsent: None, was_silent: false });
        }
        Ok((connection, answer))
    }

    fn relay(
        &self,
        connection: Connection,
        answer: Response<Incoming>,
        sending: &Sending,
        exchange: &Rc<Exchange>,
    ) -> Response<Relayed> {
        let (mut head, body) = answer.into_parts();
        // An HTTP/1.0 answer makes hyper speak HTTP/1.0 on that connection
        // from then on, which has no chunked requests.
        let lease = (head.version == Version::HTTP_11)
            .then(|| self.pool.lease(connection, sending.clone()));
        hop::strip(&mut head.headers);
        head.version = Version::HTTP_11;
        let stall = self.limits.answer_stall_timeout;
        Response::from_parts(head, Relayed::new(body, lease, stall, Rc::clone(exchange)))
    }
}

/// The part of a request that a second try needs again.
struct Line {
    method: Method,
    target: Uri,
}

impl Line {
    fn request(&self, headers: HeaderMap, body: Outgoing) -> Request<Outgoing> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        request
    }
}

struct Failed {
    failure: Failure,
    /// The request, if no byte of it went out.
    unsent: Option<Request<Outgoing>>,
    /// No byte of an answer came in.
    was_silent: bool,
}

/// RFC 9110 section 9.2.2, of the methods that need no body.
fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

fn describe(error: &hyper::Error) -> &'static str {
    if error.is_parse_too_large() {
        "an answer with a head above the limit"
    } else if error.is_parse() {
        "an answer that is not HTTP"
    } else if error.is_incomplete_message() {
        "the connection ended before the answer"
    } else {
        "the connection broke"
    }
}

/// How far the request has gone out.
#[derive(Clone, Debug)]
pub(crate) struct Sending(Rc<Progress>);

#[derive(Debug)]
struct Progress {
    moved: Cell<Instant>,
    state: Cell<UploadState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UploadState {
    /// No body, or all of it is out.
    Done,
    Running,
    Failed,
}

impl Default for Sending {
    fn default() -> Self {
        let (moved, state) = (Cell::new(Instant::now()), Cell::new(UploadState::Done));
        Self(Rc::new(Progress { moved, state }))
    }
}

impl Sending {
    fn upload_failed(&self) -> bool {
        self.0.state.get() == UploadState::Failed
    }

    /// Whether nothing is left to send, so that the connection can be reused.
    pub(crate) fn is_done(&self) -> bool {
        self.0.state.get() == UploadState::Done
    }

    fn set(&self, state: UploadState) {
        self.0.moved.set(Instant::now());
        self.0.state.set(state);
    }

    /// Returns when nothing has been sent for `limit`: a slow upload is not a
    /// slow upstream.
    async fn silent_for(&self, limit: std::time::Duration) {
        loop {
            let deadline = self.0.moved.get() + limit;
            tokio::time::sleep_until(deadline).await;
            if self.0.moved.get() + limit <= deadline {
                return;
            }
        }
    }
}

/// Whether `origin` is one that can stand behind the gateway.
pub(crate) fn is_origin(origin: &Uri) -> bool {
    let bare = origin.path() == "/" && origin.query().is_none();
    let host = origin.authority().is_some_and(|authority| {
        !authority.host().is_empty() && !authority.as_str().contains('@')
    });
    origin.scheme() == Some(&http::uri::Scheme::HTTP) && bare && host
}
