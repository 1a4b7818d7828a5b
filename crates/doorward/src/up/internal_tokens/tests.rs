//! What the tokens say, and that they say no more than the caller's own.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use doorward_policy::decision::{Decision, Reason, TraceId};
use doorward_verify::{
    clock::Timestamp,
    jose::{
        algorithm::Algorithm, jwk_set::KeySet, signing_key::SigningKey, time::UnixTime,
        validation::Validation,
    },
    key_source::KeySource,
    principal::Principal,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};
use serde_json::{Value, json};

use super::Keys;

const NOW: u64 = 1_800_000_000;

fn verified(key: &SigningKey, names: (&str, &str), token: &str) -> Principal {
    let validation = Validation::issuer(names.0)
        .audience(names.1)
        .algorithms([Algorithm::Es256]);
    let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
    let verifier = Verifier::new(
        vec![TrustedIssuer::new(validation, keys)],
        RevocationSet::new(),
    );
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), NOW * 1000, "GET", "/");
    verifier
        .verify(token, UnixTime::from_secs(NOW), &mut decision)
        .unwrap()
}

/// Somebody with `changes` in the claims of their token.
fn caller(changes: Value) -> Principal {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut claims = json!({
        "iss": "https://id.example", "aud": "shop", "sub": "ann", "client_id": "web",
        "iat": NOW - 10, "exp": NOW + 290, "jti": "j-1", "sid": "s-1", "tenant": "north",
        "roles": ["clerk"], "scope": "orders:read", "permissions": ["orders:*", "users:read"],
        "auth_time": NOW - 20, "amr": ["pwd"], "acr": "aal1",
    });
    let changes = changes.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(changes);
    let token = key.sign("at+jwt", &claims).unwrap();
    verified(&key, ("https://id.example", "shop"), &token)
}

fn keys(permissions: &[&str]) -> Keys {
    let signing = SigningKey::generate(Algorithm::Es256).unwrap();
    let limit: BTreeSet<_> = permissions.iter().map(|it| it.parse().unwrap()).collect();
    let limit = (!limit.is_empty()).then(|| ("orders-internal".to_owned(), limit));
    Keys {
        issuer: "https://api.example/internal".to_owned(),
        permissions: BTreeMap::from_iter(limit),
        signing,
        jwks: Bytes::new(),
    }
}

/// The token as the API behind reads it.
fn read(keys: &Keys, caller: &Principal) -> Principal {
    let now = Timestamp::from_millis(NOW * 1000);
    let asked = (caller, "orders-internal");
    let token = keys.token("shop", asked, now).unwrap();
    let names = ("https://api.example/internal", "orders-internal");
    let read = verified(&keys.signing, names, &token.access_token);
    assert_eq!(token.expires_at.unix(), read.expires_at());
    read
}

fn permissions(principal: &Principal) -> Vec<&str> {
    principal
        .claims()
        .permissions()
        .iter()
        .map(String::as_str)
        .collect()
}

#[test]
fn it_says_of_the_caller_what_their_own_token_says() {
    let caller = caller(json!({}));
    let token = read(&keys(&[]), &caller);
    let (theirs, own) = (token.claims(), caller.claims());
    assert_eq!(theirs.subject(), own.subject());
    assert_eq!(theirs.client_id(), own.client_id());
    assert_eq!(theirs.tenant(), own.tenant());
    assert_eq!(theirs.session_id(), own.session_id());
    assert_eq!(theirs.roles(), own.roles());
    assert_eq!(theirs.scope(), own.scope());
    assert_eq!(theirs.permissions(), own.permissions());
    assert_eq!(theirs.auth_time(), own.auth_time());
    assert_eq!(theirs.amr(), own.amr());
    assert_eq!(theirs.acr(), own.acr());
    assert_ne!(theirs.token_id(), own.token_id());
    assert_eq!(theirs.expires_at().as_secs(), NOW + 60);
    let act = &theirs.others()["act"];
    assert_eq!(serde_json::to_value(act).unwrap(), json!({"sub": "shop"}));
}

#[test]
fn it_ends_with_the_callers_own_and_not_after() {
    let token = read(&keys(&[]), &caller(json!({"exp": NOW + 7})));
    assert_eq!(token.expires_at().as_secs(), NOW + 7);
}

#[test]
fn who_acted_before_is_still_named() {
    let token = read(&keys(&[]), &caller(json!({"act": {"sub": "app"}})));
    let act = serde_json::to_value(&token.claims().others()["act"]).unwrap();
    assert_eq!(act, json!({"sub": "shop", "act": {"sub": "app"}}));
}

#[test]
fn auz_016_a_limit_takes_away_and_never_gives() {
    let caller = caller(json!({}));
    let limited = read(&keys(&["orders:read", "users:*", "audit:read"]), &caller);
    assert_eq!(permissions(&limited), ["orders:read", "users:read"]);
    assert!(limited.roles().is_empty());
    assert_eq!(limited.claims().scope(), None);
}

#[test]
fn rights_beyond_a_header_make_no_token() {
    let many: Vec<String> = (0..250)
        .map(|number| format!("orders:action-{number}"))
        .collect();
    let caller = caller(json!({"permissions": many}));
    let now = Timestamp::from_millis(NOW * 1000);
    let refused = keys(&[]).token("shop", (&caller, "orders-internal"), now);
    assert_eq!(
        refused.unwrap_err().reason,
        Reason::InternalTokenUnavailable
    );
    let within = keys(&["orders:action-7"]);
    assert_eq!(permissions(&read(&within, &caller)), ["orders:action-7"]);
}
