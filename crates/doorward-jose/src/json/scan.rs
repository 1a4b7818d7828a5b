//! One pass over JSON text in place: strict, without copies, without an
//! allocation once its buffers have grown.
//!
//! Accepts exactly what [`StrictValue`](super::StrictValue) accepts, and says
//! nothing about why it refuses: who needs to know asks the reader that is
//! built on `serde_json`. That the two agree is held by property tests
//! (`claims::scan::tests`).

mod string;

use std::num::NonZeroU16;

use super::Limits;
use crate::time::UnixTime;

/// Zero bytes behind the text, so that eight bytes can be read at any place
/// of it. Zero ends every token, so the scanner cannot walk out.
pub(crate) const PADDING: usize = 8;

/// Longest text that [`Span`] can point into.
const MAX_TEXT_BYTES: usize = Span::UNESCAPED as usize - 1;

/// Not strict JSON, or not what the caller asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refused;

/// Where a string lies: in the scanned text, or among the unescaped ones.
///
/// No string begins at the first byte of a text, where its quote or the
/// object's brace is, so an absent span costs no room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    start: NonZeroU16,
    length: u16,
}

impl Span {
    /// Marks a start that counts in the unescaped text.
    const UNESCAPED: u16 = 1 << 15;

    fn new(start: usize, end: usize) -> Result<Self, Refused> {
        Self::marked(start, end, 0)
    }

    fn unescaped(start: usize, end: usize) -> Result<Self, Refused> {
        Self::marked(start, end, Self::UNESCAPED)
    }

    #[inline]
    fn marked(start: usize, end: usize, mark: u16) -> Result<Self, Refused> {
        if start > end || end > MAX_TEXT_BYTES {
            return Err(Refused);
        }
        // Both fit, as `MAX_TEXT_BYTES` does.
        let (start, length) = (start as u16, (end - start) as u16);
        match NonZeroU16::new(start | mark) {
            Some(start) => Ok(Self { start, length }),
            None => Err(Refused),
        }
    }

    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.length == 0
    }

    /// The string, given the two texts that it can lie in.
    #[inline]
    pub(crate) fn resolve<'t>(self, text: &'t str, unescaped: &'t str) -> &'t str {
        let start = self.start.get();
        let within = match start & Self::UNESCAPED {
            0 => text,
            _ => unescaped,
        };
        let start = usize::from(start & !Self::UNESCAPED);
        within
            .get(start..start + usize::from(self.length))
            .unwrap_or_default()
    }
}

/// A string, and whether it is printable ASCII as it stands, which nearly all
/// are: then nothing about its characters needs a second look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub(crate) span: Span,
    pub(crate) is_plain: bool,
}

/// What a scan leaves behind, grown once and used again.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// Strings that had escapes, one after the other.
    pub(crate) unescaped: String,
    /// Names of the objects that are being read, innermost last.
    names: Vec<Span>,
}

impl Buffers {
    fn clear(&mut self) {
        self.unescaped.clear();
        self.names.clear();
    }
}

/// A place in a text.
pub(crate) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    at: usize,
    pub(crate) buffers: &'t mut Buffers,
}

/// From this many names on they are sorted instead of compared in pairs.
const MANY_NAMES: usize = 24;

impl<'t> Scanner<'t> {
    /// `padded` ends in [`PADDING`] zero bytes, which are not part of the text.
    /// Depth is the caller's to count, with [`Self::value`].
    pub(crate) fn new(
        padded: &'t str,
        limits: Limits,
        buffers: &'t mut Buffers,
    ) -> Result<Self, Refused> {
        let end = padded.len().checked_sub(PADDING).ok_or(Refused)?;
        if end > limits.max_bytes.min(MAX_TEXT_BYTES) || padded.as_bytes()[end..] != [0; PADDING] {
            return Err(Refused);
        }
        buffers.clear();
        Ok(Self {
            text: &padded[..end],
            bytes: padded.as_bytes(),
            at: 0,
            buffers,
        })
    }

