//! bcrypt: `$2b$12$` and 53 characters of salt and result.
//!
//! `$2a$`, `$2b$` and `$2y$` are one algorithm. `$2x$` is the one that got
//! characters beyond ASCII wrong, and is refused.

use bcrypt::HashParts;

use super::{NotComputed, PasswordHashError};

/// Twice the work with each; 14 is about a second.
const MOST_COST: u32 = 14;
const LEAST_COST: u32 = 8;
const BOUNDS: &str = "bcrypt: cost 4 to 14";
const FLOOR: &str = "bcrypt: cost 8";

/// A bcrypt hash, but for its text.
#[derive(Clone)]
pub(super) struct Bcrypt {
    cost: u32,
}

impl Bcrypt {
    /// From an ASCII text.
    pub(super) fn parse(text: &str) -> Result<Self, PasswordHashError> {
        let known = ["$2a$", "$2b$", "$2y$"];
        if !known.iter().any(|version| text.starts_with(version)) {
            return Err(PasswordHashError::Malformed);
        }
        let parts: HashParts = text.parse().map_err(|_| PasswordHashError::Malformed)?;
        let cost = parts.get_cost();
        let digits = text.get(4..6).unwrap_or_default();
        if digits != format!("{cost:02}") {
            return Err(PasswordHashError::Malformed);
        }
        match (4..=MOST_COST).contains(&cost) {
            true => Ok(Self { cost }),
            false => Err(PasswordHashError::OutOfBounds(BOUNDS)),
        }
    }

    pub(super) fn falls_short(&self) -> Option<&'static str> {
        (self.cost < LEAST_COST).then_some(FLOOR)
    }

    pub(super) fn matches(text: &str, password: &[u8]) -> Result<bool, NotComputed> {
        bcrypt::verify(password, text).map_err(|_| NotComputed)
    }
}
