//! One request from its head to the head of its answer.

use std::{
    convert::Infallible,
    future::{pending, ready},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready},
};

use doorward_policy::decision::{self, Decision, Outcome, Reason, Step, TraceId};
use doorward_verify::clock::Timestamp;
use http::{Method, Request, Response, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::{
    task::spawn_local,
    time::{Instant, timeout},
};

use crate::{
    address,
    answer::{Answer, Content},
    arrival::Caller,
    forward_auth,
    gateway::{Inner, Peer},
    identity::REQUEST_ID,
    judge::{Refusal, Verdict},
    rate::{Over, Told},
    responses,
    server::Worker,
    tally::micros,
    trace::Trace,
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
    let inner = Arc::clone(&worker.inner);
    let caller = address::behind(caller, request.headers(), &inner.config.trusted_proxies);
    let now = inner.shared.clock.now();
    let is_alone = request.version() != Version::HTTP_2;
    let mut asked = Asked {
        caller,
        record: Record::open(&worker, &request, now, caller.peer),
        told: Told::default(),
        is_alone,
        // With part of the body still to come, a refusal ends the connection.
        closes: is_alone && !request.body().is_end_stream(),
        worker,
        exchange,
    };
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
    Forwarding(Box<Underway>),
    Rare(Pin<Box<dyn Future<Output = Response<Answer>>>>),
}

/// A request that the upstream has.
pub(crate) struct Underway {
    asked: Option<Asked>,
    forwarding: Forwarding,
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
            Self::Forwarding(underway) => {
                let answer = ready!(Pin::new(&mut underway.forwarding).poll(cx));
                let asked = underway.asked.take();
                let mut asked = asked.expect("nobody asks a future that has ended");
                let response = relay(answer, &mut asked.record, asked.closes);
                asked.give(response)
            }
            Self::Rare(answering) => ready!(answering.as_mut().poll(cx)),
        }))
    }
}

/// What the answer to a request needs of it.
struct Asked {
    worker: Rc<Worker>,
    exchange: Rc<Exchange>,
    caller: Caller,
    record: Record,
    told: Told,
    /// The connection has no other requests meanwhile.
    is_alone: bool,
    /// A refusal ends the connection.
    closes: bool,
}

impl Asked {
    /// Does what `verdict` says.
    fn follow(mut self, verdict: Verdict<Incoming>) -> Serving {
        let inner = &self.worker.inner;
        let decision = &mut self.record.decision;
        let verdict = charge(inner, verdict, self.caller.peer, &mut self.told, decision);
        self.record.judged();
        let response = match verdict {
            Verdict::Local(request) => {
                let inner = Arc::clone(inner);
                let (peer, exchange) = (self.caller.peer, self.exchange);
                let answering = answer_locally(inner, *request, peer, self.record);
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
                let forwarding =
                    self.worker
                        .upstream
                        .forward(permitted.unboxed(), identity, origin);
                return Serving::Forwarding(Box::new(Underway {
                    asked: Some(self),
                    forwarding,
                }));
            }
            verdict => {
                let ending = (self.is_alone, self.closes);
                turn_away(verdict, &mut self.record.decision, ending)
            }
        };
        Serving::rare(ready(self.give(response)))
    }

