//! Attacks on signature and algorithm (group SIG of the catalogue).

use serde_json::json;

use super::{any_algorithm, parts};
use crate::{
    algorithm::Algorithm,
    base64url,
    dangerous::hmac,
    error::TokenErrorKind,
    harness::{
        ES256, ISSUER, claims, claims_with, compact, good, header, key, refusal, rsa_key, verify,
    },
    signing_key::SigningKey,
};

/// The token with another signature.
fn resigned(token: &str, signature: &[u8]) -> String {
    let [header, payload, _] = parts(token);
    format!("{header}.{payload}.{}", base64url::encode(signature))
}

fn signature_of(token: &str) -> Vec<u8> {
    base64url::decode(parts(token)[2]).expect("base64url")
}

/// An HMAC token under any secret.
fn hmac_token(algorithm: Algorithm, secret: &[u8], kid: &str) -> String {
    let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid }).to_string();
    let input = format!(
        "{}.{}",
        base64url::encode(header),
        base64url::encode(claims().to_string())
    );
    let tag = hmac(algorithm, secret, input.as_bytes()).expect("an HMAC");
    format!("{input}.{}", base64url::encode(tag))
}

#[test]
fn sig_001_sig_002_alg_none_is_refused() {
    let [_, payload, signature] = parts(&good(&ES256)).map(str::to_owned);
    for name in ["none", "None", "NONE", "nOnE"] {
        let header = base64url::encode(json!({ "alg": name, "typ": "at+jwt" }).to_string());
        for token in [
            format!("{header}.{payload}."),
            format!("{header}.{payload}"),
            format!("{header}.{payload}.{signature}"),
        ] {
            assert!(verify(&ES256, &token, &any_algorithm()).is_err(), "{token}");
        }
    }
}

#[test]
fn sig_003_unknown_algorithms_are_refused() {
    let [_, payload, signature] = parts(&good(&ES256)).map(str::to_owned);
    for name in ["foo", "", "hs256", " HS256", "RS256\0", "es256", "ES256 "] {
        let header = base64url::encode(json!({ "alg": name, "typ": "at+jwt" }).to_string());
        let token = format!("{header}.{payload}.{signature}");
        assert_eq!(
            refusal(&ES256, &token),
            TokenErrorKind::AlgorithmNotAllowed,
            "{name:?}"
        );
    }
}

#[test]
fn sig_006_sig_022_damaged_and_truncated_signatures_are_refused() {
    for key in [
        key(Algorithm::Es256),
        key(Algorithm::Ed25519),
        key(Algorithm::Hs256),
    ] {
        let token = good(&key);
        let signature = signature_of(&token);
        let length = signature.len();
        for end in [1, 16, length / 2, length - 4, length - 1] {
            let kind = refusal(&key, &resigned(&token, &signature[..end]));
            assert_eq!(kind, TokenErrorKind::BadSignature);
        }
        let longer = [signature.as_slice(), &[0]].concat();
        assert_eq!(
            refusal(&key, &resigned(&token, &longer)),
            TokenErrorKind::BadSignature
        );
        let oversized = vec![0; 1025];
        assert!(verify(&key, &resigned(&token, &oversized), &any_algorithm()).is_err());
    }
}

#[test]
fn sig_007_sig_008_changed_claims_and_headers_are_refused() {
    let [header, payload, signature] = parts(&good(&ES256)).map(str::to_owned);
    for (name, value) in [
        ("sub", "\"admin\""),
        ("exp", "1900000000"),
        ("tenant", "\"b\""),
        ("roles", "[\"admin\"]"),
    ] {
        let payload = base64url::encode(claims_with(name, value));
        let kind = refusal(&ES256, &format!("{header}.{payload}.{signature}"));
        assert_eq!(kind, TokenErrorKind::BadSignature, "{name}");
    }
    for header in [
        r#"{"alg":"ES256","typ":"at+jwt"}"#.to_owned(),
        format!(
            r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}","x":1}}"#,
            ES256.key_id()
        ),
    ] {
        let kind = refusal(
            &ES256,
            &format!("{}.{payload}.{signature}", base64url::encode(header)),
        );
        assert_eq!(kind, TokenErrorKind::BadSignature);
    }
}

