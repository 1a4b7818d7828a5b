//! Hostile tokens against the whole verification.

use proptest::prelude::{ProptestConfig, proptest};
use serde_json::json;

use super::{Inspected, UnverifiedToken};
use crate::{
    algorithm::Algorithm,
    base64url,
    dangerous::hmac,
    error::TokenErrorKind,
    harness::{
        AUDIENCE, ES256, ISSUER, NOW, claims, claims_with, compact, good, header, key, refusal,
        rsa_key, validation, verify,
    },
    jwk_set::KeySet,
    signing_key::SigningKey,
    validation::Validation,
};

/// A verifier that would take any algorithm, so that only the key decides.
fn any_algorithm() -> Validation {
    Validation::issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms(Algorithm::ALL.iter().copied())
}

fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().expect("three parts")
}

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
fn a_good_token_is_accepted_and_tells_what_it_says() {
    let token = good(&ES256);
    let parsed = UnverifiedToken::parse(&token).expect("a token");
    assert_eq!(parsed.algorithm(), Algorithm::Es256);
    assert_eq!(parsed.key_id(), Some(ES256.key_id()));
    assert_eq!(parsed.issuer_hint().as_deref(), Some(ISSUER));
    let keys = KeySet::from_iter([key(Algorithm::Es256).verifying_key(), ES256.verifying_key()]);
    let verified = parsed.verify_with(&keys, &validation(Algorithm::Es256), NOW);
    let verified = verified.expect("a good token");
    assert_eq!(verified.key_id(), Some(ES256.key_id()));
    assert_eq!(verified.into_claims().subject(), "user-1");
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

#[test]
fn hdr_001_hdr_002_hdr_004_keys_in_the_header_are_refused_even_when_properly_signed() {
    let own = key(Algorithm::Es256);
    let jwk = own
        .verifying_key()
        .to_jwk()
        .expect("a public key")
        .to_object();
    for (name, value) in [
        ("jwk", json!(jwk)),
        ("jku", json!("http://127.0.0.1/jwks")),
        ("x5u", json!("http://a/")),
        ("x5c", json!(["AA"])),
    ] {
        for signer in [&own, &*ES256] {
            let mut header = header(signer);
            header[name] = value.clone();
            let token = compact(signer, &header.to_string(), &claims().to_string());
            assert_eq!(
                refusal(&ES256, &token),
                TokenErrorKind::UnsupportedHeader,
                "{name}"
            );
        }
    }
}

#[test]
fn hdr_007_hdr_008_injections_by_kid_are_refused_even_when_properly_signed() {
    for kid in [
        "' or '1'='1",
        "x' union select 'a",
        "$ne",
        "|sleep 9",
        "*)(uid=*",
        "a\0",
        "a\r\nb",
    ] {
        let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid }).to_string();
        let token = compact(&ES256, &header, &claims().to_string());
        assert_eq!(refusal(&ES256, &token), TokenErrorKind::Malformed, "{kid}");
    }
}

#[test]
fn hdr_009_a_token_without_key_id_is_tried_with_few_keys() {
    let header = r#"{"alg":"ES256","typ":"at+jwt"}"#;
    let token = compact(&ES256, header, &claims().to_string());
    let token = UnverifiedToken::parse(&token).expect("a token");
    let others: Vec<_> = (0..3)
        .map(|_| key(Algorithm::Es256).verifying_key())
        .collect();
    let few = KeySet::from_iter([others[0].clone(), ES256.verifying_key()]);
    assert!(
        token
            .verify_with(&few, &validation(Algorithm::Es256), NOW)
            .is_ok()
    );
    let many: KeySet = others.into_iter().chain([ES256.verifying_key()]).collect();
    let refused = token.verify_with(&many, &validation(Algorithm::Es256), NOW);
    assert_eq!(
        refused.expect_err("the fourth").kind(),
        TokenErrorKind::BadSignature
    );
    let none = KeySet::default();
    let refused = token.verify_with(&none, &validation(Algorithm::Es256), NOW);
    assert_eq!(
        refused.expect_err("no key").kind(),
        TokenErrorKind::UnknownKey
    );
}

#[test]
fn hdr_011_hdr_013_critical_and_unencoded_are_refused_even_when_properly_signed() {
    for (name, value, kind) in [
        ("crit", json!(["bork"]), TokenErrorKind::CriticalHeader),
        ("crit", json!([]), TokenErrorKind::CriticalHeader),
        ("crit", json!(["b64"]), TokenErrorKind::CriticalHeader),
        ("b64", json!(false), TokenErrorKind::UnsupportedHeader),
        ("zip", json!("DEF"), TokenErrorKind::UnsupportedHeader),
    ] {
        let mut header = header(&ES256);
        header["bork"] = json!(1);
        header[name] = value;
        let token = compact(&ES256, &header.to_string(), &claims().to_string());
        assert_eq!(refusal(&ES256, &token), kind, "{name}");
    }
}

