//! `/auth/second-factor`: the caller's authenticator and recovery codes.
//!
//! Whoever changes them shows the password again, and the second factor too
//! once there is one: a token that was found is not enough.

use axum::extract::State;
use doorward_policy::decision::Reason;
use serde::Serialize;

use super::{
    AuthenticatedPrincipal,
    answer::Answer,
    error::Refusal,
    extract::{Arrival, JsonBody, Members},
    password::{not_shown, password},
    sign_in::proof,
};
use crate::{
    issuer::Issuer,
    second_factor::{FactorError, RecoveryCodes},
    session::SessionId,
    user::{Account, UserId},
};

/// `GET`: whether there is one.
pub(super) async fn get(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Standing {
        enabled: bool,
        recovery_codes_left: u64,
    }
    let user = UserId::from_text(principal.subject().to_owned());
    let standing = issuer.second_factor(&user).await?;
    let standing = Standing {
        enabled: standing.enabled,
        recovery_codes_left: standing.recovery_codes_left,
    };
    Answer::json(Reason::Served, &standing)
}

/// `POST`: draws a secret for an authenticator; it is asked for once it is
/// confirmed.
pub(super) async fn begin(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
    arrival: Arrival,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Begun<'a> {
        secret: &'a str,
        otpauth_uri: &'a str,
    }
    let mut members = body.only(&["current_password"])?;
    let account = shown(&issuer, &principal, &arrival, &mut members).await?;
    let begun = issuer.begin_second_factor(&account).await?;
    let begun = Begun {
        secret: &begun.secret,
        otpauth_uri: &begun.uri,
    };
    Answer::json(Reason::SecondFactorChanged, &begun)
}

/// `POST …/confirm`: a first code, after which the factor is asked for.
pub(super) async fn confirm(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    let code = body.only(&["code"])?.text("code")?;
    let account = issuer.account_by_id(principal.subject()).await?;
    let account = account.ok_or_else(|| Refusal::new(Reason::UserChanged))?;
    let session = session(&principal);
    let codes = issuer
        .confirm_second_factor(&account, &code, session)
        .await?;
    shown_once(codes)
}

/// `POST …/recovery-codes`: new ones, in the place of the old.
pub(super) async fn renew(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
    arrival: Arrival,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    let account = both_shown(&issuer, &principal, &arrival, body).await?;
    shown_once(issuer.renew_recovery_codes(&account).await?)
}

/// `POST …/remove`: the password is enough from now on.
pub(super) async fn remove(
    State(issuer): State<Issuer>,
    principal: AuthenticatedPrincipal,
    arrival: Arrival,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    let account = both_shown(&issuer, &principal, &arrival, body).await?;
    let session = session(&principal);
    issuer.remove_second_factor(&account, session).await?;
    Ok(Answer::empty(Reason::SecondFactorChanged))
}

/// The caller's account, whose password is in the body.
async fn shown(
    issuer: &Issuer,
    principal: &AuthenticatedPrincipal,
    arrival: &Arrival,
    members: &mut Members,
) -> Result<Account, Refusal> {
    let current = password(members, "current_password")?;
    let (network, at) = (arrival.network(), arrival.at());
    let account = issuer.reauthenticate(principal.subject(), current, network, at);
    account.await.map_err(not_shown)
}

/// The caller's account, whose password and second factor are in the body.
async fn both_shown(
    issuer: &Issuer,
    principal: &AuthenticatedPrincipal,
    arrival: &Arrival,
    body: JsonBody,
) -> Result<Account, Refusal> {
    let mut members = body.only(&["current_password", "code", "recovery_code"])?;
    let proof = proof(&mut members)?;
    let account = shown(issuer, principal, arrival, &mut members).await?;
    issuer.show_second_factor(&account, &proof).await?;
    Ok(account)
}

fn session(principal: &AuthenticatedPrincipal) -> Option<SessionId> {
    principal.session_id().and_then(SessionId::parse)
}

fn shown_once(codes: RecoveryCodes) -> Result<Answer, Refusal> {
    #[derive(Serialize)]
    struct Shown<'a> {
        recovery_codes: Vec<&'a str>,
    }
    let shown = Shown {
        recovery_codes: codes.iter().map(|code| code.as_str()).collect(),
    };
    Answer::json(Reason::SecondFactorChanged, &shown)
}

impl From<FactorError> for Refusal {
    fn from(error: FactorError) -> Self {
        match error {
            FactorError::Wrong => Self::new(Reason::WrongCode),
            FactorError::Throttled {
                retry_after_seconds,
            } => Self::new(Reason::Throttled).retry_after(retry_after_seconds),
            FactorError::None | FactorError::Exists => {
                Self::request(Reason::Conflict, error.to_string())
            }
            FactorError::Store(error) => error.into(),
        }
    }
}
