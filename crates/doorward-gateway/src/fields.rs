//! Which of the fields that judging asks for a request has.
//!
//! Nearly all of them are absent from nearly all requests, and to look for each
//! by its name costs more than all other checks together. So the names are looked
//! at once, and a check whose field is not there has nothing to do.
//!
//! This is no check by itself: it says what *may* be there, and whoever asks reads
//! the fields. INVARIANT: made after the last field was added to a request that is
//! judged; to take some away makes nothing wrong.

use doorward_verify::proof::DPOP;
use http::{
    HeaderMap, HeaderName,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE},
};

use crate::{
    api_key::X_API_KEY,
    identity::{Names, is_spelling},
};

/// What a request has; see [`Fields::have`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fields(u16);

/// Fields of a request, all of one kind together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    /// More than one line of any name.
    Repeated,
    /// Those that only the gateway may set.
    Reserved,
    /// Content-Length and Transfer-Encoding.
    Framing,
    /// The same, in another spelling.
    FramingAlias,
    Connection,
    Expect,
    Upgrade,
    Dpop,
    /// X-API-Key, in any spelling.
    ApiKey,
}

impl Field {
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl Fields {
    /// What `headers` have; `names` are those that only the gateway may set.
    pub(crate) fn of(headers: &HeaderMap, names: &Names) -> Self {
        let repeated = match headers.len() == headers.keys_len() {
            true => 0,
            false => Field::Repeated.bit(),
        };
        let seen = headers.keys().fold(repeated, |seen, name| {
            let reserved = match names.is_reserved(name.as_str()) {
                true => Field::Reserved.bit(),
                false => 0,
            };
            seen | reserved | field(name).map_or(0, Field::bit)
        });
        Self(seen)
    }

    /// Whether a `field` may be there; if not, none is.
    pub(crate) const fn have(self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }
}

fn field(name: &HeaderName) -> Option<Field> {
    match *name {
        CONTENT_LENGTH | TRANSFER_ENCODING => Some(Field::Framing),
        CONNECTION => Some(Field::Connection),
        EXPECT => Some(Field::Expect),
        UPGRADE => Some(Field::Upgrade),
        // Asked for where it is read, because nearly every request has it.
        AUTHORIZATION => None,
        _ => unregistered(name.as_str()),
    }
}

/// As [`field`], of a name that is none of those that everybody knows.
fn unregistered(name: &str) -> Option<Field> {
    if name == DPOP.as_str() {
        Some(Field::Dpop)
    } else if is_spelling(name, X_API_KEY.as_str()) {
        Some(Field::ApiKey)
    } else if is_spelling(name, "content-length") || is_spelling(name, "transfer-encoding") {
        Some(Field::FramingAlias)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Field, Fields};
    use crate::identity::Names;

    const ALL: [Field; 9] = [
        Field::Repeated,
        Field::Reserved,
        Field::Framing,
        Field::FramingAlias,
        Field::Connection,
        Field::Expect,
        Field::Upgrade,
        Field::Dpop,
        Field::ApiKey,
    ];

    fn seen(names: &[&str]) -> Vec<Field> {
        let mut headers = HeaderMap::new();
        for name in [
            "host",
            "user-agent",
            "authorization",
            "accept",
            "cookie",
            "x-own",
        ] {
            headers.append(name, HeaderValue::from_static("1"));
        }
        for name in names {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static("1"));
        }
        let fields = Fields::of(&headers, &Names::new(&["Accept-Own".into()]));
        ALL.into_iter()
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
            (&["Content-Length", "transfer-encoding"], Field::Framing),
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
            [Field::Expect, Field::Dpop]
        );
    }
}
