//! One caller's HTTP/2 connection (RFC 9113).
//!
//! Requests arrive as values; each is judged, forwarded and answered by the
//! same code as one of HTTP/1.1. What differs is where the bounds sit: streams
//! and their windows are bounded here, the frames beneath them in
//! [`crate::wire::frames`]. hyper tells nobody how long a stream has stood
//! still, so a look at all of them now and then finds the callers that ask and
//! do not read.

use std::{
    cell::RefCell,
    convert::Infallible,
    future::Future,
    pin::pin,
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use hyper::{rt::Executor, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    task::spawn_local,
    time::{Instant, MissedTickBehavior, interval},
};

use crate::{
    arrival::Arrived,
    config::Limits,
    serve::serve,
    server::Worker,
    wire::{exchange::Exchange, frames::Framed},
};

/// Bytes of a request's body that a caller may send before they are taken.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same for all requests of a connection together.
const CONNECTION_WINDOW: u32 = 512 * 1024;

/// Bytes of an answer that wait for a caller to take them.
const SEND_BUFFER: usize = 32 * 1024;

/// Resets that the h2 crate lets wait for us, and that we make ourselves
/// (CVE-2023-44487, CVE-2025-8671), before it ends the connection.
const PENDING_RESETS: usize = 20;
const OWN_RESETS: usize = 100;

/// Runs what hyper starts on the worker's own thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here;

impl<F: Future + 'static> Executor<F> for Here {
    fn execute(&self, future: F) {
        spawn_local(async move { drop(future.await) });
    }
}

/// Serves the connection until it ends or `worker` stops.
pub(crate) async fn converse(worker: Rc<Worker>, arrived: Arrived) {
    let limits = worker.limits();
    let mut stopped = worker.stopped();
    let streams = Rc::new(Streams::default());
    let caller = arrived.caller;
    let opened = Rc::clone(&streams);
    let service = service_fn(move |request| {
        let serving = serve(&worker, &opened.open(), caller, request);
        async move {
            let mut answer = serving.await?;
            keep_apart(answer.headers_mut());
            Ok::<_, Infallible>(answer)
        }
    });
    let framed = Framed::new(arrived.transport, Arc::clone(&limits));
    let connection = builder(&limits).serve_connection(TokioIo::new(framed), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // An error is the caller's leaving or a breach of the protocol, which
        // a GOAWAY has named.
        _ = &mut connection => return,
        // Cut: what nobody reads is not waited for.
        () = streams.watch_reading(&limits) => return,
        () = streams.watch_idleness(limits.idle_timeout) => {}
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        _ = connection => {}
        () = streams.watch_reading(&limits) => {}
        // The farewell asks the caller for an answer, which may not come.
        () = streams.watch_idleness(limits.linger_timeout) => {}
    }
}

/// Gives each value memory of its own.
///
/// What came from an upstream is a piece of the buffer that it was read into, of
/// 8 KiB and more. The table of RFC 7541 section 2.3.2 remembers values for as
/// long as the connection lives, and with each of them the whole buffer.
pub(crate) fn keep_apart(fields: &mut HeaderMap) {
    for value in fields.values_mut() {
        let bytes = Bytes::copy_from_slice(value.as_bytes());
        let mut own = HeaderValue::from_maybe_shared(bytes).expect("it has been a value before");
        own.set_sensitive(value.is_sensitive());
        *value = own;
    }
}

fn builder(limits: &Limits) -> http2::Builder<Here> {
    let mut builder = http2::Builder::new(Here);
    builder
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.head_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER)
        .max_pending_accept_reset_streams(PENDING_RESETS)
        .max_local_error_reset_streams(OWN_RESETS);
    builder
}

/// The requests of a connection that are not answered whole yet.
#[derive(Debug, Default)]
struct Streams(RefCell<Vec<Weak<Exchange>>>);

impl Streams {
    fn open(&self) -> Rc<Exchange> {
        let exchange = Rc::new(Exchange::of_stream());
        let mut open = self.0.borrow_mut();
        open.retain(|exchange| exchange.strong_count() > 0);
        open.push(Rc::downgrade(&exchange));
        exchange
    }

    /// Returns when a caller has left an answer unread for too long.
    async fn watch_reading(&self, limits: &Limits) {
        let mut looks = looks(limits.write_timeout);
        loop {
            looks.tick().await;
            let is_stuck = |exchange: &Weak<Exchange>| {
                exchange
                    .upgrade()
                    .and_then(|exchange| exchange.unread_since())
                    .is_some_and(|since| since.elapsed() > limits.write_timeout)
            };
            if self.0.borrow().iter().any(is_stuck) {
                return;
            }
        }
    }

    /// Returns when nothing has been asked for too long.
    async fn watch_idleness(&self, limit: Duration) {
        let mut looks = looks(limit);
        let mut busy = Instant::now();
        loop {
            looks.tick().await;
            if self
                .0
                .borrow()
                .iter()
                .any(|exchange| exchange.strong_count() > 0)
            {
                busy = Instant::now();
            }
            if busy.elapsed() > limit {
                return;
            }
        }
    }
}

/// Looks often enough for `limit`, and no oftener.
fn looks(limit: Duration) -> tokio::time::Interval {
    let mut looks = interval((limit / 4).max(Duration::from_millis(10)));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    looks
}
