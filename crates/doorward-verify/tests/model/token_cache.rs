//! The crate's own sources, over the model's primitives.

#[path = "../../src/token_cache/freshness.rs"]
pub(crate) mod freshness;
#[path = "../../src/token_cache/slots.rs"]
pub(crate) mod slots;
