//! `POST /auth/password`: the password of the caller, changed with the old one.
//! `POST /auth/password/reset`: set with a reset token, which an operator made.

use axum::extract::State;
use doorward_policy::decision::Reason;

use super::{
    AuthenticatedPrincipal,
    answer::Answer,
    error::Refusal,
    extract::{Arrival, JsonBody, Members, bad_body},
};
use crate::{
    issuer::Issuer,
    password::Password,
    password_change::{Asker, PasswordChangeError},
    session::SessionId,
    sign_in::SignInError,
};

pub(super) async fn post(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
    arrival: Arrival,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    let mut members = body.only(&["current_password", "new_password"])?;
    let current = password(&mut members, "current_password")?;
    let new = password(&mut members, "new_password")?;
    let asker = Asker {
        subject: principal.subject(),
        session: principal.session_id().and_then(SessionId::parse),
        network: arrival.network(),
        at: arrival.at(),
    };
    issuer.change_password(asker, current, new).await?;
    Ok(Answer::empty(Reason::PasswordChanged))
}

pub(super) async fn reset(State(issuer): State<Issuer>, body: JsonBody) -> Result<Answer, Refusal> {
    let mut members = body.only(&["reset_token", "new_password"])?;
    let token = members.text("reset_token")?;
    let new = password(&mut members, "new_password")?;
    issuer.reset_password(&token, new).await?;
    Ok(Answer::empty(Reason::PasswordChanged))
}

/// A password in a body.
pub(super) fn password(members: &mut Members, name: &'static str) -> Result<Password, Refusal> {
    Password::new(members.text(name)?).map_err(|error| bad_body(error.to_string()))
}

/// Somebody who is signed in did not show the password.
pub(super) fn not_shown(error: SignInError) -> Refusal {
    match error {
        SignInError::WrongCredentials(why) => Refusal::new(Reason::WrongPassword).seen(why),
        error => error.into(),
    }
}

impl From<PasswordChangeError> for Refusal {
    fn from(error: PasswordChangeError) -> Self {
        match error {
            PasswordChangeError::NotShown(error) => not_shown(error),
            PasswordChangeError::NoReset => Self::new(Reason::ResetRefused),
            PasswordChangeError::Weak(weak) => {
                Self::request(Reason::WeakPassword, weak.to_string())
            }
            PasswordChangeError::Changed => Self::new(Reason::Conflict)
                .seen("the account changed while the password was checked"),
            PasswordChangeError::Store(error) => error.into(),
        }
    }
}
