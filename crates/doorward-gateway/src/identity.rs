//! Who the caller is, as the API behind the gateway hears it.
//!
//! The API trusts these headers, so nobody else may write them: every field
//! that a server could take for one of them is removed from the request before
//! anything else, in every spelling (letter case, `_` or `.` for `-`: a CGI
//! server makes one variable of all of them), and ours are set last. Fields by
//! which a caller could give another path, method or address are removed with
//! them. Which of ours an upstream gets can be chosen ([`IdentityHeaders`]); what it
//! does not get is removed all the same
//! (`gwy_012_what_the_api_is_not_told_callers_cannot_say_either`).
//!
//! INVARIANT: no byte of a caller reaches a reserved header except through a
//! verified token, and then percent-encoded; or as the `traceparent` and
//! `tracestate` of a context that is exactly valid (`trace`), which say nothing
//! of who the caller is.

mod headers;

use std::{collections::HashSet, fmt::Write as _};

use doorward_policy::decision::{Decision, Step};
use doorward_verify::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue, header::AUTHORIZATION};

pub use self::headers::{IdentityHeader, IdentityHeaders};
use crate::internal_token::Tokens;

/// `sub` of the proven caller.
pub const SUBJECT: HeaderName = HeaderName::from_static("x-doorward-subject");
/// Tenant of the proven caller.
pub const TENANT: HeaderName = HeaderName::from_static("x-doorward-tenant");
/// Roles of the proven caller, separated by commas.
pub const ROLES: HeaderName = HeaderName::from_static("x-doorward-roles");
/// Session of the proven caller.
pub const SESSION: HeaderName = HeaderName::from_static("x-doorward-session");
/// Issuer of the proven caller's token, where it is another one's: its
/// subjects are not ours.
pub const ISSUER: HeaderName = HeaderName::from_static("x-doorward-issuer");
/// Every one of them.
pub(crate) const OURS: [HeaderName; 5] = [SUBJECT, ISSUER, TENANT, ROLES, SESSION];
/// The trace id, for callers and upstreams.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// W3C Trace Context.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Of fields that only the gateway may set, in an answer as well.
pub(crate) const OUR_PREFIX: &str = "x-doorward-";

/// Whatever starts so is written by gateways and proxies only.
const RESERVED_PREFIXES: &[&str] = &[
    "x-forwarded-",
    "x-original-",
    "x-rewrite-", // address and target, from the socket only
    "x-envoy-",   // what an edge proxy says of the caller
    "x-accel-",   // paths of files, for nginx and Rack
];

/// Whatever starts so says who the caller is.
const IDENTITY_PREFIXES: &[&str] = &[
    OUR_PREFIX,
    "x-auth-request-",
    "x-authenticated-",
    "x-webauth-",
    "x-remote-", // nginx, Grafana, Kubernetes
    "x-goog-authenticated-user-",
    "x-ms-client-principal",
    "x-amzn-oidc-", // clouds
    "x-pomerium-",
    "x-consumer-",
    "x-credential-",
    "x-ssl-client-",
    "ssl-client-",
    "x-client-cert",
];

/// Fields that APIs behind other proxies take for the caller's identity.
const IDENTITY_NAMES: &[&str] = &[
    "x-user",
    "x-user-id",
    "x-userid",
    "x-user-name",
    "x-username",
    "x-user-email",
    "x-email",
    "x-user-role",
    "x-user-roles",
    "x-user-groups",
    "x-groups",
    "x-roles",
    "x-subject",
    "x-auth-user",
    "x-auth-user-id",
    "x-auth-username",
    "x-auth-email",
    "x-auth-subject",
    "x-auth-sub",
    "x-auth-roles",
    "x-auth-groups",
    "remote-user",
    "remote-groups",
    "remote-email",
    "remote-name",
    "x-jwt-assertion",
    "x-jwt-payload",
    "x-jwt-claims",
    "x-anonymous-consumer",
    "cf-access-authenticated-user-email",
    "cf-access-jwt-assertion",
];

/// Fields that they take for address, path or method.
const RESERVED_NAMES: &[&str] = &[
    // Path and method.
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-http-path-override",
    "x-host",
    "x-http-host-override",
    "x-proxy-url",
    "x-sendfile-type",
    // Address.
    "forwarded",
    "x-forwarded",
    "forwarded-for",
    "x-real-ip",
    "x-client-ip",
    "client-ip",
    "true-client-ip",
    "x-cluster-client-ip",
    "cf-connecting-ip",
    "fastly-client-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-appengine-user-ip",
    "x-proxyuser-ip",
    "x-originating-ip",
    "x-scheme",
    "front-end-https",
    "x-url-scheme",
    // `Proxy` becomes HTTP_PROXY behind CGI (CVE-2016-5385).
    "proxy",
    // The trace is ours.
    "x-request-id",
    "traceparent",
    "tracestate",
];

