//! `POST /oauth2/introspect`.

use serde_json::{Value, json};

use crate::harness::{House, form};

async fn introspect(house: &House, (id, secret): &(String, String), token: &str) -> Value {
    let parameters = [
        ("client_id", id.as_str()),
        ("client_secret", secret),
        ("token", token),
    ];
    let answer = house.call(form("/oauth2/introspect", &parameters)).await;
    assert_eq!(answer.verdict(), (200, "served"));
    answer.json()
}

#[tokio::test]
async fn iss_028_only_who_may_hears_anything() {
    let house = House::new().await;
    let plain = house.add_client("plain", &["orders:read"]).await;
    let service = house.add_client("service", &["tokens:introspect"]).await;
    let alice = house.sign_in("alice").await.access;
    let bob = house.sign_in("bob").await.access;
    let inactive = json!({ "active": false });

    let told = introspect(&house, &service, &alice).await;
    assert_eq!(told["active"], true);
    assert_eq!(
        (&told["tenant"], &told["scope"]),
        (&json!("acme"), &json!("orders:read"))
    );
    assert_eq!(
        told["exp"].as_u64().unwrap() - told["iat"].as_u64().unwrap(),
        300
    );
    // Not for want of trying: without the permission, of another tenant,
    // malformed, expired, signed out.
    assert_eq!(introspect(&house, &plain, &alice).await, inactive);
    for token in [&*bob, "a.b.c", "", "x"]
        .iter()
        .filter(|token| !token.is_empty())
    {
        assert_eq!(introspect(&house, &service, token).await, inactive);
    }
    house.sign_out(&alice).await;
    assert_eq!(introspect(&house, &service, &alice).await, inactive);
    // No client, a public client.
    for parameters in [
        &[("token", &*bob)][..],
        &[("token", &*bob), ("client_id", "doorward")],
    ] {
        let answer = house.call(form("/oauth2/introspect", parameters)).await;
        assert_eq!(answer.verdict(), (401, "invalid_client"));
    }
}
