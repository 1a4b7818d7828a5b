//! Following a key set behind a URL.
//!
//! ```no_run
//! # use std::sync::Arc;
//! # use doorward_verify::{clock::Clock, jose::algorithm::Algorithm};
//! # use doorward_verify::jwks::{remote::{RemoteKeys, Surroundings}, url::JwksUrl};
//! # fn start(clock: Arc<dyn Clock>, random: fn() -> u64) -> Result<(), Box<dyn std::error::Error>> {
//! let url = JwksUrl::parse("https://id.example/.well-known/jwks.json")?;
//! let surroundings = Surroundings { clock, random: Arc::new(random) };
//! let (source, follower) = RemoteKeys::new(url, [Algorithm::Es256]).follow(surroundings);
//! tokio::spawn(follower.run()); // ends when nobody holds `source` any more
//! # let _ = source;
//! # Ok(())
//! # }
//! ```

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use doorward_jose::{
    algorithm::Algorithm,
    jwk_set::{KeySet, Limits},
};

use super::{
    connection::Connector, demand::Demand, exchange::Exchange, kept::Kept,
    trust_anchors::TrustAnchors, url::JwksUrl,
};
pub use super::{
    connection::{BoxFuture, Resolver, SystemResolver},
    exchange::FetchError,
    follower::Follower,
};
use crate::{
    clock::Clock,
    key_source::{Health, KeySource, Snapshot},
    permission_numbers::PermissionNumbers,
};

/// For everything from the name's resolution to the last byte.
pub(super) const TIMEOUT: Duration = Duration::from_secs(5);
/// Far more than a discovery document has.
pub(super) const MAX_DOCUMENT_BYTES: usize = 64 * 1024;
/// Longest use of keys whose issuer cannot be asked.
const STALE_FOR: Duration = Duration::from_secs(24 * 3600);
/// The first fetch happens within this time.
const START_SPREAD: Duration = Duration::from_secs(1);

/// Time and randomness, given.
#[derive(Clone)]
pub struct Surroundings {
    /// The clock that tokens are judged by.
    pub clock: Arc<dyn Clock>,
    /// 64 random bits, for jitter only.
    pub random: Arc<dyn Fn() -> u64 + Send + Sync>,
}

/// What happened to a followed key set, for logs, metrics and alarms.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'e> {
    /// The issuer answered.
    Refreshed {
        /// Usable keys.
        keys: usize,
        /// Keys of the document that cannot be used.
        skipped: usize,
        /// Whether they are others than before.
        changed: bool,
    },
    /// The issuer could not be asked or gave an unusable answer; the keys are
    /// as before.
    Failed {
        /// Why; see [`FetchError::is_alarming`].
        error: &'e FetchError,
        /// How far the keys in place can still be relied on.
        health: Health,
    },
    /// The set is in place, but could not be kept for a restart.
    NotKept {
        /// Why.
        error: &'e io::Error,
    },
}

pub(super) type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// A key set behind a URL: where, for what, and within which bounds.
#[derive(Clone)]
pub struct RemoteKeys {
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) stale_for: Duration,
    pub(super) start_spread: Duration,
    pub(super) observer: Observer,
    pub(super) kept: Option<Kept>,
    url: JwksUrl,
    timeout: Duration,
    resolver: Arc<dyn Resolver>,
    trust_anchors: Option<TrustAnchors>,
}

impl RemoteKeys {
    /// The keys at `url`, for exactly these algorithms.
    pub fn new(url: JwksUrl, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            algorithms: algorithms.into_iter().collect(),
            stale_for: STALE_FOR,
            start_spread: START_SPREAD,
            observer: Arc::new(|_| ()),
            kept: None,
            url,
            timeout: TIMEOUT,
            resolver: Arc::new(SystemResolver),
            trust_anchors: None,
        }
    }

    /// Roots for `https`; without any, `https` fails.
    #[must_use]
    pub fn trust(mut self, trust_anchors: TrustAnchors) -> Self {
        self.trust_anchors = Some(trust_anchors);
        self
    }

    /// How long keys are used after their freshness ended while the issuer
    /// cannot be asked; 24 h by default, zero for not at all.
    #[must_use]
    pub const fn stale_for(mut self, bound: Duration) -> Self {
        self.stale_for = bound;
        self
    }

    /// The first fetch happens at a random moment within this time, one second
    /// by default, so that verifiers which restart together do not ask together.
    #[must_use]
    pub const fn start_spread(mut self, spread: Duration) -> Self {
        self.start_spread = spread;
        self
    }

    /// Keeps the last good set in the file `path`, so that a restart while the
    /// issuer is down finds it. The file decides who is believed: its folder
    /// must be this program's own.
    #[must_use]
    pub fn keep_in(mut self, path: PathBuf) -> Self {
        self.kept = Some(Kept::new(path, &self.url));
        self
    }

    /// For one fetch in all; five seconds by default and at most.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(TIMEOUT);
        self
    }

    /// Resolves names with `resolver` instead of the operating system's.
    #[must_use]
    pub fn resolver(mut self, resolver: Arc<dyn Resolver>) -> Self {
        self.resolver = resolver;
        self
    }

    /// Tells `observer` of every fetch. It is called by the background task
    /// and must not block.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Self {
        self.observer = Arc::new(observer);
        self
    }

    /// The source for verifiers, without a key yet unless one was kept, and what brings the keys:
    /// spawn [`Follower::run`].
    pub fn follow(self, surroundings: Surroundings) -> (KeySource, Follower) {
        let demand = Demand::new();
        let source = KeySource::followed(Arc::clone(&demand));
        self.restore(&source);
        let exchange = self.exchange(&surroundings.clock);
        let follower = Follower::new(self, surroundings, exchange, (&source, demand));
        (source, follower)
    }

    /// Fetches the keys once, for a program that checks a token and ends.
    ///
    /// # Errors
    ///
    /// [`FetchError`].
    pub async fn fetch_once(&self, clock: &Arc<dyn Clock>) -> Result<KeySet, FetchError> {
        let answer = self.exchange(clock).fetch(None).await?;
        self.parse(&answer.document.unwrap_or_default())
    }

    /// Begins with what the run before left.
    fn restore(&self, source: &KeySource) {
        let Some(record) = self.kept.as_ref().and_then(Kept::read) else {
            return;
        };
        if let Ok(keys) = self.parse(record.document()) {
            let fresh_until = record.fresh_until();
            source.store(Snapshot {
                numbers: PermissionNumbers::published_in(&keys),
                keys: Arc::new(keys),
                generation: 1,
                fresh_until,
                usable_until: fresh_until.saturating_add(self.stale_for.as_secs()),
            });
        }
    }

    pub(super) fn parse(&self, document: &[u8]) -> Result<KeySet, FetchError> {
        KeySet::parse_for(document, Limits::default(), &self.algorithms).map_err(FetchError::Keys)
    }

    fn exchange(&self, clock: &Arc<dyn Clock>) -> Exchange {
        let tls = |anchors: &TrustAnchors| anchors.client_config(Arc::clone(clock));
        Exchange {
            connector: Connector {
                url: self.url.clone(),
                resolver: Arc::clone(&self.resolver),
                tls: self.trust_anchors.as_ref().map(tls),
            },
            timeout: self.timeout,
            max_bytes: Limits::default().max_bytes,
        }
    }
}

impl fmt::Debug for RemoteKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeys")
            .field("url", &self.url)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}
