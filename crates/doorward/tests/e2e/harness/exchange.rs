//! One HTTP exchange over a socket, written and read by hand so that nothing
//! between test and server mends a malformed message.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A server that says nothing for this long is broken.
const PATIENCE: Duration = Duration::from_secs(20);

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error} in {:?}", String::from_utf8_lossy(&self.body)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (field, value) = line.split_once(':')?;
            field.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// The reason code of the problem document.
    pub(crate) fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap_or("none").to_owned()
    }
}

/// One request on a connection of its own.
pub(crate) fn request(
    address: SocketAddr,
    method: &str,
    target: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Answer {
    let bytes = message(address, (method, target), headers, body);
    send_raw(address, &bytes).unwrap_or_else(|| panic!("no answer to {method} {target}"))
}

/// The same to a server that may be gone: `None` if it does not answer.
pub(crate) fn attempt(
    address: SocketAddr,
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> Option<Answer> {
    let bytes = message(address, (method, target), headers, body);
    exchange(TcpStream::connect(address).ok()?, &bytes)
}

fn message(
    address: SocketAddr,
    (method, target): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> Vec<u8> {
    let mut message =
        format!("{method} {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        message.push_str(&format!("{name}: {value}\r\n"));
    }
    if !body.is_empty() {
        message.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    message.push_str("\r\n");
    let mut bytes = message.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// Sends bytes as they are; `None` when the connection closes unanswered.
pub(crate) fn send_raw(address: SocketAddr, bytes: &[u8]) -> Option<Answer> {
    exchange(
        TcpStream::connect(address).expect("the server listens"),
        bytes,
    )
}

fn exchange(mut stream: TcpStream, bytes: &[u8]) -> Option<Answer> {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    stream
        .set_write_timeout(Some(PATIENCE))
        .expect("a timeout can be set");
    // A server may refuse before everything was sent, and close.
    let _ = stream.write_all(bytes);
    let mut received = Vec::new();
    let mut chunk = [0; 16 * 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => break,
            Ok(count) => received.extend_from_slice(&chunk[..count]),
        }
        if is_whole(&received) {
            break;
        }
    }
    parse(&received)
}

fn split(received: &[u8]) -> Option<(String, &[u8])> {
    let end = received
        .windows(4)
        .position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    Some((head, &received[end + 4..]))
}

fn content_length(head: &str) -> Option<usize> {
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse().ok())?
    };
    head.lines().find_map(field)
}

fn is_whole(received: &[u8]) -> bool {
    split(received).is_some_and(|(head, body)| {
        content_length(&head).is_some_and(|length| body.len() >= length)
    })
}

fn parse(received: &[u8]) -> Option<Answer> {
    let (head, body) = split(received)?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = if head
        .to_ascii_lowercase()
        .contains("transfer-encoding: chunked")
    {
        unchunk(body)
    } else {
        body[..content_length(&head).unwrap_or(body.len()).min(body.len())].to_vec()
    };
    Some(Answer { status, head, body })
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = String::from_utf8_lossy(&rest[..end]).into_owned();
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else {
            break;
        };
        let data = &rest[end + 2..];
        if size == 0 || data.len() < size + 2 {
            break;
        }
        body.extend_from_slice(&data[..size]);
        rest = &data[size + 2..];
    }
    body
}
