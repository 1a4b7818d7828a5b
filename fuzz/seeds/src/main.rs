//! Writes the inputs that the fuzz targets begin with into a folder for each,
//! after each has gone through its target: those of `targets/seeds.rs`, and the
//! forgeries of `doorward-attack`. `fuzz/run.sh TARGET merge` keeps those that
//! reach code of their own.
//!
//! ```text
//! cargo run --package seeds -- found
//! ```

use std::{fs, io, path::Path};

use doorward_attack::forge::forge;
use doorward_jose::{jwk_set::KeySet, signing_key::SigningKey};

#[path = "../../targets/seeds.rs"]
mod seeds;
#[path = "../../targets/mod.rs"]
mod targets;

fn main() -> io::Result<()> {
    let folder = std::env::args()
        .nth(1)
        .unwrap_or_else(|| "found".to_owned());
    for (target, mut inputs) in seeds::all() {
        inputs.extend(forgeries(target));
        let run = targets::ALL.iter().find(|(name, _)| *name == target);
        let (_, run) = run.expect("a target of this name");
        let folder = Path::new(&folder).join(target);
        fs::create_dir_all(&folder)?;
        for (number, input) in inputs.iter().enumerate() {
            run(input.as_bytes());
            fs::write(folder.join(format!("seed-{number:04}")), input)?;
        }
        println!("{target}: {} seeds", inputs.len());
    }
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
