//! `up`: issuer, gateway and admin listener wired together in one process; and
//! `serve`, the same with one of the roles left out.
//!
//! The gateway runs on its own threads; issuer, admin listener and the tasks
//! here share another runtime, so that a password hash or a database wait
//! never delays a proxied request.

mod annotator;
mod candidate;
mod certificates;
mod collector;
mod descriptors;
mod elsewhere;
mod evaluations;
mod follow;
mod home;
mod internal_tokens;
mod reload;
mod screen;
mod teller;
mod verifiers;
mod wiring;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use arc_swap::ArcSwap;
use doorward_gateway::{BoundGateway, Config as Front, UpstreamProtocol, UpstreamRoots};
use doorward_issuer::{Database, Issuer, MasterKey, PermissionForm, PostgresUrl};
use doorward_policy::role::Roles;
use evaluations::Evaluations;
use http::Uri;
pub(crate) use reload::{Given, Stamp};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, oneshot},
};
pub(crate) use verifiers::trust;
pub(crate) use wiring::nothing_here;

use crate::{
    admin_listener::{
        self, Admin, OperatorToken,
        connections::{self, Bounds},
    },
    cli::{open_issuer, runtime},
    config::{Config, Tls, TlsFiles},
    data_folder::{DataFolder, DemoUsers, LastUp},
    demo::{self, DemoApi},
    exit::{Answer, Failure},
    journal::Journal,
    metrics::Metrics,
    output, root_certificates,
    system::SystemClock,
    up::{
        annotator::Annotator,
        candidate::Candidate,
        certificates::Certificates,
        collector::Traces,
        elsewhere::Elsewhere,
        home::Home,
        internal_tokens::InternalIssuer,
        reload::{Followers, Reload},
        screen::Screen,
        teller::Teller,
        verifiers::Verifiers,
    },
};

/// Decisions waiting to be printed and remembered. When the terminal is slower
/// than the requests, the newest are dropped and counted, never waited for.
const DECISION_QUEUE: usize = 8_192;

/// What an issuer without a gateway stands before: a name that cannot be
/// (RFC 2606). It has no route, so nothing is ever sent there.
const NO_UPSTREAM: &str = "http://nothing.invalid";

/// What to serve.
pub(crate) struct Settings {
    pub(crate) role: Role,
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: SocketAddr,
    pub(crate) upstream: Upstream,
    /// More servers with the same API.
    pub(crate) more_upstreams: Vec<Uri>,
    /// The server with the state; none for the database of the folder.
    pub(crate) database: Option<PostgresUrl>,
    pub(crate) config_file: Option<PathBuf>,
    pub(crate) config: Config,
    /// Of the file when `config` was read.
    pub(crate) config_stamp: Stamp,
    pub(crate) folder: DataFolder,
    pub(crate) production: bool,
    pub(crate) json: bool,
}

/// What this process is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Issuer and gateway.
    All,
    /// The issuer alone.
    Issuer,
    /// A gateway, for tokens of an issuer in another process.
    Gateway { issuer: String },
}

/// What stands behind the gateway.
pub(crate) enum Upstream {
    /// Nothing: there is no gateway, or it only answers another proxy.
    Nothing,
    /// The sample API, started with it.
    Demo,
    /// Somebody's API.
    Api(Uri),
}

