//! The admin listener: health for machines, decisions for the operator.
//!
//! Loopback by default. Everything but health asks for the operator's token,
//! which lies in the data folder: whoever can read that file is the operator.
//! What a decision shows here is whole; strangers and callers get only the
//! problem document of their own request. Administration (`/api/users` and the
//! like) is the issuer's: it takes access tokens too.

pub(crate) mod connections;
pub(crate) mod shadow;

use std::{pin::Pin, sync::Arc};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodFilter, MethodRouter, on},
};
use doorward_issuer::{hexadecimal::hex, http::admin::Operator};
use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::bearer;
use serde::{Deserialize, Serialize};
use serde_json::json;

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

/// The secret of the data folder's owner.
#[derive(Clone)]
pub(crate) struct OperatorToken(String);

impl OperatorToken {
    /// Reads what [`OperatorToken::generate`] wrote.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        (text.len() == 64 && text.bytes().all(is_hex)).then(|| Self(text.to_owned()))
    }

    /// A new one from 32 random bytes.
    pub(crate) fn generate(random: [u8; 32]) -> Self {
        Self(hex(&random))
    }

    /// The text to keep.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// The field to send.
    pub(crate) fn authorization(&self) -> HeaderValue {
        let text = format!("Bearer {}", self.0);
        let mut value =
            HeaderValue::try_from(text).expect("an operator token is made of hexadecimal digits");
        value.set_sensitive(true);
        value
    }

    /// Compares without a hint of how much was right: every byte is looked at.
    fn matches(&self, sent: &str) -> bool {
        let (own, sent) = (self.0.as_bytes(), sent.as_bytes());
        let different = own.iter().zip(sent).fold(0, |seen, (a, b)| seen | (a ^ b));
        own.len() == sent.len() && std::hint::black_box(different) == 0
    }
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

/// Tells the administration that the operator asks, by the token of the data
/// folder. Whoever else asks shows an access token there.
async fn know_operator(
    State(admin): State<Arc<Admin>>,
    mut request: Request,
    next: Next,
) -> Response {
    let is_operator = matches!(
        bearer::from_headers(request.headers()),
        Ok(token) if admin.operator_token.matches(token)
    );
    if is_operator {
        request.extensions_mut().insert(Operator);
    }
    next.run(request).await
}

