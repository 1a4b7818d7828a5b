//! The strict gate: a request passes it with one reading, or not at all
//! (RFC 9110 and RFC 9112).
//!
//! What is judged here is what every server behind the gateway could see
//! differently: which host, which target, where the body ends, which fields
//! belong to the connection. The bytes themselves were judged before, in
//! `wire`; `explain`, which has no bytes, asks this gate the same questions.

mod downgrade;
pub(crate) mod upgrade;

use std::net::Ipv6Addr;

use doorward_policy::decision::{Decision, Reason, Step, Text};
use doorward_verify::proof::DPOP;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version,
    header::{AUTHORIZATION, CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING},
    uri::Scheme,
};

use crate::{
    config::Limits,
    fields::{Field, Fields},
    identity,
    path::{CanonicalPath, UNRESERVED},
};

/// A request that passed, its target replaced by the canonical one.
#[derive(Debug)]
pub(crate) struct Admitted<B> {
    /// The request; its URI is the canonical path and the query as received.
    pub(crate) request: Box<Request<B>>,
    /// The same path.
    pub(crate) path: CanonicalPath,
    /// What fields it came with.
    pub(crate) fields: Fields,
}

/// A request that passed and was judged, with what fields it came with.
#[derive(Debug)]
pub(crate) struct Screened<B> {
    pub(crate) request: Box<Request<B>>,
    pub(crate) fields: Fields,
}

/// What a request must keep to.
pub(crate) struct Rules<'r> {
    pub(crate) names: &'r identity::Names,
    pub(crate) limits: &'r Limits,
    /// Protocols that it may change to.
    pub(crate) upgrades: &'r [String],
}

/// Admits `request`, or says in `decision` why not.
pub(crate) fn admit<B>(
    mut request: Box<Request<B>>,
    rules: &Rules<'_>,
    decision: &mut Decision,
) -> Result<Admitted<B>, Reason> {
    let Rules { names, limits, .. } = rules;
    check_method(request.method(), decision)?;
    if request.version() == Version::HTTP_2 {
        downgrade::check(&mut request, decision)?;
    }
    check_sizes(&request, limits, decision)?;
    check_target_form(&request, decision)?;
    check_host(&request, decision)?;
    let fields = Fields::of(request.headers(), names);
    check_framing(&request, fields, decision)?;
    check_credentials(request.headers(), fields, decision)?;
    if fields.have(Field::Connection) {
        check_connection(request.headers(), names, decision)?;
    }
    if fields.have(Field::Expect) {
        check_expectations(request.headers(), decision)?;
    }
    if fields.have(Field::Upgrade) {
        upgrade::check(&request, rules.upgrades, decision)?;
    }
    decision.pass(Step::Request, "well-formed");
    let path = canonical_path(request.uri(), decision)?;
    let is_canonical = request.uri().authority().is_none() && request.uri().path() == path.as_str();
    if !is_canonical {
        *request.uri_mut() = canonical_target(&path, request.uri().query(), decision)?;
    }
    if decision.path != path.as_str() {
        decision.path = Text::copied(path.as_str());
    }
    decision.pass(Step::Path, Text::copied(path.as_str()));
    Ok(Admitted {
        request,
        path,
        fields,
    })
}

fn refuse(decision: &mut Decision, seen: impl Into<Text>, wanted: &'static str) -> Reason {
    decision.fail(Step::Request, Reason::BadRequest, seen, wanted)
}

/// CONNECT asks for a tunnel past every check, TRACE echoes the headers that
/// the gateway adds.
fn check_method(method: &Method, decision: &mut Decision) -> Result<(), Reason> {
    if *method == Method::CONNECT || *method == Method::TRACE {
        let seen = method.as_str().to_owned();
        return Err(decision.fail(
            Step::Request,
            Reason::MethodNotAllowed,
            seen,
            "neither CONNECT nor TRACE",
        ));
    }
    Ok(())
}

fn check_sizes<B>(
    request: &Request<B>,
    limits: &Limits,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let target = request
        .uri()
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > limits.target_bytes {
        let wanted = format!("at most {} bytes", limits.target_bytes);
        return Err(decision.fail(
            Step::Request,
            Reason::TargetTooLong,
            format!("a target of {target} bytes"),
            wanted,
        ));
    }
    let fields = request.headers().len();
    if fields > limits.fields {
        let wanted = format!("at most {}", limits.fields);
        return Err(decision.fail(
            Step::Request,
            Reason::HeadersTooLarge,
            format!("{fields} header fields"),
            wanted,
        ));
    }
    Ok(())
}

