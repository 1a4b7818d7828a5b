//! `POST /auth/sign-in`: user name and password in, tokens out; or, where a
//! second factor is set up, a token for `POST /auth/sign-in/second-factor`,
//! which is good for five minutes and opens nothing else.
//!
//! Unknown user, wrong password, disabled account and a tenant that the user
//! does not belong to are one answer (BRU-007). The answer of success is RFC
//! 6749 section 5.1's.

use axum::extract::State;
use doorward_policy::decision::Reason;
use serde::Serialize;

use super::{
    answer::Answer,
    error::Refusal,
    extract::{Arrival, JsonBody, Members, bad_body},
};
use crate::{
    issuer::Issuer,
    password::Password,
    second_factor::FactorProof,
    sign_in::{Credentials, SignInError, SignedIn},
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
    let signed_in = issuer
        .sign_in(credentials, arrival.network(), arrival.at())
        .await?;
    match signed_in {
        SignedIn::Session(answer) => Answer::tokens(Reason::SignedIn, &answer),
        SignedIn::SecondStep(step) => Answer::json(
            Reason::SecondFactorRequired,
            &AskedFor {
                second_factor_required: true,
                second_factor_token: &step.ticket,
                expires_in: step.expires_in,
            },
        ),
    }
}

/// The second step.
pub(super) async fn second_factor(
    State(issuer): State<Issuer>,
    arrival: Arrival,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    let mut members = body.only(&["second_factor_token", "code", "recovery_code"])?;
    let token = members.text("second_factor_token")?;
    let proof = proof(&mut members)?;
    let answer = issuer
        .sign_in_with_second_factor(&token, &proof, arrival.network(), arrival.at())
        .await?;
    Answer::tokens(Reason::SignedIn, &answer)
}

/// What the first step says when it is not the last.
#[derive(Serialize)]
struct AskedFor<'a> {
    second_factor_required: bool,
    second_factor_token: &'a str,
    expires_in: u64,
}

/// The second factor in a body: `code`, or else `recovery_code`.
pub(super) fn proof(members: &mut Members) -> Result<FactorProof, Refusal> {
    let code = members.optional_text("code")?;
    let recovery_code = members.optional_text("recovery_code")?;
    match (code, recovery_code) {
        (Some(code), None) => Ok(FactorProof::Code(code.into())),
        (None, Some(code)) => Ok(FactorProof::RecoveryCode(code.into())),
        _ => Err(bad_body("send one of `code` and `recovery_code`")),
    }
}

impl From<SignInError> for Refusal {
    fn from(error: SignInError) -> Self {
        match error {
            SignInError::WrongCredentials(why) => Self::new(Reason::WrongCredentials).seen(why),
            SignInError::Expired => Self::new(Reason::SignInExpired),
            SignInError::WrongCode => Self::new(Reason::WrongCode),
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
