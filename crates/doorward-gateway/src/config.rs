//! Where the gateway listens, what it stands in front of, and its bounds.

use std::{net::SocketAddr, time::Duration};

use http::{Uri, uri::PathAndQuery};

use crate::{
    UpstreamRoots, address::Network, forward_auth::ForwardAuth, identity::IdentityHeaders,
    rate::RateLimit, sampling::Ratio, tls::Tls,
};

/// Settings of a gateway.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// Threads that serve, each with its own runtime, listener and upstream
    /// connections; 0 for one on each core.
    pub workers: usize,
    /// Origin of the API behind the gateway: `http://host[:port]`, or
    /// `https://` where [`Config::upstream_roots`] says who is believed.
    pub upstream: Uri,
    /// More servers with the same API. A request goes to the one with the
    /// least to do.
    pub more_upstreams: Vec<Uri>,
    /// What is spoken with them.
    pub upstream_protocol: UpstreamProtocol,
    /// Whose certificates are believed of `https://` upstreams.
    pub upstream_roots: Option<UpstreamRoots>,
    /// Path that every upstream is asked for now and then; one that does not
    /// answer it with success is left out while others are not.
    pub health_path: Option<PathAndQuery>,
    /// Origin under which callers reach the gateway, `https://api.example`: a
    /// proof of possession names it (`htu`, RFC 9449 section 4.3). Never taken
    /// from a request. Without it, `http://` (`https://` with TLS) and the address
    /// listened on.
    pub public_origin: Option<String>,
    /// Which of the traces that begin here are sampled; the API behind is told.
    pub sampled: Ratio,
    /// TLS towards callers; without it they are spoken to in clear.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 is spoken in clear with callers that begin with it
    /// (RFC 9113 section 3.3). Under TLS it is offered always.
    pub cleartext_http2: bool,
    /// Protocols that a request may change to, in lower case: `websocket`.
    pub upgrades: Vec<String>,
    /// How much one caller may ask.
    pub rates: Vec<RateLimit>,
    /// Proxies whose word is taken for the address of a caller.
    pub trusted_proxies: Vec<Network>,
    /// Whether each connection of theirs begins with the PROXY protocol.
    pub proxy_protocol: bool,
    /// More header names that only the gateway may set. Requests lose them in
    /// every spelling, besides those in [`crate::identity`].
    pub identity_names: Vec<String>,
    /// What upstreams, and proxies that ask, are told of a proven caller. Requests
    /// lose the fields of all of it in any case.
    pub identity_headers: IdentityHeaders,
    /// Where another proxy asks about its requests.
    pub forward_auth: Option<ForwardAuth>,
    /// Whether requests are forwarded at all. Without it [`Config::upstream`]
    /// is asked nothing, and what is let through ends with 404.
    pub forwards: bool,
    /// Bounds of time and size.
    pub limits: Limits,
}

impl Config {
    /// Every server behind the gateway.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Uri> {
        std::iter::once(&self.upstream).chain(&self.more_upstreams)
    }

    /// A gateway on `listen` in front of `upstream`, with default bounds.
    pub fn new(listen: SocketAddr, upstream: Uri) -> Self {
        Self {
            listen,
            workers: 0,
            upstream,
            more_upstreams: Vec::new(),
            upstream_protocol: UpstreamProtocol::default(),
            upstream_roots: None,
            health_path: None,
            public_origin: None,
            sampled: Ratio::default(),
            tls: None,
            cleartext_http2: false,
            upgrades: Vec::new(),
            rates: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            identity_names: Vec::new(),
            identity_headers: IdentityHeaders::default(),
            forward_auth: None,
            forwards: true,
            limits: Limits::default(),
        }
    }
}

/// What is spoken with the upstreams. Changes of protocol are always asked for
/// in HTTP/1.1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2: by ALPN under TLS, at once in clear (RFC 9113 section 3.3). What
    /// gRPC needs.
    Http2,
}

/// Bounds of time and size. Nothing waits or grows without one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a request head.
    pub head_bytes: usize,
    /// Bytes of a request target.
    pub target_bytes: usize,
    /// Header fields of a request, and of an upstream's answer.
    pub fields: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub streams: u32,
    /// From an accepted connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// TLS handshakes at a time, over all workers; one address has half of them
    /// at most.
    pub handshakes: usize,
    /// From the first byte of a head to its last; also how long a new
    /// connection may be silent.
    pub head_timeout: Duration,
    /// How long a connection may be idle between requests.
    pub idle_timeout: Duration,
    /// How long a connection of HTTP/1.1 is silent between requests before the
    /// memory is given back that only a request needs.
    pub rest_after: Duration,
    /// How long a request body may stop arriving. One whose length is announced has
    /// to begin within five seconds.
    pub body_timeout: Duration,
    /// How long a caller may leave an answer unread.
    pub write_timeout: Duration,
    /// Bytes a second that a caller has to send of a body, and to take of an
    /// answer, while it is waited for; what it is slower uses up the two limits
    /// above. A body whose answer has begun may come slower: it may be one half
    /// of a conversation. 0 for no such limit.
    pub slowest: usize,
    /// How long a closed connection is still read, so that the caller can read
    /// why.
    pub linger_timeout: Duration,
    /// How many bytes of it are read.
    pub linger_bytes: usize,
    /// Connections at a time, over all workers.
    pub connections: usize,
    /// Requests at a time at each upstream.
    pub upstream_requests: usize,
    /// How often an upstream's health is asked for.
    pub health_interval: Duration,
    /// Connections at a time from one address (of IPv6, one network of 64
    /// bits), trusted proxies apart. Without it, half of all, and from this
    /// machine as many as there are.
    pub connections_per_address: Option<usize>,
    /// For a connection to the upstream.
    pub connect_timeout: Duration,
    /// From the last byte of the request that the upstream took to the head of
    /// its answer.
    pub answer_timeout: Duration,
    /// How long the body of an answer may stop coming. Generous: event streams
    /// are silent between events.
    pub answer_stall_timeout: Duration,
    /// How long both sides of a tunnel may be silent.
    pub tunnel_idle_timeout: Duration,
    /// How long an upstream connection is kept for reuse. Shorter than the
    /// five seconds after which common servers close it themselves.
    pub upstream_idle_timeout: Duration,
    /// Upstream connections kept for reuse, on each worker.
    pub upstream_idle_connections: usize,
    /// How long a shutdown waits for requests in progress.
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head_bytes: 32 * 1024,
            target_bytes: 8 * 1024,
            fields: 100,
            streams: 100,
            handshake_timeout: Duration::from_secs(10),
            handshakes: 4 * 1024,
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            rest_after: Duration::from_secs(1),
            body_timeout: Duration::from_secs(60),
            write_timeout: Duration::from_secs(60),
            slowest: 500,
            linger_timeout: Duration::from_secs(2),
            linger_bytes: 1024 * 1024,
            connections: 16 * 1024,
            connections_per_address: None,
            upstream_requests: 16 * 1024,
            health_interval: Duration::from_secs(5),
            connect_timeout: Duration::from_secs(3),
            answer_timeout: Duration::from_secs(30),
            answer_stall_timeout: Duration::from_secs(300),
            tunnel_idle_timeout: Duration::from_secs(300),
            upstream_idle_timeout: Duration::from_secs(4),
            upstream_idle_connections: 256,
            drain_timeout: Duration::from_secs(10),
        }
    }
}
