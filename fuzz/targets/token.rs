//! A token, by both ways of verifying it.

use std::{cell::RefCell, sync::LazyLock};

use doorward_jose::{
    algorithm::Algorithm,
    error::TokenError,
    json::Value,
    jwk_set::{KeySet, Limits},
    scratch::Scratch,
    signing_key::SigningKey,
    token::{Inspected, UnverifiedToken, VerifiedToken, verify_in},
    validation::Validation,
};

use super::signer::{AUDIENCE, DETERMINISTIC, ISSUER, NOW, compact, is_signed_with, key, sign};

/// Our two keys, and public keys of RFC 7515 whose private halves are not
/// asked to sign anything here.
static KEYS: LazyLock<KeySet> = LazyLock::new(|| {
    let strangers = KeySet::parse(STRANGERS.as_bytes(), Limits::default()).expect("a key set");
    let strangers = strangers.iter().cloned().collect::<Vec<_>>();
    DETERMINISTIC
        .iter()
        .map(SigningKey::verifying_key)
        .chain(strangers)
        .collect()
});

const STRANGERS: &str = r#"{"keys":[
{"kty":"EC","alg":"ES256","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"},
{"kty":"EC","alg":"ES512","crv":"P-521","x":"AekpBQ8ST8a8VcfVOTNl353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWceqwQGk","y":"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2"},
{"kty":"RSA","alg":"RS256","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]}"#;

static VALIDATION: LazyLock<Validation> = LazyLock::new(|| {
    Validation::issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms(Algorithm::ALL.iter().copied())
});

thread_local! {
    /// One for all inputs, so that what one leaves behind shows in the next.
    static USED: RefCell<Scratch> = RefCell::default();
}

pub(crate) fn run(input: &[u8]) {
    let Some(text) = compact(input) else { return };
    let inspected = Inspected::parse(&text);
    let verified = by_both_ways(&text);
    let Ok(verified) = verified else { return };
    assert_signed(&verified, &text);
    let inspected = inspected.expect("what verifies can be read");
    assert_means(&verified, &inspected);
    assert_survives_writing(&verified);
}

/// Owned and borrowed, with used memory and with new, twice each: the second
/// time the header is known.
fn by_both_ways(text: &str) -> Result<VerifiedToken, TokenError> {
    let owned = UnverifiedToken::parse(text).and_then(|token| {
        let _ = token.issuer_hint();
        token.verify_with(&KEYS, &VALIDATION, NOW)
    });
    USED.with_borrow_mut(|used| {
        for scratch in [&mut Scratch::new(), used] {
            for _ in 0..2 {
                let borrowed = verify_in(text, &KEYS, &VALIDATION, NOW, scratch)
                    .and_then(|token| token.to_owned());
                assert_same(&owned, &borrowed);
            }
        }
    });
    owned
}

fn assert_same(
    owned: &Result<VerifiedToken, TokenError>,
    borrowed: &Result<VerifiedToken, TokenError>,
) {
    match (owned, borrowed) {
        (Ok(owned), Ok(borrowed)) => {
            assert_eq!(owned.claims(), borrowed.claims());
            assert_eq!(owned.key_id(), borrowed.key_id());
        }
        (Err(owned), Err(borrowed)) => assert_eq!(owned, borrowed),
        (owned, borrowed) => panic!("owned {owned:?}, borrowed {borrowed:?}"),
    }
}

fn assert_signed(verified: &VerifiedToken, text: &str) {
    let key = key(verified.algorithm()).expect("a stranger's key has signed nothing");
    assert!(is_signed_with(key, text), "a forgery");
}

/// What a lenient reader sees in the same text.
fn assert_means(verified: &VerifiedToken, inspected: &Inspected) {
    let (claims, payload) = (verified.claims(), &inspected.payload);
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let date = |name: &str| payload.get(name).and_then(Value::as_u64);
    assert_eq!(inspected.header["alg"], verified.algorithm().name());
    assert!(!inspected.header.contains_key("crit"));
    assert_eq!((text("iss"), claims.issuer()), (Some(ISSUER), ISSUER));
    assert_eq!(text("sub"), Some(claims.subject()));
    assert_eq!(text("jti"), Some(claims.token_id()));
    assert_eq!(text("client_id"), claims.client_id());
    assert_eq!(text("scope"), claims.scope());
    assert_eq!(date("exp"), Some(claims.expires_at().as_secs()));
    assert_eq!(date("iat"), Some(claims.issued_at().as_secs()));
    assert_eq!(date("nbf"), claims.not_before().map(|nbf| nbf.as_secs()));
    assert!(claims.expires_at() > NOW.saturating_sub(VALIDATION.leeway()));
    assert!(claims.issued_at() <= NOW.saturating_add(VALIDATION.leeway()));
    let audience = &payload["aud"];
    let is_ours = |value: &Value| value == AUDIENCE;
    assert!(
        is_ours(audience)
            || audience
                .as_array()
                .is_some_and(|all| all.iter().any(is_ours))
    );
}

/// The claims, written and signed again, are the same claims.
fn assert_survives_writing(verified: &VerifiedToken) {
    let claims = serde_json::to_vec(verified.claims()).expect("claims can be written");
    let header = br#"{"alg":"HS256","typ":"at+jwt"}"#;
    let again = sign(&DETERMINISTIC[0], header, &claims);
    match by_both_ways(&again) {
        Ok(again) => assert_eq!(again.claims(), verified.claims()),
        // Numbers and characters may be spelled longer than they came.
        Err(error) => assert!(claims.len() * 4 / 3 > 8000, "{error}"),
    }
}
