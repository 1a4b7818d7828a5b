//! API keys and client secrets: drawing them, and knowing them again.
//!
//! Their text is that of [`doorward_verify::credential`]. The secret is 30
//! random digits to base 62, 178 bits, and six more that are a MAC of the 30
//! under a key derived from the root key: what was not drawn here is dropped
//! before the database is asked, however good its checksum (BRU-011).
//!
//! At rest there is an HMAC-SHA-256 of the secret, bound to kind and id, under
//! another derived key. No password hash: there is nothing to guess in 178 random
//! bits, and a hash that takes 30 ms would be a door for floods. The key keeps a
//! copied database from being checked against, or written into, by others.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use doorward_verify::{
    clock::Timestamp,
    credential::{DIGITS, ID_LENGTH, Kind, SECRET_LENGTH, UnverifiedCredential, compose},
};
use zeroize::Zeroizing;

use crate::entropy::Entropy;

/// Digits of the secret that only this installation can write.
const TAG_LENGTH: usize = 6;

/// Digits of the secret that are random.
const RANDOM_LENGTH: usize = SECRET_LENGTH - TAG_LENGTH;

/// The largest multiple of 62 that a byte can hold: what is not below it would
/// make the first digits likelier than the others.
const FAIR: u8 = 248;

/// The text of a credential, shown once. Cannot be printed by accident; wiped
/// when dropped.
pub struct SecretText(Zeroizing<String>);

impl SecretText {
    /// The text, for whom it was made.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What lists show of it.
    pub(crate) fn last_four(&self) -> &str {
        &self.0[self.0.len() - 4..]
    }
}

/// What is stored of a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct StoredMac(pub(crate) [u8; 32]);

/// The secrets of one credential that count: at most two.
#[derive(Clone)]
pub(crate) struct LiveSecrets {
    pub(crate) current: StoredMac,
    /// The one before, and the moment from which it no longer counts.
    pub(crate) old: Option<(StoredMac, Timestamp)>,
}

impl LiveSecrets {
    /// Whether one of them is `presented` at `now`. Takes the same time for
    /// every answer.
    pub(crate) fn accept(&self, presented: &StoredMac, now: Timestamp) -> bool {
        let same = |stored: &StoredMac| verify_slices_are_equal(&stored.0, &presented.0).is_ok();
        let old = self.old.as_ref().is_some_and(|(stored, until)| {
            let same = same(stored);
            same & (now < *until)
        });
        same(&self.current) | old
    }

    /// Whether `presented` is the newest of them.
    pub(crate) fn is_current(&self, presented: &StoredMac) -> bool {
        verify_slices_are_equal(&self.current.0, &presented.0).is_ok()
    }

    /// Until when a secret before the current one counts, if one does at `now`.
    pub(crate) fn overlap(&self, now: Timestamp) -> Option<Timestamp> {
        let (_, until) = self.old.as_ref()?;
        (now < *until).then_some(*until)
    }

    /// With `next` in the place of the current one, which counts until `until`.
    pub(crate) fn rotated(&self, next: StoredMac, until: Timestamp, now: Timestamp) -> Self {
        Self {
            current: next,
            old: (now < until).then_some((self.current, until)),
        }
    }
}

/// The keys of the MACs. Holds secrets, so it cannot be printed.
pub(crate) struct CredentialKeys {
    tag: hmac::Key,
    at_rest: hmac::Key,
}

impl CredentialKeys {
    pub(crate) fn new(tag: &[u8; 32], at_rest: &[u8; 32]) -> Self {
        Self {
            tag: hmac::Key::new(hmac::HMAC_SHA256, tag),
            at_rest: hmac::Key::new(hmac::HMAC_SHA256, at_rest),
        }
    }

    /// A fresh secret for `id`, and what is stored of it.
    pub(crate) fn draw(
        &self,
        kind: Kind,
        id: &str,
        entropy: &dyn Entropy,
    ) -> (SecretText, StoredMac) {
        let mut secret = Zeroizing::new(String::with_capacity(SECRET_LENGTH));
        push_random_digits(&mut secret, RANDOM_LENGTH, entropy);
        let tag = self.tag(kind, id, &secret);
        secret.extend(tag.map(char::from));
        let text = SecretText(Zeroizing::new(compose(kind, id, &secret)));
        let mac = self.mac(kind, id, &secret);
        (text, mac)
    }

    /// Whether this installation drew it; the credential may be gone since.
    pub(crate) fn drew(&self, presented: &UnverifiedCredential<'_>) -> bool {
        let (random, tag) = presented.secret().split_at(RANDOM_LENGTH);
        let made = self.tag(presented.kind(), presented.id(), random);
        verify_slices_are_equal(&made, tag.as_bytes()).is_ok()
    }

    /// What would be stored of it.
    pub(crate) fn mac_of(&self, presented: &UnverifiedCredential<'_>) -> StoredMac {
        self.mac(presented.kind(), presented.id(), presented.secret())
    }

