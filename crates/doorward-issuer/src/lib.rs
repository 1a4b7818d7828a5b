//! Accounts, sign-in, sessions, keys, audit, and all SQL.
//!
//! Everything that holds a secret is in this crate: password hashes, sealed
//! private keys, the keys of refresh tokens. [`Issuer`] is the way in; it
//! opens one database, and several of them (a server and the command line)
//! may have the same one open.
//!
//! What each part may touch: SQL only in `store/`, passwords only in
//! [`password`], private keys only in [`key_ring`], and neither clock nor
//! randomness anywhere: they are given ([`Surroundings`]).
//!
//! Not here: checking tokens (that is `doorward-verify`), deciding what a
//! token may do (`doorward-policy`), and anything of the gateway.

pub mod access_token;
pub mod admin;
mod admission;
pub mod api_key;
pub mod attribute;
pub mod audit;
pub mod client;
pub mod config;
pub mod credential;
pub mod entropy;
pub mod error;
mod feed;
pub mod hexadecimal;
pub mod http;
pub mod issuer;
pub mod key_ring;
pub mod master_key;
pub mod password;
mod password_change;
mod permission_numbers;
pub mod refresh_token;
pub mod revocation;
pub mod role_grant;
pub mod second_factor;
pub mod session;
mod sign_in;
mod store;
pub mod tenant;
mod ticket;
pub mod user;
pub mod user_record;

pub use admin::Admin;
pub use config::Config;
pub use entropy::Entropy;
pub use error::{AdminError, MintError, OpenError, RefreshError, SessionError, StoreError};
pub use issuer::{Changes, Issuer, Surroundings};
pub use master_key::{Fingerprint, KeyFileChange, MasterKey, MasterKeyError};
pub use permission_numbers::PermissionForm;
pub use session::TokenAnswer;
pub use store::{Database, DatabaseUrlError, PostgresUrl};
