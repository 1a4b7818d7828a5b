//! Proofs of possession, the one document whose key comes along with it
//! (DPoP, RFC 9449 section 4).
//!
//! Everywhere else a `jwk` in the header refuses the text. Here it is read, and
//! what it can do is limited by the types: an [`UnverifiedProof`] shows the
//! thumbprint of the key and nothing it claims, and a [`Proof`] proves only
//! that the holder of that key signed it. Whether the key is the one that an
//! access token is bound to, and whether the claims fit the request, is for
//! the verifier to compare.

use aws_lc_rs::digest;

use crate::{
    algorithm::Algorithm,
    base64url,
    error::{TokenError, TokenErrorKind},
    json::{Limits, Object, Value, parse_object},
    jwk::Jwk,
    time::UnixTime,
    verifying_key::VerifyingKey,
};

/// Longest accepted proof, in bytes.
pub const MAX_BYTES: usize = 4 * 1024;

/// Longest accepted `jti` and `nonce`, in bytes.
const MAX_ID_BYTES: usize = 512;

/// Header members beside which nothing else of the header is acted on. A proof
/// that asks for more than these is refused where ignoring it could change its
/// meaning.
const REFUSED: [&str; 9] = [
    "crit", "b64", "zip", "enc", "cty", "jku", "x5u", "x5c", "payload",
];

/// A proof whose signature has not been checked.
#[derive(Clone, Debug)]
pub struct UnverifiedProof<'t> {
    algorithm: Algorithm,
    jwk: Jwk,
    signing_input: &'t str,
    payload: &'t str,
    signature: &'t str,
}

/// A proof that was signed with the key that it carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    thumbprint: String,
    token_id: String,
    http_method: String,
    http_uri: String,
    issued_at: UnixTime,
    access_token_hash: Option<String>,
    nonce: Option<String>,
}

/// `ath` of an access token: its SHA-256 in base64url (RFC 9449 section 4.2).
///
/// ```
/// use doorward_jose::dpop::access_token_hash;
///
/// // RFC 9449 section 7.1
/// let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
/// assert_eq!(access_token_hash(token), "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
/// ```
pub fn access_token_hash(token: &str) -> String {
    base64url::encode(digest::digest(&digest::SHA256, token.as_bytes()))
}

impl<'t> UnverifiedProof<'t> {
    /// Takes the proof apart and reads its header.
    ///
    /// # Errors
    ///
    /// [`TokenError`] if it is not a compact JWS of at most 4 KiB whose `typ`
    /// is `dpop+jwt`, whose `alg` is asymmetric and whose `jwk` is a good
    /// public key for it.
    pub fn parse(text: &'t str) -> Result<Self, TokenError> {
        if text.len() > MAX_BYTES {
            return Err(TokenErrorKind::TooLarge.into());
        }
        let malformed = TokenErrorKind::Malformed;
        let (signing_input, signature) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or(malformed)?;
        if payload.contains('.') {
            return Err(malformed.into());
        }
        let header = object(header, Limits::HEADER)?;
        if string(&header, "typ") != Some("dpop+jwt") {
            return Err(TokenErrorKind::WrongType.into());
        }
        if REFUSED.into_iter().any(|name| header.contains_key(name)) {
            return Err(TokenErrorKind::UnsupportedHeader.into());
        }
        let algorithm = string(&header, "alg").and_then(Algorithm::from_name);
        let algorithm = algorithm
            .filter(|algorithm| !algorithm.is_symmetric())
            .ok_or(TokenErrorKind::AlgorithmNotAllowed)?;
        let jwk = header.get("jwk").filter(|jwk| jwk.is_object());
        let jwk = jwk.ok_or(TokenErrorKind::UnsupportedHeader)?.to_string();
        let jwk = Jwk::parse(jwk.as_bytes()).map_err(|_| TokenErrorKind::UnsupportedHeader)?;
        Ok(Self {
            algorithm,
            jwk,
            signing_input,
            payload,
            signature,
        })
    }

