//! How much, how fast and how long.

use std::time::{Duration, Instant};

/// When a run stops, and how fast it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Requests at the most.
    pub requests: u32,
    /// Time at the most.
    pub time: Duration,
    /// Requests a second at the most; 0 for as fast as the target answers.
    pub rate: u32,
}

impl Limits {
    /// For a machine that others use too.
    pub const POLITE: Self = Self {
        requests: 2_000,
        time: Duration::from_secs(600),
        rate: 10,
    };

    /// For this machine.
    pub const LOOPBACK: Self = Self {
        rate: 0,
        ..Self::POLITE
    };
}

/// Keeps the rate.
#[derive(Debug)]
pub(crate) struct Pace {
    rate: u32,
    next: Instant,
}

impl Pace {
    pub(crate) fn new(rate: u32) -> Self {
        Self {
            rate,
            next: Instant::now(),
        }
    }

    /// Waits until the next request may go.
    pub(crate) async fn wait(&mut self) {
        if self.rate == 0 {
            return;
        }
        tokio::time::sleep_until(self.next.into()).await;
        self.next = Instant::now() + Duration::from_secs(1) / self.rate;
    }
}