    /// The next byte, zero at the end.
    #[inline]
    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or_default()
    }

    fn rest(&self) -> &'t [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// The next byte that is no white space.
    #[inline]
    pub(crate) fn next_token(&mut self) -> u8 {
        loop {
            let byte = self.peek();
            // Most texts have none: one comparison.
            if byte > b' ' || !matches!(byte, b' ' | b'\n' | b'\t' | b'\r') {
                return byte;
            }
            self.at += 1;
        }
    }

    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Result<(), Refused> {
        match self.next_token() == byte {
            true => {
                self.at += 1;
                Ok(())
            }
            false => Err(Refused),
        }
    }

    /// Nothing but white space is left.
    pub(crate) fn end(&mut self) -> Result<(), Refused> {
        self.next_token();
        match self.at == self.text.len() {
            true => Ok(()),
            false => Err(Refused),
        }
    }

    pub(crate) fn resolve(&self, span: Span) -> &str {
        span.resolve(self.text, &self.buffers.unescaped)
    }

    /// The name of a member, for comparing.
    #[inline]
    pub(crate) fn name(&self, name: Text) -> &[u8] {
        match name.is_plain {
            // Where it stands, without a look at the edges of characters.
            true => {
                let start = usize::from(name.span.start.get());
                let end = start + usize::from(name.span.length);
                self.bytes.get(start..end).unwrap_or_default()
            }
            false => self.resolve(name.span).as_bytes(),
        }
    }

    /// An exact integer from 0 to 2^53 - 1; see [`UnixTime`].
    pub(crate) fn date(&mut self) -> Result<UnixTime, Refused> {
        self.next_token();
        let start = self.at;
        let mut seconds: u64 = 0;
        while self.peek().is_ascii_digit() && self.at - start < 17 {
            seconds = seconds * 10 + u64::from(self.peek() - b'0');
            self.at += 1;
        }
        let digits = self.at - start;
        let leading_zero = digits > 1 && self.bytes[start] == b'0';
        // A dot, an exponent or an 18th digit is no end of a member.
        if digits == 0 || leading_zero || seconds > UnixTime::MAX.as_secs() {
            return Err(Refused);
        }
        Ok(UnixTime::from_secs(seconds))
    }

    /// Calls `member` with each name of the object that is next, which must
    /// read the value; refuses names that come twice, of those that `member`
    /// hands to [`Self::note_name`].
    #[inline]
    pub(crate) fn object(
        &mut self,
        mut member: impl FnMut(&mut Self, Text) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.take(b'{')?;
        let first = self.buffers.names.len();
        if self.next_token() != b'}' {
            loop {
                let name = self.string()?;
                self.take(b':')?;
                member(self, name)?;
                if self.next_token() != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.take(b'}')?;
        match self.buffers.names.len() == first {
            true => Ok(()),
            false => self.refuse_duplicates(first),
        }
    }

    /// Calls `item` before each item of the array that is next, which must
    /// read it.
    #[inline]
    pub(crate) fn array(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<(), Refused>,
    ) -> Result<(), Refused> {
        self.take(b'[')?;
        if self.next_token() != b']' {
            loop {
                item(self)?;
                if self.next_token() != b',' {
                    break;
                }
                self.at += 1;
            }
        }
        self.take(b']')
    }

    /// Keeps a name, so that it cannot come again in the same object.
    pub(crate) fn note_name(&mut self, name: Text) {
        self.buffers.names.push(name.span);
    }

    /// Compares the names from `first` on, after unescaping, and forgets them.
    fn refuse_duplicates(&mut self, first: usize) -> Result<(), Refused> {
        let Buffers { unescaped, names } = &mut *self.buffers;
        let ours = &mut names[first..];
        let resolve = |span: &Span| span.resolve(self.text, unescaped);
        let twice = if ours.len() < MANY_NAMES {
            (1..ours.len()).any(|later| {
                let name = resolve(&ours[later]);
                ours[..later].iter().any(|earlier| resolve(earlier) == name)
            })
        } else {
            ours.sort_unstable_by(|a, b| resolve(a).cmp(resolve(b)));
            ours.windows(2)
                .any(|pair| resolve(&pair[0]) == resolve(&pair[1]))
        };
        names.truncate(first);
        match twice {
            true => Err(Refused),
            false => Ok(()),
        }
    }

    /// Walks over any value and tells where it lies; nothing of it is kept.
    pub(crate) fn value(&mut self, depth_left: usize) -> Result<Span, Refused> {
        let token = self.next_token();
        let start = self.at;
        let kept = self.buffers.unescaped.len();
        match token {
            b'"' => self.string().map(drop)?,
            b'{' => {
                let inner = depth_left.checked_sub(1).ok_or(Refused)?;
                self.object(|scanner, name| {
                    scanner.note_name(name);
                    scanner.value(inner).map(drop)
                })?;
            }
            b'[' => {
                let inner = depth_left.checked_sub(1).ok_or(Refused)?;
                self.array(|scanner| scanner.value(inner).map(drop))?;
            }
            b't' => self.literal(b"true")?,
            b'f' => self.literal(b"false")?,
            b'n' => self.literal(b"null")?,
            _ => self.number()?,
        }
        self.buffers.unescaped.truncate(kept);
        Span::new(start, self.at)
    }

    fn literal(&mut self, word: &[u8]) -> Result<(), Refused> {
        match self.rest().starts_with(word) {
            true => {
                self.at += word.len();
                Ok(())
            }
            false => Err(Refused),
        }
    }

    /// The slow reader's own rule, by the slow reader's own parser: a number
    /// is rare among the claims that are not registered.
    fn number(&mut self) -> Result<(), Refused> {
        let start = self.at;
        while matches!(self.peek(), b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E') {
            self.at += 1;
        }
        super::strict_value(&self.bytes[start..self.at], Limits::CLAIMS)
            .map(drop)
            .map_err(|_| Refused)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::{Buffers, PADDING, Refused, Scanner, Span};

    #[test]
    fn a_span_points_into_what_its_fifteen_bits_reach() {
        for (start, end) in [(0, 1), (2, 1), (1, 0x8000), (0x8000, 0x8000)] {
            assert_eq!(
                Span::new(start, end).map(drop),
                Err(Refused),
                "{start}..{end}"
            );
        }
        assert!(Span::new(1, 0x7fff).is_ok());
        assert!(Span::unescaped(0, 0x7fff).is_ok());
        assert!(Span::unescaped(0, 0x8000).is_err());
    }

    #[test]
    fn a_span_reads_the_text_that_it_was_made_for() {
        let read = |span: Result<Span, Refused>| {
            let span = span.expect("a short text");
            (span.resolve("text", "unescaped"), span.is_empty())
        };
        assert_eq!(read(Span::new(1, 4)), ("ext", false));
        assert_eq!(read(Span::new(4, 4)), ("", true));
        assert_eq!(read(Span::unescaped(0, 2)), ("un", false));
        assert_eq!(read(Span::unescaped(2, 9)), ("escaped", false));
        assert_eq!(read(Span::new(1, 5)), ("", false), "beyond the text");
    }

    #[test]
    fn a_scan_starts_with_nothing_of_the_one_before() {
        let text = format!("\"\\u0061bc\"{}", "\0".repeat(PADDING));
        let mut buffers = Buffers::default();
        for _ in 0..2 {
            let mut scanner =
                Scanner::new(&text, Limits::CLAIMS, &mut buffers).expect("a short text");
            let name = scanner.string().expect("a string");
            scanner.note_name(name);
        }
        assert_eq!(buffers.unescaped, "abc");
        assert_eq!(buffers.names.len(), 1);
    }

    #[test]
    fn every_kind_of_value_is_walked_over() {
        for value in [
            "\"a\"",
            "{\"a\":1}",
            "[1,2]",
            "true",
            "false",
            "null",
            "-1.5e3",
        ] {
            let text = format!(" {value}{}", "\0".repeat(PADDING));
            let mut buffers = Buffers::default();
            let mut scanner =
                Scanner::new(&text, Limits::CLAIMS, &mut buffers).expect("a short text");
            let span = scanner.value(1);
            let walked = span.map(|span| scanner.resolve(span).to_owned());
            assert_eq!(walked.as_deref(), Ok(value));
            assert_eq!(scanner.end(), Ok(()), "{value}");
        }
    }
}