/// The reserved names, with those of the configuration.
#[derive(Debug)]
pub(crate) struct Names {
    names: HashSet<Box<[u8]>>,
    /// Those among them that say who the caller is.
    identity: HashSet<Box<[u8]>>,
    /// What begins with each byte.
    initials: [Initial; 256],
}

/// Reserved names that begin with the same byte: by that and their length most
/// fields are none of them.
#[derive(Clone, Copy, Debug, Default)]
struct Initial {
    /// A bit for each length; [`MAX_NAME`] is the last.
    lengths: u128,
    has_prefixes: bool,
}

impl Names {
    pub(crate) fn new(more: &[String]) -> Self {
        let built_in = |names: &'static [&str]| names.iter().map(|name| name.as_bytes().into());
        let more = more.iter().map(|name| Folded::of(name).bytes().into());
        let identity: HashSet<Box<[u8]>> = built_in(IDENTITY_NAMES).chain(more).collect();
        let names = built_in(RESERVED_NAMES).chain(identity.iter().cloned());
        let names: HashSet<Box<[u8]>> = names.collect();
        // An empty name is no field's.
        let mut initials = [Initial::default(); 256];
        for prefix in RESERVED_PREFIXES.iter().chain(IDENTITY_PREFIXES) {
            if let Some(byte) = prefix.bytes().next() {
                initials[usize::from(byte)].has_prefixes = true;
            }
        }
        for name in &names {
            if let Some(byte) = name.first() {
                initials[usize::from(*byte)].lengths |= 1 << name.len();
            }
        }
        Self {
            names,
            identity,
            initials,
        }
    }

    /// Whether only the gateway may set `name`.
    pub(crate) fn is_reserved(&self, name: &str) -> bool {
        let Some(first) = name.bytes().next().map(fold) else {
            return false;
        };
        let initial = self.initials[usize::from(first)];
        let may_be_one = initial.lengths >> name.len().min(MAX_NAME) & 1 != 0;
        if !may_be_one && !initial.has_prefixes {
            return false;
        }
        let folded = Folded::of(name);
        let folded = folded.bytes();
        starts_with_one(folded, RESERVED_PREFIXES)
            || starts_with_one(folded, IDENTITY_PREFIXES)
            || may_be_one && self.names.contains(folded)
    }

    /// Whether `name`, in any spelling, says who the caller is.
    pub(crate) fn is_identity(&self, name: &str) -> bool {
        let folded = Folded::of(name);
        let folded = folded.bytes();
        starts_with_one(folded, IDENTITY_PREFIXES) || self.identity.contains(folded)
    }

    /// Removes what only the gateway may set.
    pub(crate) fn strip(&self, headers: &mut HeaderMap, decision: &mut Decision) {
        let reserved = headers
            .keys()
            .filter(|name| self.is_reserved(name.as_str()));
        let reserved: Vec<HeaderName> = reserved.cloned().collect();
        for name in &reserved {
            headers.remove(name);
        }
        if !reserved.is_empty() {
            let names: Vec<_> = reserved.iter().map(HeaderName::as_str).collect();
            decision.pass(Step::Request, format!("removed {}", names.join(", ")));
        }
    }
}

fn starts_with_one(folded: &[u8], prefixes: &[&str]) -> bool {
    let mut prefixes = prefixes.iter();
    prefixes.any(|prefix| folded.starts_with(prefix.as_bytes()))
}

/// Longest name that is told apart; of a longer one the front is judged.
const MAX_NAME: usize = 64;

/// The one spelling of a header name that CGI-like servers could make of it:
/// lower case, and a dash for everything that is neither letter nor digit.
pub(crate) struct Folded {
    bytes: [u8; MAX_NAME],
    length: usize,
}

