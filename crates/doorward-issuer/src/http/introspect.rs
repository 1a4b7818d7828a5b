//! `POST /oauth2/introspect` (RFC 7662): what a token is, for services that
//! cannot check it themselves.
//!
//! A client hears of its own tokens; of those of others in its tenant only with
//! the permission [`PERMISSION`]. Everything else is `{"active":false}`, so the
//! endpoint tells nothing about tokens that somebody found (ISS-028).

use axum::extract::State;
use doorward_policy::{
    decision::Reason,
    permission::{Permission, PermissionPattern},
};
use doorward_verify::principal::Principal;
use serde::Serialize;

use super::{
    answer::Answer, client_authentication::require_client, error::Refusal, extract::Arrival,
    form::Form,
};
use crate::{
    client::{ProvenClient, held},
    issuer::Issuer,
};

/// Where it is.
pub(super) const PATH: &str = "/oauth2/introspect";

/// What a client needs to hear of tokens that are not its own.
const PERMISSION: &str = "tokens:introspect";

/// RFC 7662 section 2.2.
#[derive(Serialize)]
struct Active<'a> {
    active: bool,
    token_type: &'static str,
    iss: &'a str,
    sub: &'a str,
    aud: &'a [String],
    client_id: Option<&'a str>,
    scope: String,
    tenant: Option<&'a str>,
    exp: u64,
    iat: u64,
    jti: &'a str,
}

#[derive(Serialize)]
struct Inactive {
    active: bool,
}

pub(super) async fn post(
    State(issuer): State<Issuer>,
    arrival: Arrival,
    form: Result<Form, Refusal>,
) -> Result<Answer, Refusal> {
    let mut form = form?;
    let client = require_client(&issuer, &arrival, &mut form).await?;
    let token = form.text("token")?;
    let mut decision = arrival.decision();
    let verified = issuer
        .verifier()
        .verify(&token, arrival.at().unix(), &mut decision);
    match verified {
        Ok(token) if may_hear(&issuer, &client, &token) => active(&token),
        _ => Answer::json(Reason::Served, &Inactive { active: false }),
    }
}

fn may_hear(issuer: &Issuer, client: &ProvenClient, token: &Principal) -> bool {
    let row = &client.row;
    if token.claims().client_id() == Some(row.id.as_str()) {
        return true;
    }
    let permission = Permission::parse(PERMISSION);
    let allows = |pattern: &PermissionPattern| {
        permission
            .as_ref()
            .is_ok_and(|permission| pattern.covers(permission))
    };
    token.tenant() == Some(row.tenant.as_str()) && held(&issuer.roles(), row).iter().any(allows)
}

fn active(token: &Principal) -> Result<Answer, Refusal> {
    let claims = token.claims();
    let words: Vec<&str> = token
        .permissions()
        .iter()
        .map(PermissionPattern::as_str)
        .collect();
    let active = Active {
        active: true,
        token_type: "Bearer",
        iss: claims.issuer(),
        sub: claims.subject(),
        aud: claims.audience(),
        client_id: claims.client_id(),
        scope: words.join(" "),
        tenant: claims.tenant(),
        exp: claims.expires_at().as_secs(),
        iat: claims.issued_at().as_secs(),
        jti: claims.token_id(),
    };
    Answer::json(Reason::Served, &active)
}
