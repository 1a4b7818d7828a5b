//! A map with a bound: what was touched longest ago goes first.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// At most `capacity` entries.
pub(super) struct Table<K, V> {
    capacity: usize,
    entries: HashMap<K, (u64, V)>,
    /// Keys by the moment of their last touch. INVARIANT: one for each entry.
    touched: BTreeMap<u64, K>,
    touches: u64,
}

impl<K: Copy + Eq + Hash, V: Copy> Table<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            entries: HashMap::new(),
            touched: BTreeMap::new(),
            touches: 0,
        }
    }

    /// Reading does not touch.
    pub(super) fn get(&self, key: &K) -> Option<V> {
        self.entries.get(key).map(|(_, value)| *value)
    }

    pub(super) fn insert(&mut self, key: K, value: V) {
        self.touches += 1;
        if let Some((touch, _)) = self.entries.insert(key, (self.touches, value)) {
            self.touched.remove(&touch);
        }
        self.touched.insert(self.touches, key);
        if self.entries.len() > self.capacity
            && let Some((_, oldest)) = self.touched.pop_first()
        {
            self.entries.remove(&oldest);
        }
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some((touch, _)) = self.entries.remove(key) {
            self.touched.remove(&touch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Table;

    #[test]
    fn dos_009_the_table_is_bounded_and_forgets_the_oldest_first() {
        let mut table = Table::new(100);
        for key in 0..1_000_u32 {
            table.insert(key, key);
            table.insert(0, 0);
        }
        assert_eq!((table.entries.len(), table.touched.len()), (100, 100));
        assert_eq!(table.get(&0), Some(0), "a touched entry was forgotten");
        assert_eq!((table.get(&900), table.get(&901)), (None, Some(901)));
        table.remove(&0);
        assert_eq!((table.entries.len(), table.touched.len()), (99, 99));
    }
}
