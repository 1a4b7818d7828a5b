//! Signatures over anything, with any secret, for `doorward-attack`.
//!
//! Everything that the rest of the crate refuses to make: empty and public
//! "secrets", headers of one's own. Behind the feature `dangerous`; nothing
//! that verifies has any use for it.

use aws_lc_rs::hmac;

use crate::{
    algorithm::Algorithm, error::SignError, signing_key::SigningKey, verifying_key::hmac_algorithm,
};

/// The HMAC of `message` under any secret, of any length; none if `algorithm`
/// is not an HMAC.
pub fn hmac(algorithm: Algorithm, secret: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    // An empty key and a zero byte are the same HMAC key (RFC 2104 section 2),
    // and the library wants a pointer to something.
    let secret = if secret.is_empty() { &[0] } else { secret };
    let key = hmac::Key::new(hmac_algorithm(algorithm)?, secret);
    Some(hmac::sign(&key, message).as_ref().to_vec())
}

/// The signature of any bytes.
///
/// # Errors
///
/// [`SignError::Crypto`] if the library fails.
pub fn sign(key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, SignError> {
    key.sign_bytes(message)
}
