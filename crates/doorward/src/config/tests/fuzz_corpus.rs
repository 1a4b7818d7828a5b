//! Every committed input of the fuzz target for configuration files, and those
//! that it begins with, through the target.

use std::{fs, path::Path};

use super::DEMO;
use crate::config::TEMPLATE;

#[path = "../../../../../fuzz/targets/route_file.rs"]
mod route_file;
#[path = "../../../../../fuzz/targets/route_file_seeds.rs"]
pub(super) mod seeds;

#[test]
fn every_committed_input_holds() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/route_file");
    let files = fs::read_dir(folder).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 50, "{} inputs", files.len());
    for file in files {
        let input = fs::read(&file).unwrap();
        let held = std::panic::catch_unwind(|| route_file::run(&input));
        assert!(held.is_ok(), "{} breaks a promise", file.display());
    }
}

#[test]
fn every_seed_holds() {
    let mut inputs = seeds::all(&[DEMO]);
    inputs.insert(seeds::taken_in(TEMPLATE).into_bytes());
    for input in inputs {
        let held = std::panic::catch_unwind(|| route_file::run(&input));
        let text = String::from_utf8_lossy(&input);
        assert!(held.is_ok(), "breaks a promise:\n{text}");
    }
}
