//! Permissions as numbers, for tokens that their names would make too large.
//!
//! Two hundred permissions are 6 KiB as names and 0.1 KiB as numbers. What a
//! number means is said by the issuer's [`PermissionNumbers`], a list that only
//! grows: a number is never given again, whatever becomes of its permission.
//!
//! The list is a member of the issuer's key set (RFC 7517 section 5 lets there
//! be others than `keys`). Whoever could change it there could put a key of
//! their own beside it, so a signature of its own by one of those keys would
//! prove nothing more; and it is fetched, cached, kept for a restart and asked
//! for anew exactly as the keys are.
//!
//! A token says `permission_set`: how many numbers its issuer had given, a
//! fingerprint of what they mean, and the set.
//!
//! ```text
//! 2000.u3Xk9QdJm1c.gAwECBQ
//! ```
//!
//! INVARIANT: a set is read with the very list that it was written with, or
//! with a longer one that begins with it. Anything else (an older list, that of
//! a database that was put back, a mistake) is [`Unreadable`], and the token is
//! refused: nothing is guessed, and no old token gains what a newer list says
//! (tests `a_set_is_read_with_its_own_list_or_a_longer_one_and_no_other`,
//! `what_is_added_later_is_in_no_older_set`).

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use doorward_jose::{base64url, dpop::access_token_hash as sha256, json::Value, jwk_set::KeySet};
use doorward_policy::permission::PermissionPattern;

/// The claim of a token whose permissions are numbers.
pub const CLAIM: &str = "permission_set";

/// The member of the key set.
pub const MEMBER: &str = "permission_numbers";

/// Most numbers: a set of all of them is half a kilobyte.
pub const MAX_NUMBERS: usize = 4096;

/// Most bytes of all names together: half of what a key set may have.
pub const MAX_NAMES_BYTES: usize = 128 * 1024;

/// Characters of a fingerprint: 66 bits of SHA-256.
const FINGERPRINT: usize = 11;

/// What each number means. A value never changes; [`Self::extended`] makes the
/// next one. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PermissionNumbers(Arc<List>);

#[derive(Clone, Debug, Default)]
struct List {
    names: Vec<PermissionPattern>,
    numbers: HashMap<PermissionPattern, usize>,
    bytes: usize,
    /// SHA-256 over the names up to each number, cut.
    fingerprints: Vec<String>,
    /// The last of them, whole.
    chain: String,
}

/// The set of a token cannot be read with the list that is known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unreadable {
    /// Written with a list that is not known here.
    #[error("permissions are numbers of the list {list}, which is not known here")]
    UnknownList {
        /// Its length and fingerprint.
        list: String,
    },
    /// Not what an issuer writes.
    #[error("`permission_set` is malformed")]
    Malformed,
}

impl PermissionNumbers {
    /// The list that a key set publishes; empty if it publishes none, or one
    /// that cannot be read whole.
    pub fn published_in(keys: &KeySet) -> Self {
        let Some(Value::Array(names)) = keys.member(MEMBER) else {
            return Self::default();
        };
        let names = names.iter().map(|name| {
            let name = name.as_str()?;
            PermissionPattern::parse(name).ok()
        });
        let Some(names) = names.collect::<Option<Vec<_>>>() else {
            return Self::default();
        };
        let list = Self::default().extended(&names);
        // One that is too long, or names something twice, is not an issuer's.
        match list.len() == names.len() {
            true => list,
            false => Self::default(),
        }
    }

    /// The value of [`MEMBER`].
    pub fn to_member(&self) -> Value {
        self.names().map(PermissionPattern::as_str).collect()
    }