#[test]
fn clm_003_wrongly_typed_dates_are_refused_even_when_properly_signed() {
    for name in ["exp", "nbf"] {
        for value in [
            "\"never\"",
            "null",
            "true",
            "[]",
            "-1",
            "9223372036854775808",
        ] {
            let payload = claims_with(name, value);
            let token = compact(&ES256, &header(&ES256).to_string(), &payload);
            let kind = refusal(&ES256, &token);
            assert!(
                matches!(kind, TokenErrorKind::MalformedClaim(_)),
                "{name}={value}: {kind:?}"
            );
        }
    }
}

#[test]
fn par_001_par_008_ambiguous_and_deep_payloads_are_refused_even_when_properly_signed() {
    let good = claims().to_string();
    let twice = format!(r#"{},"s\u0075b":"admin"}}"#, &good[..good.len() - 1]);
    for payload in [
        twice,
        "[".repeat(1000),
        claims_with("a", &"[".repeat(900)),
        "{}x".to_owned(),
    ] {
        let token = compact(&ES256, &header(&ES256).to_string(), &payload);
        assert_eq!(
            refusal(&ES256, &token),
            TokenErrorKind::Malformed,
            "{payload}"
        );
    }
    for depth in [1000, 100_000] {
        let payload = base64url::encode("[".repeat(depth));
        let token = format!("{}.{payload}.AA", parts(&self::good(&ES256))[0]);
        assert!(verify(&ES256, &token, &any_algorithm()).is_err());
    }
}

#[test]
fn par_003_spare_bits_are_refused() {
    for key in [
        ES256.clone(),
        key(Algorithm::Ed25519),
        key(Algorithm::Hs256),
    ] {
        let token = good(&key);
        // 64 and 32 bytes leave four and two unused bits in the last character.
        let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        for character in alphabet {
            let changed = format!("{}{}", &token[..token.len() - 1], char::from(*character));
            assert!(changed == token || verify(&key, &changed, &any_algorithm()).is_err());
        }
    }
}

#[test]
fn par_002_par_004_any_single_changed_character_is_refused() {
    let key = key(Algorithm::Hs256);
    let token = good(&key);
    let wanted = any_algorithm();
    assert!(verify(&key, &token, &wanted).is_ok());
    for at in 0..token.len() {
        for byte in 0..0x80 {
            let mut changed = token.clone().into_bytes();
            if std::mem::replace(&mut changed[at], byte) == byte {
                continue;
            }
            let changed = String::from_utf8(changed).expect("ASCII");
            assert!(verify(&key, &changed, &wanted).is_err(), "{at} {byte:#x}");
        }
    }
}

#[test]
fn inspecting_shows_and_proves_nothing() {
    let token = good(&ES256);
    let [header, payload, _] = parts(&token);
    let shown = Inspected::parse(&format!("{header}.{payload}.AA")).expect("readable");
    assert_eq!(shown.header["alg"], "ES256");
    assert_eq!(shown.payload["sub"], "user-1");
    for text in [
        "",
        "a.b",
        "a.b.c",
        "e30.W10.AA",
        "W10.e30.AA",
        "e30.e30.AA.AA",
    ] {
        assert!(Inspected::parse(text).is_err(), "{text}");
    }
}

#[test]
fn the_issuer_hint_is_only_a_hint() {
    let header = header(&ES256).to_string();
    let hint = |payload: &str| {
        let token = compact(&ES256, &header, payload);
        UnverifiedToken::parse(&token)
            .expect("a token")
            .issuer_hint()
    };
    assert_eq!(
        hint(r#"{"iss":"https://evil.example"}"#).as_deref(),
        Some("https://evil.example")
    );
    for payload in [
        "{}",
        r#"{"iss":1}"#,
        r#"{"iss":["a"]}"#,
        "x",
        r#"{"iss":"a","iss":"b"}"#,
    ] {
        assert_eq!(hint(payload), None, "{payload}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_token_or_refused(text: String) {
        assert!(verify(&ES256, &text, &any_algorithm()).is_err());
        let _ = Inspected::parse(&text);
    }

    #[test]
    fn any_changed_byte_of_an_asymmetric_token_is_refused(
        at: proptest::sample::Index,
        replacement in "[ -~]",
    ) {
        let token = good(&ES256);
        let at = at.index(token.len());
        let changed = format!("{}{replacement}{}", &token[..at], &token[at + 1..]);
        if changed != token {
            assert!(verify(&ES256, &changed, &any_algorithm()).is_err());
        }
    }

    #[test]
    fn any_removed_or_added_character_is_refused(
        at: proptest::sample::Index,
        added in "[A-Za-z0-9._=-]",
    ) {
        let token = good(&ES256);
        let at = at.index(token.len());
        let removed = format!("{}{}", &token[..at], &token[at + 1..]);
        let inserted = format!("{}{added}{}", &token[..at], &token[at..]);
        assert!(verify(&ES256, &removed, &any_algorithm()).is_err());
        assert!(verify(&ES256, &inserted, &any_algorithm()).is_err());
    }

    #[test]
    fn any_header_and_payload_signed_by_our_key_does_not_panic(
        header in "\\PC{0,40}",
        payload in "\\PC{0,80}",
    ) {
        let token = compact(&ES256, &header, &payload);
        assert!(verify(&ES256, &token, &any_algorithm()).is_err());
    }
}
