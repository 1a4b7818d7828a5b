//! HTTP/1.1 on the loopback interface, both ends, as plain as it can be.

use std::{net::SocketAddr, time::Duration};

use doorward_verify::revocation::feed::transport::{
    FeedBody, FeedRequest, FeedResponse, FeedTransport, TransportError,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};

use crate::issuer::Issuer;

/// Serves the issuer's feed until the test ends.
pub(crate) async fn serve(issuer: &Issuer) -> Http {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let issuer = issuer.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(answer(stream, issuer.clone()));
        }
    });
    Http(address)
}

async fn answer(stream: TcpStream, issuer: Issuer) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        (stream.read_line(&mut head).await.ok()? > 0).then_some(())?;
    }
    let target = head.split(' ').nth(1)?.to_owned();
    let accept = head
        .split("accept: ")
        .nth(1)?
        .split("\r\n")
        .next()?
        .to_owned();
    let time = issuer.time();
    let (status, media_type, messages) = issuer.with(|state| state.answer(&target, &accept, time));
    let cut = issuer.with(|state| state.cut);
    let mut out = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {media_type}; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let head = out.len();
    for message in messages {
        let text = match media_type.as_str() {
            "text/event-stream" => format!(": one\nid: 1\ndata: {message}\n\n"),
            _ => format!("{message}\n"),
        };
        // Chunks that do not end where messages do.
        for part in text.as_bytes().chunks(500) {
            let part = std::str::from_utf8(part).unwrap();
            out += &format!("{:x}\r\n{part}\r\n", part.len());
        }
    }
    out += "0\r\n\r\n";
    let end = cut.map_or(out.len(), |cut| out.len().min(head + cut));
    stream.write_all(&out.as_bytes()[..end]).await.ok()
}

/// The follower's end.
pub(crate) struct Http(pub(crate) SocketAddr);

pub(crate) struct Chunks(BufReader<TcpStream>);

fn broken(error: std::io::Error) -> TransportError {
    TransportError::Unreachable(error.to_string())
}

impl FeedTransport for Http {
    type Body = Chunks;

    async fn get(&self, request: &FeedRequest) -> Result<FeedResponse<Chunks>, TransportError> {
        let stream = TcpStream::connect(self.0).await.map_err(broken)?;
        let mut stream = BufReader::new(stream);
        let text = format!(
            "GET /revocations{} HTTP/1.1\r\nhost: feed\r\naccept: {}\r\n\r\n",
            request.suffix, request.accept
        );
        stream.write_all(text.as_bytes()).await.map_err(broken)?;
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head).await.map_err(broken)? == 0 {
                return Err(TransportError::Silent);
            }
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let media_type = head.split("content-type: ").nth(1).unwrap();
        Ok(FeedResponse {
            status,
            media_type: media_type.split(';').next().unwrap().to_owned(),
            body: Chunks(stream),
        })
    }

    async fn pause(&self, time: Duration) {
        panic!("a test does not wait {time:?}");
    }
}

impl FeedBody for Chunks {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut size = String::new();
        if self.0.read_line(&mut size).await.map_err(broken)? == 0 {
            return Err(TransportError::Unreachable("the body was cut".to_owned()));
        }
        let size = usize::from_str_radix(size.trim_end(), 16)
            .map_err(|_| TransportError::Unreachable("the body was cut".to_owned()))?;
        let mut chunk = vec![0; size + 2];
        self.0.read_exact(&mut chunk).await.map_err(broken)?;
        chunk.truncate(size);
        Ok((size > 0).then_some(chunk))
    }
}
