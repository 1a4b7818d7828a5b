//! The admin listener's connections: few at a time, and none for long. What a
//! crowd on this port could take (file descriptors, memory) is the gateway's.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body};
use hyper::{Request, body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tower::ServiceExt as _;

/// How long to rest when the system has no descriptor for another connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Bounds of number and time.
pub(crate) struct Bounds {
    /// Connections at a time; more wait to be accepted.
    pub(crate) connections: usize,
    /// For a request's head, and between two requests.
    pub(crate) head: Duration,
    /// For a connection with all its requests.
    pub(crate) whole: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            connections: 64,
            head: Duration::from_secs(5),
            whole: Duration::from_secs(60),
        }
    }
}

/// Serves `router` until the process ends.
pub(crate) async fn serve(listener: TcpListener, router: Router, bounds: Bounds) {
    let places = Arc::new(Semaphore::new(bounds.connections));
    let bounds = Arc::new(bounds);
    loop {
        // It fails when the semaphore is closed, and nobody closes it.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let Ok((stream, _)) = listener.accept().await else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (router, bounds) = (router.clone(), Arc::clone(&bounds));
        tokio::spawn(async move {
            converse(stream, router, &bounds).await;
            drop(place);
        });
    }
}

async fn converse(stream: TcpStream, router: Router, bounds: &Bounds) {
    let service = service_fn(move |request: Request<Incoming>| {
        router.clone().oneshot(request.map(Body::new))
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(bounds.head)
        .serve_connection(TokioIo::new(stream), service);
    // Whatever ends it ends only this connection.
    let _ = timeout(bounds.whole, connection).await;
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::time::Duration;

    use axum::{Router, routing::get};
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::{TcpListener, TcpStream},
    };

    use super::{Bounds, serve};

    #[tokio::test]
    async fn dos_003_silent_connections_give_way() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let bounds = Bounds {
            connections: 2,
            head: Duration::from_millis(50),
            ..Bounds::default()
        };
        let router = Router::new().route("/", get(|| async { "here" }));
        tokio::spawn(serve(listener, router, bounds));
        let mut silent = Vec::new();
        for begun in ["", "GET / HTTP/1.1\r\nHost: a\r\nX: "] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            silent.push(stream);
        }
        let mut operator = TcpStream::connect(address).await.unwrap();
        let request = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        operator.write_all(request).await.unwrap();
        let mut answer = String::new();
        operator.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("here"), "{answer}");
    }
}
