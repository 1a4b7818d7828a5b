//! The gateway under load and beside faults: a program of its own, one test
//! after the other, because memory and time are those of the whole process.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
#![expect(clippy::print_stdout, reason = "figures are shown with --nocapture")]

mod faults;
#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod harness;
mod idle;
mod memory;

use std::sync::{Mutex, MutexGuard, PoisonError};

const KILOBYTE: usize = 1024;
const MEGABYTE: usize = 1024 * KILOBYTE;

/// The machine, as far as this program has it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // What failed before has nothing to do with this.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Resident memory of this process, in bytes: gateway, upstream, and callers
/// where they are in it.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
