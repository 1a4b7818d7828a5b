//! The key set that `token verify --jwks` names: a file or an address.

use std::{error::Error as _, fmt::Display, io::ErrorKind, path::Path, sync::Arc};

use doorward_verify::{
    clock::Clock,
    jose::{
        algorithm::Algorithm,
        error::{KeyError, KeyErrorKind},
        jwk_set::{KeySet, Limits},
    },
    jwks::{
        address::AddressKind,
        remote::{FetchError, RemoteKeys},
        url::{JwksUrl, JwksUrlError},
    },
};

use crate::{
    bounded_file, cli::workplace::runtime, exit::Failure, root_certificates::system_roots,
    system::SystemClock,
};

/// The keys of `source` for `algorithms`.
pub(super) fn read(source: &str, algorithms: &[Algorithm]) -> Result<KeySet, Failure> {
    // A set that has nothing for these algorithms is a set all the same: the
    // token is judged by it, and refused.
    for algorithms in [algorithms, Algorithm::ALL] {
        match read_for(source, algorithms)? {
            Err(error) if error.kind() == KeyErrorKind::NoUsableKey => {}
            Err(error) => return Err(refused(source, &error)),
            Ok(keys) => return Ok(keys),
        }
    }
    Err(refused(source, &KeyError::from(KeyErrorKind::NoUsableKey)))
}

fn read_for(source: &str, algorithms: &[Algorithm]) -> Result<Result<KeySet, KeyError>, Failure> {
    if source.contains("://") {
        return fetch(source, algorithms);
    }
    let limits = Limits::default();
    let bytes =
        bounded_file::read(Path::new(source), limits.max_bytes).map_err(|error| {
            match error.kind() {
                ErrorKind::FileTooLarge => refused(source, &error),
                _ => Failure::unreachable(format!("cannot read {source}: {error}"))
                    .hint("check the path and its permissions"),
            }
        })?;
    Ok(KeySet::parse_for(&bytes, limits, algorithms))
}

/// The operator names the address, so inner ones may be asked; the rest is as
/// strict as for a gateway.
fn fetch(source: &str, algorithms: &[Algorithm]) -> Result<Result<KeySet, KeyError>, Failure> {
    let url = JwksUrl::parse(source).map_err(|error| {
        let message = match error {
            JwksUrlError::Malformed => format!("`{source}` is not an address"),
            _ => format!("`{source}` cannot be asked: {error}"),
        };
        Failure::usage(message).hint("write it like http://127.0.0.1:4180/.well-known/jwks.json")
    })?;
    let url = url.allow(AddressKind::Loopback).allow(AddressKind::Private);
    let mut keys = RemoteKeys::new(url, algorithms.iter().copied());
    if let Some(roots) = system_roots() {
        keys = keys.trust(roots);
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match runtime()?.block_on(keys.fetch_once(&clock)) {
        Ok(keys) => Ok(Ok(keys)),
        Err(FetchError::Keys(error)) => Ok(Err(error)),
        Err(error) => Err(unreachable(source, &error)),
    }
}

fn unreachable(source: &str, error: &FetchError) -> Failure {
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    let hint = match error {
        FetchError::Unresolved(_) | FetchError::Unreachable(_) | FetchError::TimedOut => {
            "is the server running, and the address right? `doorward up` starts one"
        }
        FetchError::NoTrustAnchors => {
            "install the package ca-certificates, or name a PEM file in SSL_CERT_FILE"
        }
        FetchError::Tls(_) => "check the name in the address and the server's certificate",
        FetchError::Unprotected => "use https, or fetch the set yourself and name the file",
        _ => "check the address; Doorward serves /.well-known/jwks.json",
    };
    Failure::unreachable(format!("cannot fetch {source}: {error}{cause}")).hint(hint)
}

fn refused(source: &str, error: &dyn Display) -> Failure {
    Failure::configuration(format!("the key set of {source} is refused: {error}"))
        .hint("a key set holds public keys only, each with its algorithm")
}
