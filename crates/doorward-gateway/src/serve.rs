//! One request from its head to the head of its answer.

mod admission;
mod local;
mod record;

use std::{
    convert::Infallible,
    future::ready,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use doorward_policy::decision::{Decision, Reason, Step};
use http::{Method, Request, Response, Version};
use hyper::body::{Body as _, Incoming};

pub(crate) use admission::admit;
use admission::{charge, is_open, look, look_again};
use local::answer_locally;
pub(crate) use record::Record;

use crate::{
    address,
    answer::{Answer, Content},
    arrival::Caller,
    forward_auth,
    identity::REQUEST_ID,
    judge::{Refusal, Verdict},
    rate::Told,
    responses,
    server::Worker,
    upstream::{Failure, Forwarding, Origin, Relayed},
    wire::{Fault, exchange::Exchange},
};

/// Answers `request`, and sends the decision on its way.
pub(crate) fn serve(
    worker: &Rc<Worker>,
    exchange: &Rc<Exchange>,
    caller: Caller,
    request: Request<Incoming>,
) -> Serving {
    let (worker, exchange) = (Rc::clone(worker), Rc::clone(exchange));
    if let Some(settings) = worker.questions().cloned() {
        return Serving::rare(async move {
            forward_auth::answer((&worker, &settings), exchange, caller, request).await
        });
    }
    // It goes through many hands.
    let request = Box::new(request);
    let inner = Arc::clone(&worker.inner);
    let caller = address::behind(caller, request.headers(), &inner.config.trusted_proxies);
    let now = inner.shared.clock.now();
    let is_alone = request.version() != Version::HTTP_2;
    let mut asked = Box::new(Asked {
        caller,
        record: Record::open(&worker, &request, now, caller.peer),
        told: Told::default(),
        is_alone,
        // With part of the body still to come, a refusal ends the connection.
        closes: is_alone && !request.body().is_end_stream(),
        worker,
        exchange,
        forwarding: None,
    });
    if let Err(fault) = compare(&asked.exchange, &request) {
        let response = refuse_fault(fault, &asked.exchange, &mut asked.record.decision);
        return Serving::rare(ready(asked.give(response)));
    }
    let arrived = (now, caller.peer);
    let decision = &mut asked.record.decision;
    let verdict = look(&inner, request, arrived, &mut asked.told, decision);
    if is_open(&verdict) {
        return Serving::rare(async move {
            let decision = &mut asked.record.decision;
            let verdict = look_again(&inner, verdict, now, decision).await;
            match asked.follow(verdict).await {
                Ok(response) => response,
                Err(never) => match never {},
            }
        });
    }
    asked.follow(verdict)
}

/// A request on its way to its answer.
///
/// Written out and not `async`, as [`Forwarding`] is and for its reasons.
pub(crate) enum Serving {
    Forwarding(Box<Asked>),
    Rare(Pin<Box<dyn Future<Output = Response<Answer>>>>),
}

impl Serving {
    fn rare(answering: impl Future<Output = Response<Answer>> + 'static) -> Self {
        Self::Rare(Box::pin(answering))
    }
}

impl Future for Serving {
    type Output = Result<Response<Answer>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(Ok(match self.get_mut() {
            Self::Forwarding(asked) => {
                let forwarding = asked.forwarding.as_mut();
                let forwarding = forwarding.expect("nobody asks a future that has ended");
                let answer = ready!(Pin::new(forwarding).poll(cx));
                asked.forwarding = None;
                let response = relay(answer, &mut asked.record, asked.closes);
                asked.give(response)
            }
            Self::Rare(answering) => ready!(answering.as_mut().poll(cx)),
        }))
    }
}

/// What the answer to a request needs of it.
pub(crate) struct Asked {
    worker: Rc<Worker>,
    exchange: Rc<Exchange>,
    caller: Caller,
    record: Record,
    told: Told,
    /// The connection has no other requests meanwhile.
    is_alone: bool,
    /// A refusal ends the connection.
    closes: bool,
    /// Where the upstream has the request.
    forwarding: Option<Forwarding>,
}

