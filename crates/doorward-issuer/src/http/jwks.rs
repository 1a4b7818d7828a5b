//! `GET /.well-known/jwks.json`: the public keys (RFC 7517).

use axum::{extract::State, response::Response};
use http::HeaderMap;

use super::answer::Document;
use crate::issuer::Issuer;

/// Where it is; the discovery document says the same.
pub(super) const PATH: &str = "/.well-known/jwks.json";

pub(super) async fn get(State(issuer): State<Issuer>, headers: HeaderMap) -> Response {
    let document = Document {
        media_type: "application/jwk-set+json",
        max_age: issuer.config().jwks_max_age,
        text: issuer.jwks_json().to_string(),
    };
    document.answer(&headers)
}