    /// The answer, of which the decision is told.
    fn give(mut self, mut response: Response<Content>) -> Response<Answer> {
        self.told.write(response.headers_mut());
        self.record.close(response.status().as_u16());
        response.map(|content| Answer::new(content, self.exchange))
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

/// The verdict, within what this caller may ask.
pub(crate) async fn admit(
    inner: &Inner,
    request: Request<Incoming>,
    (now, peer): (Timestamp, Peer),
    told: &mut Told,
    decision: &mut Decision,
) -> Verdict<Incoming> {
    let mut verdict = look(inner, request, (now, peer), told, decision);
    if is_open(&verdict) {
        verdict = look_again(inner, verdict, now, decision).await;
    }
    charge(inner, verdict, peer, told, decision)
}

/// The verdict, as far as it can be had at once.
fn look(
    inner: &Inner,
    request: Request<Incoming>,
    (now, peer): (Timestamp, Peer),
    told: &mut Told,
    decision: &mut Decision,
) -> Verdict<Incoming> {
    match inner.rates.arrived(peer.0, told) {
        Ok(()) => {
            let request = Box::new(request);
            caught(decision, |decision| inner.judge(request, now, decision))
        }
        Err(over) => throttle(over, decision),
    }
}

/// Whether something has to come in before the verdict.
const fn is_open(verdict: &Verdict<Incoming>) -> bool {
    matches!(verdict, Verdict::KeyMissing(_) | Verdict::Exchange(_))
}

/// Where a key was missing, the verdict with newer keys if they come soon, and
/// where an API key came, the one on what it was exchanged for.
async fn look_again(
    inner: &Inner,
    verdict: Verdict<Incoming>,
    now: Timestamp,
    decision: &mut Decision,
) -> Verdict<Incoming> {
    let missing = match verdict {
        Verdict::KeyMissing(missing) => missing,
        Verdict::Exchange(unexchanged) => {
            let outcome = unexchanged.exchange(inner.bench().exchanges, now).await;
            let now = inner.shared.clock.now();
            return caught(decision, |decision| {
                unexchanged.judge_again(&inner.bench(), outcome, now, decision)
            });
        }
        verdict => return verdict,
    };
    if !missing.settled(&inner.shared, now).await {
        return Verdict::KeyMissing(missing);
    }
    let now = inner.shared.clock.now();
    caught(decision, |decision| {
        missing.judge_again(&inner.bench(), now, decision)
    })
}

/// `verdict`, if the caller may still ask so much.
fn charge(
    inner: &Inner,
    verdict: Verdict<Incoming>,
    peer: Peer,
    told: &mut Told,
    decision: &mut Decision,
) -> Verdict<Incoming> {
    let over = match &verdict {
        Verdict::Forward(_, _, Some(principal)) => inner.rates.proven(principal, told).err(),
        Verdict::Refused(_) | Verdict::KeyMissing(_) => {
            if is_failure(decision.reason) {
                inner.rates.failed(peer.0);
            }
            None
        }
        _ => None,
    };
    match over {
        Some(over) => throttle(over, decision),
        None => verdict,
    }
}

/// A token that was refused. Who sends none at all costs nothing and is told to
/// send one, and who proved the token's key is only told to do so with a nonce:
/// every client hears that now and then.
fn is_failure(reason: Reason) -> bool {
    reason.status() == 401 && !matches!(reason, Reason::NoToken | Reason::ProofNonce)
}

fn throttle(over: Over, decision: &mut Decision) -> Verdict<Incoming> {
    decision.fail(Step::Request, Reason::Throttled, over.0, "fewer requests");
    Verdict::Refused(Refusal::default())
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

/// A judge that panics has not let anybody in.
fn caught(
    decision: &mut Decision,
    judge: impl FnOnce(&mut Decision) -> Verdict<Incoming>,
) -> Verdict<Incoming> {
    // What the judge shares with other requests are swapped pointers and
    // locks that notice a panic themselves; of this request only the decision
    // is looked at again, and it is overwritten.
    let judged = catch_unwind(AssertUnwindSafe(|| judge(decision)));
    judged.unwrap_or_else(|_| {
        decision.fail(
            Step::Request,
            Reason::Internal,
            "a panic while judging",
            "a verdict",
        );
        Verdict::Refused(Refusal::default())
    })
}

/// Doorward's own endpoints. What was asked of them is ended and recorded
/// whether the caller waits for it or not: who guesses passwords and hangs up
/// each time would otherwise stand in the record as somebody who was served.
async fn answer_locally(
    inner: Arc<Inner>,
    request: Request<Incoming>,
    peer: Peer,
    mut record: Record,
) -> Response<Content> {
    record.is_own = true;
    let answering = spawn_local(async move {
        let response = call_local(&inner, request, peer, &mut record.decision).await;
        record.mark();
        record.close(response.status().as_u16());
        response
    });
    match answering.await {
        Ok(response) => response,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The worker is going down, and this connection with it.
            Err(_) => pending().await,
        },
    }
}

async fn call_local(
    inner: &Inner,
    request: Request<Incoming>,
    peer: Peer,
    decision: &mut Decision,
) -> Response<Content> {
    let mut request = request.map(|body| body.map_err(Into::into).boxed_unsync());
    request.extensions_mut().insert(peer);
    request.extensions_mut().insert(decision.trace_id);
    let answering = (inner.shared.local.call)(request);
    let Ok(mut answer) = timeout(inner.config.limits.answer_timeout, answering).await else {
        decision.fail(Step::Account, Reason::Overloaded, "no answer in time", "");
        return responses::refusal(decision, &Refusal::default(), true);
    };
    adopt(decision, &mut answer);
    responses::name(answer.headers_mut(), decision.trace_id);
    answer.map(Content::Local)
}

/// The local service's own account of how it went.
fn adopt<B>(decision: &mut Decision, answer: &mut Response<B>) {
    let status = answer.status();
    let told = answer.extensions_mut().remove::<Reason>();
    let reason = told.unwrap_or(match status.as_u16() {
        ..400 => Reason::Served,
        404 => Reason::NoRoute,
        405 => Reason::MethodNotAllowed,
        401 => Reason::NoToken,
        400..500 => Reason::BadRequest,
        _ => Reason::Internal,
    });
    if let Some(caller) = answer.extensions_mut().remove::<decision::Caller>() {
        decision.prove(caller);
    }
    let told = answer.extensions_mut().remove::<Decision>();
    decision
        .checks
        .extend(told.into_iter().flat_map(|told| told.checks));
    if status.is_success() || status.is_redirection() {
        decision.allow(reason);
    } else if decision.failed_check().is_none() {
        decision.fail(Step::Account, reason, reason.title(), "");
    } else {
        decision.refuse(reason);
    }
}

/// The decision until it is sent: also when the caller leaves before there is
/// an answer and this request's future is dropped.
pub(crate) struct Record {
    worker: Rc<Worker>,
    started: Instant,
    /// The last mark on the way.
    latest: Instant,
    pub(crate) decision: Decision,
    trace: Trace,
    /// Doorward itself answers.
    is_own: bool,
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
    fn mark(&mut self) -> (Instant, Instant) {
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
    fn forwarded(&mut self) {
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
