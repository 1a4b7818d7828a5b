//! Which of the fields that somebody here asks for a head has.
//!
//! Nearly all of them are absent from nearly all heads, and to look for each by its
//! name costs more than all other checks together. So the names are looked at once,
//! and whoever's field is not there has nothing to do: the judges of a request, and
//! what ends fields here, both ways (`hop`).
//!
//! This is no check by itself: it says what *may* be there, and whoever asks reads
//! the fields. INVARIANT: made after the last field was added to a head by its
//! sender; to take some away makes nothing wrong.

use doorward_verify::proof::DPOP;
use http::{
    HeaderMap, HeaderName,
    header::{
        ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, ALT_SVC, AUTHORIZATION, CACHE_CONTROL,
        CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, DATE, ETAG, EXPECT,
        HOST, LAST_MODIFIED, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, SERVER,
        SET_COOKIE, TE, TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT, VARY,
    },
};

use crate::{
    api_key::X_API_KEY,
    identity::{Names, OUR_PREFIX, is_spelling},
};

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// What a head has; see [`Fields::have`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields(u32);

/// A field, or fields of one kind together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// More than one line of any name.
    Repeated,
    /// Those that only the gateway may set.
    Reserved,
    /// Content-Length and Transfer-Encoding, in another spelling.
    FramingAlias,
    /// X-API-Key, in any spelling.
    ApiKey,
    AltSvc,
    Authorization,
    Connection,
    ContentLength,
    Dpop,
    Expect,
    Http2Settings,
    KeepAlive,
    ProxyAuthenticate,
    ProxyAuthorization,
    ProxyConnection,
    Te,
    Trailer,
    TransferEncoding,
    Upgrade,
}

/// Those that are one field, the usual ones first.
static NAMED: [(HeaderName, Field); 15] = [
    (AUTHORIZATION, Field::Authorization),
    (CONNECTION, Field::Connection),
    (KEEP_ALIVE, Field::KeepAlive),
    (CONTENT_LENGTH, Field::ContentLength),
    (TRANSFER_ENCODING, Field::TransferEncoding),
    (ALT_SVC, Field::AltSvc),
    (DPOP, Field::Dpop),
    (EXPECT, Field::Expect),
    (HTTP2_SETTINGS, Field::Http2Settings),
    (PROXY_AUTHENTICATE, Field::ProxyAuthenticate),
    (PROXY_AUTHORIZATION, Field::ProxyAuthorization),
    (PROXY_CONNECTION, Field::ProxyConnection),
    (TE, Field::Te),
    (TRAILER, Field::Trailer),
    (UPGRADE, Field::Upgrade),
];

impl Field {
    const fn bit(self) -> u32 {
        1 << self as u32
    }
}

impl Fields {
    /// What the `headers` of a request have; `names` are those that only the gateway
    /// may set.
    pub(crate) fn of(headers: &HeaderMap, names: &Names) -> Self {
        Self::seen(headers, |name| names.is_reserved(name))
    }

    /// What the `headers` of an upstream's answer have.
    pub(crate) fn of_answer(headers: &HeaderMap) -> Self {
        Self::seen(headers, |name| name.starts_with(OUR_PREFIX))
    }

    fn seen(headers: &HeaderMap, is_reserved: impl Fn(&str) -> bool) -> Self {
        let repeated = match headers.len() == headers.keys_len() {
            true => 0,
            false => Field::Repeated.bit(),
        };
        let seen = headers.keys().fold(repeated, |seen, name| {
            let reserved = match is_reserved(name.as_str()) {
                true => Field::Reserved.bit(),
                false => 0,
            };
            seen | reserved | field(name).map_or(0, Field::bit)
        });
        Self(seen)
    }

    /// These fields and no others.
    pub(crate) const fn only(fields: &[Field]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < fields.len() {
            bits |= fields[at].bit();
            at += 1;
        }
        Self(bits)
    }

