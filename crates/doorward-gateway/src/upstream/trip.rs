//! A request on its way, and what a second try needs again.

use std::rc::Rc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};

use super::{body::Outgoing, sending::Sending};
use crate::{
    hop::{self, Introduction},
    identity::Identity,
    trace::Trace,
    wire::exchange::Exchange,
};

/// One request on its way; in a box, as it goes through many hands.
pub(super) struct Trip {
    pub(super) method: Method,
    pub(super) target: Uri,
    /// The caller's fields, if the request may be sent twice.
    pub(super) repeat: Option<Copied>,
    pub(super) ours: Ours,
    /// Whether a change of protocol was asked for.
    pub(super) may_switch: bool,
    /// Whether nothing is sent before the body has begun.
    pub(super) waits_for_its_body: bool,
    pub(super) sending: Sending,
    pub(super) exchange: Rc<Exchange>,
}

impl Trip {
    /// The request with the caller's fields that may pass, and with ours.
    pub(super) fn request(&self, mut headers: HeaderMap, body: Outgoing) -> Request<Outgoing> {
        self.ours.set(&mut headers);
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        request
    }

    /// The request once more, if it may be sent twice.
    pub(super) fn repeated(&self) -> Option<Request<Outgoing>> {
        let fields = self.repeat.as_ref()?;
        Some(self.request(fields.to_headers(), Outgoing::Empty))
    }
}

/// What the gateway says itself. Written anew for a second try, because that is
/// rare, and copies of the fields would be made for each request.
pub(super) struct Ours {
    /// How the request came.
    pub(super) version: Version,
    /// Whom it comes from; a request without a host comes from nobody.
    pub(super) introduction: Option<Rc<Introduction>>,
    pub(super) trace: Trace,
    pub(super) identity: Option<Identity>,
}

impl Ours {
    fn set(&self, headers: &mut HeaderMap) {
        hop::introduce(headers, self.version, self.introduction.as_deref());
        self.trace.set(headers);
        // Last, so that nothing else can take its place.
        if let Some(identity) = &self.identity {
            identity.set(headers);
        }
    }
}

/// Header fields that are kept for a second try: cheaper to copy than a map,
/// and hardly ever made one again.
pub(super) struct Copied(Vec<(HeaderName, HeaderValue)>);

impl Copied {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let field = |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.clone());
        Self(headers.iter().map(field).collect())
    }

    fn to_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(self.0.len());
        for (name, value) in &self.0 {
            headers.append(name, value.clone());
        }
        headers
    }
}

/// RFC 9110 section 9.2.2, of the methods that need no body.
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
    )
}
