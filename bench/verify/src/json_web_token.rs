//! `jsonwebtoken` with both of its backends. The crate knows one per process,
//! so the one that is installed here asks a switch.

use std::{
    hint::black_box,
    sync::{
        Once,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use doorward_jose::algorithm::Algorithm;
use jsonwebtoken::{
    Algorithm as Theirs, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, aws_lc, rust_crypto},
    decode, encode,
};

use contest::{
    contender::Contender,
    keys::Keys,
    token::{AUDIENCE, AccessToken, ISSUER, KEY_ID, TYPE},
};

const BACKENDS: [(&str, bool); 2] = [
    ("jsonwebtoken, aws_lc_rs", false),
    ("jsonwebtoken, rust_crypto", true),
];

static IS_RUST_CRYPTO: AtomicBool = AtomicBool::new(false);

fn backend() -> &'static CryptoProvider {
    match IS_RUST_CRYPTO.load(Relaxed) {
        true => &rust_crypto::DEFAULT_PROVIDER,
        false => &aws_lc::DEFAULT_PROVIDER,
    }
}

static SWITCH: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| (backend().signer_factory)(algorithm, key),
    verifier_factory: |algorithm, key| (backend().verifier_factory)(algorithm, key),
    key_utils: jsonwebtoken::crypto::KeyUtils::new_unimplemented(),
};

fn install() {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| SWITCH.install_default().expect("nobody else installs one"));
}

pub(crate) fn verifiers(keys: &Keys, token: &str) -> Vec<Contender> {
    install();
    let Some(algorithm) = theirs(keys.algorithm) else {
        return Vec::new();
    };
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[ISSUER]);
    validation.validate_nbf = true;
    BACKENDS
        .map(|(name, is_rust_crypto)| {
            let (key, token) = (decoding_key(keys), token.to_owned());
            let validation = validation.clone();
            Contender::new(name, move || {
                IS_RUST_CRYPTO.store(is_rust_crypto, Relaxed);
                let token = decode::<AccessToken>(black_box(&token), &key, &validation);
                black_box(token.expect("a good token"));
            })
        })
        .into()
}

pub(crate) fn signers(keys: &Keys, claims: &AccessToken) -> Vec<Contender> {
    install();
    let Some(algorithm) = theirs(keys.algorithm) else {
        return Vec::new();
    };
    let mut header = Header::new(algorithm);
    header.typ = Some(TYPE.to_owned());
    header.kid = Some(KEY_ID.to_owned());
    BACKENDS
        .map(|(name, is_rust_crypto)| {
            let (key, claims, header) = (encoding_key(keys), claims.clone(), header.clone());
            Contender::new(name, move || {
                IS_RUST_CRYPTO.store(is_rust_crypto, Relaxed);
                black_box(encode(&header, black_box(&claims), &key)).expect("a token");
            })
        })
        .into()
}

fn theirs(algorithm: Algorithm) -> Option<Theirs> {
    algorithm.name().parse().ok()
}

fn decoding_key(keys: &Keys) -> DecodingKey {
    let pem = keys.public_pem();
    let key = match keys.algorithm.name().as_bytes() {
        [b'H', ..] => return DecodingKey::from_secret(&keys.public),
        [b'R' | b'P', ..] => DecodingKey::from_rsa_pem(pem.as_bytes()),
        [b'E', b'S', ..] => DecodingKey::from_ec_pem(pem.as_bytes()),
        _ => DecodingKey::from_ed_pem(pem.as_bytes()),
    };
    key.expect("our own key")
}

fn encoding_key(keys: &Keys) -> EncodingKey {
    let pem = keys.private_pem();
    let key = match keys.algorithm.name().as_bytes() {
        [b'H', ..] => return EncodingKey::from_secret(&keys.private),
        [b'R' | b'P', ..] => EncodingKey::from_rsa_pem(pem.as_bytes()),
        [b'E', b'S', ..] => EncodingKey::from_ec_pem(pem.as_bytes()),
        _ => EncodingKey::from_ed_pem(pem.as_bytes()),
    };
    key.expect("our own key")
}
