//! What every answer has, whatever it answers.

use axum::{Router, body::Body};
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::harness::{Answered, House, PASSWORD, post, request, with_bearer};

fn with_origin(mut request: Request<Body>) -> Request<Body> {
    request
        .headers_mut()
        .insert("origin", "https://evil.example".parse().unwrap());
    request
}

async fn many_answers(house: &House) -> Vec<Answered> {
    let tokens = house.sign_in("alice").await;
    let injection = json!({ "username": "x' OR '1'='1", "password": "'; DROP TABLE users; --" });
    let requests = [
        post(
            "/auth/sign-in",
            &json!({ "username": "alice", "password": PASSWORD }),
        ),
        post(
            "/auth/sign-in",
            &json!({ "username": "alice", "password": "wrong" }),
        ),
        post("/auth/sign-in", &injection),
        post("/auth/sign-in", &json!({ "role": "admin" })),
        post("/auth/refresh", &json!({ "refresh_token": tokens.refresh })),
        post("/auth/refresh", &json!({ "refresh_token": "x" })),
        with_bearer(request(Method::GET, "/auth/me"), Some(&tokens.access)),
        with_bearer(request(Method::GET, "/auth/me"), Some("a.b.c")),
        request(Method::GET, "/auth/me"),
        request(Method::GET, "/auth/nothing"),
        request(Method::DELETE, "/auth/me"),
        request(Method::OPTIONS, "/auth/sign-in"),
        with_bearer(
            request(Method::POST, "/auth/sign-out"),
            Some(&tokens.access),
        ),
    ];
    let mut answers = Vec::new();
    for request in requests {
        answers.push(house.call(with_origin(request)).await);
    }
    answers
}

#[tokio::test]
async fn iss_035_nothing_is_stored_shared_or_told() {
    let house = House::new().await;
    for answer in many_answers(&house).await {
        assert_eq!(
            answer.header("cache-control"),
            Some("no-store"),
            "{answer:?}"
        );
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        let cors = answer
            .headers
            .keys()
            .filter(|name| name.as_str().starts_with("access-control"));
        assert_eq!(cors.count(), 0, "{answer:?}");
        let text = answer.text().to_lowercase();
        for word in [
            "select", "sqlite", "sqlx", "panicked", ".rs:", "src/", "stack",
        ] {
            assert!(!text.contains(word), "{word} in {text}");
        }
        if answer.status.as_u16() >= 400 {
            assert_eq!(
                answer.header("content-type"),
                Some("application/problem+json")
            );
            let body = answer.json();
            assert_eq!(body["status"], answer.status.as_u16());
            assert_eq!(body["trace_id"].as_str().unwrap().len(), 32);
            assert!(
                body["type"]
                    .as_str()
                    .unwrap()
                    .ends_with(body["reason"].as_str().unwrap())
            );
        }
        if answer.status == StatusCode::UNAUTHORIZED {
            assert!(
                answer
                    .header("www-authenticate")
                    .unwrap()
                    .starts_with("Bearer")
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_method_is_405_and_names_the_known_ones() {
    let house = House::new().await;
    for (method, path, allowed) in [
        (Method::DELETE, "/auth/me", "GET,HEAD"),
        (Method::GET, "/auth/sign-in", "POST"),
        (Method::OPTIONS, "/auth/sign-out", "POST"),
        (Method::POST, "/.well-known/jwks.json", "GET,HEAD"),
        (Method::TRACE, "/auth/refresh", "POST"),
    ] {
        let answer = house.call(request(method, path)).await;
        assert_eq!(answer.verdict(), (405, "method_not_allowed"), "{path}");
        assert_eq!(answer.header("allow"), Some(allowed), "{path}");
    }
}

#[tokio::test]
async fn an_unknown_path_is_404() {
    let house = House::new().await;
    for path in [
        "/",
        "/auth",
        "/auth/",
        "/auth/sign-in/",
        "/auth//me",
        "/AUTH/me",
        "/auth/me%2f",
        "/.well-known/",
        "/.well-known/jwks.json/x",
        "/auth/../auth/me",
    ] {
        let answer = house.get(path, None).await;
        assert_eq!(answer.verdict(), (404, "no_route"), "{path}");
    }
}

#[tokio::test]
async fn a_trace_id_that_is_given_is_kept() {
    let house = House::new().await;
    let trace_id = doorward_policy::decision::TraceId::from_bytes([0xab; 16]);
    let mut request = request(Method::GET, "/auth/me");
    request.extensions_mut().insert(trace_id);
    assert_eq!(
        house.call(request).await.json()["trace_id"],
        trace_id.to_string()
    );
}

#[tokio::test]
async fn a_stranger_hears_one_word_about_any_token() {
    let house = House::new().await;
    let other = House::with(crate::harness::CHEAP, 2).await;
    let foreign = other.sign_in("alice").await.access;
    let good = house.sign_in("alice").await.access;
    let mut tampered = good.clone();
    tampered.replace_range(
        good.len() - 4..,
        if good.ends_with("AAAA") {
            "BBBB"
        } else {
            "AAAA"
        },
    );
    let said = |answer: &Answered| {
        let mut body = answer.json();
        body["trace_id"].take();
        (
            answer.status,
            body,
            answer.header("www-authenticate").map(str::to_owned),
        )
    };
    let first = house.get("/auth/me", Some("a.b.c")).await;
    assert_eq!(first.json()["reason"], "invalid_token");
    for token in [foreign, tampered, "x".repeat(9_000), format!("{good}=")] {
        let answer = house.get("/auth/me", Some(&token)).await;
        assert_eq!(said(&answer), said(&first));
        assert!(answer.caller.is_none());
    }
}

/// The router is a value: calling it needs no listener, and clones share the
/// issuer.
#[tokio::test]
async fn routers_of_one_issuer_share_its_sessions() {
    let house = House::new().await;
    let tokens = house.sign_in("alice").await;
    let second: Router = house.router();
    let ask = with_bearer(request(Method::GET, "/auth/me"), Some(&tokens.access));
    assert_eq!(
        crate::harness::call(second, ask).await.status,
        StatusCode::OK
    );
}
