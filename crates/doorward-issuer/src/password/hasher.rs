//! The one place that computes password hashes, within a fixed memory.
//!
//! At most `parallel` hashes run at a time, each in an arena of `memory_kib`
//! that is kept and used again: the budget is their product, and a warm arena
//! saves a fifth of the time (no page faults). Behind them waits a bounded
//! queue; what does not fit is refused at once ([`HashError::Overloaded`]),
//! before it costs anything.
//!
//! DOS-001: a hash cannot be stopped half way, so the permit travels with the
//! work and is given back when the hash *ends*, even if the caller hung up in
//! between (test `dos_001_the_permit_is_held_until_the_hash_ends`). A caller
//! who hangs up while still queued leaves the queue at once.
//!
//! BRU-008: an unknown account is verified against a dummy of the configured
//! cost. A hash that was stored under older parameters, or imported, costs what
//! it costs until the next right password replaces it.
//!
//! What needs more memory than an arena, or memory of its own (scrypt), is
//! computed alone: one such hash at a time, of at most 128 MiB, and no more than a
//! quarter of the queue waits for it.
//!
//! The threads that hash have a lower priority than the rest (`threads`).
//!
//! The arenas are not wiped between uses: what they hold helps to guess one
//! password no more than the stored hash does, and wiping costs a twelfth of
//! the hash.

mod threads;

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use argon2::Block;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::threads::Threads;
use super::{
    NewPassword, Password, PasswordHash, PasswordHashError,
    argon::Cost,
    hash::{NotComputed, Workspace},
};

/// What one hash costs, and how many there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hashing {
    /// Argon2 memory, KiB.
    pub memory_kib: u32,
    /// Argon2 passes.
    pub passes: u32,
    /// Hashes at a time; the number of cores is a good choice.
    pub parallel: usize,
    /// Requests that may wait for a hash; more are refused.
    pub queue: usize,
}

impl Default for Hashing {
    /// OWASP's 19 MiB and 2 passes, one hash at a time, 64 waiting.
    fn default() -> Self {
        Self {
            memory_kib: 19_456,
            passes: 2,
            parallel: 1,
            queue: 64,
        }
    }
}

/// The settings cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashingError {
    /// No hash may ever run.
    #[error("hashing must allow at least one hash at a time; set `parallel` to 1 or more")]
    NoParallel,
    /// Memory or passes outside the bounds of a stored hash.
    #[error(transparent)]
    Cost(#[from] PasswordHashError),
}

/// No hash was computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// The queue is full.
    #[error("too many passwords are being checked; try again in {retry_after_seconds} s")]
    Overloaded {
        /// When the queue will have moved on.
        retry_after_seconds: u64,
    },
    /// The worker failed; nothing is known about the password.
    #[error("the password could not be hashed")]
    Failed,
}

/// Sixteen random bytes, fresh for each hash.
#[derive(Clone, Copy)]
pub struct Salt(pub [u8; Self::BYTES]);

impl Salt {
    /// RFC 9106 section 3.1 recommends 16 bytes for password hashing.
    pub const BYTES: usize = 16;
}

/// The answer to one password.
#[derive(Debug)]
#[must_use]
pub enum Verdict {
    /// It is the right one.
    Right {
        /// The same password under the current parameters, if the stored hash
        /// was made with others: store it.
        rehash: Option<PasswordHash>,
    },
    /// It is not, or there is no such account.
    Wrong,
}

/// When a quarter of the queue of hashes that are computed alone has moved on,
/// seconds.
const ALONE_RETRY: u64 = 5;

/// Computes and checks password hashes. See the module's text.
pub struct Hasher {
    cost: Cost,
    parallel: usize,
    queue: usize,
    permits: Arc<Semaphore>,
    /// One hash at a time may need more than an arena.
    oversize: Arc<Semaphore>,
    arenas: Arc<Arenas>,
    threads: Threads,
    waiting: AtomicUsize,
    /// Those of them that wait for `oversize`.
    waiting_alone: AtomicUsize,
}

impl Hasher {
    /// A hasher with these settings.
    ///
    /// # Errors
    ///
    /// Settings under which no password could be checked.
    pub fn new(hashing: Hashing) -> Result<Self, HashingError> {
        if hashing.parallel == 0 {
            return Err(HashingError::NoParallel);
        }
        let cost = Cost::new(hashing.memory_kib, hashing.passes, 1)?;
        let parallel = hashing.parallel.min(Semaphore::MAX_PERMITS);
        Ok(Self {
            cost,
            parallel,
            queue: hashing.queue,
            permits: Arc::new(Semaphore::new(parallel)),
            oversize: Arc::new(Semaphore::new(1)),
            arenas: Arc::new(Arenas {
                blocks: cost.blocks(),
                used: AtomicBool::new(false),
                free: Mutex::default(),
            }),
            threads: Threads::new(parallel),
            waiting: AtomicUsize::new(0),
            waiting_alone: AtomicUsize::new(0),
        })
    }

    /// Hashes a password that was accepted for an account.
    ///
    /// # Errors
    ///
    /// [`HashError`]; nothing was hashed.
    pub async fn hash(&self, password: NewPassword, salt: Salt) -> Result<PasswordHash, HashError> {
        let cost = self.cost;
        let workspace = Workspace::Arena(cost.blocks());
        self.run(workspace, move |arena| {
            PasswordHash::compute(password.as_password(), cost, salt, arena)
        })
        .await
    }

