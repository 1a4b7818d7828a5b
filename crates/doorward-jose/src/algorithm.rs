//! The signature algorithms (RFC 7518 section 3, RFC 8037, RFC 9864).
//!
//! A closed list. `none` is not on it, and neither are the encryption
//! algorithms: a header that names one of them cannot be represented, so it
//! cannot be accepted by mistake.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

macro_rules! algorithms {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $family:expr;)+) => {
        /// A JWS algorithm. A key is bound to exactly one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Algorithm {
            $($(#[$doc])* $variant,)+
        }

        impl Algorithm {
            /// Every algorithm, in the order of this module.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The registered name (`alg`), for example `ES256`.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// The algorithm of exactly this name; names are case-sensitive.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($name => Some(Self::$variant),)+
                    _ => None,
                }
            }

            pub(crate) const fn family(self) -> Family {
                match self { $(Self::$variant => $family,)+ }
            }
        }
    };
}

algorithms! {
    /// ECDSA on P-256 with SHA-256.
    Es256 = "ES256", Family::Ecdsa(Curve::P256);
    /// ECDSA on P-384 with SHA-384.
    Es384 = "ES384", Family::Ecdsa(Curve::P384);
    /// ECDSA on P-521 with SHA-512.
    Es512 = "ES512", Family::Ecdsa(Curve::P521);
    /// Ed25519 under its name of RFC 9864.
    Ed25519 = "Ed25519", Family::Ed25519;
    /// Ed25519 under the older, polymorphic name of RFC 8037. A key under this
    /// name does not accept tokens that say `Ed25519`, nor the reverse.
    EdDsa = "EdDSA", Family::Ed25519;
    /// RSA PKCS #1 v1.5 with SHA-256.
    Rs256 = "RS256", Family::Rsa;
    /// RSA PKCS #1 v1.5 with SHA-384.
    Rs384 = "RS384", Family::Rsa;
    /// RSA PKCS #1 v1.5 with SHA-512.
    Rs512 = "RS512", Family::Rsa;
    /// RSA PSS with SHA-256 and a salt of 32 bytes.
    Ps256 = "PS256", Family::Rsa;
    /// RSA PSS with SHA-384 and a salt of 48 bytes.
    Ps384 = "PS384", Family::Rsa;
    /// RSA PSS with SHA-512 and a salt of 64 bytes.
    Ps512 = "PS512", Family::Rsa;
    /// HMAC with SHA-256: who verifies can also sign.
    Hs256 = "HS256", Family::Hmac;
    /// HMAC with SHA-384: who verifies can also sign.
    Hs384 = "HS384", Family::Hmac;
    /// HMAC with SHA-512: who verifies can also sign.
    Hs512 = "HS512", Family::Hmac;
}

/// What kind of key material an algorithm needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Ecdsa(Curve),
    Ed25519,
    Rsa,
    Hmac,
}

/// The curves of RFC 7518 section 6.2.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    /// Length of one coordinate in bytes.
    pub(crate) const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// The registered name (`crv`).
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521]
            .into_iter()
            .find(|curve| curve.name() == name)
    }
}

impl Algorithm {
    /// Whether one secret both signs and verifies (the HMAC algorithms).
    pub const fn is_symmetric(self) -> bool {
        matches!(self.family(), Family::Hmac)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The name is not that of a supported algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown algorithm; use one such as ES256, Ed25519, RS256 or HS256")]
pub struct ParseAlgorithmError;

impl FromStr for Algorithm {
    type Err = ParseAlgorithmError;

    fn from_str(name: &str) -> Result<Self, ParseAlgorithmError> {
        Self::from_name(name).ok_or(ParseAlgorithmError)
    }
}

impl Serialize for Algorithm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Algorithm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm;

    #[test]
    fn names_round_trip_and_are_exact() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(*algorithm));
        }
        for name in [
            "none", "None", "NONE", "nOnE", "", "es256", "ES256 ", "ES256\0", "RSA-OAEP",
        ] {
            assert_eq!(Algorithm::from_name(name), None, "{name:?} was accepted");
        }
    }
}
