//! Black-box attack cases against any HTTP API that takes JSON Web Tokens.
//!
//! Knows nothing of the defender but the JOSE core, which it uses to take
//! tokens apart and to make throw-away keys: what works here works against
//! anybody's API. No I/O: the caller sends the forgeries and judges the
//! answers.

pub mod case;
mod der;
pub mod forge;
