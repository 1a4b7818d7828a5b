//! The transport that services use, against servers that misbehave.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use doorward_policy::decision::Reason;
use doorward_verify::{
    clock::Clock,
    jose::{algorithm::Algorithm, jwk_set::KeySet, signing_key::SigningKey},
    jwks::{
        address::AddressKind,
        remote::{RemoteKeys, Surroundings},
        url::JwksUrl,
    },
    revocation::feed::{
        FeedState,
        follower::{Cause, Ended, Follower},
        http::HttpFeed,
        message::FeedError,
        transport::{EVENTS, FeedBody as _, FeedRequest, FeedTransport as _, TransportError},
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::{
    House,
    issuer::{Issuer, NOW, Turned},
};

fn feed(address: SocketAddr) -> HttpFeed {
    let clock: Arc<dyn Clock> = Arc::new(Turned::at(NOW));
    HttpFeed::new(url(address), None, &clock)
}

fn url(address: SocketAddr) -> JwksUrl {
    let url = JwksUrl::parse(&format!("http://{address}/revocations")).unwrap();
    url.allow(AddressKind::Loopback)
}

fn request() -> FeedRequest {
    FeedRequest {
        suffix: "?epoch=e1&after=0".to_owned(),
        accept: EVENTS,
        patience: Duration::from_millis(300),
    }
}

/// Answers every request with `bytes`, and then with nothing more: at an end,
/// or without one.
async fn serve(bytes: impl Into<Vec<u8>>, ends: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let bytes = bytes.into();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(stream.read_u8().await.ok()?);
                }
                stream.write_all(&bytes).await.ok()?;
                if !ends {
                    std::future::pending::<()>().await;
                }
                Some(())
            });
        }
    });
    address
}

fn head(status: &str, fields: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{fields}Connection: close\r\n\r\n")
}

/// What the follower of an honest issuer makes of such a server.
async fn followed(bytes: impl Into<Vec<u8>>) -> Ended {
    let house = House::new().await;
    let mut follower = house.follower;
    let honest = feed(house.http.0);
    assert_eq!(follower.follow(&honest, &house.clock).await.cause, None);
    let bad = feed(serve(bytes, true).await);
    let ended = follower.follow(&bad, &house.clock).await;
    assert_eq!(house.view.sequence(), 0, "nothing was applied");
    ended
}

#[tokio::test]
async fn an_honest_feed_comes_through() {
    let mut house = House::new().await;
    let token = house.issuer.token(1);
    let feed = feed(house.http.0);
    for _ in 0..2 {
        let ended = house.follower.follow(&feed, &house.clock).await;
        assert_eq!(ended.cause, None);
    }
    assert_eq!(house.verify(&token), Ok(()));
    house.issuer.revoke(1);
    house.later(1000);
    let ended = house.follower.follow(&feed, &house.clock).await;
    assert_eq!((ended.entries, ended.cause), (1, None));
    assert_eq!(house.verify(&token), Err(Reason::SessionRevoked));
    assert_eq!(house.state(), FeedState::Fresh);
}

#[tokio::test]
async fn a_stall_is_noticed_before_the_head_in_an_event_and_between_events() {
    let stream = head("200 OK", "Content-Type: text/event-stream\r\n");
    for bytes in ["", "HTTP/1.1 200 OK\r\nContent-"] {
        let silent = feed(serve(bytes, false).await).get(&request()).await;
        assert_eq!(silent.unwrap_err(), TransportError::Silent);
    }
    for part in ["", "data: eyJ", ": a comment\n\n"] {
        let address = serve(format!("{stream}{part}"), false).await;
        let mut body = feed(address).get(&request()).await.unwrap().body;
        if !part.is_empty() {
            assert_eq!(body.chunk().await.unwrap().unwrap(), part.as_bytes());
        }
        assert_eq!(body.chunk().await, Err(TransportError::Silent), "{part:?}");
    }
}

