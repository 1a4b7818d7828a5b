//! Who may ask, and how much.

use std::panic::{AssertUnwindSafe, catch_unwind};

use doorward_policy::decision::{Decision, Reason, Step};
use doorward_verify::clock::Timestamp;
use http::Request;
use hyper::body::Incoming;

use crate::{
    gateway::{Inner, Peer},
    judge::{Refusal, Verdict},
    rate::{Over, Told},
};

/// The verdict, within what this caller may ask.
pub(crate) async fn admit(
    inner: &Inner,
    request: Box<Request<Incoming>>,
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
pub(super) fn look(
    inner: &Inner,
    request: Box<Request<Incoming>>,
    (now, peer): (Timestamp, Peer),
    told: &mut Told,
    decision: &mut Decision,
) -> Verdict<Incoming> {
    match inner.rates.arrived(peer.0, told) {
        Ok(()) => caught(decision, |decision| inner.judge(request, now, decision)),
        Err(over) => throttle(over, decision),
    }
}

/// Whether something has to come in before the verdict.
pub(super) const fn is_open(verdict: &Verdict<Incoming>) -> bool {
    matches!(verdict, Verdict::KeyMissing(_) | Verdict::Exchange(_))
}

/// Where a key was missing, the verdict with newer keys if they come soon, and
/// where an API key came, the one on what it was exchanged for.
pub(super) async fn look_again(
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
pub(super) fn charge(
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
