//! A request on its way, and what a second try needs again.

use std::rc::Rc;

use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri};

use super::{body::Outgoing, sending::Sending};
use crate::wire::exchange::Exchange;

/// One request on its way: what a second try needs again, and how far the
/// first has come.
pub(super) struct Trip {
    pub(super) method: Method,
    pub(super) target: Uri,
    /// The fields, if the request may be sent twice.
    pub(super) repeat: Option<Fields>,
    /// Whether a change of protocol was asked for.
    pub(super) may_switch: bool,
    pub(super) sending: Sending,
    pub(super) exchange: Rc<Exchange>,
}

impl Trip {
    pub(super) fn request(&self, headers: HeaderMap, body: Outgoing) -> Request<Outgoing> {
        let mut request = Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        request
    }
}

/// Header fields that are kept for a second try: cheaper to copy than a map,
/// and hardly ever made one again.
pub(super) struct Fields(Vec<(HeaderName, HeaderValue)>);

impl Fields {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let field = |(name, value): (&HeaderName, &HeaderValue)| (name.clone(), value.clone());
        Self(headers.iter().map(field).collect())
    }

    pub(super) fn to_headers(&self) -> HeaderMap {
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
