//! The gateway as the binary sees it: what it is given, and what it can be
//! asked.

use std::{
    fmt,
    future::Future,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use doorward_policy::{
    decision::{Decision, Reason, Step, TraceId},
    permission::Permission,
    route::{Route, RouteTable},
};
use doorward_verify::{
    clock::{Clock, Timestamp},
    verifier::Verifier,
};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use tokio::sync::mpsc;

use crate::{
    answer::BodyError,
    api_key::{Exchanges, KeyExchange},
    config::Config,
    gate::Rules,
    identity::Names,
    internal_token::InternalTokens,
    judge::{self, Bench, Verdict},
    listeners::{BindError, Listeners},
    rate::Rates,
    server::BoundGateway,
    shadow::{Candidate, Counts, Report, Shadow},
    shares::Shares,
    tally::{Ledgers, Tally, UpstreamState},
    upstream::{self, Member},
};

/// What the gateway is given by the binary and shares with it.
#[derive(Clone)]
pub struct Shared {
    /// Checks the tokens; replaced whole, effective with the next request.
    pub verifier: Arc<ArcSwap<Verifier>>,
    /// The routes; replaced whole, effective with the next request.
    pub routes: Arc<ArcSwap<RouteTable>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Names for requests.
    pub trace_ids: Arc<dyn Fn() -> TraceId + Send + Sync>,
    /// What Doorward answers itself.
    pub local: LocalService,
    /// Where API keys become tokens; without it no key is taken.
    pub api_keys: Option<KeyExchange>,
    /// Where tokens for upstreams are made; without it, what goes through a route
    /// that asks for one ends with 503.
    pub internal_tokens: Option<InternalTokens>,
    /// Where decisions go. Full means dropped and counted, never waited for.
    pub decisions: DecisionSink,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

/// Takes decisions; bounded.
pub type DecisionSink = mpsc::Sender<Decision>;

/// A body on its way to or from the local service.
pub type LocalBody = UnsyncBoxBody<Bytes, BodyError>;

/// The local service's answer to come.
pub type LocalFuture = Pin<Box<dyn Future<Output = Response<LocalBody>> + Send>>;

/// Requests that Doorward answers itself, behind the same gate as all others:
/// one reading of path and framing, no reserved headers from callers. No route
/// guards them, and `Authorization` stays, because the service checks callers
/// itself.
///
/// The request carries [`Peer`] and its [`TraceId`] as extensions. For the
/// record the answer may carry a
/// [`Reason`](doorward_policy::decision::Reason), a
/// [`Caller`](doorward_policy::decision::Caller) and a [`Decision`], whose
/// checks are added to those of the gateway.
#[derive(Clone)]
pub struct LocalService {
    /// Whether a canonical path is the service's.
    pub matches: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Answers. Called on the gateway's threads, and dropped when the caller
    /// leaves: what takes long, and what must not stop half-way, belongs into
    /// a task of another runtime.
    pub call: Arc<dyn Fn(Request<LocalBody>) -> LocalFuture + Send + Sync>,
}

impl fmt::Debug for LocalService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalService").finish_non_exhaustive()
    }
}

/// The caller's network address, from the socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

/// A handle on the gateway; clones are the same gateway.
#[derive(Clone, Debug)]
pub struct Gateway(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) config: Config,
    pub(crate) shared: Shared,
    pub(crate) names: Arc<Names>,
    pub(crate) exchanges: Option<Exchanges>,
    shadow: Shadow,
    /// See [`Config::public_origin`].
    origin: String,
    pub(crate) connections: AtomicUsize,
    /// Those of them that wait for the caller's next words.
    pub(crate) resting: AtomicUsize,
    pub(crate) handshakes: AtomicUsize,
    /// Connections of each address.
    pub(crate) addresses: Shares,
    /// Handshakes of each address.
    pub(crate) handshaking: Shares,
    pub(crate) rates: Rates,
    /// The servers behind the gateway, as all workers see them.
    pub(crate) members: Vec<Arc<Member>>,
    /// Whether a worker asks for their health.
    pub(crate) is_probed: AtomicBool,
    pub(crate) ledgers: Ledgers,
    dropped_decisions: AtomicU64,
}

