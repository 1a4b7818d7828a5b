//! `https`, with certificates of a root that only these tests know.

use std::sync::Arc;

use doorward_jose::{jwk_set::KeySet, signing_key::SigningKey};
use doorward_verify::{
    clock::Clock,
    jwks::{
        address::AddressKind,
        remote::{FetchError, RemoteKeys},
        trust_anchors::TrustAnchors,
        url::JwksUrl,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    },
};

use crate::bench::{FixedResolver, TurnedClock, jwks, key, remote};

const ROOT: &[u8] = include_bytes!("tls/root.pem");
const OTHER_ROOT: &[u8] = include_bytes!("tls/other-root.pem");
/// Good for `id.example` until 2126; the key is worth nothing elsewhere.
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key.pem");

async fn serve(key: &SigningKey) -> String {
    let certificate = CertificateDer::from_pem_slice(CERTIFICATE).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let body = jwks(&[key]);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let _ = stream.read(&mut [0; 4096]).await;
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
            let answer = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    address.to_string()
}

struct Fetch<'f> {
    url: &'f str,
    roots: Option<&'f [u8]>,
    clock: Arc<TurnedClock>,
}

async fn fetch(address: &str, how: Fetch<'_>) -> Result<KeySet, FetchError> {
    let url = JwksUrl::parse(how.url)
        .unwrap()
        .allow(AddressKind::Loopback);
    let mut keys: RemoteKeys = remote(url).resolver(FixedResolver::new(&[address]));
    if let Some(roots) = how.roots {
        keys = keys.trust(TrustAnchors::from_pem(roots).unwrap());
    }
    keys.fetch_once(&(how.clock as Arc<dyn Clock>)).await
}

#[tokio::test]
async fn keys_come_over_tls_from_the_named_host_only() {
    let key = key("a");
    let address = serve(&key).await;
    let good = || Fetch {
        url: "https://id.example/jwks.json",
        roots: Some(ROOT),
        clock: TurnedClock::new(),
    };
    let keys = fetch(&address, good()).await.unwrap();
    assert_eq!(keys.iter().next().unwrap().key_id(), Some("a"));

    let refused =
        |verdict: Result<KeySet, FetchError>| matches!(verdict.unwrap_err(), FetchError::Tls(_));
    let stranger = Fetch {
        roots: Some(OTHER_ROOT),
        ..good()
    };
    assert!(refused(fetch(&address, stranger).await), "another root");
    let other_name = Fetch {
        url: "https://id.example.evil.example/",
        ..good()
    };
    assert!(refused(fetch(&address, other_name).await), "another name");
    for seconds in [1_700_000_000, 5_000_000_000] {
        let clock = TurnedClock::new();
        clock.set(seconds);
        let off = Fetch { clock, ..good() };
        assert!(
            refused(fetch(&address, off).await),
            "before and after its time"
        );
    }
    let nobody = Fetch {
        roots: None,
        ..good()
    };
    let error = fetch(&address, nobody).await.unwrap_err();
    assert!(matches!(error, FetchError::NoTrustAnchors), "{error}");
}

#[test]
fn a_bundle_without_a_certificate_is_no_trust() {
    for bundle in [&b""[..], b"no certificate", KEY] {
        assert!(TrustAnchors::from_pem(bundle).is_err());
    }
}
