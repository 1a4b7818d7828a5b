//! `POST /auth/sign-in`: user name and password in, tokens out.
//!
//! Unknown user, wrong password, disabled account and a tenant that the user
//! does not belong to are one answer (BRU-007). The answer of success is RFC
//! 6749 section 5.1's.

use axum::extract::State;
use doorward_policy::decision::Reason;

use super::{
    answer::Answer,
    error::Refusal,
    extract::{Arrival, JsonBody, bad_body},
};
use crate::{
    issuer::Issuer,
    password::Password,
    sign_in::{Credentials, SignInError},
};

pub(super) async fn post(
    State(issuer): State<Issuer>,
    arrival: Arrival,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    let mut members = body.only(&["username", "password", "tenant"])?;
    let password = Password::new(members.text("password")?);
    let credentials = Credentials {
        username: members.text("username")?,
        password: password.map_err(|error| bad_body(error.to_string()))?,
        tenant: members.optional_text("tenant")?,
    };
    let answer = issuer
        .sign_in(credentials, arrival.network(), arrival.at())
        .await?;
    Answer::tokens(Reason::SignedIn, &answer)
}

impl From<SignInError> for Refusal {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::WrongCredentials(why) => Self::new(Reason::WrongCredentials).seen(why),
            SignInError::Throttled {
                retry_after_seconds,
            } => Self::new(Reason::Throttled).retry_after(retry_after_seconds),
            SignInError::Overloaded {
                retry_after_seconds,
            } => Self::new(Reason::Overloaded).retry_after(retry_after_seconds),
            SignInError::Hashing => Self::new(Reason::Internal).seen("the password was not hashed"),
            SignInError::Mint(error) => error.into(),
            SignInError::Store(error) => error.into(),
        }
    }
}
