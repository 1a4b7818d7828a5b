//! What the tokens say, and that they say no more than the caller's own.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use doorward_gateway::forward_auth::Proxy;
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

use super::{Keys, Place};
use crate::{config::Config, data_folder::DataFolder};

const NOW: u64 = 1_800_000_000;

fn verified(key: &SigningKey, names: (&str, &str, &str), token: &str) -> Principal {
    let validation = Validation::issuer(names.0)
        .audience(names.1)
        .algorithms([Algorithm::Es256])
        .token_type(names.2);
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
    let claims = claims.as_object_mut().unwrap();
    claims.extend(changes);
    claims.retain(|_, value| !value.is_null());
    // RFC 9068 asks for the client's name.
    let token_type = match claims.contains_key("client_id") {
        true => "at+jwt",
        false => "JWT",
    };
    let token = key.sign(token_type, &claims).unwrap();
    verified(&key, ("https://id.example", "shop", token_type), &token)
}

fn keys(permissions: &[&str]) -> Keys {
    let signing = SigningKey::generate(Algorithm::Es256).unwrap();
    let limit: BTreeSet<_> = permissions.iter().map(|it| it.parse().unwrap()).collect();
    let limit = (!limit.is_empty()).then_some(limit);
    Keys {
        issuer: "https://api.example/internal".to_owned(),
        audiences: BTreeMap::from([("orders-internal".to_owned(), limit)]),
        signing,
        jwks: Bytes::new(),
    }
}

/// The token as the API behind reads it.
fn read(keys: &Keys, caller: &Principal) -> Principal {
    let now = Timestamp::from_millis(NOW * 1000);
    let asked = (caller, "orders-internal");
    let token = keys.token("shop", asked, now).unwrap();
    let names = ("https://api.example/internal", "orders-internal", "at+jwt");
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

/// The reason why `keys` make no token for `audience`.
fn refused(keys: &Keys, caller: &Principal, audience: &str) -> Option<Reason> {
    let now = Timestamp::from_millis(NOW * 1000);
    let made = keys.token("shop", (caller, audience), now);
    made.err().map(|none| none.reason)
}

#[test]
fn auz_016_an_audience_that_no_route_names_has_no_token() {
    let keys = keys(&[]);
    assert_eq!(
        refused(&keys, &caller(json!({})), "orders-api"),
        Some(Reason::InternalTokenUnavailable)
    );
}

/// New keys come before new routes: what the old ones ask for in between is not
/// without its limit.
#[test]
fn auz_016_a_limit_lasts_as_long_as_the_routes_that_were_served_with_it() {
    let (before, mut next) = (keys(&["orders:read"]), keys(&["users:read"]));
    let limit = next.audiences.remove("orders-internal").unwrap();
    next.audiences.insert("orders-api".to_owned(), limit);
    let next = next.after(Some(&before));
    let caller = caller(json!({}));
    assert_eq!(permissions(&read(&next, &caller)), ["orders:read"]);
    assert_eq!(refused(&next, &caller, "orders-api"), None);
    // What both name has the newer limit.
    let newer = keys(&["orders:write"]).after(Some(&next));
    assert_eq!(permissions(&read(&newer, &caller)), ["orders:write"]);
}

#[test]
fn a_caller_without_a_client_has_no_token() {
    let nameless = caller(json!({"client_id": null}));
    assert_eq!(
        refused(&keys(&[]), &nameless, "orders-internal"),
        Some(Reason::InternalTokenUnavailable)
    );
}

#[test]
fn an_internal_token_is_of_no_caller_by_any_name_that_counts() {
    let place = |proxy| Place {
        is_gateway: true,
        folder: DataFolder::planned(Path::new("unused")).unwrap(),
        beside: PathBuf::new(),
        origin: "https://api.example".to_owned(),
        callers_issuer: "https://id.example".to_owned(),
        actor: "https://id.example".to_owned(),
        proxy,
    };
    let config = Config::parse(
        "doorward.toml",
        "[[trusted_issuer]]\nissuer = \"https://they.example\"\naudience = \"theirs\"\n\
         algorithms = [\"ES256\"]\njwks_file = \"they.json\"\n",
    )
    .unwrap();
    for (issuer, audience, holds) in [
        ("https://api.example/internal", "orders-internal", true),
        ("https://id.example", "orders-internal", false),
        ("https://they.example", "orders-internal", false),
        ("https://api.example/internal", "https://id.example", false),
        ("https://api.example/internal", "theirs", false),
    ] {
        let names = (issuer, &BTreeSet::from([audience]));
        let opens = place(None).opens_nothing(names, &config);
        assert_eq!(opens.is_ok(), holds, "{names:?}");
    }
    for (_, proxy) in Proxy::ALL {
        let is_handed_on = place(Some(proxy)).reaches_the_api().is_ok();
        assert_eq!(is_handed_on, proxy == Proxy::Nginx, "{proxy:?}");
    }
}
