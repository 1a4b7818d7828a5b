//! API keys at the gateway: read from a request, exchanged for a token, never
//! passed on.
//!
//! A key comes as `Authorization: Bearer dw_…` or as `X-API-Key: dw_…`, once and
//! beside no other credential (APK-011). An `X-API-Key` of another form belongs
//! to the API behind the gateway and is left alone.
//!
//! The gateway cannot check a key: only the issuer can, behind the seam
//! [`KeyExchange`]. What it gives is a token like any other, which is kept for as
//! long as the key and the token are good (`Exchanges`), and *verified on every
//! request*: whatever is revoked meanwhile is refused at once, and a new exchange
//! says why. Keys themselves are not kept, only keyed fingerprints of 128 bits.

mod exchanges;

use std::{fmt, future::Future, pin::Pin, sync::Arc};

use doorward_policy::{decision::Reason, network::Network};
use doorward_verify::{
    bearer,
    clock::Timestamp,
    credential::{PREFIX, UnverifiedCredential},
};
use http::{HeaderMap, HeaderName, header::AUTHORIZATION};

pub(crate) use exchanges::{Exchanges, Key};

use crate::{
    fields::{Field, Fields},
    identity::is_alias,
};

/// The other place of a key.
pub(crate) const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What a key was exchanged for. Holds a secret, so it cannot be printed.
pub struct ExchangedKey {
    /// An access token that the gateway's verifier takes.
    pub access_token: String,
    /// From where the key may be used; anywhere if there are none.
    pub networks: Vec<Network>,
    /// The key itself counts no longer from here on.
    pub usable_until: Timestamp,
}

/// A key that gets no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefusedKey {
    /// Why.
    pub reason: Reason,
    /// Whether whoever sent it holds what once was a key: they may hear why.
    pub is_genuine: bool,
}

/// The exchange to come.
pub type ExchangeFuture = Pin<Box<dyn Future<Output = Result<ExchangedKey, RefusedKey>> + Send>>;

/// Where keys become tokens. Given by the binary, because the gateway cannot
/// name the issuer.
#[derive(Clone)]
pub struct KeyExchange {
    /// Whether a text with a good checksum is a key of the issuer at all. Called
    /// for every request with one; asks nobody.
    pub recognises: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Exchanges a key. Called on the gateway's threads, once at a time for each
    /// key and a bounded number of times for all, and dropped when it takes too
    /// long.
    pub call: Arc<dyn Fn(String) -> ExchangeFuture + Send + Sync>,
}

impl fmt::Debug for KeyExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyExchange").finish_non_exhaustive()
    }
}

/// How an exchange went; shared by all who wait for it.
pub(crate) type Outcome = Arc<Result<ExchangedKey, RefusedKey>>;

impl fmt::Debug for ExchangedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangedKey").finish_non_exhaustive()
    }
}

/// An exchange that did not take place.
pub(crate) fn refused(reason: Reason) -> Outcome {
    Arc::new(Err(RefusedKey {
        reason,
        is_genuine: false,
    }))
}

/// The text that claims to be an API key, if the request has one.
///
/// # Errors
///
/// [`Reason::AmbiguousCredential`] if it has another credential besides.
pub(crate) fn presented(headers: &HeaderMap, fields: Fields) -> Result<Option<&str>, Reason> {
    // Most are none by their first bytes: only others are read to the end.
    let is_key = |bytes: &[u8]| bytes.starts_with(PREFIX.as_bytes());
    let own_fields = fields
        .have(Field::ApiKey)
        .then(|| headers.get_all(X_API_KEY));
    let own_fields = own_fields.into_iter().flatten();
    let own_fields = own_fields.filter(|field| is_key(field.as_bytes()));
    let mut keys = own_fields.filter_map(|field| field.to_str().ok());
    let own_field = keys.next();
    let bearer = headers
        .get(AUTHORIZATION)
        .filter(|field| bearer::unverified_bytes(field).is_some_and(is_key))
        .and_then(|field| field.to_str().ok()?.split_once(' '))
        .map(|(_, key)| key);
    match (own_field, bearer) {
        (None, bearer) => Ok(bearer),
        (Some(text), None)
            if keys.next().is_none()
                && headers.get_all(X_API_KEY).iter().count() == 1
                && !headers.contains_key(AUTHORIZATION) =>
        {
            Ok(Some(text))
        }
        _ => Err(Reason::AmbiguousCredential),
    }
}

/// Removes keys of ours, also those in fields that only look like the right one:
/// the API behind the gateway needs none.
pub(crate) fn remove(headers: &mut HeaderMap) {
    let holds_key = |name: &HeaderName| {
        let values = headers.get_all(name).iter();
        let is_ours = |text: &str| UnverifiedCredential::parse(text.trim()).is_some();
        values
            .filter_map(|field| field.to_str().ok())
            .any(|text| text.starts_with(PREFIX) || is_ours(text))
    };
    let named: Vec<HeaderName> = headers
        .keys()
        .filter(|name| **name == X_API_KEY || is_alias(name, &X_API_KEY))
        .filter(|name| holds_key(name))
        .cloned()
        .collect();
    for name in named {
        headers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use doorward_policy::decision::Reason;
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Fields, presented, remove};
    use crate::identity::Names;

    fn headers(fields: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.append(name, HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn apk_011_a_key_stands_alone() {
        let key = ("x-api-key", "dw_usr_a");
        let as_bearer = ("authorization", "Bearer dw_usr_a");
        let token = ("authorization", "Bearer a.b.c");
        let foreign = ("x-api-key", "theirs");
        for (fields, found) in [
            (&[key][..], Ok(Some("dw_usr_a"))),
            (&[as_bearer], Ok(Some("dw_usr_a"))),
            (
                &[("authorization", "bearer dw_usr_a")],
                Ok(Some("dw_usr_a")),
            ),
            (&[as_bearer, foreign], Ok(Some("dw_usr_a"))),
            (&[token, foreign], Ok(None)),
            (&[foreign], Ok(None)),
            (&[token], Ok(None)),
            (&[], Ok(None)),
            (&[key, token], Err(Reason::AmbiguousCredential)),
            (&[key, as_bearer], Err(Reason::AmbiguousCredential)),
            (&[key, key], Err(Reason::AmbiguousCredential)),
            (&[key, foreign], Err(Reason::AmbiguousCredential)),
            (&[foreign, key], Err(Reason::AmbiguousCredential)),
            (
                &[key, ("authorization", "Basic eA==")],
                Err(Reason::AmbiguousCredential),
            ),
        ] {
            let headers = headers(fields);
            let fields = Fields::of(&headers, &Names::new(&[]));
            assert_eq!(presented(&headers, fields), found, "{headers:?}");
        }
    }

    #[test]
    fn a_key_goes_no_further_and_the_apis_own_key_does() {
        for name in ["x-api-key", "X_API_KEY", "x.api.key"] {
            let mut ours = headers(&[(name, "dw_usr_a"), (name, "dw_x")]);
            remove(&mut ours);
            assert!(ours.is_empty(), "{name}");
        }
        let mut theirs = headers(&[("x-api-key", "theirs"), ("x_api_key", "theirs")]);
        remove(&mut theirs);
        assert_eq!(theirs.len(), 2);
    }
}
