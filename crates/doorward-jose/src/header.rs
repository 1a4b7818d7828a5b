//! The JOSE header (RFC 7515 section 4).

use crate::algorithm::Algorithm;

/// The part of a header that this crate acts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<String>,
    pub(crate) token_type: Option<String>,
}
