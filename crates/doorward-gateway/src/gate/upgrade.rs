//! A change of protocol (RFC 9110 section 7.8): asked for without doubt, or
//! not passed on.
//!
//! Which protocols a request may change to is configured; none by default. An
//! upgrade that is not passed on is left out in silence, as the RFC allows,
//! except WebSocket: whoever opens one waits for it, and is told.

use doorward_policy::decision::{Decision, Reason};
use http::{
    HeaderMap, HeaderValue, Method, Request, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE},
};

use super::{connection_options, refuse};

/// The protocol that a request with `headers` may change to; the request has
/// passed [`check`].
pub(crate) fn protocol(headers: &HeaderMap, allowed: &[String]) -> Option<HeaderValue> {
    let value = headers.get(UPGRADE)?;
    let is_named = |protocol: &String| value.as_bytes().eq_ignore_ascii_case(protocol.as_bytes());
    allowed.iter().any(is_named).then(|| value.clone())
}

pub(super) fn check<B>(
    request: &Request<B>,
    allowed: &[String],
    decision: &mut Decision,
) -> Result<(), Reason> {
    let headers = request.headers();
    let mut asked = headers.get_all(UPGRADE).iter();
    let Some(first) = asked.next() else {
        return Ok(());
    };
    if protocol(headers, allowed).is_none() || asked.next().is_some() {
        let is_websocket = |value: &HeaderValue| {
            let lower = value.as_bytes().to_ascii_lowercase();
            lower.windows(9).any(|part| part == b"websocket")
        };
        if headers.get_all(UPGRADE).iter().any(is_websocket) {
            let wanted = "plain HTTP, or WebSocket alone where `upgrade` allows it";
            return Err(refuse(decision, "an upgrade to WebSocket", wanted));
        }
        if allowed.is_empty() || protocol(headers, allowed).is_none() {
            return Ok(());
        }
        return Err(refuse(decision, "several upgrades", "one"));
    }
    let is_meant = connection_options(headers.get_all(CONNECTION))
        .any(|option| option.eq_ignore_ascii_case(UPGRADE.as_str().as_bytes()));
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0");
    let is_whole = is_meant
        && !has_body
        && *request.method() == Method::GET
        && request.version() == Version::HTTP_11;
    if is_whole {
        return Ok(());
    }
    let seen = format!(
        "half an upgrade to {}",
        String::from_utf8_lossy(first.as_bytes())
    );
    Err(refuse(
        decision,
        seen,
        "GET without a body, and `Connection: upgrade`",
    ))
}
