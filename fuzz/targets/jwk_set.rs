//! A key set, and the same bytes as one key.

use std::collections::HashSet;

use doorward_jose::{
    algorithm::Algorithm,
    json::Value,
    jwk::Jwk,
    jwk_set::{KeySet, Limits},
    verifying_key::VerifyingKey,
};

/// What a public key never says.
const PRIVATE: [&str; 9] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];

pub(crate) fn run(input: &[u8]) {
    let lenient = || serde_json::from_slice::<Value>(input).expect("what is read is JSON");
    if let Ok(set) = KeySet::parse(input, Limits::default()) {
        let document = lenient();
        let members = document["keys"].as_array().expect("an array");
        members.iter().for_each(assert_public);
        assert_eq!(set.len() + set.skipped().len(), members.len());
        check_set(&set);
        // Told fewer algorithms, it finds fewer keys or none, and no others.
        let fewer = [Algorithm::Es256, Algorithm::Ps256];
        if let Ok(some) = KeySet::parse_for(input, Limits::default(), &fewer) {
            assert!(some.iter().all(|key| fewer.contains(&key.algorithm())));
            check_set(&some);
        }
    }
    if let Ok(jwk) = Jwk::parse(input) {
        assert_public(&lenient());
        check_key(&jwk);
    }
}

/// A secret in a public document refuses it, whoever reads it.
fn assert_public(key: &Value) {
    assert!(PRIVATE.iter().all(|name| key.get(name).is_none()));
    assert_ne!(key["kty"], "oct");
}

fn check_set(set: &KeySet) {
    assert!((1..=32).contains(&set.len()));
    let mut ids = HashSet::new();
    for key in set.iter() {
        assert!(!key.algorithm().is_symmetric());
        let jwk = key.to_jwk().expect("a public key");
        check_key(&jwk);
        let of_its_id = set.candidates(key.algorithm(), key.key_id());
        assert!(of_its_id.count() >= 1);
        if let Some(id) = jwk.key_id() {
            assert!(ids.insert(id.to_owned()) || id == jwk.thumbprint());
        }
    }
    let written = set.to_jwks_json();
    match KeySet::parse(written.as_bytes(), Limits::default()) {
        Ok(again) => assert_eq!(again.to_jwks_json(), written),
        // Two keys without `kid` may be the same key twice.
        Err(error) => assert!(ids.len() < set.len(), "{error}"),
    }
}

fn check_key(jwk: &Jwk) {
    let object = jwk.to_object();
    assert_public(&Value::Object(object.clone()));
    let written = serde_json::to_string(&object).expect("an object");
    let again = Jwk::parse(written.as_bytes()).expect("our own writing");
    assert_eq!(&again, jwk);
    assert_eq!(again.thumbprint(), jwk.thumbprint());

    let fits = |algorithm: &&Algorithm| VerifyingKey::from_jwk(jwk, Some(**algorithm)).is_ok();
    let algorithm = Algorithm::ALL.iter().find(fits);
    let algorithm = *algorithm.expect("a key is of some use");
    let key = VerifyingKey::from_jwk(jwk, Some(algorithm)).expect("it fits");
    let der = key.to_der().expect("a public key");
    let from_der = VerifyingKey::from_der(algorithm, &der).expect("our own writing");
    let thumbprint = from_der.to_jwk().map(|jwk| jwk.thumbprint());
    assert_eq!(thumbprint, Some(jwk.thumbprint()));
}
