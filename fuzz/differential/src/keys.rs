//! One throw-away key for each algorithm, the same in every run.

use doorward_jose::{algorithm::Algorithm, base64url, signing_key::SigningKey};
use serde_json::{Value, json};

/// The algorithms that every oracle knows, and how many tokens of sixteen have
/// each: RSA signs slowly.
pub(crate) const ALGORITHMS: [(Algorithm, usize); 5] = [
    (Algorithm::Hs256, 6),
    (Algorithm::EdDsa, 5),
    (Algorithm::Es256, 3),
    (Algorithm::Rs256, 1),
    (Algorithm::Ps256, 1),
];

pub(crate) const KEY_ID: &str = "key-1";

pub(crate) struct Keys {
    pub(crate) ours: Vec<SigningKey>,
    /// Of the same kinds, and trusted by nobody.
    pub(crate) strangers: Vec<SigningKey>,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let rsa = include_bytes!("../keys/rsa.der").as_slice();
        let p256 = include_bytes!("../keys/p256.der").as_slice();
        let ed25519 = [
            b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(),
            &[0x42; 32],
        ]
        .concat();
        let ours = ALGORITHMS.map(|(algorithm, _)| {
            let key = match algorithm {
                Algorithm::Hs256 => SigningKey::hmac(algorithm, &[0x42; 32]),
                Algorithm::EdDsa => SigningKey::from_pkcs8(algorithm, &ed25519),
                Algorithm::Es256 => SigningKey::from_pkcs8(algorithm, p256),
                _ => SigningKey::from_pkcs8(algorithm, rsa),
            };
            key.and_then(|key| key.with_key_id(KEY_ID)).expect("a key")
        });
        let strangers = ALGORITHMS[..3]
            .iter()
            .map(|(algorithm, _)| SigningKey::generate(*algorithm).expect("a key"));
        Self {
            strangers: strangers.collect(),
            ours: ours.into(),
        }
    }

    pub(crate) fn of(&self, algorithm: Algorithm) -> &SigningKey {
        let mut ours = self.ours.iter();
        ours.find(|key| key.algorithm() == algorithm)
            .expect("one for each algorithm")
    }

    /// For the oracles: a JWK under each algorithm.
    pub(crate) fn to_json(&self) -> Value {
        let entry = |key: &SigningKey| {
            let jwk = match key.secret() {
                Some(secret) => json!({ "kty": "oct", "k": base64url::encode(&*secret) }),
                None => Value::Object(public(key)),
            };
            (key.algorithm().name().to_owned(), jwk)
        };
        Value::Object(self.ours.iter().map(entry).collect())
    }
}

pub(crate) fn public(key: &SigningKey) -> doorward_jose::json::Object {
    let jwk = key.verifying_key().to_jwk();
    jwk.expect("a public key").to_object()
}
