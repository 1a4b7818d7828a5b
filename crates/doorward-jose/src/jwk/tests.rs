//! The example of RFC 7638, and keys that are refused.

use proptest::prelude::{Strategy, any, prop, proptest};
use serde_json::{Value, json};

use super::Jwk;
use crate::{
    algorithm::Algorithm,
    base64url,
    error::KeyErrorKind,
    harness::{ES256, key, rsa_key},
};

fn object(algorithm: Algorithm) -> Value {
    let key = match algorithm {
        Algorithm::Rs256 => rsa_key(algorithm),
        _ => key(algorithm),
    };
    Value::Object(
        key.verifying_key()
            .to_jwk()
            .expect("a public key")
            .to_object(),
    )
}

fn refusal(key: &Value) -> KeyErrorKind {
    Jwk::parse(key.to_string().as_bytes())
        .expect_err(&key.to_string())
        .kind()
}

/// A good key with one member replaced.
fn spoiled(algorithm: Algorithm, name: &str, value: Value) -> Value {
    let mut object = object(algorithm);
    object[name] = value;
    object
}

#[test]
fn rfc_7638_section_3_1_thumbprint() {
    let jwk = br#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let jwk = Jwk::parse(jwk).expect("the key of the RFC");
    assert_eq!(
        jwk.thumbprint(),
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"
    );
    assert_eq!(jwk.key_id(), Some("2011-04-29"));
}

#[test]
fn what_is_written_can_be_read() {
    for algorithm in [
        Algorithm::Es256,
        Algorithm::Es384,
        Algorithm::Es512,
        Algorithm::Ed25519,
        Algorithm::EdDsa,
        Algorithm::Rs256,
    ] {
        let object = object(algorithm);
        let jwk = Jwk::parse(object.to_string().as_bytes()).expect("our own key");
        assert_eq!(jwk.algorithm(), Some(algorithm));
        assert_eq!(Value::Object(jwk.to_object()), object);
        assert_eq!(jwk.key_id(), Some(jwk.thumbprint().as_str()));
    }
}

#[test]
fn key_001_private_members_are_refused() {
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
        let kind = refusal(&spoiled(Algorithm::Es256, name, json!("AA")));
        assert_eq!(kind, KeyErrorKind::PrivateMember, "{name}");
    }
    let secret = json!({ "kty": "oct", "k": "AA", "alg": "HS256" });
    assert_eq!(refusal(&secret), KeyErrorKind::SecretAndPublicMixed);
}

#[test]
fn key_003_weak_rsa_keys_are_refused() {
    for (name, value) in [("e", "Aw"), ("e", "AQ"), ("e", "AQAA"), ("n", "r0Yx")] {
        let kind = refusal(&spoiled(Algorithm::Rs256, name, json!(value)));
        assert_eq!(kind, KeyErrorKind::Weak, "{name}={value}");
    }
    // A leading zero is another spelling of the same number (RFC 7518 6.3.1).
    let padded = spoiled(Algorithm::Rs256, "e", json!("AAEAAQ"));
    assert_eq!(refusal(&padded), KeyErrorKind::Malformed);
}

