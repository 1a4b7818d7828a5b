//! `POST /oauth2/token`.

use axum::body::Body;
use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::{clock::Timestamp, jose::claims::Claims};
use http::{Method, Request, header};

use crate::harness::{Answered, House, form, post, raw_form, request, with_basic};

const TOKEN: &str = "/oauth2/token";

/// The claims of a token that the verifier takes.
fn claims(house: &House, answer: &Answered) -> Claims {
    let body = answer.json();
    let token = body["access_token"].as_str().unwrap();
    let now = Timestamp::from_millis(house.now_ms());
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now.millis(), "GET", "/");
    let verified = house
        .issuer
        .verifier()
        .verify(token, now.unix(), &mut decision);
    verified.unwrap().claims().clone()
}

fn credentials<'a>(id: &'a str, secret: &'a str) -> [(&'static str, &'a str); 3] {
    [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", secret),
    ]
}

fn error(answer: &Answered) -> String {
    answer.json()["error"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

#[tokio::test]
async fn a_client_gets_a_token_for_its_secret_by_either_method() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &["orders:read"]).await;
    let by_post = house.call(form(TOKEN, &credentials(&id, &secret))).await;
    let basic = form(TOKEN, &[("grant_type", "client_credentials")]);
    let by_basic = house
        .call(with_basic(basic, &format!("{id}:{secret}")))
        .await;
    for answer in [by_post, by_basic] {
        assert_eq!(
            answer.verdict(),
            (200, "client_signed_in"),
            "{}",
            answer.text()
        );
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.caller.as_ref().unwrap().subject, id);
        let body = answer.json();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["expires_in"], 300);
        assert_eq!(body["scope"], "orders:read");
        assert!(
            body.get("refresh_token").is_none(),
            "RFC 6749 section 4.4.3"
        );
        let claims = claims(&house, &answer);
        assert_eq!((claims.subject(), claims.client_id()), (&*id, Some(&*id)));
        assert_eq!(claims.tenant(), Some("acme"));
        assert_eq!(claims.permissions(), ["orders:read"]);
        assert_eq!((claims.scope(), claims.session_id()), (None, None));
    }
}

/// The id and the secret are URL-encoded inside Basic (RFC 6749 section 2.3.1).
#[tokio::test]
async fn basic_credentials_may_come_in_escapes() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &[]).await;
    let escaped: String = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let secret = secret.replace('_', "%5F");
    let ask = form(TOKEN, &[("grant_type", "client_credentials")]);
    let answer = house
        .call(with_basic(ask, &format!("{escaped}:{secret}")))
        .await;
    assert_eq!(answer.verdict(), (200, "client_signed_in"));
}

#[tokio::test]
async fn iss_016_whatever_is_wrong_with_the_credentials_is_one_answer() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &[]).await;
    let (other, others) = house.add_client("reports", &[]).await;
    let grant = ("grant_type", "client_credentials");
    let wrong: Vec<Request<Body>> = vec![
        form(TOKEN, &[grant]),
        form(TOKEN, &[grant, ("client_id", &id)]),
        form(TOKEN, &[grant, ("client_secret", &secret)]),
        form(TOKEN, &credentials(&id, "")),
        form(TOKEN, &credentials(&id, &others)),
        form(TOKEN, &credentials(&other, &secret)),
        form(TOKEN, &credentials("nobody", &secret)),
        form(TOKEN, &credentials(&id, &secret[..secret.len() - 1])),
        form(TOKEN, &credentials(&id, &format!("{secret}0"))),
        form(TOKEN, &credentials("doorward", "anything")),
        form(
            &format!("{TOKEN}?client_id={id}&client_secret={secret}"),
            &[grant],
        ),
        with_basic(form(TOKEN, &[grant]), &format!("{id}:{others}")),
        with_basic(form(TOKEN, &[grant]), &id),
        with_basic(form(TOKEN, &[grant]), &format!("{id}:%zz")),
        crate::harness::with_bearer(form(TOKEN, &[grant]), Some(&secret)),
    ];
    let mut bodies = std::collections::BTreeSet::new();
    for ask in wrong {
        let shown = format!("{ask:?}");
        let answer = house.call(ask).await;
        assert_eq!(answer.verdict(), (401, "invalid_client"), "{shown}");
        assert_eq!(
            answer.header("www-authenticate"),
            Some("Basic realm=\"doorward\"")
        );
        assert_eq!(answer.header("content-type"), Some("application/json"));
        let mut body = answer.json();
        body["trace_id"].take();
        bodies.insert(body.to_string());
    }
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    // Two methods, also if both are right, and two clients.
    let both = with_basic(
        form(TOKEN, &credentials(&id, &secret)),
        &format!("{id}:{secret}"),
    );
    let two = with_basic(
        form(TOKEN, &[grant, ("client_id", &other)]),
        &format!("{id}:{secret}"),
    );
    let mut twice = with_basic(form(TOKEN, &[grant]), &format!("{id}:{secret}"));
    let field = twice.headers()[header::AUTHORIZATION].clone();
    twice.headers_mut().append(header::AUTHORIZATION, field);
    for ask in [both, two, twice] {
        let answer = house.call(ask).await;
        assert_eq!(
            (answer.status.as_u16(), error(&answer)),
            (400, "invalid_request".into())
        );
    }
}

