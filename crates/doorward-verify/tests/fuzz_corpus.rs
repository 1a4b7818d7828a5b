//! Every committed input of the fuzz targets, and those that they begin with,
//! through the targets: what the fuzzer once reached stays reached, on every
//! machine that runs the tests.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is the failed test"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    time::Instant,
};

#[path = "../../../fuzz/targets/seeds.rs"]
mod seeds;
#[path = "../../../fuzz/targets/mod.rs"]
mod targets;

/// The inputs of one target.
fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let files = fs::read_dir(folder.join(target)).expect("a folder for each target");
    files.map(|file| file.expect("a file").path()).collect()
}

#[test]
#[expect(clippy::print_stderr, reason = "time is reported, not judged")]
fn every_committed_input_holds() {
    for (target, run) in targets::ALL {
        let files = corpus(target);
        assert!(files.len() >= 50, "{target} has {} inputs", files.len());
        let mut slowest = (0, PathBuf::new());
        for file in files {
            let input = fs::read(&file).expect("an input");
            let start = Instant::now();
            // Caught, so that a panic is told with the file.
            let held = std::panic::catch_unwind(|| run(&input));
            assert!(held.is_ok(), "{} breaks a promise", file.display());
            slowest = slowest.max((start.elapsed().as_micros(), file));
        }
        eprintln!("{target}: at most {} µs", slowest.0);
    }
}

#[test]
fn every_seed_holds() {
    for ((target, inputs), (name, run)) in seeds::all().into_iter().zip(targets::ALL) {
        assert_eq!(target, name);
        for input in inputs {
            let held = std::panic::catch_unwind(|| run(input.as_bytes()));
            assert!(held.is_ok(), "{target}: {input:?} breaks a promise");
        }
    }
}
