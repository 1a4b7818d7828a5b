//! `GET /.well-known/openid-configuration`: where verifiers find the keys.
//!
//! Only what is there. OpenID Connect Discovery also requires
//! `authorization_endpoint` and `response_types_supported`; there is no
//! authorization endpoint yet, so both are absent rather than invented (a list
//! without elements must be left out, section 4.2). Every URL is made from the
//! configured issuer, never from the request (ISS-021).

use axum::{extract::State, response::Response};
use http::HeaderMap;
use serde::Serialize;

use super::{answer::Document, error::Refusal, jwks, revocations};
use crate::issuer::Issuer;

#[derive(Serialize)]
struct Metadata<'a> {
    issuer: &'a str,
    jwks_uri: String,
    /// Ours: the signed feed of revocations. RFC 8414 section 2 lets metadata
    /// have members of one's own.
    revocations_uri: String,
    subject_types_supported: [&'static str; 1],
    /// The algorithm of every JWT that we sign.
    id_token_signing_alg_values_supported: [&'static str; 1],
}

pub(super) async fn get(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let config = issuer.config();
    let origin = config.issuer.trim_end_matches('/');
    let metadata = Metadata {
        issuer: &config.issuer,
        jwks_uri: format!("{origin}{}", jwks::PATH),
        revocations_uri: format!("{origin}{}", revocations::PATH),
        subject_types_supported: ["public"],
        id_token_signing_alg_values_supported: [config.algorithm.name()],
    };
    let text = serde_json::to_string(&metadata)?;
    let document = Document {
        media_type: "application/json",
        max_age: config.jwks_max_age,
        text,
    };
    Ok(document.answer(&headers))
}
