//! The primitives at which readers and writers of the revocation set and of
//! the token cache meet.
//!
//! Named in one place so that the model of `tests/model` can put its own in
//! their stead and try every interleaving.

use arc_swap::{ArcSwap, ArcSwapOption, Guard};

pub(crate) use std::sync::{
    Arc, Mutex,
    atomic::{AtomicU64, Ordering},
};

/// A value that is replaced whole; readers neither wait nor count.
pub(crate) struct Swap<T>(ArcSwap<T>);

impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(ArcSwap::from_pointee(value))
    }

    pub(crate) fn load(&self) -> Guard<Arc<T>> {
        self.0.load()
    }

    pub(crate) fn store(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

/// A value that is replaced whole and may be absent.
pub(crate) struct Slot<T>(ArcSwapOption<T>);

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self(ArcSwapOption::empty())
    }

    pub(crate) fn load(&self) -> Guard<Option<Arc<T>>> {
        self.0.load()
    }

    pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        self.0.swap(value)
    }
}
