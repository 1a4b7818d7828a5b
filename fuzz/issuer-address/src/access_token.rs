//! The access token, of which the configuration knows the largest.

/// As in the issuer, bytes.
pub const MAX_ACCESS_TOKEN_BYTES: usize = 6 * 1024;
