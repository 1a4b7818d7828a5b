//! Passwords: what may be chosen, how they rest, how they are checked.
//!
//! A password travels through this file as three types. [`Password`] is what
//! somebody typed: bounded in length, wiped when dropped, without `Debug`,
//! `Display` and `Serialize`, and never cut short. [`NewPassword`] is one that
//! was accepted for an account ([`NewPassword::choose`]); only it can be
//! hashed. [`PasswordHash`] is what rests in the store: Argon2id in PHC string
//! format, or what an imported account came with; its parameters are bounded
//! when it is parsed.
//!
//! [`Hasher`] is the only place that computes hashes, off the async threads,
//! within a fixed number of them at a time and so within a fixed memory.
//!
//! Sources: NIST SP 800-63B-4 section 3.1.1 (length, block list, no
//! composition rules, no truncation), RFC 9106 (Argon2), OWASP password
//! storage (19 MiB, 2 passes, 1 lane).
//!
//! Not here: who may try and how often (that is `admission`).
//!
//! Not normalised: a password is compared byte by byte, so one that was typed
//! as decomposed Unicode differs from the same one typed composed.

mod argon;
mod choice;
mod foreign;
mod hash;
mod hasher;

use zeroize::Zeroizing;

pub use choice::{MIN_CHARACTERS, NewPassword, WeakPassword};
pub use hash::{PasswordHash, PasswordHashError};
pub use hasher::{HashError, Hasher, Hashing, HashingError, Salt, Verdict};

/// What somebody typed. Wiped when dropped; cannot be printed or serialised.
///
/// ```compile_fail
/// let password = doorward_issuer::password::Password::new("x".into()).unwrap();
/// println!("{password:?}");
/// ```
pub struct Password(Zeroizing<String>);

/// The password is longer than [`Password::MAX_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a password may have at most {} bytes", Password::MAX_BYTES)]
pub struct PasswordTooLong;

impl Password {
    /// The cap. Argon2 would take more; this bounds what a request can cost
    /// before it is refused, and is far above what people type.
    pub const MAX_BYTES: usize = 1024;

    /// Takes the text as it is: nothing is trimmed, folded or cut. NUL is a
    /// character like any other.
    pub fn new(text: String) -> Result<Self, PasswordTooLong> {
        let text = Zeroizing::new(text);
        if text.len() > Self::MAX_BYTES {
            return Err(PasswordTooLong);
        }
        Ok(Self(text))
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::Password;

    #[test]
    fn bru_012_long_and_odd_passwords_are_taken_whole_and_the_cap_is_stated() {
        for text in ["a".repeat(64), "ü".repeat(500), "a\0b".to_owned()] {
            assert_eq!(Password::new(text.clone()).unwrap().as_str(), text);
        }
        let refused = Password::new("a".repeat(1025)).err().unwrap();
        assert!(refused.to_string().contains("1024 bytes"));
    }
}
