//! The configuration that `[shadow]` names, followed while it judges beside the
//! one that is served.
//!
//! Nothing of it is served, so nothing that is wrong with it stops anything: it
//! is told like what is wrong with a configuration, and the last good one goes on
//! judging. Where the served one is replaced, counting begins anew.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use doorward_gateway::{Gateway, shadow};
use doorward_verify::clock::Clock as _;

use super::{Role, Settings, follow::warn, reload::Stamp};
use crate::{
    admin_listener::shadow::Shadow,
    config::{Config, ConfigProblems, Problem},
    output,
    system::SystemClock,
};

/// Follows the candidate of a gateway.
pub(super) struct Candidate {
    gateway: Gateway,
    served: Config,
    /// Where the role of this process has no gateway, nothing is followed.
    is_gateway: bool,
    followed: Option<Followed>,
    told: Arc<ArcSwap<Told>>,
}

/// The file, and what was made of it.
struct Followed {
    file: PathBuf,
    seen: Stamp,
    /// What was read last, whether it was good or not.
    read: Option<Stamp>,
    good: Option<Config>,
    /// What is wrong with it since.
    problems: Vec<Problem>,
}

/// What the operator hears of it, besides what the gateway counted.
#[derive(Debug, Default)]
struct Told {
    candidate: Option<String>,
    problems: Vec<Problem>,
    not_compared: Vec<String>,
}

impl Candidate {
    /// The one that `settings` name, beside what they serve.
    pub(super) fn of(settings: &Settings, gateway: Gateway) -> Self {
        let mut candidate = Self {
            gateway,
            served: Config::default(),
            is_gateway: settings.role != Role::Issuer,
            followed: None,
            told: Arc::default(),
        };
        candidate.serve(settings.config.clone());
        candidate
    }

    /// What the admin listener shows.
    pub(super) fn shown(&self) -> Box<dyn Fn() -> Shadow + Send + Sync> {
        let (gateway, told) = (self.gateway.clone(), Arc::clone(&self.told));
        Box::new(move || {
            let told = told.load();
            Shadow {
                candidate: told.candidate.clone(),
                problems: told.problems.clone(),
                not_compared: told.not_compared.clone(),
                report: gateway.shadow(),
            }
        })
    }

    /// `served` is served from now on.
    pub(super) fn serve(&mut self, served: Config) {
        self.served = served;
        let file = self.served.shadow.clone().filter(|_| self.is_gateway);
        if file.as_deref() != self.followed.as_ref().map(|it| it.file.as_path()) {
            self.gateway.end_shadow();
            self.followed = file.map(|file| Followed {
                seen: Stamp::of_configuration(&file),
                read: None,
                good: None,
                problems: Vec::new(),
                file,
            });
        }
        self.begin();
        self.look();
    }

    /// Takes what is in the file, once it stands still.
    pub(super) fn look(&mut self) {
        let Some(followed) = &mut self.followed else {
            return;
        };
        let present = followed.seen.again(&followed.file);
        let is_still = present == followed.seen;
        followed.seen = present.clone();
        if !is_still || followed.read.as_ref() == Some(&present) {
            return;
        }
        let loaded = present.is_there().then(|| Config::load(&followed.file));
        if present.again(&followed.file) != present {
            // Saved while it was read: the next look sees it again.
            return;
        }
        followed.read = Some(present);
        followed.problems = Vec::new();
        match loaded {
            None => followed.good = None,
            Some(Ok(config)) => followed.good = Some(config),
            Some(Err(problems)) => {
                followed.problems = problems.problems().to_vec();
                refuse(&problems, followed);
                return self.tell();
            }
        }
        announce(followed);
        self.begin();
    }

    /// Judges by the last good content from now on, if there is one.
    fn begin(&self) {
        let good = self.followed.as_ref().and_then(|it| it.good.as_ref());
        match good {
            Some(config) => self.gateway.begin_shadow(
                shadow::Candidate {
                    routes: config.routes.clone(),
                    roles: config.roles.clone(),
                    served_roles: self.served.roles.clone(),
                },
                SystemClock.now(),
            ),
            None => self.gateway.end_shadow(),
        }
        self.tell();
    }

    fn tell(&self) {
        let Some(followed) = &self.followed else {
            return self.told.store(Arc::default());
        };
        let differ = followed.good.as_ref();
        let differ = differ.map(|good| good.what_a_candidate_leaves_out(&self.served));
        let differ = differ.unwrap_or_default().into_iter();
        self.told.store(Arc::new(Told {
            candidate: Some(followed.file.display().to_string()),
            problems: followed.problems.clone(),
            not_compared: differ.map(str::to_owned).collect(),
        }));
    }
}

fn refuse(problems: &ConfigProblems, Followed { file, good, .. }: &Followed) {
    output::note(problems);
    let file = file.display();
    warn(&match good {
        Some(_) => format!("still judging by the last good {file}, without effect"),
        None => format!("nothing is judged by {file} until it is correct"),
    });
}

fn announce(Followed { file, good, .. }: &Followed) {
    let file = file.display();
    output::note(match good {
        Some(config) => format!(
            "  {file} judges too, without effect ({} routes): `doorward shadow`",
            config.routes.routes().len()
        ),
        None => format!("  {file} is not there: nothing is judged by it"),
    });
}
