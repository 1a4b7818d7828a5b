//! HMAC keyed with the published key, in every form that a server may hold it
//! (SIG-009).
//!
//! The server holds the public key as text or bytes and hands it to a verify
//! function that asks the token which algorithm to use: told `HS256`, it takes
//! the public key for a shared secret, and everybody can sign.

use doorward_jose::{
    algorithm::Algorithm,
    base64url,
    json::{Object, Value},
    jwk::Jwk,
    verifying_key::VerifyingKey,
};

use super::{Workshop, text};
use crate::der;

pub(super) fn forge(workshop: &mut Workshop<'_>, jwks: &str) {
    for (key, spelled) in published(jwks) {
        for (form, secret) in forms(&key, spelled) {
            forge_with(workshop, &key, &form, &secret);
        }
    }
    forge_with(
        workshop,
        &Object::new(),
        "the whole key set",
        jwks.as_bytes(),
    );
}

fn forge_with(workshop: &mut Workshop<'_>, key: &Object, form: &str, secret: &[u8]) {
    let mut header = workshop.header.clone();
    let mut whose = String::new();
    if let Some(kid) = key.get("kid") {
        header.insert("kid".to_owned(), kid.clone());
        whose = format!(", kid {kid}");
    }
    for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
        if let Some(token) = workshop.hmac(algorithm, header.clone(), secret) {
            workshop.add(
                "SIG-009",
                format!("{algorithm} keyed with {form}{whose}"),
                token,
            );
        }
    }
}

/// Each key of the set: its members, and its text exactly as published.
fn published(jwks: &str) -> Vec<(Object, &str)> {
    object_texts(jwks)
        .into_iter()
        .filter_map(|spelled| match serde_json::from_str(spelled) {
            Ok(Value::Object(key)) if key.contains_key("kty") => Some((key, spelled)),
            _ => None,
        })
        .collect()
}

/// The innermost objects of a JSON text, which in a key set are the keys.
fn object_texts(json: &str) -> Vec<&str> {
    let (mut objects, mut start, mut quoted, mut escaped) = (Vec::new(), None, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'{' if !quoted => start = Some(at),
            b'}' if !quoted => objects.extend(start.take().map(|start| &json[start..=at])),
            _ => {}
        }
    }
    objects
}

/// The forms of one key, named.
fn forms(key: &Object, spelled: &str) -> Vec<(String, Vec<u8>)> {
    let mut forms = vec![
        (
            "the JWK as published".to_owned(),
            spelled.as_bytes().to_vec(),
        ),
        (
            "the JWK with sorted members".to_owned(),
            text(key.clone()).into_bytes(),
        ),
        (
            "the members of the thumbprint".to_owned(),
            thumbprint_input(key).into_bytes(),
        ),
    ];
    for name in ["n", "x", "y"] {
        if let Some(member) = key.get(name).and_then(Value::as_str) {
            forms.push((format!("{name} as text"), member.as_bytes().to_vec()));
            forms.extend(
                base64url::decode(member)
                    .ok()
                    .map(|raw| (format!("{name} as bytes"), raw)),
            );
        }
    }
    let chain = key
        .get("x5c")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for certificate in chain.filter_map(Value::as_str) {
        forms.push(("x5c as text".to_owned(), certificate.as_bytes().to_vec()));
        let label = "CERTIFICATE";
        let pem = format!("-----BEGIN {label}-----\n{certificate}\n-----END {label}-----");
        forms.extend(spellings("certificate PEM", &pem));
    }
    if let Some(spki) = spki(key) {
        forms.extend(spellings("SPKI PEM", &der::pem("PUBLIC KEY", &spki)));
        forms.push(("SPKI in base64".to_owned(), der::base64(&spki).into_bytes()));
        forms.push(("SPKI DER".to_owned(), spki));
    }
    if let Some(pkcs1) = pkcs1(key) {
        forms.extend(spellings(
            "PKCS #1 PEM",
            &der::pem("RSA PUBLIC KEY", &pkcs1),
        ));
        forms.push(("PKCS #1 DER".to_owned(), pkcs1));
    }
    forms
}

/// A PEM text as files and configuration hold it.
fn spellings(name: &str, pem: &str) -> Vec<(String, Vec<u8>)> {
    let bare = pem.trim_end();
    let indented = format!(" {}\n", bare.replace('\n', "\n "));
    [
        ("with a last newline", format!("{bare}\n")),
        ("without a last newline", bare.to_owned()),
        ("with leading blanks", indented),
        ("with CR LF", format!("{}\r\n", bare.replace('\n', "\r\n"))),
        (
            "with escaped newlines",
            format!("{bare}\n").replace('\n', "\\n"),
        ),
        ("on one line", bare.replace('\n', "")),
    ]
    .into_iter()
    .map(|(how, text)| (format!("{name} {how}"), text.into_bytes()))
    .collect()
}

/// What RFC 7638 section 3.2 hashes for this type of key.
fn thumbprint_input(key: &Object) -> String {
    let required = ["crv", "e", "kty", "n", "x", "y"];
    let members = required
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), key.get(name)?.clone())));
    text(members.collect())
}

/// `SubjectPublicKeyInfo` of a key that the JOSE core can read.
fn spki(key: &Object) -> Option<Vec<u8>> {
    // What the key is for makes no difference to its bytes.
    let bare = thumbprint_input(key);
    let jwk = Jwk::parse(bare.as_bytes()).ok()?;
    let mut algorithms = Algorithm::ALL.iter();
    algorithms
        .find_map(|algorithm| VerifyingKey::from_jwk(&jwk, Some(*algorithm)).ok())
        .and_then(|key| key.to_der())
}

/// `RSAPublicKey` (RFC 8017 appendix A.1.1).
fn pkcs1(key: &Object) -> Option<Vec<u8>> {
    let number = |name| base64url::decode(key.get(name)?.as_str()?).ok();
    Some(der::sequence(&[
        &der::integer(&number("n")?),
        &der::integer(&number("e")?),
    ]))
}

#[cfg(test)]
mod tests {
    use super::{object_texts, published};

    #[test]
    fn keys_are_found_as_they_are_spelled() {
        let jwks = r#"{ "keys" : [ {"kty":"EC","note":"}\"{"} ,{ "kty":"RSA"}], "else": {"a":1} }"#;
        let texts: Vec<&str> = published(jwks).into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            texts,
            [r#"{"kty":"EC","note":"}\"{"}"#, r#"{ "kty":"RSA"}"#]
        );
        for text in ["", "{", "}", "\"", "{\"", "é{é}"] {
            let _ = object_texts(text);
        }
    }
}
