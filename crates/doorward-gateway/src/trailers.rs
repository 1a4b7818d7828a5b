//! Fields behind a body (RFC 9110 section 6.5).
//!
//! Many servers merge them into the fields before the body, long after those
//! were judged. So nothing passes that means anything there: what frames or
//! routes a message, proves or names a caller, or says how the body is to be
//! read (section 6.5.1). What is left (checksums, `grpc-status`) passes in
//! both directions, to whoever said that it takes trailers (`TE: trailers`),
//! and over HTTP/1.1 only under the names that `Trailer` announced.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{TE, TRAILER},
};

use crate::identity::{Folded, Names};

/// Beginnings of names that are never trailers.
const PREFIXES: &[&str] = &[
    "access-control-",
    "content-",
    "cookie",
    "if-",
    "proxy-",
    "sec-",
    "x-doorward-",
    "x-http-method",
    "x-method-",
];

/// The other ones.
const NAMES: &[&str] = &[
    "accept",
    "accept-encoding",
    "age",
    "alt-svc",
    "authentication-info",
    "authorization",
    "cache-control",
    "connection",
    "date",
    "dpop",
    "dpop-nonce",
    "expect",
    "expires",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "location",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "retry-after",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "vary",
    "via",
    "warning",
    "www-authenticate",
    "x-api-key",
];

/// Which way a message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way<'n> {
    /// To the API, for which these names are the gateway's.
    ToUpstream(&'n Names),
    /// To the caller.
    ToCaller,
}

impl Way<'_> {
    fn may_pass(self, name: &str) -> bool {
        let folded = Folded::of(name);
        let folded = folded.bytes();
        let means_something = PREFIXES
            .iter()
            .any(|prefix| folded.starts_with(prefix.as_bytes()))
            || NAMES.iter().any(|known| known.as_bytes() == folded);
        let is_reserved = match self {
            Self::ToUpstream(names) => names.is_reserved(name),
            Self::ToCaller => false,
        };
        !means_something && !is_reserved
    }

    /// `trailers` without those that may not pass; `None` if that is all.
    pub(crate) fn passing(self, mut trailers: HeaderMap) -> Option<HeaderMap> {
        let is_barred = |name: &&HeaderName| !self.may_pass(name.as_str());
        let barred: Vec<HeaderName> = trailers.keys().filter(is_barred).cloned().collect();
        for name in barred {
            trailers.remove(name);
        }
        (!trailers.is_empty()).then_some(trailers)
    }

    /// What `headers` announce of those that may pass, as `Trailer` has it.
    pub(crate) fn announced(self, headers: &HeaderMap) -> Option<HeaderValue> {
        if !headers.contains_key(TRAILER) {
            return None;
        }
        let names: Vec<&str> = headers
            .get_all(TRAILER)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(str::trim)
            .filter(|name| HeaderName::from_bytes(name.as_bytes()).is_ok() && self.may_pass(name))
            .collect();
        let names = (!names.is_empty()).then(|| names.join(", "))?;
        HeaderValue::try_from(names).ok()
    }
}

/// Whether whoever sent `headers` takes trailers.
pub(crate) fn are_taken(headers: &HeaderMap) -> bool {
    headers
        .get_all(TE)
        .iter()
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .any(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Way, are_taken};
    use crate::identity::Names;

    fn fields(names: &[&str]) -> HeaderMap {
        let value = HeaderValue::from_static("x");
        names
            .iter()
            .map(|name| {
                (
                    HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.clone(),
                )
            })
            .collect()
    }

    #[test]
    fn gwy_018_what_means_something_in_a_head_is_no_trailer() {
        let names = Names::new(&["x-caller".to_owned()]);
        let to_upstream = Way::ToUpstream(&names);
        for name in [
            "authorization",
            "Authorization",
            "transfer-encoding",
            "transfer_encoding",
            "content-length",
            "content_length",
            "content-type",
            "host",
            "cookie",
            "te",
            "x-api-key",
            "dpop",
            "if-match",
            "x-caller",
            "x_caller",
            "x-doorward-subject",
            "x.doorward.subject",
            "x-forwarded-for",
            "x-user-id",
            "x-http-method-override",
        ] {
            assert!(to_upstream.passing(fields(&[name])).is_none(), "{name}");
        }
        for name in ["set-cookie", "x-doorward-subject", "location", "alt-svc"] {
            assert!(Way::ToCaller.passing(fields(&[name])).is_none(), "{name}");
        }
        let left = to_upstream.passing(fields(&["grpc-status", "host", "x-sum"]));
        let left = left.unwrap();
        let left: Vec<_> = left.keys().map(HeaderName::as_str).collect();
        assert_eq!(left, ["grpc-status", "x-sum"]);
    }

    #[test]
    fn only_what_may_pass_is_announced() {
        let mut headers = HeaderMap::new();
        assert_eq!(Way::ToCaller.announced(&headers), None);
        headers.append(
            "trailer",
            HeaderValue::from_static("X-Sum, Set-Cookie, a b"),
        );
        assert_eq!(Way::ToCaller.announced(&headers).unwrap(), "X-Sum");
        headers.append("trailer", HeaderValue::from_static("grpc-status"));
        let announced = Way::ToCaller.announced(&headers).unwrap();
        assert_eq!(announced, "X-Sum, grpc-status");
        headers.insert("trailer", HeaderValue::from_static("authorization"));
        assert_eq!(Way::ToCaller.announced(&headers), None);
    }

    #[test]
    fn who_takes_trailers_says_so() {
        let mut headers = HeaderMap::new();
        assert!(!are_taken(&headers));
        headers.insert("te", HeaderValue::from_static("gzip;q=0.5, Trailers"));
        assert!(are_taken(&headers));
    }
}
