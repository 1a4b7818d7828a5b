//! The gateway's verifier: the own issuer, and those of the configuration.
//!
//! Each other issuer has keys of its own, followed in the background; an issuer
//! that stays in the configuration keeps them when the file is saved. What an
//! issuer revokes says nothing about another's tokens.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use doorward_issuer::Entropy as _;
use doorward_policy::role::Roles;
use doorward_verify::{
    claim_mapping::{ClaimMapping, Granted},
    jose::{algorithm::Algorithm, validation::Validation},
    jwks::{
        file::KeyFile,
        remote::{Event, RemoteKeys, Surroundings},
        trust_anchors::TrustAnchors,
        url::JwksUrl,
    },
    key_source::{Health, KeySource},
    proof::{Proofs, nonce::Nonces},
    revocation::RevocationSet,
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};
use tokio::task::JoinHandle;

use super::{follow::warn, home::Home, wiring::random};
use crate::{
    bounded_file,
    config::{Config, KeyPlace, OtherIssuer},
    exit::Failure,
    output,
    root_certificates::{LARGEST_BUNDLE, system_roots},
    system::{SystemClock, SystemEntropy},
};

/// How often a key file is looked at.
const FILE_INTERVAL: Duration = Duration::from_secs(1);

/// Makes the verifier, and makes it anew when the configuration changes.
pub(super) struct Verifiers {
    own: TrustedIssuer,
    own_revocations: Arc<RevocationSet>,
    proofs: Arc<Proofs>,
    current: Arc<ArcSwap<Verifier>>,
    followed: Vec<Followed>,
    /// Where paths of the configuration start.
    folder: PathBuf,
}

/// Another issuer's keys, as long as it is in the configuration.
struct Followed {
    keys: KeyPlace,
    algorithms: Vec<Algorithm>,
    source: KeySource,
    revocations: Arc<RevocationSet>,
    task: JoinHandle<()>,
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Verifiers {
    /// The verifier for `config`, which was read from `file`.
    pub(super) fn new(home: &Home, config: &Config, file: Option<&Path>) -> Result<Self, Failure> {
        let proofs = proofs(config.dpop_nonce)?;
        let first = Verifier::new(Vec::new(), home.revocations());
        let mut verifiers = Self {
            own: home.trusted(),
            own_revocations: home.revocations(),
            proofs,
            current: Arc::new(ArcSwap::from_pointee(first)),
            followed: Vec::new(),
            folder: file
                .and_then(Path::parent)
                .map(Path::to_owned)
                .unwrap_or_default(),
        };
        verifiers.apply(config)?;
        Ok(verifiers)
    }

    /// What the gateway asks.
    pub(super) fn current(&self) -> Arc<ArcSwap<Verifier>> {
        Arc::clone(&self.current)
    }

    /// Puts the issuers and roles of `config` in place, or changes nothing.
    pub(super) fn apply(&mut self, config: &Config) -> Result<(), Failure> {
        let mut started = Vec::new();
        let mut trusted = vec![self.own.clone()];
        for other in &config.trusted_issuers {
            let followed = match self.kept(other) {
                Some(kept) => kept,
                None => {
                    started.push(self.follow(other)?);
                    &started[started.len() - 1]
                }
            };
            let revocations = Arc::clone(&followed.revocations);
            let trust = trust(other, followed.source.clone(), &config.roles);
            trusted.push(trust.with_revocations(revocations));
        }
        let verifier = Verifier::new(trusted, Arc::clone(&self.own_revocations))
            .with_cache(CacheSize {
                beside: config.internal_audiences().len(),
                ..CacheSize::default()
            })
            .with_proofs(Arc::clone(&self.proofs));
        self.followed.extend(started);
        self.followed.retain(|followed| {
            let others = config.trusted_issuers.iter();
            others.into_iter().any(|other| followed.is_of(other))
        });
        self.current.store(Arc::new(verifier));
        Ok(())
    }

    fn kept(&self, other: &OtherIssuer) -> Option<&Followed> {
        self.followed.iter().find(|followed| followed.is_of(other))
    }

    fn follow(&self, other: &OtherIssuer) -> Result<Followed, Failure> {
        let (source, task) = match &other.keys {
            KeyPlace::File(path) => follow_file(other, &self.folder.join(path))?,
            KeyPlace::Uri(url, ca_file) => {
                let ca_file = ca_file.as_ref().map(|path| self.folder.join(path));
                follow_url(other, url, ca_file.as_deref())?
            }
        };
        Ok(Followed {
            keys: other.keys.clone(),
            algorithms: other.algorithms.clone(),
            source,
            revocations: RevocationSet::new(),
            task,
        })
    }
}

impl Followed {
    fn is_of(&self, other: &OtherIssuer) -> bool {
        self.keys == other.keys && self.algorithms == other.algorithms
    }
}

/// The trust in `other`, whose tokens are signed by `keys`.
pub(crate) fn trust(other: &OtherIssuer, keys: KeySource, roles: &Roles) -> TrustedIssuer {
    let validation = Validation::issuer(&other.issuer)
        .audience(&other.audience)
        .algorithms(other.algorithms.iter().copied());
    let validation = match &other.token_type {
        Some(token_type) => validation.token_type(token_type),
        None => validation,
    };
    TrustedIssuer::new(validation, keys).mapped(mapping(other, roles))
}

fn mapping(other: &OtherIssuer, roles: &Roles) -> ClaimMapping {
    let mut mapping = ClaimMapping::nothing().compared(&other.where_claims);
    if let Some(claim) = &other.permissions_claim {
        mapping = mapping.permissions_in(claim);
    }
    if let Some(claim) = &other.roles_claim {
        let granted = |role: &doorward_policy::role::Role| {
            let permissions = role.effective().iter().cloned().collect();
            (role.name().to_string(), permissions)
        };
        mapping = mapping.roles_in(claim, roles.iter().map(granted).collect::<Granted>());
    }
    if let Some(claim) = &other.tenant_claim {
        mapping = mapping.tenant_in(claim);
    }
    mapping
}

fn follow_file(other: &OtherIssuer, path: &Path) -> Result<(KeySource, JoinHandle<()>), Failure> {
    let mut file = KeyFile::open(path, other.algorithms.iter().copied())
        .map_err(|error| unusable(other, &whole(&error)))?;
    let (source, issuer) = (file.source().clone(), other.issuer.clone());
    let task = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(FILE_INTERVAL);
        let mut told = None;
        loop {
            ticks.tick().await;
            // A small local file: read where it is asked for.
            let failed = file.check().err().map(|error| whole(&error));
            if failed != told {
                match &failed {
                    Some(why) => warn(&format!("{issuer}: {why}; its last good keys stay")),
                    None => output::note(format!("  {issuer}: its key file is good again")),
                }
                told = failed;
            }
        }
    });
    Ok((source, task))
}