#[test]
fn sig_009_hmac_keyed_with_the_public_key_is_refused() {
    for key in [
        ES256.clone(),
        rsa_key(Algorithm::Rs256),
        key(Algorithm::Ed25519),
    ] {
        let public = key.verifying_key();
        let der = public.to_der().expect("a public key");
        let base64 = base64_simd::STANDARD.encode_to_string(&der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{base64}\n-----END PUBLIC KEY-----\n");
        let jwk = public.to_jwk().expect("a public key").to_object();
        let jwk = serde_json::Value::Object(jwk).to_string();
        for secret in [
            pem.as_bytes(),
            pem.trim_end().as_bytes(),
            pem.replace('\n', "\r\n").as_bytes(),
            &der,
            base64.as_bytes(),
            jwk.as_bytes(),
        ] {
            for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
                let token = hmac_token(algorithm, secret, key.key_id());
                let refused = verify(&key, &token, &any_algorithm()).err();
                assert_eq!(refused, Some(TokenErrorKind::AlgorithmNotAllowed));
            }
        }
    }
}

#[test]
fn sig_010_sig_011_hmac_with_empty_and_trivial_keys_is_refused() {
    let key = key(Algorithm::Hs256);
    for secret in [
        "",
        "\0",
        "null",
        "undefined",
        "secret",
        ISSUER,
        "id.example",
    ] {
        for kid in [key.key_id(), "unknown"] {
            let token = hmac_token(Algorithm::Hs256, secret.as_bytes(), kid);
            assert_eq!(
                refusal(&key, &token),
                TokenErrorKind::BadSignature,
                "{secret:?}"
            );
            assert!(verify(&ES256, &token, &any_algorithm()).is_err());
        }
    }
    let by_kid = hmac_token(Algorithm::Hs256, key.key_id().as_bytes(), key.key_id());
    assert_eq!(refusal(&key, &by_kid), TokenErrorKind::BadSignature);
}

#[test]
fn sig_013_one_key_has_one_algorithm() {
    let registered = rsa_key(Algorithm::Ps512);
    for algorithm in [
        Algorithm::Rs256,
        Algorithm::Rs384,
        Algorithm::Rs512,
        Algorithm::Ps256,
        Algorithm::Ps384,
    ] {
        let token = good(&rsa_key(algorithm));
        let refused = verify(&registered, &token, &any_algorithm()).err();
        assert_eq!(
            refused,
            Some(TokenErrorKind::AlgorithmNotAllowed),
            "{algorithm}"
        );
    }
    assert!(verify(&registered, &good(&registered), &any_algorithm()).is_ok());
}

/// The order of P-256, which no half of a signature may reach.
const P256_ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6,
    0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

#[test]
fn sig_014_sig_015_ecdsa_values_out_of_range_are_refused() {
    let token = good(&ES256);
    let (zero, mut one, order) = ([0; 32], [0; 32], P256_ORDER);
    one[31] = 1;
    let signature = signature_of(&token);
    let (r, s) = signature.split_at(32);
    let mut before = order;
    before[31] -= 1;
    for (r, s) in [
        (zero.as_slice(), zero.as_slice()),
        (&zero, &one),
        (&one, &zero),
        (&order, s),
        (r, &order),
        (&before, s),
        (r, &before),
        (&zero, s),
        (r, &zero),
        (&order, &order),
        (&[0xff; 32], s),
    ] {
        let kind = refusal(&ES256, &resigned(&token, &[r, s].concat()));
        assert_eq!(kind, TokenErrorKind::BadSignature);
    }
    // Longer integers with leading zeros have the same value.
    let padded = [&[0], r, &[0], s].concat();
    assert_eq!(
        refusal(&ES256, &resigned(&token, &padded)),
        TokenErrorKind::BadSignature
    );
}

