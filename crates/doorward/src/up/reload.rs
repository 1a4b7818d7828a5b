//! Edits of the configuration file take effect on save.
//!
//! A good file is applied whole; a bad one changes nothing and is told with
//! every problem. Where roles give less than before, or a claim means something
//! else, also when that happened while nothing ran, every access token that is
//! out is refused: it says more than it should.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use doorward_issuer::Issuer;
use doorward_policy::{role::Roles, route::RouteTable};
use tokio::task::JoinHandle;

use super::{
    Settings, candidate::Candidate, follow::warn, internal_tokens::InternalIssuer,
    verifiers::Verifiers,
};
use crate::{
    config::{Config, PolicyFiles},
    data_folder::{DataFolder, LastUp},
    output,
};

/// How often the file is looked at.
const INTERVAL: Duration = Duration::from_millis(250);

/// What every role gives, as the data folder remembers it.
pub(crate) type Given = BTreeMap<String, BTreeSet<String>>;

/// Attributes of users by the claims that hold them.
type Claims = BTreeMap<String, String>;

/// What `roles` give.
pub(super) fn given(roles: &Roles) -> Given {
    let texts = |role: &doorward_policy::role::Role| {
        let permissions = role.effective().iter().map(ToString::to_string);
        (role.name().to_string(), permissions.collect())
    };
    roles.iter().map(texts).collect()
}

/// Whether some role gives less in `now` than it gave in `before`.
fn is_narrower(now: &Given, before: &Given) -> bool {
    before
        .iter()
        .any(|(role, permissions)| now.get(role).is_none_or(|now| !permissions.is_subset(now)))
}

/// Whether some claim of `before` holds another attribute in `now`, or is gone.
fn says_otherwise(now: &Claims, before: &Claims) -> bool {
    before
        .iter()
        .any(|(claim, attribute)| now.get(claim) != Some(attribute))
}

/// What changes when a file is saved; `None` while it is not there.
type Saved = Option<(SystemTime, u64, u64)>;

/// What changes when a file, or one of the files that it names, is saved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    own: Saved,
    policies: PolicyFiles,
    of_policies: Vec<(PathBuf, Saved)>,
}

impl Stamp {
    /// The stamp of a configuration, and of the policies that it names. Take it
    /// *before* reading the file.
    pub(crate) fn of_configuration(path: &Path) -> Self {
        let own = Self::of(path).own;
        Self::with(own, PolicyFiles::of(path))
    }

    /// Whether the file was there.
    pub(super) const fn is_there(&self) -> bool {
        self.own.is_some()
    }

    /// The stamp of the same configuration now.
    pub(super) fn again(&self, path: &Path) -> Self {
        let own = Self::of(path).own;
        match own == self.own {
            // What it names is what it named.
            true => Self::with(own, self.policies.clone()),
            false => Self::with(own, PolicyFiles::of(path)),
        }
    }

    fn with(own: Saved, policies: PolicyFiles) -> Self {
        let files = policies.files().into_iter();
        let of_policies = files.map(|file| {
            let saved = Self::of(&file).own;
            (file, saved)
        });
        Self {
            own,
            of_policies: of_policies.collect(),
            policies,
        }
    }

    /// The stamp of the file at `path` now. Take it *before* reading the file,
    /// so that a save in between is noticed.
    pub(crate) fn of(path: &Path) -> Self {
        use std::os::unix::fs::MetadataExt as _;
        let read = |metadata: std::fs::Metadata| {
            Some((metadata.modified().ok()?, metadata.len(), metadata.ino()))
        };
        Self {
            own: std::fs::metadata(path).ok().and_then(read),
            policies: PolicyFiles::default(),
            of_policies: Vec::new(),
        }
    }
}

/// What follows the file.
pub(super) struct Followers {
    pub(super) routes: Arc<ArcSwap<RouteTable>>,
    pub(super) roles: Arc<ArcSwap<Roles>>,
    pub(super) verifiers: Verifiers,
    pub(super) internal: InternalIssuer,
    /// What judges beside the routes.
    pub(super) candidate: Candidate,
}

/// The file that is followed, and all that follows it.
pub(super) struct Reload {
    file: Option<PathBuf>,
    /// Of the content that is served.
    applied: Stamp,
    served: Config,
    followers: Followers,
    /// Who must refuse tokens that say more than they should; elsewhere the
    /// issuer reads its own configuration.
    issuer: Option<Issuer>,
    folder: DataFolder,
    last_up: LastUp,
    numbering: Numbering,
}

/// How far the permissions of the roles have their numbers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbering {
    /// Not looked at yet.
    Due,
    /// It failed, and the operator knows.
    Late,
    Done,
}

impl Reload {
    /// What `settings` serve, as the data folder was left by the run before.
    pub(super) fn of(
        settings: &Settings,
        issuer: Option<&Issuer>,
        followers: Followers,
        last_up: LastUp,
    ) -> Self {
        Self {
            file: settings.config_file.clone(),
            applied: settings.config_stamp.clone(),
            served: settings.config.clone(),
            followers,
            issuer: issuer.cloned(),
            folder: settings.folder.clone(),
            last_up,
            numbering: Numbering::Due,
        }
    }

    /// Settles what changed while nothing ran, before the first request; then
    /// follows the file, if there is one, until the process ends.
    pub(super) async fn begin(mut self) -> Option<JoinHandle<()>> {
        self.settle().await;
        let file = self.file.clone()?;
        Some(self.follow(file))
    }

