//! The gateway over real sockets: requests written byte by byte, and an
//! upstream that records what reached it. No test sleeps; the clock of tokens
//! is turned by hand, and time limits are set short where one is to be seen.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod api_key;
mod authorization;
mod bearer;
mod bodies;
mod demands;
mod fail_closed;
mod forward_auth;
mod framing;
#[path = "../harness/mod.rs"]
#[expect(dead_code, reason = "the other tests use the rest")]
mod harness;
mod http2;
mod identity;
mod internal_token;
mod lifecycle;
mod limits;
mod local;
mod malformed;
mod path;
mod path_matrix;
#[cfg(feature = "cedar")]
mod policies;
mod pool;
mod possession;
mod rates;
mod rest;
mod shadow;
mod tls;
mod trailers;
mod upgrade;
mod upstream;
mod upstream_http2;
