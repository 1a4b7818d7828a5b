//! Questions of other proxies: may this request of yours go on?
//!
//! nginx (`auth_request`), HAProxy, Traefik, Caddy and Envoy (`ext_authz` over
//! HTTP) ask another server before they forward a request. The question is an
//! HTTP request itself, which says in header fields or in its path what was
//! asked of the proxy. Out of it the original request is put together again
//! (`original`), and then judged by the very function that judges requests to
//! the gateway (`answer`): 200 with the identity headers, or a refusal.
//!
//! Anybody who may ask could ask about another request than the one that is
//! served. So a question is believed only from networks that the operator
//! named; one listener takes the questions of one kind of proxy, so that no
//! caller can put the fields of another kind beside them; and what is missing,
//! there twice, or said differently elsewhere is denied.
//!
//! The proxy forwards its own copy of the request: nothing that is said here
//! changes a byte of it. A path is therefore let through only in its canonical
//! spelling, and not, as in the gateway, rewritten to it.
//!
//! So this is not the place that removes the caller's own identity headers: the
//! proxy has to, and `docs/beside-other-proxies.md` says how. Where a question
//! shows one that is still there, it is denied.

mod answer;
mod original;

use std::net::SocketAddr;

use doorward_policy::decision::Reason;
use http::{
    HeaderName, StatusCode,
    header::{HOST, HeaderMap},
};

use crate::address::Network;
pub(crate) use answer::answer;

/// Where questions are asked.
pub const PATH: &str = "/forward-auth";

/// A listener for the questions of one kind of proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// Address to listen on. Clear HTTP/1.1 is spoken there, so it belongs on
    /// loopback or a network of its own.
    pub listen: SocketAddr,
    /// Who asks.
    pub proxy: Proxy,
    /// Where it asks from; from elsewhere nothing is believed.
    pub from: Vec<Network>,
}

/// A proxy that asks, and with it how the original request is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// nginx with `auth_request`: `X-Original-Method` and `X-Original-URI`.
    Nginx,
    /// HAProxy with a few lines of Lua: as nginx.
    Haproxy,
    /// Traefik with `forwardAuth`: `X-Forwarded-Method`, `-Uri` and `-Host`.
    Traefik,
    /// Caddy with `forward_auth`: as Traefik.
    Caddy,
    /// Envoy with `ext_authz` over HTTP: the question is the request, with
    /// [`PATH`] before its path.
    Envoy,
}

/// The fields in which a kind of proxy tells the original request.
pub(crate) struct Fields {
    pub(crate) method: HeaderName,
    pub(crate) target: HeaderName,
    pub(crate) host: HeaderName,
}

impl Proxy {
    /// Every one, by its name in the configuration.
    pub const ALL: [(&'static str, Self); 5] = [
        ("nginx", Self::Nginx),
        ("haproxy", Self::Haproxy),
        ("traefik", Self::Traefik),
        ("caddy", Self::Caddy),
        ("envoy", Self::Envoy),
    ];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        let named = Self::ALL.iter().find(|(_, proxy)| *proxy == self);
        named.map_or("", |(name, _)| name)
    }

    /// Whether an internal token can be handed on through it: our page for it says
    /// how, so that the API gets it, and no caller's own where there is none. The
    /// others take `Authorization` away after the question.
    pub const fn hands_on_tokens(self) -> bool {
        matches!(self, Self::Nginx)
    }

    /// `None` where the question is the request.
    fn fields(self) -> Option<Fields> {
        match self {
            Self::Nginx | Self::Haproxy => Some(Fields {
                method: HeaderName::from_static("x-original-method"),
                target: HeaderName::from_static("x-original-uri"),
                host: HOST,
            }),
            Self::Traefik | Self::Caddy => Some(Fields {
                method: HeaderName::from_static("x-forwarded-method"),
                target: HeaderName::from_static("x-forwarded-uri"),
                host: HeaderName::from_static("x-forwarded-host"),
            }),
            Self::Envoy => None,
        }
    }

    /// Whether its page takes the caller's `X-Doorward-*`, as we spell them, away
    /// after the question and not before it.
    fn clears_ours_later(self) -> bool {
        match self {
            Self::Nginx | Self::Haproxy => true,
            // Traefik does too, but only those that its operator listed.
            Self::Traefik | Self::Caddy | Self::Envoy => false,
        }
    }

    /// The status that makes this proxy refuse in the caller's sight. nginx
    /// knows two, and makes 500 of every other.
    fn status(self, reason: Reason) -> u16 {
        match (self, reason.status()) {
            (Self::Nginx, status @ 400..500) if status != StatusCode::UNAUTHORIZED => {
                StatusCode::FORBIDDEN.as_u16()
            }
            (_, status) => status,
        }
    }
}

/// The values of `name`, or `None` if one of them is no text.
fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<Vec<&'h str>> {
    let values = headers.get_all(name).iter();
    values.map(|value| value.to_str().ok()).collect()
}
