//! Whether what was checked once need be checked again.
//!
//! INVARIANT: both numbers are read *before* the check that they stand for. A
//! change that the check may have missed has raised them further, so they no
//! longer fit; the reverse order would claim to have seen what came between.

use crate::revocation::sync::{AtomicU64, Ordering};

/// What was true before a token was checked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before {
    /// The generation of the issuer's keys; none if none may be used.
    pub(crate) keys: Option<u64>,
    /// The epoch of the revocations.
    pub(crate) epoch: u64,
}

pub(crate) struct Freshness {
    keys: u64,
    /// A check with this epoch was good. Only a hint to save the next one, so
    /// it needs no order of its own: a thread that sees an older number checks
    /// once more.
    epoch: AtomicU64,
}

impl Freshness {
    pub(crate) fn new(before: Before) -> Option<Self> {
        Some(Self {
            keys: before.keys?,
            epoch: AtomicU64::new(before.epoch),
        })
    }

    /// Whether the keys are the same and nothing that was revoked since
    /// concerns it: asks `is_unrevoked` only if anything was.
    pub(crate) fn holds(
        &self,
        keys: Option<u64>,
        epoch: impl FnOnce() -> u64,
        is_unrevoked: impl FnOnce() -> bool,
    ) -> bool {
        if keys != Some(self.keys) {
            return false;
        }
        let epoch = epoch();
        if self.epoch.load(Ordering::Relaxed) == epoch {
            return true;
        }
        let is_good = is_unrevoked();
        if is_good {
            self.epoch.store(epoch, Ordering::Relaxed);
        }
        is_good
    }
}
