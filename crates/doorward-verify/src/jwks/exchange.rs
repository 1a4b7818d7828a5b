//! One fetch of a key set: connect, ask, read, within bounds.
//!
//! No redirects, no cookies, no compression, one connection each time.

use std::{io, time::Duration};

use bytes::Bytes;
use doorward_jose::error::{KeyError, KeyErrorKind};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, LengthLimitError, Limited};
use hyper::body::Incoming;
use tokio::time::timeout;

use super::{address::AddressKind, connection::Connector, freshness};

/// Why a key set could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The name has no address, or the resolver failed.
    #[error("the name cannot be resolved")]
    Unresolved(#[source] io::Error),
    /// Every address of the name is of a kind that was not allowed.
    #[error("the address is {}; allow that kind if it is meant", .0.name())]
    AddressRefused(AddressKind),
    /// `http` to another machine.
    #[error("plain http would leave this machine; use https")]
    Unprotected,
    /// No connection.
    #[error("no connection")]
    Unreachable(#[source] io::Error),
    /// `https` without root certificates.
    #[error("no root certificates were given for https")]
    NoTrustAnchors,
    /// The server's certificate is not believed, or no secure connection.
    #[error("no secure connection")]
    Tls(#[source] io::Error),
    /// Not everything arrived in time.
    #[error("no complete answer in time")]
    TimedOut,
    /// The exchange broke.
    #[error("the exchange broke")]
    Broken(#[source] hyper::Error),
    /// A redirect, which is never followed.
    #[error("the answer is a redirect; give the final address")]
    Redirect,
    /// Another status than 200, or 304 where it was not asked for.
    #[error("the answer has status {0}")]
    Status(StatusCode),
    /// Not `application/jwk-set+json` or `application/json`.
    #[error("the answer is not a JSON document")]
    ContentType,
    /// Compressed, although that was not asked for.
    #[error("the answer is compressed")]
    Encoded,
    /// More bytes than a key set may have.
    #[error("the answer is larger than a key set may be")]
    TooLarge,
    /// The document is no key set that may be trusted.
    #[error("the key set is refused: {0}")]
    Keys(#[source] KeyError),
}

impl FetchError {
    /// Whether somebody must look at once: the issuer publishes secrets or
    /// contradicts itself, or its name points where no key set lives. The
    /// others may be an outage that passes.
    pub fn is_alarming(&self) -> bool {
        match self {
            Self::AddressRefused(_) | Self::Unprotected | Self::Redirect => true,
            Self::Keys(error) => matches!(
                error.kind(),
                KeyErrorKind::PrivateMember
                    | KeyErrorKind::SecretAndPublicMixed
                    | KeyErrorKind::DuplicateKeyId
            ),
            _ => false,
        }
    }
}

/// Everything that one fetch needs.
pub(super) struct Exchange {
    pub(super) connector: Connector,
    pub(super) timeout: Duration,
    pub(super) max_bytes: usize,
}

/// A good answer.
pub(super) struct Answer {
    /// The document; none if it is the one that the tag names.
    pub(super) document: Option<Bytes>,
    pub(super) tag: Option<header::HeaderValue>,
    pub(super) fresh_seconds: u64,
}

impl Exchange {
    /// Fetches the document, or learns that it is still the one of `tag`.
    pub(super) async fn fetch(
        &self,
        tag: Option<&header::HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let answer = timeout(self.timeout, self.fetch_unhurried(tag));
        answer.await.unwrap_or(Err(FetchError::TimedOut))
    }

    async fn fetch_unhurried(
        &self,
        tag: Option<&header::HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let mut connection = self.connector.open().await?;
        let mut request = self
            .connector
            .request("")
            .header(header::ACCEPT, "application/jwk-set+json, application/json");
        if let Some(tag) = tag {
            request = request.header(header::IF_NONE_MATCH, tag);
        }
        let request = request
            .body(Empty::<Bytes>::new())
            .expect("path and authority were parsed as those of a URI");
        let answer = connection.send(request).await?;
        self.read(answer, tag).await
    }

    async fn read(
        &self,
        answer: Response<Incoming>,
        tag: Option<&header::HeaderValue>,
    ) -> Result<Answer, FetchError> {
        let (head, body) = answer.into_parts();
        let fresh_seconds = freshness::seconds(&head.headers);
        let document = match head.status {
            StatusCode::OK => {
                check_form(&head.headers)?;
                Some(self.collect(body).await?)
            }
            StatusCode::NOT_MODIFIED if tag.is_some() => None,
            status if status.is_redirection() && status != StatusCode::NOT_MODIFIED => {
                return Err(FetchError::Redirect);
            }
            status => return Err(FetchError::Status(status)),
        };
        let new_tag = head.headers.get(header::ETAG).cloned();
        Ok(Answer {
            // An answer "still the same" need not repeat the tag.
            tag: new_tag.or_else(|| tag.filter(|_| document.is_none()).cloned()),
            document,
            fresh_seconds,
        })
    }

    async fn collect(&self, body: Incoming) -> Result<Bytes, FetchError> {
        let body = Limited::new(body, self.max_bytes).collect().await;
        body.map(http_body_util::Collected::to_bytes)
            .map_err(|error| match error.downcast::<hyper::Error>() {
                Ok(error) => FetchError::Broken(*error),
                Err(other) => {
                    debug_assert!(other.is::<LengthLimitError>(), "the only other error");
                    FetchError::TooLarge
                }
            })
    }
}

/// Only JSON, and as it is: a page of a captive portal is no key set.
fn check_form(headers: &HeaderMap) -> Result<(), FetchError> {
    if headers.contains_key(header::CONTENT_ENCODING) {
        return Err(FetchError::Encoded);
    }
    let mut types = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(media_type), None) = (types.next(), types.next()) else {
        return Err(FetchError::ContentType);
    };
    let media_type = media_type.to_str().unwrap_or_default();
    let essence = media_type.split(';').next().unwrap_or_default().trim();
    let known = ["application/jwk-set+json", "application/json"];
    match known
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
    {
        true => Ok(()),
        false => Err(FetchError::ContentType),
    }
}
