//! The memory in which tokens are verified: one for each thread, used for one
//! token after the other.
//!
//! What a token leaves in it is overwritten by the next one, readable by
//! nothing else, and wiped when the thread ends.

use std::cell::Cell;

use doorward_jose::scratch::Scratch;

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Lends `work` this thread's memory; whoever comes while it is lent, or while
/// the thread ends, gets some of their own.
pub(super) fn lent<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    let kept = SCRATCH.try_with(Cell::take).ok().flatten();
    let mut scratch = kept.unwrap_or_default();
    let done = work(&mut scratch);
    // A thread that ends has no place for it any more.
    let _ = SCRATCH.try_with(|place| place.set(Some(scratch)));
    done
}
