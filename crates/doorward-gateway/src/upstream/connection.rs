//! One connection to an upstream, or one stream of a connection that several
//! requests share.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{
    Request, Response, Uri, Version,
    header::{CONNECTION, HOST, TRANSFER_ENCODING},
    uri::{Authority, PathAndQuery, Scheme},
};
use hyper::{
    body::Incoming,
    client::conn::{TrySendError, http1, http2},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt as _,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{body::Outgoing, member::Load, overheard::Overheard, sending::Sending};
use crate::{config::Limits, http2::Here, server::USUAL_FIELDS, wire::stall::Stall};

/// Largest head of an answer, and the largest piece of one that is read at
/// once: for a caller that reads slowly several of them wait.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// Requests at a time on one HTTP/2 connection: what RFC 9113 section 6.5.2
/// asks servers to allow.
const STREAMS: usize = 100;

/// Bytes of an answer that an upstream may send before they are taken.
const STREAM_WINDOW: u32 = 64 * 1024;

/// For all answers of a connection together, so that those which nobody takes
/// do not hold the others up.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS as u32;

/// Bytes of a request that wait for an upstream to take them.
const SEND_BUFFER: usize = 32 * 1024;

/// A way to send a request. In a box, because it goes through many hands with each.
#[derive(Debug)]
pub(super) struct Connection {
    sender: Sender,
    has_spoken: Rc<Cell<bool>>,
    hand_over: HandOver,
    pub(super) is_reused: bool,
    home: usize,
    /// The request in progress on it.
    pub(super) load: Option<Load>,
    /// Kept, so that not each request takes a timer and gives it back.
    stall: Stall,
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Outgoing>),
    Http2(http2::SendRequest<Outgoing>, Scheme, Rc<Stream>),
}

/// An HTTP/2 connection that takes more requests.
#[derive(Debug)]
pub(super) struct Shared {
    sender: http2::SendRequest<Outgoing>,
    scheme: Scheme,
    /// Its copies are the requests in progress.
    stream: Rc<Stream>,
    used: Instant,
}

#[derive(Debug, Default)]
struct Stream {
    /// An answer did not come, so that nothing more is asked here.
    is_doubtful: Cell<bool>,
}

impl Shared {
    /// Begins HTTP/2 on `stream`.
    pub(super) async fn begin(stream: Overheard, scheme: Scheme) -> hyper::Result<Self> {
        let mut builder = http2::Builder::new(Here);
        builder
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .initial_max_send_streams(STREAMS)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX));
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the gateway's upstream pool"
        )]
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
        // An error reaches whoever waits for an answer; nobody else asks.
        tokio::task::spawn_local(async { drop(connection.await) });
        Ok(Self {
            sender,
            scheme,
            stream: Rc::default(),
            used: Instant::now(),
        })
    }

    /// Whether it takes one more.
    pub(super) fn is_open(&self) -> bool {
        let streams = Rc::strong_count(&self.stream) - 1;
        streams < STREAMS && !self.stream.is_doubtful.get() && self.sender.is_ready()
    }

    /// Whether it is worth keeping: in use, or used a moment ago.
    pub(super) fn is_fresh(&self, most: Duration) -> bool {
        let is_used = Rc::strong_count(&self.stream) > 1;
        !self.sender.is_closed() && (is_used || self.used.elapsed() < most)
    }

    /// A stream of it.
    pub(super) fn stream(&mut self, home: usize, is_reused: bool) -> Box<Connection> {
        self.used = Instant::now();
        let (sender, stream) = (self.sender.clone(), Rc::clone(&self.stream));
        let sender = Sender::Http2(sender, self.scheme.clone(), stream);
        let mut connection = Connection::of(sender, home, Rc::default(), HandOver::default());
        connection.is_reused = is_reused;
        connection
    }
}

