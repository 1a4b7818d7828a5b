//! `doorward config check`: every problem of the configuration at once.

use clap::Subcommand;
use serde_json::json;

use super::{Place, Workplace};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Check the configuration
#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// Report every problem with its place; exit 3 if there is one
    Check,
}

impl Config {
    pub(super) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let Self::Check = self;
        let file = Workplace::config_file(place)?.ok_or_else(|| {
            Failure::configuration("there is no configuration file to check")
                .hint("write one with `doorward init`, or name it with --config")
        })?;
        match crate::config::Config::load(&file) {
            Ok(config) => {
                let (routes, roles) = (config.routes.routes().len(), config.roles.len());
                if place.json {
                    output::json(
                        &json!({ "file": file, "routes": routes, "roles": roles, "policies": config.policies, "problems": [] }),
                    );
                } else {
                    let policies = match config.policies {
                        0 => String::new(),
                        1 => ", 1 policy".to_owned(),
                        policies => format!(", {policies} policies"),
                    };
                    output::data(format!(
                        "{} is good: {}, {}{policies}",
                        file.display(),
                        count(routes, "route"),
                        count(roles, "role")
                    ));
                }
                Ok(Answer::Yes)
            }
            Err(problems) => Err(Workplace::broken_config(&file, &problems)),
        }
    }
}

fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
