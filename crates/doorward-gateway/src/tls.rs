//! TLS towards callers: TLS 1.3 and 1.2 by rustls, with certificates that can
//! be exchanged while the gateway serves.
//!
//! Whoever reads the files gives their text; this crate touches no file. Which
//! certificate a caller sees is decided by the name it asks for (RFC 6066
//! section 3): the first that is valid for it, and the first of all where none
//! is or none was asked for. Early data (0-RTT) is off: it can be replayed, and
//! a request that can be replayed is not one that was authorised once.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use doorward_verify::clock::Clock;
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        client::verify_server_name,
        crypto::{CryptoProvider, aws_lc_rs},
        pki_types::{self, CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
        server::{ClientHello, ParsedCertificate, ResolvesServerCert},
        sign::CertifiedKey,
        time_provider::TimeProvider,
    },
};

/// A certificate chain, its own certificate first, and the key to it; the text
/// of two PEM files.
#[derive(Clone, Copy)]
pub struct CertificatePem<'p> {
    /// The chain.
    pub chain: &'p [u8],
    /// The private key: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: &'p [u8],
}

impl fmt::Debug for CertificatePem<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificatePem").finish_non_exhaustive()
    }
}

/// Why a certificate cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// There is none at all.
    #[error("no certificate: give at least one")]
    Nothing,
    /// The text of the chain is not one.
    #[error(
        "no certificate in it: give a PEM file with CERTIFICATE blocks, the server's own first"
    )]
    Chain,
    /// The text of the key is not one.
    #[error("no usable private key in it: give an unencrypted PEM key, RSA or ECDSA")]
    Key,
    /// Both can be read, and do not belong together.
    #[error("the key is not that of the certificate")]
    Mismatch,
}

/// The certificates that callers are shown; clones are the same.
#[derive(Clone)]
pub struct Tls {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

impl Tls {
    /// TLS with `certificates`; tickets live by `clock`.
    ///
    /// # Errors
    ///
    /// The index of the first certificate that cannot be served, and why.
    pub fn new(
        certificates: &[CertificatePem<'_>],
        clock: Arc<dyn Clock>,
    ) -> Result<Self, (usize, TlsError)> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let read = read(certificates, &provider)?;
        let certificates = Arc::new(Certificates(ArcSwap::from_pointee(read)));
        let mut config = ServerConfig::builder_with_details(provider, Arc::new(GivenTime(clock)))
            .with_safe_default_protocol_versions()
            .expect("the provider has suites for both versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&certificates) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config.max_early_data_size = 0;
        Ok(Self {
            config: Arc::new(config),
            certificates,
        })
    }

    /// Shows `certificates` from the next handshake on. With an error nothing
    /// changes.
    ///
    /// # Errors
    ///
    /// As [`Tls::new`].
    pub fn replace(&self, certificates: &[CertificatePem<'_>]) -> Result<(), (usize, TlsError)> {
        let read = read(certificates, self.config.crypto_provider())?;
        self.certificates.0.store(Arc::new(read));
        Ok(())
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.config))
    }
}

fn read(
    certificates: &[CertificatePem<'_>],
    provider: &CryptoProvider,
) -> Result<Vec<Arc<CertifiedKey>>, (usize, TlsError)> {
    if certificates.is_empty() {
        return Err((0, TlsError::Nothing));
    }
    let one = |(index, pem): (usize, &CertificatePem<'_>)| {
        certified(pem, provider).map_err(|error| (index, error))
    };
    certificates.iter().enumerate().map(one).collect()
}

fn certified(
    pem: &CertificatePem<'_>,
    provider: &CryptoProvider,
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(pem.chain)
        .collect::<Result<_, _>>()
        .map_err(|_| TlsError::Chain)?;
    let own = chain.first().ok_or(TlsError::Chain)?;
    ParsedCertificate::try_from(own).map_err(|_| TlsError::Chain)?;
    let key = PrivateKeyDer::from_pem_slice(pem.key).map_err(|_| TlsError::Key)?;
    let key = provider.key_provider.load_private_key(key);
    let certified = CertifiedKey::new(chain, key.map_err(|_| TlsError::Key)?);
    certified.keys_match().map_err(|_| TlsError::Mismatch)?;
    Ok(Arc::new(certified))
}

/// Chooses by name.
struct Certificates(ArcSwap<Vec<Arc<CertifiedKey>>>);

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let all = self.0.load();
        let name = hello
            .server_name()
            .and_then(|name| ServerName::try_from(name).ok());
        let named = name
            .filter(|_| all.len() > 1)
            .and_then(|name| all.iter().find(|one| is_valid_for(one, &name)));
        named.or(all.first()).cloned()
    }
}

fn is_valid_for(certified: &CertifiedKey, name: &ServerName<'_>) -> bool {
    let own = certified.cert.first().map(ParsedCertificate::try_from);
    matches!(own, Some(Ok(own)) if verify_server_name(&own, name).is_ok())
}

/// TLS lives by the same clock as tokens.
pub(crate) struct GivenTime(pub(crate) Arc<dyn Clock>);

impl TimeProvider for GivenTime {
    fn current_time(&self) -> Option<pki_types::UnixTime> {
        let millis = std::time::Duration::from_millis(self.0.now().millis());
        Some(pki_types::UnixTime::since_unix_epoch(millis))
    }
}

impl fmt::Debug for GivenTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GivenTime")
    }
}
