//! What every endpoint refuses in a body.

use axum::body::Body;
use http::{Method, Request, header};
use serde_json::json;

use crate::harness::{House, PASSWORD, post, request};

fn with_type(content_type: &[&str], body: impl Into<Body>) -> Request<Body> {
    let mut request = request(Method::POST, "/auth/sign-in");
    for field in content_type {
        request
            .headers_mut()
            .append(header::CONTENT_TYPE, field.parse().unwrap());
    }
    *request.body_mut() = body.into();
    request
}

fn credentials() -> String {
    json!({ "username": "alice", "password": PASSWORD }).to_string()
}

#[tokio::test]
async fn iss_033_only_json_in_utf_8_is_read() {
    let house = House::new().await;
    let good = [
        "application/json",
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
    ];
    for content_type in good {
        let answer = house.call(with_type(&[content_type], credentials())).await;
        assert_eq!(answer.verdict(), (200, "signed_in"), "{content_type}");
    }
    let bad: [&[&str]; 10] = [
        &[],
        &["text/plain"],
        &["text/json"],
        &["application/x-www-form-urlencoded"],
        &["multipart/form-data; boundary=x"],
        &["application/json; charset=utf-16"],
        &["application/json; charset=utf-8; charset=utf-7"],
        &["application/jsonp"],
        &["application/json, text/plain"],
        &["application/json", "text/plain"],
    ];
    for content_type in bad {
        let answer = house.call(with_type(content_type, credentials())).await;
        assert_eq!(
            answer.verdict(),
            (415, "unsupported_media_type"),
            "{content_type:?}"
        );
    }
    let form = "username=alice&password=x";
    let answer = house.call(with_type(&["application/json"], form)).await;
    assert_eq!(answer.verdict(), (400, "bad_body"));
}

#[tokio::test]
async fn dos_006_a_compressed_body_is_not_inflated() {
    let house = House::new().await;
    for coding in ["gzip", "br", "zstd", "identity, gzip"] {
        let mut request = with_type(&["application/json"], credentials());
        request
            .headers_mut()
            .insert(header::CONTENT_ENCODING, coding.parse().unwrap());
        let answer = house.call(request).await;
        assert_eq!(
            answer.verdict(),
            (415, "unsupported_media_type"),
            "{coding}"
        );
    }
}

#[tokio::test]
async fn dos_007_hostile_json_is_refused_quickly() {
    let house = House::new().await;
    let deep = |open: &str, depth: usize| open.repeat(depth);
    let many: String = (0..700).map(|number| format!("\"k{number}\":1,")).collect();
    let hostile: Vec<Vec<u8>> = vec![
        deep("[", 8_000).into(),
        deep("{\"a\":", 1_500).into(),
        format!("{}1{}", deep("[", 4_000), deep("]", 4_000)).into(),
        format!("{{{many}\"username\":\"alice\"}}").into(),
        b"{\"username\":\"alice\",\"username\":\"bob\",\"password\":\"x\"}".to_vec(),
        b"{\"username\":\"alice\",\"\\u0075sername\":\"bob\",\"password\":\"x\"}".to_vec(),
        b"{\"username\":\"alice\",\"password\":\"x\"} {}".to_vec(),
        b"{\"username\":\"al\xff\",\"password\":\"x\"}".to_vec(),
        b"\xef\xbb\xbf{\"username\":\"alice\",\"password\":\"x\"}".to_vec(),
        b"{\"username\":\"\\ud800\",\"password\":\"x\"}".to_vec(),
        b"{\"username\":[\"alice\"],\"password\":\"x\"}".to_vec(),
        b"{\"username\":\"alice\",\"password\":1e999}".to_vec(),
        b"{\"username\":\"alice\"}".to_vec(),
        b"[]".to_vec(),
        b"null".to_vec(),
        b"{".to_vec(),
        b"\0".to_vec(),
        Vec::new(),
    ];
    for body in hostile {
        let shown = String::from_utf8_lossy(&body)
            .chars()
            .take(40)
            .collect::<String>();
        let started = std::time::Instant::now();
        let answer = house.call(with_type(&["application/json"], body)).await;
        assert_eq!(answer.verdict(), (400, "bad_body"), "{shown}");
        assert!(started.elapsed().as_millis() < 50, "{shown}");
    }
}

#[tokio::test]
async fn a_large_body_is_refused_announced_or_not() {
    let house = House::new().await;
    let large = json!({ "username": "alice", "password": "x".repeat(9_000) });
    assert_eq!(
        house.call(post("/auth/sign-in", &large)).await.verdict(),
        (413, "body_too_large")
    );
    let mut announced = with_type(&["application/json"], credentials());
    announced
        .headers_mut()
        .insert(header::CONTENT_LENGTH, "1000000000".parse().unwrap());
    assert_eq!(
        house.call(announced).await.verdict(),
        (413, "body_too_large")
    );
    let keys: String = (0..1_000_000)
        .map(|number| format!("\"k{number}\":1,"))
        .collect();
    let answer = house
        .call(with_type(
            &["application/json"],
            format!("{{{keys}\"z\":1}}"),
        ))
        .await;
    assert_eq!(answer.verdict(), (413, "body_too_large"));
}
