//! The decision on a request, until it is sent.

use std::rc::Rc;

use doorward_policy::decision::{Decision, Outcome, Reason, Step, TraceId};
use doorward_verify::clock::Timestamp;
use http::Request;
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{gateway::Peer, server::Worker, tally::micros, trace::Trace};

/// The decision until it is sent: also when the caller leaves before there is
/// an answer and this request's future is dropped.
pub(crate) struct Record {
    worker: Rc<Worker>,
    started: Instant,
    /// The last mark on the way.
    pub(super) latest: Instant,
    pub(crate) decision: Decision,
    pub(super) trace: Trace,
    /// Doorward itself answers.
    pub(super) is_own: bool,
    is_closed: bool,
}

impl Record {
    pub(crate) fn open(
        worker: &Rc<Worker>,
        request: &Request<Incoming>,
        now: Timestamp,
        peer: Peer,
    ) -> Self {
        let trace_id: TraceId = (worker.inner.shared.trace_ids)();
        let sampled = worker.inner.config.sampled;
        let trace = Trace::of(trace_id, request.headers(), sampled);
        let (method, path) = (request.method().as_str(), request.uri().path());
        let mut decision = Decision::new(trace_id, now.millis(), method, path);
        decision.peer = Some(peer.0);
        decision.caller_trace = trace.callers();
        decision.caller_span = trace.callers_span();
        let started = Instant::now();
        Self {
            worker: Rc::clone(worker),
            started,
            latest: started,
            decision,
            trace,
            is_own: false,
            is_closed: false,
        }
    }

    /// Ends with an answer of this `status`, given just now.
    pub(crate) fn close(&mut self, status: u16) {
        self.decision.status = Some(status);
        self.send();
    }

    /// Remembers what time it is.
    pub(super) fn mark(&mut self) -> (Instant, Instant) {
        let before = std::mem::replace(&mut self.latest, Instant::now());
        (before, self.latest)
    }

    /// The verdict stands.
    pub(crate) fn judged(&mut self) {
        let (_, now) = self.mark();
        let judging = self.worker.counting.judging();
        judging.between(self.started, now);
    }

    /// The upstream has answered, or will not.
    pub(super) fn forwarded(&mut self) {
        let (before, now) = self.mark();
        self.worker.counting.upstream().between(before, now);
    }

    fn send(&mut self) {
        self.is_closed = true;
        self.decision.elapsed_us = micros(self.latest - self.started);
        self.worker.counting.ended(&self.decision, self.is_own);
        self.worker.inner.publish(self.decision.take());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        if !self.is_closed {
            self.mark();
            if std::thread::panicking() {
                self.decision
                    .fail(Step::Request, Reason::Internal, "a panic", "an answer");
            } else if self.decision.outcome == Outcome::Allowed {
                self.decision
                    .pass(Step::Upstream, "the caller left before the answer");
            }
            self.send();
        }
    }
}
