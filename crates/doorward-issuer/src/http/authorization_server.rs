//! The metadata of the authorization server (RFC 8414), at its own address and
//! as part of `/.well-known/openid-configuration`.
//!
//! Only what is there. There is no authorization endpoint yet, so neither it nor
//! `response_types_supported` is invented (a list without elements must be left
//! out, section 3.2). Every URL is made from the configured issuer, never from
//! the request (ISS-021).

use axum::{extract::State, response::Response};
use http::HeaderMap;
use serde::Serialize;

use super::{answer::Document, error::Refusal, introspect, jwks, revocations, revoke, token};
use crate::{config::Config, issuer::Issuer};

/// How clients prove themselves.
const SECRET_METHODS: [&str; 2] = ["client_secret_basic", "client_secret_post"];

/// The same, and the public first-party client.
const METHODS: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

/// RFC 8414 section 2.
#[derive(Serialize)]
pub(super) struct Metadata<'a> {
    issuer: &'a str,
    token_endpoint: String,
    token_endpoint_auth_methods_supported: [&'static str; 3],
    grant_types_supported: [&'static str; 2],
    revocation_endpoint: String,
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint: String,
    introspection_endpoint_auth_methods_supported: [&'static str; 2],
    jwks_uri: String,
    /// Ours: the signed feed of revocations. RFC 8414 section 2 lets metadata
    /// have members of one's own.
    revocations_uri: String,
}

impl<'a> Metadata<'a> {
    pub(super) fn of(config: &'a Config) -> Self {
        let at = |path| format!("{}{path}", config.issuer.trim_end_matches('/'));
        Self {
            issuer: &config.issuer,
            token_endpoint: at(token::PATH),
            token_endpoint_auth_methods_supported: METHODS,
            grant_types_supported: token::GRANTS,
            revocation_endpoint: at(revoke::PATH),
            revocation_endpoint_auth_methods_supported: METHODS,
            introspection_endpoint: at(introspect::PATH),
            introspection_endpoint_auth_methods_supported: SECRET_METHODS,
            jwks_uri: at(jwks::PATH),
            revocations_uri: at(revocations::PATH),
        }
    }
}

pub(super) async fn get(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let config = issuer.config();
    let document = Document {
        media_type: "application/json",
        max_age: config.jwks_max_age,
        text: serde_json::to_string(&Metadata::of(config))?,
    };
    Ok(document.answer(&headers))
}
