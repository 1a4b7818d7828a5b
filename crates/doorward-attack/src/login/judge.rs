//! From a conversation to a verdict: played once, and what looks like a
//! success once more.

use std::net::{IpAddr, Ipv4Addr};

use super::{
    Leave, Login, Step, choice,
    conversation::{Conversation, Halt},
    endings, enumeration, guessing, passwords, reset, rotation, sign_up, timing,
};
use crate::{
    case::{Case, Severity},
    likeness::Shown,
    run::Stop,
    verdict::{CaseResult, Finding, Verdict},
    wire::Answer,
};

/// What a conversation came to.
pub(crate) enum Came {
    /// The target held; says what is worth saying, if anything.
    Held(String),
    /// It did not.
    Found(Found),
}

impl Came {
    pub(crate) const HELD: Self = Self::Held(String::new());
}

/// Something that is wrong.
pub(crate) struct Found {
    verdict: Verdict,
    severity: Option<Severity>,
    what: String,
    why: String,
    step: Step,
    answer: Option<Answer>,
}

impl Found {
    /// Proven, by the answer of this endpoint.
    pub(crate) fn proof(step: Step, what: impl Into<String>, why: impl Into<String>) -> Came {
        Came::Found(Self {
            verdict: Verdict::Vulnerable,
            severity: None,
            what: what.into(),
            why: why.into(),
            step,
            answer: None,
        })
    }

    /// Wrong, though nobody gets in by it.
    pub(crate) fn suspicion(step: Step, what: impl Into<String>, why: impl Into<String>) -> Came {
        match Self::proof(step, what, why) {
            Came::Found(found) => Came::Found(Self {
                verdict: Verdict::Suspect,
                severity: Some(Severity::Medium),
                ..found
            }),
            held @ Came::Held(_) => held,
        }
    }
}

impl Came {
    /// With the answer that shows it.
    pub(crate) fn seen_in(self, answer: &Answer) -> Self {
        match self {
            Self::Found(found) => Self::Found(Found {
                answer: Some(answer.clone()),
                ..found
            }),
            held @ Self::Held(_) => held,
        }
    }
}

/// What the cases remember of each other: whom and from where they have
/// guessed, so that one does not count for the next.
#[derive(Debug)]
pub(crate) struct Memory {
    run: String,
    words: u32,
    victims: usize,
    sources: Vec<IpAddr>,
    source: usize,
    /// After how many wrong passwords an account was slowed.
    pub(crate) limit: Option<Option<usize>>,
}

/// Addresses of this machine that everybody who speaks to it has: 127.0.0.2
/// and so on.
const LOOPBACK_SOURCES: u8 = 60;

impl Memory {
    pub(crate) fn new(login: Option<&Login>, run_id: [u8; 16], target: Option<IpAddr>) -> Self {
        let named = login
            .map(|login| login.addresses.clone())
            .unwrap_or_default();
        let is_loopback = matches!(target, Some(IpAddr::V4(v4)) if v4.is_loopback());
        let sources = match named.is_empty() && is_loopback && cfg!(target_os = "linux") {
            true => (2..2 + LOOPBACK_SOURCES)
                .map(|last| IpAddr::from(Ipv4Addr::new(127, 0, 0, last)))
                .collect(),
            false => named,
        };
        Self {
            run: run_id
                .iter()
                .take(4)
                .map(|byte| format!("{byte:02x}"))
                .collect(),
            words: 0,
            victims: 0,
            sources,
            source: 0,
            limit: None,
        }
    }

    pub(super) fn word(&mut self, length: usize) -> String {
        self.words += 1;
        let mut word = format!("dwa{}{}", self.run, letters(self.words));
        while word.len() < length {
            word.push('x');
        }
        word
    }

    /// An address that nothing was guessed from; the usual one if there is no
    /// other.
    pub(super) fn fresh_source(&mut self) -> Option<IpAddr> {
        let source = self.sources.get(self.source).copied();
        self.source += 1;
        source
    }

    /// Number of the next account to be guessed at.
    pub(super) fn next_victim(&mut self) -> usize {
        self.victims += 1;
        self.victims - 1
    }
}

/// Numbers without digits: words of a name stay words.
fn letters(mut number: u32) -> String {
    let mut text = String::new();
    while number > 0 {
        let letter = u8::try_from(number % 26).unwrap_or_default();
        text.push(char::from(b'a' + letter));
        number /= 26;
    }
    text
}

