//! The issuer's own configuration, of which this one knows a bound.

/// As in the issuer, bytes.
pub const MIN_TOKEN_BYTES: usize = 768;
