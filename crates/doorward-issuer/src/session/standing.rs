//! What a presented refresh token means: one rule, pure.
//!
//! [`decide`] looks at what a session's row says, at the generation that is
//! presented and at the time, and at nothing else: not at which process rotated
//! last, nor at when this one started (CVE-2026-9802). What it calls a rotation
//! is written by a compare-and-swap on the very [`Standing`] that it looked at,
//! so whatever happens in between makes the swap fail and the rule be asked
//! again (CVE-2026-1035).
//!
//! The same function is explored over every order of events in `model`: two
//! clients, two nodes, answers that are lost, a crash at every step.

use doorward_verify::clock::Timestamp;

use crate::refresh_token::ReuseKind;

/// What of a session's row decides about a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Standing {
    /// Of the refresh token that goes on.
    pub(crate) generation: u32,
    /// When it was made.
    pub(crate) rotated_at: Timestamp,
    /// The session is over when it is not refreshed until then.
    pub(crate) idle_until: Timestamp,
    /// The session is over then, whatever happens.
    pub(crate) absolute_until: Timestamp,
    /// Signed out, revoked, or anything else for good.
    pub(crate) ended: bool,
}

/// A genuine refresh token of the session, as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Presentation {
    pub(crate) generation: u32,
    /// Whether the session's own client presents it.
    pub(crate) is_its_client: bool,
    pub(crate) now: Timestamp,
}

/// The times that the rule depends on, milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// How long a rotated token still gets the same successor.
    pub(crate) overlap: u64,
    /// How long a lost answer is the likely reason.
    pub(crate) patience: u64,
    /// How long a session lives without a refresh.
    pub(crate) idle: u64,
}

/// What a genuine token means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// It goes on, and the row becomes this.
    Rotate(Standing),
    /// The same request again, inside the overlap: the same successor.
    Repeat,
    /// The session is over.
    Refuse,
    /// Another client presents it.
    WrongClient,
    /// It was used before.
    Reuse(ReuseKind),
    /// A generation that this row never had: the database was put back to an
    /// older state.
    Ahead,
}

/// Judges a genuine token of the session that stands so.
pub(crate) fn decide(standing: &Standing, presented: Presentation, rules: Rules) -> Verdict {
    let now = presented.now;
    if standing.ended || standing.idle_until <= now || standing.absolute_until <= now {
        return Verdict::Refuse;
    }
    if !presented.is_its_client {
        return Verdict::WrongClient;
    }
    // Not `now - rotated_at`: a clock that went back must not stretch the
    // overlap.
    let distance = now.millis().abs_diff(standing.rotated_at.millis());
    match standing.generation.checked_sub(presented.generation) {
        None => Verdict::Ahead,
        Some(0) => match standing.generation.checked_add(1) {
            Some(generation) => Verdict::Rotate(Standing {
                generation,
                rotated_at: now,
                idle_until: now.plus_millis(rules.idle),
                ..*standing
            }),
            // Nobody comes here honestly: at a refresh a second it takes 136
            // years.
            None => Verdict::Refuse,
        },
        Some(1) if distance <= rules.overlap => Verdict::Repeat,
        Some(1) if distance <= rules.patience => Verdict::Reuse(ReuseKind::LostResponse),
        Some(1) => Verdict::Reuse(ReuseKind::Replay),
        Some(_) => Verdict::Reuse(ReuseKind::Theft),
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
