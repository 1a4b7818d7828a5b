//! The check of the access token, in one place for every endpoint that asks
//! for one.

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use doorward_policy::decision::{Reason, Step};
use doorward_verify::{bearer, principal::Principal};
use http::request::Parts;

use super::{error::Refusal, extract::Arrival};
use crate::issuer::Issuer;

/// The caller, proven by an access token that is ours, alive and not revoked.
///
/// Only `require_token` makes one, and the router installs that for every
/// endpoint whose access is [`Token`](super::Access::Token); a handler that
/// asks for it elsewhere answers 500.
#[derive(Clone, Debug)]
pub struct AuthenticatedPrincipal(Principal);

impl std::ops::Deref for AuthenticatedPrincipal {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.0
    }
}

impl<S: Sync> FromRequestParts<S> for AuthenticatedPrincipal {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let unchecked =
            || Refusal::new(Reason::Internal).seen("the endpoint does not ask for a token");
        let principal = parts.extensions.get::<Self>().cloned();
        principal.ok_or_else(|| unchecked().into_response())
    }
}

/// Lets only a proven caller through.
pub(super) async fn require_token(
    State(issuer): State<Issuer>,
    arrival: Arrival,
    mut request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let mut decision = arrival.decision();
    let bearer = match bearer::from_headers(request.headers()) {
        Ok(bearer) => bearer,
        Err(reason) => {
            decision.fail(
                Step::Credential,
                reason,
                reason.title(),
                "Authorization: Bearer TOKEN",
            );
            return Err(Refusal::decided(decision));
        }
    };
    let verified = issuer
        .verifier()
        .verify(bearer, arrival.at().unix(), &mut decision);
    let Ok(principal) = verified else {
        return Err(Refusal::decided(decision));
    };
    let caller = principal.caller();
    request
        .extensions_mut()
        .insert(AuthenticatedPrincipal(principal));
    let mut response = next.run(request).await;
    response.extensions_mut().insert(caller);
    Ok(response)
}
