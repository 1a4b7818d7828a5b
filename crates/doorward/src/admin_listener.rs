//! The admin listener: health for machines, decisions for the operator.
//!
//! Loopback by default. Everything but health asks for the operator's token,
//! which lies in the data folder: whoever can read that file is the operator.
//! What a decision shows here is whole; strangers and callers get only the
//! problem document of their own request. Administration (`/api/users` and the
//! like) is the issuer's: it takes access tokens too.

mod access;
pub(crate) mod connections;
pub(crate) mod shadow;
#[cfg(test)]
mod unauthorized;

use std::{pin::Pin, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use doorward_policy::decision::{Decision, TraceId};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) use access::OperatorToken;
use access::{know_operator, operator_only, same_machine_names, scraper_or_operator};

use crate::{journal::Journal, metrics};

/// One endpoint of the listener. The router is made from [`ENDPOINTS`] and
/// nothing else, so the table is complete and the unauthorized matrix can be
/// held against it.
pub(crate) struct Endpoint {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) access: Access,
    handler: fn(MethodFilter) -> MethodRouter<Arc<Admin>>,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anyone who reaches the listener.
    Anyone,
    /// Whoever holds the token for the numbers, or the operator's.
    Scraper,
    /// Whoever holds the operator's token.
    Operator,
}

/// Every endpoint.
pub(crate) const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: Method::GET,
        path: "/healthz",
        access: Access::Anyone,
        handler: |method| on(method, health),
    },
    Endpoint {
        method: Method::GET,
        path: "/readyz",
        access: Access::Anyone,
        handler: |method| on(method, ready),
    },
    Endpoint {
        method: Method::GET,
        path: "/metrics",
        access: Access::Scraper,
        handler: |method| on(method, metrics),
    },
    Endpoint {
        method: Method::GET,
        path: "/api/decisions/last",
        access: Access::Operator,
        handler: |method| on(method, last),
    },
    Endpoint {
        method: Method::GET,
        path: "/api/decisions/{trace_id}",
        access: Access::Operator,
        handler: |method| on(method, one),
    },
    Endpoint {
        method: Method::POST,
        path: "/api/explain",
        access: Access::Operator,
        handler: |method| on(method, explain),
    },
    Endpoint {
        method: Method::GET,
        path: "/api/shadow",
        access: Access::Operator,
        handler: |method| on(method, shadow::shadow),
    },
];

/// What the listener answers from.
pub(crate) struct Admin {
    pub(crate) journal: Arc<Journal>,
    pub(crate) operator_token: OperatorToken,
    /// Opens the numbers and nothing else: what scrapes is no operator.
    pub(crate) metrics_token: OperatorToken,
    /// Everything that is counted, as text.
    pub(crate) metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// Whether requests can be answered as they should be.
    pub(crate) ready: Box<dyn Fn() -> Readiness + Send + Sync>,
    /// Judges a request that is not sent.
    pub(crate) judge: Box<dyn Fn(Explain) -> Judged + Send + Sync>,
    /// What came of the candidate beside the configuration.
    pub(crate) shadow: Box<dyn Fn() -> shadow::Shadow + Send + Sync>,
    /// Administration, where the issuer is in this process.
    pub(crate) api: Router,
    /// Fills in what only the operator's side knows: names and fixes.
    pub(crate) annotate: Box<dyn Fn(Decision) -> Annotated + Send + Sync>,
}

/// A decision to come: an API key may have to be exchanged for it.
pub(crate) type Judged = Pin<Box<dyn Future<Output = Decision> + Send>>;

/// Whether this process can do its work, and what that depends on.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    pub(crate) is_ready: bool,
    /// More members of the answer, an object.
    pub(crate) detail: serde_json::Value,
}

impl Readiness {
    /// Nothing outside of this process is needed.
    pub(crate) fn always() -> Self {
        Self {
            is_ready: true,
            detail: json!({}),
        }
    }
}

/// A decision on its way to being [`Explained`]: names are looked up.
pub(crate) type Annotated = Pin<Box<dyn Future<Output = Explained> + Send>>;

/// The request that `explain METHOD URL` asks about.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Explain {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// The bearer token, if one is to be sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
}

/// A decision with the names that its ids stand for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Explained {
    pub(crate) decision: Decision,
    /// User name and tenant of the caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) caller_name: Option<String>,
}

/// The listener's router.
pub(crate) fn router(admin: Arc<Admin>) -> Router {
    let operator = middleware::from_fn_with_state(Arc::clone(&admin), operator_only);
    let scraper = middleware::from_fn_with_state(Arc::clone(&admin), scraper_or_operator);
    let endpoints = ENDPOINTS.iter().fold(Router::new(), |router, endpoint| {
        let method = MethodFilter::try_from(endpoint.method.clone())
            .expect("INVARIANT: ENDPOINTS names standard methods only");
        let handler = (endpoint.handler)(method);
        let handler = match endpoint.access {
            Access::Anyone => handler,
            Access::Scraper => handler.layer(scraper.clone()),
            Access::Operator => handler.layer(operator.clone()),
        };
        router.route(endpoint.path, handler)
    });
    let known = middleware::from_fn_with_state(Arc::clone(&admin), know_operator);
    let api = admin.api.clone().layer(known);
    endpoints
        .fallback(|| async { refused(StatusCode::NOT_FOUND, "there is nothing at this path") })
        .layer(DefaultBodyLimit::max(64 * 1024))
        .with_state(admin)
        .merge(api)
        .layer(middleware::from_fn(same_machine_names))
}

async fn metrics(State(admin): State<Arc<Admin>>) -> Response {
    let media_type = HeaderValue::from_static(metrics::MEDIA_TYPE);
    ([(header::CONTENT_TYPE, media_type)], (admin.metrics)()).into_response()
}

async fn health() -> Json<serde_json::Value> {
    Json(json!({ "status": "ok" }))
}

async fn ready(State(admin): State<Arc<Admin>>) -> Response {
    let Readiness {
        is_ready,
        mut detail,
    } = (admin.ready)();
    let (status, word) = match is_ready {
        true => (StatusCode::OK, "ready"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not_ready"),
    };
    detail["status"] = word.into();
    (status, Json(detail)).into_response()
}

async fn last(State(admin): State<Arc<Admin>>) -> Response {
    found(&admin, admin.journal.last()).await
}

async fn one(State(admin): State<Arc<Admin>>, Path(trace_id): Path<String>) -> Response {
    match trace_id.parse::<TraceId>() {
        Ok(trace_id) => found(&admin, admin.journal.find(trace_id)).await,
        Err(error) => refused(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

async fn found(admin: &Admin, decision: Option<Decision>) -> Response {
    match decision {
        Some(decision) => Json((admin.annotate)(decision).await).into_response(),
        None => refused(StatusCode::NOT_FOUND, "no such decision is remembered"),
    }
}

async fn explain(State(admin): State<Arc<Admin>>, Json(explain): Json<Explain>) -> Response {
    let decision = (admin.judge)(explain).await;
    Json((admin.annotate)(decision).await).into_response()
}

fn refused(status: StatusCode, title: &str) -> Response {
    let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    let mut response = (status, Json(body)).into_response();
    let media_type = HeaderValue::from_static(doorward_verify::problem::MEDIA_TYPE);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    response
}
