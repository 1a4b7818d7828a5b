//! The root key: what every key of a database hangs on.
//!
//! It is drawn once, with the database, and never changes. Each purpose uses a
//! key derived from it (HKDF-SHA-256, RFC 5869), so that no use can weaken
//! another. It rests in the database, sealed under each master key that may
//! open it, so another master key is another row and nothing is sealed anew.
//!
//! Databases that are older than root keys hang on their master key itself: its
//! bytes are their root key, and stay it. Salt and purposes are those of then,
//! and what a master key seals or is recognised by has another salt
//! ([`MasterKey`]), so that the two never meet though the bytes may be the same.

use aws_lc_rs::{hkdf, hmac};
use zeroize::Zeroizing;

use super::{MasterKey, expand, seal::Sealer};
use crate::{
    credential::CredentialKeys,
    entropy::{Entropy, random},
};

/// 32 secret bytes. Cannot be printed; wiped when dropped.
#[derive(Clone)]
pub(crate) struct RootKey(pub(super) Zeroizing<[u8; MasterKey::BYTES]>);

/// The keys that are derived from the root key, one for each purpose.
pub(crate) struct DerivedKeys {
    /// Seals private keys and session keys.
    pub(crate) sealer: Sealer,
    /// Outer MAC of refresh tokens.
    pub(crate) refresh_outer: hmac::Key,
    /// MACs of API keys and client secrets.
    pub(crate) credentials: CredentialKeys,
    /// MACs of tickets.
    pub(crate) tickets: hmac::Key,
    /// MACs of recovery codes at rest.
    pub(crate) recovery_codes: hmac::Key,
    /// MACs of idempotency keys and of what was asked with them.
    pub(crate) idempotency: hmac::Key,
    /// MACs of rows that give rights.
    pub(crate) rows: hmac::Key,
    /// Stored in the database to recognise the root key; tells nothing about
    /// it.
    pub(crate) check: [u8; 32],
    /// What was stored before rows had MACs.
    pub(crate) check_without_row_macs: [u8; 32],
}

impl RootKey {
    /// A new one, for a new database.
    pub(crate) fn fresh(entropy: &dyn Entropy) -> Self {
        Self(Zeroizing::new(random(entropy)))
    }

    /// That of a database which is older than root keys.
    pub(crate) fn of_before(master: &MasterKey) -> Self {
        Self(master.0.clone())
    }

    /// The keys for each purpose.
    pub(crate) fn derive(&self) -> DerivedKeys {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"doorward master key v1");
        let root = salt.extract(&*self.0);
        DerivedKeys {
            sealer: Sealer::new(&expand(&root, b"seal")),
            refresh_outer: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&root, b"refresh outer")),
            credentials: CredentialKeys::new(
                &expand(&root, b"credential tag"),
                &expand(&root, b"credential at rest"),
            ),
            tickets: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&root, b"ticket")),
            recovery_codes: hmac::Key::new(
                hmac::HMAC_SHA256,
                &*expand(&root, b"recovery code at rest"),
            ),
            idempotency: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&root, b"idempotency")),
            rows: hmac::Key::new(hmac::HMAC_SHA256, &*expand(&root, b"rows")),
            check: *expand(&root, b"check, rows have MACs"),
            check_without_row_macs: *expand(&root, b"check"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MasterKey, RootKey};

    #[test]
    fn purposes_have_keys_of_their_own() {
        let derived = RootKey::of_before(&MasterKey::from_bytes([7; 32])).derive();
        let other = RootKey::of_before(&MasterKey::from_bytes([8; 32])).derive();
        assert_ne!(derived.check, other.check);
        assert_ne!(derived.check, derived.check_without_row_macs);
        assert_ne!(derived.check, [7; 32]);
    }

    /// Whoever has a database of before must find its keys again.
    #[test]
    fn a_database_of_before_keeps_its_keys() {
        let derived = RootKey::of_before(&MasterKey::from_bytes([7; 32])).derive();
        let hex: String = derived.check.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(
            hex,
            "b4dbc98cd7abe0d50a3f3274d51875af3de65594cbfc93f951c160bfd4af6039"
        );
    }
}
