//! What the programs of a bench share: the token, the keys, the
//! counting of allocations and the taking of time.
//!
//! There are several because two peers bring a library of the OpenSSL family, and
//! the names of those clash in one process: `josekit`, over the system's
//! OpenSSL, runs as a child that takes its turns in the same rounds on the
//! same core.

pub mod allocations;
pub mod contender;
pub mod keys;
pub mod measure;
pub mod peer;
pub mod token;
