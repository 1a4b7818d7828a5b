//! The reverse proxy in front of an unchanged API.
//!
//! A request passes, in this order: the wire's lint (`wire`), hyper's parser,
//! the strict gate (`gate`), the path's one reading ([`path`]), the removal of
//! identity headers ([`identity`]), the route table, the verifier, the policy
//! (all in `judge`), and only then the upstream (`upstream`). Each step hands
//! on a value that the next one cannot be called without.
//!
//! This crate cannot name the issuer: no private key, password or table is
//! linkable from the data plane. What Doorward answers itself is reached
//! through a [`LocalService`] that the binary gives. It reads no wall clock
//! and no randomness; both are given in [`Shared`].

#[cfg(test)]
extern crate self as doorward_gateway; // the fuzz targets are compiled into the tests

pub mod address;
mod answer;
pub mod api_key;
mod arrival;
pub mod config;
mod fields;
pub mod forward_auth;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod gate;
mod gateway;
mod hop;
mod http1;
mod http2;
pub mod identity;
pub mod internal_token;
mod judge;
mod listeners;
pub mod path;
mod policy_fields;
pub mod rate;
mod responses;
pub mod sampling;
mod serve;
mod server;
pub mod shadow;
mod shares;
pub mod tally;
pub mod tls;
mod trace;
mod trailers;
mod tunnel;
mod upstream;
mod wire;

pub use answer::BodyError;
pub use config::{Config, Limits, UpstreamProtocol};
pub use gateway::{DecisionSink, Gateway, LocalBody, LocalFuture, LocalService, Peer, Shared};
pub use listeners::{BindError, Listeners};
pub use path::CanonicalPath;
pub use server::{BoundGateway, Drained};
pub use tls::Tls;
pub use upstream::{NoRoots, UpstreamRoots};
