//! One key, one algorithm, one form.

use super::VerifyingKey;
use crate::{
    algorithm::Algorithm,
    error::KeyErrorKind,
    harness::{ES256, key, rsa_key},
    jwk::Jwk,
};

fn pem(der: &[u8]) -> String {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<&str> = (0..base64.len().div_ceil(64))
        .map(|line| &base64[line * 64..base64.len().min(line * 64 + 64)])
        .collect();
    format!(
        "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
        lines.join("\n")
    )
}

#[test]
fn der_and_pem_round_trip() {
    for signing in [
        key(Algorithm::Es256),
        key(Algorithm::Es384),
        key(Algorithm::Es512),
        key(Algorithm::Ed25519),
        rsa_key(Algorithm::Rs384),
        rsa_key(Algorithm::Ps256),
    ] {
        let der = signing.verifying_key().to_der().expect("a public key");
        let key = VerifyingKey::from_der(signing.algorithm(), &der).expect("our own DER");
        assert_eq!(key.to_jwk(), signing.verifying_key().to_jwk());
        let key = VerifyingKey::from_pem(signing.algorithm(), pem(&der).as_bytes());
        assert_eq!(key.expect("our own PEM").key_id(), Some(signing.key_id()));
    }
}

#[test]
fn other_encodings_than_the_one_are_refused() {
    for signing in [
        key(Algorithm::Es256),
        key(Algorithm::Ed25519),
        rsa_key(Algorithm::Rs256),
    ] {
        let (algorithm, public) = (signing.algorithm(), signing.verifying_key());
        let der = public.to_der().expect("a public key");
        let trailing = [der.as_slice(), &[0]].concat();
        let point = der[der.len().saturating_sub(65).max(1)..].to_vec();
        let raw = der[der.len() - 32..].to_vec();
        for bytes in [
            trailing,
            point,
            raw,
            der[1..].to_vec(),
            Vec::new(),
            b"0".repeat(44),
        ] {
            assert!(VerifyingKey::from_der(algorithm, &bytes).is_err());
        }
        let private = signing.to_pkcs8().expect("a private key");
        assert!(VerifyingKey::from_der(algorithm, &private).is_err());
        let text = pem(&der);
        for text in [
            text.replace("PUBLIC KEY", "CERTIFICATE"),
            text.replace("PUBLIC KEY", "PRIVATE KEY"),
            format!("{text}{text}"),
            format!("x{text}"),
            text.replace("-----END PUBLIC KEY-----", ""),
            String::new(),
        ] {
            assert!(
                VerifyingKey::from_pem(algorithm, text.as_bytes()).is_err(),
                "{text}"
            );
        }
    }
}

#[test]
fn sig_023_key_005_a_key_of_another_kind_is_refused() {
    let der = ES256.verifying_key().to_der().expect("a public key");
    for algorithm in Algorithm::ALL
        .iter()
        .filter(|algorithm| **algorithm != Algorithm::Es256)
    {
        assert!(
            VerifyingKey::from_der(*algorithm, &der).is_err(),
            "{algorithm}"
        );
    }
    let jwk = ES256.verifying_key().to_jwk().expect("a public key");
    for algorithm in Algorithm::ALL
        .iter()
        .filter(|algorithm| **algorithm != Algorithm::Es256)
    {
        let refusal = VerifyingKey::from_jwk(&jwk, Some(*algorithm))
            .expect_err("another")
            .kind();
        assert_eq!(refusal, KeyErrorKind::AlgorithmMismatch);
    }
}

#[test]
fn a_key_that_does_not_say_its_algorithm_gets_one_or_is_refused() {
    let silent = |key: VerifyingKey| {
        let mut object = key.to_jwk().expect("a public key").to_object();
        object.remove("alg");
        let text = serde_json::Value::Object(object).to_string();
        Jwk::parse(text.as_bytes()).expect("a good key")
    };
    // A curve of NIST has one algorithm, RSA six, Ed25519 two names.
    let jwk = silent(key(Algorithm::Es384).verifying_key());
    let known = VerifyingKey::from_jwk(&jwk, None).expect("only ES384 fits");
    assert_eq!(known.algorithm(), Algorithm::Es384);
    for signing in [rsa_key(Algorithm::Rs256), key(Algorithm::Ed25519)] {
        let jwk = silent(signing.verifying_key());
        let refusal = VerifyingKey::from_jwk(&jwk, None)
            .expect_err("several fit")
            .kind();
        assert_eq!(refusal, KeyErrorKind::AlgorithmMissing);
        assert!(VerifyingKey::from_jwk(&jwk, Some(signing.algorithm())).is_ok());
    }
}

#[test]
fn sig_009_public_keys_are_no_secrets() {
    let public = rsa_key(Algorithm::Rs256).verifying_key();
    let der = public.to_der().expect("a public key");
    let jwk = serde_json::Value::Object(public.to_jwk().expect("a public key").to_object());
    for text in [
        pem(&der),
        format!("\n  {}", pem(&der)),
        jwk.to_string(),
        format!(" {jwk}"),
    ] {
        let refusal = VerifyingKey::hmac(Algorithm::Hs256, text.as_bytes()).expect_err(&text);
        assert_eq!(refusal.kind(), KeyErrorKind::SecretAndPublicMixed);
    }
    for algorithm in Algorithm::ALL
        .iter()
        .filter(|algorithm| !algorithm.is_symmetric())
    {
        let refusal = VerifyingKey::hmac(*algorithm, &[7; 64])
            .expect_err("no HMAC")
            .kind();
        assert_eq!(refusal, KeyErrorKind::SecretAndPublicMixed, "{algorithm}");
    }
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        let refusal = VerifyingKey::from_der(algorithm, &der)
            .expect_err("no secret")
            .kind();
        assert_eq!(refusal, KeyErrorKind::SecretAndPublicMixed);
    }
}

#[test]
fn sig_010_key_004_short_secrets_are_refused() {
    for (algorithm, length) in [
        (Algorithm::Hs256, 32),
        (Algorithm::Hs384, 48),
        (Algorithm::Hs512, 64),
    ] {
        for short in [0, 1, 16, length - 1] {
            let refusal = VerifyingKey::hmac(algorithm, &vec![7; short]).expect_err("short");
            assert_eq!(refusal.kind(), KeyErrorKind::Weak);
        }
        assert!(VerifyingKey::hmac(algorithm, &vec![7; length]).is_ok());
    }
}

#[test]
fn sec_nothing_secret_is_printed() {
    let secret = [0x5a; 32];
    let key = VerifyingKey::hmac(Algorithm::Hs256, &secret).expect("a secret");
    let shown = format!("{key:?}");
    assert!(
        !shown.contains("90") && !shown.to_lowercase().contains("5a5a"),
        "{shown}"
    );
    assert!(key.to_jwk().is_none() && key.to_der().is_none());
}
