//! One HTTP/1.1 request on a connection of its own, and its answer: for the
//! command line, and for spans on their way to a collector.
//!
//! Connect, secure, ask, read; each within a bound. The address is the
//! operator's, who may well mean one of an inner network, so it is not judged as
//! those are that come with a token (`doorward-verify`). No redirect is followed,
//! so a secret never travels further than the address that it was meant for.

use std::{error::Error, io, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinSet,
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{ClientConfig, pki_types::ServerName},
};

/// Largest head of an answer, and the most that is read at a time.
const MAX_HEAD: usize = 64 * 1024;

/// Who is asked.
#[derive(Clone, Copy)]
pub(crate) struct Destination<'a> {
    /// A name or an address, that of IPv6 without its brackets.
    pub(crate) host: &'a str,
    /// Where it listens.
    pub(crate) port: u16,
    /// Whom to believe there; plain `http` if there is none.
    pub(crate) tls: Option<&'a Arc<ClientConfig>>,
}

/// How long it may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// From the name's resolution to a connection that is secure.
    pub(crate) connect: Duration,
    /// From there to the answer's last byte.
    pub(crate) answer: Duration,
}

/// The body of an answer, which is still to come.
pub(crate) struct Body {
    arriving: Incoming,
    until: Instant,
    _connection: Connection,
}

/// Why there is no answer, or not all of it.
#[derive(Debug)]
pub(crate) enum Fault {
    /// No connection, or no secure one.
    Unconnected(io::Error),
    /// It ended in between, or is no answer, or a larger one than may be.
    Broken(Box<dyn Error + Send + Sync>),
    /// Not everything came in time.
    Late,
}

/// Sends `request`, whose URI is a path, and waits for the head of its answer.
pub(crate) async fn send(
    destination: Destination<'_>,
    request: Request<Bytes>,
    patience: Patience,
) -> Result<Response<Body>, Fault> {
    let connecting = timeout(patience.connect, destination.connect());
    let connected = connecting.await.unwrap_or_else(|_| {
        let why = format!("no answer in {} s", patience.connect.as_secs());
        Err(io::Error::new(io::ErrorKind::TimedOut, why))
    });
    let mut connection = connected.map_err(Fault::Unconnected)?;
    let until = Instant::now() + patience.answer;
    let asking = connection.sender.send_request(request.map(Full::new));
    let answer = timeout_at(until, asking).await.map_err(|_| Fault::Late)?;
    let answer = answer.map_err(|error| Fault::Broken(error.into()))?;
    Ok(answer.map(|arriving| Body {
        arriving,
        until,
        _connection: connection,
    }))
}

impl Body {
    /// All of it, which is at most so many bytes.
    pub(crate) async fn read(self, most: usize) -> Result<Bytes, Fault> {
        let reading = Limited::new(self.arriving, most).collect();
        let read = timeout_at(self.until, reading)
            .await
            .map_err(|_| Fault::Late)?;
        Ok(read.map_err(Fault::Broken)?.to_bytes())
    }
}

impl Destination<'_> {
    async fn connect(self) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host, self.port)).await?;
        let Some(config) = self.tls else {
            return speak(stream).await;
        };
        let name = ServerName::try_from(self.host.to_owned()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(Arc::clone(config));
        speak(connector.connect(name, stream).await?).await
    }
}

/// A connection and what moves its bytes, which ends when it is dropped.
struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<Result<(), hyper::Error>>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one HTTP client of this crate: a connection for each request, every step bounded"
)]
async fn speak<S>(stream: S) -> io::Result<Connection>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEAD)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    Ok(Connection {
        sender,
        _driver: driver,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::time::Duration;

    use bytes::Bytes;
    use http::Request;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::{Destination, Fault, MAX_HEAD, Patience, send};

    /// Asks a server that says `said` and no more, and takes 8 bytes of it.
    async fn asked(said: &str, millis: u64) -> Result<(u16, Bytes), Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let answering = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_buf(&mut Vec::new()).await.unwrap();
            // Nobody has to read all of it.
            let _ = stream.write_all(said.as_bytes()).await;
            stream
        };
        let asking = async {
            let answer = send(at(port), question(), patience(millis)).await?;
            let (head, body) = answer.into_parts();
            Ok((head.status.as_u16(), body.read(8).await?))
        };
        // The server's end stays open until the answer has been judged.
        let (_open, asked) = tokio::join!(answering, asking);
        asked
    }

    fn at(port: u16) -> Destination<'static> {
        Destination {
            host: "127.0.0.1",
            port,
            tls: None,
        }
    }

    fn question() -> Request<Bytes> {
        Request::get("/").body(Bytes::new()).unwrap()
    }

    const fn patience(millis: u64) -> Patience {
        Patience {
            connect: Duration::from_secs(20),
            answer: Duration::from_millis(millis),
        }
    }

    #[tokio::test]
    async fn an_answer_is_bounded_in_bytes() {
        let fits = "HTTP/1.1 404 X\r\nContent-Length: 8\r\n\r\n12345678";
        let (status, body) = asked(fits, 20_000).await.unwrap();
        assert_eq!((status, &body[..]), (404, &b"12345678"[..]));
        for large in [
            "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n",
            &format!("HTTP/1.1 200 X\r\nX: {}", "a".repeat(MAX_HEAD)),
        ] {
            let answer = asked(large, 20_000).await;
            assert!(matches!(answer, Err(Fault::Broken(_))), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_is_bounded_in_time() {
        for slow in ["", "HTTP/1.1 200 X\r\nContent-Length: 8\r\n\r\n1234"] {
            let answer = asked(slow, 50).await;
            assert!(matches!(answer, Err(Fault::Late)), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn nobody_there_is_no_broken_exchange() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let answer = send(at(port), question(), patience(20_000)).await;
        assert!(matches!(answer, Err(Fault::Unconnected(_))));
    }
}
