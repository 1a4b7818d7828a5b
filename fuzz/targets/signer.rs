//! Keys that are the same in every run, and inputs that are signed on the way.
//!
//! An input is a text as it would arrive, or, so that the fuzzer gets behind
//! the signature, the name of an algorithm, a header and a payload, which are
//! signed here:
//!
//! ```text
//! HS256
//! {"alg":"HS256","typ":"at+jwt"}
//! .
//! {"iss":"https://id.example", ...}
//! ```

use std::{borrow::Cow, sync::LazyLock};

use doorward_jose::{
    algorithm::Algorithm, base64url, dangerous, signing_key::SigningKey, time::UnixTime,
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";
pub(crate) const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

/// Keys whose every signature can be made again: HMAC and Ed25519 have exactly
/// one for each text.
pub(crate) static DETERMINISTIC: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    // RFC 8410 section 7, around 32 bytes of our own.
    let pkcs8 = [
        b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".as_slice(),
        &[0x42; 32],
    ]
    .concat();
    [
        SigningKey::hmac(Algorithm::Hs256, &[0x42; 32]).expect("a secret"),
        SigningKey::from_pkcs8(Algorithm::Ed25519, &pkcs8).expect("a private key"),
    ]
});

/// The key of an algorithm, if it is one of them.
pub(crate) fn key(algorithm: Algorithm) -> Option<&'static SigningKey> {
    DETERMINISTIC
        .iter()
        .find(|key| key.algorithm() == algorithm)
}

/// The text that an input stands for; none if it is not one.
pub(crate) fn compact(input: &[u8]) -> Option<Cow<'_, str>> {
    let Some((key, header, payload)) = unsigned(input) else {
        return std::str::from_utf8(input).ok().map(Cow::Borrowed);
    };
    Some(Cow::Owned(sign(key, header, payload)))
}

/// A properly signed text of any header and payload.
pub(crate) fn sign(key: &SigningKey, header: &[u8], payload: &[u8]) -> String {
    let input = format!(
        "{}.{}",
        base64url::encode(header),
        base64url::encode(payload)
    );
    let signature = dangerous::sign(key, input.as_bytes()).expect("the library signs");
    format!("{input}.{}", base64url::encode(signature))
}

/// Whether `key` signed `text`: by signing it again.
pub(crate) fn is_signed_with(key: &SigningKey, text: &str) -> bool {
    let Some((input, signature)) = text.rsplit_once('.') else {
        return false;
    };
    let again = dangerous::sign(key, input.as_bytes()).expect("the library signs");
    signature == base64url::encode(again)
}

/// Key, header and payload of an input that is to be signed.
pub(crate) fn unsigned(input: &[u8]) -> Option<(&'static SigningKey, &[u8], &[u8])> {
    let end = input.iter().position(|byte| *byte == b'\n')?;
    let name = std::str::from_utf8(&input[..end]).ok()?;
    let key = key(Algorithm::from_name(name)?)?;
    let rest = &input[end + 1..];
    let middle = rest.windows(3).position(|three| three == b"\n.\n")?;
    Some((key, &rest[..middle], &rest[middle + 3..]))
}
