//! An upstream that records every byte that reaches it.

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use super::client::{field, find};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// Number of the connection, from 0.
    pub(crate) connection: usize,
}

impl Recorded {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    pub(crate) fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        field(&self.head, name)
    }

    /// Names of all fields, lower case.
    pub(crate) fn names(&self) -> Vec<String> {
        let lines = self
            .head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'));
        lines.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }
}

/// What the upstream does with a connection after a head: returns whether it
/// reads on.
type Behaviour = dyn Fn(&Recorded, &mut TcpStream) -> bool + Send + Sync;

pub(crate) struct Recorder {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Recorded>>>,
    connections: Arc<AtomicUsize>,
    open: Arc<Mutex<HashMap<usize, TcpStream>>>,
    stopped: Arc<AtomicBool>,
    is_forgetful: Arc<AtomicBool>,
}

impl Recorder {
    /// Answers every request with `200` and its target.
    pub(crate) fn usual() -> Self {
        Self::with(echo)
    }

    /// Answers every request with these bytes, and then hangs up.
    pub(crate) fn saying(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::with(move |_, stream| {
            let _ = stream.write_all(&answer);
            false
        })
    }

    /// Reads whole requests and hands them to `behaviour`.
    pub(crate) fn with(
        behaviour: impl Fn(&Recorded, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::reading(true, behaviour)
    }

    /// Hands over as soon as the head is there, with what came along with it;
    /// the rest of the body is left in the socket.
    pub(crate) fn heads_only(
        behaviour: impl Fn(&Recorded, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::reading(false, behaviour)
    }

    fn reading(
        reads_body: bool,
        behaviour: impl Fn(&Recorded, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::on(listener, reads_body, behaviour)
    }

    fn on(
        listener: TcpListener,
        reads_body: bool,
        behaviour: impl Fn(&Recorded, &mut TcpStream) -> bool + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let recorder = Self {
            address,
            seen: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
            stopped: Arc::default(),
            is_forgetful: Arc::default(),
        };
        let (open, is_forgetful) = (
            Arc::clone(&recorder.open),
            Arc::clone(&recorder.is_forgetful),
        );
        let behaviour: Arc<Behaviour> = Arc::new(behaviour);
        let (seen, connections) = (
            Arc::clone(&recorder.seen),
            Arc::clone(&recorder.connections),
        );
        let stopped = Arc::clone(&recorder.stopped);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let (behaviour, seen) = (Arc::clone(&behaviour), Arc::clone(&seen));
                let connection = connections.fetch_add(1, Ordering::SeqCst);
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                let (open, is_forgetful) = (Arc::clone(&open), Arc::clone(&is_forgetful));
                open.lock()
                    .unwrap()
                    .insert(connection, stream.try_clone().unwrap());
                std::thread::spawn(move || {
                    let record = |recorded: &Recorded| {
                        if !is_forgetful.load(Ordering::SeqCst) {
                            seen.lock().unwrap().push(recorded.clone());
                        }
                    };
                    follow(stream, connection, reads_body, record, behaviour.as_ref());
                    open.lock().unwrap().remove(&connection);
                });
            }
        });
        recorder
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Records no more: for long runs.
    pub(crate) fn keep_nothing(&self) {
        self.is_forgetful.store(true, Ordering::SeqCst);
    }

    /// Ends at once, with all its connections. Returns where it was.
    pub(crate) fn kill(&self) -> SocketAddr {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        for stream in self.open.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
        self.address
    }

    /// A usual one, where another was.
    pub(crate) fn at(address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        Self::on(listener, true, echo)
    }

    /// Everything that arrived.
    pub(crate) fn seen(&self) -> Vec<Recorded> {
        self.seen.lock().unwrap().clone()
    }

    /// The one request that arrived.
    pub(crate) fn only(&self) -> Recorded {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        seen[0].clone()
    }

    /// How many connections were made.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn assert_untouched(&self) {
        assert!(self.seen().is_empty(), "{:#?}", self.seen());
        assert_eq!(self.connections(), 0, "the upstream was contacted");
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
    }
}

/// `200`, and the request line.
fn echo(recorded: &Recorded, stream: &mut TcpStream) -> bool {
    let body = recorded.line().to_owned();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    let body = if recorded.line().starts_with("HEAD ") {
        String::new()
    } else {
        body
    };
    stream.write_all(format!("{head}{body}").as_bytes()).is_ok()
}

fn follow(
    mut stream: TcpStream,
    connection: usize,
    reads_body: bool,
    record: impl Fn(&Recorded),
    behaviour: &Behaviour,
) {
    let mut rest = Vec::new();
    loop {
        let Some(end) = until(&mut stream, &mut rest, |rest| find(rest, b"\r\n\r\n")) else {
            return;
        };
        let head: Vec<u8> = rest.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let body = if reads_body {
            body(&mut stream, &mut rest, &head)
        } else {
            Some(std::mem::take(&mut rest))
        };
        let is_whole = body.is_some();
        let recorded = Recorded {
            head,
            body: body.unwrap_or_default(),
            connection,
        };
        record(&recorded);
        if !is_whole || !behaviour(&recorded, &mut stream) {
            let _ = stream.shutdown(Shutdown::Both);
            return;
        }
    }
}

fn body(stream: &mut TcpStream, rest: &mut Vec<u8>, head: &str) -> Option<Vec<u8>> {
    if let Some(length) = field(head, "content-length") {
        let length: usize = length.parse().unwrap();
        until(stream, rest, |rest| (rest.len() >= length).then_some(0))?;
        return Some(rest.drain(..length).collect());
    }
    let mut body = Vec::new();
    while field(head, "transfer-encoding").is_some() {
        let at = until(stream, rest, |rest| find(rest, b"\r\n"))?;
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..at]).unwrap(), 16).unwrap();
        rest.drain(..at + 2);
        if size == 0 {
            // Trailers stay in the record.
            let end = until(stream, rest, |rest| {
                if rest.starts_with(b"\r\n") {
                    Some(0)
                } else {
                    find(rest, b"\r\n\r\n").map(|at| at + 2)
                }
            })?;
            body.extend(rest.drain(..end));
            rest.drain(..2);
            break;
        }
        until(stream, rest, |rest| (rest.len() >= size + 2).then_some(0))?;
        body.extend(rest.drain(..size));
        rest.drain(..2);
    }
    Some(body)
}

fn until<T>(
    stream: &mut TcpStream,
    rest: &mut Vec<u8>,
    done: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        if let Some(done) = done(rest) {
            return Some(done);
        }
        let length = stream.read(&mut buffer).ok().filter(|length| *length > 0)?;
        rest.extend_from_slice(&buffer[..length]);
    }
}
