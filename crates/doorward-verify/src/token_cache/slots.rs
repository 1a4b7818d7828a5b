//! A bounded store of immutable entries, found without a lock.
//!
//! Slots come in sets of four. A keyed hash of the text chooses the set and
//! tells its slots apart; the whole text decides. Every set is its own shard:
//! writers of different sets never meet, and a reader takes no lock, counts no
//! reference and writes nothing that another thread reads.
//!
//! A slot's hash and its entry are two stores. A reader between them finds an
//! entry of another text, which is no hit: the text is compared.

use crate::revocation::sync::{Arc, AtomicU64, Ordering, Slot};

/// Slots in a set.
const WAYS: usize = 4;

/// What is stored: immutable but for what it synchronises itself.
pub(crate) trait Stored {
    /// Whether it was made from exactly this text.
    fn is_of(&self, text: &[u8]) -> bool;
    /// Bytes it occupies.
    fn bytes(&self) -> u64;
    /// When it is of no more use; the first to end makes room.
    fn ends_at(&self) -> u64;
}

pub(crate) struct Slots<E> {
    hashes: Box<[AtomicU64]>,
    slots: Box<[Slot<E>]>,
    bytes: AtomicU64,
    max_bytes: u64,
    /// The slot that is emptied next when bytes run out.
    hand: AtomicU64,
}

impl<E: Stored> Slots<E> {
    pub(crate) fn new(entries: usize, max_bytes: u64) -> Self {
        let slots = entries.div_ceil(WAYS).max(1) * WAYS;
        Self {
            hashes: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            slots: (0..slots).map(|_| Slot::empty()).collect(),
            bytes: AtomicU64::new(0),
            max_bytes,
            hand: AtomicU64::new(0),
        }
    }

    /// What `read` makes of the entry of exactly this text.
    pub(crate) fn find<R>(&self, hash: u64, text: &[u8], read: impl FnOnce(&E) -> R) -> Option<R> {
        let at = self
            .set_of(hash)
            .find(|&at| self.hashes[at].load(Ordering::Relaxed) == hash)?;
        let entry = self.slots[at].load();
        entry
            .as_ref()
            .filter(|entry| entry.is_of(text))
            .map(|entry| read(entry))
    }

    /// Stores `entry`, in place of an older one of the same text, in an empty
    /// slot, or in place of the one of its set that ends first. One that is
    /// larger than a sixteenth of everything is not stored.
    pub(crate) fn put(&self, hash: u64, text: &[u8], entry: E) {
        let bytes = entry.bytes();
        if bytes > self.max_bytes / 16 || !self.reserve(bytes) {
            return;
        }
        let at = self.victim(hash, text);
        self.hashes[at].store(hash, Ordering::Relaxed);
        let old = self.slots[at].swap(Some(Arc::new(entry)));
        self.release(old);
    }

    /// Empties the slot of this text.
    pub(crate) fn forget(&self, hash: u64, text: &[u8]) {
        for at in self.set_of(hash) {
            if self.hashes[at].load(Ordering::Relaxed) == hash && self.holds(at, text) {
                self.release(self.slots[at].swap(None));
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        let full = |slot: &&Slot<E>| slot.load().is_some();
        self.slots.iter().filter(full).count()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes `bytes` of the allowance, emptying slots in turn until there is
    /// room; gives up after one round, which only others' haste can cause.
    fn reserve(&self, bytes: u64) -> bool {
        for _ in 0..=self.slots.len() {
            if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes <= self.max_bytes {
                return true;
            }
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            let hand = self.hand.fetch_add(1, Ordering::Relaxed);
            let at = usize::try_from(hand % self.slots.len() as u64).unwrap_or(0);
            self.release(self.slots[at].swap(None));
        }
        false
    }

    fn release(&self, old: Option<Arc<E>>) {
        if let Some(old) = old {
            self.bytes.fetch_sub(old.bytes(), Ordering::Relaxed);
        }
    }

    fn victim(&self, hash: u64, text: &[u8]) -> usize {
        let worth = |at: usize| {
            let slot = self.slots[at].load();
            match slot.as_ref() {
                Some(held) if held.is_of(text) => (0, 0),
                None => (1, 0),
                Some(held) => (2, held.ends_at()),
            }
        };
        self.set_of(hash).min_by_key(|&at| worth(at)).unwrap_or(0)
    }

    fn holds(&self, at: usize, text: &[u8]) -> bool {
        let slot = self.slots[at].load();
        slot.as_ref().is_some_and(|entry| entry.is_of(text))
    }

    fn set_of(&self, hash: u64) -> std::ops::Range<usize> {
        let sets = self.slots.len() / WAYS;
        let set = ((u128::from(hash) * sets as u128) >> 64) as usize;
        set * WAYS..(set + 1) * WAYS
    }
}
