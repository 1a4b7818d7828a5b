//! Fields that belong to one connection and end at the gateway (RFC 9110
//! section 7.6.1), and those in which it says whom it forwards for (RFC 7239).

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        ALT_SVC, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, FORWARDED, PROXY_AUTHENTICATE,
        PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
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
/// the caller's connection goes, and the token goes.
pub(crate) fn to_upstream(headers: &mut HeaderMap, inbound: Inbound, names: &Names) {
    let seen = Seen::of(headers);
    let is_chunked = seen.has(&TRANSFER_ENCODING)
        || inbound.is_streamed && !headers.contains_key(CONTENT_LENGTH);
    let announces = seen.has(&TRAILER).then_some(Way::ToUpstream(names));
    let announced = announces.and_then(|way| way.announced(headers));
    let takes_trailers = seen.has(&TE) && trailers::are_taken(headers);
    seen.strip(headers);
    // The API needs no token: it gets the identity. A token that it logged
    // would be one that can be stolen there.
    seen.remove(bit(&EXPECT) | bit(&AUTHORIZATION) | bit(&DPOP), headers);
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
}

/// Says through whom a request of this `version` came, and who asked.
pub(crate) fn introduce(
    headers: &mut HeaderMap,
    version: Version,
    introduction: Option<&Introduction>,
) {
    headers.append(VIA, HeaderValue::from_static(via(version)));
    if let Some(introduction) = introduction {
        introduction.set(headers);
    }
}

/// Makes the upstream's fields those of the answer: what belongs to its
/// connection goes, and what only the gateway may say.
pub(crate) fn to_caller(headers: &mut HeaderMap) {
    let seen = Seen::of(headers);
    let announces = seen.has(&TRAILER).then_some(Way::ToCaller);
    let announced = announces.and_then(|way| way.announced(headers));
    seen.strip(headers);
    headers.extend(announced.map(|announced| (TRAILER, announced)));
    let is_ours = |name: &&HeaderName| name.as_str().starts_with(OUR_PREFIX);
    let ours: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
    for name in ours {
        headers.remove(name);
    }
    // It would lead callers past the gateway (RFC 7838).
    seen.remove(bit(&ALT_SVC), headers);
}

/// How a request came.
pub(crate) struct Inbound {
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

/// Fields that end here, each with its [`bit`].
static FIELDS: [(HeaderName, u16); 14] = [
    (CONNECTION, 1),
    (TE, 1 << 1),
    (TRAILER, 1 << 2),
    (TRANSFER_ENCODING, 1 << 3),
    (UPGRADE, 1 << 4),
    (PROXY_AUTHENTICATE, 1 << 5),
    (PROXY_AUTHORIZATION, 1 << 6),
    (KEEP_ALIVE, 1 << 7),
    (PROXY_CONNECTION, 1 << 8),
    (HTTP2_SETTINGS, 1 << 9),
    // Not of one connection: they end here in one direction.
    (EXPECT, 1 << 10),
    (AUTHORIZATION, 1 << 11),
    (DPOP, 1 << 12),
    (ALT_SVC, 1 << 13),
];

/// Those of one connection.
const OF_CONNECTION: u16 = (1 << 10) - 1;

/// Which of [`FIELDS`] are there: found in one look, because looking for each of
/// them by its name costs more than all the rest.
#[derive(Clone, Copy)]
struct Seen(u16);

impl Seen {
    fn of(headers: &HeaderMap) -> Self {
        Self(headers.keys().fold(0, |seen, name| seen | bit(name)))
    }

    /// Whether `name`, one of [`FIELDS`], is there.
    fn has(self, name: &HeaderName) -> bool {
        self.0 & bit(name) != 0
    }

    /// Removes the fields of one connection.
    fn strip(self, headers: &mut HeaderMap) {
        if self.has(&CONNECTION) {
            remove_named(headers);
        }
        self.remove(OF_CONNECTION, headers);
    }

