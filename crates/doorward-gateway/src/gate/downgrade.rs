//! From HTTP/2 to a request that can be said in HTTP/1.1 with one reading
//! (RFC 9113 sections 8.2 and 8.3).
//!
//! The h2 crate refuses most of it with a stream error: upper-case names,
//! fields of a connection, bodies of another length than announced. What is
//! asked here again is what HTTP/1.1 behind the gateway would live by.

use doorward_policy::decision::{Decision, Reason};
use http::{
    HeaderValue, Request,
    header::{COOKIE, HOST, TE},
};

use super::refuse;

/// Fields that have no meaning in HTTP/2 (RFC 9113 section 8.2.2).
const CONNECTION_FIELDS: [&str; 5] = [
    "connection",
    "transfer-encoding",
    "upgrade",
    "keep-alive",
    "proxy-connection",
];

/// Refuses what must not stand in HTTP/2, and writes the rest as HTTP/1.1 has
/// it: `:authority` becomes Host, and several Cookie fields become one.
pub(super) fn check<B>(request: &mut Request<B>, decision: &mut Decision) -> Result<(), Reason> {
    let headers = request.headers();
    for name in CONNECTION_FIELDS {
        if headers.contains_key(name) {
            let seen = format!("the field {name} in HTTP/2");
            return Err(refuse(decision, seen, "no fields of a connection"));
        }
    }
    let is_trailers = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    if !headers.get_all(TE).iter().all(is_trailers) {
        return Err(refuse(decision, "a TE field", "trailers and nothing else"));
    }
    if !headers.contains_key(HOST)
        && let Some(authority) = request.uri().authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(HOST, host);
    }
    join_cookies(request);
    Ok(())
}

/// RFC 9113 section 8.2.3.
fn join_cookies<B>(request: &mut Request<B>) {
    let headers = request.headers_mut();
    if headers.get_all(COOKIE).iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = headers
        .get_all(COOKIE)
        .iter()
        .map(HeaderValue::as_bytes)
        .collect();
    // Pieces of what was a value, joined by what a value can hold.
    if let Ok(joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        headers.insert(COOKIE, joined);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::{Decision, TraceId};
    use http::{HeaderMap, Request, Version};

    use crate::{
        config::Limits,
        gate::{Rules, admit},
        identity::Names,
    };

    fn admitted(target: &str, fields: &[(&str, &str)]) -> Option<HeaderMap> {
        let mut request = Request::get(target).version(Version::HTTP_2);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let request = request.body(()).unwrap();
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
        let (names, limits) = (Names::new(&[]), Limits::default());
        let rules = Rules {
            names: &names,
            limits: &limits,
            upgrades: &[],
        };
        let admitted = admit(Box::new(request), &rules, &mut decision);
        admitted
            .ok()
            .map(|admitted| admitted.request.headers().clone())
    }

    #[test]
    fn gwy_025_authority_and_host_are_one() {
        let headers = admitted("https://api.test/a", &[]).unwrap();
        assert_eq!(headers["host"], "api.test");
        assert!(admitted("https://api.test/a", &[("host", "API.test")]).is_some());
        assert!(admitted("https://api.test/a", &[("host", "other.test")]).is_none());
        assert!(admitted("https://u@api.test/a", &[]).is_none());
        assert!(admitted("/a", &[]).is_none(), "neither");
    }

    #[test]
    fn gwy_025_fields_of_a_connection_are_refused() {
        for (name, value) in [
            ("connection", "close"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "h2c"),
            ("keep-alive", "1"),
            ("proxy-connection", "x"),
            ("te", "gzip"),
            ("te", "trailers, deflate"),
            ("transfer_encoding", "chunked"),
        ] {
            assert!(
                admitted("https://a/", &[(name, value)]).is_none(),
                "{name}: {value}"
            );
        }
        assert!(admitted("https://a/", &[("te", "trailers")]).is_some());
    }

    #[test]
    fn gwy_025_lengths_have_one_reading() {
        let two = [("content-length", "1"), ("content-length", "1")];
        assert!(admitted("https://a/", &two).is_none());
        for value in ["+1", "1,1", "0x1", ""] {
            assert!(
                admitted("https://a/", &[("content-length", value)]).is_none(),
                "{value}"
            );
        }
    }

    #[test]
    fn cookie_crumbs_are_one_cookie() {
        let headers = admitted("https://a/", &[("cookie", "a=1"), ("cookie", "b=2; c=3")]).unwrap();
        assert_eq!(headers["cookie"], "a=1; b=2; c=3");
        assert_eq!(headers.get_all("cookie").iter().count(), 1);
    }
}
