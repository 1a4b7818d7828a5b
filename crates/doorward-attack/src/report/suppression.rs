//! Findings that somebody has accepted, for a reason and until a day.

use doorward_jose::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::{Report, rfc3339};

/// One accepted finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suppression {
    /// The case.
    pub id: String,
    /// Path of the route; every route if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Why it is accepted.
    pub reason: String,
    /// Who accepted it.
    pub owner: String,
    /// Last day on which it counts, as YYYY-MM-DD.
    pub until: String,
}

/// Why an entry is no suppression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SuppressionError {
    /// There is no such case.
    #[error("there is no case `{0}`")]
    UnknownCase(String),
    /// Reason or owner are missing.
    #[error("{0}: a reason and an owner must be said")]
    Unexplained(String),
    /// No day.
    #[error("{0}: `until` is not a day like 2026-12-31")]
    NoDay(String),
}

impl Suppression {
    /// Checks what its type does not.
    ///
    /// # Errors
    ///
    /// [`SuppressionError`] if it could hide something for ever or for nobody
    /// knows what.
    pub fn check(&self) -> Result<(), SuppressionError> {
        if crate::case::find(&self.id).is_none() {
            return Err(SuppressionError::UnknownCase(self.id.clone()));
        }
        if self.reason.trim().is_empty() || self.owner.trim().is_empty() {
            return Err(SuppressionError::Unexplained(self.id.clone()));
        }
        let is_digit = |at: usize| self.until.as_bytes()[at].is_ascii_digit();
        let is_day = self.until.len() == 10
            && [4, 7].iter().all(|at| self.until.as_bytes()[*at] == b'-')
            && [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(is_digit);
        if !is_day {
            return Err(SuppressionError::NoDay(self.id.clone()));
        }
        Ok(())
    }

    /// Whether it still counts.
    pub fn is_in_force(&self, now: UnixTime) -> bool {
        rfc3339(now)[..10] <= *self.until
    }
}

impl Report {
    /// Marks the findings that `suppressions` cover; one that is past its day
    /// covers nothing, and its finding counts again.
    pub fn suppress(&mut self, suppressions: &[Suppression]) {
        for result in &mut self.cases {
            let covers = |entry: &&Suppression| {
                let is_here = entry
                    .route
                    .as_ref()
                    .is_none_or(|route| *route == self.route);
                entry.id == result.case.id && is_here
            };
            let mut entries = suppressions.iter().filter(covers);
            if let (true, Some(entry)) = (result.verdict.is_finding(), entries.next()) {
                match entry.is_in_force(self.started) {
                    true => result.suppressed = Some(entry.clone()),
                    false => {
                        result.why = format!(
                            "accepted by {} until {}; that is over",
                            entry.owner, entry.until
                        );
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_jose::time::UnixTime;

    use super::{Suppression, SuppressionError};

    fn entry(id: &str, owner: &str, until: &str) -> Suppression {
        Suppression {
            id: id.to_owned(),
            route: None,
            reason: "known".to_owned(),
            owner: owner.to_owned(),
            until: until.to_owned(),
        }
    }

    #[test]
    fn an_entry_names_a_case_an_owner_and_a_day() {
        assert_eq!(entry("SIG-001", "ada", "2026-12-31").check(), Ok(()));
        let unknown = entry("SIG-999", "ada", "2026-12-31").check();
        assert!(matches!(unknown, Err(SuppressionError::UnknownCase(_))));
        assert!(entry("SIG-001", "", "2026-12-31").check().is_err());
        for day in ["", "soon", "2026-1-1", "2026-12-3é"] {
            assert!(entry("SIG-001", "ada", day).check().is_err(), "{day}");
        }
    }

    #[test]
    fn the_last_day_counts_and_the_next_does_not() {
        let entry = entry("SIG-001", "ada", "2026-11-22");
        assert!(entry.is_in_force(UnixTime::from_secs(1_795_391_999)));
        assert!(!entry.is_in_force(UnixTime::from_secs(1_795_392_000)));
    }
}
