//! Sends spans in batches, and tries again where that is worth it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use doorward_issuer::Entropy as _;
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep, timeout_at},
};

use super::{
    Counts, Lost,
    collector::{Answer, Collector},
    otlp::{self, Origin},
    span::Span,
};
use crate::{
    output,
    paint::{Tone, paint},
    system::SystemEntropy,
};

/// Spans in one request.
const BATCH: usize = 512;

/// How long the first span of a batch waits for others.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a batch is sent at most.
const TRIES: u32 = 5;

/// Before the second try; twice as long before each further one. A collector may
/// ask for more, and for no less.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// What sends spans to one collector.
pub(super) struct Exporter {
    origin: Origin,
    collector: Collector,
    counts: Arc<Counts>,
    stopping: watch::Receiver<bool>,
    /// Whether the last batch was lost, and the operator knows.
    is_down: bool,
}

impl Exporter {
    pub(super) fn new(
        origin: Origin,
        collector: Collector,
        counts: Arc<Counts>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        Self {
            origin,
            collector,
            counts,
            stopping,
            is_down: false,
        }
    }

    /// Sends what arrives, until nothing can arrive any more or it is stopped.
    pub(super) async fn run(mut self, mut arriving: mpsc::Receiver<Span>) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.gather(&mut arriving, &mut batch).await {
            self.deliver(&batch).await;
            batch.clear();
        }
    }

    /// Waits for a span, then a little for more. Whether there are any: there are
    /// none when nobody can send one.
    async fn gather(&mut self, arriving: &mut mpsc::Receiver<Span>, batch: &mut Vec<Span>) -> bool {
        let Some(first) = self.next(arriving).await else {
            return false;
        };
        batch.push(first);
        let until = Instant::now() + PATIENCE;
        while batch.len() < BATCH {
            match timeout_at(until, self.next(arriving)).await {
                Ok(Some(span)) => batch.push(span),
                Ok(None) | Err(_) => break,
            }
        }
        true
    }

    /// The next span; when it is stopped only what waits already.
    async fn next(&mut self, arriving: &mut mpsc::Receiver<Span>) -> Option<Span> {
        tokio::select! {
            biased;
            span = arriving.recv() => return span,
            _ = self.stopping.wait_for(|stops| *stops) => {}
        }
        // Whoever offers spans may be held up and never let go.
        arriving.close();
        arriving.recv().await
    }

    async fn deliver(&mut self, batch: &[Span]) {
        let body = Bytes::from(otlp::body(&self.origin, batch));
        let spans = batch.len() as u64;
        let mut wait = FIRST_WAIT;
        for tried in 1.. {
            let (why, asked) = match self.collector.post(body.clone()).await {
                Answer::Taken { rejected } => {
                    let rejected = rejected.min(spans);
                    self.counts.send(spans - rejected);
                    self.counts.lose(Lost::Refused, rejected);
                    return self.works();
                }
                Answer::Refused(why) => {
                    self.counts.lose(Lost::Refused, spans);
                    return self.fails(&why);
                }
                Answer::Later(why, asked) => (why, asked),
            };
            let wait_now = asked.map_or_else(|| jittered(wait), |asked| asked.max(FIRST_WAIT));
            if tried == TRIES || !self.may_wait(wait_now).await {
                self.counts.lose(Lost::Unreachable, spans);
                return self.fails(&why);
            }
            wait *= 2;
        }
    }

    /// Whether there was time to wait: not when the process ends.
    async fn may_wait(&mut self, time: Duration) -> bool {
        tokio::select! {
            biased;
            _ = self.stopping.wait_for(|stops| *stops) => false,
            () = sleep(time) => true,
        }
    }

    /// Tells the operator, once for each outage.
    fn fails(&mut self, why: &str) {
        if !std::mem::replace(&mut self.is_down, true) {
            let text = format!("no traces reach {}: {why}", self.collector.url());
            output::note(format!("  {} {text}", paint(Tone::Warn, "warning:")));
        }
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.is_down) {
            output::note(format!("  traces reach {} again", self.collector.url()));
        }
    }
}

/// Between half and one and a half of it, so that gateways which lost one
/// collector do not come back to it together.
fn jittered(time: Duration) -> Duration {
    let mut byte = [0];
    SystemEntropy.fill(&mut byte);
    time * (128 + u32::from(byte[0])) / 256
}