    fn mac(&self, kind: Kind, id: &str, secret: &str) -> StoredMac {
        let mut mac = [0; 32];
        mac.copy_from_slice(sign(&self.at_rest, kind, id, secret).as_ref());
        StoredMac(mac)
    }

    fn tag(&self, kind: Kind, id: &str, random: &str) -> [u8; TAG_LENGTH] {
        let tag = sign(&self.tag, kind, id, random);
        let mut value = tag.as_ref()[..8]
            .iter()
            .fold(0u64, |value, byte| value << 8 | u64::from(*byte));
        [b'0'; TAG_LENGTH].map(|_| {
            let digit = DIGITS[(value % 62) as usize];
            value /= 62;
            digit
        })
    }
}

/// None of the parts can hold a slash, so the message has one reading.
fn sign(key: &hmac::Key, kind: Kind, id: &str, secret: &str) -> hmac::Tag {
    let mut context = hmac::Context::with_key(key);
    for part in [kind.code(), "/", id, "/", secret] {
        context.update(part.as_bytes());
    }
    context.sign()
}

/// A fresh id, 95 random bits: never given again.
pub(crate) fn fresh_id(entropy: &dyn Entropy) -> String {
    let mut id = String::with_capacity(ID_LENGTH);
    push_random_digits(&mut id, ID_LENGTH, entropy);
    id
}

fn push_random_digits(text: &mut String, count: usize, entropy: &dyn Entropy) {
    let mut bytes = Zeroizing::new([0u8; 64]);
    let mut wanted = count;
    while wanted > 0 {
        entropy.fill(&mut *bytes);
        let fair = bytes.iter().filter(|byte| **byte < FAIR).take(wanted);
        let before = text.len();
        text.extend(fair.map(|byte| char::from(DIGITS[usize::from(byte % 62)])));
        wanted -= text.len() - before;
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{
        collections::HashSet,
        sync::atomic::{AtomicU8, Ordering},
    };

    use doorward_verify::{
        clock::Timestamp,
        credential::{Kind, UnverifiedCredential, compose},
    };

    use super::{CredentialKeys, Entropy, LiveSecrets, RANDOM_LENGTH, fresh_id};

    /// Every byte in turn, those that are not fair too.
    struct Counting(AtomicU8);

    impl Entropy for Counting {
        fn fill(&self, bytes: &mut [u8]) {
            for byte in bytes {
                *byte = self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn keys(seed: u8) -> CredentialKeys {
        CredentialKeys::new(&[seed; 32], &[seed + 1; 32])
    }

    #[test]
    fn apk_001_what_was_drawn_is_known_and_what_was_invented_is_not() {
        let entropy = Counting(0.into());
        let id = fresh_id(&entropy);
        let (text, mac) = keys(1).draw(Kind::UserKey, &id, &entropy);
        let read = UnverifiedCredential::parse(text.reveal()).unwrap();
        assert_eq!(read.id(), id);
        assert!(keys(1).drew(&read) && keys(1).mac_of(&read) == mac);
        // 62^30 is more than 2^178.
        assert_eq!(RANDOM_LENGTH, 30);
        // Another installation's, another id's, another kind's.
        assert!(!keys(3).drew(&read) && keys(3).mac_of(&read) != mac);
        for (kind, id) in [
            (Kind::UserKey, fresh_id(&entropy)),
            (Kind::ClientKey, id.clone()),
        ] {
            let other = compose(kind, &id, read.secret());
            let other = UnverifiedCredential::parse(&other).unwrap();
            assert!(!keys(1).drew(&other) && keys(1).mac_of(&other) != mac);
        }
    }

    #[test]
    fn digits_are_all_as_likely() {
        let entropy = Counting(0.into());
        let mut text = String::new();
        super::push_random_digits(&mut text, 62 * 4, &entropy);
        let distinct: HashSet<char> = text.chars().collect();
        assert_eq!(distinct.len(), 62);
        let zeros = text.chars().filter(|digit| *digit == '0').count();
        assert_eq!(zeros, 4, "256 bytes make four of each of 62 digits");
    }

    #[test]
    fn apk_007_two_secrets_count_at_most_and_the_old_one_dies_on_time() {
        let entropy = Counting(0.into());
        let draw = || keys(1).draw(Kind::UserKey, "4Fq0ZtW8mJrN2bXe", &entropy).1;
        let (first, second, third) = (draw(), draw(), draw());
        let at = Timestamp::from_millis;
        let one = LiveSecrets {
            current: first,
            old: None,
        };
        let two = one.rotated(second, at(100), at(10));
        assert!(two.accept(&first, at(99)) && two.accept(&second, at(99)));
        assert!(!two.accept(&first, at(100)) && two.accept(&second, at(100)));
        assert_eq!(
            (two.overlap(at(99)), two.overlap(at(100))),
            (Some(at(100)), None)
        );
        let three = two.rotated(third, at(100), at(20));
        assert!(!three.accept(&first, at(20)), "no third");
        let at_once = two.rotated(third, at(20), at(20));
        assert!(!at_once.accept(&second, at(20)) && at_once.accept(&third, at(20)));
    }
}