/// When a case has its turn: what ends sessions comes after what needs them,
/// and what may lock somebody out comes last.
pub(crate) fn turn(id: &str) -> u8 {
    match id {
        "REV-003" | "REV-004" | "ISS-022" => 1,
        "BRU-007" | "BRU-008" => 2,
        "BRU-010" | "BRU-012" | "BRU-013" | "BRU-014" => 3,
        "BRU-001" | "BRU-002" | "BRU-003" | "BRU-006" | "BRU-009" => 4,
        "BRU-005" => 5,
        _ => 0,
    }
}

/// What a case asks for: endpoints, and leave.
pub(crate) fn needs(id: &str) -> (&'static [Step], &'static [Leave]) {
    use Leave::{ChangePassword, Guess, SendMail};
    use Step::{
        Mailbox, Refresh, Reset, ResetRequest, SecondFactor, SignIn, SignOut, SignOutEverywhere,
    };
    match id {
        "PAR-018" | "ISS-001" => (&[Step::SignUp, SignIn], &[Leave::SignUp]),
        "ISS-021" => (&[SignIn], &[]),
        "ISS-022" => (
            &[ResetRequest, Mailbox, Reset, SignIn],
            &[SendMail, ChangePassword],
        ),
        "REV-001" => (&[SignIn, SignOut], &[]),
        "REV-002" => (&[SignIn, SignOut, Refresh], &[]),
        "REV-003" => (&[SignIn, SignOutEverywhere], &[]),
        "REV-004" => (&[SignIn, Step::ChangePassword], &[ChangePassword]),
        "BRU-010" => (&[SignIn, SecondFactor], &[Guess]),
        "BRU-012" | "BRU-013" => (&[Step::SignUp, SignIn], &[Leave::SignUp]),
        "BRU-014" => (&[ResetRequest, Mailbox], &[SendMail]),
        _ if id.starts_with("RFT-") => (&[SignIn, Refresh], &[]),
        _ if id.starts_with("BRU-") => (&[SignIn], &[Guess]),
        _ => (&[SignIn], &[]),
    }
}