impl Settings {
    /// Refuses conveniences of development where strangers could meet them,
    /// and names each.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let public = [
            ("--listen", self.listen),
            ("--admin-listen", self.admin_listen),
        ]
        .into_iter()
        .find(|(_, address)| !address.ip().is_loopback());
        let mut refused = Vec::new();
        if matches!(self.upstream, Upstream::Demo) {
            refused.push("demo users and the sample API (--demo)");
        }
        let https = |issuer: &String| issuer.starts_with("https://");
        if !self.named_issuer().is_some_and(https) {
            refused.push("an http:// issuer (set `issuer = \"https://…\"` in the configuration)");
        }
        if !self.admin_listen.ip().is_loopback() {
            refused.push("an admin listener beyond loopback (--admin-listen)");
        }
        if self.production && !self.listen.ip().is_loopback() && self.config.tls.is_none() {
            refused.push(
                "plain HTTP to callers (set `[tls]`, or `tls = \"terminated-elsewhere\"` behind a \
                 proxy that speaks it)",
            );
        }
        let why = match public {
            _ if refused.is_empty() => return Ok(()),
            _ if self.production => "--production".to_owned(),
            Some((flag, _)) => format!("a public {flag} address"),
            None => return Ok(()),
        };
        Err(
            Failure::configuration(format!("{why} refuses: {}", refused.join("; ")))
                .hint("listen on loopback while you try things out"),
        )
    }

    /// The issuer's name, where something names it.
    fn named_issuer(&self) -> Option<&String> {
        match &self.role {
            Role::Gateway { issuer } => Some(issuer),
            Role::All | Role::Issuer => self.config.issuer.as_ref(),
        }
    }

    /// Whether there is an API that requests are forwarded to.
    fn forwards(&self) -> bool {
        !matches!(self.upstream, Upstream::Nothing)
    }

    /// The files of TLS, if this server speaks it.
    fn tls_files(&self) -> Vec<TlsFiles> {
        let beside = |files: &TlsFiles| files.beside(self.config_file.as_deref());
        match &self.config.tls {
            Some(Tls::Here(files)) => files.iter().map(beside).collect(),
            Some(Tls::Elsewhere) | None => Vec::new(),
        }
    }

    /// Whose certificates are believed of the upstream, if it speaks TLS: those
    /// of the file, or of this machine.
    fn upstream_roots(&self) -> Result<Option<UpstreamRoots>, Failure> {
        let is_tls = |uri: &Uri| uri.scheme_str() == Some("https");
        let Upstream::Api(first) = &self.upstream else {
            return Ok(None);
        };
        if !is_tls(first) && !self.more_upstreams.iter().any(is_tls) {
            return Ok(None);
        }
        let folder = self.config_file.as_deref().and_then(Path::parent);
        let bundle = match &self.config.upstream_ca {
            Some(file) => {
                let file = folder.unwrap_or(Path::new("")).join(file);
                let read = std::fs::read(&file);
                read.map_err(|error| {
                    Failure::configuration(format!("{} cannot be read: {error}", file.display()))
                        .hint("`upstream_ca` names a PEM file beside the configuration")
                })?
            }
            None => root_certificates::system_bundle().ok_or_else(|| {
                Failure::configuration("no certificates to believe of the upstream on this machine")
                    .hint(
                        "install the package ca-certificates, or name a PEM file in `upstream_ca`",
                    )
            })?,
        };
        let roots = UpstreamRoots::from_pem(&bundle, Arc::new(SystemClock));
        let roots =
            roots.map_err(|error| Failure::configuration(format!("`upstream_ca`: {error}")))?;
        Ok(Some(roots))
    }

    fn database(&self) -> Database {
        match &self.database {
            Some(url) => Database::Postgres(url.clone()),
            None => Database::Sqlite(self.folder.database()),
        }
    }

    /// What commands need to know of this run. The roles and the earlier claims
    /// are still those of the run before; [`Reload::settle`] compares them with the
    /// present ones.
    fn last_up(&self, gateway: SocketAddr, admin: SocketAddr) -> LastUp {
        let before = self.folder.read_json::<LastUp>(&self.folder.last_up());
        let (roles, earlier_claims) = match before {
            // A run of an older program, or that was never settled, said its own.
            Ok(Some(before)) => (before.roles, before.earlier_claims.or(Some(before.claims))),
            Ok(None) => (Some(Given::new()), Some(BTreeMap::new())),
            Err(_) => (None, None),
        };
        let scheme = if self.tls_files().is_empty() {
            "http"
        } else {
            "https"
        };
        let origin = format!("{scheme}://{gateway}");
        let issuer = self.named_issuer().cloned();
        let issuer = issuer.unwrap_or_else(|| origin.clone());
        LastUp {
            audience: self
                .config
                .audience
                .clone()
                .unwrap_or_else(|| issuer.clone()),
            issuer,
            gateway: origin,
            admin: format!("http://{admin}"),
            access_lifetime: self.config.access_lifetime(),
            numbered_permissions: self.config.tokens.permissions == PermissionForm::Numbers,
            max_token_bytes: Some(self.config.tokens.max_bytes()),
            claims: self.config.tokens.claims_by_name(),
            earlier_claims,
            sessions_per_user: self.config.tokens.sessions_per_user,
            issuer_elsewhere: matches!(self.role, Role::Gateway { .. }),
            config: self.config_file.as_deref().map(absolute),
            database: self.database.as_ref().map(ToString::to_string),
            roles,
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Serves until a signal.
pub(crate) fn run(settings: Settings) -> Result<Answer, Failure> {
    let runtime = runtime()?;
    let answer = runtime.block_on(serve(settings));
    // Hashes that are still running are of no use to anyone now.
    runtime.shutdown_background();
    answer
}

async fn serve(settings: Settings) -> Result<Answer, Failure> {
    // First, so that a signal that comes with the first screen finds a drain.
    let signals = Signals::listen()?;
    let certificates = match settings.tls_files() {
        files if files.is_empty() => None,
        files => Some(Certificates::load(files)?),
    };
    let listeners = wiring::bind_gateway(settings.listen)?;
    let admin_listener = wiring::bind(settings.admin_listen, "--admin-listen")?;
    let admin_address = admin_listener.local_addr().unwrap_or(settings.admin_listen);
    let last_up = settings.last_up(listeners.local_addr(), admin_address);
    let roles = Arc::new(ArcSwap::from_pointee(settings.config.roles.clone()));
    let routes = Arc::new(ArcSwap::from_pointee(settings.config.routes.clone()));
    let home = home(&settings, &last_up, &roles).await?;
    let issuer = home.issuer().cloned();
    let (upstream, new_people) = upstream(&settings, issuer.as_ref()).await?;

    let (decisions, arriving) = mpsc::channel(DECISION_QUEUE);
    let file = settings.config_file.as_deref();
    let verifiers = Verifiers::new(&home, &settings.config, file)?;
    let verifier = verifiers.current();
    // Issuer and gateway share the listener, and with it the origin, unless the
    // issuer is elsewhere.
    let own_origin = match &home {
        Home::Here(_) => &last_up.issuer,
        Home::Elsewhere(_) => &last_up.gateway,
    };
    let addresses = (listeners.local_addr(), &upstream, own_origin);
    let front = front(&settings, certificates.as_ref(), addresses)?;
    let evaluations = match settings.role {
        Role::All => issuer
            .clone()
            .map(|it| Evaluations::new(it, verifiers.current())),
        Role::Issuer | Role::Gateway { .. } => None,
    };
    let origin = front.public_origin.as_ref().unwrap_or(own_origin);
    let internal = InternalIssuer::new(&settings, origin, &last_up)?;
    let local = internal.before(home.local_service());
    let traces = Traces::start(&settings, origin)?;
    let parts = wiring::Parts {
        front,
        verifier: verifiers.current(),
        routes: match settings.role {
            // What the file opens is for the gateways to open.
            Role::Issuer => Arc::default(),
            Role::All | Role::Gateway { .. } => Arc::clone(&routes),
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
    let metrics = Metrics::of(gateway.gateway(), verifier, counts);
    if let Some(evaluations) = evaluations {
        evaluations.ask(gateway.gateway());
    }
    settings
        .folder
        .write_json(&settings.folder.last_up(), &last_up)?;

    let candidate = Candidate::of(&settings, gateway.gateway());
    let journal = Arc::new(Journal::default());
    let annotator = Arc::new(Annotator::new(issuer.clone(), Arc::clone(&roles)));
    let admin = Admin {
        journal: Arc::clone(&journal),
        operator_token: kept_token(&settings.folder, &settings.folder.operator_token())?,
        metrics_token: kept_token(&settings.folder, &settings.folder.metrics_token())?,
        metrics: metrics.boxed(),
        ready: home.readiness(),
        judge: wiring::judge(gateway.gateway()),
        shadow: candidate.shown(),
        api: issuer
            .as_ref()
            .map_or_else(Default::default, Issuer::admin_router),
        annotate: annotator.boxed(),
    };
    serve_admin(admin_listener, admin)?;
    let keys = home.trusted().keys().clone();
    let mut followers = home.follow();
    let internal_name = internal.name();
    let reload = Reload::of(
        &settings,
        issuer.as_ref(),
        Followers {
            routes: Arc::clone(&routes),
            roles,
            verifiers,
            internal,
            candidate,
        },
        last_up.clone(),
    );
    followers.extend(reload.begin().await);
    followers.extend(certificates.map(Certificates::follow));
    Screen {
        settings: &settings,
        last_up: &last_up,
        upstream: &upstream,
        forward_auth: gateway.forward_auth_addr(),
        internal: internal_name,
        keys: &keys,
        routes: &routes.load(),
        new_people: new_people.as_ref(),
    }
    .show();
    let (spans, exporting) = match traces {
        Some(traces) => (Some(traces.spans), Some(traces.exporting)),
        None => (None, None),
    };
    let telling = Teller {
        spans,
        annotator,
        journal,
        gateway: gateway.gateway(),
        json: settings.json,
    }
    .start(arriving)?;
    // Who follows the feed never leaves by itself.
    let close_feed = || {
        if let Some(issuer) = &issuer {
            issuer.close_feed();
        }
    };
    let answer = until_signal(gateway, signals, &settings, close_feed).await;
    for follower in followers {
        follower.abort();
    }
    telling.finish().await;
    if let Some(exporting) = exporting {
        exporting.finish().await;
    }
    if let Some(issuer) = &issuer {
        issuer.close().await;
    }
    answer
}

/// What the gateway is to callers and upstreams, with the address that it
/// listens on, its first upstream, and the origin it has unless the
/// configuration names another.
fn front(
    settings: &Settings,
    certificates: Option<&Certificates>,
    (listening, upstream, own_origin): (SocketAddr, &Uri, &String),
) -> Result<Front, Failure> {
    let config = &settings.config;
    Ok(Front {
        tls: certificates.map(Certificates::tls),
        cleartext_http2: config.h2c,
        upgrades: config.upgrades.clone(),
        more_upstreams: settings.more_upstreams.clone(),
        upstream_protocol: match settings.config.upstream_http2 {
            true => UpstreamProtocol::Http2,
            false => UpstreamProtocol::Http1,
        },
        upstream_roots: settings.upstream_roots()?,
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
        public_origin: Some(config.public_origin.as_ref().unwrap_or(own_origin).clone()),
        ..Front::new(listening, upstream.clone())
    })
}

/// The issuer, opened here or found elsewhere.
async fn home(
    settings: &Settings,
    last_up: &LastUp,
    roles: &Arc<ArcSwap<Roles>>,
) -> Result<Home, Failure> {
    let Role::Gateway { issuer } = &settings.role else {
        let issuer = open_issuer(&settings.folder, settings.database(), last_up, roles).await?;
        if MasterKey::next_file(&settings.folder.master_key()).exists() {
            follow::warn(
                "a change of the master key was cut short; `doorward secret rotate` ends it",
            );
        }
        return Ok(Home::Here(issuer));
    };
    let name = (issuer.as_str(), last_up.audience.as_str());
    let elsewhere = Elsewhere::reach(name, settings.config.revocations, &settings.folder).await?;
    Ok(Home::Elsewhere(Box::new(elsewhere)))
}

/// The API behind the gateway, started if it is the demo's; and the people of
/// the demo if they were just made.
async fn upstream(
    settings: &Settings,
    issuer: Option<&Issuer>,
) -> Result<(Uri, Option<DemoUsers>), Failure> {
    match &settings.upstream {
        Upstream::Api(uri) => Ok((uri.clone(), None)),
        Upstream::Nothing => Ok((Uri::from_static(NO_UPSTREAM), None)),
        Upstream::Demo => {
            let people = match issuer {
                Some(issuer) => demo::people(issuer, &settings.folder).await?,
                None => None,
            };
            let api = DemoApi::start(&settings.folder.demo_log())
                .await
                .map_err(|error| {
                    Failure::unreachable(format!("the sample API did not start: {error}"))
                })?;
            let uri = format!("http://{}", api.address)
                .parse()
                .map_err(|error| Failure::unreachable(format!("{error}")))?;
            Ok((uri, people))
        }
    }
}

/// The operator's token of the data folder, made on first use.
/// The token in `file` of the folder, made if it is not there.
fn kept_token(folder: &DataFolder, file: &Path) -> Result<OperatorToken, Failure> {
    if let Some(token) = folder
        .read(file)?
        .as_deref()
        .map(str::trim)
        .and_then(OperatorToken::parse)
    {
        return Ok(token);
    }
    let token = OperatorToken::generate(wiring::random());
    folder.write(file, token.reveal())?;
    Ok(token)
}

fn serve_admin(listener: std::net::TcpListener, admin: Admin) -> Result<(), Failure> {
    let listener = TcpListener::from_std(listener)
        .map_err(|error| Failure::unreachable(format!("the admin listener: {error}")))?;
    let router = admin_listener::router(Arc::new(admin));
    tokio::spawn(connections::serve(listener, router, Bounds::default()));
    Ok(())
}

/// The signals that end a server.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind).map_err(|error| {
                Failure::unreachable(format!("cannot listen for signals: {error}"))
            })
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }
}

/// Serves until SIGINT or SIGTERM, then calls `begin_drain` and drains. A second SIGINT ends at once.
async fn until_signal(
    gateway: BoundGateway,
    signals: Signals,
    settings: &Settings,
    begin_drain: impl FnOnce(),
) -> Result<Answer, Failure> {
    let Signals {
        mut interrupt,
        mut terminate,
    } = signals;
    let (stop, stopping) = oneshot::channel::<()>();
    let mut serving = Box::pin(gateway.serve(async {
        // Dropping the sender stops it as well.
        let _ = stopping.await;
    }));
    let interrupted = tokio::select! {
        ended = &mut serving => return wiring::ended(ended),
        _ = interrupt.recv() => true,
        _ = terminate.recv() => false,
    };
    if interrupted && !settings.json {
        output::note("\n  draining; Ctrl-C again ends at once");
    }
    begin_drain();
    // Nobody listens any more when the gateway has ended by itself.
    let _ = stop.send(());
    tokio::select! {
        ended = &mut serving => wiring::ended(ended)?,
        _ = interrupt.recv() => return Ok(Answer::Interrupted),
    };
    if interrupted && !settings.json {
        output::note(screen::farewell(settings));
    }
    Ok(Answer::Yes)
}
