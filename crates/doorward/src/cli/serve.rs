//! `doorward serve`: one role of `up`, in a process of its own.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use doorward_issuer::PostgresUrl;
use http::Uri;

use super::{
    DEFAULT_DATA, Place, Workplace,
    up::{address, apart, listen, origin, url},
    workplace::{DEFAULT_ADMIN_LISTEN, DEFAULT_CONFIG, DEFAULT_LISTEN},
};
use crate::{
    config::Config,
    data_folder::DataFolder,
    exit::{Answer, Failure},
    state_place,
    up::{self, Role, Settings, Stamp, Upstream},
};

/// Where a gateway keeps what it knows when nothing names a folder: not where
/// an issuer beside it has its keys.
const GATEWAY_DATA: &str = ".doorward-gateway";

/// Run one role: the issuer, or a gateway before an API
#[derive(Debug, Subcommand)]
pub(super) enum Serve {
    /// Sign-in, keys and the revocation feed, without a gateway
    Issuer(IssuerRole),
    /// A gateway before an API, whose issuer is elsewhere
    Gateway(GatewayRole),
}

/// Where it listens, for both roles.
#[derive(Debug, Args)]
pub(super) struct Listeners {
    /// Address for callers [default: 127.0.0.1:4180]
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    listen: Option<SocketAddr>,
    /// Address of the admin listener [default: 127.0.0.1:4181]
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    admin_listen: Option<SocketAddr>,
    /// Refuse every convenience of development
    #[arg(long)]
    production: bool,
}

/// Sign-in, keys and the revocation feed, without a gateway
#[derive(Debug, Args)]
pub(super) struct IssuerRole {
    /// PostgreSQL server with the state, for several nodes: postgres://USER@HOST/NAME; no password
    /// here [default: DOORWARD_DATABASE, or SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    #[command(flatten)]
    listeners: Listeners,
}

/// A gateway before an API, whose issuer is elsewhere
#[derive(Debug, Args)]
pub(super) struct GatewayRole {
    /// The issuer, as it is in `iss` of its tokens [default: `issuer` of the configuration]
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// The API to protect, for example http://127.0.0.1:9000
    #[arg(long, value_name = "URL", value_parser = url)]
    upstream: Option<Uri>,
    #[command(flatten)]
    listeners: Listeners,
}

impl Serve {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        match self {
            Self::Issuer(role) => role.run(place),
            Self::Gateway(role) => role.run(place),
        }
    }
}

impl IssuerRole {
    fn run(self, place: &Place) -> Result<Answer, Failure> {
        let mut parts = Parts::read(place, &place.data)?;
        let configured = parts.config.database.as_ref();
        parts.database = state_place::chosen(self.database.as_deref(), configured)?;
        state_place::check_is_the_same(&parts.folder, parts.database.as_ref())?;
        serve(
            parts,
            self.listeners,
            (Upstream::Nothing, Vec::new()),
            Role::Issuer,
        )
    }
}

impl GatewayRole {
    fn run(self, place: &Place) -> Result<Answer, Failure> {
        let data = if place.data == Path::new(DEFAULT_DATA) {
            PathBuf::from(GATEWAY_DATA)
        } else {
            place.data.clone()
        };
        let parts = Parts::read(place, &data)?;
        let issuer = self.issuer.as_deref().map(|url| url.trim_end_matches('/'));
        let issuer = match (issuer, &parts.config.issuer) {
            (Some(named), Some(written)) if named != written => {
                return Err(Failure::usage(format!(
                    "--issuer is {named}, and the configuration says {written}"
                ))
                .hint("leave one of them out"));
            }
            (named, written) => named.map(str::to_owned).or_else(|| written.clone()),
        };
        let issuer = issuer.ok_or_else(|| {
            Failure::usage("say which issuer to trust").hint(
                "`doorward serve gateway --issuer https://auth.example.com --upstream \
                 http://127.0.0.1:9000`",
            )
        })?;
        // Named on the command line it stands alone.
        let more_upstreams = match &self.upstream {
            Some(_) => Vec::new(),
            None => parts.config.more_upstreams.clone(),
        };
        let upstream = self.upstream.or_else(|| parts.config.upstream.clone());
        let upstream = match upstream {
            Some(upstream) => {
                origin(&upstream)?;
                Upstream::Api(upstream)
            }
            None if parts.config.forward_auth.is_some() => Upstream::Nothing,
            None => {
                return Err(
                    Failure::usage("say what to protect").hint("--upstream http://127.0.0.1:9000")
                );
            }
        };
        let role = Role::Gateway { issuer };
        let upstreams = (upstream, more_upstreams);
        serve(parts, self.listeners, upstreams, role)
    }
}

/// What both roles begin with.
struct Parts {
    folder: DataFolder,
    file: Option<PathBuf>,
    stamp: Stamp,
    config: Config,
    /// A gateway has none.
    database: Option<PostgresUrl>,
    json: bool,
}

impl Parts {
    fn read(place: &Place, data: &Path) -> Result<Self, Failure> {
        // Everything is checked first: what is refused leaves no folder.
        let folder = DataFolder::planned(data)?;
        let here = PathBuf::from(DEFAULT_CONFIG);
        let file = place
            .config
            .clone()
            .or_else(|| here.exists().then_some(here));
        // Before reading, so that a save in between is noticed.
        let stamp = Stamp::of_configuration(file.as_deref().unwrap_or(Path::new("")));
        let config = match &file {
            Some(file) => {
                Config::load(file).map_err(|problems| Workplace::broken_config(file, &problems))?
            }
            None => Config::default(),
        };
        Ok(Self {
            folder,
            file,
            stamp,
            config,
            database: None,
            json: place.json,
        })
    }
}

fn serve(
    parts: Parts,
    listeners: Listeners,
    (upstream, more_upstreams): (Upstream, Vec<Uri>),
    role: Role,
) -> Result<Answer, Failure> {
    let listen = listeners.listen.or(parts.config.listen);
    let admin_listen = listeners.admin_listen.or(parts.config.admin_listen);
    let settings = Settings {
        role,
        listen: listen.unwrap_or(address(DEFAULT_LISTEN)),
        admin_listen: admin_listen.unwrap_or(address(DEFAULT_ADMIN_LISTEN)),
        production: listeners.production,
        json: parts.json,
        upstream,
        more_upstreams,
        database: parts.database,
        config_file: parts.file,
        config: parts.config,
        config_stamp: parts.stamp,
        folder: parts.folder,
    };
    settings.check()?;
    apart(&settings)?;
    settings.folder.make()?;
    up::run(settings)
}
