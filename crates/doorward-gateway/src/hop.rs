//! Fields that belong to one connection and end at the gateway (RFC 9110
//! section 7.6.1), and those in which it says whom it forwards for (RFC 7239).

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{
        AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
    },
};

use doorward_verify::proof::DPOP;

use crate::{arrival::Caller, gate::connection_options};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Makes the caller's fields those of the upstream's request: what belongs to
/// the caller's connection goes, the token goes, who asked is written anew.
///
/// `is_streamed` says that a body comes whose length only HTTP/2 would tell.
pub(crate) fn to_upstream(headers: &mut HeaderMap, caller: Caller, is_streamed: bool) {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING)
        || is_streamed && !headers.contains_key(CONTENT_LENGTH);
    strip(headers);
    headers.remove(EXPECT);
    // The API needs no token: it gets the identity. A token that it logged
    // would be one that can be stolen there.
    headers.remove(AUTHORIZATION);
    headers.remove(DPOP);
    if is_chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    set_forwarded(headers, caller);
}

/// Removes the fields of one connection.
pub(crate) fn strip(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in [
        CONNECTION,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION,
        TE,
        TRAILER,
        TRANSFER_ENCODING,
        UPGRADE,
        HTTP2_SETTINGS,
    ] {
        headers.remove(name);
    }
}

/// From the socket, never from the caller: `identity` removed what it sent.
fn set_forwarded(headers: &mut HeaderMap, caller: Caller) {
    let Some(host) = headers.get(HOST).cloned() else {
        return;
    };
    let peer = caller.peer.0;
    let scheme = if caller.is_secure { "https" } else { "http" };
    let node = match peer {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("\"[{address}]\""),
    };
    // The gate saw that a Host has no quotation mark.
    let named = host.to_str().unwrap_or_default();
    let forwarded = format!("for={node};host=\"{named}\";proto={scheme}");
    if let (Ok(address), Ok(forwarded)) = (
        HeaderValue::try_from(peer.to_string()),
        HeaderValue::try_from(forwarded),
    ) {
        headers.insert(X_FORWARDED_FOR, address);
        headers.insert(FORWARDED, forwarded);
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
    headers.insert(X_FORWARDED_HOST, host);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::to_upstream;
    use crate::{arrival::Caller, gateway::Peer};

    fn forwarded(fields: &[(&str, &str)], peer: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let caller = Caller {
            peer: Peer(peer.parse().unwrap()),
            is_secure: false,
        };
        to_upstream(&mut headers, caller, false);
        headers
    }

    #[test]
    fn fields_of_the_connection_end_here() {
        let headers = forwarded(
            &[
                ("host", "api.test"),
                ("connection", "close, X-Mine"),
                ("x-mine", "1"),
                ("te", "trailers"),
                ("upgrade", "h2c"),
                ("http2-settings", "x"),
                ("trailer", "y"),
                ("proxy-authorization", "z"),
                ("authorization", "DPoP a.b.c"),
                ("dpop", "d.e.f"),
                ("accept", "*/*"),
            ],
            "127.0.0.1",
        );
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        let expected = [
            "accept",
            "forwarded",
            "host",
            "x-forwarded-for",
            "x-forwarded-host",
            "x-forwarded-proto",
        ];
        assert_eq!(left, expected);
    }

    #[test]
    fn who_asked_comes_from_the_socket() {
        let headers = forwarded(&[("host", "api.test:80")], "::1");
        assert_eq!(headers["x-forwarded-for"], "::1");
        assert_eq!(
            headers["forwarded"],
            "for=\"[::1]\";host=\"api.test:80\";proto=http"
        );
    }

    #[test]
    fn a_chunked_body_stays_chunked() {
        let headers = forwarded(&[("host", "a"), ("transfer-encoding", "chunked")], "::1");
        assert_eq!(headers["transfer-encoding"], "chunked");
    }
}
