//! From a question to the request that it is about.

use std::net::IpAddr;

use doorward_policy::decision::{Decision, Reason, Step, Text};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};

use super::{Fields, ForwardAuth, PATH, Proxy, values};
use crate::{
    address::{Network, behind, is_trusted},
    arrival::Caller,
    gateway::readable,
    identity::{Folded, Names, OURS},
    path::CanonicalPath,
};

/// Fields in which any kind of proxy, or an API's framework, may be told a
/// method or a target. None may say something else than the one that counts.
const METHODS: [&str; 5] = [
    "x-original-method",
    "x-forwarded-method",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];
const TARGETS: [&str; 6] = [
    "x-original-uri",
    "x-forwarded-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-envoy-original-path",
    "x-http-path-override",
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The request that `question` is about, and who sent it, past the proxies
/// `before` the one that asks; or, in `decision`, why that cannot be said.
/// `names` are those that no caller may set.
pub(super) fn original<B>(
    (settings, before, names): (&ForwardAuth, &[Network], &Names),
    asking: Caller,
    question: Request<B>,
    decision: &mut Decision,
) -> Result<(Request<B>, Caller), Reason> {
    if !is_trusted(&settings.from, asking.peer.0) {
        let seen = format!("a question from {}", asking.peer.0);
        let wanted = "a proxy that `from` names";
        return Err(decision.fail(Step::Request, Reason::UntrustedProxy, seen, wanted));
    }
    let told = match settings.proxy.fields() {
        Some(fields) => told_by_fields(&fields, &question, decision)?,
        None => told_by_path(&question, decision)?,
    };
    decision.method = Text::copied(told.method.as_str());
    decision.path = Text::copied(told.target.path());
    nothing_disagrees(&told, question.headers(), decision)?;
    nobody_says_who((settings.proxy, names), question.headers(), decision)?;
    nothing_is_misspelt(names, question.headers(), decision)?;
    is_canonical(told.target.path(), decision)?;
    let trusted: Vec<Network> = settings.from.iter().chain(before).copied().collect();
    let caller = caller(&trusted, asking, question.headers(), decision)?;
    decision.pass(
        Step::Request,
        format!("asked by {} at {}", settings.proxy.name(), asking.peer.0),
    );
    Ok((put_together(told, question, settings.proxy), caller))
}

/// What the proxy tells of the original request.
struct Told {
    method: Method,
    target: Uri,
    host: Option<HeaderValue>,
}

fn refuse(decision: &mut Decision, seen: String, wanted: String) -> Reason {
    decision.fail(Step::Request, Reason::BadRequest, seen, wanted)
}

fn told_by_fields<B>(
    fields: &Fields,
    question: &Request<B>,
    decision: &mut Decision,
) -> Result<Told, Reason> {
    if question.uri().path() != PATH {
        let seen = question.uri().path().to_owned();
        return Err(decision.fail(Step::Route, Reason::NoRoute, seen, PATH));
    }
    let headers = question.headers();
    let method = one(headers, &fields.method, decision)?;
    let Ok(method) = method.parse() else {
        let seen = format!("a {} that is none", fields.method);
        return Err(refuse(decision, seen, "a method".to_owned()));
    };
    let target = one(headers, &fields.target, decision)?;
    let target = target_of(target, decision)?;
    let host = one(headers, &fields.host, decision)?;
    // The gate reads it anew: what stood in a field can stand in another.
    let host = HeaderValue::from_str(host).ok();
    Ok(Told {
        method,
        target,
        host,
    })
}

/// What stands behind [`PATH`] is the target.
fn told_by_path<B>(question: &Request<B>, decision: &mut Decision) -> Result<Told, Reason> {
    let asked = question.uri().path_and_query();
    let asked = asked.map_or("", |asked| asked.as_str());
    let Some(target) = asked
        .strip_prefix(PATH)
        .filter(|rest| rest.starts_with('/'))
    else {
        let (seen, wanted) = (question.uri().path().to_owned(), format!("{PATH}/…"));
        return Err(decision.fail(Step::Route, Reason::NoRoute, seen, wanted));
    };
    Ok(Told {
        method: question.method().clone(),
        target: target_of(target, decision)?,
        host: None,
    })
}

/// The one value of a field that the proxy sets, over what its caller sent.
fn one<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
    decision: &mut Decision,
) -> Result<&'h str, Reason> {
    match values(headers, name).as_deref() {
        Some([value]) if !value.is_empty() => Ok(value),
        found => {
            let seen = match found {
                Some([]) => format!("no {name}"),
                Some([_]) => format!("an empty {name}"),
                Some(many) => format!("{} fields {name}", many.len()),
                None => format!("an unreadable {name}"),
            };
            Err(refuse(
                decision,
                seen,
                format!("one {name}, set by the proxy"),
            ))
        }
    }
}

