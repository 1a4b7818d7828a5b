//! Sealing: AES-256-GCM with a random nonce, bound to the row that holds it.
//!
//! The row's table and id are authenticated with the content, so a sealed
//! value that is copied into another row does not open there; so can be what
//! stands beside it in the row ([`Place::beside`]), and then it does not open
//! there either when that was changed. The crypto
//! library draws the 96-bit nonce itself, so none can be reused by mistake;
//! one key may seal 2^32 values before a repeated nonce becomes thinkable
//! (NIST SP 800-38D section 8.3).

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

/// First byte of what is sealed for a row, and for a row with columns; another
/// algorithm gets another number.
const FOR_ROW: u8 = 1;
const FOR_COLUMNS: u8 = 2;

/// Seals and opens. Holds a secret, so it cannot be printed.
pub(crate) struct Sealer(RandomizedNonceKey);

/// The row that holds a sealed value.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) table: &'static str,
    pub(crate) id: &'a str,
    /// Columns of the row that must be as they were.
    pub(crate) beside: &'a [&'a str],
}

/// It does not open: another master key, another row, or damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed;

impl Sealer {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Self(key.expect("32 bytes are a key of AES-256"))
    }

    /// Seals `secret` for `place`.
    pub(crate) fn seal(&self, place: Place<'_>, secret: &[u8]) -> Vec<u8> {
        // The buffer is made large enough at once, so that growing it leaves
        // no copy of the secret behind.
        let mut content = Vec::with_capacity(secret.len() + AES_256_GCM.tag_len());
        content.extend_from_slice(secret);
        let nonce = self
            .0
            .seal_in_place_append_tag(Aad::from(place.authenticated()), &mut content)
            .expect("AES-GCM seals anything shorter than 64 GiB");
        [&[place.version()][..], nonce.as_ref(), &content].concat()
    }

    /// Opens what was sealed for `place`.
    pub(crate) fn open(
        &self,
        place: Place<'_>,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, Sealed> {
        let (&version, rest) = sealed.split_first().ok_or(Sealed)?;
        let (nonce, content) = rest.split_at_checked(NONCE_LEN).ok_or(Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Sealed)?;
        if version != place.version() {
            return Err(Sealed);
        }
        let mut content = Zeroizing::new(content.to_vec());
        let length = self
            .0
            .open_in_place(nonce, Aad::from(place.authenticated()), &mut content)
            .map_err(|_| Sealed)?
            .len();
        content.truncate(length);
        Ok(content)
    }
}

impl Place<'_> {
    const fn version(self) -> u8 {
        match self.beside {
            [] => FOR_ROW,
            _ => FOR_COLUMNS,
        }
    }

    /// Table names are ours and have no slash, and each column is preceded by
    /// its length, so this has one reading.
    fn authenticated(self) -> String {
        let mut text = format!("doorward/{}/{}/{}", self.version(), self.table, self.id);
        for column in self.beside {
            text.push_str(&format!("/{}:{column}", column.len()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::{Place, Sealed, Sealer};

    const PLACE: Place<'_> = Place {
        table: "session",
        id: "a",
        beside: &[],
    };

    #[test]
    fn what_is_sealed_for_columns_opens_beside_the_same_ones_only() {
        let sealer = Sealer::new(&[1; 32]);
        let place = |beside| Place { beside, ..PLACE };
        let sealed = sealer.seal(place(&["ana", "acme"]), b"secret");
        assert!(sealer.open(place(&["ana", "acme"]), &sealed).is_ok());
        let others: [&[&str]; 6] = [
            &[],
            &["ana"],
            &["bob", "acme"],
            &["acme", "ana"],
            &["anaacme", ""],
            &["ana/4:acme"],
        ];
        for beside in others {
            assert_eq!(sealer.open(place(beside), &sealed), Err(Sealed));
        }
    }

    #[test]
    fn opens_only_in_its_place_under_its_key_and_whole() {
        let sealer = Sealer::new(&[1; 32]);
        let sealed = sealer.seal(PLACE, b"secret");
        assert_eq!(sealer.open(PLACE, &sealed).unwrap().as_slice(), b"secret");
        assert_ne!(sealer.seal(PLACE, b"secret"), sealed, "the nonce is fresh");

        let elsewhere = [
            Place { id: "b", ..PLACE },
            Place {
                table: "signing_key",
                ..PLACE
            },
            Place {
                beside: &[""],
                ..PLACE
            },
        ];
        for place in elsewhere {
            assert_eq!(sealer.open(place, &sealed), Err(Sealed));
        }
        assert_eq!(Sealer::new(&[2; 32]).open(PLACE, &sealed), Err(Sealed));
        for length in 0..sealed.len() {
            assert_eq!(sealer.open(PLACE, &sealed[..length]), Err(Sealed));
        }
        for byte in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[byte] ^= 1;
            assert_eq!(sealer.open(PLACE, &damaged), Err(Sealed), "byte {byte}");
        }
    }
}
