//! The joints between the rooms: the issuer as the gateway's local service,
//! and the judge that `explain` asks.

use std::{net::TcpListener, sync::Arc};

use arc_swap::ArcSwap;
use doorward_gateway::api_key::{ExchangeFuture, ExchangedKey, KeyExchange, RefusedKey};
use doorward_gateway::internal_token::InternalTokens;
use doorward_gateway::{
    BoundGateway, Config, DecisionSink, Drained, Gateway, Limits, Listeners, LocalBody,
    LocalFuture, LocalService, Shared,
};
use doorward_issuer::{Entropy as _, Issuer, StoreError, api_key::ApiKeyError};
use doorward_policy::{
    decision::{Decision, Reason, Step, TraceId},
    route::RouteTable,
};
use doorward_verify::{
    clock::{Clock as _, Timestamp},
    problem::{MEDIA_TYPE, Problem},
    verifier::Verifier,
};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tower::ServiceExt as _;

use super::descriptors;
use crate::{
    admin_listener::{Explain, Judged},
    config::own_path,
    exit::{Answer, Failure},
    system::{SystemClock, SystemEntropy},
};

/// What a gateway is made of, besides its listeners and the issuer.
pub(super) struct Parts {
    pub(super) front: Config,
    pub(super) verifier: Arc<ArcSwap<Verifier>>,
    pub(super) routes: Arc<ArcSwap<RouteTable>>,
    pub(super) decisions: DecisionSink,
    /// Answers what Doorward answers itself.
    pub(super) local: LocalService,
    /// Where API keys become tokens, if that is here.
    pub(super) api_keys: Option<KeyExchange>,
    /// Where tokens for upstreams are made.
    pub(super) internal_tokens: Option<InternalTokens>,
}

/// The gateway, made of its parts.
pub(super) fn gateway(listeners: Listeners, parts: Parts) -> Result<BoundGateway, Failure> {
    let config = Config {
        limits: limits(parts.front.limits),
        ..parts.front
    };
    let shared = Shared {
        verifier: parts.verifier,
        routes: parts.routes,
        clock: Arc::new(SystemClock),
        trace_ids: Arc::new(|| TraceId::from_bytes(random())),
        local: parts.local,
        api_keys: parts.api_keys,
        internal_tokens: parts.internal_tokens,
        decisions: parts.decisions,
    };
    Gateway::on(listeners, config, shared).map_err(|error| Failure::usage(error.to_string()))
}

fn limits(limits: Limits) -> Limits {
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    match descriptors::limit() {
        Some(descriptors) => descriptors::fit(limits, descriptors, workers),
        None => limits,
    }
}

/// The issuer's endpoints, run on `runtime` and not on the gateway's threads.
pub(super) fn local_service(issuer: &Issuer, runtime: Handle) -> LocalService {
    let router = issuer.router();
    let call = move |mut request: Request<LocalBody>| -> LocalFuture {
        if let Some(peer) = request
            .extensions()
            .get::<doorward_gateway::Peer>()
            .copied()
        {
            request
                .extensions_mut()
                .insert(doorward_issuer::http::Peer(peer.0));
        }
        let answer = router.clone().oneshot(request.map(axum::body::Body::new));
        let answer = runtime.spawn(answer);
        Box::pin(async move {
            match answer.await {
                Ok(Ok(answer)) => answer.map(|body| body.map_err(Into::into).boxed_unsync()),
                Ok(Err(never)) => match never {},
                // A handler panicked: this request fails, the server goes on.
                Err(_) => failed(),
            }
        })
    };
    LocalService {
        matches: Arc::new(|path| own_path(path).is_some()),
        call: Arc::new(call),
    }
}

/// The issuer as the place where API keys become tokens; the store is asked on
/// `runtime` and not on the gateway's threads.
pub(super) fn key_exchange(issuer: &Issuer, runtime: Handle) -> KeyExchange {
    let (knows, asked) = (issuer.clone(), issuer.clone());
    let call = move |text: String| -> ExchangeFuture {
        let issuer = asked.clone();
        let exchanging =
            runtime.spawn(async move { issuer.exchange_api_key(&text, SystemClock.now()).await });
        Box::pin(async move {
            match exchanging.await {
                Ok(Ok(exchanged)) => Ok(ExchangedKey {
                    access_token: exchanged.access_token,
                    networks: exchanged.networks,
                    usable_until: exchanged.usable_until,
                }),
                Ok(Err(error)) => Err(refused_key(&error)),
                // It panicked: this request fails, the server goes on.
                Err(_) => Err(refused_key(&ApiKeyError::Refused(Reason::Internal))),
            }
        })
    };
    KeyExchange {
        recognises: Arc::new(move |text| knows.drew_api_key(text)),
        call: Arc::new(call),
    }
}

