//! Every committed input of the gateway's fuzz targets, and those that they
//! begin with, through the targets.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::{fs, path::Path};

#[path = "../../../../fuzz/targets/gateway/mod.rs"]
mod targets;

#[path = "../../../../fuzz/targets/gateway/seeds.rs"]
mod seeds;

#[test]
fn every_committed_input_holds() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (target, run) in targets::ALL {
        let files = fs::read_dir(corpus.join(target)).unwrap();
        let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        assert!(files.len() >= 30, "{target} has {} inputs", files.len());
        for file in files {
            let input = fs::read(&file).unwrap();
            let held = std::panic::catch_unwind(|| run(&input));
            assert!(held.is_ok(), "{} breaks a promise", file.display());
        }
    }
}

#[test]
fn every_seed_holds() {
    for ((target, inputs), (_, run)) in seeds::all().into_iter().zip(targets::ALL) {
        for input in inputs {
            let held = std::panic::catch_unwind(|| run(&input));
            let text = String::from_utf8_lossy(&input);
            assert!(held.is_ok(), "{target}: {text:?} breaks a promise");
        }
    }
}
