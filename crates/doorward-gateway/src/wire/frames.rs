//! The caller's HTTP/2 connection as hyper sees it: bounded in what costs the
//! caller nothing and us something.
//!
//! The frames themselves are read by the h2 crate, strictly and with limits of
//! its own. What no limit of a stream catches are frames that belong to none:
//! pings and settings that have to be answered, resets of requests that were
//! just begun (CVE-2023-44487), empty data, window updates for nothing. Here
//! only their types and lengths are read (RFC 9113 section 4.1), and each takes
//! a coin of the connection's purse. Coins come back with time, and with the
//! bytes that the caller reads from us: who downloads a lot has to say so
//! often. An empty purse ends the connection.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::{pace::Pace, stall::Stall, transport::Transport};
use crate::config::Limits;

/// Length of the connection preface (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// Coins of a new connection, and the most it can have.
const PURSE: u64 = 1_000;

/// For each of them that comes back with time.
const COIN_AGE: Duration = Duration::from_millis(10);

/// For each of them that comes back with bytes read from us.
const COIN_BYTES: u64 = 1_024;

/// The connection.
#[derive(Debug)]
pub(crate) struct Framed {
    transport: Transport,
    limits: Arc<Limits>,
    frames: Frames,
    read_stall: Stall,
    write_pace: Pace,
    write_stall: Stall,
}

impl Framed {
    pub(crate) fn new(transport: Transport, limits: Arc<Limits>) -> Self {
        Self {
            transport,
            limits,
            frames: Frames::new(Instant::now()),
            read_stall: Stall::default(),
            write_pace: Pace::default(),
            write_stall: Stall::default(),
        }
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

    fn earn(&mut self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.frames.earn(*bytes);
        }
    }
}

impl AsyncRead for Framed {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let start = buf.filled().len();
        let Poll::Ready(read) = Pin::new(&mut this.transport).poll_read(cx, buf) else {
            // A head that never ends; bodies and idle connections are watched
            // where streams are known.
            if let Some(since) = this.frames.unfinished_since() {
                ready!(this.read_stall.poll(cx, since + this.limits.head_timeout));
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
            return Poll::Pending;
        };
        read?;
        match this.frames.follow(&buf.filled()[start..], Instant::now()) {
            true => Poll::Ready(Ok(())),
            false => {
                buf.set_filled(start);
                let why = "more frames than a caller has use for";
                Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, why)))
            }
        }
    }
}

impl AsyncWrite for Framed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write(cx, bytes);
        self.earn(&written);
        self.bound_write(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.transport).poll_write_vectored(cx, slices);
        self.earn(&written);
        self.bound_write(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.transport).poll_flush(cx);
        self.bound_write(cx, flushed.map_ok(|()| 0)).map_ok(drop)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.transport).poll_shutdown(cx)
    }
}

/// Follows types and lengths of frames.
#[derive(Debug)]
struct Frames {
    place: Place,
    /// Since when a field block, or a frame that is no data, is unfinished.
    unfinished_since: Option<Instant>,
    in_field_block: bool,
    coins: u64,
    /// When the last coin came back.
    counted: Instant,
    /// Bytes written that have not made a coin yet.
    bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Preface(usize),
    Header([u8; 9], usize),
    Payload(usize),
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

impl Frames {
    fn new(now: Instant) -> Self {
        Self {
            place: Place::Preface(PREFACE),
            unfinished_since: Some(now),
            in_field_block: false,
            coins: PURSE,
            counted: now,
            bytes: 0,
        }
    }

    fn unfinished_since(&self) -> Option<Instant> {
        self.unfinished_since
    }

    fn earn(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        self.coins = (self.coins + self.bytes / COIN_BYTES).min(PURSE);
        self.bytes %= COIN_BYTES;
    }

