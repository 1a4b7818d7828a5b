//! A small issuer with a feed, and a relay before it that may be hostile.

use std::{
    cell::RefCell,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use doorward_jose::{
    algorithm::Algorithm,
    claims::{AccessClaims, RequiredClaims},
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    validation::Validation,
};
use doorward_verify::{
    clock::{Clock, Timestamp},
    key_source::KeySource,
    revocation::{
        Entry, Revocation,
        feed::{
            FeedView, StalePolicy,
            follower::FollowerSettings,
            message::{BATCH_TYPE, Chain, FeedTrust, PAGE_TYPE, to_row},
        },
    },
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://id.example";
pub(crate) const AUDIENCE: &str = "https://api.example";

/// Seconds at the beginning of every test.
pub(crate) const NOW: u64 = 1_800_000_000;

/// A clock that is turned.
pub(crate) struct Turned(AtomicU64);

impl Turned {
    pub(crate) fn at(seconds: u64) -> Self {
        Self(AtomicU64::new(seconds * 1000))
    }

    pub(crate) fn turn(&self, millis: i64) {
        let now = self.0.load(Ordering::Relaxed);
        self.0
            .store(now.saturating_add_signed(millis), Ordering::Relaxed);
    }

    pub(crate) fn unix(&self) -> UnixTime {
        self.now().unix()
    }
}

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// What happens to messages between the issuer and the follower.
pub(crate) type Relay = Box<dyn FnMut(Vec<String>) -> Vec<String> + Send>;

pub(crate) struct State {
    pub(crate) key: SigningKey,
    pub(crate) epoch: String,
    pub(crate) since: u64,
    pub(crate) entries: Vec<Entry>,
    /// The chains of this epoch after each entry, as far as they were needed.
    chains: RefCell<(String, Vec<Chain>)>,
    /// Entries up to this number are too old to be followed from.
    pub(crate) oldest: usize,
    /// In one batch or page.
    pub(crate) in_one: usize,
    pub(crate) relay: Relay,
    /// Every body ends after so many bytes, without a proper end.
    pub(crate) cut: Option<usize>,
    /// Something between holds every stream back.
    pub(crate) buffers_streams: bool,
    pub(crate) requests: Vec<String>,
    /// Added to the issuer's clock, in milliseconds.
    pub(crate) skew: i64,
}

#[derive(Clone)]
pub(crate) struct Issuer {
    pub(crate) state: Arc<Mutex<State>>,
    pub(crate) clock: Arc<Turned>,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let state = State {
            key,
            epoch: "e1".to_owned(),
            since: NOW * 1000 - 1,
            entries: Vec::new(),
            chains: RefCell::default(),
            oldest: 0,
            in_one: 40,
            relay: honest(),
            cut: None,
            buffers_streams: false,
            requests: Vec::new(),
            skew: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
            clock: Arc::new(Turned::at(NOW)),
        }
    }

    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.lock().unwrap())
    }

    pub(crate) fn keys(&self) -> KeySource {
        self.with(|state| KeySource::fixed(KeySet::from_iter([state.key.verifying_key()])))
    }

    pub(crate) fn settings(&self) -> FollowerSettings {
        FollowerSettings::new(FeedTrust {
            issuer: ISSUER.to_owned(),
            keys: self.keys(),
            algorithms: vec![Algorithm::Es256],
        })
    }

    pub(crate) fn verifier(&self, view: &FeedView, policy: StalePolicy) -> Verifier {
        let validation = Validation::issuer(ISSUER)
            .audience(AUDIENCE)
            .algorithms([Algorithm::Es256]);
        let trusted = TrustedIssuer::new(validation, self.keys()).revoked_by(view.clone(), policy);
        let nothing = doorward_verify::revocation::RevocationSet::new();
        Verifier::new(vec![trusted], nothing).with_cache(CacheSize::default())
    }

    /// A token of session `n`, issued now by the issuer's clock.
    pub(crate) fn token(&self, n: usize) -> String {
        let claims = AccessClaims::new(RequiredClaims {
            issuer: ISSUER.to_owned(),
            subject: format!("user-{n}"),
            audience: AUDIENCE.to_owned(),
            client_id: "web".to_owned(),
            token_id: format!("token-{n}"),
            issued_at: self.clock.unix(),
            lifetime_seconds: 300,
        });
        let claims = claims.session(format!("session-{n}"));
        self.with(|state| state.key.sign("at+jwt", &claims).unwrap())
    }

    /// Ends session `n`.
    pub(crate) fn revoke(&self, n: usize) {
        let expires_at = self.clock.unix().saturating_add(360);
        self.revoke_entry(session(n, expires_at));
    }

    pub(crate) fn revoke_entry(&self, entry: Entry) {
        self.with(|state| state.entries.push(entry));
    }

    pub(crate) fn time(&self) -> u64 {
        let skew = self.with(|state| state.skew);
        self.clock.now().millis().saturating_add_signed(skew)
    }
}