impl Asked {
    /// Does what `verdict` says.
    fn follow(mut self: Box<Self>, verdict: Verdict<Incoming>) -> Serving {
        let inner = &self.worker.inner;
        let decision = &mut self.record.decision;
        let verdict = charge(inner, verdict, self.caller.peer, &mut self.told, decision);
        self.record.judged();
        let response = match verdict {
            Verdict::Local(request) => {
                let inner = Arc::clone(inner);
                let Self {
                    exchange,
                    caller,
                    record,
                    ..
                } = *self;
                let answering = answer_locally(inner, *request, caller.peer, record);
                return Serving::rare(async move {
                    let response = answering.await;
                    response.map(|content| Answer::new(content, exchange))
                });
            }
            Verdict::Forward(permitted, identity, principal) if inner.config.forwards => {
                let origin = Origin {
                    caller: self.caller,
                    exchange: Rc::clone(&self.exchange),
                    trace: self.record.trace.clone(),
                    principal,
                    since: self.record.latest,
                };
                let upstream = &self.worker.upstream;
                self.forwarding = Some(upstream.forward(permitted, identity, origin));
                return Serving::Forwarding(self);
            }
            verdict => {
                let ending = (self.is_alone, self.closes);
                turn_away(verdict, &mut self.record.decision, ending)
            }
        };
        Serving::rare(ready(self.give(response)))
    }

    /// The answer, of which the decision is told.
    fn give(&mut self, mut response: Response<Content>) -> Response<Answer> {
        std::mem::take(&mut self.told).write(response.headers_mut());
        self.record.close(response.status().as_u16());
        response.map(|content| Answer::new(content, Rc::clone(&self.exchange)))
    }
}

/// The upstream's answer, or ours about its absence.
fn relay(
    answer: Result<Response<Relayed>, Failure>,
    record: &mut Record,
    closes: bool,
) -> Response<Content> {
    record.forwarded();
    let decision = &mut record.decision;
    match answer {
        Ok(answer) => {
            let mut answer = answer.map(Content::Relayed);
            answer.headers_mut().insert(REQUEST_ID, record.trace.name());
            answer
        }
        Err(failure) => {
            let is_ours = failure.reason.is_failure();
            let step = if is_ours {
                Step::Upstream
            } else {
                Step::Request
            };
            decision.fail(step, failure.reason, failure.seen, "");
            responses::refusal(decision, &Refusal::default(), closes)
        }
    }
}

/// The answer to a request that goes nowhere.
fn turn_away(
    verdict: Verdict<Incoming>,
    decision: &mut Decision,
    (is_alone, closes): (bool, bool),
) -> Response<Content> {
    let refusal = match verdict {
        Verdict::Refused(refusal) => refusal,
        Verdict::KeyMissing(missing) => missing.refused(decision),
        Verdict::Forward(..) => {
            let seen = "nothing to forward to";
            decision.fail(Step::Upstream, Reason::NoRoute, seen, "an upstream");
            Refusal::default()
        }
        // `look_again` has exchanged the one; the other is answered elsewhere.
        Verdict::Exchange(_) | Verdict::Local(_) => {
            decision.fail(Step::Credential, Reason::Internal, "no verdict", "");
            Refusal::default()
        }
    };
    // A caller whose framing was in doubt gets no second reading, and what
    // follows CONNECT may be meant for the tunnel.
    let is_doubtful =
        decision.reason == Reason::BadRequest || decision.method == Method::CONNECT.as_str();
    responses::refusal(decision, &refusal, closes || is_alone && is_doubtful)
}

/// Lint and parser must have seen the same request.
pub(crate) fn compare(exchange: &Exchange, request: &Request<Incoming>) -> Result<(), Fault> {
    if request.version() == Version::HTTP_2 {
        // One reader only, of lengths that cannot disagree.
        return Ok(());
    }
    let head = exchange.next_head()?;
    if head.fields == request.headers().len() {
        Ok(())
    } else {
        Err(Fault::Framing(
            "header fields that only one of two readers sees",
        ))
    }
}

pub(crate) fn refuse_fault(
    fault: Fault,
    exchange: &Exchange,
    decision: &mut Decision,
) -> Response<Content> {
    if let Some((method, path)) = exchange.refused_line() {
        decision.method = method.into();
        decision.path = path.into();
    }
    decision.fail(Step::Request, fault.reason(), fault.seen(), fault.wanted());
    responses::refusal(decision, &Refusal::default(), true)
}
