//! Who gets through the layer, what the service behind it finds, and what is
//! told afterwards.

use std::{
    convert::Infallible,
    future::{Future as _, pending, ready},
    pin::pin,
    task::{Context, Poll, Waker},
};

use axum::{Router, body::Body, routing::get};
use doorward_policy::decision::{Outcome, Reason, Step};
use doorward_verify::{
    jose::{
        algorithm::Algorithm, base64url, dangerous, dpop::access_token_hash,
        signing_key::SigningKey, time::UnixTime,
    },
    layer::DecisionRecord,
    principal::Principal,
    proof::{Proofs, nonce::Nonces},
};
use http::{HeaderName, Request, Response};
use serde_json::{Value, json};
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use crate::house::{House, NOW, call, request};

/// Says who it was reached by.
async fn whoami(request: Request<Body>) -> String {
    let authorization = request.headers().get("authorization");
    assert!(authorization.is_none_or(|value| value.is_sensitive()));
    match request.extensions().get::<Principal>() {
        Some(principal) => principal.subject().to_owned(),
        None => "nobody".to_owned(),
    }
}

fn router(house: &House) -> Router {
    let router = Router::new().route("/me", get(whoami));
    router.layer(house.layer.clone())
}

#[tokio::test]
async fn a_good_token_gets_through_with_its_principal() {
    let house = House::new();
    let token = house.token(&["orders:read"]);
    let answer = call(&router(&house), request("GET /me", Some(&token))).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "user-1"));
    let decision = house.decision();
    assert_eq!(decision.outcome, Outcome::Allowed);
    assert_eq!(decision.reason, Reason::Authenticated);
    assert_eq!(decision.status, Some(200));
    assert_eq!(decision.caller.unwrap().subject, "user-1");
    assert_eq!((decision.method.as_str(), &*decision.path), ("GET", "/me"));
    assert_eq!(decision.at_ms, NOW * 1000);
}

#[tokio::test]
async fn without_a_token_the_challenge_is_bare_and_the_document_generic() {
    let house = House::new();
    let answer = call(&router(&house), request("GET /me?secret=1", None)).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.challenge.as_deref(), Some("Bearer"));
    assert_eq!(answer.reason(), "no_token");
    assert_eq!(answer.json()["trace_id"], "09".repeat(16));
    let decision = house.decision();
    assert_eq!(decision.status, Some(401));
    assert_eq!(decision.path, "/me", "the query is not recorded");
}

#[tokio::test]
async fn a_strangers_token_is_refused_in_one_word_and_told_in_full() {
    let (house, other) = (House::new(), House::new());
    let forged = other.token(&["orders:read"]);
    let answer = call(&router(&house), request("GET /me", Some(&forged))).await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.reason()),
        (401, "invalid_token")
    );
    assert!(answer.challenge.unwrap().contains("invalid_token"));
    let failed = house.decision().failed_check().unwrap().step;
    assert_eq!(failed, Step::Signature);
}

#[tokio::test]
async fn clm_001_an_expired_token_is_refused_by_the_clock_that_was_given() {
    let house = House::new();
    let token = house.token(&[]);
    house.turn_clock(NOW + 331);
    let answer = call(&router(&house), request("GET /me", Some(&token))).await;
    assert_eq!(answer.reason(), "token_expired");
}

#[tokio::test]
async fn par_015_two_credentials_are_none() {
    let house = House::new();
    let token = house.token(&[]);
    let mut two = request("GET /me", Some(&token));
    let second = two.headers()["authorization"].clone();
    two.headers_mut().append("authorization", second);
    assert_eq!(call(&router(&house), two).await.status, 400);
    assert_eq!(house.decision().reason, Reason::AmbiguousCredential);
}

#[tokio::test]
async fn anonymous_passes_only_when_asked_for_and_only_without_a_credential() {
    let house = House::new();
    let layer = house.layer.clone().dangerously_let_anonymous_through();
    let open = Router::new().route("/me", get(whoami)).layer(layer);
    let answer = call(&open, request("GET /me", None)).await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, "nobody"));
    assert_eq!(house.decision().reason, Reason::PublicRoute);
    let answer = call(&open, request("GET /me", Some("not.a.token"))).await;
    assert_eq!(answer.status, 401, "a bad credential does not become none");
    let token = house.token(&[]);
    let answer = call(&open, request("GET /me", Some(&token))).await;
    assert_eq!(answer.body, "user-1");
}

/// An outer layer's principal is not carried past an inner layer that found
/// none.
#[tokio::test]
async fn a_principal_that_is_there_already_is_not_believed() {
    let house = House::new();
    let inner = house.layer.clone().dangerously_let_anonymous_through();
    let strip = |mut request: Request<Body>, next: axum::middleware::Next| {
        request.headers_mut().remove("authorization");
        next.run(request)
    };
    let router = Router::new()
        .route("/me", get(whoami))
        .layer(inner)
        .layer(axum::middleware::from_fn(strip))
        .layer(house.layer.clone());
    let token = house.token(&[]);
    let answer = call(&router, request("GET /me", Some(&token))).await;
    assert_eq!(answer.body, "nobody");
}

