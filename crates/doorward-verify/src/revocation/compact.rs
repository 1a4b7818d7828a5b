//! The compact form: sorted, immutable, about nine bytes an entry.
//!
//! The top bits of a fingerprint choose a bucket, so they need not be kept;
//! their place in the eight bytes of a row goes to the expiry, as a number of
//! steps. Expiries are rounded up to the next step: an entry may stay a little
//! longer, never shorter. A bucket holds four to eight rows on average and its
//! index costs four bytes, so a row costs 8.5 to 9 bytes; one with a moment
//! before which tokens are refused costs four more.

use super::{
    fingerprint::{Fingerprint, KINDS},
    mark::Mark,
};

/// Average rows in a bucket, at most.
const BUCKET: usize = 8;

/// Fewest bits that choose a bucket: so many are there for the expiry.
const MIN_BITS: u32 = 8;

/// Entries that no longer change.
#[derive(Default)]
pub(crate) struct Compact {
    /// Those that say the same of every token.
    all: Section,
    /// Those with a moment.
    before: Section,
    counts: [usize; KINDS],
}

impl Compact {
    /// From entries in order, each fingerprint once.
    pub(crate) fn new(entries: &[(Fingerprint, Mark)]) -> Self {
        let mut counts = [0; KINDS];
        for (fingerprint, _) in entries {
            counts[fingerprint.kind_index()] += 1;
        }
        let (all, before): (Vec<_>, Vec<_>) = entries
            .iter()
            .copied()
            .partition(|(_, mark)| mark.is_for_all());
        Self {
            all: Section::new(&all, false),
            before: Section::new(&before, true),
            counts,
        }
    }

    /// What is held of `fingerprint`.
    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<Mark> {
        if self.counts[fingerprint.kind_index()] == 0 {
            return None;
        }
        self.all
            .find(fingerprint)
            .or_else(|| self.before.find(fingerprint))
    }

    /// Every entry, its expiry rounded up.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Fingerprint, Mark)> {
        self.all.iter().chain(self.before.iter())
    }

    pub(crate) fn len(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Bytes on the heap.
    pub(crate) fn bytes(&self) -> usize {
        self.all.bytes() + self.before.bytes()
    }
}

struct Section {
    /// Where each bucket begins; one more than there are buckets.
    index: Box<[u32]>,
    /// The low bits of a fingerprint, then the steps of its expiry.
    rows: Box<[u64]>,
    /// `issued_before` of each row, where rows differ in it.
    moments: Box<[u32]>,
    bits: u32,
    first_expiry: u32,
    step: u32,
}

impl Default for Section {
    fn default() -> Self {
        Self::new(&[], false)
    }
}

impl Section {
    fn new(entries: &[(Fingerprint, Mark)], with_moments: bool) -> Self {
        let bits = (entries.len() / BUCKET)
            .next_power_of_two()
            .trailing_zeros()
            .clamp(MIN_BITS, 31);
        let expiries = || entries.iter().map(|(_, mark)| mark.expires_at());
        let finite = || expiries().filter(|expiry| *expiry != u32::MAX);
        let first_expiry = finite().min().unwrap_or(0);
        let span = finite().max().unwrap_or(0) - first_expiry;
        let mut section = Self {
            index: Box::default(),
            rows: Box::default(),
            moments: Box::default(),
            bits,
            first_expiry,
            // The last number is for those that never expire.
            step: span.div_ceil((1 << bits) - 2).max(1),
        };
        section.index = section.index_of(entries);
        section.rows = entries.iter().map(|entry| section.row(entry)).collect();
        if with_moments {
            let moments = entries.iter().map(|(_, mark)| mark.issued_before());
            section.moments = moments.collect();
        }
        section
    }

    fn index_of(&self, entries: &[(Fingerprint, Mark)]) -> Box<[u32]> {
        let buckets = 1_usize << self.bits;
        let mut index = vec![0_u32; buckets + 1];
        for (fingerprint, _) in entries {
            index[self.bucket(*fingerprint) + 1] += 1;
        }
        let mut begin = 0;
        for bucket in &mut index {
            begin += *bucket;
            *bucket = begin;
        }
        index.into()
    }

    fn row(&self, (fingerprint, mark): &(Fingerprint, Mark)) -> u64 {
        let steps = match mark.expires_at() {
            u32::MAX => (1 << self.bits) - 1,
            expiry => u64::from((expiry - self.first_expiry).div_ceil(self.step)),
        };
        fingerprint.bits() << self.bits | steps
    }

