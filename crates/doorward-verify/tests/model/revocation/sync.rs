//! What `src/revocation/sync.rs` names, from loom. A value that is swapped
//! whole is a mutex here: loom has no such thing, and needs to know only that
//! a swap is one step that orders what came before it.

pub(crate) use std::sync::Arc;

pub(crate) use loom::sync::{
    Mutex,
    atomic::{AtomicU64, Ordering},
};

pub(crate) struct Swap<T>(Mutex<Arc<T>>);

impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub(crate) fn load(&self) -> Arc<T> {
        Arc::clone(&self.0.lock().unwrap())
    }

    pub(crate) fn store(&self, value: T) {
        *self.0.lock().unwrap() = Arc::new(value);
    }
}

pub(crate) struct Slot<T>(Mutex<Option<Arc<T>>>);

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn load(&self) -> Option<Arc<T>> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn swap(&self, value: Option<Arc<T>>) -> Option<Arc<T>> {
        std::mem::replace(&mut *self.0.lock().unwrap(), value)
    }
}
