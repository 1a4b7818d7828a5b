//! The examples of RFC 7520, both ways: what this crate does is verified and
//! signed again, what it does not do is refused, each for its reason.

use std::sync::LazyLock;

use serde_json::{Value, json};

use super::{UnverifiedJws, payload};
use crate::{
    algorithm::Algorithm,
    base64url,
    error::{KeyErrorKind, TokenErrorKind},
    harness::{NOW, verify},
    jwk::Jwk,
    jwk_set::{KeySet, Limits},
    signing_key::SigningKey,
    token::{Inspected, UnverifiedToken},
    validation::Validation,
    verifying_key::VerifyingKey,
};

/// Keys by section (3), documents by section (4 and 5), and those of section 6.
static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("rfc_7520.json")).expect("the examples"));

/// The payload of section 4, with its typographic apostrophes.
const FRODO: &str = "It\u{2019}s a dangerous business, Frodo, going out your door. You step onto \
                     the road, and if you don't keep your feet, there\u{2019}s no knowing where \
                     you might be swept off to.";

fn jwk(section: &str) -> &'static Value {
    &EXAMPLES["keys"][section]
}

fn compact(section: &str) -> &'static str {
    EXAMPLES["jws"][section]["compact"]
        .as_str()
        .expect("a compact form")
}

fn parse(jwk: &Value) -> Result<Jwk, KeyErrorKind> {
    Jwk::parse(jwk.to_string().as_bytes()).map_err(|error| error.kind())
}

fn public_key(section: &str, algorithm: Algorithm) -> VerifyingKey {
    let jwk = parse(jwk(section)).expect("a public key");
    VerifyingKey::from_jwk(&jwk, Some(algorithm)).expect("it fits")
}

fn secret(section: &str) -> Vec<u8> {
    number(jwk(section), "k")
}

fn number(jwk: &Value, name: &str) -> Vec<u8> {
    base64url::decode(jwk[name].as_str().expect(name)).expect("base64url")
}

/// The private halves, in the form in which [`SigningKey`] takes them.
fn signing_key(section: &str, algorithm: Algorithm) -> SigningKey {
    let jwk = jwk(section);
    let pkcs8 = match jwk["kty"].as_str() {
        Some("RSA") => der::rsa(jwk),
        _ => der::p521(jwk),
    };
    SigningKey::from_pkcs8(algorithm, &pkcs8).expect("the private key")
}

/// What a compact text is signed over, and the signature.
fn split(text: &str) -> (&str, &str) {
    text.rsplit_once('.').expect("three parts")
}

#[test]
fn section_3_public_keys_are_read_and_written() {
    for (section, thumbprint) in [
        ("3.1", "dHri3SADZkrush5HU_50AoRhcKFryN-PI6jPBtPL55M"),
        ("3.3", "9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI"),
    ] {
        let jwk = parse(jwk(section)).expect("a public key");
        assert_eq!(jwk.key_id(), Some("bilbo.baggins@hobbiton.example"));
        assert_eq!(jwk.thumbprint(), thumbprint, "{section}");
        let written = Value::Object(jwk.to_object());
        assert_eq!(&written, self::jwk(section), "{section}");
    }
}

#[test]
fn section_3_private_and_symmetric_keys_are_no_public_keys() {
    for (section, kind) in [
        ("3.2", KeyErrorKind::PrivateMember),
        ("3.4", KeyErrorKind::PrivateMember),
        ("3.5", KeyErrorKind::SecretAndPublicMixed),
        ("3.6", KeyErrorKind::SecretAndPublicMixed),
    ] {
        assert_eq!(parse(jwk(section)).err(), Some(kind), "{section}");
        // In a set it is a leak, whatever stands beside it.
        let set = json!({ "keys": [{ "kty": "new" }, jwk(section)] }).to_string();
        let refusal = KeySet::parse(set.as_bytes(), Limits::default()).expect_err(section);
        assert_eq!(refusal.kind(), kind, "{section}");
    }
}

#[test]
fn section_3_private_and_symmetric_keys_are_read_as_what_they_are() {
    for (private, public, algorithm) in [
        ("3.2", "3.1", Algorithm::Es512),
        ("3.4", "3.3", Algorithm::Rs256),
    ] {
        let key = signing_key(private, algorithm).verifying_key();
        let public = public_key(public, algorithm);
        assert_eq!(key.to_der(), public.to_der());
    }
    assert!(SigningKey::hmac(Algorithm::Hs256, &secret("3.5")).is_ok());
}

#[test]
fn section_4_1_rs256_both_ways() {
    let text = compact("4.1");
    let key = public_key("3.3", Algorithm::Rs256);
    assert_eq!(payload(text, &key).as_deref(), Ok(FRODO));
    let (input, signature) = split(text);
    let key = signing_key("3.4", Algorithm::Rs256);
    let again = key.sign_bytes(input.as_bytes()).map(base64url::encode);
    assert_eq!(again.as_deref(), Ok(signature), "PKCS #1 v1.5 has one");
}

