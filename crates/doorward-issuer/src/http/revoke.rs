//! `POST /oauth2/revoke` (RFC 7009): a client ends a token of its own.
//!
//! The answer is the same whatever the token was (section 2.2): only what
//! belongs to the client that asks is ended (ISS-029). The public first-party
//! client ends a session with its refresh token; whoever holds an access token
//! of a session signs out at `/auth/sign-out`.

use axum::extract::State;
use doorward_policy::decision::Reason;

use super::{
    answer::Answer,
    client_authentication::{Sender, authenticate},
    error::Refusal,
    extract::Arrival,
    form::Form,
};
use crate::{
    issuer::Issuer,
    session::{EndCause, FIRST_PARTY_CLIENT},
    user::UserId,
};

/// Where it is.
pub(super) const PATH: &str = "/oauth2/revoke";

pub(super) async fn post(
    State(issuer): State<Issuer>,
    arrival: Arrival,
    form: Result<Form, Refusal>,
) -> Result<Answer, Refusal> {
    let mut form = form?;
    let sender = authenticate(&issuer, &arrival, &mut form).await?;
    let token = form.text("token")?;
    let client_id = match &sender {
        Sender::Client(client) => client.row.id.as_str(),
        Sender::FirstParty => FIRST_PARTY_CLIENT,
    };
    if let Some(session) = issuer.session_of(&token, client_id).await? {
        issuer.end_session(session, EndCause::SignOut).await?;
    } else if let Sender::Client(client) = &sender {
        let mut decision = arrival.decision();
        let verified = issuer
            .verifier()
            .verify(&token, arrival.at().unix(), &mut decision);
        let own = verified
            .ok()
            .filter(|token| token.claims().client_id() == Some(client.row.id.as_str()));
        if let Some(token) = own {
            let subject = UserId::from_text(token.subject().to_owned());
            issuer
                .revoke_token(token.token_id(), &subject, token.expires_at())
                .await?;
        }
    }
    Ok(Answer::done(Reason::Served))
}
