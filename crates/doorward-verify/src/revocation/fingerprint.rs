//! Names as 64-bit keyed fingerprints.
//!
//! An entry is kept as 61 bits of SipHash-1-3 of the name, under a key that
//! this process drew and shows nobody, and 3 bits for the kind. Two names of
//! one kind share a fingerprint with probability 2^-61, so with a million
//! entries of its kind in the set a good token is refused with probability
//! 10^6 / 2^61, below 5 x 10^-13 for each of its names. The effect would be one
//! refresh. Without the key nobody can look for such a pair, and no collision
//! makes a revoked token good: the same name always has the same fingerprint.

use std::{
    hash::{BuildHasher as _, Hasher as _, RandomState},
    num::NonZeroU64,
};

use doorward_jose::claims::Claims;

/// What an entry can name, the widest first; the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    Key = 1,
    Tenant = 2,
    Client = 3,
    Session = 4,
    User = 5,
    Token = 6,
}

/// The number of kinds.
pub(crate) const KINDS: usize = 6;

impl Kind {
    /// Its place among the kinds.
    pub(crate) const fn index(self) -> usize {
        self as usize - 1
    }
}

/// A name and its kind. Never zero, which the table uses for an empty place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Fingerprint(NonZeroU64);

/// The low bits that hold the kind.
const KIND_BITS: u64 = 0b111;

impl Fingerprint {
    pub(crate) const fn new(kind: Kind, hash: u64) -> Self {
        let bits = hash & !KIND_BITS | kind as u64;
        match NonZeroU64::new(bits) {
            Some(bits) => Self(bits),
            None => Self(NonZeroU64::MIN), // no kind is zero
        }
    }

    /// What a table gave back.
    pub(crate) fn from_bits(bits: u64) -> Option<Self> {
        NonZeroU64::new(bits).map(Self)
    }

    pub(crate) const fn bits(self) -> u64 {
        self.0.get()
    }

    /// The place of its kind.
    pub(crate) const fn kind_index(self) -> usize {
        ((self.bits() & KIND_BITS) as usize).saturating_sub(1)
    }
}

/// The secret under which names are hashed.
#[derive(Clone, Default)]
pub(crate) struct FingerprintKey(pub(crate) RandomState);

impl FingerprintKey {
    pub(crate) fn of(&self, kind: Kind, name: &str) -> Fingerprint {
        let mut hasher = self.0.build_hasher();
        hasher.write(name.as_bytes());
        Fingerprint::new(kind, hasher.finish())
    }

    /// Everything of the `wanted` kinds by which a token can be named.
    pub(crate) fn of_token(
        &self,
        key_id: Option<&str>,
        claims: &Claims,
        wanted: impl Fn(Kind) -> bool,
    ) -> Fingerprints {
        let names = [
            (Kind::Key, key_id),
            (Kind::Tenant, claims.tenant()),
            (Kind::Client, claims.client_id()),
            (Kind::Session, claims.session_id()),
            (Kind::User, Some(claims.subject())),
            (Kind::Token, Some(claims.token_id())),
        ];
        Fingerprints(names.map(|(kind, name)| {
            name.filter(|_| wanted(kind))
                .map(|name| self.of(kind, name))
        }))
    }
}

/// The fingerprints of one token, in the order of [`Kind`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fingerprints(pub(crate) [Option<Fingerprint>; KINDS]);

#[cfg(test)]
mod tests {
    use super::{Fingerprint, FingerprintKey, Kind};

    #[test]
    fn the_same_name_of_two_kinds_is_two_things() {
        let key = FingerprintKey::default();
        assert_ne!(key.of(Kind::Session, "a"), key.of(Kind::Token, "a"));
        assert_eq!(key.of(Kind::Session, "a"), key.of(Kind::Session, "a"));
    }

    #[test]
    fn the_kind_is_found_again() {
        for kind in [Kind::Key, Kind::Session, Kind::Token] {
            assert_eq!(Fingerprint::new(kind, 0).kind_index(), kind.index());
            assert_eq!(Fingerprint::new(kind, u64::MAX).kind_index(), kind.index());
        }
    }

    #[test]
    fn another_key_gives_other_fingerprints() {
        let (one, two) = (FingerprintKey::default(), FingerprintKey::default());
        assert_ne!(one.of(Kind::User, "a"), two.of(Kind::User, "a"));
    }
}
