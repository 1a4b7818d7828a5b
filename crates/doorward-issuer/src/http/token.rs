//! `POST /oauth2/token` (RFC 6749 section 3.2): the grants `client_credentials`
//! and `refresh_token`.
//!
//! Refreshing here is what `/auth/refresh` does, in OAuth's own form. The other
//! grants do not exist; `password` and the implicit one never will (RFC 9700
//! section 2).

use axum::extract::State;
use doorward_policy::decision::{Caller, Reason};
use serde::Serialize;

use super::{
    answer::Answer,
    client_authentication::{Sender, authenticate},
    error::Refusal,
    extract::Arrival,
    form::Form,
    refresh::refreshed,
};
use crate::{
    client::{ClientTokenAnswer, ProvenClient},
    issuer::Issuer,
    session::FIRST_PARTY_CLIENT,
};

/// Where it is.
pub(super) const PATH: &str = "/oauth2/token";

/// The grants that there are.
pub(super) const GRANTS: [&str; 2] = ["client_credentials", "refresh_token"];

pub(super) async fn post(
    State(issuer): State<Issuer>,
    arrival: Arrival,
    form: Result<Form, Refusal>,
) -> Result<Answer, Refusal> {
    let mut form = form?;
    let sender = authenticate(&issuer, &arrival, &mut form).await?;
    match form.text("grant_type")?.as_str() {
        "client_credentials" => client_credentials(&issuer, sender, &mut form),
        "refresh_token" => refresh_token(&issuer, sender, &mut form).await,
        _ => Err(Refusal::new(Reason::UnsupportedGrantType)),
    }
}

fn client_credentials(issuer: &Issuer, sender: Sender, form: &mut Form) -> Result<Answer, Refusal> {
    let Sender::Client(client) = sender else {
        // ISS-005: a public client has nothing that a token could be given for.
        return Err(Refusal::new(Reason::InvalidClient).seen("no client credentials"));
    };
    for name in ["resource", "audience"] {
        let wanted = form.optional(name);
        if wanted.is_some_and(|wanted| *wanted != issuer.config().audience) {
            return Err(Refusal::new(Reason::InvalidTarget).seen(name));
        }
    }
    let scope = form.optional("scope");
    let answer = issuer.token_for(&client, scope.as_deref().map(String::as_str))?;
    issued(&client, &answer)
}

/// RFC 6749 section 4.4.3: no refresh token; the client has its secret.
fn issued(client: &ProvenClient, answer: &ClientTokenAnswer) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Token<'a> {
        access_token: &'a str,
        token_type: &'static str,
        expires_in: u64,
        scope: &'a str,
    }
    let token = Token {
        access_token: &answer.access_token,
        token_type: "Bearer",
        expires_in: answer.expires_in,
        scope: &answer.scope,
    };
    let caller = Caller {
        subject: client.row.id.to_string(),
        tenant: Some(client.row.tenant.to_string()),
        roles: client.row.roles.clone(),
        ..Caller::default()
    };
    Ok(Answer::json(Reason::ClientSignedIn, &token)?.about(caller))
}

async fn refresh_token(
    issuer: &Issuer,
    sender: Sender,
    form: &mut Form,
) -> Result<Answer, Refusal> {
    let refresh_token = form.text("refresh_token")?;
    if form.optional("scope").is_some() {
        // Sessions carry no scope, so any that is named was not granted.
        return Err(Refusal::new(Reason::InvalidScope));
    }
    // A refresh token belongs to its client; a service client has none.
    let client_id = match &sender {
        Sender::FirstParty => FIRST_PARTY_CLIENT,
        Sender::Client(client) => client.row.id.as_str(),
    };
    let tokens = issuer.refresh(&refresh_token, client_id).await?;
    refreshed(&tokens)
}
