//! Traces: one span for each sampled request, sent to a collector with OTLP
//! over HTTP (OpenTelemetry Protocol 1, JSON encoding).
//!
//! A span is made of the request's [`Decision`], which leaves the gateway by a
//! bounded channel anyway; so a request pays nothing for it. Who prints the
//! decisions offers them here. What comes faster than it can be sent is dropped
//! and counted, and no fault of a collector reaches a request.
//!
//! Which requests: those that a caller sampled, and of those without a caller's
//! trace the configured share, which the gateway also tells the API behind it.
//! Strangers can claim to sample everything, so there is a bound for each second
//! over all.

mod connection;
mod exporter;
mod otlp;
mod span;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use doorward_gateway::sampling::Ratio;
use doorward_policy::decision::Decision;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

pub(crate) use connection::{Collector, fields};
use exporter::Exporter;
pub(crate) use otlp::Origin;
use span::Span;

/// Spans that wait to be sent.
const QUEUE: usize = 2_048;

/// How long the last spans may take to be sent.
const FAREWELL: Duration = Duration::from_secs(3);

/// What to sample.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Sampling {
    /// Of requests without a caller's trace.
    pub(crate) ratio: Ratio,
    /// Spans in one second, over all.
    pub(crate) per_second: u32,
    /// Whether a span names its subject.
    pub(crate) names_subject: bool,
}

/// Why spans were not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// More than the configuration allows in a second.
    Rate,
    /// They came faster than they could be sent.
    Queue,
    /// The collector refused them.
    Refused,
    /// The collector could not be reached, or not in time.
    Unreachable,
}

impl Lost {
    const ALL: [(Self, &'static str); 4] = [
        (Self::Rate, "rate"),
        (Self::Queue, "queue"),
        (Self::Refused, "refused"),
        (Self::Unreachable, "unreachable"),
    ];
}

/// How many spans were sent and lost.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    sent: AtomicU64,
    lost: [AtomicU64; Lost::ALL.len()],
}

impl Counts {
    fn send(&self, spans: u64) {
        self.sent.fetch_add(spans, Ordering::Relaxed);
    }

    fn lose(&self, why: Lost, spans: u64) {
        self.lost[why as usize].fetch_add(spans, Ordering::Relaxed);
    }

    /// Spans that a collector has.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Spans that no collector has, by the reason's name.
    pub(crate) fn lost(&self) -> [(&'static str, u64); Lost::ALL.len()] {
        Lost::ALL.map(|(why, name)| (name, self.lost[why as usize].load(Ordering::Relaxed)))
    }
}

/// Where decisions become spans.
pub(crate) struct Spans {
    sampling: Sampling,
    budget: Budget,
    queue: mpsc::Sender<Span>,
    counts: Arc<Counts>,
}

/// The exporter at work.
pub(crate) struct Exporting {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// Begins to send spans of `origin` to `collector`.
pub(crate) fn start(
    sampling: Sampling,
    origin: Origin,
    collector: Collector,
    counts: Arc<Counts>,
) -> (Spans, Exporting) {
    let (queue, arriving) = mpsc::channel(QUEUE);
    let (stop, stopping) = watch::channel(false);
    let exporter = Exporter::new(origin, collector, Arc::clone(&counts), stopping);
    let spans = Spans {
        sampling,
        budget: Budget::new(sampling.per_second),
        queue,
        counts,
    };
    let task = tokio::spawn(exporter.run(arriving));
    (spans, Exporting { stop, task })
}

impl Spans {
    /// Takes a span of `decision`, if it is sampled and there is room.
    pub(crate) fn offer(&mut self, decision: &Decision) {
        let is_sampled = match &decision.caller_span {
            Some(span) => span.is_sampled,
            None => self.sampling.ratio.takes(decision.trace_id),
        };
        if !is_sampled {
            return;
        }
        if !self.budget.takes(Instant::now()) {
            return self.counts.lose(Lost::Rate, 1);
        }
        let span = Span::of(decision, self.sampling.names_subject);
        if self.queue.try_send(span).is_err() {
            self.counts.lose(Lost::Queue, 1);
        }
    }
}

impl Exporting {
    /// Sends what is still waiting, without trying again, and ends. Comes after
    /// the last offer.
    pub(crate) async fn finish(mut self) {
        // Who does not listen has ended.
        let _ = self.stop.send(true);
        if timeout(FAREWELL, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// So many in each second.
struct Budget {
    per_second: u32,
    left: u32,
    since: Option<Instant>,
}

impl Budget {
    const fn new(per_second: u32) -> Self {
        Self {
            per_second,
            left: 0,
            since: None,
        }
    }

    fn takes(&mut self, now: Instant) -> bool {
        let is_over = |since: Instant| now.duration_since(since) >= Duration::from_secs(1);
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.left = self.per_second;
        }
        let takes = self.left > 0;
        self.left = self.left.saturating_sub(1);
        takes
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Budget, Counts, Lost};

    #[test]
    fn a_second_has_its_bound_whatever_came_before() {
        let mut budget = Budget::new(2);
        let begin = Instant::now();
        let mut takes = |millis: u64| budget.takes(begin + Duration::from_millis(millis));
        assert_eq!([takes(0), takes(1), takes(999)], [true, true, false]);
        assert_eq!([takes(1000), takes(1000), takes(1500)], [true, true, false]);
        assert!(takes(9000));
    }

    #[test]
    fn each_loss_is_counted_under_its_own_name() {
        let counts = Counts::default();
        for (number, (why, _)) in (1..).zip(Lost::ALL) {
            counts.lose(why, number);
        }
        let lost = [
            ("rate", 1),
            ("queue", 2),
            ("refused", 3),
            ("unreachable", 4),
        ];
        assert_eq!(counts.lost(), lost);
    }
}
