//! Memory for verifying token after token without asking for more.

use std::{fmt, sync::Arc};

use zeroize::Zeroize;

use crate::{
    claims::scan::Tape,
    error::TokenError,
    header::Header,
    jws::{MAX_BYTES, MAX_SIGNATURE_BYTES, Parts},
};

/// How many headers are remembered. An issuer sends one for each key.
const KNOWN_HEADERS: usize = 8;

/// Working memory of [`verify_in`](crate::token::verify_in), about 9 KiB. Keep
/// one for each thread or task; it is wiped when dropped.
pub struct Scratch {
    pub(crate) signature: Box<[u8; MAX_SIGNATURE_BYTES]>,
    /// Decoded, a payload takes three quarters of the room of the whole token;
    /// what the scanner wants behind it fits in the rest.
    pub(crate) payload: Box<[u8; MAX_BYTES]>,
    pub(crate) tape: Tape,
    pub(crate) headers: KnownHeaders,
}

impl Scratch {
    /// Nothing in it, nothing remembered.
    pub fn new() -> Self {
        Self {
            signature: Box::new([0; MAX_SIGNATURE_BYTES]),
            payload: Box::new([0; MAX_BYTES]),
            tape: Tape::default(),
            headers: KnownHeaders::default(),
        }
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.payload.zeroize();
        self.tape.buffers.unescaped.zeroize();
    }
}

impl fmt::Debug for Scratch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch").finish_non_exhaustive()
    }
}

/// Headers that were parsed before, by their encoded bytes.
///
/// A header means the same whichever key and issuer it comes with, so this
/// remembers what a pure function returned, and a fast path and a slow one
/// cannot differ. A header gets in only behind a signature that held, so
/// strangers cannot push out the good ones.
#[derive(Default)]
pub(crate) struct KnownHeaders {
    known: Vec<(Box<str>, Arc<Header>)>,
    oldest: usize,
}

impl KnownHeaders {
    /// The token's header, if it is one of them.
    fn find(&self, parts: &Parts<'_>) -> Option<&Arc<Header>> {
        let same = |(encoded, _): &&(Box<str>, Arc<Header>)| **encoded == *parts.header;
        self.known.iter().find(same).map(|(_, header)| header)
    }

    /// The token's header, read only if it is none of them.
    pub(crate) fn header_of(&self, parts: &Parts<'_>) -> Result<Arc<Header>, TokenError> {
        match self.find(parts) {
            Some(known) => Ok(Arc::clone(known)),
            None => Header::parse(&parts.header()?).map(Arc::new),
        }
    }

    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.known.len()
    }

    /// INVARIANT: only called after the signature held, with the header that
    /// [`Self::header_of`] gave.
    pub(crate) fn remember(&mut self, parts: &Parts<'_>, header: &Arc<Header>) {
        if self.find(parts).is_some() {
            return;
        }
        let entry = (parts.header.into(), Arc::clone(header));
        if self.known.len() < KNOWN_HEADERS {
            self.known.push(entry);
        } else {
            self.known[self.oldest] = entry;
            self.oldest = (self.oldest + 1) % KNOWN_HEADERS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{KNOWN_HEADERS, KnownHeaders};
    use crate::{base64url, jws::Parts};

    #[test]
    fn the_oldest_header_makes_room_for_the_newest() {
        let tokens: Vec<String> = (0..KNOWN_HEADERS + 2)
            .map(|number| format!(r#"{{"alg":"ES256","n":{number}}}"#))
            .map(|header| format!("{}.AA.AA", base64url::encode(header)))
            .collect();
        let parts = |token| Parts::split(token).expect("three parts");
        let mut known = KnownHeaders::default();
        for token in &tokens {
            let parts = parts(token);
            let header = known.header_of(&parts).expect("a good header");
            known.remember(&parts, &header);
            known.remember(&parts, &header);
        }
        assert_eq!(known.len(), KNOWN_HEADERS);
        for (age, token) in tokens.iter().enumerate() {
            assert_eq!(known.find(&parts(token)).is_some(), age >= 2, "{age}");
        }
    }
}
