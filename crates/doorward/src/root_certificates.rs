//! Whose certificates are believed where the operator names nobody: those of
//! the machine.

use std::path::Path;

use doorward_verify::jwks::trust_anchors::TrustAnchors;

use crate::bounded_file;

/// Where systems keep their root certificates, the usual place first.
const BUNDLES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Far more than a bundle of every public root.
pub(crate) const LARGEST_BUNDLE: usize = 8 * 1024 * 1024;

/// The first bundle that can be read; plain `http` needs none.
pub(crate) fn system_roots() -> Option<TrustAnchors> {
    bundles().find_map(|bundle| TrustAnchors::from_pem(&bundle).ok())
}

/// The first bundle of this machine that holds a root certificate, as PEM.
pub(crate) fn system_bundle() -> Option<Vec<u8>> {
    bundles().find(|bundle| TrustAnchors::from_pem(bundle).is_ok())
}

fn bundles() -> impl Iterator<Item = Vec<u8>> {
    let named = bundle_of_environment();
    let places = named.into_iter().chain(BUNDLES.map(str::to_owned));
    places.filter_map(|place| bounded_file::read(Path::new(&place), LARGEST_BUNDLE).ok())
}

#[expect(
    clippy::disallowed_methods,
    reason = "it names a file of this machine, as for other programs"
)]
fn bundle_of_environment() -> Option<String> {
    std::env::var("SSL_CERT_FILE").ok()
}