#[test]
fn key_005_points_off_the_curve_and_other_lengths_are_refused() {
    let good = object(Algorithm::Es256);
    let mut swapped = good.clone();
    swapped["x"] = good["y"].clone();
    swapped["y"] = good["x"].clone();
    assert_eq!(refusal(&swapped), KeyErrorKind::NotOnCurve);
    let zero = "A".repeat(43);
    for name in ["x", "y"] {
        let kind = refusal(&spoiled(Algorithm::Es256, name, json!(zero)));
        assert_eq!(kind, KeyErrorKind::NotOnCurve);
        for value in ["", "AA", &"A".repeat(44), "A=", "+/", "é"] {
            let kind = refusal(&spoiled(Algorithm::Es256, name, json!(value)));
            assert_eq!(kind, KeyErrorKind::Malformed, "{name}={value}");
        }
    }
    // The same point, parted elsewhere, is another spelling of the same key.
    let decoded = |name: &str| base64url::decode(good[name].as_str().expect("text"));
    let bytes = [decoded("x"), decoded("y")].map(|half| half.expect("base64url"));
    let bytes = bytes.concat();
    for at in [31, 33] {
        let (x, y) = bytes.split_at(at);
        let mut parted = good.clone();
        parted["x"] = json!(base64url::encode(x));
        parted["y"] = json!(base64url::encode(y));
        assert_eq!(refusal(&parted), KeyErrorKind::Malformed);
    }
    let other_curve = spoiled(Algorithm::Es256, "crv", json!("P-384"));
    assert_eq!(refusal(&other_curve), KeyErrorKind::Malformed);
    for curve in ["secp256k1", "P-192", "p-256", "", "Ed25519"] {
        let kind = refusal(&spoiled(Algorithm::Es256, "crv", json!(curve)));
        assert_eq!(kind, KeyErrorKind::Unsupported, "{curve}");
    }
    let other_type = spoiled(Algorithm::Es256, "kty", json!("OKP"));
    assert_eq!(refusal(&other_type), KeyErrorKind::Unsupported);
}

#[test]
fn key_006_sig_030_use_operations_and_algorithm_are_enforced() {
    for (name, value, kind) in [
        ("use", json!("enc"), KeyErrorKind::NotForVerifying),
        ("use", json!("SIG"), KeyErrorKind::NotForVerifying),
        ("use", json!(1), KeyErrorKind::Malformed),
        ("key_ops", json!(["sign"]), KeyErrorKind::NotForVerifying),
        ("key_ops", json!([]), KeyErrorKind::NotForVerifying),
        ("key_ops", json!("verify"), KeyErrorKind::Malformed),
        (
            "key_ops",
            json!(["verify", "verify"]),
            KeyErrorKind::Malformed,
        ),
        ("key_ops", json!(["verify", 1]), KeyErrorKind::Malformed),
        ("alg", json!("ES384"), KeyErrorKind::AlgorithmMismatch),
        ("alg", json!("RS256"), KeyErrorKind::AlgorithmMismatch),
        ("alg", json!("HS256"), KeyErrorKind::AlgorithmMismatch),
        ("alg", json!("none"), KeyErrorKind::Unsupported),
        ("alg", json!("ECDH-ES"), KeyErrorKind::Unsupported),
        ("alg", json!(null), KeyErrorKind::Malformed),
        ("kid", json!(7), KeyErrorKind::Malformed),
        ("kid", json!(""), KeyErrorKind::BadKeyId),
        ("kid", json!("a b"), KeyErrorKind::BadKeyId),
        ("kid", json!("k".repeat(257)), KeyErrorKind::BadKeyId),
        ("kty", json!("AKP"), KeyErrorKind::Unsupported),
        ("kty", json!(["EC"]), KeyErrorKind::Malformed),
    ] {
        assert_eq!(
            refusal(&spoiled(Algorithm::Es256, name, value.clone())),
            kind,
            "{name}={value}"
        );
    }
    let both = spoiled(Algorithm::Es256, "key_ops", json!(["sign", "verify"]));
    assert!(Jwk::parse(both.to_string().as_bytes()).is_ok());
}

#[test]
fn a_key_is_one_strict_object() {
    let good = object(Algorithm::Es256).to_string();
    for text in [
        good.replacen('{', r#"{"kty":"EC","#, 1),
        format!("{good}{good}"),
        format!("[{good}]"),
        good.replace("\"kty\":\"EC\"", "\"kyt\":\"EC\""),
        String::new(),
    ] {
        assert!(Jwk::parse(text.as_bytes()).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_a_key_or_refused(bytes: Vec<u8>) {
        let _ = Jwk::parse(&bytes);
    }

    #[test]
    fn any_members_are_a_key_or_refused(
        name in prop::sample::select(vec!["kty", "crv", "x", "y", "n", "e", "alg", "use", "kid"]),
        value in any::<String>().prop_map(Value::from),
    ) {
        let mut jwk = Value::Object(ES256.verifying_key().to_jwk().expect("public").to_object());
        jwk[name] = value;
        let _ = Jwk::parse(jwk.to_string().as_bytes());
    }
}
