//! `GET /.well-known/openid-configuration`: where verifiers find the keys, and
//! clients everything else.
//!
//! OpenID Connect Discovery also requires `authorization_endpoint` and
//! `response_types_supported`; see [`super::authorization_server`] for why they
//! are absent.

use axum::{extract::State, response::Response};
use http::HeaderMap;
use serde::Serialize;

use super::{answer::Document, authorization_server::Metadata, error::Refusal};
use crate::issuer::Issuer;

#[derive(Serialize)]
struct Configuration<'a> {
    #[serde(flatten)]
    metadata: Metadata<'a>,
    subject_types_supported: [&'static str; 1],
    /// The algorithm of every JWT that we sign.
    id_token_signing_alg_values_supported: [&'static str; 1],
}

pub(super) async fn get(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let config = issuer.config();
    let metadata = Configuration {
        metadata: Metadata::of(config),
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
