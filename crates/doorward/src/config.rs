//! `doorward.toml`: reading it, and saying everything that is wrong with it.
//!
//! The file is walked by hand and not deserialised, because the first error of
//! a deserialiser is also its last: here every problem is found in one pass,
//! each with its line, a caret and what to do. A file with any problem is
//! refused whole, so a typing error never opens or closes half of an API.
//!
//! What the file leaves out stays `None`; the command line and the defaults
//! are laid over it elsewhere. [`Config::default`] is what no file means: no
//! roles, no routes, everything closed.

mod bounds;
mod callers;
mod document;
mod forward_auth;
mod internal_tokens;
mod issuers;
mod policies;
mod problem;
mod revocations;
mod roles;
mod routes;
mod settings;
mod shadow;
mod source;
mod suggest;
mod tls;
mod tokens;
mod tracing;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use doorward_gateway::{
    Limits, address::Network, forward_auth::ForwardAuth, identity::IdentityHeaders, rate::RateLimit,
};
use doorward_issuer::PostgresUrl;
use doorward_policy::role::Roles;
use doorward_policy::route::RouteTable;
use http::{Uri, uri::PathAndQuery};

use document::Reader;
pub(crate) use internal_tokens::InternalTokens;
pub(crate) use issuers::{KeyPlace, OtherIssuer};
pub(crate) use policies::PolicyFiles;
pub(crate) use problem::{ConfigProblems, Problem};
pub(crate) use revocations::Revocations;
pub(crate) use settings::duration;
pub(crate) use suggest::suggest;
pub(crate) use tls::{Tls, TlsFiles};
pub(crate) use tokens::Tokens;
pub(crate) use tracing::{CollectorUrl, Tracing};

/// What `doorward init` writes.
pub(crate) const TEMPLATE: &str = include_str!("config/template.toml");

/// Everything at the top of the file.
const KEYS: &[&str] = &[
    "listen",
    "admin_listen",
    "tls",
    "h2c",
    "upgrade",
    "upstream",
    "upstream_http2",
    "upstream_ca",
    "identity_headers",
    "health",
    "timeouts",
    "limits",
    "limit",
    "trusted_proxies",
    "proxy_protocol",
    "forward_auth",
    "database",
    "issuer",
    "audience",
    "public_origin",
    "permissions",
    "policies",
    "shadow",
    "tokens",
    "internal_tokens",
    "dpop",
    "trusted_issuer",
    "revocations",
    "tracing",
    "roles",
    "route",
];

/// What Doorward answers itself and no route can take: all below a path that
/// ends with a slash, and the others alone.
const OWN_PATHS: [&str; 7] = [
    "/auth/",
    "/oauth2/",
    "/.well-known/",
    "/revocations",
    "/revocations/snapshot",
    "/access/v1/evaluation",
    "/access/v1/evaluations",
];

/// The entry of [`OWN_PATHS`] that `path` belongs to.
pub(crate) fn own_path(path: &str) -> Option<&'static str> {
    let is_at = |own: &&str| path == *own || own.ends_with('/') && path.starts_with(*own);
    OWN_PATHS.into_iter().find(|own| is_at(own))
}

/// Life of an access token when the file says nothing.
const ACCESS_LIFETIME: Duration = Duration::from_secs(5 * 60);

