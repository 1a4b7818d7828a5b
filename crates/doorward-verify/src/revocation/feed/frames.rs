//! From the chunks of a body to the messages in it.
//!
//! Two framings: lines, each a message, and server-sent events (WHATWG HTML
//! section 9.2), each with one message as its data. Fields other than `data`
//! are not needed, since everything that matters is inside the signature.

use super::message::FeedError;

/// Longest line: a message and `data: `.
const MAX_LINE: usize = doorward_jose::jws::MAX_BYTES + 16;

/// How messages are framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Lines,
    Events,
}

pub(super) struct Frames {
    framing: Framing,
    line: Vec<u8>,
    data: String,
}

impl Frames {
    pub(super) const fn new(framing: Framing) -> Self {
        Self {
            framing,
            line: Vec::new(),
            data: String::new(),
        }
    }

    /// Reads a chunk and hands on each message that it completes, up to the
    /// first that is refused.
    pub(super) fn read<E: From<FeedError>>(
        &mut self,
        chunk: &[u8],
        mut message: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.keep(&rest[..end])?;
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            let line = std::str::from_utf8(&line).map_err(|_| FeedError::Malformed)?;
            let line = line.strip_suffix('\r').unwrap_or(line);
            match self.framing {
                Framing::Lines if line.is_empty() => {}
                Framing::Lines => message(line)?,
                Framing::Events if line.is_empty() => {
                    let data = std::mem::take(&mut self.data);
                    if !data.is_empty() {
                        message(&data)?;
                    }
                }
                Framing::Events => self.field(line)?,
            }
        }
        self.keep(rest)?;
        Ok(())
    }

    fn field(&mut self, line: &str) -> Result<(), FeedError> {
        let Some(data) = line.strip_prefix("data:") else {
            return Ok(());
        };
        // A message is one line: two would be joined by a line end, which no
        // message contains.
        if !self.data.is_empty() {
            return Err(FeedError::Malformed);
        }
        self.data = data.strip_prefix(' ').unwrap_or(data).to_owned();
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), FeedError> {
        if self.line.len() + bytes.len() > MAX_LINE {
            return Err(FeedError::Malformed);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{FeedError, Frames, Framing, MAX_LINE};

    fn read(framing: Framing, chunks: &[&[u8]]) -> (Vec<String>, Result<(), FeedError>) {
        let (mut frames, mut seen) = (Frames::new(framing), Vec::new());
        for chunk in chunks {
            let read = frames.read(chunk, |message| {
                seen.push(message.to_owned());
                Ok::<(), FeedError>(())
            });
            if read.is_err() {
                return (seen, read);
            }
        }
        (seen, Ok(()))
    }

    #[test]
    fn wherever_the_chunks_are_cut() {
        let body = b": hello\r\nid: 7\r\ndata: one\r\n\r\nevent: x\ndata:two\n\n\ndata: cut";
        for cut in 0..body.len() {
            let (seen, _) = read(Framing::Events, &[&body[..cut], &body[cut..]]);
            assert_eq!(seen, ["one", "two"], "cut at {cut}");
        }
        let (seen, _) = read(Framing::Lines, &[b"a\nb", b"c\n\n", b"unfinished"]);
        assert_eq!(seen, ["a", "bc"]);
    }

    #[test]
    fn endless_lines_are_refused() {
        let long = vec![b'a'; MAX_LINE];
        assert!(read(Framing::Lines, &[&long]).1.is_ok());
        assert!(read(Framing::Lines, &[&long, b"a"]).1.is_err());
        assert!(read(Framing::Lines, &[b"\xff\n"]).1.is_err());
        assert!(read(Framing::Events, &[b"data: a\ndata: b\n"]).1.is_err());
    }
}