    /// Whether a `field` may be there; if not, none is.
    pub(crate) const fn have(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// Removes from `headers`, whose fields these are, those of `ending`, which has
    /// only such as are in [`NAMED`].
    pub(crate) fn remove(self, ending: Self, headers: &mut HeaderMap) {
        let mut left = self.0 & ending.0;
        for (name, field) in &NAMED {
            if left == 0 {
                return;
            }
            if left & field.bit() != 0 {
                headers.remove(name);
                left &= !field.bit();
            }
        }
        debug_assert_eq!(left, 0, "a kind of fields that has no name");
    }
}

fn field(name: &HeaderName) -> Option<Field> {
    Some(match *name {
        ALT_SVC => Field::AltSvc,
        AUTHORIZATION => Field::Authorization,
        CONNECTION => Field::Connection,
        CONTENT_LENGTH => Field::ContentLength,
        EXPECT => Field::Expect,
        PROXY_AUTHENTICATE => Field::ProxyAuthenticate,
        PROXY_AUTHORIZATION => Field::ProxyAuthorization,
        TE => Field::Te,
        TRAILER => Field::Trailer,
        TRANSFER_ENCODING => Field::TransferEncoding,
        UPGRADE => Field::Upgrade,
        // Nearly all others are one of these, and nobody here asks for them.
        ACCEPT | ACCEPT_ENCODING | ACCEPT_LANGUAGE | CACHE_CONTROL | CONTENT_ENCODING
        | CONTENT_TYPE | COOKIE | DATE | ETAG | HOST | LAST_MODIFIED | ORIGIN | REFERER
        | SERVER | SET_COOKIE | USER_AGENT | VARY => return None,
        _ => return unregistered(name.as_str()),
    })
}

/// As [`field`], of a name that is none of those that everybody knows.
fn unregistered(name: &str) -> Option<Field> {
    match name {
        "dpop" => Some(Field::Dpop),
        "keep-alive" => Some(Field::KeepAlive),
        "proxy-connection" => Some(Field::ProxyConnection),
        "http2-settings" => Some(Field::Http2Settings),
        name if is_spelling(name, X_API_KEY.as_str()) => Some(Field::ApiKey),
        name if is_spelling(name, "content-length") || is_spelling(name, "transfer-encoding") => {
            Some(Field::FramingAlias)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Field, Fields, NAMED, field};
    use crate::identity::Names;

    const KINDS: [Field; 4] = [
        Field::Repeated,
        Field::Reserved,
        Field::FramingAlias,
        Field::ApiKey,
    ];

    fn seen(names: &[&str]) -> Vec<Field> {
        let mut headers = HeaderMap::new();
        for name in ["host", "user-agent", "accept", "cookie", "x-own"] {
            headers.append(name, HeaderValue::from_static("1"));
        }
        for name in names {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static("1"));
        }
        let fields = Fields::of(&headers, &Names::new(&["Accept-Own".into()]));
        let named = NAMED.iter().map(|(_, field)| *field);
        KINDS
            .into_iter()
            .chain(named)
            .filter(|field| fields.have(*field))
            .collect()
    }

    #[test]
    fn each_field_is_seen_in_every_spelling_that_counts() {
        assert_eq!(seen(&[]), []);
        for (names, field) in [
            (&["cookie"][..], Field::Repeated),
            (
                &["x-forwarded-for", "X_Real.IP", "accept.own"],
                Field::Reserved,
            ),
            (&["Content-Length"], Field::ContentLength),
            (&["transfer-encoding"], Field::TransferEncoding),
            (&["authorization"], Field::Authorization),
            (
                &["content_length", "transfer.encoding", "Transfer_Encoding"],
                Field::FramingAlias,
            ),
            (&["Connection"], Field::Connection),
            (&["expect"], Field::Expect),
            (&["upgrade"], Field::Upgrade),
            (&["DPoP"], Field::Dpop),
            (&["X-API-Key", "x_api_key", "x.api-key"], Field::ApiKey),
        ] {
            for name in names {
                assert_eq!(seen(&[name]), [field], "{name}");
            }
        }
        assert_eq!(
            seen(&["expect", "te", "dpop"]),
            [Field::Dpop, Field::Expect, Field::Te]
        );
    }

    #[test]
    fn each_field_is_seen_by_the_name_that_it_is_removed_by() {
        for (name, named) in &NAMED {
            assert_eq!(field(name), Some(*named), "{name}");
        }
    }

    #[test]
    fn what_an_upstream_may_not_say_is_what_is_ours() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_static("1"));
        assert!(!Fields::of_answer(&headers).have(Field::Reserved));
        headers.insert("x-doorward-subject", HeaderValue::from_static("1"));
        assert!(Fields::of_answer(&headers).have(Field::Reserved));
    }
}
