//! Workers, connections, and the way down.
//!
//! One thread with one runtime for each core: a request, its upstream
//! connection and its timers stay on the core that accepted it. Nothing here
//! takes a lock on the way of a request.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    runtime::{self, LocalOptions, LocalRuntime},
    sync::{mpsc, watch},
    task::{JoinSet, yield_now},
};

use crate::{
    arrival::{Arrived, Protocol, receive},
    config::Limits,
    forward_auth::ForwardAuth,
    gateway::{Gateway, Inner, Peer},
    http1, http2,
    listeners::Listeners,
    shares::connections_of,
    tally::Counting,
    upstream::Upstream,
};

/// How long a worker rests when the system has no descriptor left for another
/// connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Tasks that a worker runs, of some microseconds each, before it asks the system
/// what else has happened. The more there are, the closer together requests and
/// answers go out, and the fewer of their readers have fallen asleep in between:
/// to wake one costs the system as much as a tenth of a request.
const TASKS_AT_ONCE: u32 = 256;

/// Connections that are accepted before those that are there have their turn.
const NEWCOMERS_AT_ONCE: usize = 16;

/// As many header fields as hyper takes untold, and then without preparing room
/// for each of them anew with every message.
pub(crate) const USUAL_FIELDS: usize = 100;

/// For callers above the limit of connections: they may come again.
const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\n\
    content-length: 0\r\nconnection: close\r\n\r\n";

/// A gateway whose address is bound and that serves nobody yet.
#[derive(Debug)]
pub struct BoundGateway {
    gateway: Gateway,
    listeners: Listeners,
    /// Where other proxies ask.
    questions: Option<Listeners>,
}

/// What comes to a worker's socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Door {
    /// Requests, to be forwarded.
    Requests,
    /// Questions of another proxy about requests of its own.
    Questions,
}

/// How the way down went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they did not end in time.
    pub cut: usize,
    /// Workers that had ended by themselves: a fault of our own.
    pub lost_workers: usize,
}

impl BoundGateway {
    pub(crate) const fn new(
        gateway: Gateway,
        listeners: Listeners,
        questions: Option<Listeners>,
    ) -> Self {
        Self {
            gateway,
            listeners,
            questions,
        }
    }

    /// The address that other proxies ask at, if they may.
    pub fn forward_auth_addr(&self) -> Option<SocketAddr> {
        self.questions.as_ref().map(Listeners::local_addr)
    }

    /// The address that callers reach it at.
    pub fn local_addr(&self) -> SocketAddr {
        self.listeners.local_addr()
    }

    /// A handle that stays when this one serves.
    pub fn gateway(&self) -> Gateway {
        self.gateway.clone()
    }

    /// Serves until `shutdown` ends, then lets the requests in progress end,
    /// as long as the drain limit allows. Ends early if a worker is lost.
    ///
    /// # Errors
    ///
    /// If the system gives no thread, or if a worker got no runtime or could not
    /// listen; the other workers have ended in order then.
    pub async fn serve(self, shutdown: impl Future<Output = ()>) -> io::Result<Drained> {
        let (stop, stopped) = watch::channel(false);
        let (ended, mut ends) = mpsc::unbounded_channel();
        let questions = self.questions.map(Listeners::into_sockets);
        let questions = questions.into_iter().flatten();
        let sockets: Vec<_> = (self.listeners.into_sockets().into_iter())
            .map(|socket| (Door::Requests, socket))
            .chain(questions.map(|socket| (Door::Questions, socket)))
            .collect();
        let workers = sockets.len();
        for (number, socket) in sockets.into_iter().enumerate() {
            let inner = Arc::clone(&self.gateway.0);
            let stopped = stopped.clone();
            let farewell = Farewell {
                ended: ended.clone(),
                end: Some(End::Lost),
            };
            std::thread::Builder::new()
                .name(format!("gateway-{number}"))
                .spawn(move || {
                    let ended = begin().and_then(|runtime| {
                        let cut = runtime.block_on(work(inner, socket, stopped));
                        drop(runtime);
                        cut
                    });
                    farewell.say(ended.map_or_else(End::Failed, End::Drained));
                })?;
        }
        drop(ended);
        let mut drained = Drained::default();
        let (mut left, mut failed) = (workers, None);
        let mut count = |end: End| {
            left -= 1;
            match end {
                End::Drained(cut) => drained.cut += cut,
                End::Lost => drained.lost_workers += 1,
                End::Failed(error) => failed = Some(error),
            }
        };
        tokio::select! {
            () = shutdown => {}
            Some(end) = ends.recv() => count(end),
        }
        // The workers hold receivers; if all are gone there is nobody to tell.
        let _ = stop.send(true);
        while let Some(end) = ends.recv().await {
            count(end);
        }
        debug_assert_eq!(left, 0, "every worker says farewell");
        failed.map_or(Ok(drained), Err)
    }
}

/// How a worker ended.
#[derive(Debug)]
enum End {
    /// On its way down, with as many connections cut.
    Drained(usize),
    /// It got no runtime, or could not listen.
    Failed(io::Error),
    /// By a panic.
    Lost,
}

/// Tells that a worker ended, by a panic too.
struct Farewell {
    ended: mpsc::UnboundedSender<End>,
    end: Option<End>,
}

impl Farewell {
    fn say(mut self, end: End) {
        self.end = Some(end);
    }
}

impl Drop for Farewell {
    fn drop(&mut self) {
        // Nobody waits any more if `serve` itself was dropped.
        let _ = self.end.take().map(|end| self.ended.send(end));
    }
}