    fn find(&self, fingerprint: Fingerprint) -> Option<Mark> {
        let bucket = self.bucket(fingerprint);
        let (from, to) = (self.index[bucket] as usize, self.index[bucket + 1] as usize);
        let wanted = fingerprint.bits() << self.bits;
        let mask = !0 << self.bits;
        let row = self.rows[from..to]
            .iter()
            .position(|row| row & mask == wanted)?;
        Some(self.mark(from + row))
    }

    fn iter(&self) -> impl Iterator<Item = (Fingerprint, Mark)> {
        let buckets = self.index.windows(2).zip(0_u64..);
        buckets.flat_map(move |(ends, bucket)| {
            (ends[0] as usize..ends[1] as usize).filter_map(move |row| {
                let bits = bucket << (64 - self.bits) | self.rows[row] >> self.bits;
                Some((Fingerprint::from_bits(bits)?, self.mark(row)))
            })
        })
    }

    fn mark(&self, row: usize) -> Mark {
        let last = (1_u32 << self.bits) - 1;
        let expires_at = match self.rows[row] as u32 & last {
            steps if steps == last => u32::MAX,
            // Rounded up past the end of time is the end of time.
            steps => self
                .first_expiry
                .saturating_add(steps.saturating_mul(self.step)),
        };
        let issued_before = self.moments.get(row).copied().unwrap_or(u32::MAX);
        Mark::from_parts(issued_before, expires_at)
    }

    const fn bucket(&self, fingerprint: Fingerprint) -> usize {
        (fingerprint.bits() >> (64 - self.bits)) as usize
    }

    fn bytes(&self) -> usize {
        size_of_val(&*self.index) + size_of_val(&*self.rows) + size_of_val(&*self.moments)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::hash::{BuildHasher as _, RandomState};

    use super::{
        super::{fingerprint::Kind, mark::Mark},
        Compact, Fingerprint,
    };

    fn entries(count: u64) -> Vec<(Fingerprint, Mark)> {
        let random = RandomState::new();
        let mut entries: Vec<_> = (0..count)
            .map(|n| {
                let kind = [Kind::Session, Kind::Token][usize::from(n % 7 == 0)];
                let fingerprint = Fingerprint::new(kind, random.hash_one(n));
                let expires = 1_800_000_000 + u32::try_from(n % 330).unwrap();
                (fingerprint, Mark::from_parts(u32::MAX, expires))
            })
            .collect();
        entries.sort_by_key(|(fingerprint, _)| *fingerprint);
        entries
    }

    #[test]
    fn finds_all_of_them_and_nothing_else() {
        for count in [0, 1, 100, 5000] {
            let held = entries(count);
            let compact = Compact::new(&held);
            assert_eq!(compact.len(), held.len());
            for (fingerprint, mark) in &held {
                let found = compact.find(*fingerprint).unwrap();
                assert!(found.expires_at() >= mark.expires_at());
                assert!(found.expires_at() <= mark.expires_at() + 2);
            }
            for (fingerprint, _) in entries(1000) {
                assert_eq!(compact.find(fingerprint), None);
            }
            let mut listed: Vec<_> = compact.iter().map(|(one, _)| one).collect();
            let wanted: Vec<_> = held.iter().map(|(one, _)| *one).collect();
            listed.sort();
            assert_eq!(listed, wanted);
        }
    }

    #[test]
    fn what_never_expires_never_does() {
        let mut held = entries(10);
        held[3].1 = Mark::from_parts(u32::MAX, u32::MAX);
        let compact = Compact::new(&held);
        assert_eq!(compact.find(held[3].0).unwrap().expires_at(), u32::MAX);
    }

    #[test]
    fn rev_012_nine_bytes_an_entry() {
        let compact = Compact::new(&entries(200_000));
        assert!(compact.bytes() <= 9 * 200_000 + 64, "{}", compact.bytes());
    }

    #[test]
    fn moments_are_kept_exactly() {
        let mut held = entries(300);
        for (n, (_, mark)) in (0..).zip(&mut held) {
            *mark = Mark::from_parts(1_700_000_000 + n, mark.expires_at());
        }
        let compact = Compact::new(&held);
        for (fingerprint, mark) in held {
            let found = compact.find(fingerprint).unwrap();
            assert_eq!(found.issued_before(), mark.issued_before());
        }
    }
}
