//! Ending tokens before their `exp`.