#[tokio::test]
async fn a_cut_body_is_no_end() {
    let chunked = "Content-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n";
    let cut = format!("{}3e8\r\ndata: cut", head("200 OK", chunked));
    let mut body = feed(serve(cut, true).await)
        .get(&request())
        .await
        .unwrap()
        .body;
    let end = loop {
        match body.chunk().await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    assert!(
        matches!(end, Err(TransportError::Unreachable(_))),
        "{end:?}"
    );
}

#[tokio::test]
async fn key_007_redirects_other_types_and_compression_are_refused() {
    let away = "Location: http://127.0.0.1:1/revocations\r\nContent-Type: text/event-stream\r\n";
    for (status, fields, cause) in [
        ("302 Found", away, TransportError::Status(302)),
        ("307 Temporary Redirect", away, TransportError::Status(307)),
        (
            "503 Busy",
            "Content-Type: text/event-stream\r\n",
            TransportError::Status(503),
        ),
        (
            "200 OK",
            "Content-Type: text/html\r\n",
            TransportError::MediaType,
        ),
        ("200 OK", "", TransportError::MediaType),
        (
            "200 OK",
            "Content-Type: text/event-stream\r\nContent-Type: text/html\r\n",
            TransportError::MediaType,
        ),
        (
            "200 OK",
            "Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n",
            TransportError::MediaType,
        ),
    ] {
        let ended = followed(head(status, fields) + "data: x\n\n").await;
        assert_eq!(
            ended.cause,
            Some(Cause::Transport(cause)),
            "{status} {fields}"
        );
    }
}

#[tokio::test]
async fn huge_events_and_garbage_are_given_up() {
    let stream = head("200 OK", "Content-Type: text/event-stream\r\n");
    for body in [
        format!("data: {}\n\n", "a".repeat(1 << 20)),
        "data: not a message\n\n".to_owned(),
        "data: a\ndata: b\n\n".to_owned(),
    ] {
        let ended = followed(format!("{stream}{body}")).await;
        assert_eq!(ended.cause, Some(Cause::Feed(FeedError::Malformed)));
    }
}

#[tokio::test]
async fn a_forged_feed_is_refused() {
    let mut house = House::new().await;
    let feed = feed(house.http.0);
    let honest = house.issuer.with(|state| state.key.clone());
    assert_eq!(house.follower.follow(&feed, &house.clock).await.cause, None);
    let forger = SigningKey::generate(Algorithm::Es256).unwrap();
    house.issuer.revoke(1);
    for (key, wanted) in [
        (forger.clone(), FeedError::UnknownKey),
        (
            forger.with_key_id(honest.key_id()).unwrap(),
            FeedError::BadSignature,
        ),
    ] {
        house.issuer.with(|state| state.key = key);
        let ended = house.follower.follow(&feed, &house.clock).await;
        assert_eq!(ended.cause, Some(Cause::Feed(wanted)));
        assert_eq!(house.view.sequence(), 0);
    }
}

#[tokio::test]
async fn key_007_inner_addresses_are_not_asked_unless_allowed() {
    let address = serve(head("200 OK", ""), true).await;
    let clock: Arc<dyn Clock> = Arc::new(Turned::at(NOW));
    let url = JwksUrl::parse(&format!("http://{address}/revocations")).unwrap();
    let refused = HttpFeed::new(url, None, &clock).get(&request()).await;
    let why = refused.unwrap_err().to_string();
    assert!(why.contains("loopback"), "{why}");
}

/// A key set that is served, and the follower of it.
async fn keys_of(jwks: String, kept: Option<&std::path::Path>) -> RemoteKeys {
    let fields = "Content-Type: application/jwk-set+json\r\nCache-Control: max-age=3600\r\n";
    let address = serve(head("200 OK", fields) + &jwks, true).await;
    remote(address, kept)
}

fn remote(address: SocketAddr, kept: Option<&std::path::Path>) -> RemoteKeys {
    let url = JwksUrl::parse(&format!("http://{address}/jwks.json")).unwrap();
    let keys = RemoteKeys::new(url.allow(AddressKind::Loopback), [Algorithm::Es256])
        .start_spread(Duration::ZERO);
    match kept {
        Some(path) => keys.keep_in(path.to_owned()),
        None => keys,
    }
}

fn surroundings() -> Surroundings {
    Surroundings {
        clock: Arc::new(Turned::at(NOW)),
        random: Arc::new(|| 0),
    }
}

/// Emergency withdrawal: the feed goes on under a key that nobody has seen, and
/// the key set is asked again although it was asked a moment ago.
#[tokio::test]
async fn key_015_a_feed_under_a_new_key_brings_the_key() {
    let issuer = Issuer::new();
    let http = crate::serve(&issuer).await;
    let old = issuer.with(|state| state.key.clone());
    let new = SigningKey::generate(Algorithm::Es256).unwrap();
    // The set has both from the beginning: the clock stands still, so what is
    // shown is that the wait for the feed's key ends with an attempt.
    let set = KeySet::from_iter([old.verifying_key(), new.verifying_key()]);
    let clock = Arc::new(Turned::at(NOW));
    let (source, mut follower) = keys_of(set.to_jwks_json(), None)
        .await
        .follow(Surroundings {
            clock: clock.clone(),
            random: Arc::new(|| 0),
        });
    let mut settings = issuer.settings();
    settings.trust.keys = source.clone();
    let feed_follower = Follower::open(settings, &*clock).unwrap();
    let view = feed_follower.view();
    let transport = feed(http.0);
    // No key yet: the first message asks for them, and then comes through.
    let following = {
        let clock = clock.clone();
        tokio::spawn(async move { feed_follower.run(&transport, &*clock).await })
    };
    issuer.with(|state| state.key = new);
    let fetching = tokio::spawn(async move {
        let _ = follower.step().await;
        follower.run().await;
    });
    let heard = async {
        while view.age_millis(clock.unix()).is_none() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), heard)
        .await
        .expect("the feed is heard");
    following.abort();
    fetching.abort();
}