/// Origin form only: with a host in it, two hosts could be meant.
fn target_of(text: &str, decision: &mut Decision) -> Result<Uri, Reason> {
    let target = Some(text).filter(|text| text.starts_with('/'));
    target.and_then(readable).ok_or_else(|| {
        let seen = "an original target in another form".to_owned();
        refuse(decision, seen, "a target that starts with /".to_owned())
    })
}

/// A field of another kind of proxy comes from the caller, or from a proxy
/// before this one: either way there would be two readings. In any spelling,
/// because the API's server may fold them all to one.
fn nothing_disagrees(
    told: &Told,
    headers: &HeaderMap,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let target = told.target.to_string();
    for (name, value) in headers {
        let is_among = |names: &[&str]| {
            let folded = Folded::of(name.as_str());
            names.iter().any(|name| name.as_bytes() == folded.bytes())
        };
        let said = if is_among(&METHODS) {
            told.method.as_str()
        } else if is_among(&TARGETS) {
            &target
        } else {
            continue;
        };
        if value.as_bytes() != said.as_bytes() {
            let seen = format!("a field {name} that says something else");
            return Err(refuse(decision, seen, "one original request".to_owned()));
        }
    }
    Ok(())
}

/// The gateway would remove such a field. The proxy forwards its own copy, so
/// what it shows here the API would believe.
fn nobody_says_who(
    (proxy, names): (Proxy, &Names),
    headers: &HeaderMap,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let is_cleared = |name: &HeaderName| proxy.clears_ours_later() && OURS.contains(name);
    let mut left = headers.keys().filter(|name| !is_cleared(name));
    let Some(name) = left.find(|name| names.is_identity(name.as_str())) else {
        return Ok(());
    };
    let seen = format!("a field {name} that says who the caller is");
    let wanted = format!("no {name}: the proxy removes it before it asks");
    Err(refuse(decision, seen, wanted))
}

/// `X_Forwarded_For` is no proxy's: the caller wrote it, the proxy does not know it
/// for its own and forwards it, and the API's server may take it for the other.
fn nothing_is_misspelt(
    names: &Names,
    headers: &HeaderMap,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let is_misspelt = |name: &str| !name.bytes().all(is_plain) && names.is_reserved(name);
    match headers.keys().find(|name| is_misspelt(name.as_str())) {
        None => Ok(()),
        Some(name) => {
            let seen = format!("a field {name}, which is another's in another spelling");
            let wanted = format!("no {name}: proxies write dashes");
            Err(refuse(decision, seen, wanted))
        }
    }
}

/// The proxy forwards the bytes that it has, so only those that are read in one
/// way as they stand are let through.
fn is_canonical(path: &str, decision: &mut Decision) -> Result<(), Reason> {
    // What has no canonical spelling is refused by the gate, with its reason.
    match CanonicalPath::parse(path.as_bytes()) {
        Ok(canonical) if canonical.as_str() != path => {
            let wanted = canonical.as_str().to_owned();
            Err(decision.fail(Step::Path, Reason::AmbiguousPath, path.to_owned(), wanted))
        }
        _ => Ok(()),
    }
}

/// Who sent the request to the proxy. Without a word of it all callers would
/// have the proxy's address, and with it whatever that may do.
fn caller(
    trusted: &[Network],
    asking: Caller,
    headers: &HeaderMap,
    decision: &mut Decision,
) -> Result<Caller, Reason> {
    let hops = values(headers, &FORWARDED_FOR).unwrap_or_default();
    let last = hops.last().and_then(|hops| hops.rsplit(',').next());
    let is_address = |last: &str| last.trim().parse::<IpAddr>().is_ok();
    if last.is_some_and(is_address) {
        return Ok(behind(asking, headers, trusted));
    }
    let seen = format!("no address in {FORWARDED_FOR}");
    let wanted = "the caller's address, set by the proxy".to_owned();
    Err(refuse(decision, seen, wanted))
}

