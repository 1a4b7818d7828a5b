//! `doorward up`: the command line of the server.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use clap::Args;
use http::{Uri, uri::Authority};

use super::{
    Place, Workplace,
    init::{already_there, write_new, wrote},
    workplace::{DEFAULT_ADMIN_LISTEN, DEFAULT_CONFIG, DEFAULT_LISTEN},
};
use crate::{
    config::Config,
    data_folder::DataFolder,
    demo,
    exit::{Answer, Failure},
    openapi::{Description, proposal::Proposal},
    output, state_place,
    up::{self, Role, Settings, Stamp, Upstream},
};

/// Protect an API: issuer and gateway in one process
#[derive(Debug, Args)]
pub(super) struct Up {
    /// Put a sample orders API behind the gateway, with three users
    #[arg(long, conflicts_with = "upstream")]
    demo: bool,
    /// The API to protect, for example http://127.0.0.1:9000
    #[arg(long, value_name = "URL", value_parser = url)]
    upstream: Option<Uri>,
    /// Begin with a doorward.toml that is proposed from this description of the API (OpenAPI 3.0
    /// or 3.1, JSON or YAML)
    #[arg(long, value_name = "FILE", conflicts_with = "demo")]
    openapi: Option<PathBuf>,
    /// PostgreSQL server with the state, for several nodes: postgres://USER@HOST/NAME; no password
    /// here [default: DOORWARD_DATABASE, or SQLite in the data folder]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// Address of the gateway [default: 127.0.0.1:4180]
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    listen: Option<SocketAddr>,
    /// Address of the admin listener [default: 127.0.0.1:4181]
    #[arg(long, value_name = "ADDR", value_parser = listen)]
    admin_listen: Option<SocketAddr>,
    /// Refuse every convenience of development
    #[arg(long)]
    production: bool,
}

impl Up {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        if self.demo && self.production {
            return Err(Failure::usage(
                "--demo is a convenience of development and --production refuses it",
            )
            .hint("name your API with --upstream"));
        }
        // Everything is checked first: what is refused leaves no folder.
        let folder = DataFolder::planned(&place.data)?;
        let proposed = self.proposed(place)?;
        let config_file = self.config_file(place, &folder);
        // Before reading, so that a save in between is noticed.
        let config_stamp = Stamp::of_configuration(config_file.as_deref().unwrap_or(Path::new("")));
        let config = match &config_file {
            Some(file) if let Some(proposed) = &proposed => {
                Config::parse(&file.display().to_string(), &proposed.text)
                    .map_err(|problems| Workplace::broken_config(file, &problems))?
            }
            Some(file) if self.brings_its_own(file, &folder) => {
                Config::parse(&file.display().to_string(), demo::CONFIG)
                    .map_err(|problems| Workplace::broken_config(file, &problems))?
            }
            Some(file) => {
                Config::load(file).map_err(|problems| Workplace::broken_config(file, &problems))?
            }
            None => Config::default(),
        };
        let upstream = self.upstream(&config)?;
        // Named on the command line it stands alone.
        let more_upstreams = match self.upstream.is_none() && !self.demo {
            true => config.more_upstreams.clone(),
            false => Vec::new(),
        };
        let database = state_place::chosen(self.database.as_deref(), config.database.as_ref())?;
        state_place::check_is_the_same(&folder, database.as_ref())?;
        let mut settings = Settings {
            role: Role::All,
            listen: self
                .listen
                .or(config.listen)
                .unwrap_or(address(DEFAULT_LISTEN)),
            admin_listen: self
                .admin_listen
                .or(config.admin_listen)
                .unwrap_or(address(DEFAULT_ADMIN_LISTEN)),
            production: self.production,
            json: place.json,
            upstream,
            more_upstreams,
            database,
            config_file,
            config,
            config_stamp,
            folder,
        };
        settings.check()?;
        apart(&settings)?;
        settings.folder.make()?;
        if let (Some(file), Some(proposed)) = (&settings.config_file, &proposed) {
            write_new(file, &proposed.text)?;
            settings.config_stamp = Stamp::of_configuration(file);
            output::note(wrote(file, proposed));
        }
        if let Some(file) = &settings.config_file
            && self.brings_its_own(file, &settings.folder)
        {
            settings.folder.write(file, demo::CONFIG)?;
            settings.config_stamp = Stamp::of_configuration(file);
        }
        up::run(settings)
    }

    /// The file to serve from. The demo's own is put into the data folder, so
    /// that it can be read, edited and named in decisions.
    fn config_file(&self, place: &Place, folder: &DataFolder) -> Option<PathBuf> {
        if let Some(file) = &place.config {
            return Some(file.clone());
        }
        if self.demo {
            return Some(folder.demo_config());
        }
        let here = PathBuf::from(DEFAULT_CONFIG);
        (here.exists() || self.openapi.is_some()).then_some(here)
    }

    /// What `--openapi` leads to, if the file is still to be made.
    fn proposed(&self, place: &Place) -> Result<Option<Proposal>, Failure> {
        let Some(openapi) = &self.openapi else {
            return Ok(None);
        };
        let file = place.config.as_deref();
        let file = file.unwrap_or(Path::new(DEFAULT_CONFIG));
        if file.exists() {
            let instead = "name another file, or compare with `doorward route diff --openapi FILE`";
            return Err(already_there(file, instead));
        }
        if let Some(upstream) = &self.upstream {
            origin(upstream)?;
        }
        let description = Description::load(openapi)?;
        Proposal::of(&description, openapi, self.upstream.as_ref()).map(Some)
    }

    /// Whether `file` is the demo's, and still has to be written.
    fn brings_its_own(&self, file: &Path, folder: &DataFolder) -> bool {
        self.demo && file == folder.demo_config() && !file.exists()
    }

    fn upstream(&self, config: &Config) -> Result<Upstream, Failure> {
        if self.demo {
            return Ok(Upstream::Demo);
        }
        let named = self.upstream.clone().or_else(|| config.upstream.clone());
        if named.is_none() && config.forward_auth.is_some() {
            return Ok(Upstream::Nothing);
        }
        let url = named.ok_or_else(|| {
            Failure::usage("say what to protect")
                .hint("`doorward up --upstream http://127.0.0.1:9000`, or `doorward up --demo` for a first look")
        })?;
        origin(&url)?;
        Ok(Upstream::Api(url))
    }
}

