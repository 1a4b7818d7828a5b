//! The signed feed of revocations, read by the follower and judged by the
//! verifier that gateways and services use.

use std::time::Duration;

use axum::{Router, body::Body};
use doorward_issuer::{Issuer, session::EndCause};
use doorward_policy::decision::{Decision, Reason, TraceId};
use doorward_verify::{
    clock::Clock as _,
    jose::{algorithm::Algorithm, validation::Validation},
    revocation::{
        RevocationSet,
        feed::{
            FeedState, FeedView, StalePolicy,
            follower::{Cause, Ended, Follower, FollowerSettings},
            message::FeedTrust,
            transport::{
                EVENTS, FeedBody, FeedRequest, FeedResponse, FeedTransport, LINES, TransportError,
            },
        },
    },
    verifier::{TrustedIssuer, Verifier},
};
use http::{Request, StatusCode, header};
use http_body::Body as _;
use http_body_util::BodyExt as _;
use tokio::time::timeout;
use tower::ServiceExt as _;

use crate::harness::{World, check, sign_in};

/// Longer than anything here takes; no test waits for it.
const PATIENCE: Duration = Duration::from_secs(20);

/// The issuer's router, without a network.
struct InProcess(Router);

struct InProcessBody(Body);

impl FeedTransport for InProcess {
    type Body = InProcessBody;

    async fn get(
        &self,
        request: &FeedRequest,
    ) -> Result<FeedResponse<InProcessBody>, TransportError> {
        let target = format!("/revocations{}", request.suffix);
        let answer = get(&self.0, &target, request.accept).await;
        let media_type = answer.headers().get(header::CONTENT_TYPE).unwrap();
        Ok(FeedResponse {
            status: answer.status().as_u16(),
            media_type: media_type.to_str().unwrap().to_owned(),
            body: InProcessBody(answer.into_body()),
        })
    }

    async fn pause(&self, _: Duration) {}
}

impl FeedBody for InProcessBody {
    async fn chunk(&mut self) -> Result<Option<Vec<u8>>, TransportError> {
        let Some(frame) = self.0.frame().await else {
            return Ok(None);
        };
        Ok(Some(frame.unwrap().into_data().unwrap().into()))
    }
}

async fn get(router: &Router, target: &str, accept: &str) -> http::Response<Body> {
    let request = Request::get(target).header(header::ACCEPT, accept);
    let request = request.body(Body::empty()).unwrap();
    router.clone().oneshot(request).await.unwrap()
}

/// A verifier somewhere else.
struct Elsewhere {
    follower: Follower,
    view: FeedView,
    verifier: Verifier,
    transport: InProcess,
}

impl Elsewhere {
    fn new(world: &World, issuer: &Issuer) -> Self {
        let keys = issuer.trusted().keys().clone();
        let trust = FeedTrust {
            issuer: issuer.config().issuer.clone(),
            keys: keys.clone(),
            algorithms: vec![Algorithm::Es256],
        };
        let follower = Follower::open(FollowerSettings::new(trust), &*world.clock).unwrap();
        let view = follower.view();
        let validation = Validation::issuer(issuer.config().issuer.as_str())
            .audience(issuer.config().audience.as_str())
            .algorithms([Algorithm::Es256]);
        let trusted =
            TrustedIssuer::new(validation, keys).revoked_by(view.clone(), StalePolicy::Strict);
        Self {
            follower,
            view,
            verifier: Verifier::new(vec![trusted], RevocationSet::new()),
            transport: InProcess(issuer.router()),
        }
    }

    /// A snapshot if one is wanted, and what follows, up to now. The stream
    /// ends at once, because its issuer takes no more readers that wait.
    async fn catch_up(&mut self, world: &World) -> Ended {
        let mut ended = self.follower.follow(&self.transport, &*world.clock).await;
        if ended.cause == Some(Cause::Gone) {
            ended = self.follower.follow(&self.transport, &*world.clock).await;
        }
        ended
    }

