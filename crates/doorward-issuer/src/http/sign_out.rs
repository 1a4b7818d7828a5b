//! `POST /auth/sign-out`: ends the session of the access token that it is
//! called with.
//!
//! From the 204 on, the session's refresh token and every access token of it
//! are refused. An access token without a session (made by the command line)
//! ends alone. The body is empty, or names the session's refresh token for
//! clients that want to be sure they end what they hold: one of another
//! session is refused with 400 and *nothing* ends, so that nobody signs out
//! somebody else by mistake or on purpose.

use axum::extract::State;
use doorward_policy::decision::Reason;

use super::{
    AuthenticatedPrincipal,
    answer::Answer,
    error::Refusal,
    extract::{OptionalJsonBody, bad_body},
};
use crate::{
    issuer::Issuer,
    session::{EndCause, FIRST_PARTY_CLIENT, SessionId},
    user::UserId,
};

pub(super) async fn post(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
    OptionalJsonBody(body): OptionalJsonBody,
) -> Result<Answer, Refusal> {
    let refresh_token = match body {
        Some(body) => body
            .only(&["refresh_token"])?
            .optional_text("refresh_token")?,
        None => None,
    };
    let session = principal.session_id().and_then(SessionId::parse);
    if let Some(token) = refresh_token {
        let named = issuer.session_of(&token, FIRST_PARTY_CLIENT).await?;
        if named.is_none() || named != session {
            return Err(bad_body(
                "`refresh_token` is not of this session; leave it out to end the session",
            ));
        }
    }
    match session {
        // `false` means that the session ended in between: what was asked for.
        Some(session) => _ = issuer.end_session(session, EndCause::SignOut).await?,
        None => {
            let subject = UserId::from_text(principal.subject().to_owned());
            let expires_at = principal.expires_at();
            issuer
                .revoke_token(principal.token_id(), &subject, expires_at)
                .await?;
        }
    }
    Ok(Answer::empty(Reason::SignedOut))
}
