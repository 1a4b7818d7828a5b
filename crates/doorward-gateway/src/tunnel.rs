//! What follows a change of protocol (RFC 9110 section 7.8): bytes, both ways,
//! until one side has had enough.
//!
//! A tunnel lives no longer than the request that opened it would be let in:
//! it ends when the token expires, within a second of the token's revocation,
//! when nobody has said anything for the time limit, and on the way down.

use std::{
    cell::Cell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use doorward_verify::principal::Principal;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf, copy_bidirectional},
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use crate::{gateway::Inner, upstream::Switched, wire::transport::Transport};

/// How often the token is asked about.
const REVIEW: Duration = Duration::from_millis(500);

/// How long one side may go on alone in silence when the other has ended.
const HALF_CLOSED: Duration = Duration::from_secs(10);

/// A tunnel to come: the upstream has changed the protocol, and hands its
/// connection over when its last words of HTTP have been read.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) upstream: oneshot::Receiver<Switched>,
    /// Who opened it; nobody on a public route.
    pub(crate) principal: Option<Principal>,
}

impl Tunnel {
    /// Carries bytes between `caller`, who already said `early`, and the
    /// upstream.
    pub(crate) async fn carry(self, mut caller: Transport, early: Vec<u8>, inner: &Inner) {
        let Ok(Switched { mut io, ahead }) = self.upstream.await else {
            return;
        };
        let opened = async {
            io.write_all(&early).await?;
            caller.write_all(&ahead).await?;
            caller.flush().await
        };
        if opened.await.is_err() {
            return;
        }
        let life = Rc::new(Life {
            moved: Cell::new(Instant::now()),
            is_half_closed: Cell::new(false),
        });
        let mut caller = Heard(caller, Rc::clone(&life));
        let mut upstream = Heard(io, Rc::clone(&life));
        tokio::select! {
            // Both have ended, or one broke; dropping them tells the other.
            _ = copy_bidirectional(&mut caller, &mut upstream) => {}
            () = life.end(inner.config.limits.tunnel_idle_timeout) => {}
            () = end_of_trust(self.principal.as_ref(), inner) => {}
        }
    }
}

/// What has happened in a tunnel.
struct Life {
    moved: Cell<Instant>,
    /// One side has said all it had to say.
    is_half_closed: Cell<bool>,
}

impl Life {
    /// Returns when nothing has moved for `limit`; the second half of a tunnel
    /// is not waited for as long as the whole.
    async fn end(&self, limit: Duration) {
        loop {
            let limit = match self.is_half_closed.get() {
                true => limit.min(HALF_CLOSED),
                false => limit,
            };
            let left = limit.saturating_sub(self.moved.get().elapsed());
            if left.is_zero() {
                return;
            }
            sleep(left.min(HALF_CLOSED)).await;
        }
    }
}

/// Returns when the token is no longer good.
async fn end_of_trust(principal: Option<&Principal>, inner: &Inner) {
    let Some(principal) = principal else {
        return std::future::pending().await;
    };
    let mut reviews = interval(REVIEW);
    reviews.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        reviews.tick().await;
        let now = inner.shared.clock.now().unix();
        if inner.shared.verifier.load().review(principal, now).is_err() {
            return;
        }
    }
}

/// Notes when something was read.
struct Heard<T>(T, Rc<Life>);

impl<T: AsyncRead + Unpin> AsyncRead for Heard<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.0).poll_read(cx, buf);
        if read.is_ready() {
            self.1.moved.set(Instant::now());
            let is_end = buf.filled().len() == before;
            self.1
                .is_half_closed
                .set(self.1.is_half_closed.get() || is_end);
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Heard<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
