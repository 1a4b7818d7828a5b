//! Maps by texts that the operator wrote: segments of routes, patterns.
//!
//! Their keys are the configuration's, so nobody can choose keys that collide, and
//! a hash without a secret will do. What callers send is only looked *up*: at worst
//! it meets what the configuration put in one place. Not for keys that come with
//! requests.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

/// A map whose keys are of the configuration alone.
pub type TextMap<K, V> = HashMap<K, V, BuildHasherDefault<TextHasher>>;

/// Multiplies and turns, eight bytes at a time.
#[derive(Clone, Copy, Debug, Default)]
pub struct TextHasher(u64);

/// Odd, with its bits spread: 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl TextHasher {
    fn mix(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(SPREAD);
    }
}

impl Hasher for TextHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.mix(u64::from_le_bytes(*word));
        }
        let rest = rest
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte));
        // With the length, because the rest may begin with zeros.
        self.mix(rest ^ (bytes.len() as u64) << 56);
    }

    /// What ends a text: `write` has told its length.
    fn write_u8(&mut self, _: u8) {}

    fn finish(&self) -> u64 {
        // The low bits of a product depend on low bits alone.
        self.0 ^ self.0 >> 32
    }
}

#[cfg(test)]
mod tests {
    use std::{
        collections::HashSet,
        hash::{BuildHasher as _, BuildHasherDefault},
    };

    use super::{TextHasher, TextMap};

    #[test]
    fn texts_that_look_alike_are_spread() {
        let hasher = BuildHasherDefault::<TextHasher>::default();
        let numbered = (0..2_000).flat_map(|n| [format!("r{n}"), format!("GET /other-{n}/{{id}}")]);
        let zeros = (0..40).map(|n| "\0".repeat(n));
        let texts: Vec<String> = numbered.chain(zeros).collect();
        let hashes: Vec<u64> = texts
            .iter()
            .map(|text| hasher.hash_one(text.as_str()))
            .collect();
        let whole: HashSet<_> = hashes.iter().collect();
        assert_eq!(whole.len(), texts.len());
        // A map looks at the low bits, and then at the seven highest.
        let low: HashSet<_> = hashes.iter().map(|hash| hash & 0xfff).collect();
        assert!(low.len() > 2_000, "{} of 4,096 places", low.len());
        let high: HashSet<_> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!(high.len(), 128);
    }

    #[test]
    fn each_text_is_found_again() {
        let map: TextMap<Box<str>, usize> = (0..300)
            .map(|length| ("x".repeat(length).into(), length))
            .collect();
        for length in 0..300 {
            assert_eq!(map.get("x".repeat(length).as_str()), Some(&length));
        }
        assert_eq!(map.get("y"), None);
    }
}
