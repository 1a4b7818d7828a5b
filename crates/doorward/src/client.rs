//! A small HTTP/1.1 client for the command line's own requests.
//!
//! One connection, one request, bounded in time; `http://` only. It follows no
//! redirect, so a token never travels further than the address it was meant
//! for.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpStream, time::timeout};

use crate::exit::Failure;

const CONNECT: Duration = Duration::from_secs(3);
const ANSWER: Duration = Duration::from_secs(60);
/// Answers of the admin listener and of token endpoints are small; this only
/// bounds what `doorward curl` prints.
const LARGEST_ANSWER: usize = 64 * 1024 * 1024;

/// Sends `request`, whose URI is absolute, and reads the whole answer.
pub(crate) async fn send(request: Request<Bytes>) -> Result<Response<Bytes>, Failure> {
    let uri = request.uri().clone();
    let authority = authority_of(&uri)?;
    let stream = connect(&authority).await?;
    let exchange = exchange(stream, &authority, request);
    match timeout(ANSWER, exchange).await {
        Ok(answer) => answer.map_err(|error| {
            Failure::unreachable(format!("{authority} broke the exchange: {error}"))
                .hint("look at the server's own output")
        }),
        Err(_) => Err(Failure::unreachable(format!(
            "{authority} did not answer in {} s",
            ANSWER.as_secs()
        ))
        .hint("look at the server's own output")),
    }
}

fn authority_of(uri: &Uri) -> Result<String, Failure> {
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
    Ok(format!("{host}:{}", uri.port_u16().unwrap_or(80)))
}

async fn connect(authority: &str) -> Result<TcpStream, Failure> {
    let refused = |why: String| {
        Failure::unreachable(format!("cannot connect to {authority}: {why}"))
            .hint("is the server running, and the address right? `doorward up` starts one")
    };
    match timeout(CONNECT, TcpStream::connect(authority)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(refused(error.to_string())),
        Err(_) => Err(refused(format!("no answer in {} s", CONNECT.as_secs()))),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one HTTP client of the command line"
)]
async fn exchange(
    stream: TcpStream,
    authority: &str,
    request: Request<Bytes>,
) -> Result<Response<Bytes>, Box<dyn std::error::Error + Send + Sync>> {
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let driver = tokio::spawn(connection);
    let (mut parts, body) = request.into_parts();
    if let Some(target) = parts.uri.path_and_query() {
        parts.uri = Uri::from(target.clone());
    }
    if !parts.headers.contains_key(header::HOST) {
        parts.headers.insert(header::HOST, authority.parse()?);
    }
    let answer = sender
        .send_request(Request::from_parts(parts, Full::new(body)))
        .await?;
    let (parts, body) = answer.into_parts();
    let body = Limited::new(body, LARGEST_ANSWER)
        .collect()
        .await?
        .to_bytes();
    driver.abort();
    Ok(Response::from_parts(parts, body))
}
