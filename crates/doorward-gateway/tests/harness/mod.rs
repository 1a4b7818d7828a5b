//! A gateway, an upstream that records, and a client that writes bytes.

pub(crate) mod backend;
pub(crate) mod client;
pub(crate) mod frames;
pub(crate) mod part;
pub(crate) mod recorder;
pub(crate) mod tokens;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use doorward_gateway::{Config, Drained, Gateway, Limits, LocalBody, LocalService, Peer, Shared};
use doorward_gateway::{api_key::KeyExchange, internal_token::InternalTokens};
use doorward_policy::{
    decision::{Caller, Decision, Reason, TraceId},
    permission::Permission,
    route::{Condition, Requirement, RouteSpec, RouteTable},
};
use doorward_verify::{
    clock::{Clock, Timestamp},
    proof::Proofs,
    revocation::RevocationSet,
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use tokio::sync::{mpsc, oneshot};

pub(crate) use client::{Client, Reply};
pub(crate) use recorder::Recorder;
pub(crate) use tokens::Tokens;

/// Long enough that no honest step takes it; what hangs fails here.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A clock that only tests move.
pub(crate) struct TurnedClock(pub(crate) AtomicU64);

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// `/auth/slow`.
#[derive(Default)]
pub(crate) struct Slow {
    pub(crate) is_asked: AtomicBool,
    pub(crate) may_answer: AtomicBool,
}

/// A running gateway.
pub(crate) struct House {
    pub(crate) address: SocketAddr,
    /// Where other proxies ask.
    pub(crate) questions: Option<SocketAddr>,
    pub(crate) upstream: Recorder,
    pub(crate) tokens: Tokens,
    pub(crate) gateway: Gateway,
    pub(crate) routes: Arc<ArcSwap<RouteTable>>,
    pub(crate) revocations: Arc<RevocationSet>,
    pub(crate) slow: Arc<Slow>,
    decisions: mpsc::Receiver<Decision>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<Drained>>,
}

/// What a test wants other than usual.
pub(crate) struct Plan {
    pub(crate) limits: Limits,
    pub(crate) routes: Vec<RouteSpec>,
    pub(crate) upstream: Option<Recorder>,
    /// An upstream that does not record.
    pub(crate) origin: Option<String>,
    pub(crate) workers: usize,
    pub(crate) decision_space: usize,
    pub(crate) break_clock_after: Option<u64>,
    pub(crate) no_keys: bool,
    pub(crate) more_issuers: Vec<TrustedIssuer>,
    pub(crate) public_origin: Option<String>,
    pub(crate) proofs: Proofs,
    pub(crate) api_keys: Option<KeyExchange>,
    pub(crate) internal_tokens: Option<InternalTokens>,
    /// Whether verified tokens are remembered, as in a real gateway.
    pub(crate) remembers: bool,
    /// What else the configuration says.
    pub(crate) config: Box<dyn FnOnce(&mut Config)>,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            routes: usual_routes(),
            upstream: None,
            origin: None,
            workers: 2,
            decision_space: 1024,
            break_clock_after: None,
            no_keys: false,
            more_issuers: Vec::new(),
            public_origin: None,
            proofs: Proofs::default(),
            api_keys: None,
            internal_tokens: None,
            remembers: false,
            config: Box::new(|_| {}),
        }
    }
}

/// The orders API.
pub(crate) fn usual_routes() -> Vec<RouteSpec> {
    let allow = |permission: &str| Requirement::Allow(Permission::parse(permission).unwrap());
    let mut routes = vec![
        route("GET /health", Requirement::Public),
        route("GET /public", Requirement::Public),
        route("GET /me", Requirement::Authenticated),
        route("GET /orders", allow("orders:read")),
        route("POST /orders", allow("orders:create")),
        route("GET /orders/{id}", allow("orders:read")),
        route("PUT /orders/{id}", allow("orders:create")),
        route("DELETE /orders/{id}", allow("orders:delete")),
        route("GET /admin", allow("admin:read")),
        route("GET /files/{*rest}", Requirement::Public),
        route("POST /upload", Requirement::Public),
    ];
    let mut report = route("GET /tenants/{tenant}/report", allow("orders:read"));
    report.conditions.push(Condition {
        claim: "tenant".into(),
        parameter: "tenant".into(),
    });
    routes.push(report);
    routes
}

pub(crate) fn route(pattern: &str, requirement: Requirement) -> RouteSpec {
    RouteSpec {
        pattern: pattern.into(),
        requirement,
        conditions: Vec::new(),
        demands: Default::default(),
        source: None,
    }
}

impl House {
    pub(crate) fn usual() -> Self {
        Self::start(Plan::default())
    }

    pub(crate) fn with_limits(limits: Limits) -> Self {
        Self::start(Plan {
            limits,
            ..Plan::default()
        })
    }

