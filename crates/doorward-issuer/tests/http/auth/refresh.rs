//! `POST /auth/refresh`.

use http::StatusCode;
use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::{Answered, House, call, post};

fn assert_invalid_grant(answer: &Answered) {
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let body = answer.json();
    assert_eq!(
        (&body["error"], &body["reason"]),
        (&json!("invalid_grant"), &json!("invalid_grant"))
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(body.get("detail").is_none(), "{body}");
}

#[tokio::test]
async fn rft_001_a_rotated_token_that_comes_back_ends_its_session() {
    let house = House::new().await;
    let other = house.sign_in("alice").await;
    let first = house.sign_in("alice").await;
    let second = house.refresh(&first.refresh).await.tokens();
    house.turn_clock(21);
    let replayed = house.refresh(&first.refresh).await;
    assert_invalid_grant(&replayed);
    assert_eq!(replayed.reason.code(), "refresh_reused");
    assert_invalid_grant(&house.refresh(&second.refresh).await);
    let me = house.get("/auth/me", Some(&second.access)).await;
    assert_eq!(me.verdict(), (401, "session_revoked"));
    // The family ends, not the user.
    house.refresh(&other.refresh).await.tokens();
}

#[tokio::test]
async fn rft_002_a_retry_inside_the_overlap_gets_the_same_successor() {
    let house = House::new().await;
    let first = house.sign_in("alice").await;
    let second = house.refresh(&first.refresh).await.tokens();
    house.turn_clock(19);
    let retried = house.refresh(&first.refresh).await;
    assert_eq!(retried.verdict(), (200, "refresh_repeated"));
    assert_eq!(retried.tokens().refresh, second.refresh);
}

#[tokio::test]
async fn rft_003_parallel_refreshes_leave_one_live_leaf() {
    let house = House::new().await;
    let first = house.sign_in("alice").await;
    let mut calls = JoinSet::new();
    for _ in 0..64 {
        let body = json!({ "refresh_token": first.refresh });
        calls.spawn(call(house.router(), post("/auth/refresh", &body)));
    }
    let answers = calls.join_all().await;
    let successors: Vec<_> = answers
        .iter()
        .map(|answer| answer.tokens().refresh)
        .collect();
    assert!(
        successors
            .iter()
            .all(|successor| *successor == successors[0])
    );
    let rotated = answers
        .iter()
        .filter(|answer| answer.reason.code() == "refreshed");
    assert_eq!(rotated.count(), 1);
    house.refresh(&successors[0]).await.tokens();
}

#[tokio::test]
async fn rft_014_a_cut_or_changed_token_is_invalid_and_harms_nobody() {
    let house = House::new().await;
    let good = house.sign_in("alice").await.refresh;
    let mut bad: Vec<String> = (1..8)
        .map(|cut| good[..good.len() - cut].to_owned())
        .collect();
    bad.extend([
        format!("{good}A"),
        format!("{good}="),
        format!(" {good}"),
        good.to_uppercase(),
        good.to_lowercase(),
        good.replace("dwr_", ""),
        String::new(),
        "dwr_".to_owned(),
        "ü".repeat(40),
        "A".repeat(7_000),
    ]);
    for token in bad {
        assert_invalid_grant(&house.refresh(&token).await);
    }
    house.refresh(&good).await.tokens();
}

#[tokio::test]
async fn a_malformed_request_is_invalid_request() {
    let house = House::new().await;
    let bodies = [
        json!({}),
        json!({ "refresh_token": 7 }),
        json!({ "refresh_token": null }),
        json!({ "refresh_token": "x", "scope": "admin" }),
    ];
    for body in bodies {
        let answer = house.post("/auth/refresh", &body).await;
        assert_eq!(answer.verdict(), (400, "bad_body"), "{body}");
        assert_eq!(answer.json()["error"], "invalid_request");
    }
}
