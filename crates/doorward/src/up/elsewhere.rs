//! The issuer of a gateway that runs away from it: its keys and its
//! revocations, followed over the network.
//!
//! What was known is kept in the data folder, so that a gateway that starts
//! while the issuer is down serves with it: the revocations signed as they
//! came, the keys as they were fetched.

use std::{
    error::Error as _,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use doorward_issuer::{
    Entropy as _,
    config::{CLOCK_LEEWAY, MAX_ACCESS_TOKEN_LIFETIME},
};
use doorward_verify::{
    clock::Clock,
    jose::{algorithm::Algorithm, time::UnixTime, validation::Validation},
    jwks::{
        address::AddressKind,
        discovery::{Discovery, DiscoveryError},
        remote::{Event, RemoteKeys, Surroundings},
        trust_anchors::TrustAnchors,
        url::JwksUrl,
    },
    key_source::{Health, KeySource},
    revocation::feed::{
        FeedState, FeedView, StalePolicy,
        follower::{Ended, Follower, FollowerSettings},
        http::HttpFeed,
        message::FeedTrust,
    },
    verifier::TrustedIssuer,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::follow::warn;
use crate::{
    admin_listener::Readiness,
    config::Revocations,
    data_folder::DataFolder,
    exit::Failure,
    output,
    root_certificates::system_roots,
    system::{SystemClock, SystemEntropy},
};

/// How often the operator's view is brought up to date.
const WATCH: Duration = Duration::from_millis(500);

/// An issuer in another process.
pub(super) struct Elsewhere {
    issuer: String,
    trusted: TrustedIssuer,
    keys: KeySource,
    view: FeedView,
    settings: Revocations,
    follower: Follower,
    feed: HttpFeed,
    keys_follower: doorward_verify::jwks::remote::Follower,
}

/// Where the issuer's things are.
struct Places {
    keys: JwksUrl,
    feed: JwksUrl,
}

impl Elsewhere {
    /// Finds the issuer of this name, for tokens with this audience, and begins
    /// with what `folder` holds. An issuer that cannot be reached now is
    /// followed from when it can.
    pub(super) async fn reach(
        (issuer, audience): (&str, &str),
        settings: Revocations,
        folder: &DataFolder,
    ) -> Result<Self, Failure> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let roots = system_roots();
        let places = places(issuer, roots.as_ref(), &clock).await?;
        let algorithms: Vec<Algorithm> = Algorithm::ALL
            .iter()
            .copied()
            .filter(|algorithm| !algorithm.is_symmetric())
            .collect();
        let name = issuer.to_owned();
        let mut keys = RemoteKeys::new(places.keys, algorithms.iter().copied())
            .keep_in(folder.issuer_keys())
            .observe(move |event| tell_keys(&name, event));
        if let Some(roots) = &roots {
            keys = keys.trust(roots.clone());
        }
        let (source, keys_follower) = keys.follow(Surroundings {
            clock: Arc::clone(&clock),
            random: Arc::new(random),
        });
        let trust = FeedTrust {
            issuer: issuer.to_owned(),
            keys: source.clone(),
            algorithms: algorithms.clone(),
        };
        let file = folder.issuer_revocations();
        let follower = Follower::open(
            FollowerSettings {
                file: Some(file.clone()),
                lost_after: settings.bound,
                ..FollowerSettings::new(trust)
            },
            &SystemClock,
        );
        let follower = follower.map_err(|error| {
            Failure::configuration(format!("cannot use {}: {error}", file.display()))
                .hint("check its owner and mode, or delete it: the issuer fills it again")
        })?;
        let view = follower.view();
        let validation = Validation::issuer(issuer)
            .audience(audience)
            .algorithms(algorithms)
            .leeway_seconds(CLOCK_LEEWAY)
            .max_lifetime_seconds(MAX_ACCESS_TOKEN_LIFETIME);
        Ok(Self {
            issuer: issuer.to_owned(),
            trusted: TrustedIssuer::new(validation, source.clone())
                .revoked_by(view.clone(), settings.when_stale),
            keys: source,
            view,
            settings,
            follower,
            feed: HttpFeed::new(places.feed, roots.as_ref(), &clock),
            keys_follower,
        })
    }

    /// Whom the verifier trusts.
    pub(super) fn trusted(&self) -> TrustedIssuer {
        self.trusted.clone()
    }

    /// Follows keys and revocations until the tasks are ended.
    pub(super) fn follow(self) -> Vec<JoinHandle<()>> {
        let last = Arc::new(Mutex::new(None));
        let watch = Watch {
            issuer: self.issuer.clone(),
            view: self.view.clone(),
            settings: self.settings,
            last: Arc::clone(&last),
        };
        let issuer = self.issuer;
        let observe = move |ended: &Ended| {
            let why = ended.cause.as_ref().map(ToString::to_string);
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(doorward_verify::revocation::feed::follower::Cause::Feed(error)) =
                &ended.cause
                && error.is_alarming()
                && *last != why
            {
                warn(&format!(
                    "the revocations of {issuer} are not believed: {error}"
                ));
            }
            *last = why;
        };
        let (follower, feed) = (self.follower, self.feed);
        vec![
            tokio::spawn(self.keys_follower.run()),
            tokio::spawn(async move { follower.run_observed(&feed, &SystemClock, observe).await }),
            tokio::spawn(watch.run()),
        ]
    }

    /// What `/readyz` says.
    pub(super) fn readiness(&self) -> Box<dyn Fn() -> Readiness + Send + Sync> {
        let (issuer, settings) = (self.issuer.clone(), self.settings);
        let (keys, view) = (self.keys.clone(), self.view.clone());
        Box::new(move || {
            let now = SystemClock.now().unix();
            let (health, state) = (keys.health(now), view.state(now));
            let is_heard = match settings.when_stale {
                StalePolicy::Bounded => state != FeedState::Lost,
                StalePolicy::Strict => state == FeedState::Fresh,
                StalePolicy::Available => true,
            };
            Readiness {
                is_ready: health != Health::Expired && is_heard,
                detail: json!({
                    "issuer": issuer,
                    "keys": word(&health),
                    "revocations": revocations(&view, settings, now),
                }),
            }
        })
    }
}

fn revocations(view: &FeedView, settings: Revocations, now: UnixTime) -> Value {
    json!({
        "state": word(&view.state(now)),
        "age_ms": view.age_millis(now),
        "when_stale": settings.word(),
        "bound_s": settings.bound.as_secs(),
        "sequence": view.sequence(),
        "entries": view.revocations().len(),
        "skew_ms": view.skew_millis(),
        "refused": view.refused(),
    })
}

/// `Fresh` as `fresh`.
fn word(state: &impl std::fmt::Debug) -> String {
    format!("{state:?}").to_lowercase()
}

/// By its own word, or by convention while it cannot be asked.
async fn places(
    issuer: &str,
    roots: Option<&TrustAnchors>,
    clock: &Arc<dyn Clock>,
) -> Result<Places, Failure> {
    let url = JwksUrl::parse(issuer).map_err(|error| {
        Failure::usage(format!("--issuer {issuer}: {error}"))
            .hint("write it as it is in `iss` of the tokens, like https://auth.example.com")
    })?;
    // The operator names the address, so inner ones may be asked.
    let url = url.allow(AddressKind::Loopback).allow(AddressKind::Private);
    let by_convention = || Places {
        keys: url.at("/.well-known/jwks.json"),
        feed: url.at("/revocations"),
    };
    match Discovery::of(&url, roots, clock).await {
        Ok(Discovery {
            jwks_uri,
            revocations_uri: Some(feed),
        }) => Ok(Places {
            keys: jwks_uri,
            feed,
        }),
        Ok(_) => Err(Failure::configuration(format!(
            "the issuer {issuer} has no feed of revocations"
        ))
        .hint(
            "`serve gateway` stands before a Doorward issuer; others go into [[trusted_issuer]]",
        )),
        Err(DiscoveryError::Fetch(error)) => {
            let cause = error.source().map(|cause| format!(": {cause}"));
            warn(&format!(
                "the issuer {issuer} cannot be asked yet: {error}{}",
                cause.unwrap_or_default()
            ));
            Ok(by_convention())
        }
        Err(error) => Err(
            Failure::configuration(format!("the issuer {issuer}: {error}"))
                .hint("--issuer is the name that is in `iss` of the tokens"),
        ),
    }
}

/// Only what is news.
fn tell_keys(issuer: &str, event: &Event<'_>) {
    match event {
        Event::Refreshed {
            changed: true,
            keys,
            ..
        } => output::note(format!("  {issuer}: {keys} keys")),
        Event::Failed { error, health } => {
            let left = match health {
                Health::Expired => "its tokens are refused",
                _ => "its last good keys stay",
            };
            warn(&format!("the keys of {issuer}: {error}; {left}"));
        }
        Event::NotKept { error } => warn(&format!(
            "the keys of {issuer} cannot be kept for a restart: {error}"
        )),
        _ => {}
    }
}

/// Tells when revocations stop coming, and when they come again.
struct Watch {
    issuer: String,
    view: FeedView,
    settings: Revocations,
    last: Arc<Mutex<Option<String>>>,
}

impl Watch {
    async fn run(self) {
        let mut ticks = tokio::time::interval(WATCH);
        let mut told = None;
        loop {
            ticks.tick().await;
            let now = SystemClock.now().unix();
            let state = self.view.state(now);
            // Whoever just started has heard nothing yet.
            let is_start = told.is_none() && self.view.age_millis(now).is_none();
            if told != Some(state) && !is_start {
                self.tell(state, told.is_none(), now);
                told = Some(state);
            }
        }
    }

    fn tell(&self, state: FeedState, is_first: bool, now: UnixTime) {
        let issuer = &self.issuer;
        if state == FeedState::Fresh {
            let again = if is_first { "" } else { "again " };
            return output::note(format!(
                "  {issuer}: revocations are known {again}up to now"
            ));
        }
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let why = last.as_deref().unwrap_or("nothing comes");
        let bound = self.settings.bound.as_secs();
        let left = match (self.settings.when_stale, state) {
            (StalePolicy::Available, _) => "tokens are taken all the same".to_owned(),
            (StalePolicy::Strict, _) => "its tokens are refused".to_owned(),
            (StalePolicy::Bounded, FeedState::Lost) => {
                format!("only tokens younger than {bound} s are taken")
            }
            (StalePolicy::Bounded, _) => format!("tokens are taken for {bound} s"),
        };
        warn(&format!(
            "{issuer}: {} ({why}); {left}",
            self.view.describe(now)
        ));
    }
}

fn random() -> u64 {
    let mut bytes = [0; 8];
    SystemEntropy.fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
