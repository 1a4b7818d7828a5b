//! What came back.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// More header fields than any honest answer has.
const MOST_FIELDS: usize = 256;
/// Room for an answer's head.
const LARGEST_HEAD: usize = 256 * 1024;
/// What is kept of a body; the rest is not read.
const LARGEST_BODY: usize = 512 * 1024;

/// A complete answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Content, without transfer coding, at most half a megabyte of it.
    pub body: Vec<u8>,
    /// From the first byte sent to the last one read.
    pub elapsed: Duration,
    /// Whether `100 Continue` came first.
    pub continued: bool,
    /// What came behind it on the same connection, where that was waited for.
    pub behind: Vec<u8>,
}

/// How an exchange ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer.
    Answered(Answer),
    /// Without a complete one; what came instead, if anything did.
    Closed(Vec<u8>),
    /// Nothing complete came in time.
    TimedOut,
    /// There was no connection.
    Unreachable(String),
}

impl Outcome {
    /// The answer, if there is one.
    pub const fn answer(&self) -> Option<&Answer> {
        match self {
            Self::Answered(answer) => Some(answer),
            _ => None,
        }
    }

    /// What happened, in few words.
    pub fn shown(&self) -> String {
        match self {
            Self::Answered(answer) => answer.status.to_string(),
            Self::Closed(_) => "connection closed".to_owned(),
            Self::TimedOut => "no answer in time".to_owned(),
            Self::Unreachable(why) => format!("no connection: {why}"),
        }
    }
}

impl Answer {
    /// The first header field of this lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut fields = self.headers.iter();
        fields
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Media type without parameters, in lower case.
    pub fn media_type(&self) -> String {
        let value = self.header("content-type").unwrap_or_default();
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().to_ascii_lowercase()
    }

    /// Body as text, for people.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Whether the status is 2xx.
    pub const fn is_success(&self) -> bool {
        self.status >= 200 && self.status < 300
    }
}

/// Reads one answer; what came instead if there is no complete one.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
    to_head: bool,
) -> Result<Answer, Vec<u8>> {
    let mut bytes = Vec::new();
    let mut continued = false;
    let (mut answer, framing) = loop {
        match head(&bytes) {
            // After 101 no HTTP follows.
            Head::Whole(answer, _, length) if matches!(answer.status, 100 | 102..200) => {
                continued |= answer.status == 100;
                bytes.drain(..length);
            }
            Head::Whole(answer, framing, length) => {
                bytes.drain(..length);
                break (answer, framing);
            }
            Head::Broken => return Err(bytes),
            Head::Partial => {
                if bytes.len() > LARGEST_HEAD || more(stream, &mut bytes).await == 0 {
                    return Err(bytes);
                }
            }
        }
    };
    answer.continued = continued;
    if to_head || matches!(answer.status, 101 | 204 | 304) {
        answer.behind = bytes;
        return Ok(answer);
    }
    (answer.body, answer.behind) = body(stream, bytes, framing).await.ok_or_else(Vec::new)?;
    Ok(answer)
}

async fn more(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> usize {
    stream.read_buf(bytes).await.unwrap_or(0)
}

enum Head {
    Whole(Answer, Framing, usize),
    Partial,
    Broken,
}

enum Framing {
    Length(usize),
    Chunked,
    ToTheEnd,
}

fn head(bytes: &[u8]) -> Head {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut parsed = httparse::Response::new(&mut fields);
    let length = match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Head::Partial,
        Err(_) => return Head::Broken,
    };
    let text = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
    let field = |field: &httparse::Header<'_>| (field.name.to_ascii_lowercase(), text(field.value));
    let answer = Answer {
        status: parsed.code.unwrap_or_default(),
        headers: parsed.headers.iter().map(field).collect(),
        ..Answer::default()
    };
    let chunked = answer.header("transfer-encoding");
    let framing = match answer.header("content-length").map(str::parse) {
        _ if chunked.is_some() => Framing::Chunked,
        Some(Ok(length)) => Framing::Length(length),
        _ => Framing::ToTheEnd,
    };
    Head::Whole(answer, framing, length)
}

/// Reads on until the other side closes; whoever waits bounds the time.
pub(super) async fn linger(stream: &mut (impl AsyncRead + Unpin), behind: &mut Vec<u8>) {
    while behind.len() < LARGEST_HEAD && more(stream, behind).await > 0 {}
}

/// The body, and what had arrived behind it.
async fn body(
    stream: &mut (impl AsyncRead + Unpin),
    mut bytes: Vec<u8>,
    framing: Framing,
) -> Option<(Vec<u8>, Vec<u8>)> {
    loop {
        let enough = bytes.len() >= LARGEST_BODY;
        match framing {
            Framing::Length(length) if enough || bytes.len() >= length => {
                let behind = bytes.split_off(length.min(bytes.len()));
                return Some((bytes, behind));
            }
            Framing::Chunked => match (dechunked(&bytes), enough) {
                (Some((body, behind)), _) => return Some((body, behind)),
                (None, true) => return Some((bytes, Vec::new())),
                _ => {}
            },
            Framing::ToTheEnd if enough => return Some((bytes, Vec::new())),
            _ => {}
        }
        if more(stream, &mut bytes).await == 0 {
            return matches!(framing, Framing::ToTheEnd).then_some((bytes, Vec::new()));
        }
    }
}

/// The content of a complete chunked body, and what stands behind it.
fn dechunked(mut bytes: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut content = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((start, size))) = httparse::parse_chunk_size(bytes)
        else {
            return None;
        };
        if size == 0 {
            let behind = bytes.get(start..)?;
            return Some((
                content,
                behind.strip_prefix(b"\r\n").unwrap_or(behind).to_vec(),
            ));
        }
        let end = start.checked_add(usize::try_from(size).ok()?)?;
        content.extend(bytes.get(start..end)?);
        bytes = bytes.get(end + 2..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    async fn of(bytes: &[u8]) -> Option<super::Answer> {
        let mut bytes = bytes;
        read(&mut bytes, false).await.ok()
    }

    #[tokio::test]
    async fn the_three_framings_are_read() {
        let sized = of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabc").await;
        assert_eq!(sized.expect("an answer").body, b"ab");
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x\r\nc\r\n0\r\n\r\n";
        assert_eq!(of(chunked).await.expect("an answer").body, b"abc");
        let open = of(b"HTTP/1.0 401 No\r\nA: b\r\n\r\nabc")
            .await
            .expect("an answer");
        assert_eq!((open.status, open.header("a")), (401, Some("b")));
        assert_eq!(open.body, b"abc");
    }

    #[tokio::test]
    async fn interim_answers_are_passed_over() {
        let answer = of(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 None\r\n\r\n").await;
        let answer = answer.expect("an answer");
        assert!(answer.continued && answer.status == 204);
    }

    #[tokio::test]
    async fn what_is_cut_or_no_http_is_none() {
        for bytes in [
            &b""[..],
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
            b"\0\0\x12\x04",
        ] {
            assert_eq!(of(bytes).await, None);
        }
    }
}
