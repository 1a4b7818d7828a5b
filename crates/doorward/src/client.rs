//! The command line's own requests: `http://` only, and faults in words that say
//! what to do.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header};

use crate::{
    exit::Failure,
    one_request::{self, Destination, Fault, Patience},
};

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(3),
    answer: Duration::from_secs(60),
};

/// Answers of the admin listener and of token endpoints are small; this only
/// bounds what `doorward curl` prints.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Sends `request`, whose URI is absolute, and reads the whole answer.
pub(crate) async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let uri = request.uri().clone();
    let (host, port) = host_of(&uri)?;
    let authority = format!("{host}:{port}");
    let destination = Destination {
        host: host.trim_start_matches('[').trim_end_matches(']'),
        port,
        tls: None,
    };
    let failure = |fault| failure(&authority, fault);
    let request = in_origin_form(request, &authority)?;
    let answer = one_request::send(destination, request, PATIENCE).await;
    let (head, body) = answer.map_err(failure)?.into_parts();
    let body = body.read(LARGEST_ANSWER).await.map_err(failure)?;
    Ok(Response::from_parts(head, body))
}

fn host_of(uri: &Uri) -> Result<(&str, u16), Failure> {
    if uri.scheme_str() != Some("http") {
        return Err(
            Failure::usage(format!("`{uri}` is not an http:// address")).hint(
                "https:// is not spoken by this version; put the address of the plain listener",
            ),
        );
    }
    let host = uri
        .host()
        .ok_or_else(|| Failure::usage(format!("`{uri}` has no host")))?;
    Ok((host, uri.port_u16().unwrap_or(80)))
}

/// As it is written on a connection to the origin itself (RFC 9112 section 3.2.1).
fn in_origin_form(request: Request<Bytes>, authority: &str) -> Result<Request<Bytes>, Failure> {
    let (mut parts, body) = request.into_parts();
    if let Some(target) = parts.uri.path_and_query() {
        parts.uri = Uri::from(target.clone());
    }
    if !parts.headers.contains_key(header::HOST) {
        let host = HeaderValue::try_from(authority)
            .map_err(|_| Failure::usage(format!("`{authority}` is no host")))?;
        parts.headers.insert(header::HOST, host);
    }
    Ok(Request::from_parts(parts, body))
}

fn failure(authority: &str, fault: Fault) -> Failure {
    let (what, hint) = match fault {
        Fault::Unconnected(why) => (
            format!("cannot connect to {authority}: {why}"),
            "is the server running, and the address right? `doorward up` starts one",
        ),
        Fault::Broken(why) => (
            format!("{authority} broke the exchange: {why}"),
            "look at the server's own output",
        ),
        Fault::Late => (
            format!(
                "{authority} did not answer in {} s",
                PATIENCE.answer.as_secs()
            ),
            "look at the server's own output",
        ),
    };
    Failure::unreachable(what).hint(hint)
}
