//! The way to the target and to nowhere else.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

use super::{
    Clock, Outcome, Request, Roots,
    answer::{Answer, linger, read},
};
use crate::target::{Target, is_inner};

const CONNECT: Duration = Duration::from_secs(5);
/// How long a second answer may take.
const LINGER: Duration = Duration::from_millis(400);

/// Why there is no way to the target.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The name has no address.
    #[error("`{0}` cannot be resolved")]
    Unresolved(String),
    /// Somebody else's machine, and no word that this is fine.
    #[error("{0} is a public address, and nothing says that you may attack it")]
    Public(SocketAddr),
    /// `https` without root certificates.
    #[error("no root certificates are known for https")]
    NoRoots,
    /// The host is no name that a certificate could carry.
    #[error("`{0}` is no name for a certificate")]
    ServerName(String),
}

/// The address of the target, resolved and judged once: every connection goes
/// to the address that was judged.
pub struct Network {
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    patience: Duration,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

impl Network {
    /// Resolves the target's name. `may_be_public`: somebody answers for
    /// attacking a machine that is not of an inner network. `patience` bounds
    /// one exchange.
    ///
    /// # Errors
    ///
    /// [`NetworkError`] if there is no address that may be attacked.
    pub async fn open(
        target: &Target,
        may_be_public: bool,
        roots: Option<&Roots>,
        clock: Clock,
        patience: Duration,
    ) -> Result<Self, NetworkError> {
        let unresolved = || NetworkError::Unresolved(target.host.clone());
        let host = (target.host.as_str(), target.port);
        let mut found = tokio::net::lookup_host(host)
            .await
            .map_err(|_| unresolved())?;
        let address = found.next().ok_or_else(unresolved)?;
        if !may_be_public && !is_inner(address.ip()) {
            return Err(NetworkError::Public(address));
        }
        let tls = match (target.is_https, roots) {
            (false, _) => None,
            (true, None) => return Err(NetworkError::NoRoots),
            (true, Some(roots)) => {
                let name = ServerName::try_from(target.host.clone())
                    .map_err(|_| NetworkError::ServerName(target.host.clone()))?;
                Some((roots.config(clock), name))
            }
        };
        Ok(Self {
            address,
            tls,
            patience,
        })
    }

    /// Whether the target is this machine.
    pub fn is_loopback(&self) -> bool {
        self.address.ip().to_canonical().is_loopback()
    }

    /// The address that is spoken to.
    pub(crate) const fn address(&self) -> IpAddr {
        self.address.ip()
    }

    /// Sends one request on a connection of its own and reads the answer.
    pub async fn send(&self, request: &Request) -> Outcome {
        self.send_from(request, None).await
    }

    /// The same from an address of this machine.
    pub(crate) async fn send_from(&self, request: &Request, source: Option<IpAddr>) -> Outcome {
        let begun = Instant::now();
        let connected = timeout(CONNECT, self.connect(source)).await;
        let stream = match connected {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Outcome::Unreachable(error.to_string()),
            Err(_) => return Outcome::Unreachable("no answer to the connection".to_owned()),
        };
        let exchanged = timeout(self.patience, self.exchange(stream, request)).await;
        match exchanged {
            Err(_) => Outcome::TimedOut,
            Ok(Err(error)) => Outcome::Unreachable(error.to_string()),
            Ok(Ok(Err(instead))) => Outcome::Closed(instead),
            Ok(Ok(Ok(answer))) => Outcome::Answered(Answer {
                elapsed: begun.elapsed(),
                ..answer
            }),
        }
    }

    async fn connect(&self, source: Option<IpAddr>) -> std::io::Result<TcpStream> {
        let Some(source) = source else {
            return TcpStream::connect(self.address).await;
        };
        let socket = match self.address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.bind(SocketAddr::new(source, 0))?;
        socket.connect(self.address).await
    }

    async fn exchange(
        &self,
        stream: TcpStream,
        request: &Request,
    ) -> std::io::Result<Result<Answer, Vec<u8>>> {
        match &self.tls {
            None => Ok(speak(stream, request).await),
            Some((config, name)) => {
                let connector = TlsConnector::from(Arc::clone(config));
                let secured = connector.connect(name.clone(), stream).await?;
                Ok(speak(secured, request).await)
            }
        }
    }
}

/// Writes and reads at the same time: a target may answer before it has read
/// all, and stop reading.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &Request,
) -> Result<Answer, Vec<u8>> {
    let (mut incoming, mut outgoing) = tokio::io::split(stream);
    let bytes = request.bytes();
    let write = async {
        if outgoing.write_all(&bytes).await.is_ok() {
            // The answer tells whether it arrived.
            let _ = outgoing.flush().await;
        }
        std::future::pending::<()>().await;
    };
    let read = async {
        let mut answer = read(&mut incoming, request.method == "HEAD").await?;
        if request.lingers {
            // Silence is an answer too.
            let _ = timeout(LINGER, linger(&mut incoming, &mut answer.behind)).await;
        }
        Ok(answer)
    };
    tokio::select! {
        () = write => Err(Vec::new()),
        answer = read => answer,
    }
}
