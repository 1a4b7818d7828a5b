//! Sets that are read, sets that are refused, and which keys are tried.

use proptest::prelude::proptest;
use serde_json::{Value, json};

use super::{KeySet, Limits, MAX_CANDIDATES};
use crate::{
    algorithm::Algorithm,
    error::KeyErrorKind,
    harness::{ES256, key, rsa_key},
    signing_key::SigningKey,
};

fn jwk(key: &SigningKey) -> Value {
    Value::Object(
        key.verifying_key()
            .to_jwk()
            .expect("a public key")
            .to_object(),
    )
}

fn parse(keys: &Value) -> Result<KeySet, KeyErrorKind> {
    let text = json!({ "keys": keys }).to_string();
    KeySet::parse(text.as_bytes(), Limits::default()).map_err(|error| error.kind())
}

#[test]
fn what_is_published_can_be_read() {
    let keys = [
        key(Algorithm::Es256),
        key(Algorithm::Es384),
        key(Algorithm::Ed25519),
        rsa_key(Algorithm::Ps256),
    ];
    let set: KeySet = keys.iter().map(SigningKey::verifying_key).collect();
    let read = KeySet::parse(set.to_jwks_json().as_bytes(), Limits::default()).expect("our set");
    assert_eq!(read.len(), keys.len());
    for key in &keys {
        let found: Vec<_> = read
            .candidates(key.algorithm(), Some(key.key_id()))
            .collect();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_jwk(), key.verifying_key().to_jwk());
    }
}

#[test]
fn key_001_shared_secrets_are_never_published() {
    let secret = key(Algorithm::Hs256);
    let set: KeySet = [secret.verifying_key(), ES256.verifying_key()]
        .into_iter()
        .collect();
    let published = set.to_jwks_json();
    assert_eq!(published.matches("kty").count(), 1);
    assert!(!published.contains("\"k\"") && !published.contains(secret.key_id()));
}

#[test]
fn key_002_ambiguous_and_leaking_sets_are_refused() {
    let (one, two) = (jwk(&ES256), jwk(&key(Algorithm::Es256)));
    let mut same_id = two.clone();
    same_id["kid"] = one["kid"].clone();
    assert_eq!(
        parse(&json!([one, same_id])).err(),
        Some(KeyErrorKind::DuplicateKeyId)
    );
    assert_eq!(
        parse(&json!([one, one])).err(),
        Some(KeyErrorKind::DuplicateKeyId)
    );

    let mut private = two.clone();
    private["d"] = json!("AA");
    assert_eq!(
        parse(&json!([one, private])).err(),
        Some(KeyErrorKind::PrivateMember)
    );

    let secret = json!({ "kty": "oct", "k": "AA" });
    assert_eq!(
        parse(&json!([one, secret])).err(),
        Some(KeyErrorKind::SecretAndPublicMixed)
    );
}

#[test]
fn key_002_a_key_under_the_thumbprint_of_another_is_refused() {
    let without_id = |key: &SigningKey| {
        let mut jwk = jwk(key);
        jwk.as_object_mut().expect("an object").remove("kid");
        jwk
    };
    let (one, two) = (&*ES256, key(Algorithm::Es256));
    let nameless = without_id(one);
    let mut claims_its_id = jwk(&two);
    claims_its_id["kid"] = one
        .verifying_key()
        .to_jwk()
        .expect("public")
        .thumbprint()
        .into();
    for keys in [
        json!([nameless, claims_its_id]),
        json!([claims_its_id, nameless]),
    ] {
        assert_eq!(parse(&keys).err(), Some(KeyErrorKind::DuplicateKeyId));
    }
    // The same key twice, and two keys without ids, are no ambiguity.
    let keys = json!([nameless, nameless, without_id(&two)]);
    assert_eq!(parse(&keys).expect("three keys").len(), 3);
}

#[test]
fn keys_that_are_not_understood_are_left_out_and_reported() {
    let good = jwk(&ES256);
    let (mut encryption, mut weak, mut silent) = (
        jwk(&key(Algorithm::Es256)),
        jwk(&rsa_key(Algorithm::Rs256)),
        jwk(&rsa_key(Algorithm::Rs256)),
    );
    encryption["use"] = json!("enc");
    weak["e"] = json!("Aw");
    weak["kid"] = json!("weak");
    silent.as_object_mut().expect("an object").remove("alg");
    let set = parse(&json!([{ "kty": "new", "kid": "x" }, encryption, weak, good, silent]));
    let set = set.expect("one good key");
    assert_eq!(set.len(), 1);
    let reasons: Vec<_> = set
        .skipped()
        .iter()
        .map(|skipped| skipped.reason.kind())
        .collect();
    assert_eq!(
        reasons,
        [
            KeyErrorKind::Unsupported,
            KeyErrorKind::NotForVerifying,
            KeyErrorKind::Weak,
            KeyErrorKind::AlgorithmMissing,
        ]
    );
    assert_eq!(set.skipped()[2].key_id.as_deref(), Some("weak"));

    // Told which algorithms are wanted, the last one has only one reading.
    let text = json!({ "keys": [silent, good] }).to_string();
    let set = KeySet::parse_for(text.as_bytes(), Limits::default(), &[Algorithm::Ps512]);
    let set = set.expect("one fitting key");
    assert_eq!(set.candidates(Algorithm::Ps512, None).count(), 1);
    assert_eq!(set.len(), 1);
}