/// A runtime for the thread that asks.
fn begin() -> io::Result<LocalRuntime> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .event_interval(TASKS_AT_ONCE)
        .build_local(LocalOptions::default())
}

/// What one thread has for itself.
#[derive(Debug)]
pub(crate) struct Worker {
    door: Door,
    pub(crate) inner: Arc<Inner>,
    pub(crate) upstream: Rc<Upstream>,
    pub(crate) counting: Rc<Counting>,
    pub(crate) limits: Arc<Limits>,
    stopped: watch::Receiver<bool>,
}

/// Accepts until told to stop, then drains. Returns how many connections were
/// cut.
async fn work(
    inner: Arc<Inner>,
    (door, socket): (Door, std::net::TcpListener),
    mut stopped: watch::Receiver<bool>,
) -> io::Result<usize> {
    let listener = TcpListener::from_std(socket)?;
    let limits = Arc::new(inner.config.limits.clone());
    let counting = Rc::new(inner.ledgers.open());
    let upstream = Upstream::new(
        Arc::clone(&inner),
        Arc::clone(&limits),
        Rc::clone(&counting),
    );
    let upstream = Rc::new(upstream);
    let worker = Rc::new(Worker {
        door,
        inner,
        upstream,
        counting,
        limits,
        stopped: stopped.clone(),
    });
    let (mut connections, mut newcomers) = (JoinSet::new(), 0);
    let sweeping = Rc::clone(&worker);
    let sweeper = tokio::task::spawn_local(async move { sweeping.upstream.sweep().await });
    let probing = Rc::clone(&worker);
    let prober = tokio::task::spawn_local(async move { probing.probe().await });
    loop {
        tokio::select! {
            // An error means that `serve` was dropped: that is a stop, too.
            _ = stopped.wait_for(|stopped| *stopped) => break,
            // A panic ends its own connection and no other.
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    worker.welcome(stream, peer, &mut connections);
                    newcomers += 1;
                    if newcomers == NEWCOMERS_AT_ONCE {
                        newcomers = 0;
                        yield_now().await;
                    }
                }
                Err(error) => rest_after(&error).await,
            },
        }
    }
    drop(listener);
    let drained = async { while connections.join_next().await.is_some() {} };
    // What is left after the time limit is cut when the set is dropped.
    let _ = tokio::time::timeout(worker.limits.drain_timeout, drained).await;
    sweeper.abort();
    prober.abort();
    Ok(connections.len())
}

/// A caller that hung up in the queue is no reason to wait; a process without
/// descriptors is.
async fn rest_after(error: &io::Error) {
    let is_callers = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    );
    if !is_callers {
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}

impl Worker {
    fn welcome(
        self: &Rc<Self>,
        stream: TcpStream,
        peer: SocketAddr,
        connections: &mut JoinSet<()>,
    ) {
        let peer = Peer(peer.ip().to_canonical());
        let Some(place) = Place::take(&self.inner, peer.0) else {
            // As much as the socket takes at once; then it is closed.
            let _ = stream.try_write(BUSY);
            return;
        };
        // Without it small answers may wait for an acknowledgement; they are
        // right all the same.
        let _ = stream.set_nodelay(true);
        let worker = Rc::clone(self);
        connections.spawn_local(async move {
            // On the heap, or every idle connection would keep room for it.
            let mut stopped = worker.stopped();
            let arrived = tokio::select! {
                arrived = Box::pin(worker.receive(stream, peer)) => arrived,
                _ = stopped.wait_for(|stopped| *stopped) => None,
            };
            match arrived {
                Some(arrived) if arrived.protocol == Protocol::Http2 => {
                    Box::pin(http2::converse(worker, arrived)).await;
                }
                Some(arrived) => http1::converse(worker, arrived).await,
                None => {}
            }
            drop(place);
        });
    }

    async fn receive(&self, stream: TcpStream, peer: Peer) -> Option<Arrived> {
        match self.door {
            Door::Requests => receive(&self.inner, stream, peer).await,
            Door::Questions => Some(Arrived::in_clear(stream, peer)),
        }
    }

    /// Whose questions are answered here, if this is where they come.
    pub(crate) fn questions(&self) -> Option<&ForwardAuth> {
        match self.door {
            Door::Requests => None,
            Door::Questions => self.inner.config.forward_auth.as_ref(),
        }
    }

    /// Asks for the upstreams' health, if no other worker does.
    async fn probe(&self) {
        if let Some(path) = &self.inner.config.health_path
            && !self.inner.is_probed.swap(true, Ordering::Relaxed)
        {
            self.upstream.probe(path).await;
        }
    }

    /// The bounds of everything.
    pub(crate) fn limits(&self) -> Arc<Limits> {
        Arc::clone(&self.limits)
    }

    /// Becomes true on the way down.
    pub(crate) fn stopped(&self) -> watch::Receiver<bool> {
        self.stopped.clone()
    }
}

/// One of the connections that the limits allow.
struct Place {
    inner: Arc<Inner>,
    /// Counted by itself, if it is not a trusted proxy's.
    address: Option<IpAddr>,
}

impl Place {
    fn take(inner: &Arc<Inner>, address: IpAddr) -> Option<Self> {
        let mut place = Self {
            inner: Arc::clone(inner),
            address: None,
        };
        let before = inner.connections.fetch_add(1, Ordering::Relaxed);
        if before >= inner.config.limits.connections {
            return None;
        }
        let Some(most) = connections_of(&inner.config, address) else {
            return Some(place);
        };
        if !inner.addresses.take(address, most) {
            return None;
        }
        place.address = Some(address);
        Some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.inner.connections.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            self.inner.addresses.give_back(address);
        }
    }
}
