//! The caller's connection as hyper sees it: only bytes that passed the lint,
//! and only as long as they keep coming.
//!
//! A faulty request is replaced by one plain request of our own, after which
//! nothing more is read. hyper asks the service about it, the service finds
//! the fault in [`Exchange::next_head`] and answers with a problem document;
//! so even a request that no parser would read is refused in our words and
//! appears in the record.
//!
//! hyper gets one request at a time. What a caller sends before its answer
//! waits here, because hyper stops reading when it holds such bytes: a caller
//! that hung up behind them would not be noticed, and the request to the
//! upstream would go on for nobody.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{
    Fault,
    exchange::Exchange,
    framing::{Framing, Scan},
    pace::Pace,
    stall::Stall,
    transport::Transport,
};
use crate::{config::Limits, tunnel::Tunnel};

/// Stands in for a faulty request. Never forwarded: its head is a fault.
const PLACEHOLDER: &[u8] = b"GET / HTTP/1.1\r\nHost: refused.invalid\r\nConnection: close\r\n\r\n";

/// However short a connection may be silent, the look for whether an answer is
/// out comes no sooner.
const SHORTEST_NAP: Duration = Duration::from_millis(1);

/// The connection.
#[derive(Debug)]
pub(crate) struct Watched {
    stream: Transport,
    limits: Arc<Limits>,
    exchange: Rc<Exchange>,
    framing: Framing,
    /// Came before the answer to the request in front of it. Not looked at yet.
    early: Vec<u8>,
    /// An unfinished head.
    held: Vec<u8>,
    held_since: Option<Instant>,
    /// Passed the lint, not yet taken by hyper.
    cleared: VecDeque<u8>,
    /// A fault in the body, told when hyper has had all that stands before it.
    broken: Option<Fault>,
    body_pace: Pace,
    /// Nothing more is read: only an answer is still to be written.
    deaf: bool,
    /// Taken for ended because nothing has been said for so long.
    is_silent: bool,
    /// The last read found nothing: closing now loses nothing.
    is_drained: bool,
    /// Until the next look for whether an answer is out.
    nap: Duration,
    read_stall: Stall,
    write_pace: Pace,
    write_stall: Stall,
    linger: Option<Linger>,
}

/// Reading on after the answer, so that closing does not destroy it: a socket
/// closed with unread bytes resets the connection, and the caller loses the
/// 401 that explains why.
#[derive(Debug)]
struct Linger {
    until: Instant,
    left: usize,
}

impl Watched {
    /// Watches `stream`, of which `words` have been read.
    pub(crate) fn new(
        stream: Transport,
        words: Vec<u8>,
        limits: Arc<Limits>,
    ) -> (Self, Rc<Exchange>) {
        let exchange = Rc::new(Exchange::new());
        let is_drained = words.is_empty();
        let watched = Self {
            stream,
            limits,
            exchange: Rc::clone(&exchange),
            framing: Framing::default(),
            early: words,
            held: Vec::new(),
            held_since: None,
            cleared: VecDeque::new(),
            broken: None,
            body_pace: Pace::default(),
            deaf: false,
            is_silent: false,
            is_drained,
            nap: SHORTEST_NAP,
            read_stall: Stall::default(),
            write_pace: Pace::default(),
            write_stall: Stall::default(),
            linger: None,
        };
        (watched, exchange)
    }

    /// The tunnel that the last answer opened.
    pub(crate) fn opened_tunnel(&self) -> Option<Tunnel> {
        self.exchange.take_tunnel()
    }

    /// Since when nobody has said anything, if hyper was told the end for that.
    pub(crate) fn silent_since(&self) -> Option<Instant> {
        self.is_silent.then(|| self.exchange.idle_since())
    }

    /// Watches the end of `stream`, on which nothing is said any more. It may
    /// linger for what comes in the same instant.
    pub(crate) fn leaving(stream: Transport, limits: &Arc<Limits>, lingers: bool) -> Self {
        let (mut watched, _) = Self::new(stream, Vec::new(), Arc::clone(limits));
        watched.deaf = lingers;
        watched
    }

    /// The bare connection, and what was read of it and belongs to nobody yet.
    pub(crate) fn take_transport(&mut self) -> (Transport, Vec<u8>) {
        let mut ahead = Vec::from(std::mem::take(&mut self.cleared));
        ahead.append(&mut self.held);
        ahead.append(&mut self.early);
        (std::mem::replace(&mut self.stream, Transport::Gone), ahead)
    }