    pub(crate) fn start(plan: Plan) -> Self {
        let upstream = plan.upstream.unwrap_or_else(Recorder::usual);
        let tokens = Tokens::new();
        let revocations = Arc::new(RevocationSet::default());
        let trusted = if plan.no_keys {
            tokens.without_keys()
        } else {
            tokens.trusted()
        };
        let issuers = [trusted].into_iter().chain(plan.more_issuers).collect();
        let verifier = Verifier::new(issuers, Arc::clone(&revocations)).with_proofs(plan.proofs);
        let verifier = match plan.remembers {
            true => verifier.with_cache(CacheSize::default()),
            false => verifier,
        };
        let routes = RouteTable::build(plan.routes).unwrap();
        let routes = Arc::new(ArcSwap::from_pointee(routes));
        let (sink, decisions) = mpsc::channel(plan.decision_space);
        let counter = AtomicU64::new(0);
        let slow = Arc::new(Slow::default());
        let shared = Shared {
            verifier: Arc::new(ArcSwap::from_pointee(verifier)),
            routes: Arc::clone(&routes),
            clock: clock(plan.break_clock_after),
            trace_ids: Arc::new(move || {
                let number = u128::from(counter.fetch_add(1, Ordering::SeqCst)) + 1;
                TraceId::from_bytes((number << 64 | number).to_be_bytes())
            }),
            local: local_service(Arc::clone(&slow)),
            api_keys: plan.api_keys,
            internal_tokens: plan.internal_tokens,
            decisions: sink,
        };
        let origin = plan.origin.unwrap_or_else(|| upstream.origin());
        let mut config = Config::new("127.0.0.1:0".parse().unwrap(), origin.parse().unwrap());
        config.limits = plan.limits;
        config.workers = plan.workers;
        config.public_origin = plan.public_origin;
        (plan.config)(&mut config);
        let bound = Gateway::bind(config, shared).unwrap();
        let (address, gateway) = (bound.local_addr(), bound.gateway());
        let questions = bound.forward_auth_addr();
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime
                .unwrap()
                .block_on(bound.serve(async { drop(stopped.await) }))
                .unwrap()
        });
        let (stop, thread) = (Some(stop), Some(thread));
        Self {
            address,
            questions,
            upstream,
            tokens,
            gateway,
            routes,
            revocations,
            slow,
            decisions,
            stop,
            thread,
        }
    }

    pub(crate) fn client(&self) -> Client {
        Client::to(self.address)
    }

    /// Writes `bytes` on a connection of its own and reads one answer.
    pub(crate) fn raw(&self, bytes: impl AsRef<[u8]>) -> Reply {
        let mut client = self.client();
        client.write(bytes);
        client.reply()
    }

    /// A plain GET.
    pub(crate) fn get(&self, target: &str, fields: &[&str]) -> Reply {
        self.raw(request("GET", target, fields))
    }

    /// A GET with a token that may read orders.
    pub(crate) fn get_as_reader(&self, target: &str, fields: &[&str]) -> Reply {
        let bearer = self.tokens.reader();
        let bearer = format!("Authorization: Bearer {bearer}");
        let mut all = vec![bearer.as_str()];
        all.extend(fields);
        self.get(target, &all)
    }

    /// Every decision up to that on `path`, which is waited for and left out.
    pub(crate) fn decisions_before(&mut self, path: &str) -> Vec<Decision> {
        let mut before = Vec::new();
        loop {
            let decision = self.decision();
            if decision.path == path {
                return before;
            }
            before.push(decision);
        }
    }

    /// The next decision.
    pub(crate) fn decision(&mut self) -> Decision {
        self.decisions.blocking_recv().unwrap()
    }

    /// Asks the gateway to stop.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until it has.
    pub(crate) fn wait(&mut self) -> Drained {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let drained = thread.join();
            // A second panic would hide the first.
            if !std::thread::panicking() {
                assert_eq!(drained.unwrap().lost_workers, 0, "a worker was lost");
            }
        }
    }
}

/// The head of a request without a body.
pub(crate) fn request(method: &str, target: &str, fields: &[&str]) -> String {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    format!("{method} {target} HTTP/1.1\r\nHost: api.test\r\n{fields}\r\n")
}

/// A clock that panics from the given reading on, or never.
fn clock(break_after: Option<u64>) -> Arc<dyn Clock> {
    struct Breaking(TurnedClock, AtomicU64);
    impl Clock for Breaking {
        fn now(&self) -> Timestamp {
            let left = self.1.fetch_sub(1, Ordering::SeqCst);
            assert_ne!(left, 0, "the clock is broken, as the test wants");
            self.0.now()
        }
    }
    let turned = TurnedClock(AtomicU64::new(tokens::NOW * 1000));
    match break_after {
        Some(readings) => Arc::new(Breaking(turned, AtomicU64::new(readings))),
        None => Arc::new(turned),
    }
}

/// Answers `/auth/...` with what it saw; `/auth/slow` when it may.
fn local_service(slow: Arc<Slow>) -> LocalService {
    LocalService {
        matches: Arc::new(|path| {
            assert_ne!(path, "/panic", "the judge panics, as the test wants");
            path.starts_with("/auth/")
        }),
        call: Arc::new(move |request| Box::pin(answer_locally(request, Arc::clone(&slow)))),
    }
}

async fn answer_locally(request: Request<LocalBody>, slow: Arc<Slow>) -> Response<LocalBody> {
    let (head, body) = request.into_parts();
    assert_ne!(
        head.uri.path(),
        "/auth/panic",
        "the local service panics, as the test wants"
    );
    let peer = head.extensions.get::<Peer>().unwrap().0;
    let trace_id = head.extensions.get::<TraceId>().unwrap();
    let fields: String = head
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes())))
        .collect();
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .unwrap_or_default();
    let body = String::from_utf8_lossy(&body);
    if head.uri.path() == "/auth/slow" {
        slow.is_asked.store(true, Ordering::SeqCst);
        while !slow.may_answer.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }
    let seen = format!(
        "{} {}\n{fields}peer {peer}\ntrace {trace_id}\n{body}",
        head.method, head.uri
    );
    let whole = Full::new(Bytes::from(seen))
        .map_err(|never| match never {})
        .boxed_unsync();
    let mut response = Response::new(whole);
    if head.uri.path() == "/auth/sign-in" {
        response.extensions_mut().insert(Reason::SignedIn);
        response.extensions_mut().insert(Caller {
            subject: "ann".into(),
            ..Caller::default()
        });
    } else {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
        response.extensions_mut().insert(Reason::WrongCredentials);
    }
    response
}