    /// Whether `bytes` are still worth reading.
    fn follow(&mut self, mut bytes: &[u8], now: Instant) -> bool {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Preface(left) => {
                    let step = (*left).min(bytes.len());
                    *left -= step;
                    bytes = &bytes[step..];
                    if *left == 0 {
                        self.next(now);
                    }
                }
                Place::Header(header, filled) => {
                    let step = (9 - *filled).min(bytes.len());
                    header[*filled..*filled + step].copy_from_slice(&bytes[..step]);
                    *filled += step;
                    bytes = &bytes[step..];
                    self.unfinished_since.get_or_insert(now);
                    if *filled == 9 {
                        let header = *header;
                        if !self.begin(&header, now) {
                            return false;
                        }
                    }
                }
                Place::Payload(left) => {
                    let step = (*left).min(bytes.len());
                    *left -= step;
                    bytes = &bytes[step..];
                    if *left == 0 {
                        self.next(now);
                    }
                }
            }
        }
        true
    }

    fn begin(&mut self, header: &[u8; 9], now: Instant) -> bool {
        let length =
            usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let (kind, flags) = (header[3], header[4]);
        if matches!(kind, HEADERS | CONTINUATION) {
            self.in_field_block = flags & END_HEADERS == 0;
        }
        let is_free = match kind {
            HEADERS => true,
            DATA => length > 0 || flags & END_STREAM != 0,
            _ => false,
        };
        if !is_free && !self.pay(now) {
            return false;
        }
        self.place = Place::Payload(length);
        if kind == DATA {
            self.unfinished_since = None;
        }
        if length == 0 {
            self.next(now);
        }
        true
    }

    fn next(&mut self, now: Instant) {
        self.place = Place::Header([0; 9], 0);
        if self.in_field_block {
            self.unfinished_since.get_or_insert(now);
        } else {
            self.unfinished_since = None;
        }
    }

    fn pay(&mut self, now: Instant) -> bool {
        if self.coins == 0 {
            let aged =
                now.saturating_duration_since(self.counted).as_millis() / COIN_AGE.as_millis();
            self.coins = u64::try_from(aged).unwrap_or(PURSE).min(PURSE);
            self.counted = now;
        }
        match self.coins.checked_sub(1) {
            Some(left) => {
                self.coins = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{COIN_AGE, Frames, PURSE};

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.extend(vec![0; usize::from(length)]);
        frame
    }

    fn opened(now: Instant) -> Frames {
        let mut frames = Frames::new(now);
        assert!(frames.follow(&[b'P'; 24], now));
        assert!(frames.unfinished_since().is_none());
        frames
    }

    #[test]
    fn dos_004_frames_that_cost_nothing_run_out() {
        let now = Instant::now();
        for (kind, flags, length) in [
            (0, 0, 0),
            (2, 0, 5),
            (3, 0, 4),
            (4, 0, 0),
            (6, 0, 8),
            (8, 0, 4),
            (9, 4, 0),
            (77, 0, 1),
        ] {
            let mut frames = opened(now);
            let one = frame(kind, flags, length);
            for number in 0..PURSE {
                assert!(frames.follow(&one, now), "type {kind}, number {number}");
            }
            assert!(!frames.follow(&one, now), "type {kind}");
            let later = now + COIN_AGE * 3;
            assert!(frames.follow(&one, later), "they come back with time");
        }
    }

    #[test]
    fn who_reads_much_may_say_so_often() {
        let now = Instant::now();
        let mut frames = opened(now);
        for _ in 0..PURSE * 4 {
            frames.earn(2_000);
            assert!(frames.follow(&frame(8, 0, 4), now));
        }
    }

    #[test]
    fn requests_and_bodies_are_free() {
        let now = Instant::now();
        let mut frames = opened(now);
        for _ in 0..PURSE * 2 {
            assert!(frames.follow(&frame(1, 4, 40), now));
            assert!(frames.follow(&frame(0, 0, 200), now));
            assert!(frames.follow(&frame(0, 1, 0), now));
        }
    }

    #[test]
    fn a_head_that_does_not_end_is_noticed_in_any_pieces() {
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        for size in 1..60 {
            let mut frames = opened(now);
            let bytes = [frame(1, 0, 30), frame(9, 0, 10)].concat();
            for piece in bytes.chunks(size) {
                assert!(frames.follow(piece, now));
            }
            assert_eq!(frames.unfinished_since(), Some(now));
            assert!(frames.follow(&frame(9, 4, 3), later));
            assert_eq!(frames.unfinished_since(), None);
            assert!(frames.follow(&frame(0, 0, 9)[..12], later));
            assert_eq!(frames.unfinished_since(), None, "a body has its own clock");
        }
    }
}