#[test]
fn sig_016_der_encoded_ecdsa_signatures_are_refused() {
    let token = good(&ES256);
    let signature = signature_of(&token);
    let integer = |half: &[u8]| {
        let mut content: Vec<u8> = half.iter().copied().skip_while(|byte| *byte == 0).collect();
        if content[0] >= 0x80 {
            content.insert(0, 0);
        }
        [
            &[2, u8::try_from(content.len()).expect("short")],
            content.as_slice(),
        ]
        .concat()
    };
    let body = [integer(&signature[..32]), integer(&signature[32..])].concat();
    let der = [
        &[0x30, u8::try_from(body.len()).expect("short")],
        body.as_slice(),
    ]
    .concat();
    assert_eq!(
        refusal(&ES256, &resigned(&token, &der)),
        TokenErrorKind::BadSignature
    );
}

#[test]
fn sig_020_degenerate_rsa_signatures_are_refused() {
    for algorithm in [Algorithm::Rs256, Algorithm::Ps256] {
        let key = rsa_key(algorithm);
        let token = good(&key);
        let signature = signature_of(&token);
        let mut one = vec![0; signature.len()];
        *one.last_mut().expect("not empty") = 1;
        for forged in [
            vec![0; signature.len()],
            one,
            vec![0xff; signature.len()],
            [&[0], signature.as_slice()].concat(),
            signature[1..].to_vec(),
            vec![0],
            vec![1],
        ] {
            let kind = refusal(&key, &resigned(&token, &forged));
            assert_eq!(kind, TokenErrorKind::BadSignature);
        }
    }
}

#[test]
fn sig_024_encrypted_wrappers_are_refused() {
    let [header, payload, signature] = parts(&good(&ES256)).map(str::to_owned);
    let jwe = base64url::encode(r#"{"alg":"RSA-OAEP-256","enc":"A256GCM","cty":"JWT"}"#);
    let five = format!("{jwe}.{payload}.{signature}.{payload}.{signature}");
    assert_eq!(refusal(&ES256, &five), TokenErrorKind::Malformed);
    let three = format!("{jwe}.{payload}.{signature}");
    assert_eq!(refusal(&ES256, &three), TokenErrorKind::AlgorithmNotAllowed);
    assert_eq!(
        refusal(&ES256, &format!("{header}.{payload}.{signature}..")),
        TokenErrorKind::Malformed
    );
}

#[test]
fn sig_025_a_token_inside_a_token_is_refused() {
    let inner = format!(
        "{}.{}.",
        base64url::encode(r#"{"alg":"none"}"#),
        base64url::encode("{}")
    );
    let outer = compact(
        &ES256,
        r#"{"alg":"ES256","typ":"at+jwt","cty":"JWT"}"#,
        &inner,
    );
    assert_eq!(refusal(&ES256, &outer), TokenErrorKind::UnsupportedHeader);
    let quiet = compact(&ES256, &header(&ES256).to_string(), &inner);
    assert_eq!(refusal(&ES256, &quiet), TokenErrorKind::Malformed);
}

#[test]
fn sig_026_sig_027_sig_028_the_json_serialisation_is_refused() {
    let token = good(&ES256);
    let [header, payload, signature] = parts(&token);
    let one = json!({ "protected": header, "signature": signature });
    for text in [
        json!({ "payload": payload, "protected": header, "signature": signature }).to_string(),
        json!({ "payload": payload, "signatures": [one, one] }).to_string(),
        json!({ "payload": payload, "header": { "alg": "ES256" }, "signature": signature })
            .to_string(),
        json!({ token.as_str(): 1, "payload": payload }).to_string(),
        format!(r#"{{"{header}.{payload}.{signature}":1}}"#),
    ] {
        assert!(verify(&ES256, &text, &any_algorithm()).is_err(), "{text}");
    }
}

#[test]
fn sig_031_only_the_listed_name_of_ed25519_passes() {
    let old = key(Algorithm::EdDsa);
    let stored = old.to_pkcs8().expect("a private key");
    let new = SigningKey::from_pkcs8(Algorithm::Ed25519, &stored).expect("the same key");
    assert!(verify(&old, &good(&old), &any_algorithm()).is_ok());
    for (key, other) in [(&old, &new), (&new, &old)] {
        let refused = verify(key, &good(other), &any_algorithm()).err();
        assert_eq!(refused, Some(TokenErrorKind::AlgorithmNotAllowed));
    }
}
