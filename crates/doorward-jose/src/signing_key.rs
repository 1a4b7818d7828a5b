//! Keys that sign.
//!
//! Bound to one algorithm like their verifying halves. Nothing here prints,
//! serialises or compares secret bytes; the only ways out are
//! [`SigningKey::to_pkcs8`] and [`SigningKey::secret`], which wipe their copy.

use std::{fmt, sync::Arc};

use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der},
    error::Unspecified,
    hmac,
    rand::{SecureRandom, SystemRandom},
    rsa,
    signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, RsaEncoding},
};
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    algorithm::{Algorithm, Curve, Family},
    base64url,
    error::{KeyError, KeyErrorKind, SignError},
    header::{EncodedHeader, is_key_id},
    jwk::thumbprint,
    jws::MAX_SIGNATURE_BYTES,
    public_key::PublicKey,
    verifying_key::{VerifyingKey, hmac_key},
};

/// Room for the claims of most tokens; more is grown into.
const USUAL_CLAIMS_BYTES: usize = 512;

/// Room for the header of most tokens and for the dots.
const USUAL_HEADER_BYTES: usize = 128;

/// A private key or shared secret, bound to exactly one algorithm. Cheap to
/// clone; parsed once.
#[derive(Clone)]
pub struct SigningKey {
    key_id: Arc<str>,
    header: EncodedHeader,
    verifying_key: VerifyingKey,
    material: Arc<Material>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "there is one per key, behind an `Arc`"
)]
enum Material {
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(rsa::KeyPair, &'static dyn RsaEncoding),
    Hmac {
        key: hmac::Key,
        secret: Zeroizing<Vec<u8>>,
    },
}

impl SigningKey {
    /// Makes a new key with the cryptographic library's own generator: RSA
    /// with 3072 bits, shared secrets as long as the hash.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::Crypto`] if the library fails.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        let crypto = |_| KeyError::from(KeyErrorKind::Crypto);
        let material = match algorithm.family() {
            Family::Ecdsa(curve) => {
                Material::Ecdsa(EcdsaKeyPair::generate(ecdsa_signing(curve)).map_err(crypto)?)
            }
            Family::Ed25519 => Material::Ed25519(Ed25519KeyPair::generate().map_err(crypto)?),
            Family::Rsa => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa3072).map_err(crypto)?;
                Material::Rsa(pair, rsa_encoding(algorithm)?)
            }
            Family::Hmac => {
                let mut secret = Zeroizing::new(vec![0; hash_len(algorithm)]);
                SystemRandom::new().fill(&mut secret).map_err(crypto)?;
                return Self::hmac(algorithm, &secret);
            }
        };
        Self::asymmetric(algorithm, material)
    }

    /// From the PKCS #8 form of a private key (RFC 5958).
    ///
    /// # Errors
    ///
    /// [`KeyError`] if it is no such key, of another kind than `algorithm`
    /// needs, or weak; [`KeyErrorKind::SecretAndPublicMixed`] for HMAC.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, KeyError> {
        let malformed = |_| KeyError::from(KeyErrorKind::Malformed);
        let material = match algorithm.family() {
            Family::Ecdsa(curve) => {
                let pair = EcdsaKeyPair::from_pkcs8(ecdsa_signing(curve), pkcs8);
                Material::Ecdsa(pair.map_err(malformed)?)
            }
            Family::Ed25519 => {
                Material::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8).map_err(malformed)?)
            }
            Family::Rsa => {
                let pair = rsa::KeyPair::from_pkcs8(pkcs8).map_err(malformed)?;
                Material::Rsa(pair, rsa_encoding(algorithm)?)
            }
            Family::Hmac => return Err(KeyErrorKind::SecretAndPublicMixed.into()),
        };
        Self::asymmetric(algorithm, material)
    }

    /// From a shared secret at least as long as the hash (32, 48 or 64 bytes).
    ///
    /// # Errors
    ///
    /// As [`VerifyingKey::hmac`].
    pub fn hmac(algorithm: Algorithm, secret: &[u8]) -> Result<Self, KeyError> {
        let key = hmac_key(algorithm, secret)?;
        let key_id = secret_thumbprint(secret);
        let verifying_key = VerifyingKey::hmac(algorithm, secret)?.with_key_id(&key_id)?;
        let secret = Zeroizing::new(secret.to_vec());
        let material = Arc::new(Material::Hmac { key, secret });
        Ok(Self {
            key_id: key_id.into(),
            header: EncodedHeader::default(),
            verifying_key,
            material,
        })
    }

    fn asymmetric(algorithm: Algorithm, material: Material) -> Result<Self, KeyError> {
        let public = match (&material, algorithm.family()) {
            (Material::Ecdsa(pair), Family::Ecdsa(curve)) => {
                PublicKey::from_point(curve, pair.public_key().as_ref())?
            }
            (Material::Ed25519(pair), _) => PublicKey::from_ed25519(pair.public_key().as_ref())?,
            (Material::Rsa(pair, _), _) => PublicKey::from_pkcs1(pair.public_key().as_ref())?,
            _ => return Err(KeyErrorKind::AlgorithmMismatch.into()),
        };
        let key_id: Arc<str> = thumbprint(&public).into();
        let verifying_key = VerifyingKey::public(algorithm, public, Arc::clone(&key_id))?;
        Ok(Self {
            key_id,
            header: EncodedHeader::default(),
            verifying_key,
            material: Arc::new(material),
        })
    }

    /// The PKCS #8 form of the private key, wiped when dropped.
    ///
    /// # Errors
    ///
    /// [`KeyErrorKind::SecretAndPublicMixed`] for a shared secret, which has
    /// no such form; see [`Self::secret`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let written = match &*self.material {
            Material::Ecdsa(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Material::Ed25519(pair) => pair.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Material::Rsa(pair, _) => {
                AsDer::<Pkcs8V1Der<'_>>::as_der(pair).map(|der| der.as_ref().to_vec())
            }
            Material::Hmac { .. } => return Err(KeyErrorKind::SecretAndPublicMixed.into()),
        };
        written
            .map(Zeroizing::new)
            .map_err(|_| KeyErrorKind::Crypto.into())
    }

    /// The shared secret of an HMAC key, wiped when dropped.
    pub fn secret(&self) -> Option<Zeroizing<Vec<u8>>> {
        match &*self.material {
            Material::Hmac { secret, .. } => Some(secret.clone()),
            _ => None,
        }
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
        self.verifying_key = self.verifying_key.with_key_id(&key_id)?;
        self.key_id = key_id.into();
        self.header = EncodedHeader::default();
        Ok(self)
    }

    /// The id that its tokens carry (`kid`): the RFC 7638 thumbprint unless
    /// set.
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Its one algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.verifying_key.algorithm()
    }

    /// The key that checks its signatures, under the same id.
    pub fn verifying_key(&self) -> VerifyingKey {
        self.verifying_key.clone()
    }

    /// Signs `claims` as a compact token of type `token_type`, for example
    /// `at+jwt` (RFC 9068 section 2.1).
    ///
    /// # Errors
    ///
    /// [`SignError`] if the claims are not a JSON object, or the type is not a
    /// media type.
    pub fn sign(&self, token_type: &str, claims: &impl Serialize) -> Result<String, SignError> {
        let mut token = self.signing_input(token_type, claims)?;
        self.append_signature(&mut token)?;
        Ok(token)
    }

    /// How many bytes [`Self::sign`] would make of these claims, without the
    /// work of signing them.
    ///
    /// # Errors
    ///
    /// As [`Self::sign`].
    pub fn signed_len(
        &self,
        token_type: &str,
        claims: &impl Serialize,
    ) -> Result<usize, SignError> {
        let input = self.signing_input(token_type, claims)?;
        let signature = match &*self.material {
            Material::Ecdsa(_) | Material::Ed25519(_) => match self.algorithm().family() {
                Family::Ecdsa(Curve::P384) => 96,
                Family::Ecdsa(Curve::P521) => 132,
                _ => 64,
            },
            Material::Rsa(pair, _) => pair.public_modulus_len(),
            Material::Hmac { .. } => hash_len(self.algorithm()),
        };
        Ok(input.len() + 1 + (signature * 4).div_ceil(3))
    }

    /// Header and claims, with the dot between them.
    fn signing_input(
        &self,
        token_type: &str,
        claims: &impl Serialize,
    ) -> Result<String, SignError> {
        let mut payload = Vec::with_capacity(USUAL_CLAIMS_BYTES);
        serde_json::to_writer(&mut payload, claims).map_err(|_| SignError::Unserializable)?;
        if payload.first() != Some(&b'{') {
            return Err(SignError::Unserializable);
        }
        let room = payload.len() + self.signature_len() + USUAL_HEADER_BYTES;
        let mut token = String::with_capacity(room.div_ceil(3) * 4);
        self.header
            .append(self.algorithm(), token_type, &self.key_id, &mut token)?;
        token.push('.');
        base64url::encode_into(&payload, &mut token);
        Ok(token)
    }

    fn append_signature(&self, token: &mut String) -> Result<(), SignError> {
        let mut room = [0; MAX_SIGNATURE_BYTES];
        let signature = self.sign_into(token.as_bytes(), &mut room)?;
        token.push('.');
        base64url::encode_into(signature, token);
        Ok(())
    }

    const fn signature_len(&self) -> usize {
        match self.algorithm().family() {
            Family::Rsa => 512,
            _ => 132,
        }
    }

    #[cfg(any(feature = "dangerous", test))]
    pub(crate) fn sign_bytes(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let mut room = [0; MAX_SIGNATURE_BYTES];
        self.sign_into(message, &mut room).map(<[u8]>::to_vec)
    }

    /// Writes the signature into `room` and returns the part that it takes.
    fn sign_into<'r>(
        &self,
        message: &[u8],
        room: &'r mut [u8; MAX_SIGNATURE_BYTES],
    ) -> Result<&'r [u8], SignError> {
        let random = SystemRandom::new();
        let made: &dyn AsRef<[u8]> = match &*self.material {
            Material::Ecdsa(pair) => &pair.sign(&random, message).map_err(crypto)?,
            Material::Ed25519(pair) => &pair.try_sign(message).map_err(crypto)?,
            Material::Hmac { key, .. } => &hmac::sign(key, message),
            Material::Rsa(pair, encoding) => {
                let place = room
                    .get_mut(..pair.public_modulus_len())
                    .ok_or(SignError::Crypto)?;
                pair.sign(*encoding, &random, message, place)
                    .map_err(crypto)?;
                return Ok(place);
            }
        };
        let made = made.as_ref();
        let place = room.get_mut(..made.len()).ok_or(SignError::Crypto)?;
        place.copy_from_slice(made);
        Ok(place)
    }
}

fn crypto(_: Unspecified) -> SignError {
    SignError::Crypto
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("algorithm", &self.algorithm())
            .field("key_id", &self.key_id)
            .finish_non_exhaustive()
    }
}

/// RFC 7638 over the members of an `oct` key. The hash of a secret tells no
/// more than any token signed with it.
fn secret_thumbprint(secret: &[u8]) -> String {
    let encoded = Zeroizing::new(base64url::encode(secret));
    let canonical = Zeroizing::new(format!(r#"{{"k":"{}","kty":"oct"}}"#, &*encoded));
    base64url::encode(digest::digest(&digest::SHA256, canonical.as_bytes()))
}

fn hash_len(algorithm: Algorithm) -> usize {
    crate::verifying_key::hmac_algorithm(algorithm).map_or(0, |library| library.tag_len())
}

fn ecdsa_signing(curve: Curve) -> &'static EcdsaSigningAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Result<&'static dyn RsaEncoding, KeyError> {
    Ok(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => return Err(KeyErrorKind::AlgorithmMismatch.into()),
    })
}

#[cfg(test)]
mod tests;
