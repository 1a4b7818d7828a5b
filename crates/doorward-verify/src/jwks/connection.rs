//! One connection to an issuer: resolve, judge, connect, secure.
//!
//! No proxies and no second resolution: the address that was judged is the
//! address that is connected to. Shared by key sets and the revocation feed.

use std::{future::Future, io, net::SocketAddr, pin::Pin, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Empty;
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{
    address::AddressKind,
    exchange::FetchError,
    url::{Host, JwksUrl},
};

/// Room for the head of an answer.
const MAX_HEAD_BYTES: usize = 16 * 1024;

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

/// Where to connect to, and what must hold of it.
#[derive(Clone)]
pub(crate) struct Connector {
    pub(crate) url: JwksUrl,
    pub(crate) resolver: Arc<dyn Resolver>,
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// An open connection for one exchange; dropped with it.
pub(crate) struct Connection {
    sender: SendRequest<Empty<Bytes>>,
    /// Moves the bytes; ends when this is dropped, and the connection with it.
    _driver: JoinSet<Result<(), hyper::Error>>,
}

impl Connector {
    /// A connection to the first reachable address that may be asked.
    pub(crate) async fn open(&self) -> Result<Connection, FetchError> {
        let stream = self.connect().await?;
        if !self.url.is_https {
            return speak(stream).await;
        }
        let config = self.tls.as_ref().ok_or(FetchError::NoTrustAnchors)?;
        let name = self.url.host.server_name()?;
        let secured = TlsConnector::from(Arc::clone(config)).connect(name, stream);
        speak(secured.await.map_err(FetchError::Tls)?).await
    }

    /// A GET for the URL with `suffix` appended, without `Accept`.
    pub(crate) fn request(&self, suffix: &str) -> http::request::Builder {
        Request::get(format!("{}{suffix}", self.url.path()))
            .header(header::HOST, self.url.authority())
            .header(header::ACCEPT_ENCODING, "identity")
            .header(header::CONNECTION, "close")
    }

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
}

impl Connection {
    /// Sends `request` and waits for the head of its answer.
    pub(crate) async fn send(
        &mut self,
        request: Request<Empty<Bytes>>,
    ) -> Result<Response<Incoming>, FetchError> {
        let answer = self.sender.send_request(request).await;
        answer.map_err(FetchError::Broken)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one HTTP client of this crate, with every bound of this module"
)]
async fn speak<S>(stream: S) -> Result<Connection, FetchError>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD_BYTES)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(FetchError::Broken)?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    Ok(Connection {
        sender,
        _driver: driver,
    })
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
