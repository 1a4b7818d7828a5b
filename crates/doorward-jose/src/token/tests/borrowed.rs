//! Verifying in the caller's memory: what it remembers changes no verdict.
//!
//! That both paths agree is checked by [`verify`](crate::harness::verify), and
//! so by every test of a hostile token.

use proptest::{
    prelude::{ProptestConfig, any, prop, proptest},
    sample::Index,
};

use super::{any_algorithm, parts};
use crate::{
    algorithm::Algorithm,
    error::TokenErrorKind,
    harness::{
        AUDIENCE, ES256, ISSUER, NOW, assert_same_with, claims, claims_with, compact, good, header,
        key, validation, verify,
    },
    jwk_set::KeySet,
    scratch::Scratch,
    token::verify_in,
    validation::Validation,
};

fn keys() -> KeySet {
    KeySet::from_iter([ES256.verifying_key()])
}

#[test]
fn a_good_token_tells_what_it_says_without_copies() {
    let payload = claims_with("roles", r#"["reader","\u00e9ditor"]"#);
    let payload = format!(
        r#"{},"x":{{"y":[1]}},"cnf":{{"jkt":"k"}},"scope":"a b","nbf":{NOW},"aud":["z","{AUDIENCE}"]}}"#,
        payload
            .trim_end_matches('}')
            .replace(&format!(r#""aud":"{AUDIENCE}","#), ""),
    );
    let token = compact(&ES256, &header(&ES256).to_string(), &payload);
    let (keys, mut scratch) = (keys(), Scratch::new());
    let token = verify_in(
        &token,
        &keys,
        &validation(Algorithm::Es256),
        NOW,
        &mut scratch,
    );
    let token = token.expect("a good token");
    assert_eq!(token.key_id(), Some(ES256.key_id()));
    assert_eq!(token.algorithm(), Algorithm::Es256);
    let claims = token.claims();
    assert_eq!((claims.issuer(), claims.subject()), (ISSUER, "user-1"));
    assert_eq!(claims.audience().collect::<Vec<_>>(), ["z", AUDIENCE]);
    assert_eq!(claims.roles().collect::<Vec<_>>(), ["reader", "éditor"]);
    assert_eq!(claims.scopes().collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(claims.not_before(), Some(NOW));
    assert_eq!(
        claims.confirmation().map(|cnf| cnf.json()),
        Some(r#"{"jkt":"k"}"#)
    );
    let others: Vec<_> = claims
        .others()
        .map(|(name, value)| (name, value.json()))
        .collect();
    assert_eq!(others, [("x", r#"{"y":[1]}"#)]);
    let owned = token.to_owned().expect("one reading");
    assert_eq!(owned.claims().others()["x"]["y"][0], 1);
}

#[test]
fn only_headers_of_good_signatures_are_remembered() {
    let (keys, mut scratch) = (keys(), Scratch::new());
    let wanted = validation(Algorithm::Es256);
    let good = good(&ES256);
    let [encoded, payload, signature] = parts(&good);
    let damaged = format!("{encoded}.{payload}A.{signature}");
    assert!(verify_in(&damaged, &keys, &wanted, NOW, &mut scratch).is_err());
    assert_eq!(scratch.headers.len(), 0);
    for _ in 0..3 {
        assert!(verify_in(&good, &keys, &wanted, NOW, &mut scratch).is_ok());
        assert_eq!(scratch.headers.len(), 1);
    }
    // A stranger's headers push nothing out, an issuer's are bounded.
    for number in 0..40 {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","n":{number}}}"#);
        let token = compact(&ES256, &header, &claims().to_string());
        assert!(verify_in(&token, &keys, &wanted, NOW, &mut scratch).is_ok());
        assert!(scratch.headers.len() <= 8);
        let forged = format!(
            "{}A.{payload}.{signature}",
            &token[..token.find('.').expect("a dot")]
        );
        assert!(verify_in(&forged, &keys, &wanted, NOW, &mut scratch).is_err());
    }
}

#[test]
fn a_remembered_header_is_judged_anew_by_each_key_and_validation() {
    let mut scratch = Scratch::new();
    let good = good(&ES256);
    assert!(
        verify_in(
            &good,
            &keys(),
            &validation(Algorithm::Es256),
            NOW,
            &mut scratch
        )
        .is_ok()
    );
    let mut refusal = |keys: KeySet, wanted: Validation| {
        let refused = verify_in(&good, &keys, &wanted, NOW, &mut scratch);
        refused.expect_err("refused").kind()
    };
    let other = key(Algorithm::Es256).verifying_key();
    let twin = other.clone().with_key_id(ES256.key_id()).expect("an id");
    let es256 = validation(Algorithm::Es256);
    for (set, wanted, kind) in [
        (KeySet::default(), es256.clone(), TokenErrorKind::UnknownKey),
        (
            KeySet::from_iter([other]),
            es256.clone(),
            TokenErrorKind::UnknownKey,
        ),
        (
            KeySet::from_iter([twin]),
            es256.clone(),
            TokenErrorKind::BadSignature,
        ),
        (
            keys(),
            validation(Algorithm::Es384),
            TokenErrorKind::AlgorithmNotAllowed,
        ),
        (keys(), es256.token_type("JWT"), TokenErrorKind::WrongType),
    ] {
        assert_eq!(refusal(set, wanted), kind);
    }
}

#[test]
fn one_scratch_serves_every_algorithm_in_turn() {
    let keys: Vec<_> = [
        Algorithm::Hs256,
        Algorithm::Es512,
        Algorithm::Ed25519,
        Algorithm::EdDsa,
    ]
    .map(key)
    .into();
    let set: KeySet = keys.iter().map(|key| key.verifying_key()).collect();
    for key in keys.iter().chain(&keys) {
        assert_same_with(&good(key), &set, &any_algorithm());
        assert!(verify(key, &good(key), &any_algorithm()).is_ok());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn mutated_tokens_are_judged_alike(
        damages in prop::collection::vec((any::<Index>(), "[A-Za-z0-9_.=\"é-]"), 1..4),
        cut in any::<Option<Index>>(),
    ) {
        let mut token: Vec<char> = good(&ES256).chars().collect();
        for (at, character) in damages {
            let at = at.index(token.len());
            token[at] = character.chars().next().unwrap_or('A');
        }
        token.truncate(cut.map_or(token.len(), |cut| cut.index(token.len())));
        let token: String = token.into_iter().collect();
        assert_same_with(&token, &keys(), &any_algorithm());
    }

    #[test]
    fn mutated_contents_under_a_good_signature_are_judged_alike(
        part in any::<bool>(),
        damages in prop::collection::vec((any::<Index>(), "[ -~]"), 0..4),
        now in 0_u64..700,
    ) {
        let mut texts = [header(&ES256).to_string(), claims().to_string()];
        for (at, character) in damages {
            let text = &mut texts[usize::from(part)];
            let at = at.index(text.len());
            text.replace_range(at..=at, &character);
        }
        // Around every edge of the lifetime.
        let exp = NOW.as_secs() - 350 + now;
        let payload = texts[1].replace("1800000300", &exp.to_string());
        let payload = payload.replace("1800000000", &(exp - 300).to_string());
        let _ = verify(&ES256, &compact(&ES256, &texts[0], &payload), &any_algorithm());
    }
}
