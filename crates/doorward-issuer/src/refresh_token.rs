//! Refresh tokens: their text, and what a presented one means.
//!
//! ```text
//! dwr_ base64url( version 1 | session 16 | generation 4 | inner MAC 16 | outer MAC 8 )
//! ```
//!
//! Nothing of a token is stored. The *inner* MAC is keyed by the session's own
//! random key, which rests sealed in the session's row; the *outer* MAC is
//! keyed by a key derived from the root key and lets garbage be dropped
//! before the database is asked. So neither a copy of the database nor the
//! root key alone makes a token, and the successor of a token is a function
//! of session and generation: whoever repeats a refresh gets the same one.
//!
//! What a presented token means is decided in `session::standing`.

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use base64_simd::URL_SAFE_NO_PAD;
use uuid::Uuid;

use crate::session::SessionId;

const PREFIX: &str = "dwr_";
const VERSION: u8 = 1;
const NAMED: usize = 1 + 16 + 4;
const INNER: usize = 16;
const OUTER: usize = 8;
const LENGTH: usize = NAMED + INNER + OUTER;
/// 45 bytes are exactly 60 digits: no digit has spare bits, so each token has
/// one text.
const DIGITS: usize = LENGTH / 3 * 4;

/// What a used refresh token that came back most likely means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ReuseKind {
    /// Its successor was never used and it is not long ago: the answer was
    /// probably lost on the way.
    LostResponse,
    /// Its successor was never used, but it is long ago: an old copy came
    /// back, from a backup or from a thief.
    Replay,
    /// Its successor was used: two holders walk in one session.
    Theft,
}

impl ReuseKind {
    /// Stable name for audit and logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LostResponse => "lost_response",
            Self::Replay => "replay",
            Self::Theft => "theft",
        }
    }
}

impl std::fmt::Display for ReuseKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A token whose outer MAC holds: it names a session and a generation that
/// this installation once wrote. Whether the session agrees is still open.
pub(crate) struct Presented {
    pub(crate) session: SessionId,
    pub(crate) generation: u32,
    inner: [u8; INNER],
}

/// The key of one session's inner MACs.
pub(crate) struct SessionKey(hmac::Key);

impl SessionKey {
    pub(crate) const BYTES: usize = 32;

    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(hmac::Key::new(hmac::HMAC_SHA256, bytes))
    }

    /// Whether this session's key made `presented`.
    pub(crate) fn made(&self, presented: &Presented) -> bool {
        let named = named(presented.session, presented.generation);
        verify_slices_are_equal(&self.inner(&named), &presented.inner).is_ok()
    }

    /// The token of a generation, as text.
    pub(crate) fn token(&self, outer: &hmac::Key, session: SessionId, generation: u32) -> String {
        let named = named(session, generation);
        let inner = self.inner(&named);
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&named);
        bytes.extend_from_slice(&inner);
        let tag = hmac::sign(outer, &bytes);
        bytes.extend_from_slice(&tag.as_ref()[..OUTER]);
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode_to_string(bytes))
    }

    fn inner(&self, named: &[u8; NAMED]) -> [u8; INNER] {
        let mut inner = [0; INNER];
        inner.copy_from_slice(&hmac::sign(&self.0, named).as_ref()[..INNER]);
        inner
    }
}

impl Presented {
    /// Reads a token; `None` for anything that was not made under `outer`.
    pub(crate) fn parse(text: &str, outer: &hmac::Key) -> Option<Self> {
        let digits = text
            .strip_prefix(PREFIX)
            .filter(|digits| digits.len() == DIGITS)?;
        let bytes = URL_SAFE_NO_PAD.decode_to_vec(digits).ok()?;
        let bytes: &[u8; LENGTH] = bytes.as_slice().try_into().ok()?;
        let (signed, tag) = bytes.split_at(NAMED + INNER);
        verify_slices_are_equal(&hmac::sign(outer, signed).as_ref()[..OUTER], tag).ok()?;
        let (named, inner) = signed.split_at(NAMED);
        let (version, named) = named.split_first()?;
        let (session, generation) = named.split_at(16);
        (*version == VERSION).then_some(())?;
        Some(Self {
            session: SessionId::from_uuid(Uuid::from_slice(session).ok()?),
            generation: u32::from_be_bytes(generation.try_into().ok()?),
            inner: inner.try_into().ok()?,
        })
    }
}

fn named(session: SessionId, generation: u32) -> [u8; NAMED] {
    let mut named = [0; NAMED];
    named[0] = VERSION;
    named[1..17].copy_from_slice(session.as_bytes());
    named[17..].copy_from_slice(&generation.to_be_bytes());
    named
}

#[cfg(test)]
mod tests;
