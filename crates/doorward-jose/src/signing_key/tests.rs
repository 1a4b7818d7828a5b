//! Signing, storing and never showing.

use serde_json::json;

use super::SigningKey;
use crate::{
    algorithm::Algorithm,
    error::{KeyErrorKind, SignError},
    harness::{claims, key, rsa_key, validation, verify},
    jws::UnverifiedJws,
};

fn key_of(algorithm: Algorithm) -> SigningKey {
    match algorithm.name().as_bytes() {
        [b'R' | b'P', ..] => rsa_key(algorithm),
        _ => key(algorithm),
    }
}

#[test]
fn every_algorithm_signs_what_its_key_verifies() {
    for algorithm in Algorithm::ALL {
        let key = key_of(*algorithm);
        let token = key.sign("at+jwt", &claims()).expect("a token");
        let verified = verify(&key, &token, &validation(*algorithm)).expect("our own token");
        assert_eq!(verified.key_id(), Some(key.key_id()));
        assert_eq!(verified.algorithm(), *algorithm);
    }
}

/// RFC 8725 section 3.11: what a text is for is in its header, whatever the key
/// signed before.
#[test]
fn clm_012_each_text_says_the_type_that_it_was_signed_as() {
    let key = key(Algorithm::Es256);
    for wanted in ["at+jwt", "dpop-nonce", "at+jwt", "dpop-nonce", "JWT"] {
        let text = key.sign(wanted, &claims()).expect("a token");
        let signed = UnverifiedJws::parse(&text).expect("our own text");
        assert_eq!(signed.header().token_type(), Some(wanted));
        assert_eq!(signed.key_id(), Some(key.key_id()));
    }
}

#[test]
fn every_key_survives_storage() {
    for algorithm in Algorithm::ALL {
        let key = key_of(*algorithm);
        let stored = match key.secret() {
            Some(secret) => SigningKey::hmac(*algorithm, &secret),
            None => SigningKey::from_pkcs8(*algorithm, &key.to_pkcs8().expect("a private key")),
        };
        let stored = stored.expect("our own key");
        assert_eq!(stored.key_id(), key.key_id());
        let token = stored.sign("at+jwt", &claims()).expect("a token");
        assert!(verify(&key, &token, &validation(*algorithm)).is_ok());
    }
}

#[test]
fn rfc_7515_appendix_a_3_private_key() {
    let pkcs8 = base64_simd::STANDARD.decode_to_vec(
        "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIffH1136cspYG6+0iY7X1fCE9+E9L\
         KhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiF\
         iOWt",
    );
    let key = SigningKey::from_pkcs8(Algorithm::Es256, &pkcs8.expect("base64")).expect("a key");
    let jwk = key
        .verifying_key()
        .to_jwk()
        .expect("a public key")
        .to_object();
    assert_eq!(jwk["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
}

#[test]
fn keys_of_another_kind_are_refused() {
    let stored = key(Algorithm::Es256).to_pkcs8().expect("a private key");
    for algorithm in Algorithm::ALL
        .iter()
        .filter(|algorithm| **algorithm != Algorithm::Es256)
    {
        assert!(
            SigningKey::from_pkcs8(*algorithm, &stored).is_err(),
            "{algorithm}"
        );
    }
    for end in [0, 1, stored.len() - 1] {
        assert!(SigningKey::from_pkcs8(Algorithm::Es256, &stored[..end]).is_err());
    }
    let secret = key(Algorithm::Hs256);
    assert_eq!(
        secret.to_pkcs8().expect_err("no such form").kind(),
        KeyErrorKind::SecretAndPublicMixed
    );
    assert!(key(Algorithm::Es256).secret().is_none());
}

#[test]
fn the_id_can_be_chosen_and_reaches_the_token() {
    let key = key(Algorithm::Ed25519)
        .with_key_id("2026-11")
        .expect("an id");
    let token = key.sign("at+jwt", &claims()).expect("a token");
    let verified = verify(&key, &token, &validation(Algorithm::Ed25519)).expect("our own token");
    assert_eq!(verified.key_id(), Some("2026-11"));
    assert!(key.with_key_id("not an id").is_err());
}

#[test]
fn only_objects_and_media_types_are_signed() {
    let key = key(Algorithm::Ed25519);
    for claims in [json!([]), json!("text"), json!(null), json!(1)] {
        assert_eq!(key.sign("at+jwt", &claims), Err(SignError::Unserializable));
    }
    for token_type in ["", "a b", "\"", "a\"b", "\n", "é"] {
        assert_eq!(key.sign(token_type, &claims()), Err(SignError::BadType));
    }
}

#[test]
fn sec_nothing_secret_is_printed() {
    for algorithm in [Algorithm::Hs256, Algorithm::Es256] {
        let key = key_of(algorithm);
        let shown = format!("{key:?} {:?}", key.verifying_key());
        assert!(shown.contains(key.key_id()) && shown.len() < 400, "{shown}");
    }
}
