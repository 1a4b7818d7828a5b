//! From a question to the request that it is about.

use std::net::IpAddr;

use doorward_policy::decision::{Decision, Reason, Step};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};

use super::{Fields, ForwardAuth, PATH, Proxy, values};
use crate::{
    address::{Network, behind, is_trusted},
    arrival::Caller,
    gateway::readable,
    path::CanonicalPath,
};

/// Fields in which any kind of proxy, or an API's framework, may be told a
/// method or a target. None may say something else than the one that counts.
const METHODS: [&str; 2] = ["x-original-method", "x-forwarded-method"];
const TARGETS: [&str; 5] = [
    "x-original-uri",
    "x-forwarded-uri",
    "x-original-url",
    "x-rewrite-url",
    "x-envoy-original-path",
];

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The request that `question` is about, and who sent it, past the proxies
/// `before` the one that asks; or, in `decision`, why that cannot be said.
pub(super) fn original<B>(
    (settings, before): (&ForwardAuth, &[Network]),
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
    decision.method = told.method.as_str().to_owned();
    decision.path = told.target.path().to_owned();
    nothing_disagrees(&told, question.headers(), decision)?;
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
/// before this one: either way there would be two readings.
fn nothing_disagrees(
    told: &Told,
    headers: &HeaderMap,
    decision: &mut Decision,
) -> Result<(), Reason> {
    let target = told.target.to_string();
    let method = METHODS.iter().map(|name| (*name, told.method.as_str()));
    let target = TARGETS.iter().map(|name| (*name, target.as_str()));
    for (name, said) in method.chain(target) {
        let is_other = |value: &HeaderValue| value.as_bytes() != said.as_bytes();
        if headers.get_all(name).iter().any(is_other) {
            let seen = format!("a field {name} that says something else");
            return Err(refuse(decision, seen, "one original request".to_owned()));
        }
    }
    Ok(())
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