/// A configuration without a fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    /// Where the gateway listens.
    pub(crate) listen: Option<SocketAddr>,
    /// Where the admin listener listens.
    pub(crate) admin_listen: Option<SocketAddr>,
    /// Who speaks TLS with callers.
    pub(crate) tls: Option<Tls>,
    /// Whether HTTP/2 is spoken in clear with callers that begin with it.
    pub(crate) h2c: bool,
    /// Protocols that a request may change to.
    pub(crate) upgrades: Vec<String>,
    /// The API behind the gateway.
    pub(crate) upstream: Option<Uri>,
    /// More servers with the same API.
    pub(crate) more_upstreams: Vec<Uri>,
    /// Whether the servers are spoken to in HTTP/2.
    pub(crate) upstream_http2: bool,
    /// Whose certificates are believed of an `https://` upstream.
    pub(crate) upstream_ca: Option<PathBuf>,
    /// What upstreams are told of callers.
    pub(crate) identity_headers: IdentityHeaders,
    /// What every upstream is asked for now and then.
    pub(crate) health_path: Option<PathAndQuery>,
    /// How much one caller may ask.
    pub(crate) rates: Vec<RateLimit>,
    /// Proxies whose word is taken for the address of a caller.
    pub(crate) trusted_proxies: Vec<Network>,
    /// Whether each connection of theirs begins with the PROXY protocol.
    pub(crate) proxy_protocol: bool,
    /// Which other proxy may ask about its requests, and where.
    pub(crate) forward_auth: Option<ForwardAuth>,
    /// How long the gateway waits, and how much it holds.
    pub(crate) limits: Limits,
    /// The PostgreSQL server with the state.
    pub(crate) database: Option<PostgresUrl>,
    /// Origin under which tokens are issued.
    pub(crate) issuer: Option<String>,
    /// For whom tokens are issued.
    pub(crate) audience: Option<String>,
    /// Origin under which callers reach the gateway, where that is not the
    /// issuer's.
    pub(crate) public_origin: Option<String>,
    /// How access tokens are made.
    pub(crate) tokens: Tokens,
    /// How tokens for upstreams are made.
    pub(crate) internal_tokens: InternalTokens,
    /// Whether a proof of possession must carry a nonce of this server.
    pub(crate) dpop_nonce: bool,
    /// Other issuers whose tokens are accepted.
    pub(crate) trusted_issuers: Vec<OtherIssuer>,
    /// What a gateway does when revocations stop coming.
    pub(crate) revocations: Revocations,
    /// Where spans are sent.
    pub(crate) tracing: Option<Tracing>,
    /// The roles.
    pub(crate) roles: Roles,
    /// The routes, each under the policies that speak of its action.
    pub(crate) routes: RouteTable,
    /// How many policies there are.
    pub(crate) policies: usize,
    /// The configuration that judges beside this one, without effect.
    pub(crate) shadow: Option<PathBuf>,
}

/// The address of a database, for comparison.
fn address(database: &Option<PostgresUrl>) -> Option<String> {
    database.as_ref().map(ToString::to_string)
}

impl Config {
    /// How long an access token lives, in seconds.
    pub(crate) fn access_lifetime(&self) -> u64 {
        let lifetime = self.tokens.access_lifetime;
        lifetime.unwrap_or(ACCESS_LIFETIME).as_secs()
    }

    /// For whom tokens are made in place of callers', each once.
    pub(crate) fn internal_audiences(&self) -> BTreeSet<&str> {
        let routes = self.routes.routes().iter();
        let named = routes.filter_map(|it| it.demands().internal_audience.as_deref());
        named.collect()
    }

