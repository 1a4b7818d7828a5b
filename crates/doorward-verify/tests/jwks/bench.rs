//! What every test of this folder works with.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use doorward_jose::{
    algorithm::Algorithm,
    claims::{AccessClaims, RequiredClaims},
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    validation::Validation,
};
use doorward_policy::decision::{Decision, Reason, TraceId};
use doorward_verify::{
    clock::{Clock, Timestamp},
    jwks::{
        address::AddressKind,
        remote::{BoxFuture, Event, Follower, RemoteKeys, Resolver, Surroundings},
        url::JwksUrl,
    },
    key_source::{Health, KeySource},
    principal::Principal,
    revocation::RevocationSet,
    verifier::{TrustedIssuer, Verifier},
};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const NOW: u64 = 1_800_000_000;
const AUDIENCE: &str = "https://api.example";

/// A clock that stands until it is turned.
#[derive(Debug)]
pub(crate) struct TurnedClock(AtomicU64);

impl TurnedClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(NOW * 1000)))
    }

    pub(crate) fn turn(&self, seconds: u64) {
        self.turn_millis(seconds * 1000);
    }

    pub(crate) fn turn_millis(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }

    pub(crate) fn set(&self, seconds: u64) {
        self.0.store(seconds * 1000, Ordering::SeqCst);
    }

    pub(crate) fn unix(&self) -> UnixTime {
        self.now().unix()
    }
}

impl Clock for TurnedClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// Answers every name with the addresses that it is given.
pub(crate) struct FixedResolver {
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) asked: AtomicU64,
}

impl FixedResolver {
    pub(crate) fn new(addresses: &[&str]) -> Arc<Self> {
        Arc::new(Self {
            addresses: addresses.iter().map(|text| text.parse().unwrap()).collect(),
            asked: AtomicU64::new(0),
        })
    }
}

impl Resolver for FixedResolver {
    fn resolve<'a>(&'a self, _: &'a str, _: u16) -> BoxFuture<'a, io::Result<Vec<SocketAddr>>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async { Ok(self.addresses.clone()) })
    }
}

/// A followed key set, and a verifier that uses it.
pub(crate) struct Bench {
    pub(crate) clock: Arc<TurnedClock>,
    pub(crate) source: KeySource,
    pub(crate) follower: Follower,
    pub(crate) verifier: Arc<Verifier>,
    /// The words of every failure, `!` in front of the alarming ones.
    pub(crate) failures: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn on_loopback(address: SocketAddr) -> JwksUrl {
    let url = JwksUrl::parse(&format!("http://{address}/jwks.json")).unwrap();
    url.allow(AddressKind::Loopback)
}

/// No jitter, no spread, and a stall is seen after a fifth of a second.
pub(crate) fn remote(url: JwksUrl) -> RemoteKeys {
    RemoteKeys::new(url, [Algorithm::Es256])
        .start_spread(Duration::ZERO)
        .timeout(Duration::from_millis(200))
}

pub(crate) fn bench(address: SocketAddr) -> Bench {
    bench_of(remote(on_loopback(address)))
}

pub(crate) fn bench_of(remote: RemoteKeys) -> Bench {
    let clock = TurnedClock::new();
    let failures = Arc::new(Mutex::new(Vec::new()));
    let written = Arc::clone(&failures);
    let remote = remote.observe(move |event| {
        if let Event::Failed { error, .. } = event {
            let mark = if error.is_alarming() { "!" } else { "" };
            written.lock().unwrap().push(format!("{mark}{error}"));
        }
    });
    let (source, follower) = remote.follow(surroundings(&clock, || 0));
    let verifier = verifier(&[(ISSUER, &source)]);
    Bench {
        clock,
        source,
        follower,
        verifier: Arc::new(verifier),
        failures,
    }
}

pub(crate) fn surroundings(
    clock: &Arc<TurnedClock>,
    random: impl Fn() -> u64 + Send + Sync + 'static,
) -> Surroundings {
    Surroundings {
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        random: Arc::new(random),
    }
}

pub(crate) fn verifier(issuers: &[(&str, &KeySource)]) -> Verifier {
    let trusted = |(issuer, source): &(&str, &KeySource)| {
        let validation = Validation::issuer(*issuer)
            .audience(AUDIENCE)
            .algorithms([Algorithm::Es256]);
        TrustedIssuer::new(validation, (*source).clone())
    };
    Verifier::new(issuers.iter().map(trusted).collect(), RevocationSet::new())
}

impl Bench {
    pub(crate) async fn step(&mut self) -> Duration {
        self.follower.step().await.unwrap()
    }

    pub(crate) fn health(&self) -> Health {
        self.source.health(self.clock.unix())
    }

    /// Checks a token of `key`, made now.
    pub(crate) fn check(&self, key: &SigningKey) -> Result<Principal, Reason> {
        let now = self.clock.unix();
        self.verifier
            .verify(&token(key, ISSUER, now), now, &mut decision())
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }
}

pub(crate) fn decision() -> Decision {
    Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/")
}

pub(crate) fn key(id: &str) -> SigningKey {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    key.with_key_id(id).unwrap()
}

pub(crate) fn jwks(keys: &[&SigningKey]) -> String {
    let keys = keys.iter().map(|key| key.verifying_key());
    KeySet::from_iter(keys).to_jwks_json()
}

pub(crate) fn token(key: &SigningKey, issuer: &str, now: UnixTime) -> String {
    let claims = AccessClaims::new(RequiredClaims {
        issuer: issuer.to_owned(),
        subject: "user-1".to_owned(),
        audience: AUDIENCE.to_owned(),
        client_id: "client-1".to_owned(),
        token_id: "token-1".to_owned(),
        issued_at: now,
        lifetime_seconds: 300,
    });
    key.sign("at+jwt", &claims).unwrap()
}
