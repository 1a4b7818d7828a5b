//! What an attack reads beside its token.

use std::path::Path;

use doorward_attack::{
    description::Description,
    proof::Prover,
    target::Target,
    wire::{Network, Roots},
};
use zeroize::Zeroizing;

use crate::{
    bounded_file::{self, LARGEST_KEY_FILE},
    exit::Failure,
    paint::safe,
};

/// Far more than any of these files should have.
const LARGEST: usize = 64 * 1024 * 1024;

/// The text of a file, or of a path on the target: no other host is asked.
/// `what` it is, for people.
pub(super) async fn of_the_target(
    source: &str,
    what: &str,
    target: &Target,
    network: &Network,
) -> Result<String, Failure> {
    let path = source.strip_prefix(&target.origin()).unwrap_or(source);
    if path.starts_with('/') && !Path::new(path).exists() {
        let mut plain = target.clone();
        "GET".clone_into(&mut plain.method);
        plain.body = None;
        let mut request = plain.request(None);
        request.target = path.as_bytes().to_vec();
        let outcome = network.send(&request).await;
        return match outcome.answer() {
            Some(answer) if answer.is_success() => Ok(answer.text()),
            _ => Err(Failure::unreachable(format!(
                "{}{} gave no {what}: {}",
                target.origin(),
                safe(path),
                outcome.shown()
            ))
            .hint("check the path, or save it and name the file")),
        };
    }
    if path.contains("://") {
        return Err(Failure::usage("only the target is spoken to")
            .hint(format!("save the {what} to a file and name that")));
    }
    let bytes = read(Path::new(path))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The words of a list, one a line.
pub(super) fn words(file: &Path) -> Result<Vec<String>, Failure> {
    let bytes = read(file)?;
    let text = String::from_utf8_lossy(&bytes);
    let words = text.lines().filter(|line| !line.is_empty());
    Ok(words.map(str::to_owned).collect())
}

/// What a description says.
pub(super) fn description(source: &str, text: &str) -> Result<Description, Failure> {
    Description::parse(text).map_err(|error| {
        Failure::configuration(format!("{} is no description: {error}", safe(source)))
            .hint("name an OpenAPI 3 document as JSON, with examples for its parameters")
    })
}

/// The key of a bound token.
pub(super) fn prover(file: &Path) -> Result<Prover, Failure> {
    let key = key(file)?;
    Prover::new(&key).map_err(|error| {
        Failure::configuration(format!("{} signs no proof: {error}", file.display()))
    })
}

/// A file with one JSON value.
pub(super) fn json(file: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = read(file)?;
    match serde_json::from_slice::<serde_json::Value>(&bytes) {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::configuration(format!(
            "{} is not JSON: {error}",
            file.display()
        ))),
    }
}

/// Root certificates of a PEM file.
pub(super) fn roots(file: &Path) -> Result<Roots, Failure> {
    Roots::from_pem(&read(file)?).ok_or_else(|| {
        Failure::configuration(format!("{} holds no root certificate", file.display()))
            .hint("give a PEM file with CERTIFICATE blocks")
    })
}

/// A file's bytes, within reason.
pub(super) fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    bounded_file::read(file, LARGEST).map_err(|error| unreadable(file, &error))
}

/// A file with a key.
pub(super) fn key(file: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    bounded_file::read_secret(file, LARGEST_KEY_FILE).map_err(|error| unreadable(file, &error))
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    Failure::unreachable(format!("cannot read {}: {error}", file.display()))
        .hint("check the path and its permissions")
}
