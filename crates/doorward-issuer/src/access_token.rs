//! Access tokens (RFC 9068).

use doorward_jose::time::UnixTime;

/// An access token without a session, made by an administrator. Holds a
/// secret, so it cannot be printed.
pub struct MintedToken {
    /// The token.
    pub access_token: String,
    /// `jti`.
    pub token_id: String,
    /// `exp`.
    pub expires_at: UnixTime,
}
