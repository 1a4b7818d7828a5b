//! Where one request ends and the next begins (RFC 9112 sections 6 and 7.1).

use memchr::memchr;

use super::{
    Fault,
    head::{BodyLength, Head, Reading},
};
use crate::config::Limits;

/// Follows the requests of one connection.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    place: Place,
    /// The unfinished head, of which so many bytes have been read.
    reading: Reading,
    read: usize,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    #[default]
    Head,
    Sized(u64),
    Chunked(Chunked),
}

/// How far a scan came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// All bytes are in order.
    All,
    /// So many are, and end a request; another begins behind them.
    Next(usize),
    /// So many are; the rest is an unfinished head.
    Unfinished(usize),
    /// So many are; the request after them has this fault.
    Faulty(usize, Fault),
}

impl Framing {
    /// Scans `bytes`, which follow those that passed before (an unfinished
    /// head is given again, with more behind it), to the end of a request. Its
    /// head is left in `found` when it is among them.
    pub(crate) fn scan(&mut self, bytes: &[u8], limits: &Limits, found: &mut Option<Head>) -> Scan {
        let mut passed = 0;
        while passed < bytes.len() {
            let rest = &bytes[passed..];
            let step = match &mut self.place {
                Place::Head => match self.head(rest, limits, found) {
                    Ok(Some(step)) => Ok(step),
                    Ok(None) => return Scan::Unfinished(passed),
                    Err(fault) => Err(fault),
                },
                Place::Sized(left) => Ok(take(left, rest.len())),
                Place::Chunked(chunked) => chunked.scan(rest),
            };
            match step {
                Ok(step) => passed += step,
                Err(fault) => return Scan::Faulty(passed, fault),
            }
            let ended = match &self.place {
                Place::Head => true,
                Place::Sized(left) => *left == 0,
                Place::Chunked(chunked) => chunked.is_finished(),
            };
            if ended {
                self.place = Place::Head;
                if passed < bytes.len() {
                    return Scan::Next(passed);
                }
            }
        }
        Scan::All
    }

    /// Whether the next byte belongs to a body.
    pub(crate) const fn in_body(&self) -> bool {
        !matches!(self.place, Place::Head)
    }

    /// The length of the head at the front of `rest`, once it is whole.
    fn head(
        &mut self,
        rest: &[u8],
        limits: &Limits,
        found: &mut Option<Head>,
    ) -> Result<Option<usize>, Fault> {
        let Some(end) = self.find_end(rest, limits)? else {
            let over = rest.len() > limits.head_bytes;
            return if over {
                Err(too_large(rest, limits))
            } else {
                Ok(None)
            };
        };
        let reading = std::mem::take(&mut self.reading);
        self.read = 0;
        if end > limits.head_bytes {
            return Err(too_large(rest, limits));
        }
        let head = reading.end()?;
        self.place = match head.body {
            BodyLength::Sized(0) => Place::Head,
            BodyLength::Sized(length) => Place::Sized(length),
            BodyLength::Chunked => Place::Chunked(Chunked::default()),
        };
        *found = Some(head);
        Ok(Some(end))
    }

    /// Reads the lines that are whole, up to the empty one, and says where that
    /// ends. Bare line feeds are refused as soon as they are seen: a head of nothing
    /// else would never end.
    fn find_end(&mut self, rest: &[u8], limits: &Limits) -> Result<Option<usize>, Fault> {
        while let Some(at) = memchr(b'\n', &rest[self.read..]) {
            let (start, end) = (self.read, self.read + at + 1);
            let Some(line) = rest[start..end].strip_suffix(b"\r\n") else {
                return Err(Fault::Head("a line that ends without a carriage return"));
            };
            self.read = end;
            match line {
                // RFC 9112 section 2.2: one before the request line is ignored.
                [] if start == 0 => {}
                [] => return Ok(Some(end)),
                _ => self.reading.line(line, limits),
            }
        }
        Ok(None)
    }
}

/// A head above the limit: it is the target's fault if that alone is.
fn too_large(head: &[u8], limits: &Limits) -> Fault {
    let mut line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    line = line.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
    if line.len() > limits.target_bytes {
        Fault::TargetTooLong
    } else {
        Fault::HeadTooLarge
    }
}

fn take(left: &mut u64, available: usize) -> usize {
    let step = usize::try_from(*left).map_or(available, |left| left.min(available));
    *left -= step as u64;
    step
}

/// Longest trailer section.
const MAX_TRAILER_BYTES: usize = 8 * 1024;

/// Place in a chunked body.
#[derive(Clone, Copy, Debug)]
enum Chunked {
    Size { digits: u8, value: u64 },
    SizeEnd { value: u64 },
    Data { left: u64 },
    DataReturn,
    DataEnd,
    Trailer { line: usize, total: usize },
    TrailerEnd { line: usize, total: usize },
    Finished,
}

impl Default for Chunked {
    fn default() -> Self {
        Self::Size {
            digits: 0,
            value: 0,
        }
    }
}

impl Chunked {
    const fn is_finished(self) -> bool {
        matches!(self, Self::Finished)
    }

    /// Steps through as many of `bytes` as belong to this body.
    fn scan(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut at = 0;
        while at < bytes.len() && !self.is_finished() {
            if let Self::Data { left } = self {
                at += take(left, bytes.len() - at);
                if *left == 0 {
                    *self = Self::DataReturn;
                }
                continue;
            }
            *self = self.step(bytes[at])?;
            at += 1;
        }
        Ok(at)
    }

