//! What all fuzz targets have in common: an input may not take long.

use std::time::{Duration, Instant};

#[path = "../../targets/mod.rs"]
mod targets;

/// An input that takes longer than this is found like one that panics.
const LONGEST: Duration = Duration::from_millis(10);

/// How often a slow input is tried again before it is called slow: what the
/// machine was busy with does not come back every time.
const CHANCES: usize = 10;

/// Runs the target of this name on `input`.
///
/// # Panics
///
/// If the target does, if there is none, or if the quickest of several runs
/// takes more than 10 ms.
pub fn fuzz(target: &str, input: &[u8]) {
    let target = targets::ALL.iter().find(|(name, _)| *name == target);
    let (_, target) = target.expect("a target of this name");
    let run = || {
        let start = Instant::now();
        target(input);
        start.elapsed()
    };
    let mut quickest = run();
    for _ in 0..CHANCES {
        if quickest <= LONGEST {
            return;
        }
        quickest = quickest.min(run());
    }
    assert!(quickest <= LONGEST, "the input takes {quickest:?}");
}
