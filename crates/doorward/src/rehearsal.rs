//! What the gateway would say to requests that nobody sends, by a
//! configuration that nobody need serve.
//!
//! Nothing is imitated: the caller gets a real token, signed by a key that
//! lives as long as the command and is trusted in place of the issuers' own,
//! and the request goes through the function that serves. What that leaves out
//! is what only a running house knows: its keys, and what is revoked.

mod claims;

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use doorward_gateway::{
    Config as Front, Gateway, Shared,
    internal_token::{InternalToken, InternalTokens},
};
use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::{
    clock::Timestamp,
    jose::{
        algorithm::Algorithm, jwk_set::KeySet, signing_key::SigningKey, validation::Validation,
    },
    key_source::KeySource,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};
use http::{HeaderMap, HeaderValue, header};
use tokio::sync::mpsc;

pub(crate) use claims::Claims;

use crate::{
    cli::DEFAULT_LISTEN,
    config::{Config, OtherIssuer},
    decision_view,
    exit::Failure,
    system::SystemClock,
    up,
};

/// The type of our own tokens (RFC 9068).
const TOKEN_TYPE: &str = "at+jwt";

/// A request that nobody sends.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a str,
    /// Path, and query if there is one.
    pub(crate) target: &'a str,
    /// Where it would come from, if that is said.
    pub(crate) peer: Option<IpAddr>,
}

/// A configuration that can be asked.
pub(crate) struct Rehearsal {
    config: Config,
    /// Of our own tokens.
    issuer: String,
    audience: String,
    key: SigningKey,
    gateway: Gateway,
}

impl Rehearsal {
    /// Of `config`, whole.
    pub(crate) fn of(config: Config) -> Result<Self, Failure> {
        let key = SigningKey::generate(Algorithm::Es256)
            .map_err(|error| Failure::internal(format!("no key to sign with: {error}")))?;
        let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
        let origin = format!("http://{DEFAULT_LISTEN}");
        let issuer = config.issuer.clone().unwrap_or(origin);
        let audience = config.audience.clone().unwrap_or_else(|| issuer.clone());
        let own = Validation::issuer(&issuer)
            .audience(&audience)
            .algorithms([Algorithm::Es256]);
        let own = TrustedIssuer::new(own, keys.clone());
        let others = config
            .trusted_issuers
            .iter()
            .map(|other| up::trust(&signed_here(other), keys.clone(), &config.roles));
        let issuers = [own].into_iter().chain(others).collect();
        let verifier = Verifier::new(issuers, RevocationSet::new());
        let gateway = Gateway::unserved(front(&config), shared(&config, verifier));
        Ok(Self {
            config,
            issuer,
            audience,
            key,
            gateway,
        })
    }

    /// What becomes of a request at `now`, by somebody with these claims or by
    /// somebody without a token.
    pub(crate) async fn judge(
        &self,
        asked: &Asked<'_>,
        caller: Option<&Claims>,
        now: Timestamp,
    ) -> Result<Decision, Failure> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(DEFAULT_LISTEN));
        if let Some(caller) = caller {
            let token = self.token(caller, now)?;
            headers.insert(header::AUTHORIZATION, token);
        }
        let request = (asked.method, asked.target);
        let explaining = self
            .gateway
            .explain_from(asked.peer, request, &headers, now);
        let decision = self.advised(explaining.await);
        Ok(decision)
    }

    fn token(&self, caller: &Claims, now: Timestamp) -> Result<HeaderValue, Failure> {
        let (token_type, claims) = match &caller.issuer {
            Some(name) if *name != self.issuer => {
                let others = self.config.trusted_issuers.iter();
                let other = others.into_iter().find(|other| other.issuer == *name);
                let other = other.ok_or_else(|| {
                    Failure::usage(format!("the configuration trusts no issuer `{name}`"))
                })?;
                let token_type = other.token_type.as_deref().unwrap_or(TOKEN_TYPE);
                (token_type, caller.of_another(other, now))
            }
            _ => {
                let names = (self.issuer.as_str(), self.audience.as_str());
                (TOKEN_TYPE, caller.of_ours(names, &self.config.roles, now))
            }
        };
        let token = self.key.sign(token_type, &claims).ok();
        token
            .and_then(|token| HeaderValue::try_from(format!("Bearer {token}")).ok())
            .ok_or_else(|| Failure::usage("the caller's claims make no token"))
    }

    /// With what would turn a denial around.
    fn advised(&self, mut decision: Decision) -> Decision {
        let wanted = decision_view::wanted_permission(&decision);
        let wanted = wanted.and_then(|wanted| wanted.parse().ok());
        let granting = wanted.map(|wanted| self.config.roles.granting(&wanted));
        let granting: Vec<_> = granting
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect();
        decision.fix = decision_view::fix(&decision, &granting, None);
        decision
    }
}

/// The same issuer, whose tokens are signed by the key of the rehearsal.
fn signed_here(other: &OtherIssuer) -> OtherIssuer {
    OtherIssuer {
        algorithms: vec![Algorithm::Es256],
        ..other.clone()
    }
}

fn front(config: &Config) -> Front {
    let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 4180));
    Front {
        limits: config.limits.clone(),
        upgrades: config.upgrades.clone(),
        public_origin: config.public_origin.clone(),
        ..Front::new(listen, http::Uri::from_static("http://127.0.0.1:9000"))
    }
}

/// Nothing is forwarded here, so nothing is signed.
fn unsigned() -> InternalTokens {
    InternalTokens {
        generation: Arc::default(),
        make: Arc::new(|_, _, now| {
            Ok(InternalToken {
                access_token: "unsigned".to_owned(),
                expires_at: now,
            })
        }),
    }
}

fn shared(config: &Config, verifier: Verifier) -> Shared {
    // Nobody listens: decisions are what the commands print.
    let (decisions, _) = mpsc::channel(1);
    Shared {
        verifier: Arc::new(ArcSwap::from_pointee(verifier)),
        routes: Arc::new(ArcSwap::from_pointee(config.routes.clone())),
        clock: Arc::new(SystemClock),
        trace_ids: Arc::new(|| TraceId::from_bytes([0; 16])),
        local: up::nothing_here(),
        api_keys: None,
        internal_tokens: Some(unsigned()),
        decisions,
    }
}
