//! JSON Web Keys, public ones (RFC 7517, RFC 7518 section 6, RFC 8037).
//!
//! A [`Jwk`] never holds a secret: private members and shared secrets are
//! refused, not dropped, because a document that has them is a leak.

use aws_lc_rs::digest;

use crate::{
    algorithm::{Algorithm, Curve},
    base64url,
    error::{KeyError, KeyErrorKind},
    header::is_key_id,
    json::{Limits, Object, Value, parse_object},
    public_key::PublicKey,
};

/// A public key for verifying signatures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    key_id: Option<String>,
    algorithm: Option<Algorithm>,
    pub(crate) key: PublicKey,
}

impl Jwk {
    pub(crate) fn new(key: PublicKey, algorithm: Algorithm, key_id: Option<String>) -> Self {
        Self {
            key_id,
            algorithm: Some(algorithm),
            key,
        }
    }

    /// Reads one key from JSON.
    ///
    /// ```
    /// use doorward_jose::jwk::Jwk;
    ///
    /// let jwk = Jwk::parse(
    ///     br#"{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"2026-11",
    ///         "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
    /// )?;
    /// // RFC 8037 appendix A.3
    /// assert_eq!(jwk.thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    /// # Ok::<(), doorward_jose::error::KeyError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is not strict JSON, of another type or curve than
    /// this crate implements, weak, off its curve, not for verifying, private,
    /// or if `alg` does not fit.
    pub fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        let object = parse_object(bytes, Limits::KEY_SET).map_err(|_| KeyErrorKind::Malformed)?;
        Self::from_object(&object)
    }

    pub(crate) fn from_object(object: &Object) -> Result<Self, KeyError> {
        refuse_secrets(object)?;
        refuse_other_uses(object)?;
        let key = public_key(object)?;
        let algorithm = match text(object, "alg")? {
            None => None,
            Some(name) => Some(Algorithm::from_name(name).ok_or(KeyErrorKind::Unsupported)?),
        };
        if algorithm.is_some_and(|algorithm| !key.fits(algorithm)) {
            return Err(KeyErrorKind::AlgorithmMismatch.into());
        }
        let key_id = text(object, "kid")?;
        if key_id.is_some_and(|key_id| !is_key_id(key_id)) {
            return Err(KeyErrorKind::BadKeyId.into());
        }
        Ok(Self {
            key_id: key_id.map(str::to_owned),
            algorithm,
            key,
        })
    }

    /// `kid`.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// `alg`.
    pub const fn algorithm(&self) -> Option<Algorithm> {
        self.algorithm
    }

    /// The SHA-256 thumbprint in base64url (RFC 7638): the same for every way
    /// of writing the same key.
    pub fn thumbprint(&self) -> String {
        thumbprint(&self.key)
    }

    /// The key as a JSON object, `use` `sig` included.
    pub fn to_object(&self) -> Object {
        let mut object = required_members(&self.key);
        object.insert("use".to_owned(), "sig".into());
        if let Some(algorithm) = self.algorithm {
            object.insert("alg".to_owned(), algorithm.name().into());
        }
        if let Some(key_id) = &self.key_id {
            object.insert("kid".to_owned(), key_id.as_str().into());
        }
        object
    }
}

/// RFC 7638 section 3: SHA-256 over the required members in lexicographic
/// order, without white space.
pub(crate) fn thumbprint(key: &PublicKey) -> String {
    // The members are inserted in that order, and none needs an escape.
    let required = Value::Object(required_members(key)).to_string();
    base64url::encode(digest::digest(&digest::SHA256, required.as_bytes()))
}

/// The members that make up a key, as RFC 7638 section 3.2 lists them.
fn required_members(key: &PublicKey) -> Object {
    let members: Vec<(&str, String)> = match key {
        PublicKey::Ec { curve, point } => {
            let (x, y) = point[1..].split_at(curve.coordinate_len());
            vec![
                ("crv", curve.name().to_owned()),
                ("kty", "EC".to_owned()),
                ("x", base64url::encode(x)),
                ("y", base64url::encode(y)),
            ]
        }
        PublicKey::Ed25519(bytes) => vec![
            ("crv", "Ed25519".to_owned()),
            ("kty", "OKP".to_owned()),
            ("x", base64url::encode(bytes)),
        ],
        PublicKey::Rsa { modulus, exponent } => vec![
            ("e", base64url::encode(exponent)),
            ("kty", "RSA".to_owned()),
            ("n", base64url::encode(modulus)),
        ],
    };
    members
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect()
}

fn public_key(object: &Object) -> Result<PublicKey, KeyError> {
    match text(object, "kty")?.ok_or(KeyErrorKind::Malformed)? {
        "EC" => {
            let curve = text(object, "crv")?.ok_or(KeyErrorKind::Malformed)?;
            let curve = Curve::from_name(curve).ok_or(KeyErrorKind::Unsupported)?;
            PublicKey::from_coordinates(curve, &bytes(object, "x")?, &bytes(object, "y")?)
        }
        "OKP" => match text(object, "crv")?.ok_or(KeyErrorKind::Malformed)? {
            "Ed25519" => PublicKey::from_ed25519(&bytes(object, "x")?),
            _ => Err(KeyErrorKind::Unsupported.into()),
        },
        "RSA" => PublicKey::from_rsa(&bytes(object, "n")?, &bytes(object, "e")?),
        _ => Err(KeyErrorKind::Unsupported.into()),
    }
}

/// Members that only private keys and shared secrets have (RFC 7518 sections
/// 6.2.2, 6.3.2 and 6.4; RFC 9964 for `priv`).
fn refuse_secrets(object: &Object) -> Result<(), KeyError> {
    if object.get("kty").is_some_and(|kty| kty == "oct") {
        return Err(KeyErrorKind::SecretAndPublicMixed.into());
    }
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
    if private.into_iter().any(|name| object.contains_key(name)) {
        return Err(KeyErrorKind::PrivateMember.into());
    }
    Ok(())
}

/// `use` and `key_ops`, where present, must allow verifying (RFC 7517
/// sections 4.2 and 4.3).
fn refuse_other_uses(object: &Object) -> Result<(), KeyError> {
    if text(object, "use")?.is_some_and(|purpose| purpose != "sig") {
        return Err(KeyErrorKind::NotForVerifying.into());
    }
    let Some(operations) = object.get("key_ops") else {
        return Ok(());
    };
    let operations = operations.as_array().ok_or(KeyErrorKind::Malformed)?;
    for (index, operation) in operations.iter().enumerate() {
        if !operation.is_string() || operations[..index].contains(operation) {
            return Err(KeyErrorKind::Malformed.into());
        }
    }
    match operations.iter().any(|operation| operation == "verify") {
        true => Ok(()),
        false => Err(KeyErrorKind::NotForVerifying.into()),
    }
}

/// A member that, where present, must be a string.
fn text<'o>(object: &'o Object, name: &str) -> Result<Option<&'o str>, KeyError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyErrorKind::Malformed.into()),
    }
}

/// A member that must be there and be base64url.
fn bytes(object: &Object, name: &str) -> Result<Vec<u8>, KeyError> {
    let text = text(object, name)?.ok_or(KeyErrorKind::Malformed)?;
    base64url::decode(text).map_err(|_| KeyErrorKind::Malformed.into())
}

#[cfg(test)]
mod tests;
