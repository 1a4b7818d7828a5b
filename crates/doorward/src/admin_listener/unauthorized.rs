//! The unauthorized matrix of this listener: every endpoint as nobody, as
//! somebody with the wrong token, by a foreign name and from a web page.

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
