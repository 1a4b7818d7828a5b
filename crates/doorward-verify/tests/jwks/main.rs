//! Following a key set behind a URL, against a real server that misbehaves, by
//! a turned clock.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod addresses;
mod background;
mod bench;
mod failures;
mod files;
mod https;
mod issuers;
mod refresh;
mod server;
mod storms;
