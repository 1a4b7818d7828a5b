//! Black-box attack cases against any HTTP API that takes JSON Web Tokens.
//!
//! Knows nothing of the defender but the JOSE core, which it uses to take
//! tokens apart and to make throw-away keys: what works here works against
//! anybody's API. It speaks to the target and to nothing else; files, clock
//! and randomness are given as values, and what is printed where is for the
//! caller to decide.
//!
//! Start at [`run::Attack`]; the catalogue is [`case`].

pub mod calibration;
pub mod case;
mod der;
pub mod description;
mod evidence;
pub mod forge;
pub mod likeness;
pub mod login;
pub mod mint;
mod plan;
pub mod probe;
pub mod proof;
pub mod report;
pub mod run;
pub mod target;
pub mod verdict;
pub mod weak_secret;
pub mod wire;
