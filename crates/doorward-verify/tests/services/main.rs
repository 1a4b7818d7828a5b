//! Services that check tokens themselves: the layer and the extractors around
//! real handlers, with real keys and a turned clock.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

mod extract;
mod house;
mod layer;
