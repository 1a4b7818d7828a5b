//! `POST /auth/sign-in`.

use std::collections::BTreeSet;

use doorward_issuer::{AdminError, admin::NewUser, password::Password};
use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::{Answered, House, ISSUER, PASSWORD, post, request, with_bearer};

#[tokio::test]
async fn the_answer_is_the_one_of_rfc_6749() {
    let house = House::new().await;
    let answer = house.try_sign_in("alice", PASSWORD).await;
    assert_eq!(answer.verdict(), (200, "signed_in"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let body = answer.json();
    let members = body.as_object().unwrap().keys().map(String::as_str);
    // Whatever their order is: a feature of serde_json decides it.
    let wanted = ["access_token", "expires_in", "refresh_token", "token_type"];
    assert_eq!(members.collect::<BTreeSet<_>>(), BTreeSet::from(wanted));
    assert_eq!(body["expires_in"], 300);
    assert_eq!(answer.caller.unwrap().tenant.as_deref(), Some("acme"));
}

#[tokio::test]
async fn iss_001_members_that_nobody_asked_for_are_refused() {
    let house = House::new().await;
    for name in [
        "role",
        "roles",
        "is_admin",
        "email_verified",
        "id",
        "created_by",
        "scope",
    ] {
        let body = json!({ "username": "alice", "password": PASSWORD, name: "admin" });
        let answer = house.post("/auth/sign-in", &body).await;
        assert_eq!(answer.verdict(), (400, "bad_body"), "{name}");
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(&format!("`{name}`")), "{detail}");
    }
    let tokens = house.sign_in("alice").await;
    let me = house.get("/auth/me", Some(&tokens.access)).await.json();
    assert_eq!(me["roles"], json!(["reader"]));
}

/// Everything of an answer that a caller can see, without what differs in
/// every answer.
fn seen_from_outside(answer: &Answered) -> (StatusCode, Vec<String>, String) {
    let headers = answer.headers.iter();
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let mut body = answer.json();
    let trace_id = body["trace_id"].take();
    assert_eq!(trace_id.as_str().unwrap().len(), 32);
    (
        answer.status,
        headers.collect(),
        format!("{} {body}", answer.body.len()),
    )
}

#[tokio::test]
async fn bru_007_every_refusal_looks_the_same() {
    let house = House::new().await;
    house.issuer.admin().disable_user("carol").await.unwrap();
    let known = house.try_sign_in("alice", "wrong").await;
    assert_eq!(known.verdict(), (401, "wrong_credentials"));
    let other_tenant = json!({ "username": "alice", "password": PASSWORD, "tenant": "globex" });
    let no_tenant = json!({ "username": "alice", "password": PASSWORD, "tenant": "No Such" });
    let others = [
        house.try_sign_in("nobody", "wrong").await,
        house.try_sign_in("nobody", PASSWORD).await,
        house
            .try_sign_in("not a user name at all \u{0}", "wrong")
            .await,
        house.try_sign_in("", "").await,
        house.try_sign_in("carol", PASSWORD).await,
        house.try_sign_in("carol", "wrong").await,
        house.post("/auth/sign-in", &other_tenant).await,
        house.post("/auth/sign-in", &no_tenant).await,
    ];
    for other in &others {
        assert_eq!(seen_from_outside(other), seen_from_outside(&known));
    }
}

#[tokio::test]
async fn bru_003_letter_case_is_no_second_account() {
    let house = House::new().await;
    assert_eq!(
        house.try_sign_in("ALICE", PASSWORD).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn iss_036_the_tenant_is_not_the_callers_to_choose() {
    let house = House::new().await;
    let own = json!({ "username": "alice", "password": PASSWORD, "tenant": "acme" });
    assert_eq!(
        house.post("/auth/sign-in", &own).await.status,
        StatusCode::OK
    );
    let foreign = json!({ "username": "alice", "password": PASSWORD, "tenant": "globex" });
    let answer = house.post("/auth/sign-in", &foreign).await;
    assert_eq!(answer.verdict(), (401, "wrong_credentials"));
    // Headers and host names say nothing about the tenant.
    let body = json!({ "username": "alice", "password": PASSWORD });
    let mut request = post("/auth/sign-in", &body);
    for (name, value) in [
        ("x-tenant", "globex"),
        ("host", "globex.id.example.org"),
        ("x-doorward-tenant", "globex"),
    ] {
        request.headers_mut().insert(name, value.parse().unwrap());
    }
    let tokens = house.call(request).await.tokens();
    let me = house.get("/auth/me", Some(&tokens.access)).await.json();
    assert_eq!(me["tenant"], "acme");
    // Who belongs there may enter.
    house
        .issuer
        .admin()
        .grant_role("alice", "globex", "reader")
        .await
        .unwrap();
    let tokens = house.post("/auth/sign-in", &foreign).await.tokens();
    let me = house.get("/auth/me", Some(&tokens.access)).await.json();
    assert_eq!(me["tenant"], "globex");
}

#[tokio::test]
async fn iss_021_the_host_never_changes_the_issuer() {
    let house = House::new().await;
    let poison = |mut request: http::Request<axum::body::Body>| {
        for (name, value) in [
            ("host", "evil.example"),
            ("x-forwarded-host", "evil.example"),
            ("x-forwarded-proto", "http"),
            ("x-forwarded-for", "203.0.113.9"),
            ("forwarded", "host=evil.example;proto=http"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        request
    };
    for path in [
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
    ] {
        let clean = house.get(path, None).await;
        let poisoned = house.call(poison(request(Method::GET, path))).await;
        assert_eq!(clean.body, poisoned.body);
    }
    let body = json!({ "username": "alice", "password": PASSWORD });
    let answer = house.call(poison(post("/auth/sign-in", &body))).await;
    let access = answer.tokens().access;
    // Our own verifier takes tokens of the configured issuer only.
    let me = house
        .call(poison(with_bearer(
            request(Method::GET, "/auth/me"),
            Some(&access),
        )))
        .await;
    assert_eq!(me.status, StatusCode::OK);
    assert!(house.issuer.config().issuer == ISSUER && !answer.text().contains("evil"));
}

#[tokio::test]
async fn iss_023_a_disabled_user_is_refused_at_every_path() {
    let house = House::new().await;
    let tokens = house.sign_in("alice").await;
    house.issuer.admin().disable_user("alice").await.unwrap();
    let answer = house.try_sign_in("alice", PASSWORD).await;
    assert_eq!(answer.verdict(), (401, "wrong_credentials"));
    let answer = house.refresh(&tokens.refresh).await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["error"].as_str()),
        (400, Some("invalid_grant"))
    );
    let answer = house.get("/auth/me", Some(&tokens.access)).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        house.sign_out(&tokens.access).await.status,
        StatusCode::UNAUTHORIZED
    );
    house.issuer.admin().enable_user("alice").await.unwrap();
    let again = house.sign_in("alice").await;
    assert_eq!(
        house.get("/auth/me", Some(&again.access)).await.status,
        StatusCode::OK
    );
    assert_eq!(
        house.get("/auth/me", Some(&tokens.access)).await.status,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn bru_012_odd_passwords_are_taken_whole_and_the_cap_is_stated() {
    let house = House::new().await;
    let sixty_four = "correct horse battery staple ".repeat(3)[..64].to_owned();
    let seventy_two = "0123456789 pelican umbrella voltage ".repeat(2);
    let odd = [
        sixty_four,
        "Zw9 pelican umbrella voltage ".repeat(34)[..980].to_owned(),
        "pelican\0umbrella voltage".to_owned(),
        "дождь идёт весь день".to_owned(),
        format!("{seventy_two}and the rest"),
    ];
    for (number, password) in odd.iter().enumerate() {
        let username = format!("odd{number}");
        house.add_user(&username, "acme", password).await;
        let answer = house.try_sign_in(&username, password).await;
        assert_eq!(answer.status, StatusCode::OK, "{password:?}");
        let mut cut = password.clone();
        cut.pop();
        let answer = house.try_sign_in(&username, &cut).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{password:?}");
    }
    let cut = house.try_sign_in("odd4", &seventy_two).await;
    assert_eq!(
        cut.status,
        StatusCode::UNAUTHORIZED,
        "only 72 bytes were compared"
    );
    let cut = house.try_sign_in("odd2", "pelican").await;
    assert_eq!(
        cut.status,
        StatusCode::UNAUTHORIZED,
        "NUL ended the password"
    );
    let long = house.try_sign_in("alice", &"x".repeat(1025)).await;
    assert_eq!(long.verdict(), (400, "bad_body"));
    assert!(
        long.json()["detail"]
            .as_str()
            .unwrap()
            .contains("1024 bytes")
    );
    let megabyte = house.try_sign_in("alice", &"x".repeat(1 << 20)).await;
    assert_eq!(megabyte.verdict(), (413, "body_too_large"));
}

#[tokio::test]
async fn bru_013_weak_choices_are_refused_and_nothing_changes() {
    let house = House::new().await;
    let admin = house.issuer.admin();
    let weak = [
        "hunter2",
        "password12345678",
        "doorward2026!!!!!",
        "qwertyuiop12345",
    ];
    for weak in weak.into_iter().chain(["mallory-mallory-1"]) {
        let new = NewUser {
            username: "mallory".to_owned(),
            tenant: "acme".to_owned(),
            password: Password::new(weak.to_owned()).unwrap(),
        };
        let refused = admin.add_user(new).await.err().unwrap();
        assert!(matches!(refused, AdminError::WeakPassword(_)), "{weak}");
        assert!(!refused.to_string().contains(weak));
    }
    assert!(admin.user("mallory").await.is_err());
    for weak in weak {
        let weak = Password::new(weak.to_owned()).unwrap();
        assert!(admin.set_password("alice", weak).await.is_err());
    }
    house.sign_in("alice").await;
}
