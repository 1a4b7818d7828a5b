//! From probes to verdicts: each case tried, what answered looked at again, and
//! nothing believed while the token may be dead.

use std::sync::atomic::Ordering;

use super::{Attack, Event, Listener, Session, Stop};
use crate::{
    calibration::{Calibration, Standing},
    case::{self, Case, Severity, Tier},
    evidence,
    likeness::Shown,
    login,
    plan::{Branch, Observation, Plan, Planner},
    probe::{Probe, Reading},
    report::End,
    verdict::{CaseResult, Finding, Verdict},
    weak_secret,
    wire::Outcome,
};

/// One run's cases, one after the other.
pub(super) struct Judge<'j, 'r, 'l> {
    pub(super) attack: &'r Attack,
    pub(super) session: &'j mut Session<'r>,
    pub(super) calibration: &'j Calibration,
    pub(super) listener: &'j mut Listener<'l>,
    /// Whether the target lets in what the staging key signs.
    pub(super) mint_works: bool,
    pub(super) memory: login::Memory,
}

const NOTHING_TO_SEND: &str = "there is nothing to send for this target";

/// How often the token is renewed without a case being judged in between.
const MOST_RENEWALS: u32 = 3;

/// What one probe came to.
enum Judged {
    Held,
    Noted(String),
    Found(Box<Finding>),
    Unclear(String),
}

