//! One fetch of a key set: resolve, judge, connect, ask, read, within bounds.
//!
//! No redirects, no cookies, no proxies, no compression, one connection each
//! time. The address that was judged is the address that is connected to; the
//! name is not resolved a second time.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use bytes::Bytes;
use doorward_jose::error::{KeyError, KeyErrorKind};
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{
    address::AddressKind,
    freshness,
    url::{Host, JwksUrl},
};

/// Room for the head of the answer.
const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Why a key set could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The name has no address, or the resolver failed.
    #[error("the name cannot be resolved")]
    Unresolved(#[source] io::Error),
    /// Every address of the name is of a kind that was not allowed.
    #[error("the address is {}; allow that kind if it is meant", .0.name())]
    AddressRefused(AddressKind),
    /// `http` to another machine.
    #[error("plain http would leave this machine; use https")]
    Unprotected,
    /// No connection.
    #[error("no connection")]
    Unreachable(#[source] io::Error),
    /// `https` without root certificates.
    #[error("no root certificates were given for https")]
    NoTrustAnchors,
    /// The server's certificate is not believed, or no secure connection.
    #[error("no secure connection")]
    Tls(#[source] io::Error),
    /// Not everything arrived in time.
    #[error("no complete answer in time")]
    TimedOut,
    /// The exchange broke.
    #[error("the exchange broke")]
    Broken(#[source] hyper::Error),
    /// A redirect, which is never followed.
    #[error("the answer is a redirect; give the final address")]
    Redirect,
    /// Another status than 200, or 304 where it was not asked for.
    #[error("the answer has status {0}")]
    Status(StatusCode),
    /// Not `application/jwk-set+json` or `application/json`.
    #[error("the answer is not a JSON document")]
    ContentType,
    /// Compressed, although that was not asked for.
    #[error("the answer is compressed")]
    Encoded,
    /// More bytes than a key set may have.
    #[error("the answer is larger than a key set may be")]
    TooLarge,
    /// The document is no key set that may be trusted.
    #[error("the key set is refused: {0}")]
    Keys(#[source] KeyError),
}

impl FetchError {
    /// Whether somebody must look at once: the issuer publishes secrets or
    /// contradicts itself, or its name points where no key set lives. The
    /// others may be an outage that passes.
    pub fn is_alarming(&self) -> bool {
        match self {
            Self::AddressRefused(_) | Self::Unprotected | Self::Redirect => true,
            Self::Keys(error) => matches!(
                error.kind(),
                KeyErrorKind::PrivateMember
                    | KeyErrorKind::SecretAndPublicMixed
                    | KeyErrorKind::DuplicateKeyId
            ),
            _ => false,
        }
    }
}

/// A boxed future, so that traits with it are object-safe.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Turns a name into addresses.
pub trait Resolver: Send + Sync {
    /// The addresses of `host`, each with `port`.
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>>;
}

/// The operating system's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(
        &'a self,
        host: &'a str,
        port: u16,
    ) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// Everything that one fetch needs.
pub(super) struct Exchange {
    pub(super) url: JwksUrl,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) tls: Option<Arc<ClientConfig>>,
    pub(super) timeout: Duration,
    pub(super) max_bytes: usize,
}

/// A good answer.
pub(super) struct Answer {
    /// The document; none if it is the one that the tag names.
    pub(super) document: Option<Bytes>,
    pub(super) tag: Option<header::HeaderValue>,
    pub(super) fresh_seconds: u64,
}

impl Exchange {
    /// Fetches the document, or learns that it is still the one of `tag`.
    pub(super) async fn fetch(
        &self,
        tag: Option<&header::HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let answer = timeout(self.timeout, self.fetch_unhurried(tag));
        answer.await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn fetch_unhurried(
        &self,
        tag: Option<&header::HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let stream = self.connect().await?;
        if !self.url.is_https {
            return self.ask(stream, tag).await;
        }
        let config = self.tls.as_ref().ok_or(FetchError::NoTrustAnchors)?;
        let name = self.url.host.server_name()?;
        let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        self.ask(secured.await.map_err(FetchError::Tls)?, tag).await
    }

    /// A connection to the first reachable address that may be asked.
    async fn connect(&self) -> Result<TcpStream, FetchError> {
        let mut last = FetchError::Unresolved(io::ErrorKind::NotFound.into());
        for address in self.addresses().await? {
            let kind = AddressKind::of(address.ip());
            if !self.url.allows(kind) {
                last = FetchError::AddressRefused(kind);
            } else if !self.url.is_protected(kind) {
                last = FetchError::Unprotected;
            } else {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = FetchError::Unreachable(error),
                }
            }
        }
        Err(last)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, FetchError> {
        let port = self.url.port;
        match &self.url.host {
            Host::Address(address) => Ok(vec![SocketAddr::new(*address, port)]),
            Host::Name(name) => {
                let found = self.resolver.resolve(name, port).await;
                found.map_err(FetchError::Unresolved)
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the one HTTP client of the key sets, with every bound of this module"
    )]
    async fn ask<S>(
        &self,
        stream: S,
        tag: Option<&header::HeaderValue>,
    ) -> Result<Answer, FetchError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD_BYTES)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(FetchError::Broken)?;
        // Dropped with this function, and the connection with it.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let mut request = Request::get(self.url.path())
            .header(header::HOST, self.url.authority())
            .header(header::ACCEPT, "application/jwk-set+json, application/json")
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONNECTION, "close");
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .expect("path and authority were parsed as those of a URI");
        let answer = sender.send_request(request).await;
        self.read(answer.map_err(FetchError::Broken)?, tag).await
    }

    async fn read(
        &self,
        answer: Response<Incoming>,
        tag: Option<&header::HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let (head, body) = answer.into_parts();
        let fresh_seconds = freshness::seconds(&head.headers);
        let document = match head.status {
            StatusCode::OK => {
                check_form(&head.headers)?;
                Some(self.collect(body).await?)
            }
            StatusCode::NOT_MODIFIED if tag.is_some() => None,
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                return Err(FetchError::Redirect);
            }
            status => return Err(FetchError::Status(status)),
        };
        let new_tag = head.headers.get(header::ETAG).cloned();
        Ok(Answer {
            // An answer "still the same" need not repeat the tag.
            tag: new_tag.or_else(|| tag.filter(|_| document.is_none()).cloned()),
            document,
            fresh_seconds,
        })
    }

    async fn collect(&self, body: Incoming) -> Result<Bytes, FetchError> {
        let body = Limited::new(body, self.max_bytes).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| match error.downcast::<hyper::Error>() {
                Ok(error) => FetchError::Broken(*error),
                Err(other) => {
                    debug_assert!(other.is::<LengthLimitError>(), "the only other error");
                    FetchError::TooLarge
                }
            })
    }
}

/// Only JSON, and as it is: a page of a captive portal is no key set.
fn check_form(headers: &HeaderMap) -> Result<(), FetchError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(FetchError::Encoded);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return Err(FetchError::ContentType);
    };
    let media_type = media_type.to_str().unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let known = ["application/jwk-set+json", "application/json"];
    match known
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
    {
        true => Ok(()),
        false => Err(FetchError::ContentType),
    }
}

impl Host {
    fn server_name(&self) -> Result<ServerName<'static>, FetchError> {
        match self {
            Self::Address(address) => Ok(ServerName::from(*address)),
            Self::Name(name) => ServerName::try_from(name.clone())
                .map_err(|error| FetchError::Tls(io::Error::other(error))),
        }
    }
}
