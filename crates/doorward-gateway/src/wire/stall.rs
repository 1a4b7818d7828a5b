//! Waiting that ends.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// A deadline that moves with almost every request, and a timer that does not
/// follow it: it fires early, sees that the deadline has moved and sleeps
/// again. A busy connection touches the timer wheel once an interval instead
/// of once a request.
#[derive(Debug, Default)]
pub(crate) struct Stall {
    timer: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// Whether `deadline` has passed. If not, the task is woken then or
    /// earlier.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }

    /// Nothing is waited for that ends here; the task is only woken within `nap`,
    /// or when the timer that runs already fires.
    pub(crate) fn doze(&mut self, cx: &mut Context<'_>, nap: Duration) {
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(nap)));
        while timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(Instant::now() + nap);
        }
    }
}