impl Judge<'_, '_, '_> {
    pub(super) async fn all(&mut self, results: &mut Vec<CaseResult>) -> End {
        if self.calibration.is_open() {
            results.push(open_route(self.calibration));
            return End::Complete;
        }
        match self.try_mint().await {
            Ok(works) => self.mint_works = works,
            Err(stop) => return stop.into(),
        }
        let mut wanted: Vec<&'static Case> = case::all()
            .iter()
            .filter(|case| self.attack.is_wanted(case))
            .collect();
        wanted.sort_by_key(|case| login::turn(case.id));
        // Verdicts since the token was last seen alive are worth nothing when
        // it turns out to be dead.
        let (mut proven, mut renewals) = (0, 0);
        loop {
            let before = proven;
            let stop = match self.rest(&wanted, results, &mut proven).await {
                Ok(()) => return End::Complete,
                Err(stop) => stop,
            };
            renewals = if proven > before { 0 } else { renewals + 1 };
            match stop {
                Stop::Renewed if renewals < MOST_RENEWALS => results.truncate(proven),
                Stop::Budget(_) => return stop.into(),
                stop => {
                    for result in results.iter_mut().skip(proven) {
                        result.retract(&stop);
                    }
                    return stop.into();
                }
            }
        }
    }

    /// Judges what has no result yet, with the token of now, and sees at the
    /// end that it is alive.
    async fn rest(
        &mut self,
        wanted: &[&'static Case],
        results: &mut Vec<CaseResult>,
        proven: &mut usize,
    ) -> Result<(), Stop> {
        let token = self.session.token().to_owned();
        let planner = Planner::new(self.attack, &token, self.calibration);
        for case in &wanted[results.len()..] {
            (self.listener)(Event::Trying(case));
            let plan = planner.plan(case);
            let result = self.judged(case, plan, &planner).await?;
            (self.listener)(Event::Judged(&result, results.len() + 1, wanted.len()));
            results.push(result);
            if self.session.was_just_alive() {
                *proven = results.len();
            }
        }
        self.session.check_alive(self.calibration).await
    }

    /// A conversation on sessions of its own. The valid token is looked at
    /// first: what is pending must not hang on what the conversation does.
    async fn conversed(&mut self, case: &'static Case) -> Result<CaseResult, Stop> {
        let Some(login) = &self.attack.extras.login else {
            return Ok(CaseResult::untried(case, Verdict::Skipped, "needs a login"));
        };
        if !self.session.was_just_alive() {
            self.session.check_alive(self.calibration).await?;
        }
        let mut conversation = login::Conversation {
            session: &mut *self.session,
            calibration: self.calibration,
            login,
            target: &self.attack.target,
            memory: &mut self.memory,
        };
        login::try_case(&mut conversation, case).await
    }

    /// Whether a token that is right in everything, signed with the staging key,
    /// is let in.
    async fn try_mint(&mut self) -> Result<bool, Stop> {
        let mint = self.attack.extras.staging.as_ref();
        let Some(token) = mint.and_then(|mint| mint.genuine(self.attack.started.as_secs())) else {
            return Ok(false);
        };
        let request = self.attack.target.request(Some(&token));
        let outcome = self.session.send(&request, self.calibration).await?;
        self.session.take_traces();
        let standing = outcome
            .answer()
            .map(|answer| self.calibration.standing(answer));
        Ok(standing == Some(Standing::LetIn))
    }

    async fn judged(
        &mut self,
        case: &'static Case,
        plan: Plan,
        planner: &Planner<'_>,
    ) -> Result<CaseResult, Stop> {
        match plan {
            Plan::Probes(_) | Plan::Given(_) if case.tier == Tier::Three && !self.mint_works => {
                Ok(CaseResult::untried(
                    case,
                    Verdict::Inconclusive,
                    "a right token signed with the staging key is refused, so nothing that it signs \
                     proves anything",
                ))
            }
            Plan::Probes(probes) if probes.is_empty() => Ok(CaseResult::untried(
                case,
                Verdict::NotApplicable,
                NOTHING_TO_SEND,
            )),
            Plan::Probes(probes) => self.probed(case, probes).await,
            Plan::Given(branches) => self.given(case, branches, planner).await,
            Plan::Known(observations) => Ok(known(case, observations)),
            Plan::NotApplicable(why) => Ok(CaseResult::untried(case, Verdict::NotApplicable, why)),
            Plan::Skipped(why) => {
                let mut result = CaseResult::untried(case, Verdict::Skipped, why);
                result.unlocked_by = case.unlocked_by();
                Ok(result)
            }
            Plan::Crack => Ok(self.crack(case)),
            Plan::Converse => self.conversed(case).await,
        }
    }

    /// The probes of every branch whose premise holds; if none does, the last
    /// one says why there is nothing to learn.
    async fn given(
        &mut self,
        case: &'static Case,
        branches: Vec<Branch>,
        planner: &Planner<'_>,
    ) -> Result<CaseResult, Stop> {
        let before = self.session.sent();
        let (mut probes, mut otherwise) = (Vec::new(), None);
        for branch in branches {
            let premise = &branch.premise;
            let outcome = self.session.play(&premise.probe, self.calibration).await?;
            match premise.met(self.calibration, &outcome) {
                Some(answer) => probes.extend((branch.follow)(planner, answer)),
                None => {
                    let why = format!("{} ({})", premise.otherwise.1, outcome.shown());
                    otherwise = Some((premise.otherwise.0, why));
                }
            }
        }
        // What had to be so is nothing that a log should hold as refused.
        self.session.take_traces();
        let mut result = match (probes.is_empty(), otherwise) {
            (true, Some((verdict, why))) => CaseResult::untried(case, verdict, why),
            (true, None) => CaseResult::untried(case, Verdict::NotApplicable, NOTHING_TO_SEND),
            (false, _) => self.probed(case, probes).await?,
        };
        result.requests = self.session.sent() - before;
        Ok(result)
    }

    async fn probed(
        &mut self,
        case: &'static Case,
        probes: Vec<Probe>,
    ) -> Result<CaseResult, Stop> {
        let before = self.session.sent();
        let mut result = CaseResult::untried(case, Verdict::Safe, "");
        let mut unclear = None;
        let visits = self.visits();
        for probe in probes {
            match self.tried(case, &probe).await? {
                Judged::Held => {}
                Judged::Noted(note) => result.why = note,
                Judged::Unclear(why) => unclear = Some(why),
                Judged::Found(finding) => {
                    let is_proof = finding.verdict == Verdict::Vulnerable;
                    result.findings.push(*finding);
                    // One proof is enough; more of them only make noise.
                    if is_proof {
                        break;
                    }
                }
            }
        }
        if self.visits() > visits {
            result.findings.push(observed(
                case,
                Observation::new(
                    Verdict::Vulnerable,
                    "an address in the token was visited",
                    format!(
                        "the target made {} connections to where the token pointed",
                        self.visits() - visits
                    ),
                ),
            ));
        }
        result.verdict = verdict_of(&result.findings, unclear.is_some());
        if let (Some(why), Verdict::Inconclusive) = (unclear, result.verdict) {
            result.why = why;
        }
        result.requests = self.session.sent() - before;
        result.traces = self.session.take_traces();
        Ok(result)
    }

    /// How often somebody came to where forged tokens point.
    fn visits(&self) -> u32 {
        let listening = self.attack.extras.listening.as_ref();
        listening.map_or(0, |listening| listening.visits.load(Ordering::Relaxed))
    }

    /// Sends a probe; what looks like a success is sent again, and then its
    /// controls: nothing but all of them together is a proof.
    async fn tried(&mut self, case: &'static Case, probe: &Probe) -> Result<Judged, Stop> {
        let outcome = self.session.play(probe, self.calibration).await?;
        let trace = self.session.last_trace();
        match probe.read(self.calibration, &outcome) {
            Reading::Held => {
                outcome
                    .answer()
                    .inspect(|answer| self.calibration.remember(answer));
                Ok(Judged::Held)
            }
            Reading::Noted(note) => Ok(Judged::Noted(note)),
            Reading::Unclear(why) => Ok(Judged::Unclear(why)),
            first @ (Reading::Fault(_) | Reading::Odd(_) | Reading::Lax(_)) => {
                outcome
                    .answer()
                    .inspect(|answer| self.calibration.remember(answer));
                let again = self.session.play(probe, self.calibration).await?;
                let second = probe.read(self.calibration, &again);
                if std::mem::discriminant(&first) != std::mem::discriminant(&second) {
                    return Ok(Judged::Unclear(format!(
                        "{}: {} and then {}",
                        probe.what,
                        outcome.shown(),
                        again.shown()
                    )));
                }
                if let Err(why) = self.session.control(self.calibration).await? {
                    return Ok(Judged::Unclear(why));
                }
                let mut finding = self.finding(case, probe, &outcome, first);
                finding.trace = Some(trace);
                Ok(Judged::Found(Box::new(finding)))
            }
        }
    }

    fn finding(&self, case: &Case, probe: &Probe, outcome: &Outcome, reading: Reading) -> Finding {
        let (verdict, severity, why) = match reading {
            Reading::Fault(why) => (Verdict::Vulnerable, case.severity, why),
            Reading::Lax(why) => (Verdict::Suspect, Severity::Info, why),
            Reading::Odd(why) | Reading::Unclear(why) => {
                (Verdict::Suspect, case.severity.min(Severity::Medium), why)
            }
            Reading::Held | Reading::Noted(_) => (Verdict::Safe, Severity::Info, String::new()),
        };
        let excerpt = outcome
            .answer()
            .filter(|answer| !self.calibration.shows_content(answer) && !answer.is_success())
            .map(|answer| answer.text().chars().take(200).collect());
        Finding {
            verdict,
            severity,
            what: probe.what.clone(),
            why,
            request: evidence::shown(probe),
            probe: outcome.answer().map_or_else(
                || Shown {
                    status: 0,
                    kind: outcome.shown(),
                    length: 0,
                },
                Shown::from,
            ),
            excerpt,
            curl: evidence::curl(&self.attack.target, probe),
            forged: probe.token.clone().filter(|_| probe.is_forged),
            trace: None,
        }
    }

    fn crack(&mut self, case: &'static Case) -> CaseResult {
        let search = weak_secret::Search {
            token: &self.attack.token,
            words: &self.attack.extras.words,
            cores: self.attack.extras.cores.max(1),
            time: self
                .attack
                .extras
                .crack_for
                .unwrap_or(weak_secret::USUAL_TIME),
        };
        let listener = &mut *self.listener;
        match search.run(&mut |tried| listener(Event::Searching(tried))) {
            weak_secret::Found::Secret(how) => known(
                case,
                vec![Observation::new(
                    Verdict::Vulnerable,
                    "the secret was found offline",
                    format!("{how}; whoever knows it signs what they like"),
                )],
            ),
            weak_secret::Found::Nothing { tried, is_whole } => {
                let mut result = CaseResult::untried(case, Verdict::Safe, "");
                result.why = match is_whole {
                    true => format!("{tried} secrets tried"),
                    false => format!("{tried} secrets tried, then the time was over"),
                };
                result
            }
        }
    }
}

