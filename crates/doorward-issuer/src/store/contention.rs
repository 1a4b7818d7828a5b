//! What is run again because another writer was in the way.
//!
//! The engine ended one of several transactions that waited for each other, or
//! that could not be put in an order. Nothing of it happened, and the next try
//! most likely finds the way free.

use std::future::Future;

use crate::{
    api_key::ApiKeyError,
    error::{AdminError, OpenError, SessionError, StoreError},
};

/// Most tries of one change.
const TRIES: usize = 5;

/// An error that may come from the store.
pub(crate) trait FromStore {
    /// The store's part in it.
    fn store_error(&self) -> Option<&StoreError>;
}

/// Runs `change`, again while another writer is in the way, and not for ever.
/// `change` makes a transaction of its own each time.
pub(crate) async fn again<T, E, F>(mut change: impl FnMut() -> F) -> Result<T, E>
where
    E: FromStore,
    F: Future<Output = Result<T, E>>,
{
    let mut tries = 1;
    loop {
        match change().await {
            Err(error) if tries < TRIES && is_contention(&error) => tries += 1,
            outcome => return outcome,
        }
    }
}

fn is_contention(error: &impl FromStore) -> bool {
    matches!(error.store_error(), Some(StoreError::Contended(_)))
}

impl FromStore for StoreError {
    fn store_error(&self) -> Option<&StoreError> {
        Some(self)
    }
}

macro_rules! from_store {
    ($($error:ident),+) => {$(
        impl FromStore for $error {
            fn store_error(&self) -> Option<&StoreError> {
                match self {
                    Self::Store(error) => Some(error),
                    _ => None,
                }
            }
        }
    )+};
}

from_store!(AdminError, ApiKeyError, OpenError, SessionError);

#[cfg(test)]
mod tests {
    use super::{StoreError, TRIES, again};

    async fn tries_of(error: fn(usize) -> Option<StoreError>) -> (usize, bool) {
        let mut tries = 0;
        let outcome = again(|| {
            tries += 1;
            let error = error(tries);
            async move { error.map_or(Ok(()), Err) }
        });
        let outcome = outcome.await;
        (tries, outcome.is_ok())
    }

    #[tokio::test]
    async fn only_contention_is_tried_again_and_not_for_ever() {
        let third = tries_of(|n| (n < 3).then(|| StoreError::Contended(String::new()))).await;
        assert_eq!(third, (3, true));
        let never = tries_of(|_| Some(StoreError::Contended(String::new()))).await;
        assert_eq!(never, (TRIES, false));
        let unavailable = tries_of(|_| Some(StoreError::Unavailable(String::new()))).await;
        assert_eq!(unavailable, (1, false));
        let corrupt = tries_of(|_| Some(StoreError::Corrupt(String::new()))).await;
        assert_eq!(corrupt, (1, false));
    }
}