/// A browser that was talked into calling loopback by another name (DNS
/// rebinding) or from another site's page is turned away before anything else.
async fn same_machine_names(request: Request, next: Next) -> Response {
    if request.headers().contains_key(header::ORIGIN) {
        return refused(
            StatusCode::FORBIDDEN,
            "requests from web pages are not taken here",
        );
    }
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    if host.is_none_or(|host| !names_an_address(host)) {
        return refused(
            StatusCode::MISDIRECTED_REQUEST,
            "call this listener by its address",
        );
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// `127.0.0.1:4181`, `[::1]:4181`, `localhost:4181`, with or without a port.
fn names_an_address(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok()
}

async fn operator_only(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    match bearer::from_headers(&headers) {
        Ok(token) if admin.operator_token.matches(token) => next.run(request).await,
        _ => unauthorized("send the operator token of the data folder as a bearer token"),
    }
}

async fn scraper_or_operator(
    State(admin): State<Arc<Admin>>,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    let is_known =
        |token: &str| admin.metrics_token.matches(token) || admin.operator_token.matches(token);
    match bearer::from_headers(&headers) {
        Ok(token) if is_known(token) => next.run(request).await,
        _ => unauthorized("send the metrics token of the data folder as a bearer token"),
    }
}

fn unauthorized(title: &str) -> Response {
    let mut response = refused(StatusCode::UNAUTHORIZED, title);
    let challenge = HeaderValue::from_static("Bearer");
    response
        .headers_mut()
        .insert(header::WWW_AUTHENTICATE, challenge);
    response
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

/// The unauthorized matrix of this listener: every endpoint as nobody, as
/// somebody with the wrong token, by a foreign name and from a web page.
#[cfg(test)]
mod unauthorized {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{collections::BTreeSet, sync::Arc};

    use axum::{
        body::Body,
        http::{Request, StatusCode},
    };
    use doorward_policy::decision::{Decision, TraceId};
    use tower::ServiceExt as _;

    use super::{Access, Admin, ENDPOINTS, Explained, OperatorToken, router};
    use crate::journal::Journal;

    /// A row for each endpoint: what nobody and the operator get.
    const MATRIX: &[(&str, &str, StatusCode, StatusCode)] = &[
        ("GET", "/healthz", StatusCode::OK, StatusCode::OK),
        ("GET", "/readyz", StatusCode::OK, StatusCode::OK),
        ("GET", "/metrics", StatusCode::UNAUTHORIZED, StatusCode::OK),
        (
            "GET",
            "/api/decisions/last",
            StatusCode::UNAUTHORIZED,
            StatusCode::OK,
        ),
        (
            "GET",
            "/api/decisions/{trace_id}",
            StatusCode::UNAUTHORIZED,
            StatusCode::OK,
        ),
        (
            "POST",
            "/api/explain",
            StatusCode::UNAUTHORIZED,
            StatusCode::OK,
        ),
        (
            "GET",
            "/api/shadow",
            StatusCode::UNAUTHORIZED,
            StatusCode::OK,
        ),
    ];

    const TRACE: &str = "01010101010101010101010101010101";
    const TOKEN: &str = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f";

    fn admin() -> Arc<Admin> {
        let decision = || Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
        let journal = Arc::new(Journal::default());
        journal.record(decision());
        Arc::new(Admin {
            journal,
            operator_token: OperatorToken::generate([0x0f; 32]),
            metrics_token: OperatorToken::generate([0x0e; 32]),
            metrics: Box::new(String::new),
            ready: Box::new(super::Readiness::always),
            judge: Box::new(move |_| Box::pin(async move { decision() })),
            shadow: Box::new(super::shadow::Shadow::default),
            api: axum::Router::new(),
            annotate: Box::new(|decision| {
                Box::pin(async {
                    Explained {
                        decision,
                        caller_name: None,
                    }
                })
            }),
        })
    }

    async fn status(method: &str, path: &str, extra: &[(&str, &str)]) -> StatusCode {
        let path = path.replace("{trace_id}", TRACE);
        let mut request = Request::builder().method(method).uri(path);
        if !extra.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", "127.0.0.1:4181");
        }
        for (name, value) in extra {
            request = request.header(*name, *value);
        }
        let body = r#"{"method":"GET","target":"/"}"#;
        let request = request
            .header("content-type", "application/json")
            .body(Body::from(body));
        router(admin())
            .oneshot(request.unwrap())
            .await
            .unwrap()
            .status()
    }

    /// Endpoints and rows must be the same set; returns what differs.
    fn differences(endpoints: &BTreeSet<(String, String)>) -> Vec<(String, String)> {
        let row = |row: &(&str, &str, _, _)| (row.0.to_owned(), row.1.to_owned());
        let rows: BTreeSet<_> = MATRIX.iter().map(row).collect();
        endpoints.symmetric_difference(&rows).cloned().collect()
    }

    fn endpoints() -> BTreeSet<(String, String)> {
        ENDPOINTS
            .iter()
            .map(|e| (e.method.to_string(), e.path.to_owned()))
            .collect()
    }

    #[test]
    fn every_endpoint_has_a_row() {
        assert_eq!(differences(&endpoints()), vec![]);
    }

    #[test]
    fn a_new_endpoint_without_a_row_is_noticed() {
        let mut endpoints = endpoints();
        endpoints.insert(("GET".to_owned(), "/api/new".to_owned()));
        assert_eq!(
            differences(&endpoints),
            vec![("GET".to_owned(), "/api/new".to_owned())]
        );
    }

    #[tokio::test]
    async fn the_token_for_the_numbers_opens_nothing_else() {
        let scraper = format!("Bearer {}", "0e".repeat(32));
        for (method, path, nobody, _) in MATRIX {
            let sent = [("authorization", scraper.as_str())];
            let expected = match *path {
                "/metrics" => StatusCode::OK,
                _ => *nobody,
            };
            assert_eq!(status(method, path, &sent).await, expected, "{path}");
        }
    }

    #[tokio::test]
    async fn nobody_and_the_wrong_token_are_turned_away() {
        let good = format!("Bearer {TOKEN}");
        for (method, path, nobody, operator) in MATRIX {
            assert_eq!(status(method, path, &[]).await, *nobody, "{method} {path}");
            for wrong in [
                format!("{good}0"),
                good.replace('0', "1"),
                "Basic YTpi".to_owned(),
            ] {
                let sent = [("authorization", wrong.as_str())];
                assert_eq!(
                    status(method, path, &sent).await,
                    *nobody,
                    "{method} {path} {wrong}"
                );
            }
            let sent = [("authorization", good.as_str())];
            assert_eq!(
                status(method, path, &sent).await,
                *operator,
                "{method} {path}"
            );
        }
    }

    #[tokio::test]
    async fn con_005_web_pages_and_foreign_names_are_turned_away() {
        let good = format!("Bearer {TOKEN}");
        for (method, path, ..) in MATRIX {
            let page = [
                ("authorization", good.as_str()),
                ("origin", "http://127.0.0.1:4181"),
            ];
            assert_eq!(status(method, path, &page).await, StatusCode::FORBIDDEN);
            let rebound = [
                ("authorization", good.as_str()),
                ("host", "evil.example:4181"),
            ];
            assert_eq!(
                status(method, path, &rebound).await,
                StatusCode::MISDIRECTED_REQUEST
            );
        }
    }

    #[test]
    fn only_health_and_readiness_are_open() {
        let open = ENDPOINTS.iter().filter(|e| e.access == Access::Anyone);
        assert_eq!(
            open.map(|e| e.path).collect::<Vec<_>>(),
            ["/healthz", "/readyz"]
        );
    }
}