fn verdict_of(findings: &[Finding], is_unclear: bool) -> Verdict {
    if findings
        .iter()
        .any(|finding| finding.verdict == Verdict::Vulnerable)
    {
        Verdict::Vulnerable
    } else if !findings.is_empty() {
        Verdict::Suspect
    } else if is_unclear {
        Verdict::Inconclusive
    } else {
        Verdict::Safe
    }
}

/// A route that answers everybody: one finding, and nothing else to learn.
fn open_route(calibration: &Calibration) -> CaseResult {
    let case = case::find("AUZ-001").expect("INVARIANT: the catalogue holds AUZ-001");
    let why = format!(
        "without a token the answer is the same as with one ({})",
        calibration.none.shown.status
    );
    known(
        case,
        vec![Observation::new(
            Verdict::Vulnerable,
            "the route is not protected",
            why,
        )],
    )
}

fn known(case: &'static Case, observations: Vec<Observation>) -> CaseResult {
    let mut result = CaseResult::untried(case, Verdict::Safe, "");
    let findings = observations.into_iter().map(|seen| observed(case, seen));
    result.findings.extend(findings);
    result.verdict = verdict_of(&result.findings, false);
    result
}

/// A finding that no request of its own stands behind.
fn observed(case: &Case, seen: Observation) -> Finding {
    let severity = match seen.verdict {
        Verdict::Suspect => case.severity.min(Severity::Medium),
        _ => case.severity,
    };
    Finding {
        verdict: seen.verdict,
        severity,
        what: seen.what,
        why: seen.why,
        request: String::new(),
        probe: Shown {
            status: 0,
            kind: "seen, not provoked".to_owned(),
            length: 0,
        },
        excerpt: None,
        curl: String::new(),
        forged: None,
        trace: None,
    }
}

impl CaseResult {
    /// The token was dead by then: what was refused may have been refused for
    /// that reason alone.
    fn retract(&mut self, stop: &Stop) {
        if self.verdict == Verdict::Safe && self.requests > 0 {
            self.verdict = Verdict::Inconclusive;
            self.why = stop.to_string();
        }
    }
}
