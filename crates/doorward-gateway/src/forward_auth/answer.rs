//! One question from its head to its answer.

use std::rc::Rc;

use bytes::Bytes;
use doorward_policy::decision::{Decision, Reason, Step};
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{CACHE_CONTROL, CONTENT_LENGTH},
};
use http_body_util::Full;
use hyper::body::{Body as _, Incoming};

use super::{ForwardAuth, Proxy, original::original};
use crate::{
    answer::{Answer, Content},
    arrival::Caller,
    identity::{self, Identity},
    judge::{Refusal, Verdict},
    rate::Told,
    responses,
    serve::{Record, admit, compare, refuse_fault},
    server::Worker,
    wire::exchange::Exchange,
};

/// Answers `question`, and sends the decision on its way.
pub(crate) async fn answer(
    (worker, settings): (&Rc<Worker>, &ForwardAuth),
    exchange: Rc<Exchange>,
    asking: Caller,
    question: Request<Incoming>,
) -> Response<Answer> {
    let inner = &worker.inner;
    let now = inner.shared.clock.now();
    let mut record = Record::open(worker, &question, now, asking.peer);
    let decision = &mut record.decision;
    let mut told = Told::default();
    // A body that nobody wants is still to come.
    let closes = !question.body().is_end_stream();
    let mut response = match compare(&exchange, &question) {
        Err(fault) => refuse_fault(fault, &exchange, decision),
        Ok(()) => match original(
            (settings, &inner.config.trusted_proxies, &inner.names),
            asking,
            question,
            decision,
        ) {
            Err(_) => responses::refusal(decision, &Refusal::default(), closes),
            Ok((request, caller)) => {
                decision.peer = Some(caller.peer.0);
                let when_and_who = (now, caller.peer);
                let admitting = admit(inner, Box::new(request), when_and_who, &mut told, decision);
                let verdict = admitting.await;
                record.judged();
                let decision = &mut record.decision;
                match let_on(verdict, decision) {
                    Ok(identity) => yes(settings.proxy, identity, decision),
                    Err(refusal) => responses::refusal(decision, &refusal, closes),
                }
            }
        },
    };
    if !response.status().is_success() {
        let status = settings.proxy.status(record.decision.reason);
        // Every status of the table is one.
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    }
    told.write(response.headers_mut());
    record.close(response.status().as_u16());
    response.map(|content| Answer::new(content, exchange))
}

/// Whose request may go on, or why it may not.
fn let_on(
    verdict: Verdict<Incoming>,
    decision: &mut Decision,
) -> Result<Option<Identity>, Refusal> {
    match verdict {
        Verdict::Forward(_, identity, _) => Ok(identity),
        Verdict::Refused(refusal) => Err(refusal),
        Verdict::KeyMissing(missing) => Err(missing.refused(decision)),
        Verdict::Local(_) => {
            let seen = "a path that Doorward answers itself";
            let wanted = "Doorward's own address";
            decision.fail(Step::Route, Reason::NoRoute, seen, wanted);
            Err(Refusal::default())
        }
        // `admit` has exchanged it.
        Verdict::Exchange(_) => {
            decision.fail(Step::Credential, Reason::Internal, "no exchange", "");
            Err(Refusal::default())
        }
    }
}

/// The caller's identity, for the proxy to hand on.
fn yes(proxy: Proxy, identity: Option<Identity>, decision: &Decision) -> Response<Content> {
    let mut response = Response::new(Content::Whole(Full::new(Bytes::new())));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    if let Some(identity) = identity {
        identity.set(headers);
    }
    if proxy == Proxy::Caddy {
        // Of a header that is not there, Caddy 2.6 hands on its own words for it.
        for name in identity::OURS {
            headers.entry(name).or_insert(HeaderValue::from_static(""));
        }
    }
    responses::name(headers, decision.trace_id);
    response
}
