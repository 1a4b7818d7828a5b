//! The upstream's connection: notices whether the upstream said anything, and
//! hears it out.
//!
//! A server that answers in the middle of an upload (413, 401) often hangs up
//! at once. The write then fails while the answer lies in the socket, and hyper
//! would give up before it reads it. So a failed write only waits; the read
//! side finds the answer, or the same end.

use std::{
    cell::Cell,
    io::{self, IoSlice},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::line::Line;

/// A connection to the upstream, as hyper uses it.
#[derive(Debug)]
pub(crate) struct Overheard {
    stream: Line,
    has_spoken: Rc<Cell<bool>>,
    is_deaf: bool,
}

impl Overheard {
    pub(super) fn new(stream: Line) -> Self {
        Self {
            stream,
            has_spoken: Rc::default(),
            is_deaf: false,
        }
    }

    /// Becomes true when a byte comes.
    pub(super) fn has_spoken(&self) -> Rc<Cell<bool>> {
        Rc::clone(&self.has_spoken)
    }

    fn hear_out<T>(
        &mut self,
        cx: &Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if !matches!(written, Poll::Ready(Err(_))) {
            return written;
        }
        if !self.is_deaf {
            self.is_deaf = true;
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl AsyncRead for Overheard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.has_spoken.set(true);
        }
        read
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.hear_out(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.hear_out(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
