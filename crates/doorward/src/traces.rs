//! Traces: one span for each sampled request, sent to a collector with OTLP
//! over HTTP (OpenTelemetry Protocol 1, JSON encoding).
//!
//! A span is made of the request's [`Decision`], which leaves the gateway by a
//! bounded channel anyway; so a request pays nothing for it. Who prints the
//! decisions offers them here. What comes faster than it can be sent is dropped
//! and counted, and no fault of a collector reaches a request.
//!
//! Which requests: those that a caller sampled, and of the others the configured
//! share, which the gateway also tells the API behind it. A caller's word that a
//! request is not sampled counts for what was served, so that nobody hides what
//! was refused. Strangers can claim to sample everything, so there is a bound for
//! each second over all, of which callers' traces have no more than half.

mod collector;
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
use doorward_policy::decision::{Decision, Outcome};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
    time::timeout,
};

pub(crate) use collector::{Collector, fields};
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
    /// Of requests that no caller sampled.
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
    budgets: Budgets,
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
        budgets: Budgets::new(sampling.per_second),
        queue,
        counts,
    };
    let task = tokio::spawn(exporter.run(arriving));
    (spans, Exporting { stop, task })
}

impl Spans {
    /// Takes a span of `decision`, if it is sampled and there is room.
    pub(crate) fn offer(&mut self, decision: &Decision) {
        if !is_sampled(self.sampling.ratio, decision) {
            return;
        }
        let is_callers = decision.caller_span.is_some();
        if !self.budgets.take(is_callers, Instant::now()) {
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

fn is_sampled(ratio: Ratio, decision: &Decision) -> bool {
    let was_served = decision.outcome == Outcome::Allowed;
    match &decision.caller_span {
        Some(span) if span.is_sampled || was_served => span.is_sampled,
        _ => ratio.takes(decision.trace_id),
    }
}

/// What all requests may take, and what of it those may with a caller's trace.
struct Budgets {
    all: Budget,
    callers: Budget,
}

impl Budgets {
    const fn new(per_second: u32) -> Self {
        Self {
            all: Budget::new(per_second),
            callers: Budget::new(per_second.div_ceil(2)),
        }
    }

    fn take(&mut self, is_callers: bool, now: Instant) -> bool {
        (!is_callers || self.callers.takes(now)) && self.all.takes(now)
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

    use doorward_gateway::sampling::Ratio;
    use doorward_policy::decision::{CallerSpan, Decision, Reason, TraceId};

    use super::{Budget, Budgets, Counts, Lost, is_sampled};

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
    fn callers_traces_leave_room_for_the_others() {
        let mut budgets = Budgets::new(5);
        let now = Instant::now();
        let callers = (0..100).filter(|_| budgets.take(true, now)).count();
        let others = (0..100).filter(|_| budgets.take(false, now)).count();
        assert_eq!((callers, others), (3, 2));
        // And what they leave is the others'.
        let next = now + Duration::from_secs(1);
        assert_eq!((0..100).filter(|_| budgets.take(false, next)).count(), 5);
    }

    #[test]
    fn nobody_hides_what_was_refused() {
        let decided = |is_sampled: Option<bool>, reason: Reason| {
            let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
            decision.caller_span = is_sampled.map(|is_sampled| CallerSpan {
                id: [1; 8],
                is_sampled,
            });
            decision.refuse(reason);
            decision
        };
        let all = Ratio::of(1.0).unwrap_or_default();
        let none = Ratio::of(0.0).unwrap_or_default();
        let refused = |span| decided(span, Reason::NoToken);
        assert!(is_sampled(all, &refused(Some(false))));
        assert!(!is_sampled(none, &refused(Some(false))));
        assert!(is_sampled(none, &refused(Some(true))));
        let mut served = decided(Some(false), Reason::NoToken);
        served.allow(Reason::PublicRoute);
        assert!(!is_sampled(all, &served));
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