impl Gateway {
    /// Binds `config.listen` and stands ready to serve.
    ///
    /// # Errors
    ///
    /// [`BindError`] if the address cannot be listened on, or the upstream is
    /// not an `http://` origin or is this gateway.
    pub fn bind(config: Config, shared: Shared) -> Result<BoundGateway, BindError> {
        let listeners = Listeners::bind(config.listen, config.workers)?;
        Self::on(listeners, config, shared)
    }

    /// Stands ready to serve on `listeners`; for a caller that must know the
    /// address first.
    ///
    /// # Errors
    ///
    /// [`BindError::Upstream`] if the upstream is not an `http://` origin,
    /// [`BindError::Circle`] if it is one of `listeners`.
    pub fn on(
        listeners: Listeners,
        config: Config,
        shared: Shared,
    ) -> Result<BoundGateway, BindError> {
        for upstream in config.upstreams() {
            if !upstream::is_origin(upstream) {
                return Err(BindError::Upstream(upstream.clone()));
            }
            if upstream::is_tls(upstream) && config.upstream_roots.is_none() {
                return Err(BindError::NoRoots(upstream.clone()));
            }
            if upstream::is_at(upstream, listeners.local_addr()) {
                return Err(BindError::Circle(upstream.clone()));
            }
        }
        let asked_at = config.forward_auth.as_ref();
        let questions = asked_at.map(|it| Listeners::bind(it.listen, config.workers));
        let questions = questions.transpose()?;
        let origin = config.public_origin.clone();
        let scheme = config.tls.as_ref().map_or("http", |_| "https");
        let origin = origin.unwrap_or_else(|| format!("{scheme}://{}", listeners.local_addr()));
        Ok(BoundGateway::new(
            Self::of(config, shared, origin),
            listeners,
            questions,
        ))
    }

    /// A gateway that listens nowhere and serves nobody: it can only
    /// [explain](Self::explain). For commands and tests of a configuration.
    pub fn unserved(config: Config, shared: Shared) -> Self {
        let origin = config.public_origin.clone();
        let origin = origin.unwrap_or_else(|| format!("http://{}", config.listen));
        Self::of(config, shared, origin)
    }

    fn of(config: Config, shared: Shared, origin: String) -> Self {
        let members = config.upstreams().cloned().map(Member::new).collect();
        let inner = Inner {
            rates: Rates::new(config.rates.clone()),
            members,
            is_probed: AtomicBool::new(false),
            origin,
            names: Arc::new(Names::new(&config.identity_names)),
            exchanges: shared
                .api_keys
                .clone()
                .map(|keys| Exchanges::new(keys, config.limits.answer_timeout)),
            config,
            shared,
            shadow: Shadow::default(),
            connections: AtomicUsize::new(0),
            resting: AtomicUsize::new(0),
            handshakes: AtomicUsize::new(0),
            addresses: Shares::default(),
            handshaking: Shares::default(),
            ledgers: Ledgers::default(),
            dropped_decisions: AtomicU64::new(0),
        };
        Self(Arc::new(inner))
    }

