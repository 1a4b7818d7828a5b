//! `josekit`, over the system's OpenSSL: a child of `bench-verify`.

use std::{
    hint::black_box,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use doorward_jose::algorithm::Algorithm;
use josekit::{
    JoseError,
    jws::{
        ES256, ES384, ES512, EdDSA, HS256, HS384, HS512, JwsHeader, JwsSigner, JwsVerifier, PS256,
        PS384, PS512, RS256, RS384, RS512,
    },
    jwt::{self, JwtPayload, JwtPayloadValidator},
};

use contest::{
    contender::Contender,
    keys::Keys,
    peer,
    token::{AUDIENCE, AccessToken, ISSUER, KEY_ID, TYPE},
};

const NAME: &str = "josekit";

fn main() -> std::io::Result<()> {
    peer::serve(verifier, signer)
}

fn verifier(keys: &Keys, token: &str) -> Option<Contender> {
    let verifier = their_verifier(keys)?.expect("our own key");
    let token = token.to_owned();
    let mut validator = JwtPayloadValidator::new();
    validator.set_issuer(ISSUER);
    validator.set_audience(AUDIENCE);
    Some(Contender::new(NAME, move || {
        let (payload, header) =
            jwt::decode_with_verifier(black_box(&token), &*verifier).expect("a good token");
        validator.set_base_time(SystemTime::now());
        validator.validate(&payload).expect("good claims");
        black_box((payload, header));
    }))
}

fn signer(keys: &Keys, claims: &AccessToken) -> Option<Contender> {
    let signer = their_signer(keys)?.expect("our own key");
    let claims = claims.clone();
    Some(Contender::new(NAME, move || {
        let (header, payload) = theirs(black_box(&claims));
        black_box(jwt::encode_with_signer(&payload, &header, &*signer)).expect("a token");
    }))
}

/// The claims of one token in its own type, which is how it takes them.
fn theirs(claims: &AccessToken) -> (JwsHeader, JwtPayload) {
    let mut header = JwsHeader::new();
    header.set_token_type(TYPE);
    header.set_key_id(KEY_ID);
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let mut payload = JwtPayload::new();
    payload.set_issuer(&claims.iss);
    payload.set_subject(&claims.sub);
    payload.set_audience(claims.aud.iter().map(String::as_str).collect());
    payload.set_expires_at(&at(claims.exp));
    payload.set_issued_at(&at(claims.iat));
    payload.set_not_before(&at(claims.nbf));
    payload.set_jwt_id(&claims.jti);
    for (name, value) in [
        ("client_id", claims.client_id.as_str().into()),
        ("scope", claims.scope.as_str().into()),
        ("roles", claims.roles.clone().into()),
        ("permissions", claims.permissions.clone().into()),
        ("tenant", claims.tenant.as_str().into()),
    ] {
        payload.set_claim(name, Some(value)).expect("a free claim");
    }
    (header, payload)
}

fn their_verifier(keys: &Keys) -> Option<Result<Box<dyn JwsVerifier>, JoseError>> {
    macro_rules! boxed {
        ($made:expr) => {
            $made.map(|verifier| Box::new(verifier) as Box<dyn JwsVerifier>)
        };
    }
    let (pem, secret) = (keys.public_pem(), &keys.public);
    Some(match keys.algorithm {
        Algorithm::Hs256 => boxed!(HS256.verifier_from_bytes(secret)),
        Algorithm::Hs384 => boxed!(HS384.verifier_from_bytes(secret)),
        Algorithm::Hs512 => boxed!(HS512.verifier_from_bytes(secret)),
        Algorithm::Rs256 => boxed!(RS256.verifier_from_pem(pem)),
        Algorithm::Rs384 => boxed!(RS384.verifier_from_pem(pem)),
        Algorithm::Rs512 => boxed!(RS512.verifier_from_pem(pem)),
        Algorithm::Ps256 => boxed!(PS256.verifier_from_der(&keys.public)),
        Algorithm::Ps384 => boxed!(PS384.verifier_from_der(&keys.public)),
        Algorithm::Ps512 => boxed!(PS512.verifier_from_der(&keys.public)),
        Algorithm::Es256 => boxed!(ES256.verifier_from_pem(pem)),
        Algorithm::Es384 => boxed!(ES384.verifier_from_pem(pem)),
        Algorithm::Es512 => boxed!(ES512.verifier_from_pem(pem)),
        Algorithm::EdDsa => boxed!(EdDSA.verifier_from_pem(pem)),
        _ => return None,
    })
}

fn their_signer(keys: &Keys) -> Option<Result<Box<dyn JwsSigner>, JoseError>> {
    macro_rules! boxed {
        ($made:expr) => {
            $made.map(|signer| Box::new(signer) as Box<dyn JwsSigner>)
        };
    }
    let (pem, secret) = (keys.private_pem(), &keys.private);
    Some(match keys.algorithm {
        Algorithm::Hs256 => boxed!(HS256.signer_from_bytes(secret)),
        Algorithm::Hs384 => boxed!(HS384.signer_from_bytes(secret)),
        Algorithm::Hs512 => boxed!(HS512.signer_from_bytes(secret)),
        Algorithm::Rs256 => boxed!(RS256.signer_from_pem(pem)),
        Algorithm::Rs384 => boxed!(RS384.signer_from_pem(pem)),
        Algorithm::Rs512 => boxed!(RS512.signer_from_pem(pem)),
        Algorithm::Ps256 => boxed!(PS256.signer_from_der(&keys.private)),
        Algorithm::Ps384 => boxed!(PS384.signer_from_der(&keys.private)),
        Algorithm::Ps512 => boxed!(PS512.signer_from_der(&keys.private)),
        Algorithm::Es256 => boxed!(ES256.signer_from_pem(pem)),
        Algorithm::Es384 => boxed!(ES384.signer_from_pem(pem)),
        Algorithm::Es512 => boxed!(ES512.signer_from_pem(pem)),
        Algorithm::EdDsa => boxed!(EdDSA.signer_from_pem(pem)),
        _ => return None,
    })
}
