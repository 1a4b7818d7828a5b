//! The conversation with the target: within budget, at the right pace, and
//! with a token that is known to be alive.

use std::{
    future::Future,
    net::IpAddr,
    pin::{Pin, pin},
    task::Poll,
    time::{Duration, Instant},
};

use super::{Attack, pace::Pace};
use crate::{
    calibration::{Calibration, Standing},
    forge, login,
    probe::Probe,
    proof::{Facts, Flaw},
    report::End,
    verdict::Trace,
    wire::{Answer, Network, Outcome, Request},
};

/// Why a run ends before its time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// What was found out is worth nothing.
    #[error("{0}")]
    Void(String),
    /// A limit was reached.
    #[error("{0}")]
    Budget(String),
    /// The token died, and there is another one: what was sent since the old
    /// one was last seen alive is to be sent again.
    #[error("the token was renewed")]
    Renewed,
}

impl From<Stop> for End {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Void(why) => Self::Void(why),
            Stop::Budget(why) => Self::Budget(why),
            renewed @ Stop::Renewed => Self::Void(renewed.to_string()),
        }
    }
}

/// How many probes are sent between two looks at the valid token.
const PROBES_BETWEEN: u32 = 10;

/// How long a target may ask to be left alone.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

pub(crate) struct Session<'r> {
    attack: &'r Attack,
    network: &'r Network,
    token: String,
    pace: Pace,
    begun: Instant,
    sent: u32,
    since_alive: u32,
    traces: Vec<Trace>,
    /// What is wrong with the proof of the next probe.
    flaw: Option<Flaw>,
    /// What the target wants to see in the next proof.
    nonce: Option<String>,
}

impl<'r> Session<'r> {
    pub(super) fn new(attack: &'r Attack, network: &'r Network) -> Self {
        Self {
            attack,
            network,
            token: attack.token.clone(),
            pace: Pace::new(attack.limits.rate),
            begun: Instant::now(),
            sent: 0,
            since_alive: 0,
            traces: Vec::new(),
            flaw: None,
            nonce: None,
        }
    }

    /// The valid token: the one that was given, until it died.
    pub(super) fn token(&self) -> &str {
        &self.token
    }

    /// The address that is spoken to.
    pub(super) const fn address(&self) -> IpAddr {
        self.network.address()
    }

    /// Requests so far.
    pub(crate) const fn sent(&self) -> u32 {
        self.sent
    }

    /// Whether the last thing that was sent was the valid token, and let in.
    pub(super) const fn was_just_alive(&self) -> bool {
        self.since_alive == 0
    }

    /// The traces of the probes since the last call.
    pub(super) fn take_traces(&mut self) -> Vec<Trace> {
        std::mem::take(&mut self.traces)
    }

    /// The trace of the last probe.
    pub(super) fn last_trace(&self) -> Trace {
        self.traces.last().cloned().unwrap_or_else(|| Trace {
            sent: String::new(),
            answered: None,
        })
    }

    /// The valid token, none, garbage and a damaged one, twice each.
    pub(super) async fn calibrate(&mut self) -> Result<Calibration, Stop> {
        let token = self.token.clone();
        if self.attack.extras.prover.is_some() {
            // The first proof may only bring the nonce for the next ones.
            let request = self.attack.target.request(Some(&token));
            self.exchange(&request, Flaw::Sound).await?;
        }
        let damaged = forge::damaged(&token);
        let tokens = [
            Some(token.as_str()),
            None,
            Some("doorward-attack"),
            Some(damaged.as_str()),
        ];
        let mut sent = Vec::new();
        for token in tokens {
            let request = self.attack.target.request(token);
            let pair = [
                self.answered(&request).await?,
                self.answered(&request).await?,
            ];
            sent.push(pair);
        }
        let sent = sent
            .try_into()
            .map_err(|_| Stop::Void("not calibrated".to_owned()))?;
        Calibration::of(sent).map_err(Stop::Void)
    }

    async fn answered(&mut self, request: &Request) -> Result<Answer, Stop> {
        match self.exchange(request, Flaw::Sound).await? {
            (Outcome::Answered(answer), _) => Ok(answer),
            (outcome, _) => Err(Stop::Void(format!(
                "{} cannot be calibrated: {}",
                self.attack.target.shown(),
                outcome.shown()
            ))),
        }
    }

    /// Sends all that a probe consists of; the last outcome counts, and so does
    /// its trace alone: what comes before may well be fine.
    pub(super) async fn play(
        &mut self,
        probe: &Probe,
        calibration: &Calibration,
    ) -> Result<Outcome, Stop> {
        if probe.flaw == Some(Flaw::Replayed) {
            return self.replay(&probe.request, calibration).await;
        }
        self.flaw = probe.flaw;
        let mut outcome = self.send(&probe.request, calibration).await?;
        for (number, request) in probe.then.iter().enumerate() {
            self.traces.pop();
            if let (Some(pause), true) = (probe.pause, number + 1 == probe.then.len()) {
                tokio::time::sleep(pause).await;
            }
            self.flaw = probe.flaw;
            outcome = self.send(request, calibration).await?;
        }
        Ok(outcome)
    }

