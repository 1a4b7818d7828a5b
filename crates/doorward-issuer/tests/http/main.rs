//! The issuer's endpoints, called through the whole router. The folders
//! mirror the URLs; the clock is turned and the randomness seeded, so nothing
//! here waits.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod auth;
mod bodies;
mod flow;
mod harness;
mod hygiene;
mod oauth2;
mod unauthorized;
mod well_known;