/// The question's credentials, the original's line and host. What told them is
/// taken out, and the body's length with it: the body is not here.
fn put_together<B>(told: Told, mut question: Request<B>, proxy: Proxy) -> Request<B> {
    *question.method_mut() = told.method;
    *question.uri_mut() = told.target;
    let headers = question.headers_mut();
    for name in METHODS.iter().chain(&TARGETS) {
        headers.remove(*name);
    }
    if proxy.fields().is_some() {
        headers.remove(CONTENT_LENGTH);
        headers.remove(TRANSFER_ENCODING);
    }
    if let Some(host) = told.host {
        headers.insert(HOST, host);
    }
    question
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::{Decision, TraceId};
    use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

    use super::{METHODS, TARGETS, Told, nobody_says_who, nothing_disagrees, nothing_is_misspelt};
    use crate::{forward_auth::Proxy, identity::Names};

    fn with(name: &str, value: &str) -> (HeaderMap, Decision) {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]);
        let decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
        (headers, decision)
    }

    fn spellings(name: &str) -> [String; 5] {
        [
            name.to_owned(),
            name.replace('-', "_"),
            name.replacen('-', "_", 1),
            name.rsplit_once('-')
                .map_or_else(String::new, |(front, end)| format!("{front}_{end}")),
            name.replace('-', "."),
        ]
    }

    #[test]
    fn gwy_008_no_spelling_of_an_override_says_something_else() {
        let told = Told {
            method: Method::GET,
            target: Uri::from_static("/orders/7?x=1"),
            host: None,
        };
        let agree = |name: &str, value: &str| {
            let (headers, mut decision) = with(name, value);
            nothing_disagrees(&told, &headers, &mut decision).is_ok()
        };
        for (names, same, other) in [
            (&METHODS[..], "GET", "DELETE"),
            (&TARGETS[..], "/orders/7?x=1", "/admin"),
        ] {
            for name in names.iter().flat_map(|name| spellings(name)) {
                assert!(agree(&name, same), "{name}: {same}");
                assert!(!agree(&name, other), "{name}: {other}");
            }
        }
    }

    #[test]
    fn gwy_012_no_spelling_says_who_the_caller_is() {
        let names = Names::new(&["X-Own-Name".into()]);
        let goes_on = |proxy: Proxy, name: &str| {
            let (headers, mut decision) = with(name, "root");
            nobody_says_who((proxy, &names), &headers, &mut decision).is_ok()
        };
        for (_, proxy) in Proxy::ALL {
            for name in ["x-doorward-subject", "x-doorward-roles"] {
                let [ours, others @ ..] = spellings(name);
                let is_cleared = matches!(proxy, Proxy::Nginx | Proxy::Haproxy);
                assert_eq!(goes_on(proxy, &ours), is_cleared, "{proxy:?} {ours}");
                for name in others {
                    assert!(!goes_on(proxy, &name), "{proxy:?} {name}");
                }
            }
            for name in ["x-doorward-new", "x-user-id", "remote-user", "x-own-name"] {
                for name in spellings(name) {
                    assert!(!goes_on(proxy, &name), "{proxy:?} {name}");
                }
            }
            // What proxies set on their way.
            for name in [
                "x-forwarded-for",
                "x-forwarded-proto",
                "x-forwarded-server",
                "x-real-ip",
                "forwarded",
                "via",
                "x-request-id",
                "traceparent",
                "tracestate",
                "x-envoy-expected-rq-timeout-ms",
                "authorization",
            ] {
                assert!(goes_on(proxy, name), "{proxy:?} {name}");
            }
        }
    }

    #[test]
    fn gwy_012_what_proxies_write_has_one_spelling() {
        let names = Names::new(&[]);
        let goes_on = |name: &str| {
            let (headers, mut decision) = with(name, "192.0.2.7");
            nothing_is_misspelt(&names, &headers, &mut decision).is_ok()
        };
        for name in [
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-real-ip",
            "true-client-ip",
            "x-original-uri",
            "x-http-method-override",
        ] {
            let [ours, others @ ..] = spellings(name);
            assert!(goes_on(&ours), "{ours}");
            for name in others {
                assert!(!goes_on(&name), "{name}");
            }
        }
        // An API's own may be spelled as it likes.
        assert!(goes_on("api_version") && goes_on("x_order.number"));
    }
}