impl Folded {
    pub(crate) fn of(name: &str) -> Self {
        let mut folded = Self {
            bytes: [0; MAX_NAME],
            length: name.len().min(MAX_NAME),
        };
        for (to, from) in folded.bytes.iter_mut().zip(name.bytes()) {
            *to = fold(from);
        }
        folded
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

const fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

/// Whether `name` is `canonical` in another spelling.
pub(crate) fn is_alias(name: &HeaderName, canonical: &HeaderName) -> bool {
    name != canonical && is_spelling(name.as_str(), canonical.as_str())
}

/// Whether `name` is a spelling of `canonical`, which may be its own.
pub(crate) fn is_spelling(name: &str, canonical: &str) -> bool {
    name.len() == canonical.len() && name.bytes().map(fold).eq(canonical.bytes())
}

/// The proven caller's headers, ready to set.
#[derive(Debug)]
pub(crate) struct Identity {
    principal: Principal,
    told: IdentityHeaders,
    /// An internal token, where the upstream gets one.
    authorization: Option<HeaderValue>,
}

/// What is made once for each token that is remembered, and not for each request.
#[derive(Debug)]
pub(crate) struct Kept {
    fields: Vec<CallerField>,
    /// What upstreams get in the token's place.
    pub(crate) tokens: Tokens,
}

/// One of a caller's fields.
#[derive(Debug)]
struct CallerField {
    /// Which it is; none for the one that always goes along.
    header: Option<IdentityHeader>,
    name: HeaderName,
    value: HeaderValue,
}

impl Kept {
    /// What belongs to `principal`.
    pub(crate) fn of(principal: &Principal) -> Self {
        Self {
            fields: fields(principal),
            tokens: Tokens::default(),
        }
    }
}

fn fields(principal: &Principal) -> Vec<CallerField> {
    use IdentityHeader::{Roles, Session, Subject, Tenant};

    let roles: Vec<String> = principal.roles().iter().map(|role| encode(role)).collect();
    let roles = Some(roles.join(",")).filter(|roles| !roles.is_empty());
    let values = [
        (Some(Subject), SUBJECT, Some(encode(principal.subject()))),
        (None, ISSUER, principal.foreign_issuer().map(encode)),
        (Some(Tenant), TENANT, principal.tenant().map(encode)),
        (Some(Roles), ROLES, roles),
        (Some(Session), SESSION, principal.session_id().map(encode)),
    ];
    let field = |(header, name, value): (_, _, Option<String>)| {
        Some(CallerField {
            header,
            name,
            // `encode` leaves only visible ASCII; a value that still were none
            // would be left out, and the API would see no identity.
            value: HeaderValue::try_from(value?).ok()?,
        })
    };
    values.into_iter().filter_map(field).collect()
}

impl Identity {
    /// The headers of `principal`, as far as they are `told`.
    pub(crate) fn of(principal: &Principal, told: IdentityHeaders) -> Self {
        Self {
            principal: principal.clone(),
            told,
            authorization: None,
        }
    }

    /// With an internal token.
    pub(crate) fn with_token(self, authorization: HeaderValue) -> Self {
        Self {
            authorization: Some(authorization),
            ..self
        }
    }

    /// Sets them, in place of whatever may be there.
    pub(crate) fn set(&self, headers: &mut HeaderMap) {
        // What is kept is all, as gateways with other settings may share the verifier.
        for field in &self.principal.keep(Kept::of).fields {
            if field.header.is_none_or(|header| self.told.contain(header)) {
                headers.insert(&field.name, field.value.clone());
            }
        }
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
    }
}

/// Visible ASCII stays; everything else, `%` and the list's comma become
/// percent escapes of their UTF-8 bytes.
fn encode(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && byte != b'%' && byte != b',';
    if text.bytes().all(is_plain) {
        return text.to_owned();
    }
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if is_plain(byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::{Decision, TraceId};
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{
        Folded, IDENTITY_NAMES, IDENTITY_PREFIXES, Names, RESERVED_NAMES, RESERVED_PREFIXES, encode,
    };

    fn survives(name: &str) -> bool {
        let mut headers = HeaderMap::new();
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        headers.append(&name, HeaderValue::from_static("1"));
        headers.append(&name, HeaderValue::from_static("2"));
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
        Names::new(&["X-Own-Name".into()]).strip(&mut headers, &mut decision);
        !headers.is_empty()
    }

    #[test]
    fn gwy_012_every_spelling_of_a_reserved_name_is_removed() {
        let prefixed = RESERVED_PREFIXES.iter().chain(IDENTITY_PREFIXES);
        let prefixed = prefixed.map(|prefix| format!("{prefix}x"));
        let names = RESERVED_NAMES
            .iter()
            .chain(IDENTITY_NAMES)
            .map(|name| (*name).to_owned())
            .chain(prefixed);
        for name in names.chain(["x-own-name".to_owned()]) {
            for spelling in [
                name.clone(),
                name.to_uppercase(),
                name.replace('-', "_"),
                name.replace('-', "."),
                name.replacen('-', "_", 1),
            ] {
                assert!(!survives(&spelling), "{spelling} survived");
            }
        }
    }

    #[test]
    fn other_fields_stay() {
        for name in [
            "x-api-key",
            "cookie",
            "accept",
            "x-tenant-hint",
            "user-agent",
            "x-doorwardx",
        ] {
            assert!(survives(name), "{name} was removed");
        }
    }

    #[test]
    fn the_table_is_written_in_its_folded_form() {
        let prefixes = RESERVED_PREFIXES.iter().chain(IDENTITY_PREFIXES);
        for name in RESERVED_NAMES.iter().chain(IDENTITY_NAMES).chain(prefixes) {
            assert_eq!(Folded::of(name).bytes(), name.as_bytes());
        }
    }

    #[test]
    fn clm_027_no_value_can_break_a_header() {
        assert_eq!(encode("a\r\nX-Role: admin\0"), "a%0D%0AX-Role:%20admin%00");
        assert_eq!(encode("é,%"), "%C3%A9%2C%25");
        let hostile: String = (0..=255).map(char::from).collect();
        assert!(encode(&hostile).bytes().all(|byte| byte.is_ascii_graphic()));
    }
}
