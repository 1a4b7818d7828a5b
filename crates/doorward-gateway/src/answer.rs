//! The body of an answer, wherever it comes from, and the moment in which it
//! has been given whole.

use std::{
    error::Error,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};

use crate::{gateway::LocalBody, http2::keep_apart, upstream::Relayed, wire::exchange::Exchange};

/// Any error of a body.
pub type BodyError = Box<dyn Error + Send + Sync>;

/// Where it comes from.
#[derive(Debug)]
pub(crate) enum Content {
    /// From here.
    Whole(Full<Bytes>),
    /// From Doorward's own endpoints.
    Local(LocalBody),
    /// From the upstream.
    Relayed(Relayed),
}

/// An answer's body on a caller's connection.
#[derive(Debug)]
pub(crate) struct Answer {
    content: Content,
    exchange: Rc<Exchange>,
}

impl Answer {
    pub(crate) fn new(content: Content, exchange: Rc<Exchange>) -> Self {
        Self { content, exchange }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        // Whoever asks for more has got rid of what there was.
        this.exchange.gave(false);
        let mut frame = match &mut this.content {
            Content::Whole(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                frame.map(|frame| frame.map_err(|never| match never {}))
            }
            Content::Local(body) => ready!(Pin::new(body).poll_frame(cx)),
            Content::Relayed(body) => {
                let frame = ready!(Pin::new(body).poll_frame(cx));
                frame.map(|frame| frame.map_err(Into::into))
            }
        };
        match &mut frame {
            Some(Ok(frame)) => {
                if this.exchange.is_shared()
                    && let Some(trailers) = frame.trailers_mut()
                {
                    keep_apart(trailers);
                }
                this.exchange.gave(true);
            }
            Some(Err(_)) => this.exchange.abort(),
            None => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Whole(body) => body.is_end_stream(),
            Content::Local(body) => body.is_end_stream(),
            Content::Relayed(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(body) => body.size_hint(),
            Content::Local(body) => body.size_hint(),
            Content::Relayed(body) => body.size_hint(),
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.exchange.answered();
    }
}
