//! Codes of an authenticator: TOTP (RFC 6238) over HOTP (RFC 4226).
//!
//! SHA-1, six digits, thirty seconds: what every authenticator reads. SHA-1 is
//! sound here, because HMAC does not rest on what is broken of it.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use doorward_jose::time::UnixTime;
use zeroize::Zeroizing;

/// Bytes of a secret: as long as the hash (RFC 4226 section 4, R6).
pub(super) const SECRET_BYTES: usize = 20;

/// Seconds for which one code is shown.
const PERIOD: u64 = 30;

/// Digits of a code.
const DIGITS: usize = 6;

/// Steps before and after the present one whose codes count: one, for a clock
/// that is a little off and for the time that typing takes.
const WINDOW: u64 = 1;

/// The alphabet of RFC 4648 section 6.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The step that `code` belongs to, if it is one of those that count at `now`
/// and lies after `last`: no code counts twice (RFC 6238 section 5.2). Every
/// step is compared, whichever fits.
pub(super) fn accepted_step(secret: &[u8], code: &str, now: UnixTime, last: u64) -> Option<u64> {
    let present = now.as_secs() / PERIOD;
    let mut accepted = None;
    for step in present.saturating_sub(WINDOW)..=present + WINDOW {
        let is_equal = verify_slices_are_equal(&code_of(secret, step), code.as_bytes()).is_ok();
        if is_equal && step > last {
            accepted = Some(step);
        }
    }
    accepted
}

/// The secret as authenticators take it when it is typed.
pub(super) fn base32(secret: &[u8]) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(secret.len().div_ceil(5) * 8));
    for chunk in secret.chunks(5) {
        let mut bytes = [0; 8];
        bytes[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(bytes);
        let digits = (chunk.len() * 8).div_ceil(5);
        for digit in 0..digits {
            let index = (bits >> (35 - 5 * digit)) & 31;
            text.push(char::from(BASE32[index as usize]));
        }
    }
    text
}

/// What authenticators read from a QR code.
pub(super) fn key_uri(issuer: &str, username: &str, secret: &[u8]) -> Zeroizing<String> {
    let (issuer, username) = (escaped(issuer), escaped(username));
    let secret = base32(secret);
    Zeroizing::new(format!(
        "otpauth://totp/{issuer}:{username}?secret={}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={PERIOD}",
        *secret
    ))
}

/// RFC 4226 section 5.3.
fn code_of(secret: &[u8], step: u64) -> [u8; DIGITS] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let hash = tag.as_ref();
    let offset = usize::from(hash[hash.len() - 1] & 15);
    let word = hash[offset..offset + 4]
        .iter()
        .fold(0u32, |word, byte| word << 8 | u32::from(*byte));
    let mut rest = word & 0x7fff_ffff;
    let mut code = [b'0'; DIGITS];
    for digit in code.iter_mut().rev() {
        *digit = b'0' + u8::try_from(rest % 10).expect("a digit is below ten");
        rest /= 10;
    }
    code
}

/// Percent-encoded but for what needs it nowhere (RFC 3986 section 2.3).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use doorward_jose::time::UnixTime;

    use super::{accepted_step, base32, code_of, key_uri};

    const SECRET: &[u8] = b"12345678901234567890";

    /// RFC 6238 appendix B, the last six of its eight digits.
    #[test]
    fn agrees_with_rfc_6238() {
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_of(SECRET, seconds / 30), code.as_bytes());
        }
    }

    /// RFC 4648 section 10.
    #[test]
    fn base32_agrees_with_rfc_4648_without_its_padding() {
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(*base32(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn iss_025_a_code_counts_once_and_one_step_around_now() {
        let now = |step: u64| UnixTime::from_secs(step * 30 + 7);
        let code = String::from_utf8_lossy(&code_of(SECRET, 1000)).into_owned();
        let accepted = |at, last| accepted_step(SECRET, &code, now(at), last);
        for at in [999, 1000, 1001] {
            assert_eq!(accepted(at, 0), Some(1000));
            assert_eq!(accepted(at, 999), Some(1000));
            assert_eq!(accepted(at, 1000), None, "a second time");
            assert_eq!(accepted(at, 1001), None, "after a later one");
        }
        assert_eq!((accepted(998, 0), accepted(1002, 0)), (None, None));
        for wrong in ["", "0", "1234567", "١٢٣٤٥٦", "      "] {
            assert_eq!(accepted_step(SECRET, wrong, now(1000), 0), None, "{wrong}");
        }
    }

    #[test]
    fn the_uri_has_one_reading() {
        assert_eq!(
            *key_uri("id.example.org:8443", "a+b@example.org", b"foobar"),
            "otpauth://totp/id.example.org%3A8443:a%2Bb%40example.org?secret=MZXW6YTBOI\
             &issuer=id.example.org%3A8443&algorithm=SHA1&digits=6&period=30"
        );
    }
}
