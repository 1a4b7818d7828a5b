//! Dense numbers for permissions, so that a check is one bit test.
//!
//! A catalogue only grows: a number, once given, names the same permission
//! for ever, and the count is the version. Numbers never leave the process
//! yet; when tokens carry bitsets, they will mean these numbers.

use std::collections::HashMap;
use std::sync::Arc;

use crate::permission::{Permission, PermissionPattern};

/// Number of a permission in a [`Catalogue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PermissionId(u16);

impl PermissionId {
    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Every permission that is known, numbered from 0. Cheap to clone; a value
/// never changes, [`Catalogue::extended`] makes the next one.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Arc<Entries>);

#[derive(Debug, Default)]
struct Entries {
    names: Vec<Permission>,
    ids: HashMap<Permission, PermissionId>,
}

impl Catalogue {
    /// The next version: everything of this one under the same numbers, and
    /// after it those of `permissions` that are new.
    ///
    /// # Errors
    ///
    /// When there would be more than 65,536.
    pub fn extended<'p>(
        &self,
        permissions: impl IntoIterator<Item = &'p Permission>,
    ) -> Result<Self, CatalogueFull> {
        let mut names = self.0.names.clone();
        let mut ids = self.0.ids.clone();
        for permission in permissions {
            if !ids.contains_key(permission) {
                let id = u16::try_from(names.len()).map_err(|_| CatalogueFull)?;
                ids.insert(permission.clone(), PermissionId(id));
                names.push(permission.clone());
            }
        }
        Ok(Self(Arc::new(Entries { names, ids })))
    }

    /// The number of `permission`, if it is known.
    pub fn id(&self, permission: &Permission) -> Option<PermissionId> {
        self.0.ids.get(permission).copied()
    }

    /// The permission with this number.
    pub fn permission(&self, id: PermissionId) -> Option<&Permission> {
        self.0.names.get(usize::from(id.0))
    }

    /// Every permission, in the order of the numbers.
    pub fn permissions(&self) -> impl ExactSizeIterator<Item = &Permission> {
        self.0.names.iter()
    }

    /// How many there are, which is also the version.
    pub fn len(&self) -> usize {
        self.0.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.names.is_empty()
    }

    /// The set of all permissions that any of `patterns` covers.
    pub fn set_of<'p>(
        &self,
        patterns: impl IntoIterator<Item = &'p PermissionPattern>,
    ) -> PermissionSet {
        let mut words = vec![0; self.len().div_ceil(64)];
        for pattern in patterns {
            for (number, permission) in self.0.names.iter().enumerate() {
                if pattern.covers(permission) {
                    words[number / 64] |= 1 << (number % 64);
                }
            }
        }
        PermissionSet {
            catalogue: self.clone(),
            words: words.into(),
        }
    }
}

/// A catalogue holds at most 65,536 permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a catalogue holds at most 65,536 permissions")]
pub struct CatalogueFull;

/// The permissions of one caller as bits of one [`Catalogue`].
#[derive(Clone, Debug)]
pub struct PermissionSet {
    catalogue: Catalogue,
    words: Box<[u64]>,
}

impl PermissionSet {
    /// Whether the permission with number `id` is in the set.
    pub fn contains(&self, id: PermissionId) -> bool {
        let number = usize::from(id.0);
        self.words
            .get(number / 64)
            .is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Whether the numbers of this set are those of `catalogue`. A set that
    /// was made for another one answers nothing: its bits mean other names.
    pub fn is_of(&self, catalogue: &Catalogue) -> bool {
        Arc::ptr_eq(&self.catalogue.0, &catalogue.0)
    }

    /// How many permissions it holds.
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|word| word.count_ones() as usize)
            .sum()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use proptest::prelude::{prop, prop_assert_eq, proptest};

    use super::{Catalogue, CatalogueFull};
    use crate::permission::{Permission, PermissionPattern};

    fn permissions(texts: &[&str]) -> Vec<Permission> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn numbers_are_dense_and_only_added_to() {
        let first = permissions(&["b:x", "a:x", "b:x"]);
        let catalogue = Catalogue::default().extended(&first).unwrap();
        let more = permissions(&["a:a", "a:x"]);
        let next = catalogue.extended(&more).unwrap();
        let names: Vec<&str> = next.permissions().map(Permission::as_str).collect();
        assert_eq!(names, ["b:x", "a:x", "a:a"]);
        for permission in &first {
            assert_eq!(catalogue.id(permission), next.id(permission));
        }
    }

    #[test]
    fn a_number_names_its_permission_and_no_other() {
        let known = permissions(&["b:x", "a:x", "a:a"]);
        let catalogue = Catalogue::default().extended(&known).unwrap();
        for (number, permission) in known.iter().enumerate() {
            let id = catalogue.id(permission).unwrap();
            assert_eq!(usize::from(id.number()), number);
            assert_eq!(catalogue.permission(id), Some(permission));
        }
        let shorter = Catalogue::default().extended(&known[..2]).unwrap();
        let unknown = catalogue.id(&known[2]).unwrap();
        assert_eq!(shorter.permission(unknown), None);
        assert!(!shorter.set_of(&["*".parse().unwrap()]).contains(unknown));
    }

    #[test]
    fn a_set_counts_what_it_holds() {
        let known: Vec<Permission> = (0..70).map(|n| format!("p:{n}").parse().unwrap()).collect();
        let catalogue = Catalogue::default().extended(&known).unwrap();
        for (patterns, held) in [
            (&[][..], 0),
            (&["p:69"], 1),
            (&["p:3", "p:69"], 2),
            (&["*"], 70),
        ] {
            let patterns: Vec<PermissionPattern> =
                patterns.iter().map(|p| p.parse().unwrap()).collect();
            let set = catalogue.set_of(&patterns);
            assert_eq!((set.len(), set.is_empty()), (held, held == 0));
        }
        assert!(!catalogue.is_empty());
        assert!(Catalogue::default().is_empty());
    }

    #[test]
    fn a_set_of_another_catalogue_is_known_as_such() {
        let one = Catalogue::default()
            .extended(&permissions(&["a:x"]))
            .unwrap();
        let other = Catalogue::default()
            .extended(&permissions(&["b:y"]))
            .unwrap();
        let set = one.set_of(&["*".parse().unwrap()]);
        assert!(set.is_of(&one.clone()));
        assert!(!set.is_of(&other));
    }

    #[test]
    fn more_than_its_numbers_is_refused() {
        let many: Vec<Permission> = (0..=u32::from(u16::MAX) + 1)
            .map(|number| format!("p:{number}").parse().unwrap())
            .collect();
        let most = &many[..many.len() - 1];
        assert_eq!(Catalogue::default().extended(most).unwrap().len(), 65_536);
        assert_eq!(
            Catalogue::default().extended(&many).unwrap_err(),
            CatalogueFull
        );
    }

    proptest! {
        #[test]
        fn a_bit_is_set_exactly_where_a_pattern_covers(
            known in prop::collection::vec("[a-d]:[a-z]{1,2}", 0..100),
            held in prop::collection::vec("[a-d]:(\\*|[a-z])|\\*", 0..3),
        ) {
            let known: Vec<Permission> = known.iter().map(|p| p.parse().unwrap()).collect();
            let held: Vec<PermissionPattern> = held.iter().map(|p| p.parse().unwrap()).collect();
            let catalogue = Catalogue::default().extended(&known).unwrap();
            let set = catalogue.set_of(&held);
            for permission in &known {
                prop_assert_eq!(
                    set.contains(catalogue.id(permission).unwrap()),
                    held.iter().any(|pattern| pattern.covers(permission))
                );
            }
        }
    }
}