#[test]
fn section_4_2_ps384_and_4_3_es512_both_ways() {
    for (section, public, private, algorithm) in [
        ("4.2", "3.3", "3.4", Algorithm::Ps384),
        ("4.3", "3.1", "3.2", Algorithm::Es512),
    ] {
        let text = compact(section);
        let key = public_key(public, algorithm);
        assert_eq!(payload(text, &key).as_deref(), Ok(FRODO), "{section}");
        let (input, signature) = split(text);
        let signer = signing_key(private, algorithm);
        let again = signer.sign_bytes(input.as_bytes()).map(base64url::encode);
        let again = again.expect("the library signs");
        assert_ne!(again, signature, "these are made with randomness");
        let again = format!("{input}.{again}");
        assert_eq!(payload(&again, &key).as_deref(), Ok(FRODO), "{section}");
    }
}

#[test]
fn section_4_4_hs256_both_ways() {
    let text = compact("4.4");
    let key = SigningKey::hmac(Algorithm::Hs256, &secret("3.5")).expect("a secret");
    assert_eq!(payload(text, &key.verifying_key()).as_deref(), Ok(FRODO));
    let (input, signature) = split(text);
    let again = key.sign_bytes(input.as_bytes()).map(base64url::encode);
    assert_eq!(again.as_deref(), Ok(signature));
}

#[test]
fn section_4_keys_do_not_verify_under_another_algorithm() {
    for algorithm in Algorithm::ALL.iter().filter(|one| !one.is_symmetric()) {
        for (section, public, right) in [
            ("4.1", "3.3", Algorithm::Rs256),
            ("4.2", "3.3", Algorithm::Ps384),
            ("4.3", "3.1", Algorithm::Es512),
        ] {
            let jwk = parse(jwk(public)).expect("a public key");
            let Ok(key) = VerifyingKey::from_jwk(&jwk, Some(*algorithm)) else {
                continue;
            };
            let wanted = match *algorithm == right {
                true => Ok(FRODO.to_owned()),
                false => Err(TokenErrorKind::AlgorithmNotAllowed),
            };
            assert_eq!(payload(compact(section), &key), wanted);
        }
    }
}

/// Detached content: the signature is of a payload that is not here.
#[test]
fn sig_029_section_4_5_detached_content_is_refused() {
    let key = SigningKey::hmac(Algorithm::Hs256, &secret("3.5")).expect("a secret");
    let refused = payload(compact("4.5"), &key.verifying_key());
    assert_eq!(refused, Err(TokenErrorKind::BadSignature));
}

/// 4.6 and 4.7 have unprotected headers, 4.8 several signatures; they exist
/// only as JSON, and so do the same of 4.1 to 4.5.
#[test]
fn sig_026_section_4_json_serialisations_are_refused() {
    let mut count = 0;
    for (section, forms) in EXAMPLES["jws"].as_object().expect("an object") {
        for name in ["json", "json_flat"] {
            let Some(form) = forms.get(name) else {
                continue;
            };
            for text in [form.to_string(), base64url::encode(form.to_string())] {
                let refusal = UnverifiedJws::parse(&text).expect_err(section).kind();
                assert_eq!(refusal, TokenErrorKind::Malformed, "{section} {name}");
            }
            count += 1;
        }
    }
    assert_eq!(count, 15, "seven sections have both, 4.8 the general form");
}

/// An unprotected header that is put where the protected one belongs.
#[test]
fn section_4_6_and_4_7_do_not_verify_in_compact_form_either() {
    let key = SigningKey::hmac(Algorithm::Hs256, &secret("3.5")).expect("a secret");
    for section in ["4.6", "4.7"] {
        let form = &EXAMPLES["jws"][section]["json_flat"];
        let mut header = json!({ "alg": "HS256" });
        header["kid"] = form["header"]["kid"].clone();
        let header = base64url::encode(header.to_string());
        let part = |name: &str| form[name].as_str().expect("a part");
        let text = format!("{header}.{}.{}", part("payload"), part("signature"));
        let refused = payload(&text, &key.verifying_key());
        assert_eq!(refused, Err(TokenErrorKind::BadSignature), "{section}");
    }
    // What 4.7 signs has an empty header: there is none to read.
    let form = &EXAMPLES["jws"]["4.7"]["json_flat"];
    let part = |name: &str| form[name].as_str().expect("a part");
    let text = format!(".{}.{}", part("payload"), part("signature"));
    let refused = payload(&text, &key.verifying_key());
    assert_eq!(refused, Err(TokenErrorKind::Malformed));
}

/// No example is an access token: none has the type, and none has claims.
#[test]
fn hdr_017_section_4_is_no_access_token() {
    let key = SigningKey::hmac(Algorithm::Hs256, &secret("3.5")).expect("a secret");
    let validation = Validation::issuer("hobbiton.example")
        .audience("anybody")
        .algorithms([Algorithm::Hs256]);
    let refused = verify(&key, compact("4.4"), &validation).err();
    assert_eq!(refused, Some(TokenErrorKind::WrongType));
}

