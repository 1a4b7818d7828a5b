//! What people do about their own account: the password, and the second factor.
//! Asked over HTTP, on whichever engine this is.

use std::net::{IpAddr, Ipv4Addr};

use aws_lc_rs::hmac;
use axum::body::Body;
use doorward_issuer::{Issuer, MasterKey, SessionError, http::Peer};
use doorward_verify::clock::Clock;
use http::{Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::harness::{
    BY_PASSWORD, PASSWORD, TurnedClock, World, audited, check, password, sign_in,
};

const NEW_PASSWORD: &str = "seven slow herons at noon";

/// Status and body.
type Answer = (u16, Value);

async fn post(issuer: &Issuer, path: &str, bearer: Option<&str>, body: Value) -> Answer {
    post_from(issuer, Ipv4Addr::LOCALHOST.into(), path, bearer, body).await
}

async fn post_from(
    issuer: &Issuer,
    peer: IpAddr,
    path: &str,
    bearer: Option<&str>,
    body: Value,
) -> Answer {
    let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
    if let Some(bearer) = bearer {
        request = request.header(header::AUTHORIZATION, format!("Bearer {bearer}"));
    }
    let request = request.extension(Peer(peer));
    send(issuer, request.body(Body::from(body.to_string())).unwrap()).await
}

async fn get(issuer: &Issuer, path: &str, bearer: &str) -> Answer {
    let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {bearer}"));
    send(issuer, request.body(Body::empty()).unwrap()).await
}

async fn send(issuer: &Issuer, request: Request<Body>) -> Answer {
    let answer = issuer.router().oneshot(request).await.unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

pub(crate) fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap()
}

pub(crate) async fn first_step(issuer: &Issuer, password: &str) -> Answer {
    let body = json!({ "username": "alice", "password": password });
    post(issuer, "/auth/sign-in", None, body).await
}

async fn can_sign_in(issuer: &Issuer, password: &str) -> bool {
    first_step(issuer, password).await.0 == 200
}

async fn is_alive(issuer: &Issuer, refresh_token: &str) -> bool {
    let body = json!({ "refresh_token": refresh_token });
    post(issuer, "/auth/refresh", None, body).await.0 == 200
}

async fn change(issuer: &Issuer, bearer: &str, current: &str, new: &str) -> Answer {
    let body = json!({ "current_password": current, "new_password": new });
    post(issuer, "/auth/password", Some(bearer), body).await
}

async fn reset(issuer: &Issuer, token: &str, new: &str) -> Answer {
    let body = json!({ "reset_token": token, "new_password": new });
    post(issuer, "/auth/password/reset", None, body).await
}

async fn reset_token(issuer: &Issuer) -> String {
    let token = issuer.admin().issue_password_reset("alice", 900).await;
    token.unwrap().to_string()
}

/// The code that an authenticator with this secret shows.
pub(crate) fn code(secret: &str, clock: &TurnedClock, steps_on: u64) -> String {
    const BASE32: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = secret
        .chars()
        .map(|digit| format!("{:05b}", BASE32.find(digit).unwrap()))
        .collect();
    let key: Vec<u8> = (0..bits.len() / 8)
        .map(|byte| u8::from_str_radix(&bits[8 * byte..8 * byte + 8], 2).unwrap())
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let step = clock.now().unix().as_secs() / 30 + steps_on;
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    let at = usize::from(tag[19] & 15);
    let word = u32::from_be_bytes(tag[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", word % 1_000_000)
}

/// Alice with an authenticator: its secret and her recovery codes.
pub(crate) async fn enrol(world: &World, issuer: &Issuer, bearer: &str) -> (String, Vec<String>) {
    let body = json!({ "current_password": PASSWORD });
    let (status, begun) = post(issuer, "/auth/second-factor", Some(bearer), body).await;
    assert_eq!(status, 200, "{begun}");
    let secret = text(&begun, "secret").to_owned();
    assert!(text(&begun, "otpauth_uri").contains(&secret));
    let body = json!({ "code": code(&secret, &world.clock, 0) });
    let (status, shown) = post(issuer, "/auth/second-factor/confirm", Some(bearer), body).await;
    assert_eq!(status, 200, "{shown}");
    let codes = shown["recovery_codes"].as_array().unwrap().iter();
    let codes = codes.map(|code| code.as_str().unwrap().to_owned());
    world.clock.turn(30);
    (secret, codes.collect())
}

/// The second step with what the first one gave.
pub(crate) async fn second_step(issuer: &Issuer, token: &str, proof: (&str, &str)) -> Answer {
    let body = json!({ "second_factor_token": token, proof.0: proof.1 });
    post(issuer, "/auth/sign-in/second-factor", None, body).await
}

#[tokio::test]
async fn rev_004_a_changed_password_ends_the_other_sessions_and_not_this_one() {
    let (world, issuer) = World::with_alice().await;
    let (here, there) = (
        sign_in(&issuer, "alice").await,
        sign_in(&issuer, "alice").await,
    );
    let bearer = &here.access_token;
    assert_eq!(
        change(&issuer, bearer, "not my password at all", NEW_PASSWORD)
            .await
            .0,
        403
    );
    let (status, weak) = change(&issuer, bearer, PASSWORD, "alice-doorward..").await;
    assert_eq!((status, text(&weak, "reason")), (400, "weak_password"));
    assert!(text(&weak, "detail").contains("user name"), "{weak}");
    assert!(can_sign_in(&issuer, PASSWORD).await, "nothing was changed");

    let (status, _) = change(&issuer, bearer, PASSWORD, NEW_PASSWORD).await;
    assert_eq!(status, 204);
    assert!(check(&issuer, &world.clock, bearer).is_ok());
    assert!(is_alive(&issuer, &here.refresh_token).await);
    assert!(check(&issuer, &world.clock, &there.access_token).is_err());
    assert!(!is_alive(&issuer, &there.refresh_token).await);
    assert!(!can_sign_in(&issuer, PASSWORD).await);
    assert!(can_sign_in(&issuer, NEW_PASSWORD).await);
    assert_eq!(audited(&issuer, "user.password").await, 1);
}

#[tokio::test]
async fn iss_022_a_reset_token_works_once_and_ends_every_session() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let (token, sister) = (reset_token(&issuer).await, reset_token(&issuer).await);
    let weak = reset(&issuer, &token, "short").await;
    assert_eq!(text(&weak.1, "reason"), "weak_password");

    let uses = (0..8).map(|_| {
        let (issuer, token) = (issuer.clone(), token.clone());
        tokio::spawn(async move { reset(&issuer, &token, NEW_PASSWORD).await.0 })
    });
    let mut statuses = Vec::new();
    for used in uses.collect::<Vec<_>>() {
        statuses.push(used.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400, 400, 400, 400, 400, 400, 400]);
    assert!(can_sign_in(&issuer, NEW_PASSWORD).await);
    assert!(check(&issuer, &world.clock, &session.access_token).is_err());
    assert!(!is_alive(&issuer, &session.refresh_token).await);

    // Used, another of the same time, cut, made up: one answer.
    for refused in [&token, &sister, &token[..token.len() - 1], "dw_reset_AAAA"] {
        let (status, answer) = reset(&issuer, refused, PASSWORD).await;
        assert_eq!((status, text(&answer, "reason")), (400, "reset_refused"));
        assert!(answer.get("detail").is_none(), "{answer}");
    }
    assert_eq!(audited(&issuer, "password_reset.issue").await, 2);
    assert_eq!(audited(&issuer, "password_reset.use").await, 1);
}

/// Whoever had a master key may have the root key, and a copy of the database.
#[tokio::test]
async fn iss_022_a_reset_token_ends_when_a_master_key_is_retired() {
    let (_world, issuer) = World::with_alice().await;
    let (before, admin) = (reset_token(&issuer).await, issuer.admin());
    let leaked = MasterKey::from_bytes([0x1e; 32]);
    assert!(admin.add_master_key(&leaked).await.unwrap());
    assert!(admin.retire_master_key(leaked.fingerprint()).await.unwrap());
    assert_eq!(reset(&issuer, &before, NEW_PASSWORD).await.0, 400);
    let after = reset_token(&issuer).await;
    assert_eq!(reset(&issuer, &after, NEW_PASSWORD).await.0, 204);
}

#[tokio::test]
async fn iss_022_a_reset_token_ends_with_its_time_and_with_what_it_was_for() {
    let (world, issuer) = World::with_alice().await;
    let admin = issuer.admin();
    let late = reset_token(&issuer).await;
    world.clock.turn(900);
    assert_eq!(reset(&issuer, &late, NEW_PASSWORD).await.0, 400);

    let before = reset_token(&issuer).await;
    admin
        .set_password("alice", password(NEW_PASSWORD))
        .await
        .unwrap();
    assert_eq!(reset(&issuer, &before, PASSWORD).await.0, 400);

    let before = reset_token(&issuer).await;
    admin.disable_user("alice").await.unwrap();
    assert!(admin.issue_password_reset("alice", 900).await.is_err());
    assert_eq!(reset(&issuer, &before, PASSWORD).await.0, 400, "iss_023");
    admin.enable_user("alice").await.unwrap();
    assert_eq!(reset(&issuer, &before, PASSWORD).await.0, 400);
    assert!(can_sign_in(&issuer, NEW_PASSWORD).await);
}

#[tokio::test]
async fn a_second_factor_is_asked_for_once_it_is_confirmed_and_tokens_say_so() {
    let (world, issuer) = World::with_alice().await;
    let (here, there) = (
        sign_in(&issuer, "alice").await,
        sign_in(&issuer, "alice").await,
    );
    let begin = json!({ "current_password": "not my password at all" });
    let bearer = Some(here.access_token.as_str());
    assert_eq!(
        post(&issuer, "/auth/second-factor", bearer, begin).await.0,
        403
    );
    let (secret, codes) = enrol(&world, &issuer, &here.access_token).await;
    assert_eq!(codes.len(), 10);
    assert!(is_alive(&issuer, &here.refresh_token).await);
    assert!(!is_alive(&issuer, &there.refresh_token).await, "rev_004");

    let (status, asked) = first_step(&issuer, PASSWORD).await;
    assert_eq!(
        (status, &asked["second_factor_required"]),
        (200, &json!(true))
    );
    assert!(asked.get("access_token").is_none());
    let token = text(&asked, "second_factor_token");
    let shown = code(&secret, &world.clock, 0);
    let (status, tokens) = second_step(&issuer, token, ("code", &shown)).await;
    assert_eq!(status, 200, "{tokens}");
    let signed_in = check(&issuer, &world.clock, text(&tokens, "access_token")).unwrap();
    assert_eq!(signed_in.claims().amr(), ["pwd", "otp", "mfa"]);
    assert_eq!(signed_in.claims().acr(), Some("aal2"));
    let replayed = second_step(&issuer, token, ("code", &shown)).await;
    assert_eq!(
        (replayed.0, text(&replayed.1, "reason")),
        (403, "wrong_code"),
        "iss_025"
    );

    let by_paper = second_step(&issuer, token, ("recovery_code", &codes[3])).await;
    let by_paper = check(&issuer, &world.clock, text(&by_paper.1, "access_token")).unwrap();
    assert_eq!(by_paper.claims().amr(), ["pwd", "mfa"]);
    let again = second_step(&issuer, token, ("recovery_code", &codes[3])).await;
    assert_eq!(again.0, 403);
    let standing = get(
        &issuer,
        "/auth/second-factor",
        text(&tokens, "access_token"),
    )
    .await;
    assert_eq!(
        standing.1,
        json!({ "enabled": true, "recovery_codes_left": 9 })
    );
}

#[tokio::test]
async fn iss_025_half_of_a_sign_in_opens_nothing() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let (secret, _) = enrol(&world, &issuer, &session.access_token).await;
    let (_, asked) = first_step(&issuer, PASSWORD).await;
    let token = text(&asked, "second_factor_token");
    assert_eq!(get(&issuer, "/auth/me", token).await.0, 401);
    assert!(!is_alive(&issuer, token).await);
    assert_eq!(reset(&issuer, token, NEW_PASSWORD).await.0, 400);
    let reset_token = reset_token(&issuer).await;
    let now = code(&secret, &world.clock, 0);
    for foreign in [&reset_token, &session.access_token, "dw_second_AAAA", ""] {
        let (status, answer) = second_step(&issuer, foreign, ("code", &now)).await;
        assert_eq!((status, text(&answer, "reason")), (401, "sign_in_expired"));
    }
    // Not for ever, and not past a new password.
    world.clock.turn(301);
    let now = code(&secret, &world.clock, 0);
    assert_eq!(second_step(&issuer, token, ("code", &now)).await.0, 401);
    let (_, asked) = first_step(&issuer, PASSWORD).await;
    let admin = issuer.admin();
    admin
        .set_password("alice", password(NEW_PASSWORD))
        .await
        .unwrap();
    let token = text(&asked, "second_factor_token");
    assert_eq!(second_step(&issuer, token, ("code", &now)).await.0, 401);
}

#[tokio::test]
async fn bru_010_parallel_guesses_are_counted_one_by_one_and_a_restart_keeps_the_count() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let (secret, codes) = enrol(&world, &issuer, &session.access_token).await;
    let (_, asked) = first_step(&issuer, PASSWORD).await;
    let token = text(&asked, "second_factor_token").to_owned();
    let right = code(&secret, &world.clock, 0);
    let wrong = if right == "000000" {
        "000001"
    } else {
        "000000"
    };
    // From many networks, so that only the account's own count stops them.
    let guesses = (0..40u8).map(|n| {
        let (issuer, token) = (issuer.clone(), token.clone());
        tokio::spawn(async move {
            let body = json!({ "second_factor_token": token, "code": wrong });
            let peer = Ipv4Addr::new(192, 0, 2, n).into();
            let path = "/auth/sign-in/second-factor";
            post_from(&issuer, peer, path, None, body).await.0
        })
    });
    let mut statuses = Vec::new();
    for guess in guesses.collect::<Vec<_>>() {
        statuses.push(guess.await.unwrap());
    }
    let wrong = statuses.iter().filter(|status| **status == 403).count();
    let stopped = statuses.iter().filter(|status| **status == 429).count();
    assert_eq!((wrong, stopped), (10, 30), "{statuses:?}");
    assert_eq!(audited(&issuer, "second_factor.refuse").await, 10);

    issuer.close().await;
    let issuer = world.open().await;
    assert_eq!(
        second_step(&issuer, &token, ("code", &right)).await.0,
        429,
        "the right one has to wait too"
    );
    let paper = second_step(&issuer, &token, ("recovery_code", &codes[0])).await;
    assert_eq!(paper.0, 200, "the owner still gets in");
    world.clock.turn(30);
    let right = code(&secret, &world.clock, 0);
    assert_eq!(second_step(&issuer, &token, ("code", &right)).await.0, 200);
}