    /// Settings that count from the start of a server and differ from `other`.
    pub(crate) fn settings_that_differ(&self, other: &Self) -> Vec<&'static str> {
        let differ = [
            ("listen", self.listen != other.listen),
            ("admin_listen", self.admin_listen != other.admin_listen),
            ("tls", self.tls != other.tls),
            ("upgrade", self.upgrades != other.upgrades),
            ("h2c", self.h2c != other.h2c),
            (
                "upstream",
                self.upstream != other.upstream || self.more_upstreams != other.more_upstreams,
            ),
            (
                "upstream_http2",
                self.upstream_http2 != other.upstream_http2,
            ),
            ("upstream_ca", self.upstream_ca != other.upstream_ca),
            (
                "identity_headers",
                self.identity_headers != other.identity_headers,
            ),
            ("health", self.health_path != other.health_path),
            ("timeouts and limits", self.limits != other.limits),
            ("limit", self.rates != other.rates),
            (
                "trusted_proxies",
                self.trusted_proxies != other.trusted_proxies
                    || self.proxy_protocol != other.proxy_protocol,
            ),
            ("forward_auth", self.forward_auth != other.forward_auth),
            (
                "database",
                address(&self.database) != address(&other.database),
            ),
            ("issuer", self.issuer != other.issuer),
            ("audience", self.audience != other.audience),
            ("public_origin", self.public_origin != other.public_origin),
            ("dpop", self.dpop_nonce != other.dpop_nonce),
            ("revocations", self.revocations != other.revocations),
            ("tracing", self.tracing != other.tracing),
            (
                "access_lifetime",
                self.access_lifetime() != other.access_lifetime(),
            ),
            (
                "permissions",
                self.tokens.permissions != other.tokens.permissions,
            ),
            (
                "max_bytes",
                self.tokens.max_bytes() != other.tokens.max_bytes(),
            ),
            ("claims", self.tokens.claims != other.tokens.claims),
            (
                "sessions_per_user",
                self.tokens.sessions_per_user != other.tokens.sessions_per_user,
            ),
        ];
        differ
            .into_iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| name)
            .collect()
    }

    /// Settings that decide about requests, differ from `served`, and are none of
    /// those that a candidate is compared by.
    pub(crate) fn what_a_candidate_leaves_out(&self, served: &Self) -> Vec<&'static str> {
        const DECIDING: [&str; 8] = [
            "upgrade",
            "limit",
            "trusted_proxies",
            "issuer",
            "audience",
            "public_origin",
            "dpop",
            "revocations",
        ];
        let mut differ = self.settings_that_differ(served);
        differ.retain(|name| DECIDING.contains(name));
        if self.trusted_issuers != served.trusted_issuers {
            differ.push("trusted_issuer");
        }
        differ
    }

    /// Reads the file at `path`.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigProblems> {
        let text = source::read(path)?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Reads `text`, which problems and routes will call `name`.
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, ConfigProblems> {
        let mut reader = Reader::new(name, text);
        let config = Self::read(&mut reader);
        match reader.into_problems() {
            Some(problems) => Err(problems),
            None => Ok(config),
        }
    }

    /// The configuration as far as it can be read; what is wrong with the
    /// rest is with the reader.
    fn read(reader: &mut Reader<'_>) -> Self {
        let document = reader.document();
        let table = document.get_ref();
        reader.unknown_keys(table, "", KEYS);
        let grants = roles::grants(reader, table);
        let mut upstreams = settings::upstreams(reader, table).into_iter();
        let mut limits = bounds::limits(reader, table);
        let before = reader.count();
        let internal_tokens = internal_tokens::internal_tokens(reader, table);
        let routes = routes::routes(reader, table, &grants, &internal_tokens);
        let are_whole = grants.complete && reader.is_whole() && reader.count() == before;
        let (routes, policies) =
            policies::govern(reader, table, routes, are_whole.then_some(&grants.roles));
        let config = Self {
            listen: settings::listen(reader, table, "listen"),
            admin_listen: settings::listen(reader, table, "admin_listen"),
            tls: tls::tls(reader, table),
            h2c: settings::is_stated(reader, table, "h2c"),
            upgrades: settings::upgrades(reader, table),
            upstream: upstreams.next(),
            more_upstreams: upstreams.collect(),
            upstream_http2: settings::is_stated(reader, table, "upstream_http2"),
            upstream_ca: settings::upstream_ca(reader, table),
            identity_headers: settings::identity_headers(reader, table),
            rates: callers::limits(reader, table),
            proxy_protocol: callers::proxy_protocol(reader, table),
            trusted_proxies: callers::trusted_proxies(reader, table),
            forward_auth: forward_auth::forward_auth(reader, table),
            health_path: bounds::health(reader, table, &mut limits),
            limits,
            database: settings::database(reader, table),
            issuer: settings::issuer(reader, table),
            audience: settings::audience(reader, table, "audience"),
            public_origin: settings::public_origin(reader, table),
            tokens: tokens::tokens(reader, table),
            internal_tokens,
            dpop_nonce: settings::dpop_nonce(reader, table),
            trusted_issuers: issuers::trusted(reader, table),
            routes,
            policies,
            shadow: shadow::shadow(reader, table),
            revocations: revocations::revocations(reader, table),
            tracing: tracing::tracing(reader, table),
            roles: grants.roles,
        };
        settings::one_listener_each(reader, table, &config);
        config
    }
}

#[cfg(test)]
mod tests;