    /// Whether `password` is the one in `stored`; without a stored hash the
    /// answer is [`Verdict::Wrong`] after the same work.
    ///
    /// `salt` is used when the hash must be renewed, which happens only after
    /// the password proved right: a wrong one never costs double.
    ///
    /// # Errors
    ///
    /// [`HashError`]; nothing is known about the password.
    pub async fn verify(
        &self,
        password: Password,
        stored: Option<&PasswordHash>,
        salt: Salt,
    ) -> Result<Verdict, HashError> {
        let known = stored.is_some();
        let current = self.cost;
        let stored = stored
            .cloned()
            .unwrap_or_else(|| PasswordHash::dummy(current));
        self.run(stored.workspace(), move |arena| {
            let matches = stored.matches(&password, arena)?;
            if !(matches & known) {
                return Ok(Verdict::Wrong);
            }
            let outdated = !stored.is_current(current) && stored.covers(&password);
            let renew = || PasswordHash::compute(&password, current, salt, arena);
            let rehash = outdated.then(renew).transpose()?;
            Ok(Verdict::Right { rehash })
        })
        .await
    }

    /// Hashes that can be under way or waiting before the next is refused.
    pub fn capacity(&self) -> usize {
        self.parallel.saturating_add(self.queue)
    }

    /// Gives the arenas back to the system if no hash began since the last
    /// call. Called now and then, it makes an idle process small again.
    pub fn rest(&self) {
        self.arenas.rest();
    }

    async fn run<T, F>(&self, workspace: Workspace, work: F) -> Result<T, HashError>
    where
        T: Send + 'static,
        F: FnOnce(&mut [Block]) -> Result<T, NotComputed> + Send + 'static,
    {
        let place = self.take_place()?;
        let blocks = match workspace {
            Workspace::Arena(blocks) => blocks,
            Workspace::Own => 0,
        };
        let alone = match blocks > self.arenas.blocks || workspace == Workspace::Own {
            true => Some(self.alone().await?),
            false => None,
        };
        let permits = (permit_of(&self.permits).await?, alone);
        drop(place);
        let arenas = Arc::clone(&self.arenas);
        let hash = move || arenas.lend(permits, blocks, work);
        let outcome = self.threads.run(hash).await.ok_or(HashError::Failed)?;
        outcome.map_err(|_| HashError::Failed)
    }

    /// The turn of a hash that is computed alone. At most a quarter of the queue
    /// waits for it: they take longer than others, and whoever signs in with an
    /// ordinary hash must find room beside them.
    async fn alone(&self) -> Result<OwnedSemaphorePermit, HashError> {
        let free = self.oversize.available_permits();
        let taken = self.waiting_alone.fetch_add(1, Ordering::Relaxed);
        let _place = Place(&self.waiting_alone);
        if taken >= self.queue.div_ceil(4).saturating_add(free) {
            return Err(HashError::Overloaded {
                retry_after_seconds: ALONE_RETRY,
            });
        }
        permit_of(&self.oversize).await
    }

    /// A place in the queue, or the refusal.
    fn take_place(&self) -> Result<Place<'_>, HashError> {
        // Requests that will get a permit at once pass through the counter
        // too, so it is compared with the whole capacity's share of waiting.
        let free = self.permits.available_permits();
        let taken = self.waiting.fetch_add(1, Ordering::Relaxed);
        let place = Place(&self.waiting);
        if taken >= self.queue.saturating_add(free) {
            drop(place);
            return Err(HashError::Overloaded {
                retry_after_seconds: 1,
            });
        }
        Ok(place)
    }
}

async fn permit_of(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, HashError> {
    let permit = Arc::clone(semaphore).acquire_owned().await;
    permit.map_err(|_| HashError::Failed)
}

impl std::fmt::Debug for Hasher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hasher")
            .field("cost", &self.cost)
            .finish_non_exhaustive()
    }
}

/// Leaves the queue when dropped, also when the caller hangs up.
struct Place<'h>(&'h AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The memory that hashes work in. INVARIANT: an arena exists only for a
/// permit that is or was held, so there are never more than `parallel`; one
/// larger piece exists only while the one permit for it is held.
struct Arenas {
    blocks: usize,
    /// Whether a hash began since the last rest.
    used: AtomicBool,
    free: Mutex<Vec<Vec<Block>>>,
}

impl Arenas {
    /// Runs `work` in an arena of at least `blocks`. The permits are dropped
    /// last, after the arena is back.
    fn lend<T>(
        &self,
        _permits: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>),
        blocks: usize,
        work: impl FnOnce(&mut [Block]) -> T,
    ) -> T {
        self.used.store(true, Ordering::Relaxed);
        if blocks > self.blocks {
            return work(&mut vec![Block::default(); blocks]);
        }
        let kept = self.free().pop();
        let mut arena = kept.unwrap_or_else(|| vec![Block::default(); self.blocks]);
        let outcome = work(&mut arena);
        self.free().push(arena);
        outcome
    }

    fn rest(&self) {
        if !self.used.swap(false, Ordering::Relaxed) {
            self.free().clear();
        }
    }

    fn free(&self) -> MutexGuard<'_, Vec<Vec<Block>>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
