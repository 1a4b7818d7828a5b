//! `/.well-known/*`.

use http::{Method, StatusCode};

use crate::harness::{House, ISSUER, request};

#[tokio::test]
async fn the_configuration_names_only_what_is_there() {
    let house = House::new().await;
    let mut wanted = serde_json::json!({
        "issuer": ISSUER,
        "token_endpoint": format!("{ISSUER}/oauth2/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "grant_types_supported": ["client_credentials", "refresh_token"],
        "revocation_endpoint": format!("{ISSUER}/oauth2/revoke"),
        "revocation_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "introspection_endpoint": format!("{ISSUER}/oauth2/introspect"),
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "jwks_uri": format!("{ISSUER}/.well-known/jwks.json"),
        "revocations_uri": format!("{ISSUER}/revocations"),
    });
    let path = "/.well-known/oauth-authorization-server";
    let answer = house.get(path, None).await;
    assert_eq!(answer.verdict(), (200, "served"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json(), wanted);
    let answer = house.get("/.well-known/openid-configuration", None).await;
    assert_eq!(answer.verdict(), (200, "served"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    wanted["subject_types_supported"] = serde_json::json!(["public"]);
    wanted["id_token_signing_alg_values_supported"] = serde_json::json!(["ES256"]);
    assert_eq!(answer.json(), wanted);
}

#[tokio::test]
async fn the_key_set_is_public_and_cached_by_its_tag() {
    let house = House::new().await;
    let path = "/.well-known/jwks.json";
    let first = house.get(path, None).await;
    assert_eq!(first.verdict(), (200, "served"));
    assert_eq!(
        first.header("content-type"),
        Some("application/jwk-set+json")
    );
    assert_eq!(first.header("cache-control"), Some("public, max-age=300"));
    let keys = first.json()["keys"].as_array().unwrap().clone();
    assert!(!keys.is_empty());
    assert!(
        keys.iter()
            .all(|key| key.get("d").is_none() && key["alg"] == "ES256")
    );

    let tag = first.header("etag").unwrap().to_owned();
    for (known, status) in [
        (tag.clone(), StatusCode::NOT_MODIFIED),
        (format!("\"other\", W/{tag}"), StatusCode::NOT_MODIFIED),
        ("*".to_owned(), StatusCode::NOT_MODIFIED),
        ("\"other\"".to_owned(), StatusCode::OK),
    ] {
        let mut request = request(Method::GET, path);
        request
            .headers_mut()
            .insert("if-none-match", known.parse().unwrap());
        let answer = house.call(request).await;
        assert_eq!(answer.status, status, "{known}");
        assert_eq!(answer.header("etag"), Some(tag.as_str()));
        assert_eq!(answer.body.is_empty(), status == StatusCode::NOT_MODIFIED);
    }
}

#[tokio::test]
async fn head_follows_get() {
    let house = House::new().await;
    let answer = house
        .call(request(Method::HEAD, "/.well-known/jwks.json"))
        .await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(answer.body.is_empty() && answer.header("etag").is_some());
}

/// Also a path that is no text: the page is missing, and nothing is at fault.
#[tokio::test]
async fn a_reason_that_does_not_exist_is_404() {
    let house = House::new().await;
    let pages = "/.well-known/doorward/reasons";
    let known = house.get(&format!("{pages}/token_expired"), None).await;
    assert_eq!(known.verdict(), (200, "served"));
    for code in [
        "nonsense",
        "%ff",
        "token_expired%00",
        "Token_Expired",
        "%2e%2e",
    ] {
        let answer = house.get(&format!("{pages}/{code}"), None).await;
        assert_eq!(answer.verdict(), (404, "no_route"), "{code}");
    }
}
