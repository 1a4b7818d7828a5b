//! `doorward route allow`: one more route in the configuration.
//!
//! It is written at the end of the file, so that every line and comment that is
//! there stays as it is. What would make the file a broken one is refused, with
//! the problems that `config check` would show.

use std::{
    fmt::Write as _, fs, io::Write as _, os::unix::fs::OpenOptionsExt as _,
    os::unix::fs::PermissionsExt as _, path::Path,
};

use clap::Args;
use serde_json::json;

use super::Place;
use crate::{
    cli::Workplace,
    config::Config,
    exit::{Answer, Failure},
    output,
};

/// Open a route: adds it to the configuration
#[derive(Debug, Args)]
pub(in crate::cli) struct Allow {
    /// What it matches, such as 'GET /orders/{id}'
    #[arg(value_name = "ROUTE")]
    pattern: String,
    #[command(flatten)]
    to: To,
    /// A claim that must equal a part of the path, such as tenant=tenant; may
    /// be repeated
    #[arg(
        long = "where",
        value_name = "CLAIM=PARAMETER",
        conflicts_with = "public"
    )]
    conditions: Vec<String>,
    /// How the user must have signed in, such as aal2; may be repeated
    #[arg(long, value_name = "ACR", conflicts_with = "public")]
    acr: Vec<String>,
    /// How long ago at most, such as 15m
    #[arg(long, value_name = "TIME", conflicts_with = "public")]
    max_age: Option<String>,
}

/// To whom it is open.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// To holders of this permission
    #[arg(long, value_name = "PERMISSION")]
    permission: Option<String>,
    /// To any valid token
    #[arg(long)]
    authenticated: bool,
    /// To everybody
    #[arg(long)]
    public: bool,
}

impl Allow {
    pub(in crate::cli) fn run(self, place: &Place) -> Result<Answer, Failure> {
        let file = Workplace::config_file(place)?.ok_or_else(|| {
            Failure::configuration("there is no configuration file to add a route to")
                .hint("write one with `doorward init`, or name it with --config")
        })?;
        let cannot = |error: std::io::Error| {
            Failure::unreachable(format!("{}: {error}", file.display()))
                .hint("check the path and its permissions; nothing was changed")
        };
        // Of a link the file is replaced, and not the link.
        let real = fs::canonicalize(&file).map_err(cannot)?;
        let before = fs::read_to_string(&real).map_err(cannot)?;
        // A file that is broken already is told as it is.
        Config::parse(&file.display().to_string(), &before)
            .map_err(|problems| Workplace::broken_config(&file, &problems))?;
        let entry = self.entry()?;
        let gap = if before.is_empty() || before.ends_with('\n') {
            ""
        } else {
            "\n"
        };
        let after = format!("{before}{gap}\n{entry}");
        let config = Config::parse(&file.display().to_string(), &after)
            .map_err(|problems| Workplace::broken_config(&file, &problems))?;
        replace(&real, &after).map_err(cannot)?;
        let source = config
            .routes
            .routes()
            .last()
            .and_then(|route| route.source());
        if place.json {
            output::json(&json!({ "file": file, "added": self.pattern, "source": source }));
        } else {
            output::note(format!("added to {}:", file.display()));
            output::data(entry.trim_end());
        }
        Ok(Answer::Yes)
    }

    /// The lines of the file.
    fn entry(&self) -> Result<String, Failure> {
        let mut entry = format!("[[route]]\nmatch = {}\n", quoted(&self.pattern));
        // Writing to a String cannot fail.
        match &self.to.permission {
            Some(permission) => {
                let _ = writeln!(entry, "allow = {}", quoted(permission));
            }
            None if self.to.public => entry.push_str("public = true\n"),
            None => entry.push_str("authenticated = true\n"),
        }
        let conditions = self.conditions.iter().map(|text| condition(text));
        let conditions = conditions.collect::<Result<Vec<_>, _>>()?;
        if !conditions.is_empty() {
            let _ = writeln!(entry, "where = {{ {} }}", conditions.join(", "));
        }
        let acr: Vec<_> = self.acr.iter().map(|acr| quoted(acr)).collect();
        match acr.as_slice() {
            [] => {}
            [one] => {
                let _ = writeln!(entry, "acr = {one}");
            }
            several => {
                let _ = writeln!(entry, "acr = [{}]", several.join(", "));
            }
        }
        if let Some(max_age) = &self.max_age {
            let _ = writeln!(entry, "max_age = {}", quoted(max_age));
        }
        Ok(entry)
    }
}

/// `tenant=tenant` as the file has it.
fn condition(text: &str) -> Result<String, Failure> {
    let (claim, parameter) = text.split_once('=').ok_or_else(|| {
        Failure::usage(format!("`{text}` compares nothing"))
            .hint("write CLAIM=PARAMETER, like `tenant=tenant`")
    })?;
    let parameter = parameter.trim_matches(['{', '}']);
    Ok(format!(
        "{} = {}",
        quoted(claim),
        quoted(&format!("{{{parameter}}}"))
    ))
}

/// A basic string of TOML, whose escapes are those of JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Puts `text` in place of the file at `path`, whole or not at all, with the
/// same mode; a running server reads it at once.
fn replace(path: &Path, text: &str) -> std::io::Result<()> {
    let mode = fs::metadata(path)?.permissions().mode() & 0o777;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = path.with_file_name(name);
    let written = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)
        .and_then(|mut file| {
            // Whatever the umask takes away.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&fresh, path));
    if written
        .as_ref()
        .is_err_and(|error| error.kind() != std::io::ErrorKind::AlreadyExists)
    {
        // Best effort: what could not be written may not be removable.
        let _ = fs::remove_file(&fresh);
    }
    written
}
