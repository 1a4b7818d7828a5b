//! `GET /revocations` and `GET /revocations/snapshot`: the signed feed for
//! verifiers (`docs/revocation-feed.md`).
//!
//! Public, as a certificate revocation list is: whoever can verify a token may
//! know that it ended. It says no cause, no name of a person and no time but
//! its own.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::{Extension, State},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use doorward_policy::decision::Reason;
use doorward_verify::revocation::feed::transport::{EVENTS, LINES};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};

use super::{Peer, answer::is_current, error::Refusal};
use crate::{
    feed::{NoAnswer, OutOfDate, Reading},
    issuer::Issuer,
};

/// Where it is; the discovery document says the same.
pub(super) const PATH: &str = "/revocations";

/// Where everything in force is.
pub(super) const SNAPSHOT_PATH: &str = "/revocations/snapshot";

/// A poll waits no longer than this.
const POLL_LIMIT: Duration = Duration::from_secs(10);

/// Longest name of an epoch.
const MAX_EPOCH: usize = 64;

pub(super) async fn get(
    State(issuer): State<Issuer>,
    peer: Option<Extension<Peer>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let (epoch, after) = cursor(uri.query().unwrap_or_default()).ok_or_else(|| {
        Refusal::request(
            Reason::BadRequest,
            "ask with ?epoch=EPOCH&after=NUMBER, or take /revocations/snapshot",
        )
    })?;
    let peer = peer.map(|Extension(peer)| peer.0);
    if wants_events(&headers) {
        let events = issuer.feed().stream(epoch, after, peer).map_err(refusal)?;
        return Ok(answer(EVENTS, Body::new(events)));
    }
    // A HEAD asks what there would be, and not to wait for it.
    let limit = if method == Method::HEAD {
        Duration::ZERO
    } else {
        POLL_LIMIT
    };
    let clock = || issuer.clock().now();
    let lines = issuer.feed().poll((epoch, after), peer, limit, clock).await;
    let lines = Lines(lines.map_err(refusal)?.into());
    Ok(answer(LINES, Body::new(lines)))
}

pub(super) async fn snapshot(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let snapshot = issuer.feed_snapshot().await.map_err(refusal)?;
    let tag = HeaderValue::try_from(snapshot.tag.as_str())
        .expect("INVARIANT: base64url, hexadecimal, digits and our own words");
    let mut response = if is_current(&headers, &snapshot.tag) {
        let mut response = StatusCode::NOT_MODIFIED.into_response();
        response.extensions_mut().insert(Reason::Served);
        response
    } else {
        answer(LINES, Body::new(Pages(Reading::of(&snapshot))))
    };
    let fields = response.headers_mut();
    fields.insert(header::ETAG, tag);
    // To be asked about each time; a relay may pass it on meanwhile.
    let caching = HeaderValue::from_static("public, no-cache");
    fields.insert(header::CACHE_CONTROL, caching);
    Ok(response)
}

fn answer(media_type: &'static str, body: Body) -> Response {
    let mut response = Response::new(body);
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx holds back what it does not know to be a stream.
    fields.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response.extensions_mut().insert(Reason::Served);
    response
}

fn refusal(why: NoAnswer) -> Refusal {
    match why {
        NoAnswer::Gone => Refusal::new(Reason::CursorGone),
        NoAnswer::Silent => Refusal::new(Reason::StoreUnavailable)
            .seen("the feed is silent: its entries cannot be read")
            .retry_after(1),
    }
}

/// `epoch=E&after=N`, each once, in either order.
fn cursor(query: &str) -> Option<(&str, i64)> {
    let (mut epoch, mut after) = (None, None);
    for pair in query.split('&') {
        let (slot, value) = match pair.split_once('=')? {
            ("epoch", value) => (&mut epoch, value),
            ("after", value) => (&mut after, value),
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let epoch: &str = epoch?;
    let is_epoch = (1..=MAX_EPOCH).contains(&epoch.len()) && epoch.bytes().all(is_plain);
    let after: &str = after?;
    let is_number = (1..=16).contains(&after.len()) && after.bytes().all(|b| b.is_ascii_digit());
    (is_epoch && is_number)
        .then(|| after.parse().ok())
        .flatten()
        .map(|after| (epoch, after))
}

fn wants_events(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(header::ACCEPT).iter();
    fields
        .filter_map(|field| field.to_str().ok())
        .flat_map(|field| field.split(','))
        .filter_map(|range| range.split(';').next())
        .any(|range| range.trim().eq_ignore_ascii_case(EVENTS))
}

/// What a poll brings: the messages that the log holds, and no copy of them, so
/// that strangers who ask from far behind and read slowly cost next to nothing.
struct Lines(VecDeque<Bytes>);

impl http_body::Body for Lines {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        let line = self.0.pop_front();
        std::task::Poll::Ready(line.map(|line| Ok(http_body::Frame::data(line))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        let bytes = self.0.iter().map(|line| line.len() as u64).sum();
        http_body::SizeHint::with_exact(bytes)
    }
}

/// The pages of a snapshot, shared by all who read it.
struct Pages(Reading);

impl http_body::Body for Pages {
    type Data = Bytes;
    type Error = OutOfDate;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Bytes>, OutOfDate>>> {
        let page = self.0.next();
        std::task::Poll::Ready(page.map(|page| page.map(http_body::Frame::data)))
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{cursor, wants_events};

    #[test]
    fn a_cursor_has_one_form() {
        assert_eq!(cursor("epoch=e1&after=7"), Some(("e1", 7)));
        assert_eq!(cursor("after=7&epoch=e-_1"), Some(("e-_1", 7)));
        for query in [
            "",
            "epoch=e1",
            "after=7",
            "epoch=&after=7",
            "epoch=e1&after=",
            "epoch=e1&after=-1",
            "epoch=e1&after=+1",
            "epoch=e1&after=7&after=8",
            "epoch=e1&after=7&x=1",
            "epoch=e%31&after=7",
            "epoch=e1&after=99999999999999999",
        ] {
            assert_eq!(cursor(query), None, "{query}");
        }
    }

    #[test]
    fn events_are_asked_for_by_name() {
        let asks = |accept: &'static str| {
            let field = (header::ACCEPT, HeaderValue::from_static(accept));
            wants_events(&HeaderMap::from_iter([field]))
        };
        assert!(asks("text/event-stream"));
        assert!(asks("text/html, Text/Event-Stream;q=0.5"));
        assert!(!asks("*/*"));
        assert!(!asks("application/vnd.doorward.revocations"));
        assert!(!wants_events(&HeaderMap::new()));
    }
}