#[tokio::test]
async fn iss_003_scope_narrows_and_never_widens() {
    let house = House::new().await;
    let (id, secret) = house
        .add_client("billing", &["orders:*", "reports:read"])
        .await;
    let ask = async |scope: &str| {
        let parameters = [&credentials(&id, &secret)[..], &[("scope", scope)]].concat();
        house.call(form(TOKEN, &parameters)).await
    };
    let answer = ask("orders:read+reports:read").await;
    assert_eq!(answer.json()["scope"], "orders:read reports:read");
    let claims = claims(&house, &answer);
    assert_eq!(claims.permissions(), ["orders:read", "reports:read"]);
    assert_eq!(claims.scope(), Some("orders:read reports:read"));
    assert!(claims.roles().is_empty());
    for scope in [
        "*",
        "orders:read+users:read",
        "reports:*",
        "openid",
        "orders:read++orders:list",
    ] {
        let answer = ask(scope).await;
        assert_eq!(answer.verdict(), (400, "invalid_scope"), "{scope}");
        assert_eq!(error(&answer), "invalid_scope");
    }
}

#[tokio::test]
async fn iss_004_only_our_own_audience_can_be_asked_for() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &[]).await;
    for name in ["resource", "audience"] {
        let ask = async |value| {
            let parameters = [&credentials(&id, &secret)[..], &[(name, value)]].concat();
            house.call(form(TOKEN, &parameters)).await.verdict()
        };
        assert_eq!(
            ask("https://api.example.org").await,
            (200, "client_signed_in")
        );
        assert_eq!(
            ask("https://other.example.org").await,
            (400, "invalid_target")
        );
    }
    let two = format!(
        "grant_type=client_credentials&client_id={id}&client_secret={secret}\
         &resource=https://api.example.org&resource=https://other.example.org"
    );
    assert_eq!(
        house.call(raw_form(TOKEN, &two)).await.verdict(),
        (400, "bad_body")
    );
}

#[tokio::test]
async fn iss_005_there_is_no_password_grant_and_no_other() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &[]).await;
    for grant in [
        "password",
        "implicit",
        "authorization_code",
        "Client_Credentials",
    ] {
        let mut parameters = credentials(&id, &secret);
        parameters[0].1 = grant;
        let answer = house.call(form(TOKEN, &parameters)).await;
        assert_eq!(answer.verdict(), (400, "unsupported_grant_type"), "{grant}");
    }
    let answer = house
        .call(form(TOKEN, &credentials(&id, &secret)[1..]))
        .await;
    assert_eq!(error(&answer), "invalid_request");
}

