//! What an API needs to check Doorward's access tokens by itself.
//!
//! A token becomes a [`principal::Principal`] in [`verifier::Verifier::verify_bearer`]:
//! the bearer is read ([`bearer`]), issuer and key are picked, the signature
//! and the claims are checked by `doorward-jose`, the revocation set is asked.
//! Every check writes its line into the [`Decision`](doorward_policy::decision::Decision).
//!
//! A service lays the `layer` (feature `tower`) around its handlers, which then
//! ask for what they need in their arguments, with the extractors of `extract`
//! (feature `axum`). [`refusal`] is the answer without either.
//!
//! This crate reads no clock of its own and opens no socket unless the feature
//! `fetch` lets it follow key sets: time is an argument, keys and revocations
//! are given by the caller.

pub mod bearer;
pub mod challenge;
pub mod claim_mapping;
pub mod clock;
pub mod credential;
#[cfg(feature = "axum")]
pub mod extract;
pub mod jwks;
pub mod key_source;
#[cfg(feature = "tower")]
pub mod layer;
pub mod permission_numbers;
pub mod principal;
pub mod problem;
pub mod proof;
pub mod refusal;
pub mod revocation;
pub mod token_cache;
pub mod verifier;

pub use doorward_jose as jose;
