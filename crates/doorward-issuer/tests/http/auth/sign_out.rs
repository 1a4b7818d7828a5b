//! `POST /auth/sign-out`.

use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Answered, House, post, request, with_bearer};

async fn sign_out_with(house: &House, access: &str, body: &Value) -> Answered {
    house
        .call(with_bearer(post("/auth/sign-out", body), Some(access)))
        .await
}

#[tokio::test]
async fn rev_001_the_access_token_is_refused_at_once() {
    let house = House::new().await;
    let tokens = house.sign_in("alice").await;
    assert_eq!(
        house.sign_out(&tokens.access).await.status,
        StatusCode::NO_CONTENT
    );
    let me = house.get("/auth/me", Some(&tokens.access)).await;
    assert_eq!(me.verdict(), (401, "session_revoked"));
    assert!(
        me.header("www-authenticate")
            .unwrap()
            .contains("invalid_token")
    );
    let again = house.sign_out(&tokens.access).await;
    assert_eq!(again.verdict(), (401, "session_revoked"));
}

#[tokio::test]
async fn rev_002_the_refresh_token_and_every_tab_end_with_it() {
    let house = House::new().await;
    let tab = house.sign_in("alice").await;
    let other_device = house.sign_in("alice").await;
    let other_tab = house.refresh(&tab.refresh).await.tokens();
    house.sign_out(&tab.access).await;
    for refresh in [&tab.refresh, &other_tab.refresh] {
        assert_eq!(
            house.refresh(refresh).await.json()["error"],
            "invalid_grant"
        );
    }
    let me = house.get("/auth/me", Some(&other_tab.access)).await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    let me = house.get("/auth/me", Some(&other_device.access)).await;
    assert_eq!(me.status, StatusCode::OK, "another session ended too");
}

#[tokio::test]
async fn a_refresh_token_in_the_body_must_be_of_the_session() {
    let house = House::new().await;
    let alice = house.sign_in("alice").await;
    let bob = house.sign_in("bob").await;
    for wrong in [bob.refresh.as_str(), "dwr_garbage", ""] {
        let answer = sign_out_with(&house, &alice.access, &json!({ "refresh_token": wrong })).await;
        assert_eq!(answer.verdict(), (400, "bad_body"));
    }
    let unknown = sign_out_with(&house, &alice.access, &json!({ "all": "true" })).await;
    assert_eq!(unknown.verdict(), (400, "bad_body"));
    for access in [&alice.access, &bob.access] {
        assert_eq!(
            house.get("/auth/me", Some(access)).await.status,
            StatusCode::OK
        );
    }
    let own = json!({ "refresh_token": alice.refresh });
    let answer = sign_out_with(&house, &alice.access, &own).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(
        house.get("/auth/me", Some(&bob.access)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_empty_object_is_as_good_as_no_body() {
    let house = House::new().await;
    let tokens = house.sign_in("alice").await;
    let answer = sign_out_with(&house, &tokens.access, &json!({})).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_token_without_a_session_ends_alone() {
    let house = House::new().await;
    let minted = house
        .issuer
        .admin()
        .mint_access_token("alice", None)
        .await
        .unwrap();
    let session = house.sign_in("alice").await;
    let access = minted.access_token;
    assert_eq!(
        house.get("/auth/me", Some(&access)).await.status,
        StatusCode::OK
    );
    assert_eq!(house.sign_out(&access).await.status, StatusCode::NO_CONTENT);
    let me = house.get("/auth/me", Some(&access)).await;
    assert_eq!(me.verdict(), (401, "token_revoked"));
    assert_eq!(
        house.get("/auth/me", Some(&session.access)).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn two_credentials_are_refused() {
    let house = House::new().await;
    let tokens = house.sign_in("alice").await;
    let mut twice = with_bearer(
        request(Method::POST, "/auth/sign-out"),
        Some(&tokens.access),
    );
    twice
        .headers_mut()
        .append(header::AUTHORIZATION, "Bearer x".parse().unwrap());
    assert_eq!(
        house.call(twice).await.verdict(),
        (400, "ambiguous_credential")
    );
    assert_eq!(
        house.get("/auth/me", Some(&tokens.access)).await.status,
        StatusCode::OK
    );
}
