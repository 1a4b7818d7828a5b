//! Fields that belong to one connection and end at the gateway (RFC 9110
//! section 7.6.1), and those in which it says whom it forwards for (RFC 7239).

use std::net::IpAddr;

use http::{
    HeaderMap, HeaderName, HeaderValue, Version,
    header::{
        CONNECTION, CONTENT_LENGTH, Entry, FORWARDED, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, VIA,
    },
};

use crate::{
    arrival::Caller,
    fields::{Field, Fields},
    gate::connection_options,
    identity::{Names, OUR_PREFIX},
    trailers::{self, Way},
};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Makes the caller's `headers` those of the upstream's request: what belongs to
/// the caller's connection goes, and the token goes. `fields` are what they have.
pub(crate) fn to_upstream(
    headers: &mut HeaderMap,
    fields: Fields,
    inbound: Inbound,
    names: &Names,
) {
    let was_chunked =
        fields.have(Field::TransferEncoding) && headers.contains_key(TRANSFER_ENCODING);
    let is_chunked = was_chunked || inbound.is_streamed && !headers.contains_key(CONTENT_LENGTH);
    let announces = fields
        .have(Field::Trailer)
        .then_some(Way::ToUpstream(names));
    let announced = announces.and_then(|way| way.announced(headers));
    let takes_trailers = fields.have(Field::Te) && trailers::are_taken(headers);
    end_connection(fields, headers);
    fields.remove(OF_CALLER, headers);
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
    headers.append(VIA, via(version));
    if let Some(introduction) = introduction {
        introduction.set(headers);
    }
}

/// Makes the upstream's fields those of the answer: what belongs to its
/// connection goes, and what only the gateway may say.
pub(crate) fn to_caller(headers: &mut HeaderMap) {
    let fields = Fields::of_answer(headers);
    let announces = fields.have(Field::Trailer).then_some(Way::ToCaller);
    let announced = announces.and_then(|way| way.announced(headers));
    end_connection(fields, headers);
    fields.remove(OF_UPSTREAM, headers);
    if let Some(announced) = announced {
        headers.insert(TRAILER, announced);
    }
    if fields.have(Field::Reserved) {
        let is_ours = |name: &&HeaderName| name.as_str().starts_with(OUR_PREFIX);
        let ours: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
        for name in ours {
            headers.remove(name);
        }
    }
}

/// How a request came.
pub(crate) struct Inbound {
    /// A body comes whose length only HTTP/2 would tell.
    pub(crate) is_streamed: bool,
    /// The protocol that it may change to.
    pub(crate) protocol: Option<HeaderValue>,
}

/// RFC 9110 section 7.6.3, under a name that gives no address away.
const fn via(version: Version) -> HeaderValue {
    match version {
        Version::HTTP_2 => const { HeaderValue::from_static("2.0 doorward") },
        Version::HTTP_10 => const { HeaderValue::from_static("1.0 doorward") },
        _ => const { HeaderValue::from_static("1.1 doorward") },
    }
}

/// Fields of one connection, besides Connection.
const OF_CONNECTION: Fields = Fields::only(&[
    Field::Te,
    Field::Trailer,
    Field::TransferEncoding,
    Field::Upgrade,
    Field::ProxyAuthenticate,
    Field::ProxyAuthorization,
    Field::KeepAlive,
    Field::ProxyConnection,
    Field::Http2Settings,
]);

/// The API needs no token: it gets the identity. A token that it logged would be
/// one that can be stolen there.
const OF_CALLER: Fields = Fields::only(&[Field::Expect, Field::Authorization, Field::Dpop]);

/// It would lead callers past the gateway (RFC 7838).
const OF_UPSTREAM: Fields = Fields::only(&[Field::AltSvc]);

/// Removes the fields of one connection, and what Connection names.
fn end_connection(fields: Fields, headers: &mut HeaderMap) {
    if fields.have(Field::Connection) {
        for name in take_named(headers) {
            headers.remove(name);
        }
    }
    fields.remove(OF_CONNECTION, headers);
}

/// Takes Connection away. What it names, but for a word that mostly stands there and
/// names a field that goes in any case.
fn take_named(headers: &mut HeaderMap) -> Vec<HeaderName> {
    let Entry::Occupied(connection) = headers.entry(CONNECTION) else {
        return Vec::new();
    };
    let lines = connection.iter().filter(|line| *line != "keep-alive");
    let named = connection_options(lines)
        .filter_map(|option| HeaderName::from_bytes(option).ok())
        .collect();
    connection.remove();
    named
}

/// Who asked, as the upstream hears it: from the socket, never from the caller,
/// whose own words `identity` removed.
#[derive(Debug)]
pub(crate) struct Introduction {
    caller: Caller,
    scheme: HeaderValue,
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
        let scheme = match caller.is_secure {
            true => "https",
            false => "http",
        };
        let forwarded = format!("for={open}{address}{close};host=\"{named}\";proto={scheme}");
        Some(Self {
            caller,
            scheme: HeaderValue::from_static(scheme),
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
        headers.insert(X_FORWARDED_FOR, self.address.clone());
        headers.insert(FORWARDED, self.forwarded.clone());
        headers.insert(X_FORWARDED_PROTO, self.scheme.clone());
        headers.insert(X_FORWARDED_HOST, self.host.clone());
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::{HeaderMap, HeaderName, HeaderValue, Version};

    use super::{Inbound, Introduction, introduce, to_caller, to_upstream};
    use crate::{arrival::Caller, fields::Fields, gateway::Peer, identity::Names};

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
        let names = Names::new(&[]);
        let fields = Fields::of(&headers, &names);
        to_upstream(&mut headers, fields, inbound, &names);
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
