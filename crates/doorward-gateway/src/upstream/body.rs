//! Bodies on their way through: never collected, trailers only as
//! [`crate::trailers`] lets them pass, a cut kept visible.

use std::{
    future::poll_fn,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::{
    pool::Lease,
    sending::{Sending, UploadState},
};
use crate::{
    config::Limits,
    identity::Names,
    trailers::Way,
    wire::{Fault, exchange::Exchange, pace::Pace, stall::Stall},
};

/// The body of a request to the upstream.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// None.
    Empty,
    /// The caller's.
    Upload(Box<Upload>),
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = UploadCut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadCut>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Upload(upload) => upload.poll(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Upload(upload) => upload.ahead.is_none() && upload.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Upload(upload) => upload.size_hint(),
        }
    }
}

impl Outgoing {
    /// Waits for the first piece, and keeps it. Whether the body has begun, or
    /// ended, well. Nothing is lost where nobody waits to the end.
    pub(super) async fn begins(&mut self) -> bool {
        let Self::Upload(upload) = self else {
            return true;
        };
        if upload.ahead.is_none() {
            let piece = poll_fn(|cx| upload.poll_next(cx)).await;
            upload.ahead = Some(piece);
            // It is the upstream's turn, whose silence counts from now on.
            upload.sending.set(UploadState::Running);
        }
        !matches!(upload.ahead, Some(Some(Err(_))))
    }
}

/// A caller's body on its way to the upstream.
#[derive(Debug)]
pub(crate) struct Upload {
    incoming: Incoming,
    /// A piece that has come and was not asked for by the upstream yet.
    ahead: Option<Piece>,
    sending: Sending,
    exchange: Rc<Exchange>,
    names: Arc<Names>,
    limits: Option<Arc<Limits>>,
    pace: Pace,
    stall: Stall,
}

/// What comes next of a body; nothing is its end.
type Piece = Option<Result<Frame<Bytes>, UploadCut>>;

/// The caller's body did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadCut {
    /// It broke off.
    #[error("the request's body broke off")]
    Broken(hyper::Error),
    /// It stopped.
    #[error("the request's body stopped")]
    Stalled,
}

impl Upload {
    pub(super) fn new(
        incoming: Incoming,
        sending: Sending,
        exchange: Rc<Exchange>,
        names: Arc<Names>,
    ) -> Self {
        Self {
            incoming,
            ahead: None,
            sending,
            exchange,
            names,
            limits: None,
            pace: Pace::default(),
            stall: Stall::default(),
        }
    }

    /// Ends when nothing, or too little, comes.
    pub(super) fn watched(mut self, limits: Arc<Limits>) -> Self {
        self.limits = Some(limits);
        self
    }

    fn size_hint(&self) -> SizeHint {
        let ahead = self.ahead.iter().flatten().flatten();
        let ahead = ahead
            .filter_map(Frame::data_ref)
            .map(Bytes::len)
            .sum::<usize>() as u64;
        let mut hint = self.incoming.size_hint();
        match hint.exact() {
            Some(rest) => hint.set_exact(ahead + rest),
            None => hint.set_lower(ahead + hint.lower()),
        }
        hint
    }

    /// What comes next, on its way out.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        let piece = match self.ahead.take() {
            Some(piece) => piece,
            None => ready!(self.poll_next(cx)),
        };
        let state = match &piece {
            Some(Ok(frame)) if frame.is_trailers() => UploadState::Done,
            Some(Ok(_)) if !self.incoming.is_end_stream() => UploadState::Running,
            Some(Err(_)) => UploadState::Failed,
            _ => UploadState::Done,
        };
        self.sending.set(state);
        Poll::Ready(piece)
    }

    /// What comes next from the caller.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                self.sending.set(UploadState::Waiting);
                let Some(limits) = &self.limits else {
                    return Poll::Pending;
                };
                let deadline = self.pace.deadline(limits.body_timeout, Instant::now());
                ready!(self.stall.poll(cx, deadline));
                self.exchange.refuse_body(Fault::BodyTimeout);
                return Poll::Ready(Some(Err(UploadCut::Stalled)));
            };
            if let (Some(limits), Some(Ok(frame))) = (&self.limits, &frame) {
                let bytes = frame.data_ref().map_or(0, Bytes::len);
                let rate = self.exchange.wanted_rate(limits);
                self.pace.moved(bytes, rate, Instant::now());
            }
            let Some(Ok(frame)) = frame else {
                return Poll::Ready(frame.map(|frame| frame.map_err(UploadCut::Broken)));
            };
            if let Some(frame) = passing(frame, Way::ToUpstream(&self.names)) {
                return Poll::Ready(Some(Ok(frame)));
            }
        }
    }
}

/// `frame`, without trailers that may not pass.
fn passing(frame: Frame<Bytes>, way: Way<'_>) -> Option<Frame<Bytes>> {
    match frame.into_trailers() {
        Ok(trailers) => way.passing(trailers).map(Frame::trailers),
        Err(frame) => Some(frame),
    }
}

/// An upstream's body on its way to the caller.
#[derive(Debug)]
pub(crate) struct Relayed {
    incoming: Incoming,
    lease: Option<Lease>,
    stall_timeout: Duration,
    waiting_since: Option<Instant>,
    stall: Stall,
    exchange: Rc<Exchange>,
}

/// The upstream's body did not come to its end. The caller's connection is cut
/// too: a part must not look like the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyCut {
    /// It broke off.
    #[error("the upstream's answer broke off")]
    Broken,
    /// It stopped.
    #[error("the upstream's answer stopped")]
    Stalled,
}

impl Relayed {
    pub(super) fn new(
        incoming: Incoming,
        lease: Option<Lease>,
        stall_timeout: Duration,
        exchange: Rc<Exchange>,
    ) -> Self {
        Self {
            incoming,
            lease,
            stall_timeout,
            waiting_since: None,
            stall: Stall::default(),
            exchange,
        }
    }

    /// Ends with an error, and makes sure that the caller can tell.
    fn cut(&mut self, how: BodyCut) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        self.lease = None;
        self.exchange.abort();
        Poll::Ready(Some(Err(how)))
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        loop {
            let Poll::Ready(frame) = Pin::new(&mut self.incoming).poll_frame(cx) else {
                let since = *self.waiting_since.get_or_insert_with(Instant::now);
                ready!(self.stall.poll(cx, since + self.stall_timeout));
                return self.cut(BodyCut::Stalled);
            };
            self.waiting_since = None;
            match frame {
                Some(Ok(frame)) => {
                    if let Some(frame) = passing(frame, Way::ToCaller) {
                        if frame.is_trailers() {
                            // Nobody asks for more.
                            self.finish();
                        }
                        return Poll::Ready(Some(Ok(frame)));
                    }
                }
                Some(Err(_)) => return self.cut(BodyCut::Broken),
                None => {
                    self.finish();
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.end();
        }
    }
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = BodyCut;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyCut>>> {
        self.get_mut().poll(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Relayed {
    /// hyper drops a body that says it has ended without asking it again.
    fn drop(&mut self) {
        if self.incoming.is_end_stream() {
            self.finish();
        }
    }
}