/// Whether `url` is scheme, host and port of an API that we can speak to.
pub(super) fn origin(url: &Uri) -> Result<(), Failure> {
    let scheme = url.scheme_str().unwrap_or("http");
    let authority = url.authority().map(Authority::as_str).unwrap_or_default();
    if authority.contains('@') {
        // Not repeated: there is a password in it.
        return Err(
            Failure::usage("the address of the upstream holds a user name or a password")
                .hint("leave it out: --upstream http://HOST:PORT"),
        );
    }
    match url.scheme_str() {
        Some("http" | "https") => {}
        Some(_) => {
            return Err(
                Failure::usage(format!("`{url}` is not an http:// or https:// address"))
                    .hint("write scheme, host and port: --upstream http://127.0.0.1:9000"),
            );
        }
        None => {
            return Err(Failure::usage(format!("`{url}` does not say http://"))
                .hint(format!("did you mean `--upstream http://{url}`?")));
        }
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() {
        return Err(Failure::usage(format!(
            "`{url}` has a path, and each request brings its own"
        ))
        .hint(format!("did you mean `--upstream {scheme}://{authority}`?")));
    }
    Ok(())
}

/// Whether the two listeners have an address each.
pub(super) fn apart(settings: &Settings) -> Result<(), Failure> {
    let (gateway, admin) = (settings.listen, settings.admin_listen);
    if gateway == admin && gateway.port() != 0 {
        return Err(Failure::usage(format!(
            "gateway and admin listener cannot both have {gateway}"
        ))
        .hint("give one of them another port, with --listen or --admin-listen"));
    }
    Ok(())
}

/// Reads `--upstream`.
pub(super) fn url(text: &str) -> Result<Uri, String> {
    text.parse()
        .map_err(|_| "write it like http://127.0.0.1:9000".to_owned())
}

/// Reads `--listen` and `--admin-listen`.
pub(super) fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| match text.parse::<u16>() {
        Ok(port) => format!("write IP and port: 127.0.0.1:{port}"),
        Err(_) => "write IP and port, like 127.0.0.1:4180 or [::1]:4180".to_owned(),
    })
}

pub(super) fn address(text: &str) -> SocketAddr {
    text.parse().expect("the default addresses are addresses")
}
