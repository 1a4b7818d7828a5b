//! `just bench-verify`: verifying and signing tokens with `doorward-jose`,
//! beside its peers and beside the bare call of the cryptographic library.
//!
//! ```text
//! bench-verify [--rounds N] [--only ALG[,ALG...]] [--svg FILE]
//! ```
//!
//! Prints Markdown, and draws the ratios into FILE.

mod json_web_token;
mod jwt_simple;
mod options;
mod ours;
mod plot;
mod raw;
mod table;

use std::{io, process::ExitCode};

use contest::{
    keys::Keys,
    measure::{Figure, side_by_side, stay_on_one_core},
    peer,
    token::{AccessToken, CLAIMS_BYTES, TYPE},
};
use doorward_jose::algorithm::Algorithm;

use crate::options::Options;

/// The figures of one algorithm.
pub(crate) struct Results {
    algorithm: Algorithm,
    token_bytes: usize,
    verify: Vec<Figure>,
    sign: Vec<Figure>,
}

fn main() -> ExitCode {
    match Options::parse(std::env::args().skip(1)).map(bench) {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(error)) => {
            eprintln!("bench-verify: {error}");
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("bench-verify: {problem}");
            ExitCode::from(2)
        }
    }
}

fn bench(options: Options) -> io::Result<()> {
    stay_on_one_core();
    let mut results = Vec::new();
    for algorithm in &options.algorithms {
        eprintln!("{algorithm} ...");
        results.push(run(*algorithm, options.rounds)?);
    }
    print!("{}", table::markdown(&results, options.rounds));
    match options.svg {
        Some(path) => std::fs::write(path, plot::svg(&results)),
        None => Ok(()),
    }
}

/// Everybody verifies one token: signature, `alg`, `exp`, `nbf`, `iss` and
/// `aud`, with all claims in the end. Then everybody signs its claims. The
/// floor checks a decoded signature, or signs bytes that are ready, and does
/// nothing else.
fn run(algorithm: Algorithm, rounds: usize) -> io::Result<Results> {
    let keys = Keys::generate(algorithm);
    let claims = AccessToken::fresh();
    let json = serde_json::to_string(&claims)?;
    assert_eq!(json.len(), CLAIMS_BYTES, "the claims changed: {json}");
    let token = keys.ours.sign(TYPE, &claims).map_err(io::Error::other)?;

    let mut verifiers = vec![raw::verifier(&keys, &token)];
    verifiers.extend(ours::verifiers(&keys, &token));
    verifiers.extend(json_web_token::verifiers(&keys, &token));
    verifiers.extend(jwt_simple::verifier(&keys, &token));
    let mut signers = vec![raw::signer(&keys, &claims), ours::signer(&keys, &claims)];
    signers.extend(json_web_token::signers(&keys, &claims));
    signers.extend(jwt_simple::signer(&keys, &claims));
    if let Some([verifier, signer]) = peer::contenders("josekit", "josekit-peer", &keys, &token)? {
        verifiers.push(verifier);
        signers.push(signer);
    }
    Ok(Results {
        algorithm,
        token_bytes: token.len(),
        verify: side_by_side(verifiers, rounds),
        sign: side_by_side(signers, rounds),
    })
}
