//! What the tests of this crate share: one issuer, one audience, one moment.

use std::{cell::RefCell, sync::LazyLock};

use serde_json::{Value, json};

use crate::{
    algorithm::Algorithm,
    base64url,
    error::{TokenError, TokenErrorKind},
    jwk_set::KeySet,
    scratch::Scratch,
    signing_key::SigningKey,
    time::UnixTime,
    token::{UnverifiedToken, VerifiedToken, verify_in},
    validation::Validation,
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// One key pair for all tests that do not need a second one.
pub(crate) static ES256: LazyLock<SigningKey> = LazyLock::new(|| key(Algorithm::Es256));

/// Made once: a pair takes the better part of a second.
static RSA: LazyLock<Vec<u8>> = LazyLock::new(|| {
    key(Algorithm::Rs256)
        .to_pkcs8()
        .expect("an RSA key")
        .to_vec()
});

pub(crate) fn key(algorithm: Algorithm) -> SigningKey {
    SigningKey::generate(algorithm).expect("the library makes keys")
}

/// The same RSA key pair under any RSA algorithm.
pub(crate) fn rsa_key(algorithm: Algorithm) -> SigningKey {
    SigningKey::from_pkcs8(algorithm, &RSA).expect("an RSA algorithm")
}

pub(crate) fn validation(algorithm: Algorithm) -> Validation {
    Validation::issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([algorithm])
}

/// Good claims, to be spoiled.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "user-1",
        "aud": AUDIENCE,
        "exp": NOW.as_secs() + 300,
        "iat": NOW.as_secs(),
        "jti": "token-1",
        "client_id": "cli",
    })
}

/// Good claims with one of them replaced, or removed if the text is empty;
/// the text is JSON, spelled as given.
pub(crate) fn claims_with(name: &str, value: &str) -> String {
    let mut good = claims();
    good.as_object_mut().expect("an object").remove(name);
    let text = good.to_string();
    match value {
        "" => text,
        _ => format!(r#"{},"{name}":{value}}}"#, &text[..text.len() - 1]),
    }
}

/// A good header of the key.
pub(crate) fn header(key: &SigningKey) -> Value {
    json!({ "alg": key.algorithm(), "typ": "at+jwt", "kid": key.key_id() })
}

/// A properly signed token of exactly these texts.
pub(crate) fn compact(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!(
        "{}.{}",
        base64url::encode(header),
        base64url::encode(payload)
    );
    let signature = key.sign_bytes(input.as_bytes()).expect("the library signs");
    format!("{input}.{}", base64url::encode(signature))
}

/// A good token of the key.
pub(crate) fn good(key: &SigningKey) -> String {
    compact(key, &header(key).to_string(), &claims().to_string())
}

/// Why `token` is refused by the key; panics if it is not.
pub(crate) fn refusal(key: &SigningKey, token: &str) -> TokenErrorKind {
    verify(key, token, &validation(key.algorithm())).expect_err(token)
}

/// Verifies by both paths, which must agree to the letter.
pub(crate) fn verify(
    key: &SigningKey,
    token: &str,
    validation: &Validation,
) -> Result<VerifiedToken, TokenErrorKind> {
    let key = key.verifying_key();
    let owned = UnverifiedToken::parse(token).and_then(|token| token.verify(&key, validation, NOW));
    SCRATCH.with_borrow_mut(|used| {
        for scratch in [&mut Scratch::new(), used] {
            let hint = UnverifiedToken::parse(token)
                .ok()
                .map(|it| it.issuer_hint());
            // Twice: the second time a good token's header is known.
            for _ in 0..2 {
                let parsed = UnverifiedToken::parse_in(token, scratch);
                let issuer = parsed.as_ref().ok().map(|parsed| {
                    let hint = parsed.issuer_hint_in(scratch);
                    hint.map(std::borrow::Cow::into_owned)
                });
                assert_eq!(issuer, hint, "{token}");
                let borrowed = parsed
                    .and_then(|token| token.verify_in(&key, validation, NOW, scratch)?.to_owned());
                assert_same(token, &owned, borrowed);
            }
        }
    });
    assert_same_with(token, &KeySet::from_iter([key]), validation);
    owned.map_err(|error| error.kind())
}

/// Verifies by both paths with a set of keys.
pub(crate) fn assert_same_with(token: &str, keys: &KeySet, validation: &Validation) {
    let owned =
        UnverifiedToken::parse(token).and_then(|token| token.verify_with(keys, validation, NOW));
    SCRATCH.with_borrow_mut(|used| {
        for scratch in [&mut Scratch::new(), used] {
            // Twice: the second time a good token's header is known.
            for _ in 0..2 {
                let borrowed = verify_in(token, keys, validation, NOW, scratch)
                    .and_then(|token| token.to_owned());
                assert_same(token, &owned, borrowed);
            }
        }
    });
}

thread_local! {
    /// One for all tokens of a test, so that what one leaves behind would show
    /// in the next.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

fn assert_same(
    token: &str,
    owned: &Result<VerifiedToken, TokenError>,
    borrowed: Result<VerifiedToken, TokenError>,
) {
    match (owned, borrowed) {
        (Ok(owned), Ok(borrowed)) => {
            assert_eq!(owned.claims(), borrowed.claims(), "{token}");
            assert_eq!(owned.key_id(), borrowed.key_id(), "{token}");
        }
        (Err(owned), Err(borrowed)) => assert_eq!(*owned, borrowed, "{token}"),
        (owned, borrowed) => panic!("{token}: owned {owned:?}, borrowed {borrowed:?}"),
    }
}