    fn follow(mut self, file: PathBuf) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = tokio::time::interval(INTERVAL);
            let mut last = self.applied.clone();
            loop {
                ticks.tick().await;
                self.settle().await;
                self.followers.candidate.look();
                let present = last.again(&file);
                // Only what stood still for one tick: half a file may be valid
                // and lack the last route's conditions.
                let is_still = present == last;
                last = present.clone();
                if is_still && present != self.applied {
                    self.load(&file, present).await;
                }
            }
        })
    }

    async fn load(&mut self, file: &Path, stamp: Stamp) {
        let loaded = Config::load(file);
        if stamp.again(file) != stamp {
            // Saved while it was read: the next ticks see it again.
            return;
        }
        self.applied = stamp;
        match loaded {
            Ok(config) => self.apply(config, file).await,
            Err(problems) => {
                output::note(problems);
                warn(&format!("still serving the last good {}", file.display()));
            }
        }
    }

    async fn apply(&mut self, config: Config, file: &Path) {
        let count = config.routes.routes().len();
        let policies = match config.policies {
            0 => String::new(),
            policies => format!(" under {policies} policies"),
        };
        for setting in config.settings_that_differ(&self.served) {
            warn(&format!(
                "`{setting}` changed: it takes effect with a restart"
            ));
        }
        // First, and all or nothing: roles and routes go with these issuers.
        let followers = &mut self.followers;
        let prepared = followers.internal.prepare(&config);
        let applied = prepared.and_then(|keys| followers.verifiers.apply(&config).map(|()| keys));
        match applied {
            Ok(keys) => followers.internal.put(keys),
            Err(failure) => {
                warn(&format!(
                    "{}; still serving the last good {}",
                    failure.message,
                    file.display()
                ));
                return;
            }
        }
        self.followers.roles.store(Arc::new(config.roles.clone()));
        self.numbering = Numbering::Due;
        self.number().await;
        self.followers.routes.store(Arc::new(config.routes.clone()));
        output::note(format!(
            "  {} now serves {count} routes{policies}",
            file.display()
        ));
        self.followers.candidate.serve(config);
        self.settle().await;
    }

    /// Gives the permissions of the roles their numbers. Tried at every tick until
    /// it is done, and told once.
    async fn number(&mut self) {
        if self.numbering == Numbering::Done {
            return;
        }
        let Some(issuer) = &self.issuer else { return };
        let numbered = issuer.number_permissions().await;
        let is_news = self.numbering == Numbering::Due;
        self.numbering = match numbered {
            Ok(0) => Numbering::Done,
            Ok(without) => {
                warn(&format!(
                    "the list of permission numbers is full: {without} of the permissions that \
                     roles grant are said by their names, also where a token is then too large; \
                     wider permissions, or fewer, have room"
                ));
                Numbering::Done
            }
            Err(error) => {
                if is_news {
                    warn(&format!(
                        "{error}; tokens name new permissions by their names until this succeeds"
                    ));
                }
                Numbering::Late
            }
        };
    }

    /// Makes what the data folder remembers and the tokens that are out agree
    /// with the roles and the claims. Tried at every tick until it holds.
    async fn settle(&mut self) {
        self.number().await;
        let Some(issuer) = &self.issuer else { return };
        let now = given(&self.followers.roles.load());
        let LastUp {
            roles,
            claims,
            earlier_claims,
            ..
        } = &self.last_up;
        let (roles, earlier) = (roles.as_ref(), earlier_claims.as_ref());
        if roles == Some(&now) && earlier == Some(claims) {
            return;
        }
        let says_more = roles.is_none_or(|before| is_narrower(&now, before))
            || earlier.is_none_or(|before| says_otherwise(claims, before));
        if says_more && let Err(error) = issuer.admin().expire_access_tokens().await {
            warn(&format!("{error}; tokens that are out keep what they say"));
            return;
        }
        let last_up = LastUp {
            roles: Some(now),
            earlier_claims: Some(claims.clone()),
            ..self.last_up.clone()
        };
        match self.folder.write_json(&self.folder.last_up(), &last_up) {
            Ok(()) => self.last_up = last_up,
            Err(failure) => warn(&failure.message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, Given, is_narrower, says_otherwise};

    fn given(roles: &[(&str, &[&str])]) -> Given {
        let owned = |(role, permissions): &(&str, &[&str])| {
            let permissions = permissions.iter().map(ToString::to_string);
            ((*role).to_owned(), permissions.collect())
        };
        roles.iter().map(owned).collect()
    }

    #[test]
    fn rev_005_only_what_gives_less_is_narrower() {
        let before = given(&[("reader", &["a:read", "b:read"])]);
        let more = given(&[
            ("reader", &["a:read", "b:read", "c:read"]),
            ("new", &["x:y"]),
        ]);
        assert!(!is_narrower(&before, &before));
        assert!(!is_narrower(&more, &before));
        assert!(is_narrower(&given(&[("reader", &["a:read"])]), &before));
        assert!(
            is_narrower(&given(&[]), &before),
            "a role that is gone gives nothing"
        );
    }

    #[test]
    fn rev_005_a_claim_that_holds_another_attribute_or_none_says_otherwise() {
        let claims = |held: &[(&str, &str)]| -> Claims {
            let owned =
                |(claim, attribute): &(&str, &str)| ((*claim).to_owned(), (*attribute).to_owned());
            held.iter().map(owned).collect()
        };
        let before = claims(&[("team", "department"), ("level", "level")]);
        let more = claims(&[
            ("team", "department"),
            ("level", "level"),
            ("site", "office"),
        ]);
        assert!(!says_otherwise(&before, &before));
        assert!(!says_otherwise(&more, &before));
        assert!(says_otherwise(&before, &more), "one is gone");
        let other = claims(&[("team", "office"), ("level", "level")]);
        assert!(says_otherwise(&other, &before));
    }
}
