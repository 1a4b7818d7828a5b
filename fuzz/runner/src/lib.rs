//! What all fuzz targets have in common: an input may not take long.

use std::time::{Duration, Instant};

// An inline module, so that the files of the configuration are looked for in
// its own folder.
#[path = "../../../crates/doorward/src"]
mod doorward {
    #[expect(dead_code, reason = "only reading is fuzzed")]
    pub(crate) mod bounded_file;
    #[expect(dead_code, unused_imports, reason = "only reading is fuzzed")]
    pub(crate) mod config;
}
#[path = "../../targets/gateway/mod.rs"]
mod gateway;
#[path = "../../targets/route_file.rs"]
mod route_file;
#[path = "../../targets/mod.rs"]
mod targets;

use doorward::{bounded_file, config};

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
    let of_files: (&str, fn(&[u8])) = ("route_file", route_file::run);
    let all = targets::ALL
        .into_iter()
        .chain(gateway::ALL)
        .chain([of_files]);
    let target = { all }.find(|(name, _)| *name == target);
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
