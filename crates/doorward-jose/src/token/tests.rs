//! Hostile tokens against the whole verification.

mod borrowed;
mod signature;

use proptest::prelude::{ProptestConfig, proptest};
use serde_json::json;

use super::{Inspected, UnverifiedToken};
use crate::{
    algorithm::Algorithm,
    base64url,
    error::TokenErrorKind,
    harness::{
        AUDIENCE, ES256, ISSUER, NOW, assert_same_with, claims, claims_with, compact, good, header,
        key, refusal, validation, verify,
    },
    jwk_set::KeySet,
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
    let text = compact(&ES256, header, &claims().to_string());
    let token = UnverifiedToken::parse(&text).expect("a token");
    let others: Vec<_> = (0..3)
        .map(|_| key(Algorithm::Es256).verifying_key())
        .collect();
    let few = KeySet::from_iter([others[0].clone(), ES256.verifying_key()]);
    assert_same_with(&text, &few, &validation(Algorithm::Es256));
    assert!(
        token
            .verify_with(&few, &validation(Algorithm::Es256), NOW)
            .is_ok()
    );
    let many: KeySet = others.into_iter().chain([ES256.verifying_key()]).collect();
    assert_same_with(&text, &many, &validation(Algorithm::Es256));
    let refused = token.verify_with(&many, &validation(Algorithm::Es256), NOW);
    assert_eq!(
        refused.expect_err("the fourth").kind(),
        TokenErrorKind::BadSignature
    );
    let none = KeySet::default();
    assert_same_with(&text, &none, &validation(Algorithm::Es256));
    let refused = token.verify_with(&none, &validation(Algorithm::Es256), NOW);
    assert_eq!(
        refused.expect_err("no key").kind(),
        TokenErrorKind::UnknownKey
    );
}

#[test]
fn hdr_009_another_key_has_no_say_in_what_is_wrong_with_a_token() {
    let header = r#"{"alg":"ES256","typ":"at+jwt"}"#;
    let wanted = validation(Algorithm::Es256);
    let (ours, other) = (ES256.verifying_key(), key(Algorithm::Es256).verifying_key());
    for (name, value, kind) in [
        ("iss", "\"b\"", TokenErrorKind::WrongIssuer),
        ("aud", "\"b\"", TokenErrorKind::WrongAudience),
        ("jti", "", TokenErrorKind::MissingClaim("jti")),
    ] {
        let text = compact(&ES256, header, &claims_with(name, value));
        let token = UnverifiedToken::parse(&text).expect("a token");
        for keys in [[ours.clone(), other.clone()], [other.clone(), ours.clone()]] {
            let keys = KeySet::from_iter(keys);
            assert_same_with(&text, &keys, &wanted);
            let refused = token.verify_with(&keys, &wanted, NOW);
            assert_eq!(refused.expect_err(name).kind(), kind);
        }
    }
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
fn par_006_the_longest_token_is_verified() {
    let key = key(Algorithm::Hs256);
    let header = r#"{"alg":"HS256","typ":"at+jwt"}"#;
    let token = |filling: usize| {
        let long = format!("\"{}\"", "a".repeat(filling));
        compact(&key, header, &claims_with("long", &long))
    };
    let wanted = validation(Algorithm::Hs256);
    let room = crate::jws::MAX_BYTES - token(0).len();
    let longest = token(room / 4 * 3);
    assert!((8189..=8192).contains(&longest.len()), "{}", longest.len());
    assert!(verify(&key, &longest, &wanted).is_ok());
    let longer = token(room / 4 * 3 + 4);
    assert_eq!(refusal(&key, &longer), TokenErrorKind::TooLarge);
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
