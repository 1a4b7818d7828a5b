//! A run: calibrate, probe, judge, repeat, and stop when told to.

mod extras;
mod judge;
mod pace;
mod session;

use std::time::Instant;

use doorward_jose::time::UnixTime;

use self::judge::Judge;
pub(crate) use self::session::Session;
pub use self::{
    extras::{ApiKeys, Extras, Listening, Operation, SecondCaller},
    pace::Limits,
    session::Stop,
};
use crate::{
    calibration::Calibration,
    case::{self, Case},
    evidence, login,
    plan::{Plan, Planner},
    report::Report,
    target::Target,
    verdict::CaseResult,
    wire::Network,
};

/// Everything that a run needs.
#[derive(Clone, Debug)]
pub struct Attack {
    /// The route.
    pub target: Target,
    /// A valid token for it.
    pub token: String,
    /// What else there is.
    pub extras: Extras,
    /// When to stop.
    pub limits: Limits,
    /// Only these cases; empty for all.
    pub only: Vec<String>,
    /// Random; names the run.
    pub run_id: [u8; 16],
    /// When it began.
    pub started: UnixTime,
}

/// What is going on.
#[derive(Debug)]
pub enum Event<'r> {
    /// The target behaves as expected; probing begins.
    Calibrated(&'r Calibration),
    /// A case is being tried.
    Trying(&'static Case),
    /// A case has its verdict; how many of how many are done.
    Judged(&'r CaseResult, usize, usize),
    /// The search for the secret has tried so many.
    Searching(u64),
}

/// Where events go.
pub type Listener<'l> = dyn FnMut(Event<'_>) + Send + 'l;

impl Attack {
    /// Carries it out. The report says how it ended; nothing is an error here.
    pub async fn run(&self, network: &Network, listener: &mut Listener<'_>) -> Report {
        let begun = Instant::now();
        let mut session = Session::new(self, network);
        let mut report = Report::begin(self);
        match session.calibrate().await {
            Err(stop) => report.end = stop.into(),
            Ok(calibration) => {
                listener(Event::Calibrated(&calibration));
                report.calibration = calibration.shown().to_vec();
                let mut judge = Judge {
                    memory: login::Memory::new(
                        self.extras.login.as_ref(),
                        self.run_id,
                        Some(session.address()),
                    ),
                    attack: self,
                    session: &mut session,
                    calibration: &calibration,
                    listener,
                    mint_works: false,
                };
                report.end = judge.all(&mut report.cases).await;
            }
        }
        report.complete(self);
        report.requests = session.sent();
        report.milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        report
    }

    /// Every request that a run would send if the target held, without sending
    /// one: case, variant, and the request with its token masked.
    pub fn rehearse(&self) -> Vec<(&'static Case, String, String)> {
        let calibration = Calibration::imagined();
        let planner = Planner::new(self, &self.token, &calibration);
        let mut requests = Vec::new();
        for case in case::all().iter().filter(|case| self.is_wanted(case)) {
            let plan = planner.plan(case);
            if let (Plan::Converse, Some(login)) = (&plan, &self.extras.login) {
                let steps = login::rehearse(login, case).into_iter();
                requests.extend(steps.map(|(what, shown)| (case, what, shown)));
            }
            for probe in plan.imagined(&planner) {
                let shown = evidence::shown(&probe);
                requests.push((case, probe.what, shown));
            }
        }
        requests
    }

    pub(crate) fn is_wanted(&self, case: &Case) -> bool {
        self.only.is_empty() || self.only.iter().any(|id| id == case.id)
    }
}
