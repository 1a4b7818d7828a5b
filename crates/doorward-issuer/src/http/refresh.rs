//! `POST /auth/refresh`: a refresh token in, its successor and a new access
//! token out.
//!
//! Whatever is wrong with the token is one answer, RFC 6749's `invalid_grant`:
//! whoever holds a stolen one learns nothing from it.

use axum::extract::State;
use doorward_policy::decision::Reason;

use super::{answer::Answer, error::Refusal, extract::JsonBody};
use crate::{
    error::RefreshError,
    issuer::Issuer,
    session::{FIRST_PARTY_CLIENT, Refreshed},
};

pub(super) async fn post(
    State(issuer): State<Issuer>,
    body: Result<JsonBody, Refusal>,
) -> Result<Answer, Refusal> {
    let refresh_token = body
        .and_then(|body| body.only(&["refresh_token"])?.text("refresh_token"))
        .map_err(|refusal| refusal.oauth_error("invalid_request"))?;
    let tokens = issuer.refresh(&refresh_token, FIRST_PARTY_CLIENT).await?;
    refreshed(&tokens)
}

/// The answer to a session that went on, here and at the token endpoint.
pub(super) fn refreshed(refreshed: &Refreshed) -> Result<Answer, Refusal> {
    let reason = if refreshed.repeated {
        Reason::RefreshRepeated
    } else {
        Reason::Refreshed
    };
    Answer::tokens(reason, &refreshed.answer)
}

impl From<RefreshError> for Refusal {
    fn from(error: RefreshError) -> Self {
        match error {
            RefreshError::Invalid => Self::new(Reason::InvalidGrant).oauth_error("invalid_grant"),
            RefreshError::Reused(_) => Self::new(Reason::RefreshReused)
                .seen(error.to_string())
                .oauth_error("invalid_grant"),
            RefreshError::Mint(error) => error.into(),
            RefreshError::Store(error) => error.into(),
        }
    }
}
