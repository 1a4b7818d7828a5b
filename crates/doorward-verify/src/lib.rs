//! What an API needs to check Doorward's access tokens by itself.
//!
//! A token becomes a [`principal::Principal`] in [`verifier::Verifier::verify`]:
//! the bearer is read ([`bearer`]), issuer and key are picked, the signature
//! and the claims are checked by `doorward-jose`, the revocation set is asked.
//! Every check writes its line into the [`Decision`](doorward_policy::decision::Decision).
//!
//! This crate reads no clock of its own and opens no socket unless the feature
//! `fetch` lets it follow key sets: time is an argument, keys and revocations
//! are given by the caller.

pub mod bearer;
pub mod challenge;
pub mod clock;
pub mod jwks;
pub mod key_source;
pub mod principal;
pub mod problem;
pub mod proof;
pub mod revocation;
pub mod token_cache;
pub mod verifier;

pub use doorward_jose as jose;
