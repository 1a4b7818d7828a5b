//! Exit codes: "no" is not "broken".
//!
//! Scripts may write `doorward explain … && deploy`, so a denial, a wrong
//! usage, a broken configuration and an unreachable server are told apart.

use std::{fmt, process::ExitCode};

use crate::config::Problem;

/// How a command ends when it does not end with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Done, or the answer is yes.
    Yes,
    /// The answer is no: denied, invalid token, finding.
    No,
    /// Nothing was found out; never to be read as yes.
    Void,
    /// A limit was reached before everything was done.
    OverBudget,
    /// Ended by the operator before it was done.
    Interrupted,
}

impl From<Answer> for ExitCode {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Yes => Self::SUCCESS,
            Answer::No => Self::from(1),
            Answer::Void => Self::from(3),
            Answer::OverBudget => Self::from(4),
            Answer::Interrupted => Self::from(130),
        }
    }
}

/// Whose fault an error is; decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Blame {
    /// The command line (2).
    Usage,
    /// A configuration or data file (3).
    Configuration,
    /// A server, file or network peer that cannot be reached (4).
    Unreachable,
    /// Doorward itself (5).
    Internal,
}

impl Blame {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::Unreachable => 4,
            Self::Internal => 5,
        }
    }
}

/// An error with its blame and a hint, in the house's form: what happened,
/// then what to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) blame: Blame,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// The single problems, where the message only counts them.
    pub(crate) problems: Vec<Problem>,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Blame::Usage, message)
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Self {
        Self::new(Blame::Configuration, message)
    }

    pub(crate) fn unreachable(message: impl Into<String>) -> Self {
        Self::new(Blame::Unreachable, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(Blame::Internal, message)
    }

    fn new(blame: Blame, message: impl Into<String>) -> Self {
        Self {
            blame,
            message: message.into(),
            hint: None,
            problems: Vec::new(),
        }
    }

    /// Adds the problems that the message counts; programs get them one by one.
    pub(crate) fn problems(mut self, problems: &[Problem]) -> Self {
        self.problems = problems.to_vec();
        self
    }

    /// Adds what the reader can do about it.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::Blame;

    #[test]
    fn every_blame_has_the_documented_code() {
        let codes = [
            (Blame::Usage, 2),
            (Blame::Configuration, 3),
            (Blame::Unreachable, 4),
            (Blame::Internal, 5),
        ];
        for (blame, code) in codes {
            assert_eq!(blame.code(), code);
        }
    }
}
