//! Connections to the upstream that wait for the next request.
//!
//! One pool for each worker, without locks. The connection used last is taken
//! first, so that the others grow old and go. A connection comes back only
//! after an exactly framed exchange; one that is in doubt is closed.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    io,
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use doorward_policy::decision::Reason;
use http::{HeaderValue, Request, Response, Uri, header::HOST, uri::PathAndQuery};
use hyper::{
    body::Incoming,
    client::conn::{
        TrySendError,
        http1::{self, Builder, SendRequest},
    },
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::AsyncWriteExt as _,
    net::TcpStream,
    sync::oneshot,
    time::{Instant, timeout},
};

use super::{
    Failure, Sending, body::Outgoing, line::Line, line::UpstreamRoots, member::Load,
    overheard::Overheard,
};
use crate::{config::Limits, wire::stall::Stall};

/// Largest head of an answer.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// Idle connections, the youngest last.
#[derive(Debug)]
pub(super) struct Pool {
    /// The number of the member that it leads to.
    home: usize,
    roots: Option<UpstreamRoots>,
    /// For a request that nobody else makes.
    authority: String,
    /// Its share of the connections that may wait.
    most_idle: usize,
    host: String,
    port: u16,
    limits: Arc<Limits>,
    idle: RefCell<Vec<Idle>>,
}

#[derive(Debug)]
struct Idle {
    connection: Connection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(
        (home, most_idle): (usize, usize),
        origin: &Uri,
        roots: Option<UpstreamRoots>,
        limits: Arc<Limits>,
    ) -> Rc<Self> {
        let host = origin.host().unwrap_or_default();
        // An IPv6 literal is connected to without its brackets.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = super::port(origin);
        let authority = origin.authority().map(ToString::to_string);
        Rc::new(Self {
            home,
            most_idle,
            roots: roots.filter(|_| super::is_tls(origin)),
            authority: authority.unwrap_or_default(),
            host,
            port,
            limits,
            idle: RefCell::default(),
        })
    }

    /// A live idle connection, or a new one.
    pub(super) async fn checkout(&self) -> Result<Connection, Failure> {
        while let Some(idle) = self.pop() {
            let Idle {
                mut connection,
                since,
            } = idle;
            let is_fresh = since.elapsed() < self.limits.upstream_idle_timeout;
            if is_fresh && connection.is_ready(self.limits.connect_timeout).await {
                connection.is_reused = true;
                return Ok(connection);
            }
        }
        self.connect().await
    }

    fn pop(&self) -> Option<Idle> {
        self.idle.borrow_mut().pop()
    }

