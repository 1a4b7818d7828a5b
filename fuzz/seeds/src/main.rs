//! Writes the inputs that the fuzz targets begin with into a folder for each,
//! after each has gone through its target: those that the targets bring along,
//! and the forgeries of `doorward-attack`. `fuzz/run.sh TARGET merge` keeps those that
//! reach code of their own.
//!
//! ```text
//! cargo run --package seeds -- found
//! ```

use std::{fs, io, path::Path};

use doorward_attack::forge::forge;
use doorward_jose::{jwk_set::KeySet, signing_key::SigningKey};

// An inline module, so that the files of the configuration are looked for in
// its own folder.
#[path = "../../../crates/doorward/src"]
mod doorward {
    #[expect(dead_code, unused_imports, reason = "only reading is fuzzed")]
    pub(crate) mod config;
}
#[path = "../../targets/gateway/mod.rs"]
mod gateway;
#[path = "../../targets/route_file.rs"]
mod route_file;
#[path = "../../targets/route_file_seeds.rs"]
mod route_file_seeds;
#[path = "../../targets/seeds.rs"]
mod seeds;
#[path = "../../targets/gateway/seeds.rs"]
mod stream_seeds;
#[path = "../../targets/mod.rs"]
mod targets;

use doorward::config;

/// The binary's own configuration files.
const DEMO: &str = include_str!("../../../crates/doorward/src/config/demo.toml");

fn main() -> io::Result<()> {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "found".to_owned());
    let folder = Path::new(&folder);
    for ((target, mut inputs), (_, run)) in seeds::all().into_iter().zip(targets::ALL) {
        inputs.extend(forgeries(target));
        let inputs = inputs.into_iter().map(String::into_bytes);
        write(&folder.join(target), run, inputs)?;
    }
    for ((target, inputs), (_, run)) in stream_seeds::all().into_iter().zip(gateway::ALL) {
        write(&folder.join(target), run, inputs)?;
    }
    let files = route_file_seeds::all(&[DEMO, &route_file_seeds::taken_in(config::TEMPLATE)]);
    write(&folder.join("route_file"), route_file::run, files)
}

/// Into the folder, after each has gone through its target.
fn write(
    folder: &Path,
    run: targets::Target,
    inputs: impl IntoIterator<Item = Vec<u8>>,
) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let mut count = 0;
    for input in inputs {
        run(&input);
        fs::write(folder.join(format!("seed-{count:04}")), input)?;
        count += 1;
    }
    println!("{}: {count} seeds", folder.display());
    Ok(())
}

fn forgeries(target: &str) -> Vec<String> {
    let [hmac, ed25519, proof] = seeds::good_texts();
    let keys = targets::signer::DETERMINISTIC.iter();
    let jwks = KeySet::from_iter(keys.map(SigningKey::verifying_key)).to_jwks_json();
    let valid: &[String] = match target {
        "token" => &[hmac, ed25519],
        "dpop_proof" => &[proof],
        _ => &[],
    };
    let forgeries = valid.iter().flat_map(|valid| forge(valid, Some(&jwks)));
    let tokens = forgeries.map(|forgery| forgery.token);
    // What is refused for its length alone teaches nothing.
    tokens.filter(|token| token.len() < 12_000).collect()
}
