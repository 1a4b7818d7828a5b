//! One key per algorithm, in every form that somebody asks for.

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rsa,
};
use doorward_jose::{algorithm::Algorithm, signing_key::SigningKey};

use crate::token::KEY_ID;

/// A key pair or shared secret.
pub struct Keys {
    /// What it is for.
    pub algorithm: Algorithm,
    /// As ours.
    pub ours: SigningKey,
    /// PKCS #8, or the shared secret.
    pub private: Vec<u8>,
    /// SubjectPublicKeyInfo, or the shared secret.
    pub public: Vec<u8>,
}

impl Keys {
    /// RSA has 2048 bits, as in most deployments.
    pub fn generate(algorithm: Algorithm) -> Self {
        let ours = match algorithm.name().as_bytes() {
            [b'R' | b'P', ..] => {
                let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).expect("an RSA key");
                let der = AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).expect("its PKCS #8 form");
                SigningKey::from_pkcs8(algorithm, der.as_ref())
            }
            _ => SigningKey::generate(algorithm),
        };
        let ours = ours.and_then(|key| key.with_key_id(KEY_ID)).expect("a key");
        let secret = || ours.secret().expect("a shared secret").to_vec();
        let private = ours
            .to_pkcs8()
            .map_or_else(|_| secret(), |der| der.to_vec());
        let public = ours.verifying_key().to_der().unwrap_or_else(secret);
        Self {
            algorithm,
            ours,
            private,
            public,
        }
    }

    /// A key that was made in another process.
    pub fn from_parts(algorithm: Algorithm, private: Vec<u8>, public: Vec<u8>) -> Self {
        let ours = match algorithm.is_symmetric() {
            true => SigningKey::hmac(algorithm, &private),
            false => SigningKey::from_pkcs8(algorithm, &private),
        };
        Self {
            algorithm,
            ours: ours.and_then(|key| key.with_key_id(KEY_ID)).expect("a key"),
            private,
            public,
        }
    }

    /// For those who want text.
    pub fn private_pem(&self) -> String {
        pem("PRIVATE KEY", &self.private)
    }

    /// For those who want text.
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public)
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<_> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line))
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}
