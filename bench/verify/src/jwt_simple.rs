//! `jwt-simple`: one type per algorithm. Its options and claims are taken by
//! value, so a caller copies them; that is part of what it costs.

use std::{collections::HashSet, hint::black_box};

use doorward_jose::algorithm::Algorithm;
use jwt_simple::prelude::{
    Audiences, Claims, Duration, ECDSAP256KeyPairLike, ECDSAP256PublicKeyLike,
    ECDSAP384KeyPairLike, ECDSAP384PublicKeyLike, ES256KeyPair, ES256PublicKey, ES384KeyPair,
    ES384PublicKey, Ed25519KeyPair, Ed25519PublicKey, EdDSAKeyPairLike, EdDSAPublicKeyLike,
    HS256Key, HS384Key, HS512Key, JWTClaims, MACLike, PS256KeyPair, PS256PublicKey, PS384KeyPair,
    PS384PublicKey, PS512KeyPair, PS512PublicKey, RS256KeyPair, RS256PublicKey, RS384KeyPair,
    RS384PublicKey, RS512KeyPair, RS512PublicKey, RSAKeyPairLike, RSAPublicKeyLike,
    VerificationOptions,
};

use contest::{
    contender::Contender,
    keys::Keys,
    token::{AUDIENCE, AccessToken, ISSUER, KEY_ID, Private},
};

const NAME: &str = "jwt-simple";

pub(crate) fn verifier(keys: &Keys, token: &str) -> Option<Contender> {
    let token = token.to_owned();
    let options = VerificationOptions {
        allowed_issuers: Some(HashSet::from([ISSUER.to_owned()])),
        allowed_audiences: Some(HashSet::from([AUDIENCE.to_owned()])),
        ..VerificationOptions::default()
    };
    macro_rules! verifies {
        ($key:expr) => {{
            let key = $key;
            Some(Contender::new(NAME, move || {
                let options = Some(options.clone());
                let token = key.verify_token::<Private>(black_box(&token), options);
                black_box(token.expect("a good token"));
            }))
        }};
    }
    let pem = keys.public_pem();
    match keys.algorithm {
        Algorithm::Hs256 => verifies!(HS256Key::from_bytes(&keys.public)),
        Algorithm::Hs384 => verifies!(HS384Key::from_bytes(&keys.public)),
        Algorithm::Hs512 => verifies!(HS512Key::from_bytes(&keys.public)),
        Algorithm::Rs256 => verifies!(RS256PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::Rs384 => verifies!(RS384PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::Rs512 => verifies!(RS512PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::Ps256 => verifies!(PS256PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::Ps384 => verifies!(PS384PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::Ps512 => verifies!(PS512PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::Es256 => verifies!(ES256PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::Es384 => verifies!(ES384PublicKey::from_pem(&pem).expect("our own key")),
        Algorithm::EdDsa => verifies!(Ed25519PublicKey::from_pem(&pem).expect("our own key")),
        _ => None,
    }
}

pub(crate) fn signer(keys: &Keys, claims: &AccessToken) -> Option<Contender> {
    let claims = theirs(claims);
    macro_rules! signs {
        ($key:expr) => {{
            let key = $key.with_key_id(KEY_ID);
            Some(Contender::new(NAME, move || {
                black_box(key.sign(black_box(claims.clone()))).expect("a token");
            }))
        }};
    }
    macro_rules! authenticates {
        ($key:expr) => {{
            let key = $key.with_key_id(KEY_ID);
            Some(Contender::new(NAME, move || {
                black_box(key.authenticate(black_box(claims.clone()))).expect("a token");
            }))
        }};
    }
    let pem = keys.private_pem();
    match keys.algorithm {
        Algorithm::Hs256 => authenticates!(HS256Key::from_bytes(&keys.private)),
        Algorithm::Hs384 => authenticates!(HS384Key::from_bytes(&keys.private)),
        Algorithm::Hs512 => authenticates!(HS512Key::from_bytes(&keys.private)),
        Algorithm::Rs256 => signs!(RS256KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::Rs384 => signs!(RS384KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::Rs512 => signs!(RS512KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::Ps256 => signs!(PS256KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::Ps384 => signs!(PS384KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::Ps512 => signs!(PS512KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::Es256 => signs!(ES256KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::Es384 => signs!(ES384KeyPair::from_pem(&pem).expect("our own key")),
        Algorithm::EdDsa => {
            signs!(Ed25519KeyPair::from_der(&keys.private).expect("our own key"))
        }
        _ => None,
    }
}

fn theirs(claims: &AccessToken) -> JWTClaims<Private> {
    let mut theirs = Claims::with_custom_claims(claims.private(), Duration::from_secs(3600))
        .with_issuer(&claims.iss)
        .with_subject(&claims.sub)
        .with_jwt_id(&claims.jti);
    theirs.audiences = Some(Audiences::AsSet(claims.aud.iter().cloned().collect()));
    theirs
}
