//! An open-addressed table with one writer and any number of readers.
//!
//! Readers take no lock and write nothing. The table only ever gains entries
//! and its marks only ever widen: growing and forgetting make a new table (see
//! [`live`](super::live)), so a reader never meets a reused place.
//!
//! Places come in groups of eight. One word holds a byte for each: zero for an
//! empty place, else a tag of eight bits of the fingerprint. A look-up of
//! something absent reads that word and, one time in thirty, a place; at a
//! million entries the words are 1.4 to 2 MiB and stay in the cache where the
//! 23 MiB of places would not.
//!
//! A place costs 17 bytes; between half and three quarters of them are used,
//! so an entry costs 23 to 34 bytes.
//!
//! # Ordering
//!
//! The writer fills a place and then sets its tag with `Release`; a reader
//! that sees the tag (`Acquire`) sees the place. A mark is one word, so it is
//! never seen half. When a reader must see an entry is decided one level up,
//! by the epoch.

use super::sync::{AtomicU64, Ordering};

/// Places in a group: one byte each in a word.
const GROUP: usize = 8;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

pub(crate) struct Table {
    tags: Box<[AtomicU64]>,
    places: Box<[Place]>,
}

struct Place {
    key: AtomicU64,
    value: AtomicU64,
}

impl Table {
    /// A table in which `entries` use at most half of the places.
    pub(crate) fn for_entries(entries: usize) -> Self {
        Self::with_groups((entries * 2).div_ceil(GROUP).max(1))
    }

    pub(crate) fn with_groups(groups: usize) -> Self {
        let place = || Place {
            key: AtomicU64::new(0),
            value: AtomicU64::new(0),
        };
        Self {
            tags: (0..groups).map(|_| AtomicU64::new(0)).collect(),
            places: (0..groups * GROUP).map(|_| place()).collect(),
        }
    }

    /// How many entries it takes before it must grow.
    pub(crate) fn room(&self) -> usize {
        self.places.len() / 4 * 3
    }

    /// The value under `key`, which is not zero.
    pub(crate) fn find(&self, key: u64) -> Option<u64> {
        self.place_of(key)
            .map(|place| place.value.load(Ordering::Relaxed))
    }

    /// Puts `value` under `key`. Only the one writer calls this, and only while
    /// there is [`Self::room`].
    pub(crate) fn put(&self, key: u64, value: u64) {
        if let Some(place) = self.place_of(key) {
            place.value.store(value, Ordering::Relaxed);
            return;
        }
        for group in self.groups_from(key) {
            let tags = self.tags[group].load(Ordering::Relaxed);
            let empty = zero_bytes(tags);
            if empty == 0 {
                continue;
            }
            let within = empty.trailing_zeros() as usize / 8;
            let place = &self.places[group * GROUP + within];
            place.key.store(key, Ordering::Relaxed);
            place.value.store(value, Ordering::Relaxed);
            let tags = tags | tag(key) << (within * 8);
            self.tags[group].store(tags, Ordering::Release);
            return;
        }
    }

    /// Every entry. Only for the writer: what is put meanwhile may be missed.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.places.iter().filter_map(|place| {
            let key = place.key.load(Ordering::Relaxed);
            (key != 0).then(|| (key, place.value.load(Ordering::Relaxed)))
        })
    }

    fn place_of(&self, key: u64) -> Option<&Place> {
        let wanted = tag(key) * ONES;
        for group in self.groups_from(key) {
            let tags = self.tags[group].load(Ordering::Acquire);
            let mut same = zero_bytes(tags ^ wanted);
            while same != 0 {
                let within = same.trailing_zeros() as usize / 8;
                let place = &self.places[group * GROUP + within];
                if place.key.load(Ordering::Relaxed) == key {
                    return Some(place);
                }
                same &= same - 1;
            }
            if zero_bytes(tags) != 0 {
                return None;
            }
        }
        None
    }

    /// The groups in which `key` may be, the likeliest first.
    fn groups_from(&self, key: u64) -> impl Iterator<Item = usize> {
        let groups = self.tags.len();
        let first = ((u128::from(key) * groups as u128) >> 64) as usize;
        (first..groups).chain(0..first)
    }
}

/// Eight bits that choose neither the group nor the kind; never zero.
const fn tag(key: u64) -> u64 {
    let tag = key >> 8 & 0xff;
    if tag == 0 { 1 } else { tag }
}

/// The high bit of each byte that is zero. A byte of one above a zero byte may
/// show up too, so callers that search compare the key; that any shows up is
/// exact.
const fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}
