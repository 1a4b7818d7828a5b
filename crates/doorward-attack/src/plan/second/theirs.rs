//! What only the second caller may see.

use std::collections::BTreeSet;

use doorward_jose::json::Value;
use serde_json::from_slice;

use super::super::Planner;
use crate::{
    probe::{Expect, Probe, Question},
    wire::{Answer, Request},
};

/// The second caller's answer, and the words in it that are theirs alone.
pub(super) struct Theirs {
    /// What they got.
    pub(super) answer: Answer,
    words: BTreeSet<String>,
    differs: bool,
}

/// Members whose value says which object it is, or whose.
const NAMES: [&str; 16] = [
    "id", "uuid", "key", "owner", "of", "user", "sub", "subject", "email", "mail", "username",
    "login", "tenant", "account", "href", "self",
];

impl Theirs {
    pub(super) fn of(planner: &Planner<'_>, answer: &Answer) -> Self {
        let ours = &planner.calibration.answers[0];
        let own = words(ours);
        let words = words(answer).difference(&own).cloned().collect();
        Self {
            words,
            differs: answer.body != ours.body && !answer.body.is_empty(),
            answer: answer.clone(),
        }
    }

    /// Whether there is nothing that could be known again.
    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty() && !self.differs
    }

    /// A request of the first caller's, whose answer must show none of it.
    pub(super) fn probe(&self, planner: &Planner<'_>, what: &str, request: Request) -> Probe {
        let second = planner.extras.second_token.as_deref().unwrap_or_default();
        let question = self.question(&request);
        Probe::with_valid(what, request, Expect::Ask(question), planner.token).hiding(second)
    }

    /// What was said in the request proves nothing when it comes back.
    fn question(&self, request: &Request) -> Question {
        let mut said = String::from_utf8_lossy(&request.target).into_owned();
        for (_, value) in &request.headers {
            said.push_str(&String::from_utf8_lossy(value));
        }
        said.push_str(&String::from_utf8_lossy(&request.body));
        let mut telling = self.words.clone();
        telling.retain(|word| !said.contains(word.as_str()));
        let whole = self.differs.then(|| self.answer.body.clone());
        Question::new(move |answer| {
            if !answer.is_success() {
                return None;
            }
            if whole.as_ref().is_some_and(|whole| *whole == answer.body) {
                return Some("answered with the second caller's content, byte for byte".to_owned());
            }
            let shown = words(answer).intersection(&telling).count();
            (shown > 0).then(|| {
                format!("answered with {shown} names that only the second caller's content holds")
            })
        })
    }
}

/// The values of an answer's members that name an object or a person.
fn words(answer: &Answer) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    if let Ok(value) = from_slice::<Value>(&answer.body) {
        collect(&value, &mut words);
    }
    words
}

fn collect(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
        Value::Object(members) => {
            for (name, value) in members {
                let is_name = is_name(name);
                match value {
                    Value::String(text) if is_name && !text.is_empty() => {
                        words.insert(text.clone());
                    }
                    Value::Number(number) if is_name => {
                        words.insert(number.to_string());
                    }
                    _ => collect(value, words),
                }
            }
        }
        _ => {}
    }
}

fn is_name(member: &str) -> bool {
    let member = member.to_ascii_lowercase();
    NAMES.contains(&member.as_str()) || member.ends_with("_id") || member.ends_with("_by")
}

#[cfg(test)]
mod tests {
    use super::words;
    use crate::wire::Answer;

    #[test]
    fn only_what_names_somebody_counts() {
        let body = br#"{"orders":[{"id":8,"state":"shipped","of":"eve"}],"next":null}"#;
        let answer = Answer {
            status: 200,
            body: body.to_vec(),
            ..Answer::default()
        };
        let words = words(&answer);
        assert_eq!(words.into_iter().collect::<Vec<_>>(), ["8", "eve"]);
    }
}
