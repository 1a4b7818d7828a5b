//! The address that a forged token points to: serves our keys at every path
//! and counts who asks. A sound target never comes.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use doorward_attack::{forge, run::Listening};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::exit::Failure;

/// Longer than any honest request head takes.
const PATIENCE: Duration = Duration::from_secs(5);

/// Listens at `address` for as long as the runtime lives.
pub(super) async fn open(address: SocketAddr, token: &str) -> Result<Listening, Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        Failure::unreachable(format!("cannot listen at {address}: {error}"))
            .hint("name a free address that the target can reach, for example 127.0.0.1:0")
    })?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::unreachable(format!("cannot listen at {address}: {error}")))?;
    let lure = forge::lure(token, &format!("http://{address}")).ok_or_else(|| {
        Failure::usage("--listener needs a token that is a compact JWS")
            .hint("leave it out for other kinds of tokens")
    })?;
    let visits = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&visits);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::Relaxed);
            tokio::spawn(timeout(PATIENCE, answer(stream, lure.jwks.clone())));
        }
    });
    Ok(Listening {
        forgeries: lure.forgeries,
        visits,
    })
}

async fn answer(mut stream: TcpStream, jwks: String) {
    let mut head = [0; 4096];
    if stream.read(&mut head).await.is_ok() {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{jwks}",
            jwks.len()
        );
        // Whoever asked may have left; the visit counts all the same.
        let _ = stream.write_all(answer.as_bytes()).await;
    }
}