impl Connection {
    /// Begins HTTP/1.1 on `stream`.
    pub(super) async fn begin(
        stream: Overheard,
        home: usize,
        limits: &Limits,
    ) -> hyper::Result<Box<Self>> {
        let has_spoken = stream.has_spoken();
        let hand_over = HandOver::default();
        let mut builder = http1::Builder::new();
        if limits.fields != USUAL_FIELDS {
            builder.max_headers(limits.fields);
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the gateway's upstream pool"
        )]
        let (sender, connection) = builder
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await?;
        tokio::task::spawn_local(drive(connection, Rc::clone(&hand_over)));
        let sender = Sender::Http1(sender);
        Ok(Self::of(sender, home, has_spoken, hand_over))
    }

    fn of(
        sender: Sender,
        home: usize,
        has_spoken: Rc<Cell<bool>>,
        hand_over: HandOver,
    ) -> Box<Self> {
        Box::new(Self {
            sender,
            has_spoken,
            hand_over,
            is_reused: false,
            home,
            load: None,
            stall: Stall::default(),
        })
    }

    /// Whether it takes a request at once.
    pub(super) fn is_ready_now(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_ready(),
            Sender::Http2(sender, ..) => sender.is_ready(),
        }
    }

    /// Whether it takes a request. Not ready yet means that its task has still
    /// to see the end of the last exchange; with an error it is closed.
    pub(super) async fn is_ready(&mut self, limit: Duration) -> bool {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.is_ready() || matches!(timeout(limit, sender.ready()).await, Ok(Ok(())))
            }
            Sender::Http2(sender, ..) => sender.is_ready(),
        }
    }

    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender, ..) => sender.is_closed(),
        }
    }

    /// Whether nobody else may use it before this exchange has ended.
    pub(super) const fn is_exclusive(&self) -> bool {
        matches!(self.sender, Sender::Http1(_))
    }

    /// Where the connection comes out if the next answer changes the protocol.
    pub(super) fn hand_over(&self) -> oneshot::Receiver<Switched> {
        let (sender, receiver) = oneshot::channel();
        self.hand_over.replace(Some(sender));
        receiver
    }

    /// It speaks HTTP on.
    pub(super) fn stay(&self) {
        self.hand_over.take();
    }

    /// The number of the member that it leads to.
    pub(super) const fn home(&self) -> usize {
        self.home
    }

    /// With a request in progress, until it is given back.
    pub(super) fn bearing(mut self: Box<Self>, load: Load) -> Box<Self> {
        self.load = Some(load);
        self
    }

    /// Whether it carried a request before.
    pub(super) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Whether a byte of an answer came back since the last request was sent.
    /// What comes on a shared connection may be for others; the answer's head
    /// alone counts there.
    pub(super) fn has_spoken(&self) -> bool {
        self.has_spoken.get()
    }

    /// Sends `request`.
    pub(super) fn ask(&mut self, request: Request<Outgoing>) -> Answering {
        self.has_spoken.set(false);
        match &mut self.sender {
            Sender::Http1(sender) => Box::pin(sender.try_send_request(request)),
            Sender::Http2(sender, scheme, _) => {
                Box::pin(sender.try_send_request(in_http2(request, scheme)))
            }
        }
    }

    /// What comes back, or `None` where the upstream has been silent for the
    /// limit.
    pub(super) fn poll_answer(
        &mut self,
        answering: &mut Answering,
        (sending, limit): (&Sending, Duration),
        cx: &mut Context<'_>,
    ) -> Poll<Option<Heard>> {
        if let Poll::Ready(heard) = answering.as_mut().poll(cx) {
            return Poll::Ready(Some(heard));
        }
        ready!(sending.poll_silent(limit, &mut self.stall, cx));
        if let Sender::Http2(.., stream) = &self.sender {
            stream.is_doubtful.set(true);
        }
        Poll::Ready(None)
    }

    /// The answer to `request`, as [`Self::poll_answer`] has it.
    pub(super) async fn answer(
        &mut self,
        request: Request<Outgoing>,
        sending: &Sending,
        limit: Duration,
    ) -> Option<Heard> {
        let mut answering = self.ask(request);
        poll_fn(|cx| self.poll_answer(&mut answering, (sending, limit), cx)).await
    }
}

/// What comes back from an upstream.
pub(super) type Heard = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>;

/// It is on its way.
pub(super) type Answering = Pin<Box<dyn Future<Output = Heard>>>;

/// What Host says becomes `:authority`, and what only HTTP/1.1 needs goes
/// (RFC 9113 sections 8.2.2 and 8.3.1).
fn in_http2(mut request: Request<Outgoing>, scheme: &Scheme) -> Request<Outgoing> {
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    headers.remove(TRANSFER_ENCODING);
    let host = headers.remove(HOST);
    let authority = host.and_then(|host| Authority::try_from(host.as_bytes()).ok());
    // A request that comes a second time has it already.
    if let Some(authority) = authority {
        let mut target = request.uri().clone().into_parts();
        target.scheme = Some(scheme.clone());
        target.authority = Some(authority);
        let path = target.path_and_query.take();
        target.path_and_query = Some(path.unwrap_or_else(|| PathAndQuery::from_static("/")));
        if let Ok(target) = Uri::from_parts(target) {
            *request.uri_mut() = target;
        }
    }
    *request.version_mut() = Version::HTTP_2;
    request
}

/// Runs `connection` to its end, and hands it over if it has changed the
/// protocol.
async fn drive(mut connection: Driven, hand_over: HandOver) {
    // An error reaches whoever waits for an answer; nobody else asks.
    let ended = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    let taker = hand_over.take();
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    match taker {
        Some(taker) if ended.is_ok() => {
            let ahead = parts.read_buf;
            // Nobody waits any more if the caller has left.
            let _ = taker.send(Switched { io, ahead });
        }
        _ if ended.is_ok() => drop(io.shutdown().await),
        _ => {}
    }
}

type Driven = http1::Connection<TokioIo<Overheard>, Outgoing>;
type HandOver = Rc<RefCell<Option<oneshot::Sender<Switched>>>>;

/// A connection that speaks HTTP no more.
#[derive(Debug)]
pub(crate) struct Switched {
    pub(crate) io: Overheard,
    /// Read behind the last words of HTTP.
    pub(crate) ahead: Bytes,
}
