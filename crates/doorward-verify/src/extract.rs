//! Extractors for axum (feature `axum`): who asks, and whether they may.
//!
//! A handler that takes a [`Permitted`] cannot be reached by a caller without
//! the permission, and the check cannot be forgotten inside it: the proof is an
//! argument, made by nothing but the check. What fails is answered with the
//! problem document and written into the request's decision, as the gateway
//! does.
//!
//! Every extractor wants the [`AuthenticationLayer`] around its route. Without
//! the layer nobody was verified, so the answer is 500 and never the handler's.
//!
//! [`AuthenticationLayer`]: crate::layer::AuthenticationLayer

mod claim_match;
mod permitted;
mod refused;

use axum::extract::{FromRequestParts, MatchedPath, OptionalFromRequestParts};
use doorward_policy::decision::{Reason, RouteRef, Step};
use http::request::Parts;

pub use self::{
    claim_match::{ClaimMatch, RequiredClaim, TenantClaim, TenantMatch},
    permitted::{Permitted, RequiredPermission, is_permission},
    refused::Refused,
};
use crate::{layer::DecisionRecord, principal::Principal};

/// The verified caller; 401 for a stranger.
impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        let record = record(parts)?;
        caller(parts, &record)
    }
}

/// The verified caller, or `None` for one that the layer let through as
/// anonymous.
impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Refused> {
        record(parts)?;
        Ok(parts.extensions.get::<Self>().cloned())
    }
}

/// The request's decision, to which a handler adds its own checks.
impl<S: Sync> FromRequestParts<S> for DecisionRecord {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refused> {
        record(parts)
    }
}

/// The open decision, with the route that axum found written into it.
fn record(parts: &Parts) -> Result<DecisionRecord, Refused> {
    let Some(record) = parts.extensions.get::<DecisionRecord>() else {
        return Err(Refused::without_layer(parts));
    };
    if let Some(path) = parts.extensions.get::<MatchedPath>() {
        record.update(|decision| {
            let pattern = || format!("{} {}", parts.method, path.as_str()).into();
            decision.route.get_or_insert_with(|| RouteRef {
                pattern: pattern(),
                source: None,
            });
        });
    }
    Ok(record.clone())
}

fn caller(parts: &Parts, record: &DecisionRecord) -> Result<Principal, Refused> {
    let principal = parts.extensions.get::<Principal>().cloned();
    principal.ok_or_else(|| {
        record.update(|decision| {
            decision.fail(
                Step::Credential,
                Reason::NoToken,
                Reason::NoToken.title(),
                "Authorization: Bearer TOKEN",
            );
        });
        Refused::by(record, None)
    })
}
