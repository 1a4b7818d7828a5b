//! `doorward-jose`, in the caller's memory and with claims of its own.

use std::hint::black_box;

use doorward_jose::{
    jwk_set::KeySet,
    scratch::Scratch,
    time::UnixTime,
    token::{UnverifiedToken, verify_in},
    validation::Validation,
};

use contest::{
    contender::Contender,
    keys::Keys,
    token::{AUDIENCE, AccessToken, ISSUER, TYPE, now},
};

/// The one that the bars are for.
pub(crate) const OURS: &str = "doorward-jose";

pub(crate) fn verifiers(keys: &Keys, token: &str) -> Vec<Contender> {
    let set = KeySet::from_iter([keys.ours.verifying_key()]);
    let validation = Validation::issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([keys.algorithm]);
    // Time is an argument: a service reads its clock as it likes.
    let now = UnixTime::from_secs(now());
    vec![
        borrowed(token.to_owned(), set.clone(), validation.clone(), now),
        kept(token.to_owned(), set.clone(), validation.clone(), now),
        owned(token.to_owned(), set, validation, now),
    ]
}

fn borrowed(token: String, keys: KeySet, validation: Validation, now: UnixTime) -> Contender {
    let mut scratch = Scratch::new();
    Contender::new(OURS, move || {
        let token = verify_in(black_box(&token), &keys, &validation, now, &mut scratch);
        black_box(token.expect("a good token"));
    })
}

fn kept(token: String, keys: KeySet, validation: Validation, now: UnixTime) -> Contender {
    let mut scratch = Scratch::new();
    Contender::new("doorward-jose, copied", move || {
        let token = verify_in(black_box(&token), &keys, &validation, now, &mut scratch)
            .and_then(|token| token.to_owned());
        black_box(token.expect("a good token"));
    })
}

fn owned(token: String, keys: KeySet, validation: Validation, now: UnixTime) -> Contender {
    Contender::new("doorward-jose, owned", move || {
        let token = UnverifiedToken::parse(black_box(&token))
            .and_then(|token| token.verify_with(&keys, &validation, now));
        black_box(token.expect("a good token"));
    })
}

pub(crate) fn signer(keys: &Keys, claims: &AccessToken) -> Contender {
    let (key, claims) = (keys.ours.clone(), claims.clone());
    Contender::new(OURS, move || {
        black_box(key.sign(TYPE, black_box(&claims))).expect("a token");
    })
}
