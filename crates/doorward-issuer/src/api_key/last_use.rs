//! When keys were last used: noted in memory, written in batches.
//!
//! A write for each call would be a write for each request of every program. A
//! crash forgets at most what was noted since the last batch.

use std::{
    collections::HashMap,
    mem,
    sync::{Mutex, PoisonError},
};

use doorward_verify::clock::Timestamp;

/// Keys noted between two batches; more are not noted, which bounds memory.
const MAX_NOTED: usize = 100_000;

/// The uses since the last batch.
#[derive(Default)]
pub(crate) struct LastUses(Mutex<HashMap<String, Timestamp>>);

impl LastUses {
    pub(crate) fn note(&self, id: &str, at: Timestamp) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = noted.get_mut(id) {
            *last = (*last).max(at);
        } else if noted.len() < MAX_NOTED {
            noted.insert(id.to_owned(), at);
        }
    }

    /// Takes the batch.
    pub(crate) fn take(&self) -> HashMap<String, Timestamp> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        mem::take(&mut noted)
    }
}
