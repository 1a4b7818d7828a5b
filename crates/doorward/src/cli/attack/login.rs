//! The file of `--login`, with the secrets that it names.

use std::path::Path;

use doorward_attack::login::{Login, LoginFile, Secret, SecretSource};

use super::{super::secret, files};
use crate::{exit::Failure, paint::safe};

const HINT: &str = "three lines are enough for a Doorward: preset = \"doorward\", username = \"…\", \
                    password_file = \"…\"; docs/attack.md shows the rest";

/// Reads and checks the file. Paths of secrets begin at its folder.
pub(super) fn read(file: &Path) -> Result<Login, Failure> {
    let shown = file.display();
    let bytes = files::read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    // The message alone: the line that it quotes may hold a password that does
    // not belong there.
    let read: LoginFile = toml::from_str(&text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        let what = safe(error.message());
        Failure::configuration(format!("{shown}:{line} is no login: {what}")).hint(HINT)
    })?;
    let folder = file.parent().unwrap_or_else(|| Path::new(""));
    read.read(&|source| fetched(folder, source))
        .map_err(|error| {
            let problems: Vec<String> =
                error.problems.iter().map(|problem| safe(problem)).collect();
            Failure::configuration(format!("{shown}: {}", problems.join("; "))).hint(HINT)
        })
}

fn fetched(folder: &Path, source: SecretSource<'_>) -> Result<Secret, String> {
    let text = match source {
        SecretSource::File(name) => secret::line_of_file(&folder.join(name)),
        SecretSource::Environment(name) => match secret::from_environment(name) {
            Ok(None) => return Err(format!("the environment has no {name}")),
            Ok(Some(text)) => Ok(text),
            Err(failure) => Err(failure),
        },
    };
    text.map(Secret::new).map_err(|failure| failure.to_string())
}