    /// The same bytes twice, with the same right proof.
    async fn replay(
        &mut self,
        request: &Request,
        calibration: &Calibration,
    ) -> Result<Outcome, Stop> {
        let proven = self.proven(request, Flaw::Replayed);
        self.send(&proven, calibration).await?;
        self.traces.pop();
        self.send(&proven, calibration).await
    }

    /// Sends a probe's request. Every so many of them the valid token is tried
    /// first.
    pub(super) async fn send(
        &mut self,
        request: &Request,
        calibration: &Calibration,
    ) -> Result<Outcome, Stop> {
        let flaw = self.flaw.take().unwrap_or(Flaw::Sound);
        if self.since_alive >= PROBES_BETWEEN {
            self.check_alive(calibration).await?;
        }
        self.since_alive += 1;
        let (outcome, trace) = self.exchange(request, flaw).await?;
        self.traces.push(trace);
        Ok(outcome)
    }

    /// The request with the proofs that its token asks for.
    fn proven(&self, request: &Request, flaw: Flaw) -> Request {
        let has = |wanted: &str| {
            let mut fields = request.headers.iter();
            fields
                .find(|(name, _)| name == wanted)
                .map(|(_, value)| value)
        };
        let (Some(prover), Some(credential), None) = (
            &self.attack.extras.prover,
            has("Authorization"),
            has("DPoP"),
        ) else {
            return request.clone();
        };
        let credential = String::from_utf8_lossy(credential);
        let token = credential.split_once(' ').map_or("", |(_, token)| token);
        let target = String::from_utf8_lossy(&request.target);
        let path = target.split('?').next().unwrap_or_default();
        let facts = Facts {
            method: &request.method,
            uri: &format!("{}{path}", self.attack.target.origin()),
            token,
            now: self.attack.started.as_secs() + self.begun.elapsed().as_secs(),
            id: &self.trace_id(),
            nonce: self.nonce.as_deref(),
        };
        let fields = prover.fields(flaw, &facts);
        fields.into_iter().fold(request.clone(), |request, proof| {
            request.with("DPoP", proof)
        })
    }

    /// Asks whether the valid token is still let in.
    pub(crate) async fn check_alive(&mut self, calibration: &Calibration) -> Result<(), Stop> {
        let request = self.attack.target.request(Some(&self.token));
        let mut last = String::new();
        for _ in 0..2 {
            let (outcome, _) = self.exchange(&request, Flaw::Sound).await?;
            let standing = outcome.answer().map(|answer| calibration.standing(answer));
            if standing == Some(Standing::LetIn) {
                self.since_alive = 0;
                return Ok(());
            }
            last = outcome.shown();
        }
        let dead = format!(
            "the valid token is no longer let in ({last}): it expired or was revoked, or the \
             target is down"
        );
        self.renew(calibration, dead).await
    }

    /// Signs in again, where somebody said how. Never returns in peace: either
    /// the run ends, or what is pending has to be done again.
    async fn renew(&mut self, calibration: &Calibration, dead: String) -> Result<(), Stop> {
        let attack = self.attack;
        let Some(login) = &attack.extras.login else {
            return Err(Stop::Void(dead));
        };
        let token = match login::renewed(self, login, &attack.target).await? {
            Ok(token) => token,
            Err(why) => return Err(Stop::Void(format!("{dead}; and no other was got: {why}"))),
        };
        let (outcome, _) = self
            .exchange(&attack.target.request(Some(&token)), Flaw::Sound)
            .await?;
        let standing = outcome.answer().map(|answer| calibration.standing(answer));
        if standing != Some(Standing::LetIn) {
            let shown = outcome.shown();
            return Err(Stop::Void(format!("{dead}; nor is a fresh one ({shown})")));
        }
        self.token = token;
        self.since_alive = 0;
        Err(Stop::Renewed)
    }

    /// The controls of a success: the valid token is let in, and neither none
    /// nor a damaged one is, unless the calibration said so. The inner error
    /// says why nothing can be concluded.
    pub(crate) async fn control(
        &mut self,
        calibration: &Calibration,
    ) -> Result<Result<(), String>, Stop> {
        self.check_alive(calibration).await?;
        let damaged = forge::damaged(&self.token);
        for (what, token, is_expected) in [
            ("no token", None, false),
            (
                "a damaged token",
                Some(damaged.as_str()),
                calibration.takes_damaged(),
            ),
        ] {
            let request = self.attack.target.request(token);
            let (outcome, _) = self.exchange(&request, Flaw::Sound).await?;
            let standing = outcome.answer().map(|answer| calibration.standing(answer));
            if standing == Some(Standing::LetIn) && !is_expected {
                return Ok(Err(format!("the control failed: {what} was let in too")));
            }
        }
        Ok(Ok(()))
    }