/// Origin form, or the absolute form that proxies get (RFC 9112 section 3.2).
fn check_target_form<B>(request: &Request<B>, decision: &mut Decision) -> Result<(), Reason> {
    let uri = request.uri();
    let known_scheme = uri
        .scheme()
        .is_none_or(|scheme| *scheme == Scheme::HTTP || *scheme == Scheme::HTTPS);
    let whole = uri.scheme().is_some() == uri.authority().is_some();
    let plain = uri
        .path_and_query()
        .is_none_or(|target| target.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
    if known_scheme && whole && plain && uri.path().starts_with('/') {
        return Ok(());
    }
    Err(refuse(
        decision,
        "another form of target",
        "a target that starts with /",
    ))
}

/// Exactly one Host, well-formed, and the same as the target's.
fn check_host<B>(request: &Request<B>, decision: &mut Decision) -> Result<(), Reason> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        let seen = format!(
            "{} Host fields",
            request.headers().get_all(HOST).iter().count()
        );
        return Err(refuse(decision, seen, "exactly one"));
    };
    let host = host.to_str().ok().filter(|host| is_host(host));
    let Some(host) = host else {
        return Err(refuse(
            decision,
            "a malformed Host",
            "a host, and a port if need be",
        ));
    };
    match request.uri().authority() {
        Some(named) if !named.as_str().eq_ignore_ascii_case(host) => Err(refuse(
            decision,
            "a target of another host",
            "the host that Host names",
        )),
        _ => Ok(()),
    }
}

/// RFC 3986 `host [ ":" port ]`, without user information and escapes.
fn is_host(text: &str) -> bool {
    let (is_known, port) = if let Some(literal) = text.strip_prefix('[') {
        let Some((address, port)) = literal.split_once(']') else {
            return false;
        };
        (address.parse::<Ipv6Addr>().is_ok(), port)
    } else {
        let is_of_name = |byte: u8| UNRESERVED[usize::from(byte)];
        let end = text.bytes().position(|byte| !is_of_name(byte));
        let (name, port) = text.split_at(end.unwrap_or(text.len()));
        (!name.is_empty(), port)
    };
    let is_port =
        |port: &str| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_known && (port.is_empty() || port.strip_prefix(':').is_some_and(is_port))
}

/// One way to find the end of the body (RFC 9112 section 6.3).
fn check_framing<B>(
    request: &Request<B>,
    fields: Fields,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let is_there = fields.have(Field::ContentLength) || fields.have(Field::TransferEncoding);
    if !is_there && !fields.have(Field::FramingAlias) {
        return Ok(());
    }
    let headers = request.headers();
    let alias = headers.keys().find(|name| {
        identity::is_alias(name, &TRANSFER_ENCODING) || identity::is_alias(name, &CONTENT_LENGTH)
    });
    if let Some(alias) = alias {
        let seen = format!("the field {alias}");
        return Err(refuse(
            decision,
            seen,
            "framing fields in their own spelling",
        ));
    }
    let lengths = headers.get_all(CONTENT_LENGTH).iter().count();
    let is_number = |length: &HeaderValue| {
        !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit)
    };
    let codings: Vec<_> = headers.get_all(TRANSFER_ENCODING).iter().collect();
    let one_reading = match codings.as_slice() {
        [] => lengths <= 1 && headers.get(CONTENT_LENGTH).is_none_or(is_number),
        [coding] => {
            lengths == 0
                && coding.as_bytes().eq_ignore_ascii_case(b"chunked")
                && request.version() != Version::HTTP_10
        }
        _ => false,
    };
    if one_reading {
        return Ok(());
    }
    Err(refuse(
        decision,
        "more than one reading of the body's length",
        "one Content-Length, or one Transfer-Encoding: chunked",
    ))
}

