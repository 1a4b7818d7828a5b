//! What reaches the gateway before anybody is asked who they are: paths, and
//! the bytes of a connection. In a module of their own, because they need the
//! gateway; `cargo test` runs them in `crates/doorward-gateway/src/fuzzing`.

mod http1;
mod path;
mod reader;

/// Panics if a promise is broken.
type Target = fn(&[u8]);

/// The targets by name.
pub(crate) const ALL: [(&str, Target); 2] = [("path", path::run), ("http1", http1::run)];
