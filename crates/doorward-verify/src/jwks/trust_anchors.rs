//! Whose certificates are believed when keys are fetched over `https`.
//!
//! Given by the caller: which file of roots a machine has is for the program
//! to know, not for this library.

use std::sync::Arc;

use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{self, CertificateDer, pem::PemObject as _},
    time_provider::TimeProvider,
};

use crate::clock::Clock;

/// Root certificates.
#[derive(Clone, Debug)]
pub struct TrustAnchors(Arc<RootCertStore>);

/// The text holds no root certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no root certificate found; give a PEM file with CERTIFICATE blocks")]
pub struct NoTrustAnchor;

impl TrustAnchors {
    /// The certificates of a PEM bundle; blocks that cannot be read are left
    /// out, as every reader of system bundles does.
    ///
    /// # Errors
    ///
    /// [`NoTrustAnchor`] if no certificate is left.
    pub fn from_pem(bundle: &[u8]) -> Result<Self, NoTrustAnchor> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).flatten());
        match roots.is_empty() {
            true => Err(NoTrustAnchor),
            false => Ok(Self(Arc::new(roots))),
        }
    }

    /// TLS 1.2 and 1.3 with these roots, for HTTP/1.1, by the given clock: what
    /// key sets are fetched with, and whatever else is to be as careful.
    pub fn client_config(&self, clock: Arc<dyn Clock>) -> Arc<ClientConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_details(provider, Arc::new(GivenTime(clock)))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_root_certificates(Arc::clone(&self.0))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config)
    }
}

/// Certificates are judged by the same clock as tokens.
struct GivenTime(Arc<dyn Clock>);

impl TimeProvider for GivenTime {
    fn current_time(&self) -> Option<pki_types::UnixTime> {
        let millis = std::time::Duration::from_millis(self.0.now().millis());
        Some(pki_types::UnixTime::since_unix_epoch(millis))
    }
}

impl std::fmt::Debug for GivenTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("GivenTime")
    }
}
