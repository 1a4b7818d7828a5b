//! The floor: the call of the cryptographic library that ours makes.

use std::hint::black_box;

use aws_lc_rs::{
    hmac,
    rand::SystemRandom,
    rsa,
    signature::{self, EcdsaKeyPair, Ed25519KeyPair, ParsedPublicKey, RsaEncoding},
};
use doorward_jose::{algorithm::Algorithm, base64url};

use contest::{
    contender::Contender,
    keys::Keys,
    token::{AccessToken, TYPE},
};

/// The floor, which comes first.
pub(crate) const RAW: &str = "raw aws-lc-rs";

pub(crate) fn verifier(keys: &Keys, token: &str) -> Contender {
    let (input, signature) = token.rsplit_once('.').expect("three parts");
    let input = input.as_bytes().to_vec();
    let signature = base64url::decode(signature).expect("our own signature");
    if let Some(algorithm) = hmac_algorithm(keys.algorithm) {
        let key = hmac::Key::new(algorithm, &keys.public);
        return Contender::new(RAW, move || {
            hmac::verify(&key, black_box(&input), black_box(&signature)).expect("a good tag");
        });
    }
    let key = ParsedPublicKey::new(verification(keys.algorithm), &keys.public);
    let key = key.expect("our own key");
    Contender::new(RAW, move || {
        let good = key.verify_sig(black_box(&input), black_box(&signature));
        good.expect("a good signature");
    })
}

pub(crate) fn signer(keys: &Keys, claims: &AccessToken) -> Contender {
    let token = keys.ours.sign(TYPE, claims).expect("a token");
    let (input, _) = token.rsplit_once('.').expect("three parts");
    let input = input.as_bytes().to_vec();
    let random = SystemRandom::new();
    if let Some(algorithm) = hmac_algorithm(keys.algorithm) {
        let key = hmac::Key::new(algorithm, &keys.private);
        return Contender::new(RAW, move || {
            black_box(hmac::sign(&key, black_box(&input)));
        });
    }
    if let Some(encoding) = rsa_encoding(keys.algorithm) {
        let pair = rsa::KeyPair::from_pkcs8(&keys.private).expect("our own key");
        let mut signature = vec![0; pair.public_modulus_len()];
        return Contender::new(RAW, move || {
            let signed = pair.sign(encoding, &random, black_box(&input), &mut signature);
            signed.expect("a signature");
        });
    }
    let curve = match keys.algorithm {
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED_SIGNING,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED_SIGNING,
        Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED_SIGNING,
        _ => {
            let pair = Ed25519KeyPair::from_pkcs8(&keys.private).expect("our own key");
            return Contender::new(RAW, move || {
                black_box(pair.try_sign(black_box(&input))).expect("a signature");
            });
        }
    };
    let pair = EcdsaKeyPair::from_pkcs8(curve, &keys.private).expect("our own key");
    Contender::new(RAW, move || {
        black_box(pair.sign(&random, black_box(&input))).expect("a signature");
    })
}

fn hmac_algorithm(algorithm: Algorithm) -> Option<hmac::Algorithm> {
    match algorithm {
        Algorithm::Hs256 => Some(hmac::HMAC_SHA256),
        Algorithm::Hs384 => Some(hmac::HMAC_SHA384),
        Algorithm::Hs512 => Some(hmac::HMAC_SHA512),
        _ => None,
    }
}

fn rsa_encoding(algorithm: Algorithm) -> Option<&'static dyn RsaEncoding> {
    Some(match algorithm {
        Algorithm::Rs256 => &signature::RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_SHA512,
        _ => return None,
    })
}

fn verification(algorithm: Algorithm) -> &'static dyn signature::VerificationAlgorithm {
    match algorithm {
        Algorithm::Es256 => &signature::ECDSA_P256_SHA256_FIXED,
        Algorithm::Es384 => &signature::ECDSA_P384_SHA384_FIXED,
        Algorithm::Es512 => &signature::ECDSA_P521_SHA512_FIXED,
        Algorithm::Rs256 => &signature::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &signature::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &signature::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &signature::RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &signature::RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &signature::RSA_PSS_2048_8192_SHA512,
        _ => &signature::ED25519,
    }
}
