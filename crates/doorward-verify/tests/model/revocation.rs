//! The crate's own sources, over the model's primitives.

pub(crate) mod sync;

#[path = "../../src/revocation/live.rs"]
pub(crate) mod live;
#[path = "../../src/revocation/table.rs"]
pub(crate) mod table;