pub(crate) fn session(n: usize, expires_at: UnixTime) -> Entry {
    Entry {
        revocation: Revocation::Session {
            sid: format!("session-{n}"),
        },
        expires_at,
    }
}

pub(crate) fn honest() -> Relay {
    Box::new(|messages| messages)
}

impl State {
    /// The database is as it was before anything was revoked.
    pub(crate) fn forget_everything(&mut self) {
        self.entries.clear();
        self.chains.take();
    }

    pub(crate) fn chain(&self, upto: usize) -> Chain {
        let (epoch, chains) = &mut *self.chains.borrow_mut();
        if *epoch != self.epoch {
            (*epoch, *chains) = (self.epoch.clone(), vec![Chain::start(&self.epoch)]);
        }
        while chains.len() <= upto {
            let last = chains.len() - 1;
            chains.push(chains[last].with(&self.entries[last]));
        }
        chains[upto].clone()
    }

    pub(crate) fn sign(&self, typ: &str, payload: &Value) -> String {
        self.key.sign(typ, payload).unwrap()
    }

    pub(crate) fn batch(&self, after: usize, to: usize, time: u64) -> String {
        let rows: Vec<_> = self.entries[after..to].iter().map(to_row).collect();
        let payload = json!({
            "iss": ISSUER, "epoch": self.epoch, "since": self.since, "time": time,
            "after": after, "chain": self.chain(after).as_str(), "entries": rows,
        });
        self.sign(BATCH_TYPE, &payload)
    }

    /// Everything after a number, and a heartbeat.
    pub(crate) fn batches(&self, after: usize, time: u64) -> Vec<String> {
        let head = self.entries.len();
        let mut messages = Vec::new();
        let mut at = after;
        while at < head {
            let to = head.min(at + self.in_one);
            messages.push(self.batch(at, to, time));
            at = to;
        }
        messages.push(self.batch(head, head, time));
        messages
    }

    pub(crate) fn pages(&self, time: u64) -> Vec<String> {
        let head = self.entries.len();
        let chain = self.chain(head);
        let pages: Vec<_> = self.entries.chunks(self.in_one).collect();
        let count = pages.len().max(1);
        let page = |n: usize| {
            let rows: Vec<_> = pages
                .get(n)
                .into_iter()
                .flat_map(|page| page.iter())
                .map(to_row)
                .collect();
            let payload = json!({
                "iss": ISSUER, "epoch": self.epoch, "since": self.since, "time": time,
                "at": head, "chain": chain.as_str(), "page": n, "pages": count, "entries": rows,
            });
            self.sign(PAGE_TYPE, &payload)
        };
        (0..count).map(page).collect()
    }

    /// The answer to a request for `target`: status, media type, messages.
    pub(crate) fn answer(
        &mut self,
        target: &str,
        accept: &str,
        time: u64,
    ) -> (u16, String, Vec<String>) {
        self.requests.push(target.to_owned());
        let lines = "application/vnd.doorward.revocations".to_owned();
        if target == "/revocations/snapshot" {
            let pages = self.pages(time);
            return (200, lines, (self.relay)(pages));
        }
        let wanted = target
            .strip_prefix("/revocations?epoch=")
            .and_then(|rest| rest.split_once("&after="));
        let Some((epoch, after)) = wanted else {
            return (404, lines, Vec::new());
        };
        let after: usize = after.parse().unwrap();
        if epoch != self.epoch || after < self.oldest || after > self.entries.len() {
            return (410, lines, Vec::new());
        }
        let is_stream = accept == "text/event-stream";
        if is_stream && self.buffers_streams {
            return (200, accept.to_owned(), Vec::new());
        }
        let messages = self.batches(after, time);
        (200, accept.to_owned(), (self.relay)(messages))
    }
}
