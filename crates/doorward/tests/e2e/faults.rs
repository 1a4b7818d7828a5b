//! When things go wrong: bad input, bad configuration, a store that fails, an
//! upstream that fails, signals, a clock that jumps, floods.
//!
//! Each file is a row of the product's table of faults. What they share: bad
//! input gets a clear error and changes nothing, an honest client is served,
//! nobody panics, and nothing that was acknowledged is lost.

mod bodies;
mod clock;
mod connections;
mod disk;
mod gone;
mod guessing;
mod heads;
mod log_lines;
pub(crate) mod observed;
mod revocation;
mod sign_in_flood;
mod signals;
mod store;
mod upstream;

/// Routes for a recording upstream.
pub(crate) const ROUTES: &str = r#"
[roles.reader]
permissions = ["orders:read"]

[roles.editor]
inherits = ["reader"]
permissions = ["orders:write"]

[[route]]
match = "GET /orders"
allow = "orders:read"

[[route]]
match = "POST /orders"
allow = "orders:write"

[[route]]
match = "GET /public"
public = true
"#;
