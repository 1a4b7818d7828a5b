//! How messages get here.
//!
//! The follower says what it wants and reads bytes; connecting, TLS, proxies
//! and timers are the implementation's. Nothing that it returns is believed
//! before its signature is checked.

use std::{future::Future, time::Duration};

use thiserror::Error;

/// Media type of messages one a line: a snapshot, or the answer of a long poll.
pub const LINES: &str = "application/vnd.doorward.revocations";

/// Media type of a stream of messages.
pub const EVENTS: &str = "text/event-stream";

/// Sends requests to the issuer or to a relay of its feed.
pub trait FeedTransport: Sync {
    /// The body of an answer, as it arrives.
    type Body: FeedBody;

    /// Sends a GET for the feed's URL with [`FeedRequest::suffix`] appended,
    /// and returns when the answer's head is there. Follows no redirect.
    fn get(
        &self,
        request: &FeedRequest,
    ) -> impl Future<Output = Result<FeedResponse<Self::Body>, TransportError>> + Send;

    /// Waits before the next attempt, or less if the network came back.
    fn pause(&self, time: Duration) -> impl Future<Output = ()> + Send;
}

/// A body that is read piece by piece.
pub trait FeedBody: Send {
    /// The next bytes; none at a proper end. Fails when nothing came for
    /// [`FeedRequest::patience`].
    fn chunk(&mut self) -> impl Future<Output = Result<Option<Vec<u8>>, TransportError>> + Send;
}

/// One GET.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedRequest {
    /// What follows the feed's URL: a path or a query.
    pub suffix: String,
    /// `Accept`.
    pub accept: &'static str,
    /// How long nothing may arrive before the connection counts as dead.
    pub patience: Duration,
}

/// The head of an answer, and its body.
#[derive(Debug)]
pub struct FeedResponse<B> {
    /// Status code.
    pub status: u16,
    /// Media type of the body, without parameters.
    pub media_type: String,
    /// The body.
    pub body: B,
}

/// Why nothing arrived.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection, or it broke.
    #[error("the feed cannot be reached: {0}")]
    Unreachable(String),
    /// Nothing came for too long.
    #[error("the feed fell silent")]
    Silent,
    /// An answer with this status.
    #[error("the feed answered with status {0}")]
    Status(u16),
    /// An answer of another media type.
    #[error("the feed answered with another media type")]
    MediaType,
}