#[test]
fn key_008_documents_that_are_no_key_sets_are_refused() {
    for text in [
        "",
        "<html>",
        "[]",
        "{}",
        r#"{"keys":{}}"#,
        r#"{"keys":[1]}"#,
        r#"{"keys":null}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        let refusal = KeySet::parse(text.as_bytes(), Limits::default())
            .expect_err(text)
            .kind();
        assert_eq!(refusal, KeyErrorKind::Malformed, "{text}");
    }
    assert_eq!(parse(&json!([])).err(), Some(KeyErrorKind::NoUsableKey));
    let many = json!({ "keys": vec![json!({}); 33] }).to_string();
    let refusal = KeySet::parse(many.as_bytes(), Limits::default())
        .expect_err("too many")
        .kind();
    assert_eq!(refusal, KeyErrorKind::TooManyKeys);
    let long = " ".repeat(256 * 1024 + 1);
    let refusal = KeySet::parse(long.as_bytes(), Limits::default())
        .expect_err("too long")
        .kind();
    assert_eq!(refusal, KeyErrorKind::TooLarge);
}

#[test]
fn key_008_the_longest_set_and_the_most_keys_are_read() {
    let keys: Vec<SigningKey> = (0..32).map(|_| key(Algorithm::Ed25519)).collect();
    let most: Vec<Value> = keys.iter().map(jwk).collect();
    assert_eq!(parse(&json!(most)).map(|set| set.len()), Ok(32));

    let text = json!({ "keys": [most[0]] }).to_string();
    let longest = format!("{text}{}", " ".repeat(256 * 1024 - text.len()));
    let read = |text: &str, limits| {
        let read = KeySet::parse(text.as_bytes(), limits);
        read.map(|set| set.len()).map_err(|error| error.kind())
    };
    let usual = Limits::default();
    assert_eq!(read(&longest, usual), Ok(1));
    let longer = format!("{longest} ");
    assert_eq!(read(&longer, usual), Err(KeyErrorKind::TooLarge));
    let more = Limits {
        max_bytes: longer.len(),
        ..usual
    };
    assert_eq!(read(&longer, more), Ok(1), "the caller sets the bounds");
    let none = Limits {
        max_keys: 0,
        ..usual
    };
    assert_eq!(read(&text, none), Err(KeyErrorKind::TooManyKeys));
}

#[test]
fn a_set_knows_how_many_keys_it_has() {
    assert!(KeySet::default().is_empty());
    let one = KeySet::from_iter([ES256.verifying_key()]);
    assert_eq!((one.len(), one.is_empty()), (1, false));
}

#[test]
fn hdr_009_at_most_three_keys_of_the_algorithm_are_tried() {
    let set: KeySet = (0..5)
        .map(|_| key(Algorithm::Es256).verifying_key())
        .collect();
    assert_eq!(
        set.candidates(Algorithm::Es256, None).count(),
        MAX_CANDIDATES
    );
    assert_eq!(set.candidates(Algorithm::Es384, None).count(), 0);
    assert_eq!(set.candidates(Algorithm::Es256, Some("unknown")).count(), 0);
    let id = set
        .iter()
        .last()
        .and_then(|key| key.key_id())
        .map(str::to_owned);
    assert_eq!(set.candidates(Algorithm::Es256, id.as_deref()).count(), 1);
    assert_eq!(set.candidates(Algorithm::Ed25519, id.as_deref()).count(), 0);
}

#[test]
fn an_id_names_one_key() {
    let first = key(Algorithm::Es256)
        .verifying_key()
        .with_key_id("a")
        .expect("an id");
    let second = key(Algorithm::Es256)
        .verifying_key()
        .with_key_id("a")
        .expect("an id");
    let set: KeySet = [first.clone(), second].into_iter().collect();
    assert_eq!(set.len(), 1);
    assert_eq!(
        set.iter().next().and_then(|key| key.to_jwk()),
        first.to_jwk()
    );
}

proptest! {
    #[test]
    fn any_bytes_are_a_set_or_refused(bytes: Vec<u8>) {
        let _ = KeySet::parse(&bytes, Limits::default());
    }

    #[test]
    fn a_damaged_set_is_read_or_refused(at: proptest::sample::Index, byte: u8) {
        let set = KeySet::from_iter([ES256.verifying_key()]);
        let mut text = set.to_jwks_json().into_bytes();
        let at = at.index(text.len());
        text[at] = byte;
        if let Ok(read) = KeySet::parse(&text, Limits::default()) {
            // Whatever was read is a key on its curve, under a safe id.
            assert_eq!(read.len(), 1);
        }
    }
}
