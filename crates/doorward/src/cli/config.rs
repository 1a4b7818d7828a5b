//! `doorward config check`: every problem of the configuration at once.

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use super::{Place, Workplace};
use crate::{
    config::Config as Written,
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
        let config = load(&file)?;
        let candidate = match &config.shadow {
            Some(file) if file.exists() => Some((file.as_path(), load(file)?)),
            _ => None,
        };
        if place.json {
            let mut shown = as_json(&file, &config);
            shown["problems"] = json!([]);
            if let Some((file, candidate)) = candidate {
                shown["shadow"] = as_json(file, &candidate);
            }
            output::json(&shown);
            return Ok(Answer::Yes);
        }
        output::data(in_words(&file, &config));
        match (candidate, &config.shadow) {
            (Some((file, candidate)), _) => output::data(in_words(file, &candidate)),
            (None, Some(file)) => output::note(format!(
                "{} is not there: nothing is judged by it",
                file.display()
            )),
            (None, None) => {}
        }
        Ok(Answer::Yes)
    }
}

fn load(file: &Path) -> Result<Written, Failure> {
    Written::load(file).map_err(|problems| Workplace::broken_config(file, &problems))
}

fn as_json(file: &Path, config: &Written) -> serde_json::Value {
    let (routes, roles) = (config.routes.routes().len(), config.roles.len());
    json!({ "file": file, "routes": routes, "roles": roles, "policies": config.policies })
}

fn in_words(file: &Path, config: &Written) -> String {
    let policies = match config.policies {
        0 => String::new(),
        1 => ", 1 policy".to_owned(),
        policies => format!(", {policies} policies"),
    };
    format!(
        "{} is good: {}, {}{policies}",
        file.display(),
        count(config.routes.routes().len(), "route"),
        count(config.roles.len(), "role")
    )
}

fn count(number: usize, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}
