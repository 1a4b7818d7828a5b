#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use serde_json::{Value, json};

use super::{MAX_BYTES, UnverifiedProof, access_token_hash};
use crate::{
    algorithm::Algorithm, base64url, dangerous, error::TokenErrorKind, signing_key::SigningKey,
    time::UnixTime,
};

/// RFC 9449 section 4.1, figure 1.
const OF_THE_RFC: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik\
VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCR\
nMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JE\
QSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIj\
oiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia\
WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg\
4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";

fn proof(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = dangerous::sign(key, input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap()
}

fn header(key: &SigningKey) -> Value {
    let jwk = key.verifying_key().to_jwk().unwrap().to_object();
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk })
}

fn claims() -> Value {
    json!({ "jti": "a", "htm": "GET", "htu": "https://api.example/", "iat": 1_800_000_000_u64 })
}

fn refusal(text: &str) -> TokenErrorKind {
    let verified = UnverifiedProof::parse(text).and_then(|proof| proof.verify());
    verified.expect_err(text).kind()
}

#[test]
fn the_example_of_the_rfc_holds() {
    let proof = UnverifiedProof::parse(OF_THE_RFC).unwrap();
    // RFC 9449 section 6.1.
    let thumbprint = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    assert_eq!(proof.thumbprint(), thumbprint);
    let proof = proof.verify().unwrap();
    assert_eq!(proof.thumbprint(), thumbprint);
    assert_eq!(proof.token_id(), "-BwC3ESc6acc2lTc");
    assert_eq!(proof.http_method(), "POST");
    assert_eq!(proof.http_uri(), "https://server.example.com/token");
    assert_eq!(proof.issued_at().as_secs(), 1_562_262_616);
    assert_eq!((proof.access_token_hash(), proof.nonce()), (None, None));
}

#[test]
fn dpp_007_headers_that_are_no_proofs_are_refused() {
    use TokenErrorKind::{AlgorithmNotAllowed, UnsupportedHeader, WrongType};
    let key = key();
    let with = |name: &str, value: Value| {
        let mut header = header(&key);
        header[name] = value;
        proof(&key, &header, &claims())
    };
    let jwk = &header(&key)["jwk"];
    let mut private = jwk.clone();
    private["d"] = "AAAA".into();
    let mut encryption = jwk.clone();
    encryption["use"] = "enc".into();
    for (name, value, wanted) in [
        ("alg", json!("none"), AlgorithmNotAllowed),
        ("alg", json!("HS256"), AlgorithmNotAllowed),
        ("alg", json!("RS256"), AlgorithmNotAllowed),
        ("alg", json!("es256"), AlgorithmNotAllowed),
        ("alg", Value::Null, AlgorithmNotAllowed),
        ("typ", json!("JWT"), WrongType),
        ("typ", json!("at+jwt"), WrongType),
        ("typ", json!("DPoP+jwt"), WrongType),
        ("typ", Value::Null, WrongType),
        ("jwk", private, UnsupportedHeader),
        ("jwk", encryption, UnsupportedHeader),
        (
            "jwk",
            json!({ "kty": "oct", "k": "AAAA" }),
            UnsupportedHeader,
        ),
        ("jwk", Value::Null, UnsupportedHeader),
        ("jwk", json!([jwk]), UnsupportedHeader),
        ("jwk", json!(jwk.to_string()), UnsupportedHeader),
        ("crit", json!(["b64"]), UnsupportedHeader),
        ("b64", json!(false), UnsupportedHeader),
        ("jku", json!("https://evil.example/"), UnsupportedHeader),
    ] {
        assert_eq!(
            refusal(&with(name, value.clone())),
            wanted,
            "{name} {value}"
        );
    }
    let mut without = header(&key);
    without.as_object_mut().unwrap().remove("typ");
    assert_eq!(refusal(&proof(&key, &without, &claims())), WrongType);
}

#[test]
fn dpp_005_the_key_of_the_header_must_have_signed() {
    let (key, other) = (key(), key());
    let forged = proof(&other, &header(&key), &claims());
    assert_eq!(refusal(&forged), TokenErrorKind::BadSignature);
    let good = proof(&key, &header(&key), &claims());
    for cut in [1, good.len() / 2, good.len() - 1] {
        let _ = refusal(&good[..cut]);
    }
}

#[test]
fn claims_that_are_absent_or_odd_are_refused() {
    use TokenErrorKind::{MalformedClaim, MissingClaim};
    let key = key();
    for name in ["jti", "htm", "htu", "iat"] {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        assert_eq!(
            refusal(&proof(&key, &header(&key), &claims)),
            MissingClaim(name)
        );
    }
    for (name, value) in [
        ("jti", json!("")),
        ("jti", json!(1)),
        ("jti", json!("j".repeat(513))),
        ("htm", json!(["GET"])),
        ("htu", Value::Null),
        ("iat", json!("1800000000")),
        ("iat", json!(1.5)),
        ("iat", json!(-1)),
        ("ath", json!(1)),
        ("nonce", json!("n".repeat(513))),
    ] {
        let mut claims = claims();
        claims[name] = value.clone();
        let found = refusal(&proof(&key, &header(&key), &claims));
        assert_eq!(found, MalformedClaim(name), "{name} {value}");
    }
}

#[test]
fn a_proof_tells_the_token_and_the_nonce_that_it_names() {
    let key = key();
    let mut named = claims();
    // RFC 9449 section 7.1.
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    let hash = "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo";
    assert_eq!(access_token_hash(token), hash);
    named["ath"] = hash.into();
    named["nonce"] = "n-1".into();
    let text = proof(&key, &header(&key), &named);
    let proof = UnverifiedProof::parse(&text).unwrap().verify().unwrap();
    assert_eq!(
        (proof.access_token_hash(), proof.nonce()),
        (Some(hash), Some("n-1"))
    );
    assert_eq!(proof.http_method(), "GET");
}

/// What is remembered of a proof is bounded; an address may fill the proof.
#[test]
fn dpp_008_the_longest_members_and_the_longest_proof_are_read() {
    let key = key();
    let id = "j".repeat(512);
    let address = format!("https://api.example/{}", "a".repeat(600));
    let mut longest = claims();
    for (name, value) in [("jti", &id), ("nonce", &id), ("htu", &address)] {
        longest[name] = value.as_str().into();
    }
    longest["iat"] = UnixTime::MAX.as_secs().into();
    let text = proof(&key, &header(&key), &longest);
    let read = UnverifiedProof::parse(&text).unwrap().verify().unwrap();
    assert_eq!((read.token_id(), read.nonce()), (&*id, Some(&*id)));
    assert_eq!(read.http_uri(), address);
    assert_eq!(read.issued_at(), UnixTime::MAX);
    longest["iat"] = (UnixTime::MAX.as_secs() + 1).into();
    let later = proof(&key, &header(&key), &longest);
    assert_eq!(refusal(&later), TokenErrorKind::MalformedClaim("iat"));

    let filled = format!("{text}{}", "A".repeat(MAX_BYTES - text.len()));
    assert_eq!(refusal(&filled[..MAX_BYTES]), TokenErrorKind::BadSignature);
    assert_eq!(refusal(&format!("{filled}A")), TokenErrorKind::TooLarge);
}

#[test]
fn shapes_that_are_no_proofs_are_refused() {
    for text in ["", ".", "..", "...", "a.b.c", "a.b.c.d", "e30.e30.AA"] {
        assert!(UnverifiedProof::parse(text).is_err(), "{text}");
    }
    assert_eq!(refusal(&"a".repeat(4097)), TokenErrorKind::TooLarge);
}
