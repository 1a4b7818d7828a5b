//! Fields that belong to one connection and end at the gateway (RFC 9110
//! section 7.6.1), and those in which it says whom it forwards for (RFC 7239).

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, HOST,
        PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
    },
};

use doorward_verify::proof::DPOP;

use crate::{
    arrival::Caller,
    gate::connection_options,
    identity::Names,
    trailers::{self, Way},
};

/// Of fields that only the gateway may set.
const OUR_PREFIX: &str = "x-doorward-";

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Makes the caller's fields those of the upstream's request: what belongs to
/// the caller's connection goes, the token goes, who asked is written anew.
pub(crate) fn to_upstream(headers: &mut HeaderMap, inbound: Inbound, names: &Names) {
    let is_chunked = headers.contains_key(TRANSFER_ENCODING)
        || inbound.is_streamed && !headers.contains_key(CONTENT_LENGTH);
    let announced = Way::ToUpstream(names).announced(headers);
    let takes_trailers = trailers::are_taken(headers);
    strip(headers);
    headers.remove(EXPECT);
    // The API needs no token: it gets the identity. A token that it logged
    // would be one that can be stolen there.
    headers.remove(AUTHORIZATION);
    headers.remove(DPOP);
    if is_chunked {
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        headers.extend(announced.map(|announced| (TRAILER, announced)));
    }
    if let Some(protocol) = inbound.protocol {
        headers.insert(UPGRADE, protocol);
        headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    } else if takes_trailers {
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    headers.append(VIA, HeaderValue::from_static(via(inbound.version)));
    set_forwarded(headers, inbound.caller);
}

/// Makes the upstream's fields those of the answer: what belongs to its
/// connection goes, and what only the gateway may say.
pub(crate) fn to_caller(headers: &mut HeaderMap) {
    let announced = Way::ToCaller.announced(headers);
    strip(headers);
    headers.extend(announced.map(|announced| (TRAILER, announced)));
    let is_ours = |name: &&HeaderName| name.as_str().starts_with(OUR_PREFIX);
    let ours: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    // It would lead callers past the gateway (RFC 7838).
    headers.remove(ALT_SVC);
}

/// How a request came.
pub(crate) struct Inbound {
    pub(crate) caller: Caller,
    pub(crate) version: Version,
    /// A body comes whose length only HTTP/2 would tell.
    pub(crate) is_streamed: bool,
    /// The protocol that it may change to.
    pub(crate) protocol: Option<HeaderValue>,
}

/// RFC 9110 section 7.6.3, under a name that gives no address away.
const fn via(version: Version) -> &'static str {
    match version {
        Version::HTTP_2 => "2.0 doorward",
        Version::HTTP_10 => "1.0 doorward",
        _ => "1.1 doorward",
    }
}

/// Removes the fields of one connection.
pub(crate) fn strip(headers: &mut HeaderMap) {
    // One look over what is there: mostly nothing is to go.
    if !headers.keys().any(is_of_connection) {
        return;
    }
    let named: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in OF_CONNECTION {
        headers.remove(name);
    }
}

/// Fields of one connection.
const OF_CONNECTION: [HeaderName; 10] = [
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
];

fn is_of_connection(name: &HeaderName) -> bool {
    // By its first letter most are none.
    let first = name.as_str().as_bytes().first();
    let may_be = matches!(first, Some(b'c' | b'k' | b'p' | b't' | b'u' | b'h'));
    may_be && OF_CONNECTION.contains(name)
}

/// From the socket, never from the caller: `identity` removed what it sent.
fn set_forwarded(headers: &mut HeaderMap, caller: Caller) {
    let Some(host) = headers.get(HOST).cloned() else {
        return;
    };
    let peer = caller.peer.0;
    let scheme = if caller.is_secure { "https" } else { "http" };
    let address = peer.to_string();
    let (open, close) = match peer {
        IpAddr::V4(_) => ("", ""),
        IpAddr::V6(_) => ("\"[", "]\""),
    };
    // The gate saw that a Host has no quotation mark.
    let named = host.to_str().unwrap_or_default();
    let mut forwarded = String::with_capacity(40 + address.len() + named.len());
    for part in [
        "for=",
        open,
        &address,
        close,
        ";host=\"",
        named,
        "\";proto=",
        scheme,
    ] {
        forwarded.push_str(part);
    }
    if let (Ok(address), Ok(forwarded)) = (
        HeaderValue::try_from(address),
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

    use http::{HeaderMap, HeaderName, HeaderValue, Version};

    use super::{Inbound, to_caller, to_upstream};
    use crate::{arrival::Caller, gateway::Peer, identity::Names};

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
        let inbound = Inbound {
            caller,
            version: Version::HTTP_11,
            is_streamed: false,
            protocol: None,
        };
        to_upstream(&mut headers, inbound, &Names::new(&[]));
        headers
    }

    #[test]
    fn fields_of_the_connection_end_here() {
        let headers = forwarded(
            &[
                ("host", "api.test"),
                ("connection", "close, X-Mine"),
                ("x-mine", "1"),
                ("te", "gzip"),
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
            "via",
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
    fn via_names_every_hop() {
        let headers = forwarded(&[("host", "a"), ("via", "1.0 first")], "::1");
        let hops: Vec<_> = headers.get_all("via").iter().collect();
        assert_eq!(hops, ["1.0 first", "1.1 doorward"]);
    }

    #[test]
    fn gwy_028_the_upstream_does_not_speak_for_the_gateway() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-doorward-subject",
            "x-doorward-anything",
            "alt-svc",
            "connection",
            "keep-alive",
            "proxy-authenticate",
            "upgrade",
            "set-cookie",
            "content-type",
        ] {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        headers.append("connection", HeaderValue::from_static("x-hop"));
        headers.insert("x-hop", HeaderValue::from_static("1"));
        to_caller(&mut headers);
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["content-type", "set-cookie"]);
    }

    #[test]
    fn trailers_are_announced_anew() {
        let fields = [
            ("host", "a"),
            ("transfer-encoding", "chunked"),
            ("te", "trailers"),
            ("trailer", "X-Sum, X-Doorward-Subject"),
        ];
        let headers = forwarded(&fields, "::1");
        assert_eq!(headers["te"], "trailers");
        assert_eq!(headers["connection"], "te");
        assert_eq!(headers["trailer"], "X-Sum");
        let mut headers = HeaderMap::new();
        headers.insert("trailer", HeaderValue::from_static("x-sum, set-cookie"));
        to_caller(&mut headers);
        assert_eq!(headers["trailer"], "x-sum");
    }

    #[test]
    fn a_chunked_body_stays_chunked() {
        let headers = forwarded(&[("host", "a"), ("transfer-encoding", "chunked")], "::1");
        assert_eq!(headers["transfer-encoding"], "chunked");
    }
}