fn follow_url(
    other: &OtherIssuer,
    url: &JwksUrl,
    ca_file: Option<&Path>,
) -> Result<(KeySource, JoinHandle<()>), Failure> {
    let issuer = other.issuer.clone();
    let mut keys = RemoteKeys::new(url.clone(), other.algorithms.iter().copied())
        .observe(move |event| tell(&issuer, event));
    let roots = match ca_file {
        Some(path) => Some(anchors(path).map_err(|why| unusable(other, &why))?),
        None => system_roots(),
    };
    if let Some(roots) = roots {
        keys = keys.trust(roots);
    }
    let random = || {
        let mut bytes = [0; 8];
        SystemEntropy.fill(&mut bytes);
        u64::from_ne_bytes(bytes)
    };
    let (source, follower) = keys.follow(Surroundings {
        clock: Arc::new(SystemClock),
        random: Arc::new(random),
    });
    Ok((source, tokio::spawn(follower.run())))
}

/// The certificates of a PEM file.
pub(super) fn anchors(path: &Path) -> Result<TrustAnchors, String> {
    let bundle = bounded_file::read(path, LARGEST_BUNDLE)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    TrustAnchors::from_pem(&bundle).map_err(|error| format!("{}: {error}", path.display()))
}

/// Only what is news: the first failure of several, and the end of them.
fn tell(issuer: &str, event: &Event<'_>) {
    match event {
        Event::Refreshed {
            changed: true,
            keys,
            ..
        } => {
            output::note(format!("  {issuer}: {keys} keys"));
        }
        Event::Failed { error, health } => {
            let left = match health {
                Health::Expired => "its tokens are refused",
                _ => "its last good keys stay",
            };
            warn(&format!("{issuer}: {}; {left}", whole(error)));
        }
        _ => {}
    }
}

/// An error with its causes.
fn whole(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let next_text = next.to_string();
        if !text.ends_with(&next_text) {
            text = format!("{text}: {next_text}");
        }
        cause = next.source();
    }
    text
}

fn unusable(other: &OtherIssuer, why: &str) -> Failure {
    Failure::configuration(format!("the issuer {}: {why}", other.issuer))
        .hint("a server does not start without the keys that it was told to trust")
}

/// What checks proofs of possession; a nonce is good in the process that gave
/// it, and no longer than that runs.
fn proofs(wants_nonce: bool) -> Result<Arc<Proofs>, Failure> {
    let proofs = Proofs::default();
    if !wants_nonce {
        return Ok(Arc::new(proofs));
    }
    let nonces = Nonces::new(&random::<32>())
        .map_err(|error| Failure::internal(format!("no nonces for proofs: {error}")))?;
    Ok(Arc::new(proofs.require_nonce(nonces)))
}