/// The requests that a case is made of, as templates.
pub(crate) fn rehearse(login: &Login, case: &Case) -> Vec<(String, String)> {
    let (steps, leaves) = needs(case.id);
    let endpoints: Option<Vec<_>> = steps
        .iter()
        .map(|step| Some((*step, login.endpoint(*step)?)))
        .collect();
    match endpoints {
        Some(endpoints) if leaves.iter().all(|leave| login.allows(*leave)) => endpoints
            .into_iter()
            .map(|(step, endpoint)| {
                (
                    format!("[{}]: {}", step.name(), case.sent),
                    endpoint.shown(),
                )
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// Tries a case that needs a login.
pub(crate) async fn try_case(
    conversation: &mut Conversation<'_, '_>,
    case: &'static Case,
) -> Result<CaseResult, Stop> {
    let before = conversation.session.sent();
    let mut result = match played(conversation, case.id).await {
        Ok(Came::Held(why)) => CaseResult::untried(case, Verdict::Safe, why),
        Ok(Came::Found(found)) => again(conversation, case, found).await?,
        Err(halt) => halted(case, halt)?,
    };
    result.requests = conversation.session.sent() - before;
    Ok(result)
}

/// Only what comes out twice, and with the controls of the route between, is a
/// finding.
async fn again(
    conversation: &mut Conversation<'_, '_>,
    case: &'static Case,
    first: Found,
) -> Result<CaseResult, Stop> {
    let unclear = |why: String| {
        let why = format!("{}: {}; but the second time {why}", first.what, first.why);
        CaseResult::untried(case, Verdict::Inconclusive, why)
    };
    let second = match played(conversation, case.id).await {
        Ok(Came::Found(second)) if second.verdict == first.verdict => second,
        Ok(Came::Found(_)) => return Ok(unclear("it was something else".to_owned())),
        Ok(Came::Held(_)) => return Ok(unclear("the target held".to_owned())),
        Err(Halt::Stop(stop)) => return Err(stop),
        Err(Halt::Unclear(why) | Halt::NotApplicable(why)) => return Ok(unclear(why)),
        Err(Halt::Forbidden(leave)) => return Ok(unclear(forbidden(leave))),
    };
    let calibration = conversation.calibration;
    if let Err(why) = conversation.session.control(calibration).await? {
        return Ok(CaseResult::untried(case, Verdict::Inconclusive, why));
    }
    let mut result = CaseResult::untried(case, second.verdict, "");
    result.findings.push(finding(conversation, case, second));
    Ok(result)
}

fn finding(conversation: &Conversation<'_, '_>, case: &Case, found: Found) -> Finding {
    let endpoint = conversation.login.endpoint(found.step);
    let nothing = || Shown {
        status: 0,
        kind: "a conversation".to_owned(),
        length: 0,
    };
    Finding {
        verdict: found.verdict,
        severity: found
            .severity
            .map_or(case.severity, |most| case.severity.min(most)),
        what: found.what,
        why: found.why,
        request: endpoint.map(super::Endpoint::shown).unwrap_or_default(),
        probe: found.answer.as_ref().map_or_else(nothing, Shown::from),
        excerpt: None,
        curl: String::new(),
        forged: None,
        trace: None,
    }
}

fn halted(case: &'static Case, halt: Halt) -> Result<CaseResult, Stop> {
    let (verdict, why) = match halt {
        Halt::Stop(stop) => return Err(stop),
        Halt::NotApplicable(why) => (Verdict::NotApplicable, why),
        Halt::Forbidden(leave) => (Verdict::Skipped, forbidden(leave)),
        Halt::Unclear(why) => (Verdict::Inconclusive, why),
    };
    let mut result = CaseResult::untried(case, verdict, why);
    result.unlocked_by = (verdict == Verdict::Skipped).then_some(crate::case::LEAVE);
    Ok(result)
}

fn forbidden(leave: Leave) -> String {
    format!(
        "the login file does not allow it: may = [\"{}\"]",
        leave.name()
    )
}

async fn played(conversation: &mut Conversation<'_, '_>, id: &str) -> Result<Came, Halt> {
    let (steps, leaves) = needs(id);
    for step in steps {
        conversation.needs(*step)?;
    }
    for leave in leaves {
        conversation.leave(*leave)?;
    }
    match id.get(..4) {
        Some("RFT-") => rotation::play(conversation, id).await,
        Some("REV-") => endings::play(conversation, id).await,
        Some("ISS-" | "PAR-") => match id {
            "ISS-001" | "PAR-018" => sign_up::play(conversation, id).await,
            "ISS-022" => reset::play(conversation, id).await,
            _ => choice::play(conversation, id).await,
        },
        _ => match id {
            "BRU-007" | "BRU-009" => enumeration::play(conversation, id).await,
            "BRU-008" => timing::play(conversation).await,
            "BRU-012" | "BRU-013" => passwords::play(conversation, id).await,
            "BRU-014" => reset::play(conversation, id).await,
            _ => guessing::play(conversation, id).await,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{Memory, needs, rehearse, turn};
    use crate::{
        case::{self, Extra, Tier},
        login::{Step, file::tests::login},
    };

    #[test]
    fn every_case_that_needs_a_login_begins_with_signing_in_or_sending_mail() {
        let all = case::all()
            .iter()
            .filter(|case| case.tier == Tier::Two(Extra::Login));
        for case in all {
            let (steps, _) = needs(case.id);
            assert!(
                steps.contains(&Step::SignIn) || case.id == "BRU-014",
                "{}",
                case.id
            );
            let may_lock_out = case.id.starts_with("BRU-");
            assert_eq!(may_lock_out, turn(case.id) > 1, "{}", case.id);
        }
    }

    #[test]
    fn what_is_not_allowed_is_not_rehearsed() {
        let file = |may: &[&str]| serde_json::json!({"preset": "doorward", "username": "a", "password_env": "P", "may": may});
        let case = case::find("BRU-001").expect("a case");
        let none = login(file(&[])).expect("a login");
        assert!(rehearse(&none, case).is_empty());
        let guess = login(file(&["guess"])).expect("a login");
        let shown = rehearse(&guess, case);
        assert!(shown[0].1.contains("POST /auth/sign-in") && !shown[0].1.contains("right"));
    }

    #[test]
    fn words_and_addresses_are_never_used_twice() {
        let mut memory = Memory::new(
            None,
            [7; 16],
            Some("127.0.0.1".parse().expect("an address")),
        );
        let words: std::collections::HashSet<String> = (0..500).map(|_| memory.word(12)).collect();
        assert_eq!(words.len(), 500);
        if cfg!(target_os = "linux") {
            assert_ne!(memory.fresh_source(), memory.fresh_source());
        }
    }
}
