//! Key sets that live elsewhere: in a file, or behind a URL (RFC 7517).
//!
//! [`KeyFile`](file::KeyFile) follows a file. With the feature `fetch`,
//! `remote::RemoteKeys` follows a JWKS URL: one background task per issuer does
//! all the fetching, and what a request reads is an immutable snapshot in a
//! [`KeySource`](crate::key_source::KeySource).
//!
//! A key set decides who is believed, so fetching one is treated as an attack
//! surface of its own:
//!
//! - *Where to.* `https`, no redirects, and the addresses that a name resolves
//!   to are judged before one of exactly those is connected to, so that a name
//!   cannot point inside (RFC 8725 section 3.10; `key_007_*`).
//! - *How much.* Five seconds for everything, 256 KiB, 32 keys, and a media
//!   type that says JSON (`key_008_*`).
//! - *How often.* One flight at a time; unknown key ids together cause at most
//!   one attempt in 30 s, counted from the last attempt whether it failed or
//!   not (`key_009_*`).
//! - *What for.* Each issuer has its own source; a key id means nothing outside
//!   its issuer (`key_010_*`).
//!
//! What goes wrong keeps the last good set, for a stated time and no longer.

pub mod file;

#[cfg(feature = "fetch")]
pub mod address;
#[cfg(feature = "fetch")]
pub(crate) mod connection;
#[cfg(feature = "fetch")]
pub(crate) mod demand;
#[cfg(feature = "fetch")]
pub mod discovery;
#[cfg(feature = "fetch")]
mod exchange;
#[cfg(feature = "fetch")]
mod follower;
#[cfg(feature = "fetch")]
mod freshness;
#[cfg(feature = "fetch")]
mod kept;
#[cfg(feature = "fetch")]
pub mod remote;
#[cfg(feature = "fetch")]
mod schedule;
#[cfg(feature = "fetch")]
pub mod trust_anchors;
#[cfg(feature = "fetch")]
pub mod url;
