//! The bytes of one connection, read by three: the gateway's lint, hyper as the
//! gateway sets it up, and a reader that forgives.

use std::{
    cell::RefCell,
    collections::VecDeque,
    convert::Infallible,
    future::Future as _,
    io,
    pin::{Pin, pin},
    rc::Rc,
    task::{Context, Poll, Waker},
};

use doorward_gateway::{
    CanonicalPath, Limits,
    fuzzing::{Linted, gate, lint},
};
use http::{HeaderMap, Request, Response, Uri, header};
use http_body_util::{BodyExt as _, Empty};
use hyper::{
    body::{Bytes, Incoming},
    rt::{Read, ReadBufCursor, Write},
    server::conn::http1,
    service::service_fn,
};

use super::reader::{self, Prefers};

pub(crate) fn run(input: &[u8]) {
    let linted = lint(input, input.len());
    let size = 1 + input.iter().map(|byte| usize::from(*byte)).sum::<usize>() % 61;
    let in_pieces = lint(input, size);
    assert_eq!(in_pieces.messages, linted.messages, "in pieces of {size}");
    assert_eq!(in_pieces.fault, linted.fault, "in pieces of {size}");
    // Of a body with a fault, so much passes as came before.
    assert!(in_pieces.passed == linted.passed || linted.fault.is_some());
    assert!(linted.passed <= input.len());

    let passed = &input[..linted.passed];
    let by_hyper = by_hyper(passed, &linted, size);
    assert!(by_hyper.len() <= linted.messages.len(), "hyper reads more");
    for (message, request) in linted.messages.iter().zip(&by_hyper) {
        let forgiving = reader::read(passed, message.start, Prefers::Chunked);
        let other = reader::read(passed, message.start, Prefers::ContentLength);
        assert_eq!(forgiving, other, "two lengths");
        let forgiving = forgiving.expect("a head that passed has an end");
        assert_eq!(forgiving.end, message.end, "another end");
        assert_eq!(forgiving.fields.len(), message.fields);
        if let (Some(length), Some(body)) = (message.length, &forgiving.body) {
            assert_eq!(length, body.len() as u64);
        }
        assert_same(request, &forgiving);
        assert_gate(request);
    }
    assert_reads_on(&linted, &by_hyper);
}

/// What hyper gave its service.
struct Seen {
    head: Request<()>,
    body: Option<Bytes>,
}

fn assert_same(request: &Seen, forgiving: &reader::Read) {
    let head = &request.head;
    assert_eq!(head.method().as_str(), forgiving.method);
    assert_eq!(format!("{:?}", head.version()), forgiving.version);
    let target = forgiving.target.as_str();
    let uri = Uri::try_from(target).expect("a target that passed is a URI");
    assert_eq!(head.uri(), &uri);
    if target.starts_with('/') {
        assert_eq!(head.uri(), target);
    }
    // In their order for each name; the order of names is hyper's own.
    assert_eq!(head.headers().len(), forgiving.fields.len());
    for name in head.headers().keys() {
        let by_hyper = head.headers().get_all(name).iter();
        let by_hyper = by_hyper.map(|value| value.as_bytes());
        let fields = forgiving.fields.iter();
        let fields = fields.filter(|(known, _)| known == name.as_str());
        assert!(
            by_hyper.eq(fields.map(|(_, value)| value.as_slice())),
            "{name}"
        );
    }
    match &request.body {
        Some(body) => assert_eq!(forgiving.body.as_deref(), Some(&body[..])),
        // The lint bounds trailers, and leaves it to hyper to refuse one that
        // is no field: with it the connection ends.
        None => assert!(forgiving.body.is_none() || is_chunked(head)),
    }
}

fn is_chunked(head: &Request<()>) -> bool {
    head.headers().contains_key(header::TRANSFER_ENCODING)
}

