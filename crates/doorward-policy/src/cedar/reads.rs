//! Which attributes a policy reads: only those are looked up for a request, and
//! those of a policy that decided stand in the record.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

/// What has attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Whose {
    Principal,
    Resource,
    Context,
}

impl Whose {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Resource => "resource",
            Self::Context => "context",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::Principal, Self::Resource, Self::Context]
            .into_iter()
            .find(|whose| whose.name() == name)
    }
}

/// The attributes that are read.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    attributes: BTreeSet<(Whose, String)>,
    /// The context as a whole, or something that is not understood here.
    everything: bool,
}

impl Reads {
    pub(super) fn of(policy: &Policy) -> Self {
        let mut reads = Self::default();
        match policy.to_json() {
            Ok(Value::Object(parts)) => {
                // The scope reads no attribute.
                reads.walk(parts.get("conditions").unwrap_or(&Value::Null));
            }
            _ => reads.everything = true,
        }
        reads
    }

    /// What both read.
    pub(super) fn with(mut self, other: &Self) -> Self {
        self.attributes.extend(other.attributes.iter().cloned());
        self.everything |= other.everything;
        self
    }

    pub(super) fn contains(&self, whose: Whose, attribute: &str) -> bool {
        let one = |(of, name): &(Whose, String)| *of == whose && name == attribute;
        self.everything || self.attributes.iter().any(one)
    }

    /// The attributes that are named, in a stable order.
    pub(super) fn named(&self) -> impl Iterator<Item = (Whose, &str)> {
        let named = self.attributes.iter();
        named.map(|(whose, name)| (*whose, name.as_str()))
    }

    /// Cedar's JSON form: an object with one key, the operator.
    fn walk(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Object(parts) => {
                for (operator, operand) in parts {
                    match operator.as_str() {
                        "." | "has" => self.attribute(operand),
                        // Of the entities only their names are compared.
                        "Var" => self.everything |= operand == "context",
                        // Its keys are names and no operators.
                        "Record" => {
                            let fields = operand.as_object().into_iter().flatten();
                            fields.for_each(|(_, field)| self.walk(field));
                        }
                        // A literal: nothing in it is read.
                        "Value" => {}
                        _ => self.walk(operand),
                    }
                }
            }
            _ => {}
        }
    }

    fn attribute(&mut self, operand: &Value) {
        let left = operand.get("left").unwrap_or(&Value::Null);
        let whose = left.get("Var").and_then(Value::as_str).and_then(Whose::of);
        // `has` names a path of attributes, `.` one.
        let name = match operand.get("attr") {
            Some(Value::Array(path)) => path.first().and_then(Value::as_str),
            one => one.and_then(Value::as_str),
        };
        match (whose, name) {
            (Some(whose), Some(name)) => {
                self.attributes.insert((whose, name.to_owned()));
            }
            _ => self.walk(left),
        }
    }
}
