//! Strict JSON Web Signatures, Keys and Tokens (RFC 7515, 7517, 7518, 7519,
//! 7638, 8037, 9068, 9864).
//!
//! No I/O, no clock, no randomness of its own: time is an argument, keys are
//! values, and only the cryptographic library's generator is used, for making
//! keys and signatures. What is not here on purpose: encryption (JWE),
//! compression, detached and unencoded payloads, the JSON serialisations, and
//! the algorithm `none`, which has no representation in any type.
//!
//! Start at [`token::UnverifiedToken::verify`]; the security argument is in
//! [`manual`].

pub mod algorithm;
pub mod base64url;
pub mod claims;
#[cfg(any(feature = "dangerous", test))]
pub mod dangerous;
pub mod dpop;
pub mod error;
#[cfg(test)]
mod harness;
pub mod header;
pub mod json;
pub mod jwk;
pub mod jwk_set;
pub mod jws;
pub mod manual;
mod public_key;
pub mod scratch;
pub mod signing_key;
pub mod time;
pub mod token;
pub mod validation;
pub mod verifying_key;
