//! Doorward's own endpoints.

use std::{future::pending, panic::resume_unwind, sync::Arc};

use doorward_policy::decision::{self, Decision, Reason, Step};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use tokio::{task::spawn_local, time::timeout};

use super::record::Record;
use crate::{
    answer::Content,
    gateway::{Inner, Peer},
    judge::Refusal,
    responses,
};

/// Doorward's own endpoints. What was asked of them is ended and recorded
/// whether the caller waits for it or not: who guesses passwords and hangs up
/// each time would otherwise stand in the record as somebody who was served.
///
/// Begins at once, and not when the answer is first waited for: a caller that has
/// hung up already is dropped before that.
pub(super) fn answer_locally(
    inner: Arc<Inner>,
    request: Request<Incoming>,
    peer: Peer,
    mut record: Record,
) -> impl Future<Output = Response<Content>> + 'static {
    record.is_own = true;
    let answering = spawn_local(async move {
        let response = call_local(&inner, request, peer, &mut record.decision).await;
        record.mark();
        record.close(response.status().as_u16());
        response
    });
    async move {
        match answering.await {
            Ok(response) => response,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The worker is going down, and this connection with it.
                Err(_) => pending().await,
            },
        }
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