    /// One exchange within budget; a target that is busy is given time.
    pub(crate) async fn exchange(
        &mut self,
        request: &Request,
        flaw: Flaw,
    ) -> Result<(Outcome, Trace), Stop> {
        let mut tries = 0;
        loop {
            let (traced, mut trace) = self.next(request, flaw).await?;
            let outcome = self.network.send(&traced).await;
            if let Some(answer) = outcome.answer() {
                trace.answered = answer.header("x-request-id").map(str::to_owned);
                let nonce = answer.header("dpop-nonce").map(str::to_owned);
                self.nonce = nonce.or(self.nonce.take());
            }
            tries += 1;
            let pause = match &outcome {
                Outcome::Answered(answer) if answer.status == 429 => pause_of(answer),
                Outcome::Unreachable(_) => Duration::from_millis(200),
                _ => return Ok((outcome, trace)),
            };
            match outcome {
                Outcome::Unreachable(why) if tries == 3 => {
                    return Err(Stop::Void(format!(
                        "{} cannot be reached: {why}",
                        self.attack.target.origin()
                    )));
                }
                outcome if tries == 3 => return Ok((outcome, trace)),
                _ => tokio::time::sleep(pause).await,
            }
        }
    }

    /// One exchange within budget, from `source`, and whatever comes of it.
    pub(crate) async fn once(
        &mut self,
        request: &Request,
        source: Option<IpAddr>,
    ) -> Result<Outcome, Stop> {
        let (traced, _) = self.next(request, Flaw::Sound).await?;
        Ok(self.network.send_from(&traced, source).await)
    }

    /// The same request `count` times at once; where there is a rate, no more
    /// than a second's worth.
    pub(crate) async fn at_once(
        &mut self,
        request: &Request,
        count: usize,
        source: Option<IpAddr>,
    ) -> Result<Vec<Outcome>, Stop> {
        let rate = usize::try_from(self.attack.limits.rate).unwrap_or(usize::MAX);
        let count = if rate == 0 { count } else { count.min(rate) };
        let mut traced = Vec::new();
        for _ in 0..count {
            traced.push(self.next(request, Flaw::Sound).await?.0);
        }
        let network = self.network;
        let sent = traced
            .iter()
            .map(|request| network.send_from(request, source));
        Ok(all(sent).await)
    }

    /// The request as it is sent next, in its time and with its trace.
    async fn next(&mut self, request: &Request, flaw: Flaw) -> Result<(Request, Trace), Stop> {
        self.within_budget()?;
        self.pace.wait().await;
        self.sent += 1;
        let trace = Trace {
            sent: self.trace_id(),
            answered: None,
        };
        let parent = format!("00-{}-{:016x}-01", trace.sent, u64::from(self.sent));
        let proven = self.proven(request, flaw);
        let traced = match request.headers.is_empty() {
            true => proven,
            false => proven.with("traceparent", parent),
        };
        Ok((traced, trace))
    }

    fn within_budget(&self) -> Result<(), Stop> {
        let limits = self.attack.limits;
        if self.sent >= limits.requests {
            return Err(Stop::Budget(format!(
                "{} requests were sent, and no more are allowed (--max-requests)",
                self.sent
            )));
        }
        if self.begun.elapsed() >= limits.time {
            return Err(Stop::Budget(format!(
                "{} s are over, and no more are allowed (--max-seconds)",
                limits.time.as_secs()
            )));
        }
        Ok(())
    }

    /// Half the run, half the request, so that no two are the same.
    fn trace_id(&self) -> String {
        let run: String = self
            .attack
            .run_id
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("{run}{:016x}", u64::from(self.sent))
    }
}

/// Every future's outcome, all of them under way together.
async fn all<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<Option<Pin<Box<F>>>> = futures.map(|one| Some(Box::pin(one))).collect();
    let mut done: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    let each = std::future::poll_fn(|context| {
        for (slot, outcome) in pending.iter_mut().zip(&mut done) {
            let polled = slot.as_mut().map(|one| one.as_mut().poll(context));
            if let Some(Poll::Ready(value)) = polled {
                (*slot, *outcome) = (None, Some(value));
            }
        }
        match pending.iter().all(Option::is_none) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    });
    pin!(each).await;
    done.into_iter().flatten().collect()
}

/// What the target asks for, within reason.
fn pause_of(answer: &Answer) -> Duration {
    let seconds = answer
        .header("retry-after")
        .and_then(|text| text.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1)).min(LONGEST_PAUSE)
}
