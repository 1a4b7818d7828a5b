//! The live form: entries as they come, found without a lock.
//!
//! # When a reader must see an entry
//!
//! [`Live::put`] stores the entry, then raises the epoch with `Release`, then
//! returns. A check reads the epoch with `Acquire` before it reads anything
//! else. If the check *happens after* the return of `put` (it is of a request
//! sent after the revocation was answered, or on a thread that was told),
//! then the entry's stores happen before the check's loads, and coherence
//! leaves the loads no older value. If it does not, but the check saw the
//! raised epoch, then `Release` and `Acquire` give the same order. So whoever
//! remembers an epoch may trust a check made under it for as long as
//! [`Live::epoch`] still gives that number, and not one entry longer. The
//! model in `tests/model` tries every interleaving of this.
//!
//! One writer at a time: the mutex orders them, and only they wait for it.

use super::sync::{AtomicU64, Mutex, Ordering, Swap};
use super::table::Table;

/// Entries under which a sweep always rewrites the table.
const SMALL: usize = 4096;

/// Seconds of expiry that the writer counts together.
const SPAN_SECONDS: u32 = 16;

pub(crate) struct Live<const KINDS: usize> {
    table: Swap<Table>,
    counts: [AtomicU64; KINDS],
    epoch: AtomicU64,
    writer: Mutex<Writer>,
}

/// What only writers know.
#[derive(Default)]
struct Writer {
    held: usize,
    /// How many entries expire in each span of seconds: says without a look
    /// at them whether a sweep is worth its cost.
    expiries: std::collections::BTreeMap<u32, usize>,
}

/// How the live form reads what it holds.
pub(crate) trait Entries {
    /// Which of the counted kinds a key is of.
    fn kind_index(key: u64) -> usize;
    /// The second in which a value expires.
    fn expires_at(value: u64) -> u32;
    /// Two values for one key.
    fn join(held: u64, new: u64) -> u64;
}

impl<const KINDS: usize> Live<KINDS> {
    pub(crate) fn new() -> Self {
        Self {
            table: Swap::new(Table::with_groups(1)),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            epoch: AtomicU64::new(0),
            writer: Mutex::new(Writer::default()),
        }
    }

    /// Changes with every entry that is put.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// Raises the epoch: for what is kept elsewhere and follows the same rule.
    pub(crate) fn raise_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::Release);
    }

    /// Whether there is no entry of a kind. An entry is counted after it was
    /// put and before the epoch is raised: who must see it sees the count.
    pub(crate) fn is_empty_of(&self, index: usize) -> bool {
        self.counts[index].load(Ordering::Acquire) == 0
    }

    /// The first of `keys` whose value `refuses`. Keys of empty kinds are not
    /// looked for.
    pub(crate) fn find_first(
        &self,
        keys: &[Option<u64>; KINDS],
        refuses: impl Fn(u64) -> bool,
    ) -> Option<usize> {
        let table = self.table.load();
        (0..KINDS).find(|&index| {
            !self.is_empty_of(index)
                && keys[index]
                    .and_then(|key| table.find(key))
                    .is_some_and(&refuses)
        })
    }

    /// Adds an entry or joins it with the one that is held.
    pub(crate) fn put<E: Entries>(&self, key: u64, value: u64) {
        let writer = &mut *self.writer();
        let mut table = self.table.load();
        let held = table.find(key);
        let value = held.map_or(value, |held| E::join(held, value));
        if held.is_none() && writer.held >= table.room() {
            // Half again as large, so that no entry ever costs more than the
            // documented bytes.
            let grown = Table::for_entries(writer.held + 1);
            for (key, value) in table.iter() {
                grown.put(key, value);
            }
            self.table.store(grown);
            table = self.table.load();
        }
        table.put(key, value);
        writer.count(held.map(E::expires_at), E::expires_at(value));
        if held.is_none() {
            self.counts[E::kind_index(key)].fetch_add(1, Ordering::Release);
        }
        self.raise_epoch();
    }

    /// Forgets entries that `keep` does not want, if enough of them can have
    /// expired by `now` to be worth a new table. Returns how many went.
    pub(crate) fn sweep<E: Entries>(&self, now: u32, keep: impl Fn(u64) -> bool) -> usize {
        let writer = &mut *self.writer();
        let first_alive = now / SPAN_SECONDS;
        let dead: usize = writer.expiries.range(..first_alive).map(|(_, n)| n).sum();
        if writer.held > SMALL && dead * 8 < writer.held {
            return 0;
        }
        self.rebuild::<E>(writer, keep)
    }

    /// Hands every entry to `take`, which must have put them where readers
    /// look next before it returns; then forgets them.
    pub(crate) fn drain<E: Entries>(
        &self,
        take: impl FnOnce(&mut dyn Iterator<Item = (u64, u64)>),
    ) {
        let writer = &mut *self.writer();
        take(&mut self.table.load().iter());
        self.rebuild::<E>(writer, |_| false);
    }

    pub(crate) fn len(&self) -> usize {
        self.writer().held
    }

    /// A new table with what is kept takes the old one's place. Nothing that
    /// is kept is ever out of sight: readers hold one table or the other.
    fn rebuild<E: Entries>(&self, writer: &mut Writer, keep: impl Fn(u64) -> bool) -> usize {
        let table = self.table.load();
        let kept = || table.iter().filter(|(_, value)| keep(*value));
        let count = kept().count();
        let went = writer.held - count;
        if went == 0 {
            return 0;
        }
        let mut counts = [0; KINDS];
        let mut renewed = Writer::default();
        let smaller = Table::for_entries(count);
        for (key, value) in kept() {
            smaller.put(key, value);
            counts[E::kind_index(key)] += 1;
            renewed.count(None, E::expires_at(value));
        }
        self.table.store(smaller);
        for (count, kept) in self.counts.iter().zip(counts) {
            count.store(kept, Ordering::Release);
        }
        *writer = renewed;
        went
    }

    // A writer that panicked has left nothing half done that a reader could
    // see, and refusing to read would turn a fault into an outage.
    fn writer(&self) -> impl std::ops::DerefMut<Target = Writer> {
        self.writer
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Writer {
    fn count(&mut self, before: Option<u32>, after: u32) {
        *self.expiries.entry(after / SPAN_SECONDS).or_default() += 1;
        let Some(before) = before else {
            self.held += 1;
            return;
        };
        if let std::collections::btree_map::Entry::Occupied(mut span) =
            self.expiries.entry(before / SPAN_SECONDS)
        {
            *span.get_mut() -= 1;
            if *span.get() == 0 {
                span.remove();
            }
        }
    }
}
