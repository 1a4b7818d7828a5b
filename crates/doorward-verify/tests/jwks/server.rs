//! A server that answers as badly as it is told to.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// How the server answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes, then the end.
    Bytes(Vec<u8>),
    /// Nothing, for ever.
    Stall,
    /// These bytes, and then one more every few milliseconds, for ever.
    Drip(Vec<u8>),
    /// The end, without reading.
    HangUp,
}

impl Answer {
    /// A whole response.
    pub(crate) fn response(status: &str, headers: &[&str], body: &[u8]) -> Self {
        let mut head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n", body.len());
        for header in headers {
            head.push_str(header);
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        Self::Bytes([head.as_bytes(), body].concat())
    }

    /// A key set as an issuer publishes it.
    pub(crate) fn keys(jwks: &str) -> Self {
        Self::keys_with(jwks, &["Cache-Control: max-age=600"])
    }

    pub(crate) fn keys_with(jwks: &str, headers: &[&str]) -> Self {
        let headers = [&["Content-Type: application/jwk-set+json"], headers].concat();
        Self::response("200 OK", &headers, jwks.as_bytes())
    }
}

/// A listener on loopback with the heads of the requests that it got.
pub(crate) struct Server {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    answer: Answer,
    requests: Vec<String>,
}

impl Server {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State {
            answer,
            requests: Vec::new(),
        }));
        let task = tokio::spawn(accept(listener, Arc::clone(&state)));
        Self {
            address,
            state,
            task,
        }
    }

    /// An address where nobody listens.
    pub(crate) async fn gone() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    }

    pub(crate) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn answer(&self, answer: Answer) {
        self.state.lock().unwrap().answer = answer;
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.state.lock().unwrap().requests.clone()
    }

    pub(crate) fn count(&self) -> usize {
        self.state.lock().unwrap().requests.len()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve(stream, Arc::clone(&state)));
    }
}

async fn serve(mut stream: TcpStream, state: Arc<Mutex<State>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => break,
        }
    }
    let answer = {
        let mut state = state.lock().unwrap();
        state
            .requests
            .push(String::from_utf8_lossy(&head).into_owned());
        state.answer.clone()
    };
    // The client may well have gone; that is its right.
    let _ = match answer {
        Answer::HangUp => Ok(()),
        Answer::Stall => std::future::pending().await,
        Answer::Bytes(bytes) => stream.write_all(&bytes).await,
        Answer::Drip(bytes) => drip(stream, &bytes).await,
    };
}

async fn drip(mut stream: TcpStream, head: &[u8]) -> std::io::Result<()> {
    stream.write_all(head).await?;
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    loop {
        tick.tick().await;
        stream.write_all(b" ").await?;
    }
}
