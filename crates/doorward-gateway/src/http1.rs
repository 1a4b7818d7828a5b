//! One caller's HTTP/1.1 connection (RFC 9112), talking and silent by turns.
//!
//! hyper's side of a connection has a read buffer of 8 KiB and a state that
//! live as long as it does, and most connections are silent most of the time.
//! So it lives while something is said and a little longer: when a connection
//! has been silent for [`Limits::rest_after`], hyper is told that it has ended,
//! closes its side, and the bare connection waits here for the caller's next
//! words. With them a new hyper begins. Nothing can get lost in between, because
//! hyper itself says whether it holds anything: it ends in order only between
//! two requests, with nothing read ahead.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead as _, AsyncWriteExt as _, ReadBuf},
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::{
    arrival::{Arrived, Caller},
    config::Limits,
    serve::serve,
    server::{USUAL_FIELDS, Worker},
    wire::{transport::Transport, watch::Watched},
};

/// hyper's smallest buffer.
const MIN_BUFFER: usize = 8 * 1024;

/// Most of what a silent connection reads by itself: a usual head is one read.
const WORDS: usize = 4 * 1024;

/// Serves the connection until it ends or `worker` stops.
///
/// What is held while it is silent is held by this future itself and therefore
/// small; the rest is on the heap for as long as it is needed.
pub(crate) async fn converse(worker: Rc<Worker>, arrived: Arrived) {
    let mut stopped = worker.stopped();
    let caller = arrived.caller;
    let mut silent = Silent {
        transport: arrived.transport,
        until: Instant::now() + worker.limits.head_timeout,
    };
    loop {
        let until = silent.until;
        let resting = Resting::count(&worker.inner.resting);
        let next = tokio::select! {
            // Ready words cost no timer and no look at the signal to stop.
            biased;
            words = silent.words() => Next::of(words),
            () = sleep_until(until) => Next::Farewell { lingers: true },
            () = stop_of(&mut stopped) => Next::Farewell { lingers: false },
        };
        drop(resting);
        let talked = match next {
            Next::Words(words) => {
                let worker = Rc::clone(&worker);
                Box::pin(talk(worker, &mut stopped, caller, silent.transport, words)).await
            }
            Next::Farewell { lingers } => {
                let watched = Watched::leaving(silent.transport, &worker.limits, lingers);
                Box::pin(close(watched)).await;
                return;
            }
            Next::End => return,
        };
        silent = match talked {
            Some(silent) => silent,
            None => return,
        };
    }
}

/// A connection on which nothing is said.
struct Silent {
    transport: Transport,
    /// When it is closed.
    until: Instant,
}

impl Silent {
    /// What the caller says next; nothing if it has ended.
    async fn words(&mut self) -> io::Result<Vec<u8>> {
        poll_fn(|cx| self.poll_words(cx)).await
    }

    fn poll_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Vec<u8>>> {
        let mut room = [MaybeUninit::uninit(); WORDS];
        let mut buf = ReadBuf::uninit(&mut room);
        ready!(Pin::new(&mut self.transport).poll_read(cx, &mut buf))?;
        Poll::Ready(Ok(buf.filled().to_vec()))
    }
}

/// What ends a silence.
enum Next {
    /// The caller speaks.
    Words(Vec<u8>),
    /// The connection is closed; it lingers where the caller may be speaking
    /// just now, who would else lose what it has not read of its last answer.
    Farewell { lingers: bool },
    /// It is gone.
    End,
}

impl Next {
    fn of(words: io::Result<Vec<u8>>) -> Self {
        match words {
            Ok(words) if words.is_empty() => Self::Farewell { lingers: false },
            Ok(words) => Self::Words(words),
            Err(_) => Self::End,
        }
    }
}

/// One of the connections that are silent at present.
struct Resting<'c>(&'c AtomicUsize);

impl<'c> Resting<'c> {
    fn count(counter: &'c AtomicUsize) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(counter)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

async fn close(mut watched: Watched) {
    // It ends one way or the other.
    let _ = watched.shutdown().await;
}

/// Serves request after request, of which the first begins with `words`, until
/// the connection ends or falls silent.
async fn talk(
    worker: Rc<Worker>,
    stopped: &mut watch::Receiver<bool>,
    caller: Caller,
    transport: Transport,
    words: Vec<u8>,
) -> Option<Silent> {
    let limits = Arc::clone(&worker.limits);
    let inner = Arc::clone(&worker.inner);
    let stop = stopped.clone();
    let (watched, exchange) = Watched::new(transport, words, Arc::clone(&limits));
    let service = service_fn(move |request| serve(&worker, &exchange, caller, request));
    let mut connection = builder(&limits).serve_connection(TokioIo::new(watched), service);
    let conversing = poll_fn(|cx| connection.poll_without_shutdown(cx));
    let ended = match unless(stop_of(stopped), &stop, conversing).await {
        Some(ended) => ended,
        None => {
            Pin::new(&mut connection).graceful_shutdown();
            poll_fn(|cx| connection.poll_without_shutdown(cx)).await
        }
    };
    // Otherwise the caller's leaving or a cut answer; the decision has been told
    // before.
    ended.ok()?;
    let parts = connection.into_parts();
    let mut watched = parts.io.into_inner();
    if let Some(tunnel) = watched.opened_tunnel() {
        let (transport, early) = watched.take_transport();
        let ahead = [&parts.read_buf[..], &early].concat();
        tokio::select! {
            () = Box::pin(tunnel.carry(transport, ahead, &inner)) => {}
            () = stop_of(stopped) => {}
        }
        return None;
    }
    let Some(since) = watched.silent_since() else {
        let _ = watched.shutdown().await;
        return None;
    };
    let (transport, early) = watched.take_transport();
    // INVARIANT: a silent connection has nothing that was read and not served. What
    // comes next would else be read as if it stood at the beginning.
    if !parts.read_buf.is_empty() || !early.is_empty() {
        Box::pin(close(Watched::leaving(transport, &limits, true))).await;
        return None;
    }
    Some(Silent {
        transport,
        until: since + limits.idle_timeout,
    })
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    if limits.fields != USUAL_FIELDS {
        builder.max_headers(limits.fields);
    }
    builder
        // The wire's own watch bounds heads in time and size.
        .header_read_timeout(None)
        // A head, and as much of an answer, wait at most.
        .max_buf_size(limits.head_bytes + MIN_BUFFER);
    builder
}

/// Ends when the way down begins.
async fn stop_of(stopped: &mut watch::Receiver<bool>) {
    // An error means that `serve` was dropped: that is a stop, too.
    let _ = stopped.wait_for(|stopped| *stopped).await;
}

/// What `conversing` comes to, unless `stopping` ends before it, which `stop`
/// announces.
///
/// `stopping` has the task woken when it is asked the first time; asking it again
/// and again, with every read of every connection, takes a lock that all workers
/// share.
async fn unless<T>(
    stopping: impl Future<Output = ()>,
    stop: &watch::Receiver<bool>,
    conversing: impl Future<Output = T>,
) -> Option<T> {
    let (mut stopping, mut conversing) = (pin!(stopping), pin!(conversing));
    let mut is_asked = false;
    poll_fn(|cx| {
        // An error of `has_changed` is an end as well.
        if !is_asked || stop.has_changed().unwrap_or(true) {
            is_asked = true;
            if stopping.as_mut().poll(cx).is_ready() {
                return Poll::Ready(None);
            }
        }
        conversing.as_mut().poll(cx).map(Some)
    })
    .await
}