#[tokio::test]
async fn iss_013_no_parameter_twice() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &["orders:read"]).await;
    let good = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    for more in [
        "grant_type=client_credentials".to_owned(),
        format!("client_id={id}"),
        format!("client_secret={secret}"),
        "scope=orders:read&scope=orders:read".to_owned(),
        "x=1&x=2".to_owned(),
        "%67rant_type=password".to_owned(),
    ] {
        let answer = house.call(raw_form(TOKEN, &format!("{good}&{more}"))).await;
        assert_eq!(
            (answer.status.as_u16(), error(&answer)),
            (400, "invalid_request".into()),
            "{more}"
        );
    }
    // An empty value is an absent one, and who knows more may say more.
    let answer = house
        .call(raw_form(TOKEN, &format!("{good}&scope=&foo=bar&")))
        .await;
    assert_eq!(answer.verdict(), (200, "client_signed_in"));
}

#[tokio::test]
async fn iss_033_only_a_form_is_read() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &[]).await;
    let json = serde_json::json!({
        "grant_type": "client_credentials", "client_id": id, "client_secret": secret,
    });
    let answer = house.call(post(TOKEN, &json)).await;
    assert_eq!(
        (answer.status.as_u16(), error(&answer)),
        (415, "invalid_request".into())
    );
    for media_type in [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded; charset=utf-16",
        "application/x-www-form-urlencoded, application/json",
    ] {
        let mut ask = form(TOKEN, &credentials(&id, &secret));
        ask.headers_mut()
            .insert(header::CONTENT_TYPE, media_type.parse().unwrap());
        assert_eq!(house.call(ask).await.status.as_u16(), 415, "{media_type}");
    }
    let answer = house.call(request(Method::GET, TOKEN)).await;
    assert_eq!(answer.verdict(), (405, "method_not_allowed"));
    let long = format!("grant_type=client_credentials&scope={}", "a".repeat(9000));
    assert_eq!(
        house.call(raw_form(TOKEN, &long)).await.status.as_u16(),
        413
    );
}

/// The first-party client is public: the refresh token is its credential.
#[tokio::test]
async fn a_session_is_refreshed_here_as_at_its_own_endpoint() {
    let house = House::new().await;
    let tokens = house.sign_in("alice").await;
    let refresh = |token: &str, more: &[(&'static str, &str)]| {
        let parameters = [("grant_type", "refresh_token"), ("refresh_token", token)];
        form(TOKEN, &[&parameters[..], more].concat())
    };
    house.turn_clock(1);
    let answer = house
        .call(refresh(&tokens.refresh, &[("client_id", "doorward")]))
        .await;
    assert_eq!(answer.verdict(), (200, "refreshed"));
    let next = answer.tokens();
    let repeated = house.call(refresh(&tokens.refresh, &[])).await;
    assert_eq!(repeated.verdict(), (200, "refresh_repeated"));
    assert_eq!(repeated.tokens().refresh, next.refresh);
    // RFT-014: not with a scope, not by another client, not cut.
    let (id, secret) = house.add_client("billing", &[]).await;
    let answer = house
        .call(refresh(&next.refresh, &[("scope", "orders:read")]))
        .await;
    assert_eq!(answer.verdict(), (400, "invalid_scope"));
    let other = [("client_id", &*id), ("client_secret", &*secret)];
    let answer = house.call(refresh(&next.refresh, &other)).await;
    assert_eq!(
        (answer.status.as_u16(), error(&answer)),
        (400, "invalid_grant".into())
    );
    let answer = house.call(refresh(&next.refresh[1..], &[])).await;
    assert_eq!(
        (answer.status.as_u16(), error(&answer)),
        (400, "invalid_grant".into())
    );
    assert_eq!(
        house.refresh(&next.refresh).await.verdict(),
        (200, "refreshed")
    );
}

#[tokio::test]
async fn iss_024_a_disabled_or_removed_client_gets_nothing_more() {
    let house = House::new().await;
    let (id, secret) = house.add_client("billing", &[]).await;
    let ask = async || house.call(form(TOKEN, &credentials(&id, &secret))).await;
    let admin = house.issuer.admin();
    assert!(admin.disable_client("billing").await.unwrap());
    assert_eq!(ask().await.verdict(), (401, "invalid_client"));
    assert!(admin.enable_client("billing").await.unwrap());
    assert_eq!(ask().await.verdict(), (200, "client_signed_in"));
    admin.remove_client("billing").await.unwrap();
    assert_eq!(ask().await.verdict(), (401, "invalid_client"));
}
