//! What another configuration would say to the requests that arrive: a
//! *candidate*, judged beside the routes that are served.
//!
//! Nothing that it says reaches a caller. It judges by the functions that serve,
//! with a record of its own, and what would count against somebody (rates, the
//! replay of proofs, the exchange of API keys) is left alone; how it judges is in
//! `judge::candidate`. Here is what came of it: every difference, a [`Flip`],
//! counted by the routes and the reasons on both sides, with one request as an
//! example and neither token nor body.
//!
//! A candidate is compared with the routes that it was put beside, and with no
//! others: once they are replaced it rests, until somebody puts one beside the
//! new ones. So no flip is an edit of the served configuration in disguise.

mod report;
mod trial;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwapOption;
use doorward_policy::{role::Roles, route::RouteTable};
use doorward_verify::clock::Timestamp;

pub use report::{Change, Counts, Example, Flip, Report, Requests};
pub(crate) use trial::{Said, Trial};

/// Another configuration, as far as requests can be judged by it.
#[derive(Debug)]
pub struct Candidate {
    /// Its routes, under its policies.
    pub routes: RouteTable,
    /// Its roles.
    pub roles: Roles,
    /// The roles that are served. Where a role gives something else in
    /// [`Self::roles`], the tokens that name it are judged as if they had been
    /// issued under those.
    pub served_roles: Roles,
}

/// The place of a gateway's candidate, empty at first.
#[derive(Debug, Default)]
pub(crate) struct Shadow {
    /// All that is looked at while there is none.
    is_on: AtomicBool,
    trial: ArcSwapOption<Trial>,
}

impl Shadow {
    /// Judges by `candidate` from the next request on that `served` decides.
    pub(crate) fn begin(&self, candidate: Candidate, served: Arc<RouteTable>, now: Timestamp) {
        let trial = Trial::new(candidate, served, now);
        self.trial.store(Some(Arc::new(trial)));
        self.is_on.store(true, Ordering::Relaxed);
    }

    pub(crate) fn end(&self) {
        self.is_on.store(false, Ordering::Relaxed);
        self.trial.store(None);
    }

    pub(crate) fn report(&self) -> Option<Report> {
        Some(self.trial.load_full()?.report())
    }

    pub(crate) fn counts(&self) -> Option<Counts> {
        Some(self.trial.load_full()?.counts())
    }

    /// The candidate beside `served`, if there is one.
    #[inline]
    pub(crate) fn beside(&self, served: &Arc<RouteTable>) -> Option<Arc<Trial>> {
        if !self.is_on.load(Ordering::Relaxed) {
            return None;
        }
        let trial = self.trial.load_full()?;
        Arc::ptr_eq(&trial.served, served).then_some(trial)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_candidate_rests_when_what_it_stands_beside_is_replaced() {
        let shadow = Shadow::default();
        let served = Arc::new(RouteTable::default());
        assert!(shadow.beside(&served).is_none() && shadow.report().is_none());
        let candidate = Candidate {
            routes: RouteTable::default(),
            roles: Roles::default(),
            served_roles: Roles::default(),
        };
        let now = Timestamp::from_millis(1);
        shadow.begin(candidate, Arc::clone(&served), now);
        assert!(shadow.beside(&served).is_some());
        assert!(shadow.beside(&Arc::new(RouteTable::default())).is_none());
        shadow.end();
        assert!(shadow.beside(&served).is_none() && shadow.report().is_none());
    }
}
