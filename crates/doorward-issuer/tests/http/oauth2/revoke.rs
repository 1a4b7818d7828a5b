//! `POST /oauth2/revoke`.

use crate::harness::{Answered, House, form};

async fn token(house: &House, (id, secret): &(String, String)) -> String {
    let parameters = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
    ];
    let answer = house.call(form("/oauth2/token", &parameters)).await;
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

async fn revoke(house: &House, (id, secret): &(String, String), token: &str) -> Answered {
    let parameters = [
        ("client_id", id.as_str()),
        ("client_secret", secret),
        ("token", token),
    ];
    house.call(form("/oauth2/revoke", &parameters)).await
}

async fn introspect(house: &House, (id, secret): &(String, String), token: &str) -> bool {
    let parameters = [
        ("client_id", id.as_str()),
        ("client_secret", secret),
        ("token", token),
    ];
    let answer = house.call(form("/oauth2/introspect", &parameters)).await;
    assert_eq!(answer.status.as_u16(), 200);
    answer.json()["active"].as_bool().unwrap()
}

#[tokio::test]
async fn iss_029_a_client_ends_its_own_tokens_and_no_others() {
    let house = House::new().await;
    let billing = house.add_client("billing", &[]).await;
    let reports = house.add_client("reports", &[]).await;
    let (one, two) = (token(&house, &billing).await, token(&house, &billing).await);
    let session = house.sign_in("alice").await;
    // Somebody else's, nobody's, nonsense: the same answer, and no effect.
    for (token, active) in [(&*one, true), (&*session.access, false), ("a.b.c", false)] {
        assert_eq!(
            revoke(&house, &reports, token).await.verdict(),
            (200, "served")
        );
        assert_eq!(introspect(&house, &billing, token).await, active);
    }
    assert_eq!(
        house.get("/auth/me", Some(&session.access)).await.status,
        200
    );
    assert_eq!(
        revoke(&house, &reports, &session.refresh).await.verdict(),
        (200, "served")
    );
    assert_eq!(house.refresh(&session.refresh).await.status, 200);
    // Its own, and only that one.
    assert_eq!(
        revoke(&house, &billing, &one).await.verdict(),
        (200, "served")
    );
    assert!(!introspect(&house, &billing, &one).await);
    assert!(introspect(&house, &billing, &two).await);
}

#[tokio::test]
async fn the_public_client_ends_a_session_with_its_refresh_token() {
    let house = House::new().await;
    let session = house.sign_in("alice").await;
    let answer = house
        .call(form("/oauth2/revoke", &[("token", &session.refresh)]))
        .await;
    assert_eq!(answer.verdict(), (200, "served"));
    assert_eq!(house.refresh(&session.refresh).await.status, 400);
    assert_eq!(
        house.get("/auth/me", Some(&session.access)).await.status,
        401
    );
    let answer = house.call(form("/oauth2/revoke", &[])).await;
    assert_eq!(answer.json()["error"], "invalid_request");
}
