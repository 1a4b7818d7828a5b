//! Keys that check signatures.
//!
//! A key *is* one algorithm: the token's header is only ever compared with it,
//! never asked (RFC 8725 section 3.1). Public keys and shared secrets come from
//! different constructors and neither can be read as the other, which is what
//! algorithm confusion needs.

use std::{fmt, sync::Arc};

use aws_lc_rs::{hmac, signature::ParsedPublicKey};

use crate::{
    algorithm::Algorithm,
    error::{KeyError, KeyErrorKind},
    header::is_key_id,
    jwk::Jwk,
    public_key::PublicKey,
};

/// A key bound to exactly one algorithm. Cheap to clone; parsed once.
#[derive(Clone)]
pub struct VerifyingKey {
    algorithm: Algorithm,
    key_id: Option<Arc<str>>,
    material: Arc<Material>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one per key, behind an `Arc`"
)]
enum Material {
    Public {
        key: PublicKey,
        parsed: ParsedPublicKey,
    },
    Secret(hmac::Key),
}

impl VerifyingKey {
    /// From a JWK. `algorithm` is needed when the key does not say its own and
    /// several would fit (RSA, Ed25519); where both say one they must agree.
    /// The key id is the JWK's `kid`, else its thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::AlgorithmMissing`] or [`KeyErrorKind::AlgorithmMismatch`].
    pub fn from_jwk(jwk: &Jwk, algorithm: Option<Algorithm>) -> Result<Self, KeyError> {
        let algorithm = match (jwk.algorithm(), algorithm) {
            (Some(declared), Some(wanted)) if declared != wanted => {
                return Err(KeyErrorKind::AlgorithmMismatch.into());
            }
            (Some(algorithm), _) | (None, Some(algorithm)) => algorithm,
            (None, None) => only_fitting(&jwk.key, Algorithm::ALL)?,
        };
        let key_id = jwk.key_id().map_or_else(|| jwk.thumbprint(), str::to_owned);
        Self::public(algorithm, jwk.key.clone(), key_id.into())
    }

    /// From the DER `SubjectPublicKeyInfo` of a public key (RFC 5280). The key
    /// id is the thumbprint.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is not exactly one such key, of the kind that
    /// `algorithm` needs, or weak.
    pub fn from_der(algorithm: Algorithm, der: &[u8]) -> Result<Self, KeyError> {
        let key = PublicKey::from_spki(algorithm, der)?;
        let jwk = Jwk::new(key, algorithm, None);
        Self::from_jwk(&jwk, None)
    }

    /// From the PEM form of the same (RFC 7468 section 13): one block
    /// `PUBLIC KEY` and nothing else. Certificates and private keys are
    /// refused.
    ///
    /// # Errors
    ///
    /// As [`Self::from_der`].
    pub fn from_pem(algorithm: Algorithm, pem: &[u8]) -> Result<Self, KeyError> {
        let der = pem_block(pem).ok_or(KeyErrorKind::Malformed)?;
        Self::from_der(algorithm, &der)
    }

    /// From a shared secret at least as long as the hash (32, 48 or 64 bytes;
    /// RFC 7518 section 3.2). It has no key id unless [`Self::with_key_id`]
    /// gives one.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::SecretAndPublicMixed`] for another algorithm, and for
    /// the text of a PEM or JWK: whoever passes one has confused the two.
    /// [`KeyErrorKind::Weak`] if it is too short.
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let key = hmac_key(algorithm, secret)?;
        Ok(Self {
            algorithm,
            key_id: None,
            material: Arc::new(Material::Secret(key)),
        })
    }

    pub(crate) fn public(
        algorithm: Algorithm,
        key: PublicKey,
        key_id: Arc<str>,
    ) -> Result<Self, KeyError> {
        let parsed = key.parsed(algorithm)?;
        let material = Arc::new(Material::Public { key, parsed });
        Ok(Self {
            algorithm,
            key_id: Some(key_id),
            material,
        })
    }

    /// The same key under another id.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::BadKeyId`] if it is empty, longer than 256 bytes or has
    /// characters outside the safe alphabet.
    pub fn with_key_id(mut self, key_id: impl Into<String>) -> Result<Self, KeyError> {
        let key_id = key_id.into();
        if !is_key_id(&key_id) {
            return Err(KeyErrorKind::BadKeyId.into());
        }
        self.key_id = Some(key_id.into());
        Ok(self)
    }

    /// The id under which tokens name it (`kid`).
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Its one algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The public key with its id; none for a shared secret, which is never
    /// published.
    pub fn to_jwk(&self) -> Option<Jwk> {
        match &*self.material {
            Material::Public { key, .. } => {
                let key_id = self.key_id.as_deref().map(str::to_owned);
                Some(Jwk::new(key.clone(), self.algorithm, key_id))
            }
            Material::Secret(_) => None,
        }
    }

    /// The public key as DER `SubjectPublicKeyInfo`; none for a shared secret.
    pub fn to_der(&self) -> Option<Vec<u8>> {
        match &*self.material {
            Material::Public { key, .. } => key.to_spki(self.algorithm).ok(),
            Material::Secret(_) => None,
        }
    }

    /// Whether `signature` is this key's signature of `message`.
    ///
    /// HMACs are compared in constant time by the cryptographic library.
    pub(crate) fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match &*self.material {
            Material::Public { parsed, .. } => parsed.verify_sig(message, signature).is_ok(),
            Material::Secret(key) => hmac::verify(key, message, signature).is_ok(),
        }
    }
}

/// The one algorithm of `algorithms` that fits the key.
pub(crate) fn only_fitting(
    key: &PublicKey,
    algorithms: &[Algorithm],
) -> Result<Algorithm, KeyError> {
    let mut fitting = algorithms
        .iter()
        .copied()
        .filter(|algorithm| key.fits(*algorithm));
    match (fitting.next(), fitting.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(KeyErrorKind::AlgorithmMissing.into()),
    }
}

/// The library's key for a shared secret that is long enough.
pub(crate) fn hmac_key(algorithm: Algorithm, secret: &[u8]) -> Result<hmac::Key, KeyError> {
    let library = hmac_algorithm(algorithm).ok_or(KeyErrorKind::SecretAndPublicMixed)?;
    let start = secret.trim_ascii_start();
    if start.starts_with(b"-----BEGIN") || start.starts_with(b"{\"") {
        return Err(KeyErrorKind::SecretAndPublicMixed.into());
    }
    if secret.len() < library.tag_len() {
        return Err(KeyErrorKind::Weak.into());
    }
    Ok(hmac::Key::new(library, secret))
}

pub(crate) const fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::Hs256 => Some(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Some(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

/// The content of the only block of a PEM text, labelled `PUBLIC KEY`.
fn pem_block(pem: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(pem).ok()?.trim_ascii();
    let body = text
        .strip_prefix("-----BEGIN PUBLIC KEY-----")?
        .strip_suffix("-----END PUBLIC KEY-----")?;
    let base64: String = body.split_ascii_whitespace().collect();
    base64_simd::STANDARD.decode_to_vec(base64).ok()
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey")
            .field("algorithm", &self.algorithm)
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
