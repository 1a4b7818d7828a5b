//! TLS towards the target, by roots and a clock that are given.

use std::{fmt, sync::Arc};

use doorward_jose::time::UnixTime;
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{self, CertificateDer, pem::PemObject as _},
    time_provider::TimeProvider,
};

/// Says what time it is.
pub type Clock = Arc<dyn Fn() -> UnixTime + Send + Sync>;

/// Root certificates that are believed.
#[derive(Clone, Debug)]
pub struct Roots(Arc<RootCertStore>);

impl Roots {
    /// The certificates of a PEM bundle; none if it holds none.
    pub fn from_pem(bundle: &[u8]) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(CertificateDer::pem_slice_iter(bundle).flatten());
        (!roots.is_empty()).then(|| Self(Arc::new(roots)))
    }

    pub(super) fn config(&self, clock: Clock) -> Arc<ClientConfig> {
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

struct GivenTime(Clock);

impl TimeProvider for GivenTime {
    fn current_time(&self) -> Option<pki_types::UnixTime> {
        let seconds = std::time::Duration::from_secs((self.0)().as_secs());
        Some(pki_types::UnixTime::since_unix_epoch(seconds))
    }
}

impl fmt::Debug for GivenTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenTime")
    }
}
