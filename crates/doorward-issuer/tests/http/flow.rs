//! The whole way: sign in, ask, refresh, sign out.

use http::StatusCode;

use crate::harness::House;

#[tokio::test]
async fn sign_in_me_refresh_sign_out() {
    let house = House::new().await;
    let first = house.sign_in("alice").await;

    let me = house.get("/auth/me", Some(&first.access)).await;
    assert_eq!(me.verdict(), (200, "served"));
    assert_eq!(me.json()["username"], "alice");
    assert_eq!(me.json()["tenant"], "acme");
    assert_eq!(me.json()["roles"][0], "reader");
    assert_eq!(me.json()["permissions"][0], "orders:read");
    let caller = me.caller.unwrap();
    assert_eq!(me.status, StatusCode::OK);
    assert_eq!(
        Some(caller.subject.as_str()),
        house_subject(&house, &first.access).await.as_deref()
    );
    assert!(caller.session.is_some());

    house.turn_clock(60);
    let refreshed = house.refresh(&first.refresh).await;
    assert_eq!(refreshed.verdict(), (200, "refreshed"));
    let second = refreshed.tokens();
    assert_ne!(second, first);

    let out = house.sign_out(&second.access).await;
    assert_eq!(out.verdict(), (204, "signed_out"));
    assert!(out.body.is_empty());
    for access in [&first.access, &second.access] {
        let me = house.get("/auth/me", Some(access)).await;
        assert_eq!(me.verdict(), (401, "session_revoked"));
    }
    let refreshed = house.refresh(&second.refresh).await;
    assert_eq!(refreshed.json()["error"], "invalid_grant");
}

async fn house_subject(house: &House, access: &str) -> Option<String> {
    let me = house.get("/auth/me", Some(access)).await;
    me.json()["sub"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn an_access_token_ends_after_five_minutes_and_refresh_goes_on() {
    let house = House::new().await;
    let tokens = house.sign_in("alice").await;
    house.turn_clock(299);
    assert_eq!(
        house.get("/auth/me", Some(&tokens.access)).await.status,
        StatusCode::OK
    );
    house.turn_clock(60);
    let me = house.get("/auth/me", Some(&tokens.access)).await;
    assert_eq!(me.verdict(), (401, "token_expired"));
    let again = house.refresh(&tokens.refresh).await.tokens();
    assert_eq!(
        house.get("/auth/me", Some(&again.access)).await.status,
        StatusCode::OK
    );
}