/// Five parts, or JSON: an encrypted text is not taken for a signed one.
#[test]
fn sig_024_section_5_encrypted_texts_are_refused() {
    let mut count = 0;
    for (section, forms) in EXAMPLES["jwe"].as_object().expect("an object") {
        for form in forms.as_object().expect("an object").values() {
            let text = form
                .as_str()
                .map_or_else(|| form.to_string(), str::to_owned);
            let refusal = UnverifiedJws::parse(&text).expect_err(section).kind();
            assert_eq!(refusal, TokenErrorKind::Malformed, "{section}");
            assert!(Inspected::parse(&text).is_err(), "{section}");
            count += 1;
        }
    }
    assert_eq!(count, 22, "nine sections have both forms, four have one");
}

/// Cut to three parts, the header still says what it is.
#[test]
fn sig_024_section_5_headers_are_refused() {
    for (section, forms) in EXAMPLES["jwe"].as_object().expect("an object") {
        let Some(text) = forms.get("compact").and_then(Value::as_str) else {
            continue;
        };
        let header = text.split('.').next().expect("a part");
        let refusal = UnverifiedJws::parse(&format!("{header}.AAAA.AAAA")).expect_err(section);
        assert_eq!(
            refusal.kind(),
            TokenErrorKind::AlgorithmNotAllowed,
            "{section}"
        );
        // And with an algorithm that is known, `enc` refuses it.
        let read = base64url::decode(header).expect("base64url");
        let mut read: Value = serde_json::from_slice(&read).expect("JSON");
        read["alg"] = json!("HS256");
        let header = base64url::encode(read.to_string());
        let refusal = UnverifiedJws::parse(&format!("{header}.AAAA.AAAA")).expect_err(section);
        assert_eq!(
            refusal.kind(),
            TokenErrorKind::UnsupportedHeader,
            "{section}"
        );
    }
}

#[test]
fn section_6_the_inner_token_verifies_and_the_nested_one_is_refused() {
    let nested = &EXAMPLES["nested"];
    let mut public = nested["key"].clone();
    let members = public.as_object_mut().expect("an object");
    members.retain(|name, _| ["kty", "kid", "use", "n", "e"].contains(&name.as_str()));
    let jwk = parse(&public).expect("a public key");
    let key = VerifyingKey::from_jwk(&jwk, Some(Algorithm::Ps256)).expect("it fits");
    let text = nested["jws"].as_str().expect("a token");
    let claims = payload(text, &key).expect("a good signature");
    assert!(claims.starts_with(r#"{"iss":"hobbiton.example","exp":1300819380,"#));

    // `typ` is `JWT`, and such a token has to ask for that.
    let validation = Validation::issuer("hobbiton.example")
        .audience("anybody")
        .algorithms([Algorithm::Ps256]);
    let judged = |validation: &Validation| {
        UnverifiedToken::parse(text)
            .and_then(|token| token.verify(&key, validation, NOW))
            .map_err(|error| error.kind())
            .err()
    };
    assert_eq!(judged(&validation), Some(TokenErrorKind::WrongType));
    let refused = judged(&validation.token_type("JWT"));
    assert_eq!(refused, Some(TokenErrorKind::MissingClaim("sub")));

    let outer = nested["jwe"].as_str().expect("a text");
    let refusal = UnverifiedJws::parse(outer).expect_err("five parts").kind();
    assert_eq!(refusal, TokenErrorKind::Malformed);
}

/// Just enough DER to write a private key of the RFC as PKCS #8 (RFC 5208).
mod der {
    use serde_json::Value;

    use super::number;

    pub(super) fn rsa(jwk: &Value) -> Vec<u8> {
        let names = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];
        let numbers = names.map(|name| integer(&number(jwk, name))).concat();
        let key = element(0x30, &[integer(&[0]), numbers].concat());
        // rsaEncryption, NULL
        let algorithm = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
        pkcs8(algorithm, &key)
    }

    pub(super) fn p521(jwk: &Value) -> Vec<u8> {
        let point = [vec![0, 4], number(jwk, "x"), number(jwk, "y")].concat();
        let private = element(4, &number(jwk, "d"));
        let public = element(0xa1, &element(3, &point));
        let key = element(0x30, &[integer(&[1]), private, public].concat());
        // id-ecPublicKey, secp521r1
        let algorithm = b"\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x23";
        pkcs8(algorithm, &key)
    }

    fn pkcs8(algorithm: &[u8], key: &[u8]) -> Vec<u8> {
        let parts = [integer(&[0]), element(0x30, algorithm), element(4, key)];
        element(0x30, &parts.concat())
    }

    fn integer(number: &[u8]) -> Vec<u8> {
        let is_negative = number[0] & 0x80 != 0;
        let sign: &[u8] = if is_negative { &[0] } else { &[] };
        element(2, &[sign, number].concat())
    }

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = content.len();
        let head = match length {
            0..0x80 => vec![tag, length as u8],
            0x80..0x100 => vec![tag, 0x81, length as u8],
            _ => vec![tag, 0x82, (length >> 8) as u8, (length & 0xff) as u8],
        };
        [head, content.to_vec()].concat()
    }
}
