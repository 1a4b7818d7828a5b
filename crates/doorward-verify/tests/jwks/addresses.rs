//! KEY-007: where a key set is never fetched from.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
};

use doorward_jose::algorithm::Algorithm;
use doorward_verify::jwks::{
    address::AddressKind,
    remote::{FetchError, RemoteKeys},
    url::JwksUrl,
};

use crate::{
    bench::{FixedResolver, bench_of, jwks, key, on_loopback, remote},
    server::{Answer, Server},
};

fn url(text: &str) -> JwksUrl {
    JwksUrl::parse(text).unwrap()
}

async fn failure_of(keys: RemoteKeys) -> FetchError {
    let clock = crate::bench::surroundings(&crate::bench::TurnedClock::new(), || 0).clock;
    keys.fetch_once(&clock).await.unwrap_err()
}

async fn server_with_keys() -> Server {
    Server::start(Answer::keys(&jwks(&[&key("a")]))).await
}

#[tokio::test]
async fn key_007_loopback_is_refused_unless_allowed() {
    let server = server_with_keys().await;
    let port = server.address().port();
    for host in [
        "127.0.0.1",
        "localhost",
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
    ] {
        for scheme in ["http", "https"] {
            let keys = remote(url(&format!("{scheme}://{host}:{port}/jwks.json")));
            let error = failure_of(keys).await;
            let is_refused = matches!(error, FetchError::AddressRefused(AddressKind::Loopback));
            assert!(is_refused, "{scheme} {host}: {error}");
            assert!(error.is_alarming());
        }
    }
    assert_eq!(server.count(), 0, "nothing was asked");

    let keys = RemoteKeys::new(on_loopback(server.address()), [Algorithm::Es256]);
    let clock = crate::bench::surroundings(&crate::bench::TurnedClock::new(), || 0).clock;
    assert_eq!(keys.fetch_once(&clock).await.unwrap().len(), 1);
}

#[tokio::test]
async fn key_007_names_that_point_inside_are_refused_by_their_address() {
    for (address, kind) in [
        ("169.254.169.254:80", AddressKind::LinkLocal),
        ("10.0.0.7:443", AddressKind::Private),
        ("127.0.0.1:443", AddressKind::Loopback),
        ("0.0.0.0:443", AddressKind::Reserved),
        ("[fe80::1]:443", AddressKind::LinkLocal),
        ("[fd00::1]:443", AddressKind::Private),
        ("[::ffff:169.254.169.254]:443", AddressKind::LinkLocal),
    ] {
        let keys = remote(url("https://id.example/jwks.json"));
        let error = failure_of(keys.resolver(FixedResolver::new(&[address]))).await;
        assert!(
            matches!(error, FetchError::AddressRefused(found) if found == kind),
            "{address}: {error}"
        );
    }
    let never = url("https://id.example/").allow(AddressKind::Reserved);
    let keys = remote(never).resolver(FixedResolver::new(&["0.0.0.0:443"]));
    assert!(matches!(
        failure_of(keys).await,
        FetchError::AddressRefused(_)
    ));
}

#[tokio::test]
async fn key_007_a_rebound_name_gets_no_second_look() {
    let server = server_with_keys().await;
    let loopback = server.address().to_string();
    // What was judged is what is connected to: each fetch resolves once.
    let resolver = FixedResolver::new(&["169.254.169.254:80", &loopback]);
    let keys = remote(url("http://id.example/jwks.json")).resolver(Arc::clone(&resolver) as _);
    assert!(matches!(
        failure_of(keys).await,
        FetchError::AddressRefused(_)
    ));
    assert_eq!(
        (resolver.asked.load(Ordering::SeqCst), server.count()),
        (1, 0)
    );

    let allowed = url("http://id.example/jwks.json").allow(AddressKind::Loopback);
    let mut bench = bench_of(remote(allowed).resolver(Arc::clone(&resolver) as _));
    bench.step().await;
    assert_eq!(bench.failures(), [""; 0], "the allowed one of the two");
    assert_eq!(
        (resolver.asked.load(Ordering::SeqCst), server.count()),
        (2, 1)
    );
    let request = &server.requests()[0];
    assert!(request.contains("host: id.example\r\n"), "{request}");
}

#[tokio::test]
async fn key_007_plain_http_does_not_leave_this_machine() {
    let resolver = FixedResolver::new(&["10.0.0.7:80"]);
    let inside = url("http://id.example/jwks.json").allow(AddressKind::Private);
    let keys = remote(inside).resolver(resolver);
    assert!(matches!(failure_of(keys).await, FetchError::Unprotected));
    let public = remote(url("http://1.1.1.1/jwks.json"));
    assert!(matches!(failure_of(public).await, FetchError::Unprotected));
}

#[tokio::test]
async fn key_007_redirects_are_not_followed() {
    let inner = server_with_keys().await;
    for status in [
        "301 Moved",
        "302 Found",
        "303 See Other",
        "307 Temporary",
        "308 Permanent",
    ] {
        let elsewhere: SocketAddr = inner.address();
        let location = format!("Location: http://{elsewhere}/jwks.json");
        let server = Server::start(Answer::response(status, &[&location], b"")).await;
        let error = failure_of(remote(on_loopback(server.address()))).await;
        assert!(matches!(error, FetchError::Redirect), "{status}: {error}");
        server.answer(Answer::response(status, &["Location: /other"], b""));
        let error = failure_of(remote(on_loopback(server.address()))).await;
        assert!(matches!(error, FetchError::Redirect), "{status}: {error}");
    }
    assert_eq!(inner.count(), 0);
}
