//! `doorward up`: the command line of the server.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use http::Uri;

use super::{
    Place, Workplace,
    workplace::{DEFAULT_ADMIN_LISTEN, DEFAULT_LISTEN},
};
use crate::{
    config::Config,
    data_folder::DataFolder,
    demo,
    exit::{Answer, Failure},
    up::{self, Settings, Upstream},
};

/// Protect an API: issuer and gateway in one process
#[derive(Debug, Args)]
pub(super) struct Up {
    /// Put a sample orders API behind the gateway, with three users
    #[arg(long, conflicts_with = "upstream")]
    demo: bool,
    /// The API to protect, for example http://127.0.0.1:9000
    #[arg(long, value_name = "URL")]
    upstream: Option<Uri>,
    /// Address of the gateway [default: 127.0.0.1:4180]
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Address of the admin listener [default: 127.0.0.1:4181]
    #[arg(long, value_name = "ADDR")]
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
        let folder = DataFolder::create(&place.data)?;
        let config_file = self.config_file(place, &folder)?;
        let config = match &config_file {
            Some(file) => {
                Config::load(file).map_err(|problems| Workplace::broken_config(file, &problems))?
            }
            None => Config::default(),
        };
        let upstream = self.upstream(&config)?;
        let settings = Settings {
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
            config_file,
            config,
            folder,
        };
        settings.check()?;
        up::run(settings)
    }

    /// The file to serve from. The demo's own is put into the data folder, so
    /// that it can be read, edited and named in decisions.
    fn config_file(&self, place: &Place, folder: &DataFolder) -> Result<Option<PathBuf>, Failure> {
        if let Some(file) = &place.config {
            return Ok(Some(file.clone()));
        }
        if self.demo {
            let file = folder.demo_config();
            if !file.exists() {
                folder.write(&file, demo::CONFIG)?;
            }
            return Ok(Some(file));
        }
        let here = PathBuf::from("doorward.toml");
        Ok(here.exists().then_some(here))
    }

    fn upstream(&self, config: &Config) -> Result<Upstream, Failure> {
        if self.demo {
            return Ok(Upstream::Demo);
        }
        let url = self.upstream.clone().or_else(|| config.upstream.clone()).ok_or_else(|| {
            Failure::usage("say what to protect")
                .hint("`doorward up --upstream http://127.0.0.1:9000`, or `doorward up --demo` for a first look")
        })?;
        let whole_origin = matches!(url.path(), "" | "/") && url.query().is_none();
        if url.scheme_str() != Some("http") || url.host().is_none() || !whole_origin {
            return Err(Failure::usage(format!("`{url}` is not the origin of an http:// API"))
                .hint("write scheme, host and port: http://127.0.0.1:9000 (https:// upstreams are not spoken yet)"));
        }
        Ok(Upstream::Api(url))
    }
}

fn address(text: &str) -> SocketAddr {
    text.parse().expect("the default addresses are addresses")
}
