//! Where a verifier finds the keys of an issuer.
//!
//! A [`KeySource`] is a shared, swappable [`KeySet`]: reading is lock-free,
//! replacing it takes effect for the next request. Whoever owns the keys (the
//! issuer in the same process, a file watcher) calls
//! [`KeySource::replace`]. Fetching a JWKS over HTTP is not done here.

use std::sync::Arc;

use arc_swap::ArcSwap;
use doorward_jose::jwk_set::KeySet;

/// A shared set of verifying keys. Clones see the same set.
#[derive(Clone)]
pub struct KeySource(Arc<ArcSwap<KeySet>>);

impl KeySource {
    /// Starts with `keys`.
    pub fn fixed(keys: KeySet) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(keys)))
    }

    /// Puts `keys` in place of the present set, at once and whole.
    pub fn replace(&self, keys: KeySet) {
        self.0.store(Arc::new(keys));
    }

    /// The present set.
    pub fn current(&self) -> Arc<KeySet> {
        self.0.load_full()
    }
}

impl std::fmt::Debug for KeySource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeySource").finish_non_exhaustive()
    }
}