    /// Lints the bytes that were read into `buf` behind `start`; leaves there
    /// what hyper may have.
    fn admit(&mut self, buf: &mut ReadBuf<'_>, start: usize) {
        if self.framing.in_body() {
            let rate = self.exchange.wanted_rate(&self.limits);
            let bytes = buf.filled().len() - start;
            self.body_pace.moved(bytes, rate, Instant::now());
        } else if !self.body_pace.is_unspent() {
            self.body_pace = Pace::default();
        }
        if self.exchange.is_unanswered() && !self.framing.in_body() {
            self.early.extend_from_slice(&buf.filled()[start..]);
            buf.set_filled(start);
        } else if self.held.is_empty() {
            let scan = self.scan(&buf.filled()[start..]);
            let passed = self.outcome(scan, &buf.filled()[start..]);
            buf.set_filled(start + passed);
        } else {
            let mut bytes = std::mem::take(&mut self.held);
            bytes.extend_from_slice(&buf.filled()[start..]);
            buf.set_filled(start);
            self.clear(bytes);
        }
    }

    /// Lints `bytes`, which are in no buffer of hyper's.
    fn clear(&mut self, mut bytes: Vec<u8>) {
        let scan = self.scan(&bytes);
        let passed = self.outcome(scan, &bytes);
        // In front of a placeholder that `outcome` may have put there.
        let behind = std::mem::take(&mut self.cleared);
        bytes.truncate(passed);
        self.cleared.extend(bytes);
        self.cleared.extend(behind);
    }

    fn scan(&mut self, bytes: &[u8]) -> Scan {
        self.exchange.scan(&mut self.framing, bytes, &self.limits)
    }

    /// How many of `bytes` may pass; the rest is held back or replaced.
    fn outcome(&mut self, scan: Scan, bytes: &[u8]) -> usize {
        match scan {
            Scan::All => {
                self.held_since = None;
                bytes.len()
            }
            Scan::Next(passed) => {
                self.held_since = None;
                self.early = bytes[passed..].to_vec();
                passed
            }
            Scan::Unfinished(passed) => {
                self.held = bytes[passed..].to_vec();
                if passed > 0 || self.held_since.is_none() {
                    self.held_since = Some(Instant::now());
                }
                passed
            }
            Scan::Faulty(passed, fault) if self.framing.in_body() => {
                self.broken = Some(fault);
                passed
            }
            Scan::Faulty(passed, fault) => {
                self.refuse(fault, &bytes[passed..]);
                passed
            }
        }
    }

    /// Puts the placeholder in the place of a faulty request and ends reading.
    fn refuse(&mut self, fault: Fault, head: &[u8]) {
        self.held = Vec::new();
        self.held_since = None;
        self.deaf = true;
        self.exchange.refuse(fault, readable_line(head));
        self.cleared.extend(PLACEHOLDER);
    }

    fn break_body(&mut self, fault: Fault) -> io::Error {
        self.deaf = true;
        self.exchange.refuse_body(fault);
        io::Error::new(io::ErrorKind::InvalidData, fault.seen())
    }

    /// Nothing to read at present: until when may that last?
    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Waiting::of(self) {
            Waiting::Head(since) => {
                let deadline = since + self.limits.head_timeout;
                ready!(self.read_stall.poll(cx, deadline));
                let held = std::mem::take(&mut self.held);
                self.refuse(Fault::HeadTimeout, &held);
            }
            Waiting::Body => {
                let limit = self.limits.body_timeout;
                let deadline = self.body_pace.deadline(limit, Instant::now());
                ready!(self.read_stall.poll(cx, deadline));
                return Poll::Ready(Err(self.break_body(Fault::BodyTimeout)));
            }
            Waiting::Idle => {
                self.nap = SHORTEST_NAP;
                let rest_after = self.limits.rest_after.min(self.limits.idle_timeout);
                let deadline = self.exchange.idle_since() + rest_after;
                ready!(self.read_stall.poll(cx, deadline));
                // Whoever takes the connection over closes it in time.
                self.deaf = true;
                self.is_silent = true;
            }
            Waiting::Answer => {
                self.doze(cx);
                return Poll::Pending;
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Looks again later, because hyper does not ask again when the answer is
    /// out; the longer the answer takes, the more seldom.
    fn doze(&mut self, cx: &mut Context<'_>) {
        let nap = self.nap.max(self.limits.rest_after);
        if self.read_stall.doze(cx, nap) {
            self.nap = (nap * 2).min(self.limits.idle_timeout);
        }
    }

    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limits = &self.limits;
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Instant::now() + limits.linger_timeout,
            left: limits.linger_bytes,
        });
        let mut scratch = [0; 4096];
        while linger.left > 0 {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {
                    linger.left = linger.left.saturating_sub(buf.filled().len());
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.read_stall.poll(cx, linger.until),
            }
        }
        Poll::Ready(())
    }

    /// Bounds how long the caller may leave our bytes unread.
    fn bound_write(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if !self.write_pace.is_unspent() {
                let bytes = *written.as_ref().unwrap_or(&0);
                self.write_pace
                    .moved(bytes, self.limits.slowest, Instant::now());
            }
            return Poll::Ready(written);
        }
        let limit = self.limits.write_timeout;
        let deadline = self.write_pace.deadline(limit, Instant::now());
        ready!(self.write_stall.poll(cx, deadline));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// What the connection is waiting for.