fn refused_key(error: &ApiKeyError) -> RefusedKey {
    let (reason, is_genuine) = match error {
        ApiKeyError::Refused(reason) => (*reason, true),
        ApiKeyError::NotOurs => (Reason::ApiKeyUnknown, false),
        ApiKeyError::Store(StoreError::Unavailable(_)) => (Reason::StoreUnavailable, false),
        _ => (Reason::Internal, false),
    };
    RefusedKey { reason, is_genuine }
}

/// The issuer's paths on a gateway that has none: nothing, rather than a way
/// through for passwords and refresh tokens (`DESIGN.md`).
pub(crate) fn nothing_here() -> LocalService {
    LocalService {
        matches: Arc::new(|path| own_path(path).is_some()),
        call: Arc::new(|request| {
            let trace_id = request.extensions().get::<TraceId>().copied();
            Box::pin(std::future::ready(not_found(trace_id, &request)))
        }),
    }
}

fn not_found(trace_id: Option<TraceId>, request: &Request<LocalBody>) -> Response<LocalBody> {
    let trace_id = trace_id.unwrap_or_else(|| TraceId::from_bytes(random()));
    let (method, path) = (request.method().as_str(), request.uri().path());
    let mut decision = Decision::new(trace_id, SystemClock.now().millis(), method, path);
    let seen = "a path of the issuer, which is not here";
    decision.fail(
        Step::Route,
        Reason::NoRoute,
        seen,
        "the issuer's own address",
    );
    decision.status = Some(StatusCode::NOT_FOUND.as_u16());
    // Only strings and a number: cannot fail.
    let body = serde_json::to_vec(&Problem::of(&decision)).unwrap_or_default();
    let body = http_body_util::Full::from(body).map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::NOT_FOUND;
    let media_type = HeaderValue::from_static(MEDIA_TYPE);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    answer.extensions_mut().insert(Reason::NoRoute);
    answer.extensions_mut().insert(decision);
    answer
}

fn failed() -> Response<LocalBody> {
    let body = http_body_util::Empty::new().map_err(|never| match never {});
    let mut answer = Response::new(body.boxed_unsync());
    *answer.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
    answer.extensions_mut().insert(Reason::Internal);
    answer
}

/// Judges a request that nobody sends.
pub(super) fn judge(gateway: Gateway) -> Box<dyn Fn(Explain) -> Judged + Send + Sync> {
    Box::new(move |explain| {
        let now = SystemClock.now();
        let host = HeaderValue::try_from(gateway.listen().to_string());
        let token = explain
            .token
            .as_ref()
            .map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        let mut headers = HeaderMap::new();
        headers.extend(host.ok().map(|host| (header::HOST, host)));
        match token.transpose() {
            Ok(token) => headers.extend(token.map(|token| (header::AUTHORIZATION, token))),
            // What cannot stand in a header would never have arrived.
            Err(_) => {
                let decision = unreadable_token(&explain.method, &explain.target, now);
                return Box::pin(async { decision });
            }
        }
        let (gateway, Explain { method, target, .. }) = (gateway.clone(), explain);
        Box::pin(async move { gateway.explain(&method, &target, &headers, now).await })
    })
}

fn unreadable_token(method: &str, target: &str, now: Timestamp) -> Decision {
    let trace_id = TraceId::from_bytes(random());
    let mut decision = Decision::new(trace_id, now.millis(), method, target);
    decision.fail(
        Step::Credential,
        Reason::MalformedCredential,
        "a token with characters that no header can hold",
        "Authorization: Bearer TOKEN",
    );
    decision
}

/// How the way down went, as the command's answer.
pub(super) fn ended(drained: std::io::Result<Drained>) -> Result<Answer, Failure> {
    match drained {
        Ok(Drained {
            lost_workers: 0, ..
        }) => Ok(Answer::Yes),
        Ok(_) => Err(Failure::internal("a thread of the gateway ended by itself")
            .hint("please report what stands above")),
        Err(error) => Err(Failure::unreachable(format!(
            "the gateway cannot start: {error}"
        ))),
    }
}

/// A listener for the admin endpoints.
pub(super) fn bind(address: std::net::SocketAddr, flag: &str) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).and_then(|listener| {
        listener.set_nonblocking(true)?;
        Ok(listener)
    });
    bound.map_err(|error| in_use(&format!("cannot listen on {address}: {error}"), flag))
}

/// The gateway's listeners.
pub(super) fn bind_gateway(address: std::net::SocketAddr) -> Result<Listeners, Failure> {
    Listeners::bind(address, 0).map_err(|error| in_use(&error.to_string(), "--listen"))
}

fn in_use(message: &str, flag: &str) -> Failure {
    Failure::unreachable(message).hint(format!(
        "is another server running? choose another address with {flag}"
    ))
}

/// Random bytes for ids and tokens.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemEntropy.fill(&mut bytes);
    bytes
}
