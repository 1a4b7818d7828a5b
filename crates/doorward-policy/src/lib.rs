//! Permissions, roles, route rules and the decision record.
//!
//! Pure: no I/O, no clock, no randomness, no async runtime. Issuer, gateway,
//! command line and console give the same answer because they call the same
//! functions of this crate and read the same [`decision::Decision`].

pub mod catalogue;
#[cfg(feature = "cedar")]
pub mod cedar;
pub mod decision;
mod matcher;
pub mod method;
pub mod narrow;
pub mod network;
pub mod overlay;
pub mod permission;
pub mod permit;
pub mod role;
pub mod route;
pub mod text_map;
