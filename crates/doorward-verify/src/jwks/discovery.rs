//! Where an issuer says that its keys are (OpenID Connect Discovery 1.0
//! section 4, RFC 8414), for programs that know its URL and nothing else.
//!
//! The document is fetched under the rules of key sets. It must name the issuer
//! that was asked for (section 4.3), and places of the same origin only: what
//! else it could name is another machine, which nobody named.

use std::sync::Arc;

use doorward_jose::json::{Limits, Object, Value, parse_object};

use super::{
    connection::{Connector, SystemResolver},
    exchange::{Exchange, FetchError},
    remote::{MAX_DOCUMENT_BYTES, TIMEOUT},
    trust_anchors::TrustAnchors,
    url::JwksUrl,
};
use crate::clock::Clock;

const PATH: &str = "/.well-known/openid-configuration";

/// What an issuer says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discovery {
    /// Its key set.
    pub jwks_uri: JwksUrl,
    /// Its feed of revocations, if it has one.
    pub revocations_uri: Option<JwksUrl>,
}

/// Why an issuer is not known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// There is no answer.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The answer is no such document.
    #[error("the discovery document is malformed")]
    Malformed,
    /// Another issuer answers there.
    #[error("the issuer there calls itself {0:?}; name it exactly so")]
    AnotherIssuer(String),
    /// It names a place somewhere else.
    #[error("{0} is not at the issuer's own origin")]
    Elsewhere(&'static str),
}

impl Discovery {
    /// Asks the issuer at `origin`, which is its name as well.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError`].
    pub async fn of(
        origin: &JwksUrl,
        trust_anchors: Option<&TrustAnchors>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, DiscoveryError> {
        let exchange = Exchange {
            connector: Connector {
                url: origin.at(PATH),
                resolver: Arc::new(SystemResolver),
                tls: trust_anchors.map(|anchors| anchors.client_config(Arc::clone(clock))),
            },
            timeout: TIMEOUT,
            max_bytes: MAX_DOCUMENT_BYTES,
        };
        let document = exchange.fetch(None).await?.document.unwrap_or_default();
        let limits = Limits {
            max_bytes: MAX_DOCUMENT_BYTES,
            max_depth: 4,
        };
        let members = parse_object(&document, limits).map_err(|_| DiscoveryError::Malformed)?;
        Self::read(&members, origin)
    }

    fn read(members: &Object, origin: &JwksUrl) -> Result<Self, DiscoveryError> {
        let issuer = text(members, "issuer")?.ok_or(DiscoveryError::Malformed)?;
        if issuer.trim_end_matches('/') != origin.to_string().trim_end_matches('/') {
            return Err(DiscoveryError::AnotherIssuer(issuer.to_owned()));
        }
        let place = |name: &'static str| {
            let Some(text) = text(members, name)? else {
                return Ok(None);
            };
            let url = JwksUrl::parse(text).map_err(|_| DiscoveryError::Malformed)?;
            match origin.at(url.path()) {
                here if here.to_string() == url.to_string() => Ok(Some(here)),
                _ => Err(DiscoveryError::Elsewhere(name)),
            }
        };
        Ok(Self {
            jwks_uri: place("jwks_uri")?.ok_or(DiscoveryError::Malformed)?,
            revocations_uri: place("revocations_uri")?,
        })
    }
}

fn text<'m>(members: &'m Object, name: &str) -> Result<Option<&'m str>, DiscoveryError> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(DiscoveryError::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use doorward_jose::json::{Limits, parse_object};

    use super::{Discovery, DiscoveryError, JwksUrl};

    fn read(document: &str) -> Result<Discovery, DiscoveryError> {
        let origin = JwksUrl::parse("https://id.example").expect("a good URL");
        let members = parse_object(document.as_bytes(), Limits::CLAIMS).expect("an object");
        Discovery::read(&members, &origin)
    }

    #[test]
    fn key_007_only_the_issuer_itself_is_asked() {
        let good = r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys",
            "revocations_uri":"https://id.example/revocations"}"#;
        let found = read(good).expect("a good document");
        assert_eq!(found.jwks_uri.to_string(), "https://id.example/keys");
        assert!(found.revocations_uri.is_some());
        for (bad, why) in [
            ("{}", "malformed"),
            (r#"{"issuer":"https://id.example"}"#, "malformed"),
            (
                r#"{"issuer":7,"jwks_uri":"https://id.example/keys"}"#,
                "malformed",
            ),
            (
                r#"{"issuer":"https://other.example","jwks_uri":"https://id.example/keys"}"#,
                "other.example",
            ),
            (
                r#"{"issuer":"https://id.example","jwks_uri":"https://evil.example/keys"}"#,
                "jwks_uri is not at",
            ),
            (
                r#"{"issuer":"https://id.example","jwks_uri":"http://id.example/keys"}"#,
                "jwks_uri is not at",
            ),
            (
                r#"{"issuer":"https://id.example","jwks_uri":"https://id.example/keys",
                    "revocations_uri":"https://id.example:8443/revocations"}"#,
                "revocations_uri is not at",
            ),
        ] {
            let error = read(bad).expect_err(bad).to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
