//! The revocation feed, read by a verifier. The wire format is in
//! `docs/revocation-feed.md`.
//!
//! The issuer numbers its revocations in the order of their commits and signs
//! what it sends; whoever relays it can delay it and nothing else:
//!
//! - *Forged or altered*: the signature, its type and its issuer ([`message`]).
//! - *Dropped, reordered, cut*: numbers without gaps.
//! - *Replayed*: what lies behind the cursor is no news and refreshes nothing.
//! - *Rewritten history* (a database put back, then overtaken): each message
//!   carries the hash of all entries before it, and the reader computes its own.
//! - *A database put back*: begins a new epoch, and epochs only go forward.
//! - *Delayed*: the age of what is known is counted from the issuer's own
//!   time, and [`StalePolicy`] says what is accepted as it grows.
//!
//! Authentic entries are put in force even when what carries them ends badly:
//! an entry can only refuse, and is never taken out before it expires.
//!
//! [`follower`] drives it over a [`transport`] (`http`, with the feature
//! `fetch`); `tail` decides, without I/O;
//! `journal` keeps what was applied, signed as it came, over a restart.

pub mod follower;
mod frames;
#[cfg(feature = "fetch")]
pub mod http;
mod journal;
pub mod message;
mod tail;
pub mod transport;
mod view;

pub use self::view::{Admission, FeedState, FeedView, StalePolicy};
