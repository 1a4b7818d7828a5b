//! `POST /auth/api-keys/report`: somebody found an API key where it must not
//! be, and ends it by its text.
//!
//! The answer is the same whatever the text was: whose key it is, and whether
//! it counted, is in the audit log and not told to a finder (APK-012).

use axum::extract::State;
use doorward_policy::decision::Reason;

use super::{
    answer::Answer,
    error::Refusal,
    extract::{Arrival, JsonBody},
};
use crate::issuer::Issuer;

/// Where it is.
pub(super) const PATH: &str = "/auth/api-keys/report";

pub(super) async fn post(
    State(issuer): State<Issuer>,
    arrival: Arrival,
    body: JsonBody,
) -> Result<Answer, Refusal> {
    let text = body.only(&["api_key"])?.text("api_key")?;
    issuer.report_api_key(&text, arrival.at()).await?;
    Ok(Answer::empty(Reason::Served))
}
