//! The files of TLS: read at the start, followed while it runs.
//!
//! Whoever renews certificates writes two files, one after the other. So a pair
//! counts once both have stood still for a moment, and one that does not fit
//! changes nothing: the last good one stays, and the operator is told.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, sync::Arc, time::Duration};

use doorward_gateway::{Tls, tls::CertificatePem};
use tokio::{
    signal::unix::{SignalKind, signal},
    task::JoinHandle,
    time::interval,
};
use zeroize::Zeroizing;

use super::{follow::warn, reload::Stamp};
use crate::{
    bounded_file::{self, LARGEST_KEY_FILE},
    config::TlsFiles,
    exit::Failure,
    output,
    root_certificates::LARGEST_BUNDLE,
    system::SystemClock,
};

/// How often the files are looked at.
const INTERVAL: Duration = Duration::from_millis(500);

/// Whoever may read the key can pretend to be this server. A group may, as
/// distributions have one for it; others may not, and the group may not write.
const FORBIDDEN_MODE: u32 = 0o037;

/// The files, and what is shown of them.
pub(super) struct Certificates {
    files: Vec<TlsFiles>,
    shown: Vec<Stamp>,
    tls: Tls,
}

impl Certificates {
    /// Reads `files`.
    pub(super) fn load(files: Vec<TlsFiles>) -> Result<Self, Failure> {
        let shown = stamps(&files);
        let texts = read(&files)?;
        let tls = Tls::new(&pems(&texts), Arc::new(SystemClock))
            .map_err(|(index, error)| unfit(&files[index], &error.to_string()))?;
        Ok(Self { files, shown, tls })
    }

    pub(super) fn tls(&self) -> Tls {
        self.tls.clone()
    }

    /// Shows renewed files: as soon as they are there, and on SIGHUP.
    pub(super) fn follow(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = interval(INTERVAL);
            // Where it cannot be had, the files are looked at all the same.
            let mut hangup = signal(SignalKind::hangup()).ok();
            let mut last = self.shown.clone();
            loop {
                let is_asked = match &mut hangup {
                    Some(hangup) => tokio::select! {
                        _ = ticks.tick() => false,
                        _ = hangup.recv() => true,
                    },
                    None => {
                        ticks.tick().await;
                        false
                    }
                };
                let present = stamps(&self.files);
                let is_still = present == last;
                last.clone_from(&present);
                if is_asked || is_still && present != self.shown {
                    self.shown = present;
                    self.renew();
                }
            }
        })
    }

    fn renew(&self) {
        let renewed = read(&self.files).and_then(|texts| {
            let replaced = self.tls.replace(&pems(&texts));
            replaced.map_err(|(index, error)| unfit(&self.files[index], &error.to_string()))
        });
        match renewed {
            Ok(()) => output::note(format!(
                "  new certificate from {}",
                self.files[0].certificate.display()
            )),
            Err(failure) => warn(&format!(
                "{}; still showing the last good certificate",
                failure.message
            )),
        }
    }
}

fn stamps(files: &[TlsFiles]) -> Vec<Stamp> {
    let both = |files: &TlsFiles| [Stamp::of(&files.certificate), Stamp::of(&files.key)];
    files.iter().flat_map(both).collect()
}

/// A certificate with those that vouch for it, and its key.
type Texts = (Vec<u8>, Zeroizing<Vec<u8>>);

fn read(files: &[TlsFiles]) -> Result<Vec<Texts>, Failure> {
    let both = |files: &TlsFiles| {
        let chain = bounded_file::read(&files.certificate, LARGEST_BUNDLE)
            .map_err(|error| unreadable("certificate", &files.certificate, &error))?;
        is_kept_secret("the TLS key", &files.key)?;
        let key = bounded_file::read_secret(&files.key, LARGEST_KEY_FILE)
            .map_err(|error| unreadable("key", &files.key, &error))?;
        Ok((chain, key))
    };
    files.iter().map(both).collect()
}

fn pems(texts: &[Texts]) -> Vec<CertificatePem<'_>> {
    let pem = |(chain, key)| CertificatePem { chain, key };
    texts
        .iter()
        .map(|(chain, key)| (&chain[..], &key[..]))
        .map(pem)
        .collect()
}

fn unreadable(what: &str, file: &Path, error: &std::io::Error) -> Failure {
    let file = file.display();
    Failure::configuration(format!("the TLS {what} {file} cannot be read: {error}"))
        .hint("[tls] names two PEM files; paths are seen from the configuration's folder")
}

/// Refuses a file with a secret that others of this machine can read.
pub(super) fn is_kept_secret(what: &str, file: &Path) -> Result<(), Failure> {
    // What is not there is told when it is read.
    let mode = fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & FORBIDDEN_MODE == 0 {
        return Ok(());
    }
    let file = file.display();
    Err(Failure::configuration(format!(
        "{what} {file} is open to others (mode {:04o})",
        mode & 0o7777
    ))
    .hint(format!("chmod 600 {file}")))
}

fn unfit(files: &TlsFiles, why: &str) -> Failure {
    let (certificate, key) = (files.certificate.display(), files.key.display());
    Failure::configuration(format!(
        "the TLS certificate {certificate} with the key {key}: {why}"
    ))
}
