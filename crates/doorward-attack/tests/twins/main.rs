//! Broken twins: small servers that are wrong in exactly one way, and sound
//! ones. Each wrong one is found, by the right id; the sound ones are not.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod faults;
mod given;
mod harness;
mod kinds;
mod logins;
mod stacks;
