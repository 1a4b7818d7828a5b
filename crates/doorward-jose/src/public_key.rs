//! Public key material, checked once when it is read.
//!
//! Whatever form a key comes in (JWK, DER, PEM, or the public half of a private
//! key), it becomes this one value, and every check happens on the way: exact
//! coordinate lengths, points on their curve (RFC 7518 section 6.2), sizes and
//! known weaknesses ([`weakness`]). The algorithm is not known here; see
//! [`PublicKey::fits`].

mod der;
mod weakness;

use aws_lc_rs::{
    encoding::{AsDer, PublicKeyX509Der},
    rsa,
    signature::{
        self, EcdsaVerificationAlgorithm, ParsedPublicKey, RsaParameters, RsaPublicKeyComponents,
    },
};

use crate::{
    algorithm::{Algorithm, Curve, Family},
    error::{KeyError, KeyErrorKind},
};

/// The numbers of a public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// The uncompressed point of SEC 1: a 4, then both coordinates.
    Ec { curve: Curve, point: Vec<u8> },
    /// The compressed point of RFC 8032.
    Ed25519([u8; 32]),
    /// Both numbers big-endian, without leading zeros.
    Rsa { modulus: Vec<u8>, exponent: Vec<u8> },
}

impl PublicKey {
    /// From both coordinates, each of the curve's exact length.
    pub(crate) fn from_coordinates(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, KeyError> {
        // The length of both together is compared with the point's.
        if x.len() != curve.coordinate_len() {
            return Err(KeyErrorKind::Malformed.into());
        }
        Self::from_point(curve, &[&[4], x, y].concat())
    }

    /// From an uncompressed point.
    pub(crate) fn from_point(curve: Curve, point: &[u8]) -> Result<Self, KeyError> {
        if point.len() != 1 + 2 * curve.coordinate_len() || point[0] != 4 {
            return Err(KeyErrorKind::Malformed.into());
        }
        ParsedPublicKey::new(ecdsa(curve), point).map_err(|_| KeyErrorKind::NotOnCurve)?;
        Ok(Self::Ec {
            curve,
            point: point.to_vec(),
        })
    }

    /// From the 32 bytes of an Ed25519 key.
    pub(crate) fn from_ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes.try_into().map_err(|_| KeyErrorKind::Malformed)?;
        weakness::refuse_weak_ed25519(&bytes)?;
        Ok(Self::Ed25519(bytes))
    }