enum Waiting {
    /// The rest of a head.
    Head(Instant),
    /// More of a body.
    Body,
    /// Another request, or none.
    Idle,
    /// Our own answer, until the last of it is in the socket.
    Answer,
}

impl Waiting {
    fn of(watched: &Watched) -> Self {
        if watched.framing.in_body() {
            Self::Body
        } else if watched.exchange.is_unanswered() {
            Self::Answer
        } else if let Some(since) = watched.held_since {
            Self::Head(since)
        } else if watched.exchange.is_sent() {
            Self::Idle
        } else {
            Self::Answer
        }
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = buf.filled().len();
        loop {
            if !this.cleared.is_empty() {
                hand_over(&mut this.cleared, buf);
                return Poll::Ready(Ok(()));
            }
            if let Some(fault) = this.broken.take() {
                return Poll::Ready(Err(this.break_body(fault)));
            }
            if this.deaf || this.exchange.is_tunnel() {
                return Poll::Pending;
            }
            if !this.early.is_empty() {
                if !this.exchange.is_unanswered() {
                    let early = std::mem::take(&mut this.early);
                    this.clear(early);
                    continue;
                }
                this.exchange.wake_when_answered(cx.waker());
                if this.early.len() >= this.limits.head_bytes {
                    return Poll::Pending;
                }
            }
            match Pin::new(&mut this.stream).poll_read(cx, buf) {
                Poll::Ready(read) => read?,
                Poll::Pending => {
                    this.is_drained = true;
                    ready!(this.wait(cx))?;
                    if this.cleared.is_empty() {
                        return Poll::Ready(Ok(()));
                    }
                    continue;
                }
            }
            this.is_drained = false;
            if buf.filled().len() == start {
                if this.framing.in_body() {
                    this.exchange.refuse_body(Fault::BodyCut);
                }
                return Poll::Ready(Ok(()));
            }
            this.admit(buf, start);
            if buf.filled().len() > start {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bound_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Under TLS this is where bytes wait that the caller does not read.
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.exchange.sent();
        }
        self.bound_write(cx, flushed.map_ok(|()| 0)).map_ok(drop)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
            // Under TLS there is a last word, which the caller may leave unread.
            ready!(this.bound_write(cx, shut.map_ok(|()| 0)))?;
        }
        if this.deaf || !this.is_drained || this.framing.in_body() {
            ready!(this.drain(cx));
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Watched {
    /// An answer without a length ends with the connection, so a broken one
    /// must not end like a whole one: the connection is reset instead.
    fn drop(&mut self) {
        if self.exchange.is_aborted() {
            self.stream.reset_on_close();
        }
    }
}

fn hand_over(cleared: &mut VecDeque<u8>, buf: &mut ReadBuf<'_>) {
    while !cleared.is_empty() && buf.remaining() > 0 {
        let (front, _) = cleared.as_slices();
        let step = front.len().min(buf.remaining());
        buf.put_slice(&front[..step]);
        cleared.drain(..step);
    }
    if cleared.is_empty() {
        *cleared = VecDeque::new();
    }
}

/// Method and path for the record: printable, short, without the query.
fn readable_line(head: &[u8]) -> Option<(String, String)> {
    let head = head.strip_prefix(b"\r\n").unwrap_or(head);
    let line = head.split(|byte| matches!(byte, b'\r' | b'\n')).next()?;
    let mut parts = line.split(|byte| *byte == b' ');
    let method = parts.next().filter(|method| !method.is_empty())?;
    let target = parts.next().unwrap_or_default();
    let path = target
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    let shown = |bytes: &[u8], most: usize| {
        bytes
            .iter()
            .take(most)
            .copied()
            .collect::<Vec<_>>()
            .escape_ascii()
            .to_string()
    };
    Some((shown(method, 32), shown(path, 256)))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::sync::Arc;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::{Transport, Waiting, Watched};
    use crate::{config::Limits, wire::transport::Socket};

    /// As long as hyper has a part of an answer that the caller does not take, an
    /// end that it is told would cut the answer off.
    #[tokio::test]
    async fn it_is_not_silent_before_the_answer_is_in_the_socket() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _caller = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let transport = Transport::Plain(Socket::new(stream));
        let words = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec();
        let asked = words.len();
        let limits = Arc::new(Limits::default());
        let (mut watched, exchange) = Watched::new(transport, words, limits);
        assert_eq!(watched.read(&mut [0; 64]).await.unwrap(), asked);
        assert!(matches!(Waiting::of(&watched), Waiting::Answer), "to come");
        exchange.answered();
        assert!(matches!(Waiting::of(&watched), Waiting::Answer), "unsent");
        watched.flush().await.unwrap();
        assert!(matches!(Waiting::of(&watched), Waiting::Idle));
    }
}