fn check_credentials(
    headers: &HeaderMap,
    fields: Fields,
    decision: &mut Decision,
) -> Result<(), Reason> {
    if fields.have(Field::Repeated) && headers.get_all(AUTHORIZATION).iter().count() > 1 {
        return Err(decision.fail(
            Step::Credential,
            Reason::AmbiguousCredential,
            "more than one Authorization field",
            "at most one",
        ));
    }
    Ok(())
}

/// A caller may name fields that end at the gateway. It may not name those
/// that the gateway or the framing lives by: that is how identity headers were
/// deleted behind other proxies.
fn check_connection(
    headers: &HeaderMap,
    names: &identity::Names,
    decision: &mut Decision,
) -> Result<(), Reason> {
    for option in connection_options(headers.get_all(CONNECTION)) {
        let Ok(name) = HeaderName::from_bytes(option) else {
            return Err(refuse(
                decision,
                "a malformed Connection field",
                "names of fields",
            ));
        };
        let vital = [
            AUTHORIZATION,
            HOST,
            CONTENT_LENGTH,
            TRANSFER_ENCODING,
            CONNECTION,
            DPOP,
        ];
        if vital.contains(&name) || names.is_reserved(name.as_str()) {
            let seen = format!("Connection names {name}");
            return Err(refuse(decision, seen, "only fields of the connection"));
        }
    }
    Ok(())
}

/// What the Connection `lines` name (RFC 9110 section 7.6.1).
pub(crate) fn connection_options<'l>(
    lines: impl IntoIterator<Item = &'l HeaderValue>,
) -> impl Iterator<Item = &'l [u8]> {
    lines
        .into_iter()
        .flat_map(|field| field.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|option| !option.is_empty())
}

/// What the gateway cannot do is said, not left out in silence.
fn check_expectations(headers: &HeaderMap, decision: &mut Decision) -> Result<(), Reason> {
    let mut expectations = headers.get_all(EXPECT).iter();
    let expectation = expectations.next();
    if expectations.next().is_some()
        || expectation.is_some_and(|it| !it.as_bytes().eq_ignore_ascii_case(b"100-continue"))
    {
        return Err(refuse(decision, "an unknown expectation", "100-continue"));
    }
    Ok(())
}

fn canonical_path(uri: &Uri, decision: &mut Decision) -> Result<CanonicalPath, Reason> {
    CanonicalPath::of(uri).map_err(|problem| {
        decision.fail(
            Step::Path,
            problem.reason(),
            problem.to_string(),
            problem.wanted(),
        )
    })
}

