//! Connections to the upstream that wait for the next request.
//!
//! One pool for each worker, without locks. The connection used last is taken
//! first, so that the others grow old and go. A connection of HTTP/1.1 comes
//! back only after an exactly framed exchange; one that is in doubt is closed.
//! Those of HTTP/2 stay here, and requests share them. Requests that find none
//! each make one.

use std::{cell::RefCell, io, rc::Rc, sync::Arc};

use doorward_policy::decision::Reason;
use http::{
    HeaderValue, Request, Uri,
    header::HOST,
    uri::{PathAndQuery, Scheme},
};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout},
};

use super::{
    Failure,
    address::{is_tls, port},
    body::Outgoing,
    connection::{Connection, Shared},
    line::{Line, UpstreamRoots},
    overheard::Overheard,
    sending::Sending,
};
use crate::config::{Limits, UpstreamProtocol};

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
    protocol: UpstreamProtocol,
    idle: RefCell<Vec<Idle>>,
    /// Of HTTP/2.
    shared: RefCell<Vec<Shared>>,
}

#[derive(Debug)]
struct Idle {
    connection: Box<Connection>,
    since: Instant,
}

impl Pool {
    pub(super) fn new(
        (home, most_idle): (usize, usize),
        origin: &Uri,
        (protocol, roots): (UpstreamProtocol, Option<UpstreamRoots>),
        limits: Arc<Limits>,
    ) -> Rc<Self> {
        let host = origin.host().unwrap_or_default();
        // An IPv6 literal is connected to without its brackets.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let port = port(origin);
        let authority = origin.authority().map(ToString::to_string);
        Rc::new(Self {
            home,
            most_idle,
            roots: roots.filter(|_| is_tls(origin)),
            authority: authority.unwrap_or_default(),
            host,
            port,
            limits,
            protocol,
            idle: RefCell::default(),
            shared: RefCell::default(),
        })
    }

    /// A live connection that takes a request at once, if one waits.
    pub(super) fn at_hand(&self, now: Instant) -> Option<Box<Connection>> {
        if let Some(connection) = self.share() {
            return Some(connection);
        }
        let most = self.limits.upstream_idle_timeout;
        let is_good = |idle: &mut Idle| {
            now.saturating_duration_since(idle.since) < most && idle.connection.is_ready_now()
        };
        let mut connection = self.idle.borrow_mut().pop_if(is_good)?.connection;
        connection.is_reused = true;
        Some(connection)
    }

    /// A live connection that takes a request, or a new one.
    pub(super) async fn checkout(&self) -> Result<Box<Connection>, Failure> {
        if let Some(connection) = self.share() {
            return Ok(connection);
        }
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
        self.connect(self.protocol).await
    }

    fn pop(&self) -> Option<Idle> {
        self.idle.borrow_mut().pop()
    }

    fn share(&self) -> Option<Box<Connection>> {
        let mut shared = self.shared.borrow_mut();
        let youngest = shared.iter_mut().rev().find(|shared| shared.is_open())?;
        Some(youngest.stream(self.home, true))
    }

    /// A new connection for what is usual here.
    pub(super) async fn renew(&self) -> Result<Box<Connection>, Failure> {
        self.connect(self.protocol).await
    }

    /// A new connection.
    pub(super) async fn connect(
        &self,
        protocol: UpstreamProtocol,
    ) -> Result<Box<Connection>, Failure> {
        let stream = match timeout(self.limits.connect_timeout, self.dial(protocol)).await {
            Ok(Ok(stream)) => Overheard::new(stream),
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
        let begun = match protocol {
            UpstreamProtocol::Http1 => Connection::begin(stream, self.home, &self.limits).await,
            UpstreamProtocol::Http2 => self.begin_shared(stream).await,
        };
        begun.map_err(|_| Failure::new(Reason::UpstreamBroken, "the connection ended at once"))
    }

    async fn begin_shared(&self, stream: Overheard) -> hyper::Result<Box<Connection>> {
        let scheme = match self.roots {
            Some(_) => Scheme::HTTPS,
            None => Scheme::HTTP,
        };
        let mut begun = Shared::begin(stream, scheme).await?;
        let connection = begun.stream(self.home, false);
        self.shared.borrow_mut().push(begun);
        Ok(connection)
    }

    async fn dial(&self, protocol: UpstreamProtocol) -> io::Result<Line> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // Without it small requests may wait for an acknowledgement; if it
        // cannot be set they do, and are still right.
        let _ = stream.set_nodelay(true);
        match &self.roots {
            Some(roots) => roots.connect(&self.host, stream, protocol).await,
            None => Ok(Line::Plain(stream)),
        }
    }

    /// Whether the server answers `path` with success, on a new connection.
    pub(super) async fn is_healthy(&self, path: &PathAndQuery) -> bool {
        let limit = self.limits.connect_timeout + self.limits.connect_timeout;
        let asking = async {
            let mut connection = self.connect(self.protocol).await.ok()?;
            let mut request = Request::new(Outgoing::Empty);
            *request.uri_mut() = path.clone().into();
            let host = HeaderValue::try_from(&self.authority).ok()?;
            request.headers_mut().insert(HOST, host);
            let answer = connection
                .answer(request, &Sending::nothing(Instant::now()), limit)
                .await;
            Some(answer?.ok()?.status().is_success())
        };
        matches!(timeout(limit, asking).await, Ok(Some(true)))
    }

    /// A promise to take `connection` back after the exchange.
    pub(super) fn lease(
        self: &Rc<Self>,
        connection: Box<Connection>,
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

    fn give_back(&self, mut connection: Box<Connection>) {
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
        let most = self.limits.upstream_idle_timeout;
        let is_fresh = |idle: &Idle| !idle.connection.is_closed() && idle.since.elapsed() < most;
        self.idle.borrow_mut().retain(is_fresh);
        let mut shared = self.shared.borrow_mut();
        shared.retain(|shared| shared.is_fresh(most));
    }
}

/// TLS says more than its kind: whose certificate, which name.
fn describe(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::InvalidData => format!("TLS: {error}"),
        kind => kind.to_string(),
    }
}

/// A connection on its way back to the pool.
#[derive(Debug)]
pub(super) struct Lease {
    pool: Rc<Pool>,
    connection: Box<Connection>,
    sending: Sending,
    is_kept: bool,
}

impl Lease {
    /// The answer ended where it said it would.
    pub(super) fn end(self) {
        let is_kept = self.is_kept && self.connection.is_exclusive();
        if is_kept && self.sending.is_done() && !self.connection.is_closed() {
            self.pool.give_back(self.connection);
        }
    }
}