    /// Removes those of `wanted` that are there.
    fn remove(self, wanted: u16, headers: &mut HeaderMap) {
        let mut left = self.0 & wanted;
        for (name, bit) in &FIELDS {
            if left == 0 {
                return;
            }
            if left & bit != 0 {
                headers.remove(name);
                left &= !bit;
            }
        }
    }
}

/// The bit of `name`, or none.
fn bit(name: &HeaderName) -> u16 {
    match *name {
        CONNECTION => 1,
        TE => 1 << 1,
        TRAILER => 1 << 2,
        TRANSFER_ENCODING => 1 << 3,
        UPGRADE => 1 << 4,
        PROXY_AUTHENTICATE => 1 << 5,
        PROXY_AUTHORIZATION => 1 << 6,
        EXPECT => 1 << 10,
        AUTHORIZATION => 1 << 11,
        ALT_SVC => 1 << 13,
        _ => match name.as_str() {
            "keep-alive" => 1 << 7,
            "proxy-connection" => 1 << 8,
            "http2-settings" => 1 << 9,
            "dpop" => 1 << 12,
            _ => 0,
        },
    }
}

/// Removes what Connection names.
fn remove_named(headers: &mut HeaderMap) {
    // Mostly a word that names no field: this one goes in any case.
    if connection_options(headers).all(|option| option == b"keep-alive") {
        return;
    }
    let named: Vec<HeaderName> = connection_options(headers)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect();
    for name in named {
        headers.remove(name);
    }
}

/// Who asked, as the upstream hears it: from the socket, never from the caller,
/// whose own words `identity` removed.
#[derive(Debug)]
pub(crate) struct Introduction {
    caller: Caller,
    host: HeaderValue,
    address: HeaderValue,
    forwarded: HeaderValue,
}

impl Introduction {
    /// Of `caller`, who asked for `host`.
    pub(crate) fn new(caller: Caller, host: &HeaderValue) -> Option<Self> {
        let peer = caller.peer.0;
        let address = peer.to_string();
        let (open, close) = match peer {
            IpAddr::V4(_) => ("", ""),
            IpAddr::V6(_) => ("\"[", "]\""),
        };
        // The gate saw that a Host has no quotation mark.
        let named = host.to_str().unwrap_or_default();
        let scheme = scheme(caller);
        let forwarded = format!("for={open}{address}{close};host=\"{named}\";proto={scheme}");
        Some(Self {
            caller,
            // A copy: this one is a piece of what was read.
            host: HeaderValue::from_bytes(host.as_bytes()).ok()?,
            address: HeaderValue::try_from(address).ok()?,
            forwarded: HeaderValue::try_from(forwarded).ok()?,
        })
    }

    /// Whether it is that of `caller`, who asks for `host`.
    pub(crate) fn is_of(&self, caller: Caller, host: &HeaderValue) -> bool {
        self.caller == caller && self.host == host
    }

    fn set(&self, headers: &mut HeaderMap) {
        let scheme = HeaderValue::from_static(scheme(self.caller));
        headers.insert(X_FORWARDED_FOR, self.address.clone());
        headers.insert(FORWARDED, self.forwarded.clone());
        headers.insert(X_FORWARDED_PROTO, scheme);
        headers.insert(X_FORWARDED_HOST, self.host.clone());
    }
}

const fn scheme(caller: Caller) -> &'static str {
    match caller.is_secure {
        true => "https",
        false => "http",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::{HeaderMap, HeaderName, HeaderValue, Version};

    use super::{Inbound, Introduction, introduce, to_caller, to_upstream};
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
        let host = headers.get("host");
        let introduction = host.and_then(|host| Introduction::new(caller, host));
        let inbound = Inbound {
            is_streamed: false,
            protocol: None,
        };
        to_upstream(&mut headers, inbound, &Names::new(&[]));
        introduce(&mut headers, Version::HTTP_11, introduction.as_ref());
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
    fn each_field_has_the_bit_that_it_is_removed_by() {
        for (name, bit) in &super::FIELDS {
            assert_eq!(super::bit(name), *bit, "{name}");
        }
        assert_eq!(super::bit(&HeaderName::from_static("accept")), 0);
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