/// The password was checked, and that no second factor is asked for, before it
/// was confirmed: the session that was about to begin does not.
#[tokio::test]
async fn rev_004_a_sign_in_that_began_before_the_second_factor_does_not_end_after_it() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let read_before = issuer.account("alice").await.unwrap().unwrap();
    enrol(&world, &issuer, &session.access_token).await;
    let late = issuer.start_session(&read_before, &read_before.home_tenant, BY_PASSWORD);
    let refused = late.await.err();
    assert!(matches!(refused, Some(SessionError::AccountChanged)));
    assert!(
        is_alive(&issuer, &session.refresh_token).await,
        "this one stays"
    );
    let (_, asked) = first_step(&issuer, PASSWORD).await;
    assert_eq!(asked["second_factor_required"], json!(true));
}

#[tokio::test]
async fn a_second_factor_goes_with_both_factors_or_by_an_operator() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let bearer = Some(session.access_token.as_str());
    let (secret, codes) = enrol(&world, &issuer, &session.access_token).await;
    let begin = json!({ "current_password": PASSWORD });
    let twice = post(&issuer, "/auth/second-factor", bearer, begin).await;
    assert_eq!(twice.0, 409, "one at a time");

    let path = "/auth/second-factor/recovery-codes";
    let body = json!({ "current_password": PASSWORD, "recovery_code": codes[0] });
    let (status, renewed) = post(&issuer, path, bearer, body).await;
    assert_eq!(status, 200);
    let path = "/auth/second-factor/remove";
    for (password, name, proof) in [
        (
            "not my password at all",
            "code",
            code(&secret, &world.clock, 0),
        ),
        (PASSWORD, "code", "12345".to_owned()),
        (PASSWORD, "recovery_code", codes[1].clone()),
    ] {
        let body = json!({ "current_password": password, name: proof });
        assert_eq!(post(&issuer, path, bearer, body).await.0, 403, "{name}");
    }
    let fresh = renewed["recovery_codes"][0].as_str().unwrap();
    let body = json!({ "current_password": PASSWORD, "recovery_code": fresh });
    assert_eq!(post(&issuer, path, bearer, body).await.0, 204);
    assert!(is_alive(&issuer, &session.refresh_token).await);
    let (_, tokens) = first_step(&issuer, PASSWORD).await;
    let tokens = text(&tokens, "access_token").to_owned();

    enrol(&world, &issuer, &tokens).await;
    let admin = issuer.admin();
    assert!(admin.remove_second_factor("alice").await.unwrap());
    assert!(!admin.remove_second_factor("alice").await.unwrap());
    assert!(check(&issuer, &world.clock, &tokens).is_err(), "rev_004");
    let (_, tokens) = first_step(&issuer, PASSWORD).await;
    assert!(tokens.get("access_token").is_some());
}