/// What goes on to the policy has one host, one length and one path.
fn assert_gate(request: &Seen) {
    let mut head = Request::new(());
    *head.method_mut() = request.head.method().clone();
    *head.version_mut() = request.head.version();
    *head.uri_mut() = request.head.uri().clone();
    *head.headers_mut() = request.head.headers().clone();
    let Ok(admitted) = gate(head) else { return };
    let path = CanonicalPath::parse(admitted.uri().path().as_bytes()).expect("a path");
    assert_eq!(path.as_str(), admitted.uri().path());
    assert_eq!(admitted.uri().query(), request.head.uri().query());
    assert!(admitted.uri().authority().is_none());
    assert!(!["CONNECT", "TRACE"].contains(&admitted.method().as_str()));
    let count = |name| admitted.headers().get_all(name).iter().count();
    assert_eq!(count(header::HOST), 1);
    assert!(count(header::CONTENT_LENGTH) + count(header::TRANSFER_ENCODING) <= 1);
    assert!(count(header::AUTHORIZATION) <= 1);
    for name in admitted.headers().keys().map(|name| name.as_str()) {
        let folded = name.replace(['_', '.'], "-");
        let framing = ["content-length", "transfer-encoding"];
        assert!(
            name == folded || !framing.contains(&folded.as_str()),
            "{name}"
        );
    }
}

/// hyper reads every request that passed whole, unless one of them ends the
/// connection.
fn assert_reads_on(linted: &Linted, by_hyper: &[Seen]) {
    let whole = linted.messages.iter().filter(|it| it.end.is_some());
    if by_hyper.len() >= whole.count() {
        return;
    }
    let Some(last) = by_hyper.last() else {
        panic!("hyper refuses what passed");
    };
    let head = &last.head;
    let ends = head.version() == http::Version::HTTP_10 || names(head.headers(), "close");
    assert!(ends || last.body.is_none(), "hyper stops between requests");
}

fn names(headers: &HeaderMap, option: &str) -> bool {
    let mut fields = headers.get_all(header::CONNECTION).iter();
    fields.any(|field| {
        let field = String::from_utf8_lossy(field.as_bytes()).to_ascii_lowercase();
        field.contains(option)
    })
}

/// What hyper reads, with the settings of the gateway.
fn by_hyper(stream: &[u8], linted: &Linted, size: usize) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Rc::clone(&seen);
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect().await.ok().map(|body| body.to_bytes());
            let head = Request::from_parts(parts, ());
            seen.borrow_mut().push(Seen { head, body });
            let mut answer = Response::new(Empty::<Bytes>::new());
            // None that would make a tunnel of CONNECT.
            *answer.status_mut() = http::StatusCode::NOT_FOUND;
            Ok::<_, Infallible>(answer)
        }
    });
    let wire = Wire {
        left: Bytes::copy_from_slice(stream),
        whole: stream.len(),
        ends: linted.messages.iter().filter_map(|it| it.end).collect(),
        seen: Rc::clone(&seen),
        // Few pieces: with each, hyper begins a head again.
        size: size.max(stream.len() / 8),
    };
    let connection = http1::Builder::new()
        .header_read_timeout(None)
        .max_headers(Limits::default().fields)
        .max_buf_size(Limits::default().head_bytes + 8 * 1024)
        .serve_connection(wire, service);
    {
        let mut connection = pin!(connection);
        let mut context = Context::from_waker(Waker::noop());
        // hyper gives way now and then; nothing else makes it wait.
        let turns = 1_000 + stream.len();
        let ended = (0..turns).any(|_| connection.as_mut().poll(&mut context).is_ready());
        assert!(ended, "hyper waits for ever");
    }
    let mut seen = seen.borrow_mut();
    std::mem::take(&mut *seen)
}

/// A caller whose bytes are all there, and who reads whatever is written. As in
/// the gateway, a request waits until the one before it is answered.
struct Wire {
    left: Bytes,
    whole: usize,
    ends: VecDeque<usize>,
    seen: Rc<RefCell<Vec<Seen>>>,
    size: usize,
}

impl Read for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let at = self.whole - self.left.len();
        let answered = self.seen.borrow().len();
        let end = *self.ends.get(answered).unwrap_or(&self.whole);
        // Nor does the caller hang up while it waits.
        if at == end && answered < self.ends.len() {
            return Poll::Pending;
        }
        let size = self.size.min(end.saturating_sub(at));
        let size = size.min(buffer.remaining());
        buffer.put_slice(&self.left.split_to(size));
        Poll::Ready(Ok(()))
    }
}

impl Write for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
