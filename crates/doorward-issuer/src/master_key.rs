//! The master key: what opens the database.
//!
//! It is 32 random bytes in a file of its own (mode 0600), so that a stolen
//! database or backup opens nothing. It seals one thing, the database's root
//! key (`root`), on which everything else hangs: so it can be changed while
//! servers run, by sealing the root key once more under another one. How a
//! database is opened with it is in `issuer::unlock`, the file in `file` and
//! `change`.
//!
//! Nothing starts with a key that is exposed, damaged, missing beside a
//! database, or not one that the database opens with: a new key in the place of
//! a lost one would make every session and every signing key unreadable for
//! good.

mod change;
mod file;
pub(crate) mod root;
pub(crate) mod seal;

use std::{fmt, str::FromStr};

use aws_lc_rs::hkdf;
use zeroize::Zeroizing;

use self::{
    root::RootKey,
    seal::{Place, Sealed, Sealer},
};

pub use change::KeyFileChange;
pub use file::MasterKeyError;

/// 32 secret bytes. Cannot be printed; wiped when dropped.
pub struct MasterKey(Zeroizing<[u8; Self::BYTES]>);

/// By what people and the database tell master keys apart: 64 bits that are
/// derived from the key and tell nothing about it. Written as 16 hexadecimal
/// digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u64);

/// Not 16 hexadecimal digits in lower case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 16 hexadecimal digits, as `doorward secret status` shows them")]
pub struct FingerprintError;

/// The row that holds a root key sealed under a master key.
#[derive(Clone, Copy)]
pub(crate) struct RootKeyPlace<'a> {
    /// By what the database recognises its root key: the row opens in no other
    /// database.
    pub(crate) check: &'a [u8],
    /// Since when the master key opens the database, milliseconds.
    pub(crate) added_at: u64,
}

impl MasterKey {
    const BYTES: usize = 32;

    /// A key that comes from somewhere else (environment, credential).
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// By what it is told from others.
    pub fn fingerprint(&self) -> Fingerprint {
        let bytes = self.expand(b"fingerprint");
        let (first, _) = bytes.split_first_chunk().expect("32 bytes are more than 8");
        Fingerprint(u64::from_be_bytes(*first))
    }

    /// Seals `root` for its row.
    pub(crate) fn seal_root(&self, root: &RootKey, place: RootKeyPlace<'_>) -> Vec<u8> {
        self.in_place(place, |sealer, place| sealer.seal(place, &*root.0))
    }

    /// Opens what was sealed for that row, and by this key.
    pub(crate) fn open_root(
        &self,
        sealed: &[u8],
        place: RootKeyPlace<'_>,
    ) -> Result<RootKey, Sealed> {
        let opened = self.in_place(place, |sealer, place| sealer.open(place, sealed))?;
        let bytes = <[u8; Self::BYTES]>::try_from(opened.as_slice()).map_err(|_| Sealed)?;
        Ok(RootKey(Zeroizing::new(bytes)))
    }

    fn in_place<T>(
        &self,
        place: RootKeyPlace<'_>,
        work: impl FnOnce(&Sealer, Place<'_>) -> T,
    ) -> T {
        let sealer = Sealer::new(&self.expand(b"seal a root key"));
        let fingerprint = self.fingerprint().to_string();
        let check = doorward_jose::base64url::encode(place.check);
        let added_at = place.added_at.to_string();
        let place = Place {
            table: "root_key",
            id: &fingerprint,
            beside: &[&check, &added_at],
        };
        work(&sealer, place)
    }

    /// The salt is not that of [`RootKey::derive`]: see there.
    fn expand(&self, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward master key v2");
        expand(&salt.extract(&*self.0), purpose)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let number = u64::from_str_radix(text, 16).map_err(|_| FingerprintError)?;
        // One way of writing it: no sign, no capitals, all digits.
        match Self(number) {
            fingerprint if fingerprint.to_string() == text => Ok(fingerprint),
            _ => Err(FingerprintError),
        }
    }
}

fn expand(key: &hkdf::Prk, purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut expanded = Zeroizing::new([0; 32]);
    key.expand(&[purpose], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(&mut *expanded))
        .expect("32 bytes are what one round of HKDF-SHA-256 gives");
    expanded
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::{Fingerprint, FingerprintError, MasterKey, RootKeyPlace, root::RootKey};

    const PLACE: RootKeyPlace<'_> = RootKeyPlace {
        check: &[5; 32],
        added_at: 1000,
    };

    #[test]
    fn a_root_key_opens_under_its_master_key_in_its_row_and_database_only() {
        let [ours, other] = [[1; 32], [2; 32]].map(MasterKey::from_bytes);
        let root = RootKey::of_before(&MasterKey::from_bytes([9; 32]));
        let sealed = ours.seal_root(&root, PLACE);
        assert_eq!(*ours.open_root(&sealed, PLACE).unwrap().0, *root.0);
        assert!(other.open_root(&sealed, PLACE).is_err());
        let places = [
            RootKeyPlace {
                check: &[6; 32],
                ..PLACE
            },
            RootKeyPlace {
                added_at: 1001,
                ..PLACE
            },
        ];
        for place in places {
            assert!(ours.open_root(&sealed, place).is_err());
        }
        for byte in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[byte] ^= 1;
            assert!(ours.open_root(&damaged, PLACE).is_err(), "byte {byte}");
        }
    }

    /// A database that is older than root keys seals its master key under
    /// itself.
    #[test]
    fn a_master_key_and_a_root_key_of_the_same_bytes_share_no_key() {
        let master = MasterKey::from_bytes([7; 32]);
        let root = RootKey::of_before(&master);
        let sealed = master.seal_root(&root, PLACE);
        let by_root = super::Place {
            table: "root_key",
            id: &master.fingerprint().to_string(),
            beside: &[&doorward_jose::base64url::encode(PLACE.check), "1000"],
        };
        assert!(root.derive().sealer.open(by_root, &sealed).is_err());
    }

    #[test]
    fn a_fingerprint_has_one_way_of_being_written() {
        let fingerprint = MasterKey::from_bytes([7; 32]).fingerprint();
        let text = fingerprint.to_string();
        assert_eq!(text.parse(), Ok(fingerprint));
        assert_eq!("000000000000000a".parse(), Ok(Fingerprint(10)));
        let wrong = [
            "",
            "a",
            "000000000000000A",
            "+00000000000000a",
            "g000000000000000",
        ];
        for text in wrong {
            assert_eq!(text.parse::<Fingerprint>(), Err(FingerprintError), "{text}");
        }
        assert_ne!(fingerprint, MasterKey::from_bytes([8; 32]).fingerprint());
    }
}
