//! A request that is on its way to the upstream.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
};

use http::{Request, Response};

use super::{
    Failure, Upstream,
    body::{Outgoing, Relayed},
    connection::{Answering, Connection, Heard},
    trip::Trip,
};

/// Comes to the head of the answer, with its body streaming behind it.
///
/// Written out and not `async`: this state is made for each request, and a
/// compiler would keep room for all ways that it could take, and copy it. What
/// is rare has a state of its own on the heap.
pub(crate) struct Forwarding {
    /// Sent on a connection that was at hand, which is the usual way.
    sent: Option<Sent>,
    rare: Option<Rare>,
}

type Rare = Pin<Box<dyn Future<Output = Forwarded>>>;
type Forwarded = Result<Response<Relayed>, Failure>;

impl Forwarding {
    pub(super) fn usual(
        upstream: Rc<Upstream>,
        mut connection: Box<Connection>,
        request: Request<Outgoing>,
        trip: Box<Trip>,
    ) -> Self {
        upstream.counting.sent(connection.is_reused());
        let answering = connection.ask(request);
        let sent = Sent {
            upstream,
            connection,
            answering,
            trip,
        };
        Self {
            sent: Some(sent),
            rare: None,
        }
    }

    pub(super) fn rare(answering: impl Future<Output = Forwarded> + 'static) -> Self {
        Self {
            sent: None,
            rare: Some(Box::pin(answering)),
        }
    }
}

impl Future for Forwarding {
    type Output = Forwarded;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Forwarded> {
        let this = self.get_mut();
        if let Some(sent) = &mut this.sent {
            let answer = ready!(sent.poll(cx));
            let sent = this.sent.take().expect("it was there when it was asked");
            match sent.end(answer) {
                Ok(answer) => return Poll::Ready(Ok(answer)),
                Err(again) => this.rare = Some(again),
            }
        }
        let rare = this.rare.as_mut();
        let rare = rare.expect("nobody asks a future that has ended");
        rare.as_mut().poll(cx)
    }
}

/// A request that was sent.
struct Sent {
    upstream: Rc<Upstream>,
    connection: Box<Connection>,
    answering: Answering,
    trip: Box<Trip>,
}

impl Sent {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Heard>> {
        let limit = self.upstream.limits.answer_timeout;
        let silence = (&self.trip.sending, limit);
        self.connection
            .poll_answer(&mut self.answering, silence, cx)
    }

    /// The answer, or a second try.
    fn end(self, heard: Option<Heard>) -> Result<Response<Relayed>, Rare> {
        let Self {
            upstream,
            connection,
            trip,
            ..
        } = self;
        match upstream.credit(heard, &connection, &trip) {
            Ok(answer) => Ok(upstream.relay(connection, answer, trip)),
            Err(failed) => Err(Box::pin(async move {
                upstream.again(connection, failed, trip).await
            })),
        }
    }
}
