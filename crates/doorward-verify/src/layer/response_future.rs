//! The answer on its way, and the report when it is there.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use http::Response;
use pin_project_lite::pin_project;

use super::record::{DecisionRecord, Observer};

pin_project! {
    /// The answer of an [`Authentication`](super::Authentication) service.
    pub struct ResponseFuture<F, C> {
        #[pin]
        way: Way<F, C>,
        report: Report,
    }
}

pin_project! {
    #[project = WayProjection]
    enum Way<F, C> {
        Refused { response: Option<Response<C>> },
        Passed { #[pin] answer: F },
    }
}

impl<F, C> ResponseFuture<F, C> {
    pub(super) fn refused(response: Response<C>, report: Report) -> Self {
        let response = Some(response);
        let way = Way::Refused { response };
        Self { way, report }
    }

    pub(super) fn passed(answer: F, report: Report) -> Self {
        let way = Way::Passed { answer };
        Self { way, report }
    }
}

impl<F, C, E> Future for ResponseFuture<F, C>
where
    F: Future<Output = Result<Response<C>, E>>,
{
    type Output = Result<Response<C>, E>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = match this.way.project() {
            WayProjection::Refused { response } => Ok(response
                .take()
                .expect("a future is not polled again after its end")),
            WayProjection::Passed { answer } => ready!(answer.poll(context)),
        };
        this.report.send(
            answer
                .as_ref()
                .ok()
                .map(|response| response.status().as_u16()),
        );
        Poll::Ready(answer)
    }
}

/// Tells the observer of the decision exactly once, also for a caller who left
/// and for a handler that panicked: a denial that nobody hears of is lost.
pub(super) struct Report {
    record: Option<DecisionRecord>,
    started: Instant,
    observer: Option<Observer>,
}

impl Report {
    pub(super) fn new(
        record: DecisionRecord,
        started: Instant,
        observer: Option<Observer>,
    ) -> Self {
        let record = Some(record);
        Self {
            record,
            started,
            observer,
        }
    }

    fn send(&mut self, status: Option<u16>) {
        let (Some(record), Some(observer)) = (self.record.take(), self.observer.take()) else {
            return;
        };
        let mut decision = record.close();
        decision.status = status;
        let elapsed = self.started.elapsed().as_micros();
        decision.elapsed_us = u64::try_from(elapsed).unwrap_or(u64::MAX);
        observer(decision);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        self.send(None);
    }
}