#[tokio::test]
async fn key_008_the_last_good_keys_survive_a_restart_while_the_issuer_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwks = KeySet::from_iter([key.verifying_key()]).to_jwks_json();
    let keys = keys_of(jwks, Some(&file)).await;
    let (source, mut follower) = keys.clone().follow(surroundings());
    assert!(source.current().is_empty());
    let _ = follower.step().await;
    assert_eq!(source.current().len(), 1);
    drop((source, follower));

    let at = |seconds| doorward_verify::jose::time::UnixTime::from_secs(NOW + seconds);
    let (source, _follower) = keys.follow(surroundings());
    assert_eq!(source.current().len(), 1, "without a fetch");
    let day = 24 * 3600;
    assert!(source.generation(at(3600 + day - 1)).is_some());
    assert!(
        source.generation(at(3600 + day)).is_none(),
        "no longer than before"
    );

    // Another URL's keys are nobody's, and a damaged file is none.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (other, _follower) = remote(gone.local_addr().unwrap(), Some(&file)).follow(surroundings());
    assert!(other.current().is_empty());
    std::fs::write(&file, "{").unwrap();
    let keys = remote(gone.local_addr().unwrap(), Some(&file));
    assert!(keys.follow(surroundings()).0.current().is_empty());
}

#[tokio::test]
async fn rev_013_the_bound_is_a_setting() {
    let issuer = Issuer::new();
    let mut settings = issuer.settings();
    settings.lost_after = Duration::from_secs(2);
    let mut house = House::with(
        issuer,
        settings,
        doorward_verify::revocation::feed::StalePolicy::Bounded,
    )
    .await;
    let token = house.issuer.token(1);
    house.settle().await;
    house.later(2_000);
    assert_eq!(
        (house.state(), house.verify(&token)),
        (FeedState::Fresh, Ok(()))
    );
    house.later(1_000);
    assert_eq!(house.state(), FeedState::Lost);
    assert_eq!(house.verify(&token), Err(Reason::RevocationsUnknown));
    assert_eq!(house.verify(&house.issuer.token(2)), Ok(()), "a young one");
}

#[tokio::test]
async fn an_issuer_that_answers_polls_at_once_is_not_asked_in_a_circle() {
    let mut house = House::new().await;
    house.settle().await;
    assert_eq!(house.follower.pause(), Duration::from_secs(1));
    house.issuer.revoke(1);
    house.later(1);
    assert_eq!(house.follow().await.entries, 1);
    assert!(
        house.follower.pause().is_zero(),
        "news are followed at once"
    );
}