    fn step(self, byte: u8) -> Result<Self, Fault> {
        Ok(match (self, byte) {
            (Self::Size { digits: 1.., value }, b'\r') => Self::SizeEnd { value },
            (Self::Size { digits, value }, digit) => Self::digit(digits, value, digit)?,
            (Self::SizeEnd { value: 0 }, b'\n') => Self::Trailer { line: 0, total: 0 },
            (Self::SizeEnd { value: left }, b'\n') => Self::Data { left },
            (Self::DataReturn, b'\r') => Self::DataEnd,
            (Self::DataEnd, b'\n') => Self::default(),
            (Self::Trailer { line, total }, b'\r') => Self::TrailerEnd { line, total },
            (Self::TrailerEnd { line: 0, .. }, b'\n') => Self::Finished,
            (Self::TrailerEnd { total, .. }, b'\n') => Self::Trailer { line: 0, total },
            (Self::Trailer { line, total }, byte)
                if byte != b'\n' && byte != 0 && total < MAX_TRAILER_BYTES =>
            {
                Self::Trailer {
                    line: line + 1,
                    total: total + 1,
                }
            }
            (Self::Trailer { .. } | Self::TrailerEnd { .. }, _) => {
                return Err(Fault::Body("a malformed or too long trailer"));
            }
            _ => return Err(Fault::Body("a chunk that does not end in CRLF")),
        })
    }

    fn digit(digits: u8, value: u64, byte: u8) -> Result<Self, Fault> {
        let digit = char::from(byte).to_digit(16);
        match digit {
            // 15 digits: no overflow, and far beyond any real chunk.
            Some(digit) if digits < 15 => Ok(Self::Size {
                digits: digits + 1,
                value: value << 4 | u64::from(digit),
            }),
            Some(_) => Err(Fault::Body("a chunk size beyond every limit")),
            None if byte == b';' => Err(Fault::Body("a chunk extension")),
            None => Err(Fault::Body("a chunk size that is not hexadecimal")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{prop_assert_eq, proptest};

    use super::{Framing, Scan};
    use crate::{config::Limits, wire::Fault};

    const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

    /// Feeds `stream` in pieces of `size`, as a socket would.
    fn follow(stream: &[u8], size: usize) -> (usize, Option<Fault>) {
        let (mut framing, mut heads) = (Framing::default(), 0);
        let mut held = Vec::new();
        for piece in stream.chunks(size) {
            held.extend_from_slice(piece);
            loop {
                let mut found = None;
                let scan = framing.scan(&held, &Limits::default(), &mut found);
                heads += usize::from(found.is_some());
                match scan {
                    Scan::All => held.clear(),
                    Scan::Next(passed) => {
                        held.drain(..passed);
                        continue;
                    }
                    Scan::Unfinished(passed) => drop(held.drain(..passed)),
                    Scan::Faulty(_, fault) => return (heads, Some(fault)),
                }
                break;
            }
        }
        (heads, None)
    }

    fn chunked(body: &str) -> Option<Fault> {
        follow(format!("{POST}{body}").as_bytes(), 4096).1
    }

    #[test]
    fn pipelined_requests_are_told_apart() {
        let stream = format!(
            "{POST}5\r\nGET /\r\n0\r\nX: y\r\n\r\nPUT /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nGET\
             GET / HTTP/1.1\r\n\r\n"
        );
        for size in 1..=stream.len() {
            assert_eq!(
                follow(stream.as_bytes(), size),
                (3, None),
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn gwy_024_chunk_faults_are_refused() {
        assert_eq!(chunked("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), None);
        let faulty = [
            "3\nabc\r\n",
            "3;a=b\r\nabc\r\n",
            "3 \r\nabc\r\n",
            "0x3\r\nabc\r\n",
            "-3\r\n",
            "\r\n",
            "ffffffffffffffff\r\n",
            "10000000000000003\r\n",
            "3\r\nabcd\r\n",
            "3\r\nabc\n0\r\n\r\n",
            "0\r\nX: y\n\r\n",
            "0\r\n\n",
            "0\n\n",
            "3\r\r\nabc",
            "3\r\nabc0\r\n\r\n",
        ];
        for body in faulty {
            assert!(matches!(chunked(body), Some(Fault::Body(_))), "{body:?}");
        }
    }

    #[test]
    fn gwy_024_trailers_are_bounded() {
        let trailer = format!("0\r\nX: {}\r\n\r\n", "a".repeat(9000));
        assert!(matches!(chunked(&trailer), Some(Fault::Body(_))));
    }

    #[test]
    fn bare_line_feeds_are_refused_at_once() {
        assert!(follow(b"GET / HTTP/1.1\nHost: a\n\n", 1).1.is_some());
        assert!(follow(b"\n", 1).1.is_some());
        assert_eq!(follow(b"\r\nGET / HTTP/1.1\r\n\r\n", 3), (1, None));
        assert!(follow(b"\r\n\r\n", 1).1.is_some());
    }

    #[test]
    fn gwy_035_endless_heads_are_refused_at_the_limit() {
        let endless = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(40_000));
        assert_eq!(
            follow(endless.as_bytes(), 1000).1,
            Some(Fault::HeadTooLarge)
        );
        let target = format!("GET /{}", "a".repeat(40_000));
        assert_eq!(
            follow(target.as_bytes(), 1000).1,
            Some(Fault::TargetTooLong)
        );
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(stream in "(POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n|[0-3]\r\n|GET / HTTP/1.1\r\n\r\n|[a-c\r\n]){0,9}", size in 1usize..40) {
            let whole = follow(stream.as_bytes(), stream.len().max(1));
            prop_assert_eq!(follow(stream.as_bytes(), size), whole);
        }
    }
}
