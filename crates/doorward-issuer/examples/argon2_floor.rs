//! What signing in cannot be faster than: Argon2id with the default cost, one
//! hash after the other in one warm arena, and nothing else.
//!
//! ```sh
//! cargo run --release -p doorward-issuer --example argon2_floor -- 3
//! ```
//!
//! The argument is seconds. Prints hashes a second; `just bench-issuer` asks for
//! it between its own rounds.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use doorward_issuer::password::Hashing;

fn main() {
    #[expect(clippy::disallowed_methods, reason = "the argument of a measurement")]
    let seconds = std::env::args().nth(1);
    let seconds = seconds.map_or(3, |text| text.parse().unwrap());
    let Hashing {
        memory_kib, passes, ..
    } = Hashing::default();
    let params = Params::new(memory_kib, passes, 1, Some(32)).unwrap();
    let mut arena = vec![Block::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = || {
        let mut out = [0; 32];
        let (password, salt) = (b"a password of the bench", b"sixteen bytes...");
        argon2
            .hash_password_into_with_memory(password, salt, &mut out, &mut arena)
            .unwrap();
        black_box(out);
    };
    hash();
    let (mut hashes, begun) = (0_u32, Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        hash();
        hashes += 1;
    }
    println!("{:.2}", f64::from(hashes) / begun.elapsed().as_secs_f64());
}
