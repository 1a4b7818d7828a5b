//! Every forgery is another token than the valid one, and our own verifier
//! refuses it whatever algorithms it is told to accept.

use std::collections::HashSet;

use doorward_jose::{
    algorithm::Algorithm,
    base64url,
    claims::{AccessClaims, RequiredClaims},
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    token::UnverifiedToken,
    validation::Validation,
};

use super::{Forgery, forge};
use crate::{case, der};

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);
const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";

fn token(key: &SigningKey) -> String {
    let claims = AccessClaims::new(RequiredClaims {
        issuer: ISSUER.into(),
        subject: "user-1".into(),
        audience: AUDIENCE.into(),
        client_id: "cli".into(),
        token_id: "t-1".into(),
        issued_at: NOW,
        lifetime_seconds: 300,
    });
    key.sign("at+jwt", &claims).expect("a token")
}

fn accepted(keys: &KeySet, token: &str) -> bool {
    let validation = Validation::issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms(Algorithm::ALL.iter().copied());
    UnverifiedToken::parse(token)
        .and_then(|token| token.verify_with(keys, &validation, NOW))
        .is_ok()
}

fn refuses_all(key: &SigningKey) -> Vec<Forgery> {
    let valid = token(key);
    let keys = KeySet::from_iter([key.verifying_key()]);
    assert!(accepted(&keys, &valid));
    let forgeries = forge(&valid, Some(&keys.to_jwks_json()));
    for forgery in &forgeries {
        assert_ne!(forgery.token, valid, "{}: {}", forgery.case, forgery.what);
        assert!(
            !accepted(&keys, &forgery.token),
            "{}: {}",
            forgery.case,
            forgery.what
        );
    }
    forgeries
}

#[test]
fn no_forgery_passes_whatever_the_algorithm() {
    for algorithm in [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::Ed25519,
        Algorithm::Hs256,
        Algorithm::Rs256,
        Algorithm::Ps256,
    ] {
        let key = SigningKey::generate(algorithm).expect("a key");
        let forgeries = refuses_all(&key);
        assert!(forgeries.len() > 200, "{algorithm}: {}", forgeries.len());
    }
}

#[test]
fn every_forgery_has_a_case() {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let forgeries = refuses_all(&key);
    let forged: HashSet<&str> = forgeries.iter().map(|forgery| forgery.case).collect();
    for id in &forged {
        assert!(case::find(id).is_some(), "{id}");
    }
    assert!(forged.len() >= 36, "{forged:?}");
    let mut seen = HashSet::new();
    for forgery in &forgeries {
        let name = (forgery.case, &forgery.what);
        assert!(seen.insert(name), "{} {} twice", forgery.case, forgery.what);
    }
}

#[test]
fn without_a_key_set_only_its_cases_are_left_out() {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let forgeries = forge(&token(&key), None);
    let forged: HashSet<&str> = forgeries.iter().map(|forgery| forgery.case).collect();
    let with: HashSet<&str> = refuses_all(&key)
        .iter()
        .map(|forgery| forgery.case)
        .collect();
    let missing: Vec<_> = with.difference(&forged).collect();
    assert_eq!(missing, [&"SIG-009"]);
}

#[test]
fn sig_009_fools_a_server_that_lets_the_token_choose() {
    // The faulty server: HMAC with whatever bytes its public key is held in.
    let fooled_by = |secret: &[u8], token: &str| {
        let Some((input, signature)) = token.rsplit_once('.') else {
            return false;
        };
        let tag = doorward_jose::dangerous::hmac(Algorithm::Hs256, secret, input.as_bytes());
        tag.map(base64url::encode).as_deref() == Some(signature)
    };
    for algorithm in [Algorithm::Rs256, Algorithm::Es256] {
        let key = SigningKey::generate(algorithm).expect("a key");
        let keys = KeySet::from_iter([key.verifying_key()]);
        let spki = key.verifying_key().to_der().expect("a public key");
        let pem = der::pem("PUBLIC KEY", &spki);
        let forgeries = forge(&token(&key), Some(&keys.to_jwks_json()));
        for secret in [pem.as_bytes(), pem.trim_end().as_bytes(), &spki] {
            let found = forgeries
                .iter()
                .find(|forgery| fooled_by(secret, &forgery.token));
            assert_eq!(found.map(|forgery| forgery.case), Some("SIG-009"));
        }
    }
}

#[test]
fn hdr_001_fools_a_server_that_trusts_the_header() {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let forgeries = forge(&token(&key), None);
    let embedded = forgeries.iter().filter(|forgery| forgery.case == "HDR-001");
    for forgery in embedded {
        let shown = doorward_jose::token::Inspected::parse(&forgery.token).expect("readable");
        let jwk = shown.header["jwk"].to_string();
        let jwk = doorward_jose::jwk::Jwk::parse(jwk.as_bytes()).expect("a key");
        assert_eq!(
            jwk.algorithm().map(Algorithm::name),
            shown.header["alg"].as_str()
        );
    }
}

#[test]
fn what_is_no_token_gives_no_forgeries() {
    for text in [
        "",
        "a.b.c",
        "opaque",
        "e30.e30",
        "W10.e30.AA",
        "e30.e30.é",
        "é.e30.AA",
    ] {
        assert!(forge(text, Some("{}")).is_empty(), "{text}");
    }
    // The least that can be taken for one.
    assert!(forge("e30.e30.AA", Some("{}")).len() > 100);
}

#[test]
fn a_strange_key_set_does_not_stop_the_rest() {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    let valid = token(&key);
    for jwks in [
        "",
        "{",
        "null",
        r#"{"keys":[{"kty":"EC","x":1}]}"#,
        r#"{"keys":[{"kty":"é"}]}"#,
    ] {
        assert!(forge(&valid, Some(jwks)).len() > 100, "{jwks}");
    }
}
