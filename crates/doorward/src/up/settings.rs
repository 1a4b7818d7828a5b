//! What is served, and what follows from it before anything is open.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use doorward_gateway::UpstreamRoots;
use doorward_issuer::{Database, PermissionForm, PostgresUrl};
use http::Uri;

use super::reload::{Given, Stamp};
use crate::{
    bounded_file,
    config::{Config, Tls, TlsFiles},
    data_folder::{DataFolder, LastUp},
    exit::Failure,
    root_certificates::{LARGEST_BUNDLE, system_bundle},
    system::SystemClock,
};

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
    pub(super) fn forwards(&self) -> bool {
        !matches!(self.upstream, Upstream::Nothing)
    }

    /// The files of TLS, if this server speaks it.
    pub(super) fn tls_files(&self) -> Vec<TlsFiles> {
        let beside = |files: &TlsFiles| files.beside(self.config_file.as_deref());
        match &self.config.tls {
            Some(Tls::Here(files)) => files.iter().map(beside).collect(),
            Some(Tls::Elsewhere) | None => Vec::new(),
        }
    }

    /// Whose certificates are believed of the upstream, if it speaks TLS: those
    /// of the file, or of this machine.
    pub(super) fn upstream_roots(&self) -> Result<Option<UpstreamRoots>, Failure> {
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
                let read = bounded_file::read(&file, LARGEST_BUNDLE);
                read.map_err(|error| {
                    Failure::configuration(format!("{} cannot be read: {error}", file.display()))
                        .hint("`upstream_ca` names a PEM file beside the configuration")
                })?
            }
            None => system_bundle().ok_or_else(|| {
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

    pub(super) fn database(&self) -> Database {
        match &self.database {
            Some(url) => Database::Postgres(url.clone()),
            None => Database::Sqlite(self.folder.database()),
        }
    }

    /// What commands need to know of this run. The roles and the earlier claims
    /// are still those of the run before; [`Reload::settle`](super::reload::Reload::settle) compares them with the
    /// present ones.
    pub(super) fn last_up(&self, gateway: SocketAddr, admin: SocketAddr) -> LastUp {
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