#[tokio::test]
async fn a_secret_rests_sealed_and_in_its_place() {
    let (world, issuer) = World::with_alice().await;
    let session = sign_in(&issuer, "alice").await;
    let (secret, _) = enrol(&world, &issuer, &session.access_token).await;
    let (_, asked) = first_step(&issuer, PASSWORD).await;
    let token = text(&asked, "second_factor_token");
    // Another row's secret, or none of ours, opens nothing.
    world.tamper("UPDATE totp SET sealed_secret = x'00'").await;
    let now = code(&secret, &world.clock, 0);
    assert_eq!(second_step(&issuer, token, ("code", &now)).await.0, 500);
    let alice = issuer.account("alice").await.unwrap().unwrap();
    let standing = issuer.second_factor(&alice.id).await.unwrap();
    assert!(standing.enabled);
}

#[tokio::test]
async fn bru_004_a_restart_forgets_no_failure() {
    let (world, issuer) = World::with_alice().await;
    for _ in 0..10 {
        assert_eq!(first_step(&issuer, "not my password at all").await.0, 401);
    }
    assert_eq!(first_step(&issuer, PASSWORD).await.0, 429);
    // As the server does several times a second; then it is killed.
    issuer.poll_changes().await.unwrap();
    let issuer = world.open().await;
    assert_eq!(first_step(&issuer, PASSWORD).await.0, 429);
    world.clock.turn(30);
    assert_eq!(first_step(&issuer, PASSWORD).await.0, 200);
    issuer.poll_changes().await.unwrap();
    let left = world
        .count("SELECT COUNT(*) FROM sign_in_failure WHERE kind IN ('pair', 'account')")
        .await;
    assert_eq!(left, 0, "a right password clears them");
    let familiar = world
        .count("SELECT COUNT(*) FROM sign_in_failure WHERE kind = 'familiar'")
        .await;
    assert_eq!(familiar, 1);
}