    /// From modulus and public exponent.
    pub(crate) fn from_rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        if modulus.first().is_none_or(|byte| *byte == 0)
            || exponent.first().is_none_or(|byte| *byte == 0)
        {
            return Err(KeyErrorKind::Malformed.into());
        }
        weakness::refuse_weak_rsa(modulus, exponent)?;
        Ok(Self::Rsa {
            modulus: modulus.to_vec(),
            exponent: exponent.to_vec(),
        })
    }

    /// From a DER `RSAPublicKey` (RFC 8017 appendix A.1.1).
    pub(crate) fn from_pkcs1(bytes: &[u8]) -> Result<Self, KeyError> {
        let (modulus, exponent) = der::rsa_public_key(bytes).ok_or(KeyErrorKind::Malformed)?;
        Self::from_rsa(modulus, exponent)
    }

    /// From a DER `SubjectPublicKeyInfo` (RFC 5280 section 4.1), in its one
    /// canonical form and of the kind that `algorithm` needs.
    pub(crate) fn from_spki(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        let key = match algorithm.family() {
            Family::Ecdsa(curve) => {
                let key = ParsedPublicKey::new(ecdsa(curve), bytes);
                let key = key.map_err(|_| KeyErrorKind::Malformed)?;
                let canonical = spki_of(&key)?;
                Self::from_point(curve, tail(&canonical, 1 + 2 * curve.coordinate_len())?)?
            }
            Family::Ed25519 => {
                let key = ParsedPublicKey::new(&signature::ED25519, bytes);
                let key = key.map_err(|_| KeyErrorKind::Malformed)?;
                Self::from_ed25519(tail(&spki_of(&key)?, 32)?)?
            }
            Family::Rsa => {
                let key = rsa::PublicKey::from_der(bytes).map_err(|_| KeyErrorKind::Malformed)?;
                Self::from_pkcs1(key.as_ref())?
            }
            Family::Hmac => return Err(KeyErrorKind::SecretAndPublicMixed.into()),
        };
        // The library also reads bare points and PKCS #1; this says which of
        // the forms it was, and that nothing followed it.
        if key.to_spki(algorithm)? != bytes {
            return Err(KeyErrorKind::Malformed.into());
        }
        Ok(key)
    }

    /// The DER `SubjectPublicKeyInfo`.
    pub(crate) fn to_spki(&self, algorithm: Algorithm) -> Result<Vec<u8>, KeyError> {
        spki_of(&self.parsed(algorithm)?)
    }

    /// Whether `algorithm` works with this kind of key, and on its curve.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        match (self, algorithm.family()) {
            (Self::Ec { curve, .. }, Family::Ecdsa(wanted)) => *curve == wanted,
            (Self::Ed25519(_), Family::Ed25519) | (Self::Rsa { .. }, Family::Rsa) => true,
            _ => false,
        }
    }

    /// The cryptographic library's form, bound to `algorithm` for life.
    pub(crate) fn parsed(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        if !self.fits(algorithm) {
            return Err(KeyErrorKind::AlgorithmMismatch.into());
        }
        let parsed = match self {
            Self::Ec { curve, point } => ParsedPublicKey::new(ecdsa(*curve), point),
            Self::Ed25519(bytes) => ParsedPublicKey::new(&signature::ED25519, bytes),
            Self::Rsa { modulus, exponent } => {
                let parameters =
                    rsa_parameters(algorithm).ok_or(KeyErrorKind::AlgorithmMismatch)?;
                RsaPublicKeyComponents {
                    n: modulus,
                    e: exponent,
                }
                .to_parsed_public_key(parameters)
            }
        };
        parsed.map_err(|_| KeyErrorKind::Malformed.into())
    }
}

fn spki_of(key: &ParsedPublicKey) -> Result<Vec<u8>, KeyError> {
    let der: PublicKeyX509Der<'_> = key.as_der().map_err(|_| KeyErrorKind::Crypto)?;
    Ok(der.as_ref().to_vec())
}

fn tail(bytes: &[u8], length: usize) -> Result<&[u8], KeyError> {
    let start = bytes
        .len()
        .checked_sub(length)
        .ok_or(KeyErrorKind::Malformed)?;
    Ok(&bytes[start..])
}

/// Fixed-length `r || s` only: a DER signature is another spelling of the same
/// value and is refused (RFC 7518 section 3.4).
fn ecdsa(curve: Curve) -> &'static EcdsaVerificationAlgorithm {
    match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED,
    }
}

/// With PSS the salt is as long as the hash (RFC 7518 section 3.5).
fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::PublicKey;
    use crate::{algorithm::Curve, error::KeyErrorKind, harness::ES256};

    /// SEC 1, 2.3.3 knows three spellings of a point; a JWK has one.
    #[test]
    fn key_005_only_the_uncompressed_spelling_of_a_point_is_read() {
        let der = ES256.verifying_key().to_der().expect("a public key");
        let point = &der[der.len() - 65..];
        let read = |point: &[u8]| PublicKey::from_point(Curve::P256, point);
        assert!(read(point).is_ok());
        for form in [0, 2, 3, 5, 6, 7] {
            let mut other = point.to_vec();
            other[0] = form;
            for spelling in [&other[..], &other[..33], &point[..64], &point[..33]] {
                let refused = read(spelling).map_err(|error| error.kind());
                assert_eq!(refused, Err(KeyErrorKind::Malformed), "{form}");
            }
        }
    }
}
