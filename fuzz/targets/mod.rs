//! The bodies of the fuzz targets: ordinary functions from bytes to nothing,
//! which panic if a promise is broken. The fuzzer runs them on what it makes up
//! (`fuzz/runner`), `cargo test` on the corpus that is committed
//! (`crates/doorward-verify/tests/fuzz_corpus.rs`).
//!
//! A crash is the least of what they look for: two ways to verify must agree to
//! the letter, what is read must mean the same to a reader that is not strict,
//! what is written must be read again as the same, and nothing verifies that
//! was not signed.

mod dpop_proof;
mod feed_batch;
mod header;
mod jwk_set;
pub(crate) mod signer;
mod token;

/// Panics if a promise is broken.
pub(crate) type Target = fn(&[u8]);

/// The targets by name.
pub(crate) const ALL: [(&str, Target); 5] = [
    ("token", token::run),
    ("header", header::run),
    ("jwk_set", jwk_set::run),
    ("dpop_proof", dpop_proof::run),
    ("feed_batch", feed_batch::run),
];