    fn check(&self, world: &World, token: &str) -> Result<(), Reason> {
        let now = world.clock.now();
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now.millis(), "GET", "/");
        self.verifier
            .verify(token, now.unix(), &mut decision)
            .map(drop)
    }
}

/// An issuer whose feed has been signed, as of now. Its readers do not wait.
async fn signed(issuer: &Issuer) {
    issuer.close_feed();
    turn(issuer).await;
}

/// The task that signs, until it has said what there is.
async fn turn(issuer: &Issuer) {
    // The first beat comes at once.
    let _ = timeout(Duration::from_millis(300), issuer.run_feed()).await;
}

#[tokio::test]
async fn rev_010_every_cause_reaches_a_verifier_elsewhere() {
    let (world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let mut elsewhere = Elsewhere::new(&world, &issuer);
    assert_eq!(elsewhere.catch_up(&world).await.cause, None);
    let admin = issuer.admin();
    for number in 0..6 {
        let session = sign_in(&issuer, "alice").await;
        let token = session.access_token.clone();
        world.clock.turn(1);
        turn(&issuer).await;
        assert_eq!(elsewhere.catch_up(&world).await.cause, None);
        assert_eq!(elsewhere.check(&world, &token), Ok(()), "before {number}");
        match number {
            0 => drop(
                issuer
                    .end_session(session.session_id, EndCause::SignOut)
                    .await,
            ),
            1 => drop(admin.end_sessions("alice").await),
            2 => drop(admin.grant_role("alice", "acme", "editor").await),
            3 => drop(admin.revoke_role("alice", "acme", "editor").await),
            4 => admin.expire_access_tokens().await.unwrap(),
            _ => drop(admin.disable_user("alice").await),
        }
        assert!(check(&issuer, &world.clock, &token).is_err(), "{number}");
        turn(&issuer).await;
        assert!(elsewhere.catch_up(&world).await.entries > 0, "{number}");
        assert!(elsewhere.check(&world, &token).is_err(), "after {number}");
        world.clock.turn(5);
        turn(&issuer).await;
    }
    assert_eq!(elsewhere.view.refused(), 0);
    assert_eq!(elsewhere.view.snapshots(), 1, "all came by the stream");
}

#[tokio::test]
async fn key_015_a_withdrawn_key_is_told_and_its_successor_speaks() {
    let (world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let mut elsewhere = Elsewhere::new(&world, &issuer);
    elsewhere.catch_up(&world).await;
    let token = sign_in(&issuer, "alice").await.access_token;
    world.clock.turn(1);
    turn(&issuer).await;
    elsewhere.catch_up(&world).await;
    assert_eq!(elsewhere.check(&world, &token), Ok(()));
    let kid = issuer.admin().signing_keys()[0].kid.clone();
    issuer.admin().withdraw_key(&kid).await.unwrap();
    turn(&issuer).await;
    for _ in 0..2 {
        elsewhere.catch_up(&world).await;
    }
    assert!(elsewhere.check(&world, &token).is_err());
    let fresh = sign_in(&issuer, "alice").await.access_token;
    assert_eq!(elsewhere.check(&world, &fresh), Ok(()));
    assert_eq!(
        elsewhere.view.state(world.clock.now().unix()),
        FeedState::Fresh
    );
}

#[tokio::test]
async fn rev_011_a_restarted_issuer_goes_on_where_it_was() {
    let (world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let mut elsewhere = Elsewhere::new(&world, &issuer);
    elsewhere.catch_up(&world).await;
    let ended = sign_in(&issuer, "alice").await;
    issuer
        .end_session(ended.session_id, EndCause::SignOut)
        .await
        .unwrap();
    // It ends before anybody heard of it.
    drop(issuer);
    world.clock.turn(1);
    let issuer = world.open().await;
    signed(&issuer).await;
    elsewhere.transport = InProcess(issuer.router());
    let heard = elsewhere.catch_up(&world).await;
    assert_eq!((heard.entries, heard.cause), (1, None));
    assert!(elsewhere.check(&world, &ended.access_token).is_err());
    assert_eq!(elsewhere.view.snapshots(), 1);
}

/// The chain goes on although the rows that it was made of are gone.
#[tokio::test]
async fn rev_012_deleted_rows_break_no_chain() {
    let (world, issuer) = World::with_alice().await;
    for _ in 0..5 {
        let session = sign_in(&issuer, "alice").await;
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap();
    }
    signed(&issuer).await;
    let mut elsewhere = Elsewhere::new(&world, &issuer);
    elsewhere.catch_up(&world).await;
    let sequence = elsewhere.view.sequence();
    assert!(sequence >= 5);
    for _ in 0..3 {
        world.clock.turn(24 * 3600);
        issuer.poll_changes().await.unwrap();
    }
    let rows = "SELECT COUNT(*) FROM revocation";
    assert_eq!(world.count(rows).await, 0);
    drop(issuer);
    let issuer = world.open().await;
    signed(&issuer).await;
    elsewhere.transport = InProcess(issuer.router());
    let heard = elsewhere.catch_up(&world).await;
    assert_eq!((heard.messages > 0, heard.cause), (true, None));
    assert_eq!(elsewhere.view.sequence(), sequence);
    assert_eq!(elsewhere.view.snapshots(), 1, "the cursor still holds");
}

/// Rows that an older version deleted cost an epoch, and nothing else.
#[tokio::test]
async fn missing_rows_begin_an_epoch() {
    let (world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let mut elsewhere = Elsewhere::new(&world, &issuer);
    elsewhere.catch_up(&world).await;
    drop(issuer);
    world.tamper("DELETE FROM revocation WHERE seq = 1").await;
    let issuer = world.open().await;
    signed(&issuer).await;
    turn(&issuer).await;
    world.clock.turn(1);
    elsewhere.transport = InProcess(issuer.router());
    let heard = elsewhere.catch_up(&world).await;
    assert_eq!((heard.messages, heard.cause), (1, None), "a snapshot");
    assert_eq!(elsewhere.view.snapshots(), 2);
}

#[tokio::test]
async fn key_021_a_database_that_went_back_begins_an_epoch() {
    let (world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let token = sign_in(&issuer, "alice").await.access_token;
    let revoked = sign_in(&issuer, "alice").await;
    issuer
        .end_session(revoked.session_id, EndCause::SignOut)
        .await
        .unwrap();
    issuer.poll_changes().await.unwrap();
    let mut elsewhere = Elsewhere::new(&world, &issuer);
    turn(&issuer).await;
    elsewhere.catch_up(&world).await;
    assert!(elsewhere.check(&world, &revoked.access_token).is_err());
    assert_eq!(elsewhere.check(&world, &token), Ok(()));
    world
        .tamper("UPDATE head SET value = value - 1 WHERE name = 'revocation'; \
                 DELETE FROM revocation WHERE seq > (SELECT value FROM head WHERE name = 'revocation')")
        .await;
    assert!(issuer.poll_changes().await.unwrap().rolled_back);
    world.clock.turn(1);
    turn(&issuer).await;
    elsewhere.catch_up(&world).await;
    assert_eq!(elsewhere.view.snapshots(), 2);
    for token in [&token, &revoked.access_token] {
        assert!(elsewhere.check(&world, token).is_err());
    }
}

#[tokio::test]
async fn a_poll_waits_for_news_and_a_stream_brings_them() {
    let (world, issuer) = World::with_alice().await;
    let running = tokio::spawn({
        let issuer = issuer.clone();
        async move { issuer.run_feed().await }
    });
    let router = issuer.router();
    let (epoch, at) = cursor(&router).await;
    let target = format!("/revocations?epoch={epoch}&after={at}");
    let stream = get(&router, &target, EVENTS).await;
    assert_eq!(stream.headers()[header::CACHE_CONTROL], "no-store");
    let mut stream = stream.into_body();
    let polling = tokio::spawn(async move {
        let lines = get(&router, &target, LINES).await;
        lines.into_body().collect().await.unwrap().to_bytes()
    });
    let session = sign_in(&issuer, "alice").await;
    // Another process, which this one hears of by its poll.
    let other = world.open().await;
    other
        .end_session(session.session_id, EndCause::SignOut)
        .await
        .unwrap();
    assert!(issuer.poll_changes().await.unwrap().revocations > 0);
    let news = timeout(PATIENCE, polling).await.unwrap().unwrap();
    let news = String::from_utf8(news.to_vec()).unwrap();
    let batch = news.lines().next().unwrap();
    let payload = payload(batch);
    assert!(
        payload.contains(&session.session_id.to_string()),
        "{payload}"
    );
    for secret in ["alice", "sign_out", "acme"] {
        assert!(
            !payload.contains(secret),
            "the feed says why or who: {payload}"
        );
    }
    let streamed = async {
        let mut seen = Vec::new();
        while !String::from_utf8_lossy(&seen).contains(batch) {
            let frame = stream.frame().await.unwrap().unwrap();
            seen.extend(frame.into_data().unwrap());
        }
    };
    timeout(PATIENCE, streamed).await.expect("the same message");
    running.abort();
}

/// A reader that does not read is cut, and the others are not.
#[tokio::test]
async fn dos_009_a_reader_that_does_not_read_is_cut() {
    let (_world, issuer) = World::with_alice().await;
    turn(&issuer).await;
    let router = issuer.router();
    let (epoch, at) = cursor(&router).await;
    let target = format!("/revocations?epoch={epoch}&after={at}");
    let mut idle = get(&router, &target, EVENTS).await.into_body();
    for _ in 0..70 {
        let session = sign_in(&issuer, "alice").await;
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap();
        let _ = timeout(Duration::from_millis(20), issuer.run_feed()).await;
    }
    let mut events = 0;
    let read = async {
        while let Some(frame) = idle.frame().await {
            frame.unwrap();
            events += 1;
        }
    };
    timeout(PATIENCE, read).await.expect("the stream ends");
    assert!((64..70 * 2).contains(&events), "{events}");
}

/// Who asks from far behind gets the messages that all readers share: each answer
/// that waits for its reader is no copy of the log.
#[tokio::test]
async fn dos_009_an_answer_to_a_poll_is_no_copy() {
    let (_world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let router = issuer.router();
    let (epoch, at) = cursor(&router).await;
    for _ in 0..3 {
        let session = sign_in(&issuer, "alice").await;
        let ended = issuer.end_session(session.session_id, EndCause::SignOut);
        ended.await.unwrap();
        turn(&issuer).await;
    }
    let target = format!("/revocations?epoch={epoch}&after={at}");
    let mut places = Vec::new();
    for _ in 0..2 {
        let mut body = get(&router, &target, LINES).await.into_body();
        let length = body.size_hint().exact();
        let (mut pieces, mut bytes) = (Vec::new(), 0);
        while let Some(frame) = body.frame().await {
            let line = frame.unwrap().into_data().unwrap();
            assert!(line.ends_with(b"\n"));
            bytes += line.len() as u64;
            pieces.push(line.as_ptr() as usize);
        }
        assert_eq!(length, Some(bytes));
        places.push(pieces);
    }
    assert!(places[0].len() >= 3);
    assert_eq!(places[0], places[1], "the same bytes for both");
}

#[tokio::test]
async fn a_snapshot_is_made_once_for_all_and_has_a_tag() {
    let (world, issuer) = World::with_alice().await;
    for _ in 0..150 {
        let session = sign_in(&issuer, "alice").await;
        issuer
            .end_session(session.session_id, EndCause::SignOut)
            .await
            .unwrap();
    }
    signed(&issuer).await;
    let router = issuer.router();
    let first = get(&router, "/revocations/snapshot", LINES).await;
    let tag = first.headers()[header::ETAG].clone();
    let first = first.into_body().collect().await.unwrap().to_bytes();
    let again = get(&router, "/revocations/snapshot", LINES).await;
    let again = again.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(first, again, "signed once: ECDSA is not the same twice");
    let lines: Vec<&str> = std::str::from_utf8(&first).unwrap().lines().collect();
    assert!(lines.len() > 1, "several pages");
    assert!(lines.iter().all(|line| line.len() <= 8192));
    let asked = Request::get("/revocations/snapshot").header(header::IF_NONE_MATCH, &tag);
    let asked = asked.body(Body::empty()).unwrap();
    let same = router.clone().oneshot(asked).await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    let mut elsewhere = Elsewhere::new(&world, &issuer);
    let ended = elsewhere.catch_up(&world).await;
    assert_eq!((ended.messages, ended.cause), (lines.len(), None));
}

#[tokio::test]
async fn cursors_that_lead_nowhere_are_gone() {
    let (_world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let router = issuer.router();
    let (epoch, at) = cursor(&router).await;
    for (query, status) in [
        (format!("epoch={epoch}&after={at}"), StatusCode::OK),
        (format!("epoch={epoch}&after={}", at + 1), StatusCode::GONE),
        (format!("epoch=other&after={at}"), StatusCode::GONE),
        (format!("epoch={epoch}"), StatusCode::BAD_REQUEST),
        (format!("epoch={epoch}&after=x"), StatusCode::BAD_REQUEST),
    ] {
        for accept in [LINES, EVENTS] {
            let answer = get(&router, &format!("/revocations?{query}"), accept).await;
            assert_eq!(answer.status(), status, "{query}");
        }
    }
}

/// What the feed cannot know it does not say.
#[tokio::test]
async fn rev_013_a_feed_without_its_store_is_silent() {
    let (world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let router = issuer.router();
    let (epoch, at) = cursor(&router).await;
    issuer.close().await;
    world.clock.turn(6);
    turn(&issuer).await;
    let answer = get(
        &router,
        &format!("/revocations?epoch={epoch}&after={at}"),
        LINES,
    )
    .await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    let answer = get(&router, "/revocations/snapshot", LINES).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

/// One key signs both, and neither is ever taken for the other.
#[tokio::test]
async fn hdr_017_a_message_is_no_token_and_a_token_no_message() {
    let (world, issuer) = World::with_alice().await;
    signed(&issuer).await;
    let router = issuer.router();
    let page = get(&router, "/revocations/snapshot", LINES).await;
    let page = page.into_body().collect().await.unwrap().to_bytes();
    let page = std::str::from_utf8(&page).unwrap().trim_end();
    let refused = check(&issuer, &world.clock, page).unwrap_err();
    assert_eq!(refused, Reason::WrongTokenType);
    let trust = FeedTrust {
        issuer: issuer.config().issuer.clone(),
        keys: issuer.trusted().keys().clone(),
        algorithms: vec![Algorithm::Es256],
    };
    let token = sign_in(&issuer, "alice").await.access_token;
    let now = world.clock.now().unix();
    for wanted in [
        doorward_verify::revocation::feed::message::BATCH_TYPE,
        doorward_verify::revocation::feed::message::PAGE_TYPE,
    ] {
        assert!(trust.open(&token, wanted, now).is_err());
    }
}

/// Epoch and number of the snapshot, once there is one.
async fn cursor(router: &Router) -> (String, u64) {
    let page = async {
        loop {
            let page = get(router, "/revocations/snapshot", LINES).await;
            if page.status() == StatusCode::OK {
                break page.into_body().collect().await.unwrap().to_bytes();
            }
            tokio::task::yield_now().await;
        }
    };
    let page = timeout(PATIENCE, page).await.expect("a snapshot");
    let payload = payload(std::str::from_utf8(&page).unwrap().lines().next().unwrap());
    let payload: serde_json::Value = serde_json::from_str(&payload).unwrap();
    let epoch = payload["epoch"].as_str().unwrap().to_owned();
    (epoch, payload["at"].as_u64().unwrap())
}

/// The payload of a message, as its text.
fn payload(message: &str) -> String {
    let middle = message.split('.').nth(1).unwrap();
    let bytes = base64_simd::URL_SAFE_NO_PAD.decode_to_vec(middle).unwrap();
    String::from_utf8(bytes).unwrap()
}
