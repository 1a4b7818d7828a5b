//! The listening sockets, one for each worker.
//!
//! With `SO_REUSEPORT` the kernel spreads connections over them, and no worker
//! wakes for another's. It would also let a second process of the same user
//! listen on the port in silence, so the address is first taken without it.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use http::Uri;
use socket2::{Domain, Protocol, Socket, Type};

/// Connections that wait to be accepted.
const BACKLOG: i32 = 1024;

/// Bound sockets that nobody serves yet.
#[derive(Debug)]
pub struct Listeners {
    sockets: Vec<TcpListener>,
    address: SocketAddr,
}

/// Why a gateway cannot be bound.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BindError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The upstream is not one.
    #[error("the upstream {0} is not an origin: write http://HOST:PORT or https://HOST:PORT")]
    Upstream(Uri),
    /// The upstream speaks TLS, and nobody said whose certificates to believe.
    #[error("the upstream {0} speaks TLS: say whose certificates are believed")]
    NoRoots(Uri),
    /// The upstream is the gateway: every request would go round until no
    /// connection is left.
    #[error("the upstream {0} is the gateway's own address")]
    Circle(Uri),
}

impl Listeners {
    /// Binds `address` for so many workers; 0 means one for each core.
    ///
    /// # Errors
    ///
    /// [`BindError::Listen`].
    pub fn bind(address: SocketAddr, workers: usize) -> Result<Self, BindError> {
        Self::try_bind(address, count(workers))
            .map_err(|source| BindError::Listen { address, source })
    }

    /// Shares one socket, which somebody else bound, among the workers.
    ///
    /// # Errors
    ///
    /// [`BindError::Listen`].
    pub fn around(socket: TcpListener, workers: usize) -> Result<Self, BindError> {
        let unknown = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = socket.local_addr().map_err(|source| BindError::Listen {
            address: unknown,
            source,
        })?;
        let share = || -> io::Result<Vec<TcpListener>> {
            socket.set_nonblocking(true)?;
            (0..count(workers)).map(|_| socket.try_clone()).collect()
        };
        let sockets = share().map_err(|source| BindError::Listen { address, source })?;
        Ok(Self { sockets, address })
    }

    /// The bound address, with the port that the system chose for port 0.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn into_sockets(self) -> Vec<TcpListener> {
        self.sockets
    }

    fn try_bind(address: SocketAddr, workers: usize) -> io::Result<Self> {
        if address.port() != 0 {
            // Fails where anybody listens; closed again at once.
            drop(TcpListener::bind(address)?);
        }
        let first = listen(address)?;
        let address = first.local_addr()?;
        let more = (1..workers).map(|_| listen(address));
        let sockets = std::iter::once(Ok(first))
            .chain(more)
            .collect::<io::Result<_>>()?;
        Ok(Self { sockets, address })
    }
}

fn count(workers: usize) -> usize {
    match workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    // A restart must not wait for the connections of the run before.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::{BindError, Listeners};

    #[test]
    fn a_second_gateway_on_the_same_port_is_refused() {
        let first = Listeners::bind("127.0.0.1:0".parse().unwrap(), 2).unwrap();
        let second = Listeners::bind(first.local_addr(), 2);
        assert!(
            matches!(second, Err(BindError::Listen { .. })),
            "{second:?}"
        );
    }

    #[test]
    fn every_worker_gets_a_socket_on_the_same_port() {
        let listeners = Listeners::bind("127.0.0.1:0".parse().unwrap(), 3).unwrap();
        let address = listeners.local_addr();
        let sockets = listeners.into_sockets();
        assert_eq!(sockets.len(), 3);
        assert!(
            sockets
                .iter()
                .all(|socket| socket.local_addr().unwrap() == address)
        );
    }
}
