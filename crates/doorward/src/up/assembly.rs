//! The gateway, put together: what it is to callers and upstreams, whom it
//! trusts, what it answers itself, and where its decisions go.

use std::{net::SocketAddr, sync::Arc};

use arc_swap::ArcSwap;
use doorward_gateway::{BoundGateway, Config as Front, Listeners, UpstreamProtocol};
use doorward_policy::{decision::Decision, route::RouteTable};
use http::Uri;
use tokio::sync::mpsc;

use super::{
    Role, Settings, certificates::Certificates, collector::Traces, evaluations::Evaluations,
    home::Home, internal_tokens::InternalIssuer, verifiers::Verifiers, wiring,
};
use crate::{
    data_folder::LastUp,
    exit::Failure,
    metrics::Metrics,
    traces::{Exporting, Spans},
};

/// Decisions waiting to be printed and remembered. When the terminal is slower
/// than the requests, the newest are dropped and counted, never waited for.
const DECISION_QUEUE: usize = 8_192;

/// What it is made of.
pub(super) struct Assembly<'a> {
    pub(super) settings: &'a Settings,
    pub(super) last_up: &'a LastUp,
    pub(super) home: &'a Home,
    /// The first one.
    pub(super) upstream: &'a Uri,
    pub(super) routes: &'a Arc<ArcSwap<RouteTable>>,
    pub(super) certificates: Option<&'a Certificates>,
}

/// The gateway, ready to serve, and what belongs to it.
pub(super) struct Assembled {
    pub(super) gateway: BoundGateway,
    pub(super) metrics: Metrics,
    pub(super) verifiers: Verifiers,
    pub(super) internal: InternalIssuer,
    /// Where decisions become spans, and their way out.
    pub(super) spans: Option<Spans>,
    pub(super) exporting: Option<Exporting>,
    pub(super) arriving: mpsc::Receiver<Decision>,
}

impl Assembly<'_> {
    /// The gateway behind `listeners`.
    pub(super) fn on(self, listeners: Listeners) -> Result<Assembled, Failure> {
        let (settings, home) = (self.settings, self.home);
        let (decisions, arriving) = mpsc::channel(DECISION_QUEUE);
        let file = settings.config_file.as_deref();
        let verifiers = Verifiers::new(home, &settings.config, file)?;
        let front = self.front(listeners.local_addr())?;
        let evaluations = self.evaluations(&verifiers);
        let origin = front.public_origin.as_ref().unwrap_or(self.own_origin());
        let internal = InternalIssuer::new(settings, origin, self.last_up)?;
        let local = internal.before(home.local_service());
        let traces = Traces::start(settings, origin)?;
        let parts = wiring::Parts {
            front,
            verifier: verifiers.current(),
            routes: match settings.role {
                // What the file opens is for the gateways to open.
                Role::Issuer => Arc::default(),
                Role::All | Role::Gateway { .. } => Arc::clone(self.routes),
            },
            decisions,
            local: match &evaluations {
                Some(evaluations) => evaluations.before(local),
                None => local,
            },
            api_keys: home.key_exchange(),
            internal_tokens: Some(internal.seam()),
        };
        let gateway = wiring::gateway(listeners, parts)?;
        let counts = traces.as_ref().map(|traces| Arc::clone(&traces.counts));
        let metrics = Metrics::of(gateway.gateway(), verifiers.current(), counts);
        if let Some(evaluations) = evaluations {
            evaluations.ask(gateway.gateway());
        }
        let (spans, exporting) = match traces {
            Some(traces) => (Some(traces.spans), Some(traces.exporting)),
            None => (None, None),
        };
        Ok(Assembled {
            gateway,
            metrics,
            verifiers,
            internal,
            spans,
            exporting,
            arriving,
        })
    }

    /// Issuer and gateway share the listener, and with it the origin, unless the
    /// issuer is elsewhere.
    fn own_origin(&self) -> &String {
        match self.home {
            Home::Here(_) => &self.last_up.issuer,
            Home::Elsewhere(_) => &self.last_up.gateway,
        }
    }

    /// Questions about people, where issuer and routes are both here.
    fn evaluations(&self, verifiers: &Verifiers) -> Option<Evaluations> {
        let issuer = self.home.issuer().cloned()?;
        match self.settings.role {
            Role::All => Some(Evaluations::new(issuer, verifiers.current())),
            Role::Issuer | Role::Gateway { .. } => None,
        }
    }

    /// What it is to callers and upstreams, with the address that it listens on.
    fn front(&self, listening: SocketAddr) -> Result<Front, Failure> {
        let settings = self.settings;
        let config = &settings.config;
        Ok(Front {
            tls: self.certificates.map(Certificates::tls),
            cleartext_http2: config.h2c,
            upgrades: config.upgrades.clone(),
            more_upstreams: settings.more_upstreams.clone(),
            upstream_protocol: match settings.config.upstream_http2 {
                true => UpstreamProtocol::Http2,
                false => UpstreamProtocol::Http1,
            },
            upstream_roots: settings.upstream_roots()?,
            identity_headers: config.identity_headers,
            forwards: settings.forwards(),
            health_path: config.health_path.clone().filter(|_| settings.forwards()),
            forward_auth: match settings.role {
                Role::Issuer => None,
                Role::All | Role::Gateway { .. } => config.forward_auth.clone(),
            },
            limits: config.limits.clone(),
            rates: config.rates.clone(),
            trusted_proxies: config.trusted_proxies.clone(),
            proxy_protocol: config.proxy_protocol,
            sampled: config
                .tracing
                .as_ref()
                .map_or_else(Default::default, |it| it.ratio),
            public_origin: Some(
                config
                    .public_origin
                    .as_ref()
                    .unwrap_or(self.own_origin())
                    .clone(),
            ),
            ..Front::new(listening, self.upstream.clone())
        })
    }
}
