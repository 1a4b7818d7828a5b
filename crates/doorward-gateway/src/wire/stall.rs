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
    /// The timer was last set by [`Stall::doze`].
    is_dozing: bool,
}

impl Stall {
    /// Whether `deadline` has passed. If not, the task is woken then or
    /// earlier.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Poll<()> {
        self.is_dozing = false;
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

    /// Nothing is waited for that ends here; the task is only woken within `nap`.
    /// Says whether the timer has fired.
    pub(crate) fn doze(&mut self, cx: &mut Context<'_>, nap: Duration) -> bool {
        let mut is_over = false;
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep(nap)));
        if !self.is_dozing {
            self.is_dozing = true;
            let end = Instant::now() + nap;
            if timer.deadline() > end {
                timer.as_mut().reset(end);
            }
        }
        while timer.as_mut().poll(cx).is_ready() {
            is_over = true;
            timer.as_mut().reset(Instant::now() + nap);
        }
        is_over
    }
}
