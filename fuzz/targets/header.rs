//! The header of a text whose signature is good.

use doorward_jose::{
    algorithm::Algorithm, error::TokenErrorKind, json::Value, jws::UnverifiedJws, token::Inspected,
};

use super::signer::{DETERMINISTIC, sign};

/// What no accepted header has, whatever its value.
const NEVER: [&str; 11] = [
    "crit", "b64", "zip", "enc", "epk", "p2c", "cty", "jwk", "jku", "x5u", "x5c",
];

pub(crate) fn run(input: &[u8]) {
    let payload = br#"{"sub":"user"}"#;
    let text = sign(&DETERMINISTIC[0], input, payload);
    let Ok(jws) = UnverifiedJws::parse(&text) else {
        return;
    };
    let header = jws.header();
    let lenient: Value = serde_json::from_slice(input).expect("what is read is JSON");
    let inspected = Inspected::parse(&text).expect("what is read can be shown");
    assert_eq!(lenient, Value::Object(inspected.header));
    assert_eq!(lenient["alg"], header.algorithm().name());
    assert_eq!(lenient["kid"].as_str(), header.key_id());
    assert_eq!(lenient["typ"].as_str(), header.token_type());
    assert!(NEVER.iter().all(|name| lenient.get(name).is_none()));
    let safe = |byte: u8| byte.is_ascii_graphic() && !b"'\"\\<>|;&$`(){}*?!%,^[]".contains(&byte);
    let is_safe = |id: &str| (1..=256).contains(&id.len()) && id.bytes().all(safe);
    assert!(header.key_id().is_none_or(is_safe));

    let written = lenient.to_string();
    let again = sign(&DETERMINISTIC[0], written.as_bytes(), payload);
    match UnverifiedJws::parse(&again) {
        Ok(again) => assert_eq!(again.header(), header),
        Err(error) => assert!(written.len() > 2048, "{error}"),
    }

    for key in DETERMINISTIC.iter() {
        let verified = jws.verify(&key.verifying_key());
        match (key.algorithm() == header.algorithm(), key.algorithm()) {
            (true, Algorithm::Hs256) => assert_eq!(verified.as_deref(), Ok(payload.as_slice())),
            (true, _) => assert_eq!(refusal(verified), TokenErrorKind::BadSignature),
            (false, _) => assert_eq!(refusal(verified), TokenErrorKind::AlgorithmNotAllowed),
        }
    }
}

fn refusal(verified: Result<Vec<u8>, doorward_jose::error::TokenError>) -> TokenErrorKind {
    verified.expect_err("not signed with this key").kind()
}