/// A DPoP proof of `client` for one request with `token`.
fn proof(client: &SigningKey, token: &str, path: &str, id: &str) -> String {
    let header = json!({
        "typ": "dpop+jwt",
        "alg": "ES256",
        "jwk": client.verifying_key().to_jwk().unwrap().to_object(),
    });
    let claims = json!({
        "jti": id,
        "htm": "GET",
        "htu": format!("https://api.example{path}"),
        "iat": NOW,
        "ath": access_token_hash(token),
    });
    let part = |value: &Value| base64url::encode(value.to_string());
    let input = format!("{}.{}", part(&header), part(&claims));
    let signature = dangerous::sign(client, input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

#[tokio::test]
async fn a_bound_token_passes_with_its_proof_where_proofs_are_taken() {
    let house = House::new();
    let client = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = house.bound_token(&client);
    let sent = |proof: Option<String>| {
        let mut request = request("GET /me", None);
        let credential = format!("DPoP {token}").parse().unwrap();
        request.headers_mut().insert("authorization", credential);
        let proof = proof.map(|proof| proof.parse().unwrap());
        request
            .headers_mut()
            .extend(proof.map(|proof| (HeaderName::from_static("dpop"), proof)));
        request
    };
    let bound = house.layer.clone().with_proofs_for("https://api.example");
    let bound = Router::new().route("/me", get(whoami)).layer(bound);
    let good = proof(&client, &token, "/me", "1");
    assert_eq!(call(&bound, sent(Some(good.clone()))).await.body, "user-1");
    house.decision();
    let refused = [
        (Reason::ProofMissing, sent(None)),
        (Reason::ProofReplayed, sent(Some(good))),
        (
            Reason::ProofInvalid,
            sent(Some(proof(&client, &token, "/other", "2"))),
        ),
        (Reason::ProofMissing, request("GET /me", Some(&token))),
    ];
    for (reason, request) in refused {
        let answer = call(&bound, request).await;
        assert_eq!(answer.status, 401);
        assert_eq!(house.decision().reason, reason);
        assert!(answer.challenge.unwrap().starts_with("DPoP error="));
    }
    let unbound = house.token(&[]);
    let answer = call(&bound, request("GET /me", Some(&unbound))).await;
    assert_eq!(answer.body, "user-1", "a plain token needs no proof");
    house.decision();
    let answer = call(
        &router(&house),
        sent(Some(proof(&client, &token, "/me", "3"))),
    )
    .await;
    assert_eq!(answer.status, 401, "no proof is read unless asked for");
}

/// RFC 9449 section 8: the refusal brings the nonce that the next proof needs.
#[tokio::test]
async fn dpp_006_a_refusal_for_want_of_a_nonce_brings_one() {
    let nonces = Nonces::new(&[7; 32]).unwrap();
    let house = House::with_proofs(Proofs::default().require_nonce(nonces));
    let client = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = house.bound_token(&client);
    let layer = house.layer.clone().with_proofs_for("https://api.example");
    let router = Router::new().route("/me", get(whoami)).layer(layer);
    let answer = |proof: Option<String>| {
        let mut request = request("GET /me", None);
        let credential = format!("DPoP {token}").parse().unwrap();
        request.headers_mut().insert("authorization", credential);
        let proof = proof.map(|proof| proof.parse().unwrap());
        let field = proof.map(|proof| (HeaderName::from_static("dpop"), proof));
        request.headers_mut().extend(field);
        router.clone().oneshot(request)
    };
    let refused = answer(Some(proof(&client, &token, "/me", "1")));
    let refused = refused.await.unwrap();
    assert_eq!(house.decision().reason, Reason::ProofNonce);
    let nonce = refused.headers()["dpop-nonce"].to_str().unwrap();
    let ours = Nonces::new(&[7; 32]).unwrap();
    assert!(ours.accept(nonce, UnixTime::from_secs(NOW)));
    let missing = answer(None).await.unwrap();
    assert_eq!(house.decision().reason, Reason::ProofMissing);
    assert!(!missing.headers().contains_key("dpop-nonce"));
}

/// A service that is never ready is never called (the contract of `tower`).
#[test]
fn the_layer_is_ready_when_the_service_behind_it_is() {
    struct Busy;

    impl tower::Service<Request<Body>> for Busy {
        type Response = Response<Vec<u8>>;
        type Error = &'static str;
        type Future = std::future::Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Pending
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            ready(Err("called although it was not ready"))
        }
    }

    let mut busy = House::new().layer.layer(Busy);
    let mut context = Context::from_waker(Waker::noop());
    assert!(busy.poll_ready(&mut context).is_pending());
}

/// A body that cannot be read, because nothing ever makes a byte of it.
struct Unreadable;

#[tokio::test]
async fn any_body_passes_unread_and_a_plain_service_is_enough() {
    let house = House::new();
    let service = service_fn(|request: Request<Unreadable>| {
        assert!(request.extensions().get::<DecisionRecord>().is_some());
        let Unreadable = request.into_body();
        ready(Ok::<_, Infallible>(Response::new(b"done".to_vec())))
    });
    let mut service = house.layer.layer(service);
    let token = house.token(&[]);
    let authorization = format!("Bearer {token}");
    let good = Request::builder().header("authorization", authorization);
    let service = service.ready().await.unwrap();
    let answer = service.call(good.body(Unreadable).unwrap()).await.unwrap();
    assert_eq!(answer.body(), b"done");
    let answer = service.call(Request::new(Unreadable)).await.unwrap();
    assert_eq!(answer.status(), 401);
}

/// A caller who hangs up does not make the decision unheard.
#[test]
fn a_decision_is_told_although_the_caller_left() {
    let house = House::new();
    let service = service_fn(|_: Request<Body>| pending::<Result<Response<Vec<u8>>, Infallible>>());
    let mut service = house.layer.layer(service);
    let token = house.token(&[]);
    let answer = service.call(request("GET /slow", Some(&token)));
    {
        let mut answer = pin!(answer);
        let mut context = Context::from_waker(Waker::noop());
        assert!(matches!(answer.as_mut().poll(&mut context), Poll::Pending));
        assert!(!house.has_told());
    }
    let decision = house.decision();
    assert_eq!(
        (decision.reason, decision.status),
        (Reason::Authenticated, None)
    );
}