    /// Judges a request without forwarding it: the function that serves, not
    /// a copy of it. `target` is what would stand in the request line. The
    /// decision's status is absent.
    ///
    /// It comes from nowhere: what only a known address opens stays closed.
    pub async fn explain(
        &self,
        method: &str,
        target: &str,
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Decision {
        let request = (method, target);
        self.explain_from(None, request, headers, now).await
    }

    /// As [`explain`](Self::explain), for a request of `METHOD TARGET` that
    /// would come from `peer`.
    pub async fn explain_from(
        &self,
        peer: Option<IpAddr>,
        (method, target): (&str, &str),
        headers: &HeaderMap,
        now: Timestamp,
    ) -> Decision {
        let trace_id = (self.0.shared.trace_ids)();
        let path = target.split(['?', '#']).next().unwrap_or_default();
        let mut decision = Decision::new(trace_id, now.millis(), method, path);
        decision.peer = peer;
        let mut request = Request::new(());
        *request.headers_mut() = headers.clone();
        match (method.parse(), readable(target)) {
            (Ok(method), Some(target)) => {
                *request.method_mut() = method;
                *request.uri_mut() = target;
                // A question is no traffic: no candidate judges it.
                let bench = Bench {
                    shadow: None,
                    ..self.0.bench()
                };
                // The decision says it all; nothing is forwarded.
                let verdict = judge::judge(&bench, Box::new(request), now, &mut decision);
                if let Verdict::Exchange(unexchanged) = verdict {
                    let outcome = unexchanged.exchange(bench.exchanges, now).await;
                    let _ = unexchanged.judge_again(&bench, outcome, now, &mut decision);
                }
            }
            _ => {
                let (seen, wanted) = ("an unreadable request line", "METHOD and TARGET");
                decision.fail(Step::Request, Reason::BadRequest, seen, wanted);
            }
        }
        decision
    }

    /// Whether policies speak of `permission`. Then nobody knows by the
    /// permission alone what a request would meet.
    pub fn is_governed(&self, permission: &Permission) -> bool {
        let routes = self.0.shared.routes.load();
        let is_of_it = |route: &Route| route.requirement().permission() == Some(permission);
        let mut its = routes.routes().iter().filter(|route| is_of_it(route));
        its.any(|route| route.policies().is_some())
    }

    /// Judges by `candidate` too, from the next request on, without effect; in
    /// place of another one, and counting anew. It judges beside the routes that
    /// are served at this moment, and rests once they are replaced.
    pub fn begin_shadow(&self, candidate: Candidate, now: Timestamp) {
        let served = self.0.shared.routes.load_full();
        self.0.shadow.begin(candidate, served, now);
    }

    /// No candidate judges from the next request on.
    pub fn end_shadow(&self) {
        self.0.shadow.end();
    }

    /// What came of the candidate so far; `None` without one.
    pub fn shadow(&self) -> Option<Report> {
        self.0.shadow.report()
    }

    /// As [`shadow`](Self::shadow), in numbers alone: cheap enough for metrics.
    pub fn shadow_counts(&self) -> Option<Counts> {
        self.0.shadow.counts()
    }

    /// Decisions that nobody had time to take.
    pub fn dropped_decisions(&self) -> u64 {
        self.0.dropped_decisions.load(Ordering::Relaxed)
    }

    /// What was counted since the start.
    pub fn tally(&self) -> Tally {
        self.0.ledgers.read()
    }

    /// The servers behind the gateway.
    pub fn upstreams(&self) -> Vec<UpstreamState> {
        let members = self.0.members.iter();
        members.map(|member| member.state()).collect()
    }

    /// Connections of callers at present.
    pub fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }

    /// Those of them in HTTP/1.1 that have been silent for so long that only the
    /// bare connection is held ([`Limits::rest_after`](crate::Limits::rest_after)),
    /// or since they came.
    pub fn resting(&self) -> usize {
        self.0.resting.load(Ordering::Relaxed)
    }

    /// The upstream.
    pub fn upstream(&self) -> &Uri {
        &self.0.config.upstream
    }

    /// The configured address; the bound one is
    /// [`BoundGateway::local_addr`].
    pub fn listen(&self) -> SocketAddr {
        self.0.config.listen
    }
}

/// The wire's lint refuses these before anything else; here are no bytes.
pub(crate) fn readable(target: &str) -> Option<Uri> {
    let is_plain = target
        .bytes()
        .all(|byte| byte.is_ascii_graphic() && byte != b'#');
    is_plain.then(|| target.parse().ok()).flatten()
}

impl Inner {
    pub(crate) fn judge<B>(
        &self,
        request: Box<Request<B>>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Verdict<B> {
        judge::judge(&self.bench(), request, now, decision)
    }

    pub(crate) fn bench(&self) -> Bench<'_> {
        Bench {
            shared: &self.shared,
            shadow: Some(&self.shadow),
            exchanges: self.exchanges.as_ref(),
            origin: &self.origin,
            told: self.config.identity_headers,
            rules: Rules {
                names: &self.names,
                limits: &self.config.limits,
                upgrades: &self.config.upgrades,
            },
        }
    }

    /// Sends `decision` on its way; it is dropped rather than waited for.
    pub(crate) fn publish(&self, decision: Decision) {
        if self.shared.decisions.try_send(decision).is_err() {
            self.dropped_decisions.fetch_add(1, Ordering::Relaxed);
        }
    }
}