    /// The next list: this one, and behind it what of `more` has no number yet
    /// and still has room.
    #[must_use]
    pub fn extended<'p>(&self, more: impl IntoIterator<Item = &'p PermissionPattern>) -> Self {
        let mut list = List::clone(&self.0);
        for name in more {
            let bytes = list.bytes + name.as_str().len();
            let has_room = list.names.len() < MAX_NUMBERS && bytes <= MAX_NAMES_BYTES;
            if has_room && !list.numbers.contains_key(name) {
                list.numbers.insert(name.clone(), list.names.len());
                list.bytes = bytes;
                // No name has a blank in it, so this is of one way only.
                list.chain = sha256(&format!("{} {name}", list.chain));
                list.fingerprints.push(list.chain[..FINGERPRINT].to_owned());
                list.names.push(name.clone());
            }
        }
        Self(Arc::new(list))
    }

    /// What has a number, from 0 on.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &PermissionPattern> {
        self.0.names.iter()
    }

    /// How many numbers are given.
    pub fn len(&self) -> usize {
        self.0.names.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.0.names.is_empty()
    }

    /// The claim for these permissions; none if one of them has no number.
    pub fn encode<'p>(
        &self,
        permissions: impl IntoIterator<Item = &'p PermissionPattern>,
    ) -> Option<String> {
        let numbers = permissions.into_iter().map(|name| self.0.numbers.get(name));
        let numbers: BTreeSet<usize> = numbers
            .map(Option::<&usize>::cloned)
            .collect::<Option<_>>()?;
        let fingerprint = self.0.fingerprints.last()?;
        Some(format!(
            "{}.{fingerprint}.{}",
            self.len(),
            written(&numbers)
        ))
    }

    /// The permissions that a claim stands for.
    ///
    /// # Errors
    ///
    /// [`Unreadable`]; nothing is known of what the token permits.
    pub fn decode(&self, claim: &str) -> Result<Vec<PermissionPattern>, Unreadable> {
        let (list, set) = claim.rsplit_once('.').ok_or(Unreadable::Malformed)?;
        let (count, fingerprint) = list.split_once('.').ok_or(Unreadable::Malformed)?;
        let known = count.parse().ok().filter(|count: &usize| {
            let last = count.checked_sub(1);
            last.and_then(|last| self.0.fingerprints.get(last))
                .is_some_and(|known| known == fingerprint)
        });
        let Some(count) = known else {
            return Err(Unreadable::UnknownList {
                list: list.chars().take(40).flat_map(char::escape_debug).collect(),
            });
        };
        let numbers = read(set).ok_or(Unreadable::Malformed)?;
        let names = self.0.names.get(..count).unwrap_or_default();
        let named = numbers.into_iter().map(|number| names.get(number).cloned());
        named.collect::<Option<_>>().ok_or(Unreadable::Malformed)
    }
}

/// A set in the shorter of two ways: `b` and a bit for each number, or `g` and
/// the gaps between them, each in as many groups of seven bits as it needs
/// (LEB128).
fn written(numbers: &BTreeSet<usize>) -> String {
    let mut bits = vec![0_u8; numbers.last().map_or(0, |last| last / 8 + 1)];
    let mut gaps = Vec::new();
    let mut next = 0;
    for number in numbers {
        bits[number / 8] |= 1 << (number % 8);
        let mut gap = number - next;
        next = number + 1;
        while gap >= 0x80 {
            gaps.push((gap & 0x7f) as u8 | 0x80);
            gap >>= 7;
        }
        gaps.push(gap as u8);
    }
    match gaps.len() < bits.len() {
        true => format!("g{}", base64url::encode(gaps)),
        false => format!("b{}", base64url::encode(bits)),
    }
}

/// The numbers of a set, or nothing if any part of it is not what
/// [`written`] writes.
fn read(set: &str) -> Option<Vec<usize>> {
    let (way, bytes) = set.split_at_checked(1)?;
    let bytes = base64url::decode(bytes).ok()?;
    if bytes.len() > MAX_NUMBERS {
        return None;
    }
    match way {
        "b" if bytes.last() != Some(&0) => {
            let is_set = |number: &usize| bytes[number / 8] >> (number % 8) & 1 == 1;
            Some((0..8 * bytes.len()).filter(is_set).collect())
        }
        "g" => from_gaps(&bytes),
        _ => None,
    }
}

fn from_gaps(bytes: &[u8]) -> Option<Vec<usize>> {
    let mut numbers = Vec::new();
    let (mut next, mut gap, mut shift) = (0_usize, 0_usize, 0_u32);
    for byte in bytes {
        gap |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 != 0 {
            // Two groups are more than any number has.
            shift = (shift < 7).then_some(shift + 7)?;
            continue;
        }
        let number = next + gap;
        (next, gap, shift) = (number + 1, 0, 0);
        numbers.push(number);
    }
    (shift == 0).then_some(numbers)
}

#[cfg(test)]
mod tests;
