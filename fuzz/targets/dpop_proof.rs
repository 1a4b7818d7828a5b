//! A proof of possession, whose key comes along with it.

use doorward_jose::{
    dpop::{Proof, UnverifiedProof},
    error::TokenErrorKind,
    json::{Object, Value},
    jwk::Jwk,
    token::Inspected,
};

use super::signer::{compact, is_signed_with, key, sign, unsigned};

pub(crate) fn run(input: &[u8]) {
    let Some(text) = compact(input) else { return };
    let Ok(unverified) = UnverifiedProof::parse(&text) else {
        return;
    };
    let inspected = Inspected::parse(&text);
    assert!(!unverified.algorithm().is_symmetric());
    let proof = match unverified.verify() {
        Ok(proof) => proof,
        Err(error) => {
            // With our own signature it is the claims that are wrong.
            let signed = unsigned(input).is_some_and(|(key, ..)| brings(&unverified, key));
            assert!(!signed || error.kind() != TokenErrorKind::BadSignature);
            return;
        }
    };
    let inspected = inspected.expect("what verifies can be read");
    assert_eq!(inspected.header["typ"], "dpop+jwt");
    let jwk = Jwk::parse(inspected.header["jwk"].to_string().as_bytes()).expect("its key");
    assert_eq!(proof.thumbprint(), jwk.thumbprint());
    if let Some(key) = key(unverified.algorithm()).filter(|key| brings(&unverified, key)) {
        assert!(is_signed_with(key, &text), "a forgery");
    }
    assert_means(&proof, &inspected.payload);
    assert_survives_writing(&proof, input);
}

/// Whether the key of the proof is this one.
fn brings(proof: &UnverifiedProof<'_>, key: &doorward_jose::signing_key::SigningKey) -> bool {
    proof.thumbprint() == key.key_id() && proof.algorithm() == key.algorithm()
}

fn assert_means(proof: &Proof, claims: &Object) {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    assert_eq!(text("jti"), Some(proof.token_id()));
    assert_eq!(text("htm"), Some(proof.http_method()));
    assert_eq!(text("htu"), Some(proof.http_uri()));
    assert_eq!(text("ath"), proof.access_token_hash());
    assert_eq!(text("nonce"), proof.nonce());
    assert_eq!(claims["iat"].as_u64(), Some(proof.issued_at().as_secs()));
    assert!(proof.token_id().len() <= 512);
}

/// The claims, written and signed again under the same header, are the same.
fn assert_survives_writing(proof: &Proof, input: &[u8]) {
    let Some((key, header, _)) = unsigned(input) else {
        return;
    };
    let mut claims = serde_json::json!({
        "jti": proof.token_id(),
        "htm": proof.http_method(),
        "htu": proof.http_uri(),
        "iat": proof.issued_at().as_secs(),
    });
    for (name, value) in [("ath", proof.access_token_hash()), ("nonce", proof.nonce())] {
        if let Some(value) = value {
            claims[name] = value.into();
        }
    }
    let again = sign(key, header, claims.to_string().as_bytes());
    match UnverifiedProof::parse(&again).and_then(|again| again.verify()) {
        Ok(again) => assert_eq!(&again, proof),
        Err(error) => assert!(again.len() > 4096, "{error}"),
    }
}
