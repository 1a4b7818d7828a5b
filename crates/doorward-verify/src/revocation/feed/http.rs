//! The feed over HTTP, under the rules of key sets: `https` or this machine,
//! addresses that are judged before they are connected to, no redirects, no
//! compression, one connection for each answer.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use doorward_verify::{clock::Clock, jwks::url::JwksUrl};
//! # use doorward_verify::revocation::feed::{follower::Follower, http::HttpFeed};
//! # async fn follow(follower: Follower, clock: Arc<dyn Clock>) -> Result<(), Box<dyn std::error::Error>> {
//! let url = JwksUrl::parse("https://id.example/revocations")?;
//! let feed = HttpFeed::new(url, None, &clock);
//! follower.run(&feed, &*clock).await; // drop the future to stop
//! # Ok(())
//! # }
//! ```

use std::{sync::Arc, time::Duration};

use ::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use tokio::time::{sleep, timeout};

use super::transport::{FeedBody, FeedRequest, FeedResponse, FeedTransport, TransportError};
use crate::{
    clock::Clock,
    jwks::{
        connection::{Connection, Connector},
        remote::{FetchError, Resolver, SystemResolver},
        trust_anchors::TrustAnchors,
        url::JwksUrl,
    },
};

/// From the name's resolution to a connection that is secure.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks for the feed at a URL.
#[derive(Clone)]
pub struct HttpFeed(Connector);

impl HttpFeed {
    /// The feed at `url`, which follows the rules of a key set's URL and has no
    /// query. `https` needs `trust_anchors`, whose certificates are judged by
    /// `clock`.
    pub fn new(url: JwksUrl, trust_anchors: Option<&TrustAnchors>, clock: &Arc<dyn Clock>) -> Self {
        let tls = |anchors: &TrustAnchors| anchors.client_config(Arc::clone(clock));
        Self(Connector {
            url,
            resolver: Arc::new(SystemResolver),
            tls: trust_anchors.map(tls),
        })
    }

    /// Resolves names with `resolver` instead of the operating system's.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.0.resolver = resolver;
        self
    }
}

impl FeedTransport for HttpFeed {
    type Body = HttpBody;

    async fn get(&self, request: &FeedRequest) -> Result<FeedResponse<HttpBody>, TransportError> {
        let question = self
            .0
            .request(&request.suffix)
            .header(header::ACCEPT, request.accept)
            .header(header::CACHE_CONTROL, "no-cache")
            .body(Empty::<Bytes>::new())
            .map_err(|error| TransportError::Unreachable(error.to_string()))?;
        let mut connection = timeout(CONNECT_TIMEOUT, self.0.open())
            .await
            .map_err(|_| TransportError::Silent)?
            .map_err(unreachable)?;
        let answer = timeout(request.patience, connection.send(question))
            .await
            .map_err(|_| TransportError::Silent)?
            .map_err(unreachable)?;
        let (head, body) = answer.into_parts();
        Ok(FeedResponse {
            status: head.status.as_u16(),
            media_type: media_type(&head.headers),
            body: HttpBody {
                body,
                patience: request.patience,
                _connection: connection,
            },
        })
    }

    async fn pause(&self, time: Duration) {
        sleep(time).await;
    }
}

/// A body and the connection that it comes through.
pub struct HttpBody {
    body: Incoming,
    patience: Duration,
    _connection: Connection,
}

impl FeedBody for HttpBody {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        loop {
            let frame = timeout(self.patience, self.body.frame())
                .await
                .map_err(|_| TransportError::Silent)?;
            let Some(frame) = frame else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| TransportError::Unreachable(error.to_string()))?;
            // Trailers say nothing.
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data.into()));
            }
        }
    }
}

/// The media type without parameters; nothing if it is not one, or not of the
/// body as it comes.
fn media_type(headers: &HeaderMap) -> String {
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(one), None) = (types.next(), types.next()) else {
        return String::new();
    };
    if headers.contains_key(header::CONTENT_ENCODING) {
        return String::new();
    }
    let text = one.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default();
    essence.trim().to_owned()
}

/// What happened, and what the system says of it.
fn unreachable(error: FetchError) -> TransportError {
    use std::error::Error as _;

    let cause = error.source().map(|cause| format!(": {cause}"));
    TransportError::Unreachable(format!("{error}{}", cause.unwrap_or_default()))
}

impl std::fmt::Debug for HttpFeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("HttpFeed").field(&self.0.url).finish()
    }
}

impl std::fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpBody").finish_non_exhaustive()
    }
}
