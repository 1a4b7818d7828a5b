//! How the target looks when it lets in and when it refuses.
//!
//! Nothing is judged before the valid token, no token, garbage and a damaged
//! token have each been sent twice: an oracle that was never tested proves
//! nothing.

use std::sync::{Mutex, PoisonError};

use crate::{
    likeness::{Fingerprint, Shown},
    wire::Answer,
};

/// The four answers that every later one is held against.
#[derive(Debug)]
pub struct Calibration {
    pub(crate) valid: Fingerprint,
    pub(crate) none: Fingerprint,
    pub(crate) garbage: Fingerprint,
    pub(crate) damaged: Fingerprint,
    /// The answers to the valid token and to none, for the passive checks.
    pub(crate) answers: [Answer; 2],
    /// Refusals and failures that were seen, for the passive checks.
    refusals: Mutex<Vec<Answer>>,
}

/// The answers to the valid token, to none, to garbage and to a damaged token,
/// each sent twice.
pub(crate) type Sent = [[Answer; 2]; 4];

/// Enough to know how a target refuses.
const MOST_REFUSALS: usize = 64;

/// What an answer means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What the valid token gets.
    LetIn,
    /// Turned away.
    Refused,
    /// Turned away like a caller who is known: 403, where a bad token gets 401.
    Known,
    /// The target failed.
    Failed,
    /// Asked to come back later.
    Throttled,
}

impl Calibration {
    /// Of the answers; says why they cannot be relied upon otherwise.
    pub(crate) fn of(sent: Sent) -> Result<Self, String> {
        const NAMES: [&str; 4] = ["the valid token", "no token", "garbage", "a damaged token"];
        for ([first, second], name) in sent.iter().zip(NAMES) {
            if first.status != second.status {
                return Err(format!(
                    "{name} got {} and then {}: the target answers differently each time",
                    first.status, second.status
                ));
            }
        }
        let [valid, none, garbage, damaged] = &sent;
        let of = |pair: &[Answer; 2]| Fingerprint::of(&pair[0], &pair[1]);
        let calibration = Self {
            valid: of(valid),
            none: of(none),
            garbage: of(garbage),
            damaged: of(damaged),
            answers: [valid[0].clone(), none[0].clone()],
            refusals: Mutex::new(vec![
                none[0].clone(),
                garbage[0].clone(),
                damaged[0].clone(),
            ]),
        };
        match valid[0].status {
            200..300 => Ok(calibration),
            status => Err(format!(
                "the valid token got {status}, so there is nothing to compare with"
            )),
        }
    }

    /// Of a target that lets the valid token in and refuses the rest, for
    /// plans that nothing is sent for.
    pub(crate) fn imagined() -> Self {
        let with = |status| Answer {
            status,
            ..Answer::default()
        };
        let pair = |status| [with(status), with(status)];
        Self::of([pair(200), pair(401), pair(401), pair(401)])
            .expect("INVARIANT: a valid token that gets 200 is a calibration")
    }

    /// Keeps a refusal for the passive checks.
    pub(crate) fn remember(&self, answer: &Answer) {
        let mut refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = refusals.iter().all(|known| known.body != answer.body);
        if is_new && refusals.len() < MOST_REFUSALS && !self.shows_content(answer) {
            refusals.push(answer.clone());
        }
    }

    /// What was kept.
    pub(crate) fn refusals(&self) -> Vec<Answer> {
        let refusals = self.refusals.lock();
        refusals.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What `answer` means for the route that was calibrated.
    pub fn standing(&self, answer: &Answer) -> Standing {
        match answer.status {
            429 => return Standing::Throttled,
            500.. => return Standing::Failed,
            _ => {}
        }
        if self.tells_by_status() {
            return match answer.status {
                200..300 => Standing::LetIn,
                403 if [&self.none, &self.garbage, &self.damaged]
                    .iter()
                    .all(|f| f.shown.status == 401) =>
                {
                    Standing::Known
                }
                _ => Standing::Refused,
            };
        }
        match self.valid.is_like(answer) && !self.none.is_like(answer) {
            true => Standing::LetIn,
            false => Standing::Refused,
        }
    }

    /// Whether the answer shows what only the valid token should see.
    pub fn shows_content(&self, answer: &Answer) -> bool {
        self.valid.is_like(answer) && !self.none.is_like(answer)
    }

    /// Whether one status lets in and another refuses; some APIs say 200 to
    /// everybody.
    fn tells_by_status(&self) -> bool {
        self.valid.is_success() && !self.none.is_success()
    }

    /// Whether the route answers everybody alike.
    pub(crate) fn is_open(&self) -> bool {
        self.valid.is_like(&self.answers[1])
    }

    /// Whether any text in place of a token is let in.
    pub(crate) fn takes_garbage(&self) -> bool {
        self.lets_in(&self.garbage)
    }

    /// Whether a token with a damaged signature is let in.
    pub(crate) fn takes_damaged(&self) -> bool {
        self.lets_in(&self.damaged)
    }

    fn lets_in(&self, other: &Fingerprint) -> bool {
        match self.tells_by_status() {
            true => other.is_success(),
            false => other.shown == self.valid.shown && other.shown != self.none.shown,
        }
    }

    /// The four, for reports.
    pub(crate) fn shown(&self) -> [(&'static str, Shown); 4] {
        [
            ("valid", self.valid.shown.clone()),
            ("none", self.none.shown.clone()),
            ("garbage", self.garbage.shown.clone()),
            ("damaged", self.damaged.shown.clone()),
        ]
    }
}