/// Origin form with the canonical path: the bytes that go to the upstream.
fn canonical_target(
    path: &CanonicalPath,
    query: Option<&str>,
    decision: &mut Decision,
) -> Result<Uri, Reason> {
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.as_str().to_owned(),
    };
    Uri::from_maybe_shared(bytes::Bytes::from(target))
        .map_err(|_| refuse(decision, "an unusable target", "a path and a query"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::{Decision, Reason, TraceId};
    use http::{Request, Version};

    use super::{Rules, admit};
    use crate::{config::Limits, identity::Names};

    fn judged(request: Request<()>) -> Result<String, Reason> {
        judged_with(request, &[])
    }

    fn judged_with(request: Request<()>, upgrades: &[String]) -> Result<String, Reason> {
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
        let names = Names::new(&[]);
        let rules = Rules {
            names: &names,
            limits: &Limits::default(),
            upgrades,
        };
        admit(Box::new(request), &rules, &mut decision)
            .map(|admitted| admitted.request.uri().to_string())
    }

    fn get(target: &str, fields: &[(&str, &str)]) -> Result<String, Reason> {
        let mut request = Request::get(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        judged(request.body(()).unwrap())
    }

    const HOST: (&str, &str) = ("host", "api.test");

    #[test]
    fn gwy_007_only_origin_form_and_our_absolute_form() {
        assert_eq!(get("/a?b=c", &[HOST]), Ok("/a?b=c".into()));
        assert_eq!(get("http://api.test/a?b", &[HOST]), Ok("/a?b".into()));
        assert_eq!(get("http://API.test", &[HOST]), Ok("/".into()));
        for target in [
            "*",
            "api.test:80",
            "admin",
            "http://other.test/a",
            "ftp://api.test/a",
            "http://x@api.test/a",
        ] {
            assert_eq!(get(target, &[HOST]), Err(Reason::BadRequest), "{target}");
        }
    }

    #[test]
    fn gwy_011_exactly_one_host() {
        assert!(get("/", &[]).is_err());
        assert!(get("/", &[HOST, HOST]).is_err());
        for host in [
            "", "a b", "a/b", "u@a", "a:b", "a:99999", "a,b", "a#b", "[::1", "[x]:1", "a:", "a:+1",
        ] {
            assert!(get("/", &[("host", host)]).is_err(), "{host:?}");
        }
        for host in ["a", "A.b.", "a:80", "[::1]:80", "127.0.0.1"] {
            assert!(get("/", &[("host", host)]).is_ok(), "{host:?}");
        }
    }

    #[test]
    fn gwy_020_framing_has_one_reading_and_one_spelling() {
        let chunked = ("transfer-encoding", "chunked");
        assert!(get("/", &[HOST, chunked]).is_ok());
        let faulty: [&[(&str, &str)]; 7] = [
            &[HOST, chunked, chunked],
            &[HOST, chunked, ("content-length", "3")],
            &[HOST, ("content-length", "3"), ("content-length", "3")],
            &[HOST, ("transfer-encoding", "gzip, chunked")],
            &[HOST, ("transfer_encoding", "chunked")],
            &[HOST, ("transfer.encoding", "chunked")],
            &[HOST, ("content_length", "3")],
        ];
        for fields in faulty {
            assert_eq!(get("/", fields), Err(Reason::BadRequest), "{fields:?}");
        }
        let old = Request::get("/")
            .version(Version::HTTP_10)
            .header("host", "a");
        let old = old.header("transfer-encoding", "chunked").body(()).unwrap();
        assert_eq!(judged(old), Err(Reason::BadRequest));
    }

    #[test]
    fn gwy_013_connection_may_not_name_what_we_live_by() {
        for option in [
            "X-Doorward-Subject",
            "x_user_id",
            "authorization",
            "Close, Host",
            "x-forwarded-for",
            "transfer-encoding",
            "a b",
        ] {
            let verdict = get("/", &[HOST, ("connection", option)]);
            assert_eq!(verdict, Err(Reason::BadRequest), "{option}");
        }
        assert!(get("/", &[HOST, ("connection", "keep-alive, X-Own, ,TE")]).is_ok());
    }

    #[test]
    fn gwy_023_upgrades_and_odd_expectations() {
        assert!(get("/", &[HOST, ("upgrade", "WebSocket")]).is_err());
        assert!(get("/", &[HOST, ("upgrade", "h2c")]).is_ok());
        let allowed = ["websocket".to_owned()];
        let opened = |fields: &[(&str, &str)], method: &str| {
            let mut request = Request::builder()
                .method(method)
                .uri("/")
                .header("host", "a");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            judged_with(request.body(()).unwrap(), &allowed).is_ok()
        };
        let (websocket, meant) = (("upgrade", "WebSocket"), ("connection", "x, Upgrade"));
        assert!(opened(&[websocket, meant], "GET"));
        assert!(opened(&[websocket, meant, ("content-length", "0")], "GET"));
        for (fields, method) in [
            (&[websocket][..], "GET"),
            (&[websocket, meant], "POST"),
            (&[websocket, meant, ("content-length", "1")], "GET"),
            (&[websocket, meant, ("transfer-encoding", "chunked")], "GET"),
            (&[websocket, websocket, meant], "GET"),
            (&[("upgrade", "websocket, h2c"), meant], "GET"),
            (&[("upgrade", "h2c"), websocket, meant], "GET"),
            (&[("upgrade", "websocket/13"), meant], "GET"),
        ] {
            assert!(!opened(fields, method), "{method} {fields:?}");
        }
        assert!(opened(&[("upgrade", "h2c"), meant], "GET"), "ignored");
        assert!(get("/", &[HOST, ("expect", "100-Continue")]).is_ok());
        assert!(get("/", &[HOST, ("expect", "200-ok")]).is_err());
    }

    #[test]
    fn auz_011_connect_and_trace_are_not_allowed() {
        for method in ["CONNECT", "TRACE"] {
            let request = Request::builder()
                .method(method)
                .uri("/")
                .header("host", "a");
            assert_eq!(
                judged(request.body(()).unwrap()),
                Err(Reason::MethodNotAllowed)
            );
        }
    }
}