    /// A new connection.
    pub(super) async fn connect(&self) -> Result<Connection, Failure> {
        let stream = match timeout(self.limits.connect_timeout, self.dial()).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                return Err(Failure::new(Reason::UpstreamUnreachable, describe(&error)));
            }
            Err(_) => {
                return Err(Failure::new(
                    Reason::UpstreamUnreachable,
                    "no connection in time",
                ));
            }
        };
        let has_spoken = Rc::new(Cell::new(false));
        let hand_over = Rc::new(RefCell::new(None));
        let stream = Overheard::new(stream, Rc::clone(&has_spoken));
        #[expect(
            clippy::disallowed_methods,
            reason = "this is the gateway's upstream pool"
        )]
        let shaken = Builder::new()
            .max_headers(self.limits.fields)
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await;
        let (sender, connection) = shaken
            .map_err(|_| Failure::new(Reason::UpstreamBroken, "the connection ended at once"))?;
        tokio::task::spawn_local(drive(connection, Rc::clone(&hand_over)));
        Ok(Connection {
            sender,
            has_spoken,
            hand_over,
            is_reused: false,
            home: self.home,
            load: None,
            stall: Stall::default(),
        })
    }

    async fn dial(&self) -> io::Result<Line> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // Without it small requests may wait for an acknowledgement; if it
        // cannot be set they do, and are still right.
        let _ = stream.set_nodelay(true);
        match &self.roots {
            Some(roots) => roots.connect(&self.host, stream).await,
            None => Ok(Line::Plain(stream)),
        }
    }

    /// Whether the server answers `path` with success, on a new connection.
    pub(super) async fn is_healthy(&self, path: &PathAndQuery) -> bool {
        let asking = async {
            let mut connection = self.connect().await.ok()?;
            let mut request = Request::new(Outgoing::Empty);
            *request.uri_mut() = path.clone().into();
            let host = HeaderValue::try_from(&self.authority).ok()?;
            request.headers_mut().insert(HOST, host);
            let answer = connection.send(request).await.ok()?;
            Some(answer.status().is_success())
        };
        let limit = self.limits.connect_timeout + self.limits.connect_timeout;
        matches!(timeout(limit, asking).await, Ok(Some(true)))
    }

    /// A promise to take `connection` back after the exchange.
    pub(super) fn lease(
        self: &Rc<Self>,
        connection: Connection,
        sending: Sending,
        is_kept: bool,
    ) -> Lease {
        Lease {
            is_kept,
            pool: Rc::clone(self),
            connection,
            sending,
        }
    }

    fn give_back(&self, mut connection: Connection) {
        connection.load = None;
        let mut idle = self.idle.borrow_mut();
        if idle.len() < self.most_idle {
            idle.push(Idle {
                connection,
                since: Instant::now(),
            });
        }
    }

    /// Drops idle connections that are too old.
    pub(super) fn sweep(&self) {
        let is_fresh = |idle: &Idle| {
            !idle.connection.sender.is_closed()
                && idle.since.elapsed() < self.limits.upstream_idle_timeout
        };
        self.idle.borrow_mut().retain(is_fresh);
    }
}

/// TLS says more than its kind: whose certificate, which name.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => format!("TLS: {error}"),
        kind => kind.to_string(),
    }
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

/// One connection to the upstream.
#[derive(Debug)]
pub(super) struct Connection {
    sender: SendRequest<Outgoing>,
    has_spoken: Rc<Cell<bool>>,
    hand_over: HandOver,
    is_reused: bool,
    home: usize,
    /// The request in progress on it.
    load: Option<Load>,
    /// Kept, so that not each request takes a timer and gives it back.
    stall: Stall,
}

impl Connection {
    /// Whether it takes a request. Not ready yet means that its task has still
    /// to see the end of the last exchange; with an error it is closed.
    async fn is_ready(&mut self, limit: Duration) -> bool {
        self.sender.is_ready() || matches!(timeout(limit, self.sender.ready()).await, Ok(Ok(())))
    }

    /// What wakes a request whose answer does not come.
    pub(super) const fn stall(&mut self) -> &mut Stall {
        &mut self.stall
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
    pub(super) fn bearing(mut self, load: Load) -> Self {
        self.load = Some(load);
        self
    }

    /// Whether it carried a request before.
    pub(super) const fn is_reused(&self) -> bool {
        self.is_reused
    }

    /// Whether a byte came back since the last request was sent.
    pub(super) fn has_spoken(&self) -> bool {
        self.has_spoken.get()
    }

    pub(super) fn send(
        &mut self,
        request: Request<Outgoing>,
    ) -> impl Future<Output = Result<Response<Incoming>, TrySendError<Request<Outgoing>>>> + use<>
    {
        self.has_spoken.set(false);
        self.sender.try_send_request(request)
    }
}

/// A connection on its way back to the pool.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Rc<Pool>,
    connection: Connection,
    sending: Sending,
    is_kept: bool,
}

impl Lease {
    /// The answer ended where it said it would.
    pub(super) fn end(self) {
        if self.is_kept && self.sending.is_done() && !self.connection.sender.is_closed() {
            self.pool.give_back(self.connection);
        }
    }
}
