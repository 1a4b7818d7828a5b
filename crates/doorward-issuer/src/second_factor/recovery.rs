//! Recovery codes: ten secrets on paper, each of which stands for the
//! authenticator once.
//!
//! A code has 80 random bits, so nobody guesses one and a plain MAC is enough
//! at rest. It is written in an alphabet without look-alikes, in groups.

use aws_lc_rs::hmac;
use zeroize::Zeroizing;

use crate::{
    entropy::{Entropy, random},
    user::UserId,
};

/// How many there are.
pub(super) const CODES: usize = 10;

/// Crockford's alphabet, in small letters: no i, l, o and u.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Digits of a code, in groups of [`GROUP`].
const LENGTH: usize = 16;
const GROUP: usize = 4;

/// What is stored of a code.
pub(crate) type CodeMac = [u8; 32];

/// A fresh code, as it is shown.
pub(super) fn draw(entropy: &dyn Entropy) -> Zeroizing<String> {
    let bytes = Zeroizing::new(random::<LENGTH>(entropy));
    let mut code = Zeroizing::new(String::with_capacity(LENGTH + LENGTH / GROUP));
    for (at, byte) in bytes.iter().enumerate() {
        if at > 0 && at % GROUP == 0 {
            code.push('-');
        }
        // 32 divides 256: every digit is as likely.
        code.push(char::from(DIGITS[usize::from(byte % 32)]));
    }
    code
}

/// What is stored of `code` for `user`, however it was typed: case, blanks and
/// dashes do not count, and look-alikes are read as what was meant. `None` if
/// it cannot be one.
pub(super) fn mac_of(code: &str, user: &UserId, key: &hmac::Key) -> Option<CodeMac> {
    let typed = code
        .bytes()
        .filter(|byte| !matches!(byte, b' ' | b'-'))
        .take(LENGTH + 1);
    let digits: Zeroizing<Vec<u8>> = Zeroizing::new(typed.map(meant).collect());
    if digits.len() != LENGTH || !digits.iter().all(|digit| DIGITS.contains(digit)) {
        return None;
    }
    let mut context = hmac::Context::with_key(key);
    // The id has no slash, so the message has one reading.
    for part in [user.as_str().as_bytes(), b"/", &digits] {
        context.update(part);
    }
    let mut mac = [0; 32];
    mac.copy_from_slice(context.sign().as_ref());
    Some(mac)
}

fn meant(byte: u8) -> u8 {
    match byte.to_ascii_lowercase() {
        b'i' | b'l' => b'1',
        b'o' => b'0',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use aws_lc_rs::hmac;

    use super::{Entropy, UserId, draw, mac_of};

    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    #[test]
    fn a_code_is_known_again_however_it_is_typed_and_for_its_user_only() {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &[1; 32]);
        let (alice, bob) = (
            UserId::from_text("a".to_owned()),
            UserId::from_text("b".to_owned()),
        );
        let code = draw(&Counting(0.into()));
        assert_eq!(*code, "0123-4567-89ab-cdef");
        let known = mac_of(&code, &alice, &key);
        assert!(known.is_some());
        for typed in [
            "0123456789ABCDEF",
            " oi23 4567-89ab cdef ",
            "OL23456789ABCDEF",
        ] {
            assert_eq!(mac_of(typed, &alice, &key), known, "{typed}");
        }
        assert_ne!(mac_of(&code, &bob, &key), known);
        for wrong in [
            "",
            "0123-4567-89ab-cde",
            "0123-4567-89ab-cdef-0",
            "0123-4567-89ab-cdeu",
        ] {
            assert_eq!(mac_of(wrong, &alice, &key), None, "{wrong}");
        }
    }
}
