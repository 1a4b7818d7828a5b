//! Sign-ins that need no description: Doorward's own, and OAuth 2 token
//! endpoints (RFC 6749, RFC 7009).

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{
    Step,
    endpoint::{Auth, Body, Endpoint, Place},
    file::LoginFile,
};

/// What a file can build upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Preset {
    /// The endpoints under `/auth`.
    Doorward,
    /// A token endpoint with the grants `password` and `refresh_token`.
    OAuth2,
}

/// What may stand in braces.
pub(super) const NAMES: [&str; 11] = [
    "username",
    "password",
    "new_password",
    "email",
    "access_token",
    "refresh_token",
    "client_id",
    "client_secret",
    "code",
    "state",
    "reset_token",
];

/// For how long a rotated refresh token is still answered.
pub(super) fn overlap(preset: Option<Preset>) -> Option<u64> {
    (preset == Some(Preset::Doorward)).then_some(20)
}

/// The endpoints that the preset knows.
pub(super) fn endpoints(file: &LoginFile) -> Result<BTreeMap<Step, Endpoint>, String> {
    match (file.preset, &file.token_endpoint) {
        (None, _) => Ok(BTreeMap::new()),
        (Some(Preset::Doorward), _) => Ok(doorward()),
        (Some(Preset::OAuth2), Some(token)) => {
            Ok(oauth2(token, file.revocation_endpoint.as_deref()))
        }
        (Some(Preset::OAuth2), None) => {
            Err("the preset oauth2 needs `token_endpoint`, like /oauth2/token".to_owned())
        }
    }
}

fn doorward() -> BTreeMap<Step, Endpoint> {
    let post = |step, path: &str, members: &[(&str, &str)]| {
        let json = members
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect();
        (
            step,
            Endpoint {
                path: path.to_owned(),
                body: Body::Json(json),
                ..Endpoint::usual(step)
            },
        )
    };
    let sign_in = [("username", "{username}"), ("password", "{password}")];
    let (_, mut first_step) = post(Step::SignIn, "/auth/sign-in", &sign_in);
    first_step.state = Place::parse("/second_factor_token");
    let code = [("second_factor_token", "{state}"), ("code", "{code}")];
    let passwords = [
        ("current_password", "{password}"),
        ("new_password", "{new_password}"),
    ];
    let sign_out = Endpoint {
        path: "/auth/sign-out".to_owned(),
        ..Endpoint::usual(Step::SignOut)
    };
    BTreeMap::from([
        (Step::SignIn, first_step),
        post(Step::SecondFactor, "/auth/sign-in/second-factor", &code),
        post(
            Step::Refresh,
            "/auth/refresh",
            &[("refresh_token", "{refresh_token}")],
        ),
        (Step::SignOut, sign_out),
        post(Step::ChangePassword, "/auth/password", &passwords),
    ])
}

fn oauth2(token: &str, revocation: Option<&str>) -> BTreeMap<Step, Endpoint> {
    let post = |step, path: &str, fields: &[(&str, &str)]| {
        let form = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        let endpoint = Endpoint {
            path: path.to_owned(),
            body: Body::Form(form),
            auth: Auth::Client,
            ..Endpoint::usual(step)
        };
        (step, endpoint)
    };
    let sign_in = [
        ("grant_type", "password"),
        ("username", "{username}"),
        ("password", "{password}"),
    ];
    let refresh = [
        ("grant_type", "refresh_token"),
        ("refresh_token", "{refresh_token}"),
    ];
    let mut endpoints = BTreeMap::from([
        post(Step::SignIn, token, &sign_in),
        post(Step::Refresh, token, &refresh),
    ]);
    if let Some(path) = revocation {
        endpoints.extend([post(Step::SignOut, path, &[("token", "{refresh_token}")])]);
    }
    endpoints
}
