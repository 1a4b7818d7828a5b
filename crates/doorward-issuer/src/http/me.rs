//! `GET /auth/me`: who the caller is, as the token and the account say.

use axum::extract::State;
use doorward_policy::{decision::Reason, permission::PermissionPattern};
use serde::Serialize;

use super::{AuthenticatedPrincipal, answer::Answer, error::Refusal};
use crate::issuer::Issuer;

/// Claims under their own names, plus the user name, which no token carries.
#[derive(Serialize)]
struct Me<'a> {
    sub: &'a str,
    username: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    roles: &'a [String],
    permissions: &'a [PermissionPattern],
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<&'a str>,
    exp: u64,
}

pub(super) async fn get(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
) -> Result<Answer, Refusal> {
    let account = issuer.account_by_id(principal.subject()).await?;
    // Disabling revokes, so only a race comes here; it is refused all the same.
    let account = account
        .filter(|account| !account.disabled)
        .ok_or_else(|| Refusal::new(Reason::UserChanged))?;
    let claims = principal.claims();
    let me = Me {
        sub: principal.subject(),
        username: account.username.as_str(),
        tenant: principal.tenant(),
        roles: principal.roles(),
        permissions: principal.permissions(),
        sid: principal.session_id(),
        client_id: claims.client_id(),
        exp: principal.expires_at().as_secs(),
    };
    Answer::json(Reason::Served, &me)
}
