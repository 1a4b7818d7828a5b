//! The values of a request that policies read.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use cedar_policy::RestrictedExpression;

use super::reads::{Reads, Whose};
use super::{ClaimType, Vocabulary};
use crate::overlay::Question;
use crate::permit::{ClaimValue, Subject};

/// A value, in the types that the schema has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fact {
    Text(String),
    Number(i64),
    Truth(bool),
    Texts(Vec<String>),
    Address(IpAddr),
    Record(Vec<(String, Fact)>),
}

impl Fact {
    fn expression(self) -> RestrictedExpression {
        match self {
            Self::Text(text) => RestrictedExpression::new_string(text),
            Self::Number(number) => RestrictedExpression::new_long(number),
            Self::Truth(truth) => RestrictedExpression::new_bool(truth),
            Self::Texts(texts) => RestrictedExpression::new_set(
                texts.into_iter().map(RestrictedExpression::new_string),
            ),
            Self::Address(address) => RestrictedExpression::new_ip(address.to_string()),
            Self::Record(fields) => {
                let fields = fields.into_iter();
                let fields = fields.map(|(name, fact)| (name, fact.expression()));
                RestrictedExpression::new_record(fields).expect("each name is there once")
            }
        }
    }
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Truth(truth) => write!(f, "{truth}"),
            Self::Texts(texts) => write!(f, "{texts:?}"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Record(fields) => {
                let shown: Vec<_> = fields
                    .iter()
                    .map(|(name, fact)| format!("{name}: {fact}"))
                    .collect();
                write!(f, "{{{}}}", shown.join(", "))
            }
        }
    }
}

/// What a slice reads of one request. What is not there is not in it, and a
/// policy that reads it all the same cannot be evaluated.
#[derive(Clone, Debug, Default)]
pub(super) struct Facts(Vec<(Whose, String, Fact)>);

impl Facts {
    /// # Errors
    ///
    /// Says which claim is not of the type that the configuration gives it.
    pub(super) fn of(
        question: &Question<'_>,
        reads: &Reads,
        vocabulary: &Vocabulary,
    ) -> Result<Self, String> {
        let mut facts = Self::default();
        for (name, value) in question.route.parameters() {
            facts.read(reads, Whose::Resource, name, || {
                Some(Fact::Text(value.to_string()))
            });
        }
        if let Some(subject) = question.subject {
            facts.principal(subject, reads);
            facts.claims(subject, reads, vocabulary)?;
        }
        facts.context(question, reads);
        Ok(facts)
    }

    fn read(
        &mut self,
        reads: &Reads,
        whose: Whose,
        name: &str,
        fact: impl FnOnce() -> Option<Fact>,
    ) {
        if reads.contains(whose, name)
            && let Some(fact) = fact()
        {
            self.0.push((whose, name.to_owned(), fact));
        }
    }

    fn principal(&mut self, subject: &dyn Subject, reads: &Reads) {
        let mut read = |name, fact: &dyn Fn() -> Option<Fact>| {
            self.read(reads, Whose::Principal, name, fact);
        };
        for name in ["sub", "iss", "tenant", "client_id", "acr"] {
            read(name, &|| {
                subject.claim(name).map(|it| Fact::Text(it.into_owned()))
            });
        }
        read("roles", &|| Some(Fact::Texts(subject.roles().to_vec())));
        read("permissions", &|| Some(Fact::Texts(subject.permissions())));
        read("amr", &|| match subject.value("amr") {
            Some(value) => of_type(ClaimType::Texts, value),
            None => Some(Fact::Texts(Vec::new())),
        });
        read("auth_time", &|| {
            i64::try_from(subject.auth_time()?).ok().map(Fact::Number)
        });
    }

    /// A claim of another type than it should have is no absent one: what
    /// forbids by it must not fall silent.
    fn claims(
        &mut self,
        subject: &dyn Subject,
        reads: &Reads,
        vocabulary: &Vocabulary,
    ) -> Result<(), String> {
        for (name, kind) in &vocabulary.claims {
            if !reads.contains(Whose::Principal, name) {
                continue;
            }
            let Some(value) = subject.value(name) else {
                continue;
            };
            let Some(fact) = of_type(*kind, value) else {
                return Err(format!(
                    "the claim `{name}` has another type than it should"
                ));
            };
            self.0.push((Whose::Principal, name.clone(), fact));
        }
        Ok(())
    }

    fn context(&mut self, question: &Question<'_>, reads: &Reads) {
        let decision = question.decision;
        let mut read = |name, fact: &dyn Fn() -> Option<Fact>| {
            self.read(reads, Whose::Context, name, fact);
        };
        read("method", &|| Some(Fact::Text(decision.method.to_string())));
        read("path", &|| Some(Fact::Text(decision.path.to_string())));
        read("route", &|| {
            Some(Fact::Text(question.route.route().pattern().to_owned()))
        });
        read("address", &|| {
            decision.peer.map(|it| Fact::Address(it.to_canonical()))
        });
        read("time", &|| Some(time(decision.at_ms)));
        read("headers", &|| {
            let fields = question.fields.iter();
            let fields = fields.map(|it| (it.name.clone(), Fact::Text(it.value.clone())));
            Some(Fact::Record(fields.collect()))
        });
    }

    /// The value of an attribute, where there is one.
    pub(super) fn get(&self, whose: Whose, name: &str) -> Option<&Fact> {
        let it = self
            .0
            .iter()
            .find(|(of, known, _)| *of == whose && known == name);
        it.map(|(_, _, fact)| fact)
    }

    /// The attributes of one of them, as Cedar takes them.
    pub(super) fn attributes(&self, whose: Whose) -> HashMap<String, RestrictedExpression> {
        let its = self.0.iter().filter(|(of, _, _)| *of == whose);
        its.map(|(_, name, fact)| (name.clone(), fact.clone().expression()))
            .collect()
    }
}

fn of_type(kind: ClaimType, value: ClaimValue<'_>) -> Option<Fact> {
    match (kind, value) {
        (ClaimType::Text, ClaimValue::Text(text)) => Some(Fact::Text(text.into_owned())),
        (ClaimType::Number, ClaimValue::Number(number)) => Some(Fact::Number(number)),
        (ClaimType::Truth, ClaimValue::Truth(truth)) => Some(Fact::Truth(truth)),
        (ClaimType::Texts, ClaimValue::Texts(texts)) => Some(Fact::Texts(
            texts.into_iter().map(|text| text.into_owned()).collect(),
        )),
        _ => None,
    }
}

/// The hour and the day in UTC; Monday is 1.
fn time(at_ms: u64) -> Fact {
    let unix = at_ms / 1000;
    let days = unix / 86_400;
    let number = |value: u64| Fact::Number(i64::try_from(value).unwrap_or(i64::MAX));
    let part = |name: &str, value| (name.to_owned(), number(value));
    Fact::Record(vec![
        part("unix", unix),
        part("hour", unix / 3600 % 24),
        part("minute", unix / 60 % 60),
        // 1970 began on a Thursday.
        part("weekday", (days + 3) % 7 + 1),
    ])
}

#[cfg(test)]
mod tests {
    use super::time;

    #[test]
    fn a_moment_has_its_hour_and_its_day() {
        let shown = |at_ms| time(at_ms).to_string();
        assert_eq!(shown(0), "{unix: 0, hour: 0, minute: 0, weekday: 4}");
        // Sunday, 22 November 2026, 17:45:10.
        let sunday = "{unix: 1795369510, hour: 17, minute: 45, weekday: 7}";
        assert_eq!(shown(1_795_369_510_999), sunday);
    }
}
