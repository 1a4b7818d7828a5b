//! Vectors of the kinds that Wycheproof has for JOSE, 649 of our own keys, and
//! Wycheproof itself where its folder is given (`just wycheproof FOLDER`).
//!
//! A vector is a key or a set of keys, a text, and whether it is valid. It is
//! accepted if the key can be read as what it says it is and the signature
//! holds. What Wycheproof labels otherwise than its own text says is corrected
//! here, one by one, each with its reason.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is the failed test"
)]

mod wycheproof;

use doorward_jose::{
    algorithm::Algorithm,
    base64url,
    jwk::Jwk,
    jwk_set::{KeySet, Limits},
    jws::UnverifiedJws,
    verifying_key::VerifyingKey,
};
use serde_json::Value;

/// The keys of a vector, or nothing if they are refused.
fn keys(document: &Value) -> Option<KeySet> {
    let Some(members) = document.get("keys") else {
        return key(document).map(|key| KeySet::from_iter([key]));
    };
    let members = members.as_array().expect("an array");
    if members.iter().all(|member| member["kty"] == "oct") {
        // Shared secrets come from configuration, one by one; two under one id
        // would be noticed, because the set has one less.
        let keys: Option<Vec<_>> = members.iter().map(key).collect();
        let set: KeySet = keys?.into_iter().collect();
        return (set.len() == members.len()).then_some(set);
    }
    KeySet::parse(document.to_string().as_bytes(), Limits::default()).ok()
}

fn key(jwk: &Value) -> Option<VerifyingKey> {
    if jwk["kty"] == "oct" {
        return secret(jwk);
    }
    let jwk = Jwk::parse(jwk.to_string().as_bytes()).ok()?;
    VerifyingKey::from_jwk(&jwk, None).ok()
}

/// A shared secret as a configuration would give it: algorithm and bytes. Its
/// other members are for whoever reads the JWK, and that is this test.
fn secret(jwk: &Value) -> Option<VerifyingKey> {
    let algorithm = Algorithm::from_name(jwk["alg"].as_str()?)?;
    let bytes = base64url::decode(jwk["k"].as_str()?).ok()?;
    let is_for_signing = jwk.get("use").is_none_or(|purpose| purpose == "sig");
    let key = VerifyingKey::hmac(algorithm, &bytes).ok()?;
    let key = match jwk.get("kid").and_then(Value::as_str) {
        Some(id) => key.with_key_id(id).ok()?,
        None => key,
    };
    is_for_signing.then_some(key)
}

/// Whether one of the keys that fit accepts the text.
fn accepts(keys: &KeySet, text: &str) -> bool {
    let Ok(jws) = UnverifiedJws::parse(text) else {
        return false;
    };
    let mut fitting = keys.candidates(jws.algorithm(), key_id(keys, &jws));
    fitting.any(|key| jws.verify(key).is_ok())
}

/// The id that chooses the key. A lone key of a vector is given as the one to
/// use, so there is nothing to choose.
fn key_id<'t>(keys: &KeySet, jws: &'t UnverifiedJws<'_>) -> Option<&'t str> {
    match keys.len() {
        1 => None,
        _ => jws.key_id(),
    }
}

/// A vector and what is to become of it.
struct Vector<'v> {
    id: u64,
    comment: String,
    keys: &'v Value,
    text: &'v str,
    is_valid: bool,
}

/// Every vector of a file in the form of Wycheproof that has a signed text.
fn vectors(file: &Value) -> Vec<Vector<'_>> {
    let groups = file["testGroups"].as_array().expect("groups");
    let mut vectors = Vec::new();
    for group in groups {
        let keys = group.get("public").unwrap_or(&group["private"]);
        for test in group["tests"].as_array().expect("tests") {
            let Some(text) = test["jws"].as_str() else {
                continue;
            };
            vectors.push(Vector {
                id: test["tcId"].as_u64().expect("a number"),
                comment: format!("{}: {}", group["comment"], test["comment"]),
                keys,
                text,
                is_valid: test["result"] == "valid",
            });
        }
    }
    vectors
}

/// The vectors that are judged otherwise than they are labelled.
fn misjudged<'v>(vectors: &'v [Vector<'v>]) -> Vec<&'v Vector<'v>> {
    let is_accepted =
        |vector: &Vector<'_>| keys(vector.keys).is_some_and(|keys| accepts(&keys, vector.text));
    vectors
        .iter()
        .filter(|vector| is_accepted(vector) != vector.is_valid)
        .collect()
}

fn tell(vectors: &[&Vector<'_>]) -> String {
    let lines = vectors.iter().map(|vector| {
        let wanted = if vector.is_valid { "valid" } else { "invalid" };
        format!("{} ({}) is {wanted}", vector.id, vector.comment)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_class_of_vectors_is_judged_rightly() {
    let file = include_str!("vectors.json");
    let file: Value = serde_json::from_str(file).expect("vectors");
    let vectors = vectors(&file);
    assert_eq!(vectors.len(), 649);
    assert_eq!(vectors.iter().filter(|vector| vector.is_valid).count(), 70);
    let wrong = misjudged(&vectors);
    assert!(wrong.is_empty(), "judged otherwise:\n{}", tell(&wrong));
}
