//! The last decisions, kept in memory for `explain`.
//!
//! Bounded, oldest out first. A decision holds no token and no body, so the
//! journal is not a store of credentials.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use doorward_policy::decision::{Decision, TraceId};

const CAPACITY: usize = 2_000;

/// The last decisions. Shared by the listener that fills it and the admin
/// endpoints that read it.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<VecDeque<Decision>>);

impl Journal {
    /// Remembers `decision` and forgets the oldest when full.
    pub(crate) fn record(&self, decision: Decision) {
        let mut entries = self.entries();
        if entries.len() == CAPACITY {
            entries.pop_front();
        }
        entries.push_back(decision);
    }

    /// The newest decision.
    pub(crate) fn last(&self) -> Option<Decision> {
        self.entries().back().cloned()
    }

    /// The decision of one request.
    pub(crate) fn find(&self, trace_id: TraceId) -> Option<Decision> {
        let entries = self.entries();
        entries
            .iter()
            .rev()
            .find(|entry| entry.trace_id == trace_id)
            .cloned()
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<Decision>> {
        // Each change is one push or pop: a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use doorward_policy::decision::{Decision, TraceId};

    use super::{CAPACITY, Journal};

    #[test]
    fn dos_009_the_journal_is_bounded_and_drops_the_oldest() {
        let journal = Journal::default();
        let id = |n: usize| {
            let mut bytes = [1; 16];
            bytes[8..].copy_from_slice(&(n as u64).to_be_bytes());
            TraceId::from_bytes(bytes)
        };
        for n in 0..=CAPACITY {
            journal.record(Decision::new(id(n), 0, "GET", "/"));
        }
        assert!(journal.find(id(0)).is_none());
        assert!(journal.find(id(1)).is_some());
        assert_eq!(
            journal.last().map(|entry| entry.trace_id),
            Some(id(CAPACITY))
        );
    }
}
