//! Every route of the issuer, on one page.
//!
//! [`ENDPOINTS`] is the only list: the router is built from it, the check of
//! the token is installed from it, and the unauthorized matrix
//! (`tests/http/unauthorized.rs`) holds its rows against it. There is no other
//! way to add an endpoint.
//!
//! What all of them share: a body is strict JSON (`extract`), or for OAuth's own
//! endpoints a strict form (`form`); every refusal is a problem document, or for
//! those RFC 6749's error, whose status is picked in one place (`error`); answers
//! are not cached unless they are public documents (`answer`); nothing is
//! decided by `Host` or a forwarding header, and no other origin may read an
//! answer (no CORS).
//!
//! Every response carries a [`Reason`] in its extensions, a refusal also its
//! whole [`Decision`], and a response to a proven caller their [`Caller`], so
//! that whoever runs the router can say why it answered as it did.
//!
//! [`Reason`]: doorward_policy::decision::Reason
//! [`Decision`]: doorward_policy::decision::Decision
//! [`Caller`]: doorward_policy::decision::Caller

pub mod admin;
mod answer;
mod authenticate;
mod authorization_server;
mod client_authentication;
mod error;
mod extract;
mod form;
mod introspect;
mod jwks;
mod me;
mod openid_configuration;
mod password;
mod reason;
mod refresh;
mod report_api_key;
mod revocations;
mod revoke;
mod second_factor;
mod sign_in;
mod sign_out;
mod token;

use std::net::IpAddr;

use axum::{
    Router,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};
use http::Method;

use crate::issuer::Issuer;

pub use authenticate::AuthenticatedPrincipal;

/// Every endpoint.
pub const ENDPOINTS: &[Endpoint] = &[
    Endpoint {
        method: Method::POST,
        path: "/auth/sign-in",
        access: Access::Public,
        handler: |method| on(method, sign_in::post),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/sign-in/second-factor",
        access: Access::Public,
        handler: |method| on(method, sign_in::second_factor),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/refresh",
        access: Access::Public,
        handler: |method| on(method, refresh::post),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/sign-out",
        access: Access::Token,
        handler: |method| on(method, sign_out::post),
    },
    Endpoint {
        method: Method::GET,
        path: "/auth/me",
        access: Access::Token,
        handler: |method| on(method, me::get),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/password",
        access: Access::Token,
        handler: |method| on(method, password::post),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/password/reset",
        access: Access::Public,
        handler: |method| on(method, password::reset),
    },
    Endpoint {
        method: Method::GET,
        path: "/auth/second-factor",
        access: Access::Token,
        handler: |method| on(method, second_factor::get),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/second-factor",
        access: Access::Token,
        handler: |method| on(method, second_factor::begin),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/second-factor/confirm",
        access: Access::Token,
        handler: |method| on(method, second_factor::confirm),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/second-factor/recovery-codes",
        access: Access::Token,
        handler: |method| on(method, second_factor::renew),
    },
    Endpoint {
        method: Method::POST,
        path: "/auth/second-factor/remove",
        access: Access::Token,
        handler: |method| on(method, second_factor::remove),
    },
    Endpoint {
        method: Method::POST,
        path: report_api_key::PATH,
        access: Access::Public,
        handler: |method| on(method, report_api_key::post),
    },
    Endpoint {
        method: Method::POST,
        path: token::PATH,
        access: Access::Public,
        handler: |method| on(method, token::post),
    },
    Endpoint {
        method: Method::POST,
        path: revoke::PATH,
        access: Access::Public,
        handler: |method| on(method, revoke::post),
    },
    Endpoint {
        method: Method::POST,
        path: introspect::PATH,
        access: Access::Client,
        handler: |method| on(method, introspect::post),
    },
    Endpoint {
        method: Method::GET,
        path: jwks::PATH,
        access: Access::Public,
        handler: |method| on(method, jwks::get),
    },
    Endpoint {
        method: Method::GET,
        path: "/.well-known/openid-configuration",
        access: Access::Public,
        handler: |method| on(method, openid_configuration::get),
    },
    Endpoint {
        method: Method::GET,
        path: revocations::PATH,
        access: Access::Public,
        handler: |method| on(method, revocations::get),
    },
    Endpoint {
        method: Method::GET,
        path: revocations::SNAPSHOT_PATH,
        access: Access::Public,
        handler: |method| on(method, revocations::snapshot),
    },
    Endpoint {
        method: Method::GET,
        path: "/.well-known/oauth-authorization-server",
        access: Access::Public,
        handler: |method| on(method, authorization_server::get),
    },
    Endpoint {
        method: Method::GET,
        path: reason::PATH,
        access: Access::Public,
        handler: |method| on(method, reason::get),
    },
];

/// One operation.
pub struct Endpoint {
    /// Method; `HEAD` follows `GET`.
    pub method: Method,
    /// Path, with parameters in braces.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
    handler: fn(MethodFilter) -> MethodRouter<Issuer>,
}

/// Who may call an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anyone; the body may hold the credential.
    Public,
    /// With a client's own credentials, in the form's body or as
    /// `Authorization: Basic`; the endpoint's form takes them
    /// (`client_authentication`). A bearer token opens nothing here.
    Client,
    /// Only with an access token of this issuer. The router checks it before
    /// the handler runs.
    Token,
}

/// Network address of the caller: put it into the request's extensions.
/// Without it all callers share one throttle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Issuer {
    /// The public endpoints.
    pub fn router(&self) -> Router {
        let router = ENDPOINTS.iter().fold(Router::new(), |router, endpoint| {
            router.route(endpoint.path, self.checked(endpoint))
        });
        router
            .method_not_allowed_fallback(error::method_not_allowed)
            .fallback(error::no_route)
            .layer(from_fn_with_state(self.clone(), error::in_form))
            .with_state(self.clone())
    }

    fn checked(&self, endpoint: &Endpoint) -> MethodRouter<Issuer> {
        let method = MethodFilter::try_from(endpoint.method.clone())
            .expect("INVARIANT: ENDPOINTS names standard methods only");
        let handler = (endpoint.handler)(method);
        match endpoint.access {
            Access::Public | Access::Client => handler,
            Access::Token => handler.route_layer(from_fn_with_state(
                self.clone(),
                authenticate::require_token,
            )),
        }
    }
}
