//! What changed since an earlier run, whose JSON report was kept.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Report;
use crate::verdict::Verdict;

/// Findings against those of an earlier run of the same route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// Found now and not then.
    pub new: Vec<String>,
    /// Found then, and judged safe or gone now.
    pub fixed: Vec<String>,
    /// Found both times.
    pub unchanged: Vec<String>,
    /// Found then, and not judged now: neither fixed nor confirmed.
    pub unknown: Vec<String>,
}

/// Why an earlier report cannot be compared with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComparisonError {
    /// No JSON report of this command.
    #[error("it is no JSON report of `doorward attack`")]
    NoReport,
    /// A report on something else.
    #[error("it is about {0}")]
    OtherTarget(String),
    /// A run that proved nothing.
    #[error("that run was void and proved nothing")]
    Void,
}

impl Report {
    /// Compares with an earlier report, given as JSON text.
    ///
    /// # Errors
    ///
    /// [`ComparisonError`] if there is nothing to compare with.
    pub fn compare(&mut self, earlier: &str) -> Result<(), ComparisonError> {
        let earlier: Value =
            serde_json::from_str(earlier).map_err(|_| ComparisonError::NoReport)?;
        let text = |pointer: &str| earlier.pointer(pointer).and_then(Value::as_str);
        if !text("/schema").is_some_and(|schema| schema.starts_with("doorward-attack-report/")) {
            return Err(ComparisonError::NoReport);
        }
        let (method, url) = (text("/target/method"), text("/target/url"));
        if (method, url) != (Some(&self.method), Some(&self.target)) {
            let other = format!("{} {}", method.unwrap_or("?"), url.unwrap_or("?"));
            return Err(ComparisonError::OtherTarget(other));
        }
        if text("/end") == Some("void") {
            return Err(ComparisonError::Void);
        }
        let cases = earlier.pointer("/cases").and_then(Value::as_array);
        let was_found = |case: &&Value| {
            let verdict = case["verdict"].as_str();
            verdict == Some(Verdict::Vulnerable.name()) || verdict == Some(Verdict::Suspect.name())
        };
        let then: Vec<&str> = cases
            .into_iter()
            .flatten()
            .filter(was_found)
            .filter_map(|case| case["id"].as_str())
            .collect();
        let mut comparison = Comparison::default();
        for result in &self.cases {
            let id = result.case.id.to_owned();
            match (result.verdict, then.contains(&result.case.id)) {
                (Verdict::Vulnerable | Verdict::Suspect, false) => comparison.new.push(id),
                (Verdict::Vulnerable | Verdict::Suspect, true) => comparison.unchanged.push(id),
                (Verdict::Safe | Verdict::NotApplicable, true) => comparison.fixed.push(id),
                (_, true) => comparison.unknown.push(id),
                (_, false) => {}
            }
        }
        self.comparison = Some(comparison);
        Ok(())
    }
}
