//! A client that writes what it is told to.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
};

use socket2::{Domain, Socket, Type};

use super::PATIENCE;

pub(crate) struct Client {
    stream: TcpStream,
    /// Read, and not yet part of an answer.
    rest: Vec<u8>,
}

/// One answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Whether the body came to its declared end.
    pub(crate) is_whole: bool,
}

impl Client {
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).unwrap())
    }

    /// From another address of this machine.
    pub(crate) fn from(source: &str, address: SocketAddr) -> Self {
        let source: SocketAddr = format!("{source}:0").parse().unwrap();
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.bind(&source.into()).unwrap();
        socket.connect(&address.into()).unwrap();
        Self::on(socket.into())
    }

    fn on(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self {
            stream,
            rest: Vec::new(),
        }
    }

    pub(crate) fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Writes, unless the gateway has hung up.
    pub(crate) fn try_write(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub(crate) fn finish_writing(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// A second handle on the connection, to read and write at a time.
    pub(crate) fn twin(&self) -> TcpStream {
        self.stream.try_clone().unwrap()
    }

    /// The next answer to anything but HEAD.
    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply(false).expect("an answer")
    }

    /// The next answer to HEAD.
    pub(crate) fn reply_to_head(&mut self) -> Reply {
        self.try_reply(true).expect("an answer")
    }

    /// The next answer, or `None` where the connection ends instead.
    pub(crate) fn try_reply(&mut self, to_head: bool) -> Option<Reply> {
        let end = loop {
            if let Some(at) = find(&self.rest, b"\r\n\r\n") {
                break at + 4;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.rest.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let status: u16 = head[9..12].parse().unwrap();
        if status == 100 {
            return Some(Reply {
                status,
                head,
                body: Vec::new(),
                is_whole: true,
            });
        }
        let bodiless = to_head || status == 204 || status == 304;
        let (body, is_whole) = match (bodiless, field(&head, "content-length")) {
            (true, _) => (Vec::new(), true),
            (false, Some(length)) => self.sized(length.parse().unwrap()),
            (false, None) if field(&head, "transfer-encoding").is_some() => self.chunked(),
            (false, None) => self.rest_of_it(),
        };
        Some(Reply {
            status,
            head,
            body,
            is_whole,
        })
    }

    /// Whether the gateway has closed the connection in order, with nothing
    /// more to say.
    pub(crate) fn is_closed(&mut self) -> bool {
        self.rest.is_empty() && self.more().is_none() && self.rest.is_empty()
    }

    /// Reads up to `most` bytes of the stream as they come.
    pub(crate) fn some(&mut self) -> Option<Vec<u8>> {
        if self.rest.is_empty() {
            self.more()?;
        }
        Some(std::mem::take(&mut self.rest))
    }

    fn sized(&mut self, length: usize) -> (Vec<u8>, bool) {
        while self.rest.len() < length {
            if self.more().is_none() {
                return (std::mem::take(&mut self.rest), false);
            }
        }
        (self.rest.drain(..length).collect(), true)
    }

    fn chunked(&mut self) -> (Vec<u8>, bool) {
        let mut body = Vec::new();
        loop {
            let Some(at) = find(&self.rest, b"\r\n") else {
                if self.more().is_none() {
                    return (body, false);
                }
                continue;
            };
            let size = std::str::from_utf8(&self.rest[..at]).unwrap();
            let size = usize::from_str_radix(size, 16).unwrap();
            self.rest.drain(..at + 2);
            let (chunk, is_whole) = self.sized(size + 2);
            body.extend_from_slice(&chunk[..size.min(chunk.len())]);
            if !is_whole || size == 0 {
                return (body, is_whole);
            }
        }
    }

    fn rest_of_it(&mut self) -> (Vec<u8>, bool) {
        loop {
            match self.read() {
                Ok(0) => return (std::mem::take(&mut self.rest), true),
                Ok(_) => {}
                Err(_) => return (std::mem::take(&mut self.rest), false),
            }
        }
    }

    /// Reads more; `None` at the end, in order or not.
    fn more(&mut self) -> Option<()> {
        match self.read() {
            Ok(0) => None,
            Ok(_) => Some(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!("the gateway neither answers nor hangs up")
            }
            Err(_) => None,
        }
    }

    fn read(&mut self) -> std::io::Result<usize> {
        let mut buffer = vec![0; 64 * 1024];
        let length = self.stream.read(&mut buffer)?;
        self.rest.extend_from_slice(&buffer[..length]);
        Ok(length)
    }
}

impl Reply {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// `reason` of a problem document.
    pub(crate) fn reason(&self) -> String {
        let problem: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        problem["reason"].as_str().unwrap().to_owned()
    }
}

/// The value of a header field in `head`.
pub(crate) fn field<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then_some(value.trim())
    })
}

pub(crate) fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
