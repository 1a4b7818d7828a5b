//! From an accepted socket to a conversation: who speaks, and in which
//! protocol.
//!
//! Everything here happens before a request can be answered in the usual way,
//! so it is bounded as a whole: one time limit from the accepted socket to the
//! end of the handshake, and a number of handshakes at a time, of which one
//! address has half.

use std::{
    io,
    net::IpAddr,
    sync::{Arc, atomic::Ordering},
};

use tokio::{io::AsyncWriteExt as _, net::TcpStream, time::timeout};

use crate::{
    address::{Header, is_trusted},
    gateway::{Inner, Peer},
    shares::handshakes_of,
    tls::Tls,
    wire::transport::{Socket, Transport},
};

/// For those who speak plain HTTP where TLS is spoken. Whatever stood in the
/// request has been readable on its way, so it is not helped along by a
/// redirect.
const TLS_HERE: &[u8] = b"HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\n\
    content-length: 46\r\nconnection: close\r\n\r\nthis port speaks TLS: write https:// instead.\n";

/// The caller's end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// Its address.
    pub(crate) peer: Peer,
    /// Whether its bytes came under TLS.
    pub(crate) is_secure: bool,
}

/// A connection that is ready for its first request.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) transport: Transport,
    pub(crate) caller: Caller,
    pub(crate) protocol: Protocol,
}

impl Arrived {
    /// Of another proxy, which asks in clear and in HTTP/1.1 as it is.
    pub(crate) fn in_clear(stream: TcpStream, peer: Peer) -> Self {
        Self {
            transport: Transport::Plain(Socket::new(stream)),
            caller: Caller {
                peer,
                is_secure: false,
            },
            protocol: Protocol::Http1,
        }
    }
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    Http1,
    Http2,
}

/// Brings `stream` to its first request; `None` where it does not come so far.
pub(crate) async fn receive(inner: &Arc<Inner>, stream: TcpStream, peer: Peer) -> Option<Arrived> {
    let mut socket = Socket::new(stream);
    let mut peer = peer;
    if inner.config.proxy_protocol && is_trusted(&inner.config.trusted_proxies, peer.0) {
        let limit = inner.config.limits.handshake_timeout;
        peer = timeout(limit, introduced(&mut socket, peer)).await.ok()??;
    }
    let Some(tls) = &inner.config.tls else {
        let protocol = match inner.config.cleartext_http2 {
            true => timeout(inner.config.limits.head_timeout, first_words(&mut socket))
                .await
                .ok()?,
            false => Protocol::Http1,
        };
        return Some(Arrived {
            transport: Transport::Plain(socket),
            caller: Caller {
                peer,
                is_secure: false,
            },
            protocol,
        });
    };
    let place = Handshaking::begin(inner, peer)?;
    let limit = inner.config.limits.handshake_timeout;
    let shaken = timeout(limit, shake_hands(tls, socket)).await;
    drop(place);
    // A caller that cannot shake hands was told so by an alert, or has gone.
    let (transport, protocol) = shaken.ok()?.ok()??;
    Some(Arrived {
        transport,
        caller: Caller {
            peer,
            is_secure: true,
        },
        protocol,
    })
}

/// For whom a proxy speaks; `None` where it does not say so in the right words.
async fn introduced(socket: &mut Socket, proxy: Peer) -> Option<Peer> {
    loop {
        match Header::read(socket.ahead()) {
            Header::Unfinished(length) => {
                if !socket.look_ahead(length).await.ok()? {
                    return None;
                }
            }
            Header::Whole(length, address) => {
                socket.skip(length);
                return Some(address.map_or(proxy, Peer));
            }
            Header::Broken => return None,
        }
    }
}

/// HTTP/2 begins with words that no request of HTTP/1.1 begins with. Whoever
/// ends before is left to the reader of HTTP/1.1.
async fn first_words(socket: &mut Socket) -> Protocol {
    let preface = b"PRI *";
    let _ = socket.look_ahead(preface.len()).await;
    match socket.ahead().starts_with(preface) {
        true => Protocol::Http2,
        false => Protocol::Http1,
    }
}

async fn shake_hands(tls: &Tls, mut socket: Socket) -> io::Result<Option<(Transport, Protocol)>> {
    if !socket.look_ahead(1).await? {
        return Ok(None);
    }
    // A handshake begins with byte 22, a request with a letter.
    if socket.ahead().first().is_some_and(u8::is_ascii_alphabetic) {
        socket.write_all(TLS_HERE).await?;
        socket.shutdown().await?;
        return Ok(None);
    }
    let stream = tls.acceptor().accept(socket).await?;
    let protocol = match stream.get_ref().1.alpn_protocol() {
        Some(b"h2") => Protocol::Http2,
        _ => Protocol::Http1,
    };
    Ok(Some((Transport::Tls(Box::new(stream)), protocol)))
}

/// One of the handshakes that may be in progress at a time.
struct Handshaking {
    inner: Arc<Inner>,
    /// Counted by itself, if it is not a trusted proxy's.
    address: Option<IpAddr>,
}

impl Handshaking {
    fn begin(inner: &Arc<Inner>, peer: Peer) -> Option<Self> {
        let mut place = Self {
            inner: Arc::clone(inner),
            address: None,
        };
        let before = inner.handshakes.fetch_add(1, Ordering::Relaxed);
        if before >= inner.config.limits.handshakes {
            return None;
        }
        if let Some(most) = handshakes_of(&inner.config, peer.0) {
            place.address = inner.handshaking.take(peer.0, most).then_some(peer.0);
            place.address?;
        }
        Some(place)
    }
}

impl Drop for Handshaking {
    fn drop(&mut self) {
        self.inner.handshakes.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            self.inner.handshaking.give_back(address);
        }
    }
}