    /// `alg`.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The thumbprint of the key that it claims to be signed with
    /// (RFC 7638), as `cnf.jkt` names it.
    pub fn thumbprint(&self) -> String {
        self.jwk.thumbprint()
    }

    /// Checks the signature with the key of the header and only then reads the
    /// claims.
    ///
    /// # Errors
    ///
    /// [`TokenErrorKind::BadSignature`], [`TokenErrorKind::AlgorithmNotAllowed`]
    /// if key and `alg` do not go together, [`TokenErrorKind::MissingClaim`] or
    /// [`TokenErrorKind::MalformedClaim`].
    pub fn verify(&self) -> Result<Proof, TokenError> {
        let key = VerifyingKey::from_jwk(&self.jwk, Some(self.algorithm))
            .map_err(|_| TokenErrorKind::AlgorithmNotAllowed)?;
        let signature = base64url::decode(self.signature).map_err(|_| TokenErrorKind::Malformed)?;
        if !key.accepts(self.signing_input.as_bytes(), &signature) {
            return Err(TokenErrorKind::BadSignature.into());
        }
        let claims = object(self.payload, Limits::CLAIMS)?;
        Ok(Proof {
            thumbprint: self.thumbprint(),
            token_id: required(&claims, "jti")?,
            http_method: required(&claims, "htm")?,
            http_uri: required(&claims, "htu")?,
            issued_at: issued_at(&claims)?,
            access_token_hash: optional(&claims, "ath")?,
            nonce: optional(&claims, "nonce")?,
        })
    }
}

impl Proof {
    /// The thumbprint of the key that signed it (RFC 7638).
    pub fn thumbprint(&self) -> &str {
        &self.thumbprint
    }

    /// `jti`, at most 512 bytes.
    pub fn token_id(&self) -> &str {
        &self.token_id
    }

    /// `htm`.
    pub fn http_method(&self) -> &str {
        &self.http_method
    }

    /// `htu`.
    pub fn http_uri(&self) -> &str {
        &self.http_uri
    }

    /// `iat`.
    pub const fn issued_at(&self) -> UnixTime {
        self.issued_at
    }

    /// `ath`.
    pub fn access_token_hash(&self) -> Option<&str> {
        self.access_token_hash.as_deref()
    }

    /// `nonce`.
    pub fn nonce(&self) -> Option<&str> {
        self.nonce.as_deref()
    }
}

fn object(part: &str, limits: Limits) -> Result<Object, TokenError> {
    let bytes = base64url::decode(part).map_err(|_| TokenErrorKind::Malformed)?;
    parse_object(&bytes, limits).map_err(|_| TokenErrorKind::Malformed.into())
}

fn string<'o>(object: &'o Object, name: &str) -> Option<&'o str> {
    object.get(name).and_then(Value::as_str)
}

fn required(claims: &Object, name: &'static str) -> Result<String, TokenError> {
    optional(claims, name)?.ok_or_else(|| TokenErrorKind::MissingClaim(name).into())
}

fn optional(claims: &Object, name: &'static str) -> Result<Option<String>, TokenError> {
    match claims.get(name) {
        None => Ok(None),
        Some(Value::String(text)) if is_sized(name, text) => Ok(Some(text.clone())),
        Some(_) => Err(TokenErrorKind::MalformedClaim(name).into()),
    }
}

/// An address may be as long as the proof; what is remembered may not.
fn is_sized(name: &str, text: &str) -> bool {
    !text.is_empty() && (name == "htu" || text.len() <= MAX_ID_BYTES)
}

fn issued_at(claims: &Object) -> Result<UnixTime, TokenError> {
    let stated = claims
        .get("iat")
        .ok_or(TokenErrorKind::MissingClaim("iat"))?;
    let seconds = stated
        .as_u64()
        .filter(|seconds| *seconds <= UnixTime::MAX.as_secs())
        .ok_or(TokenErrorKind::MalformedClaim("iat"))?;
    Ok(UnixTime::from_secs(seconds))
}

#[cfg(test)]
mod tests;
