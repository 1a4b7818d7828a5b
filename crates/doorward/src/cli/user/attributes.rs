//! `doorward user set`, and `--attribute` of `doorward user add`.

use clap::Args;
use doorward_issuer::{
    Issuer,
    attribute::{AttributeChanges, AttributeError, AttributeNameError, Attributes},
};
use serde_json::{Value, json};

use super::super::{
    Place, table,
    workplace::{CommandError, shown},
};
use crate::{
    exit::{Answer, Failure},
    output,
};

/// Set attributes of a user, which the configuration can make claims of the
/// tokens; without any, show what there is
#[derive(Debug, Args)]
pub(in super::super) struct Set {
    /// User name
    #[arg(value_name = "USER")]
    username: String,
    #[command(flatten)]
    given: Given,
    /// Attribute to take away; may be repeated
    #[arg(long = "remove-attribute", value_name = "NAME")]
    removed: Vec<String>,
}

/// Attributes on the command line.
#[derive(Debug, Args)]
pub(super) struct Given {
    /// Attribute to set; may be repeated. A number, true or false is one; in double
    /// quotes it is a text
    #[arg(long = "attribute", value_name = "NAME=VALUE")]
    attributes: Vec<String>,
}

impl Given {
    /// What they mean, or what is wrong with the first that means nothing.
    pub(super) fn changes(&self) -> Result<AttributeChanges, Failure> {
        let mut changes = AttributeChanges::default();
        for given in &self.attributes {
            let Some((name, value)) = given.split_once('=') else {
                return Err(Failure::usage("an attribute is written NAME=VALUE")
                    .hint("for example `--attribute department=sales`"));
            };
            let added = changes.add(name, &read(value));
            added.map_err(|error| refused(&error))?;
        }
        // More than a user may have, whoever it is.
        let fitting = Attributes::default().with(&changes);
        fitting.map_err(|error| refused(&error))?;
        Ok(changes)
    }
}

impl Set {
    fn changes(&self) -> Result<AttributeChanges, Failure> {
        let mut changes = self.given.changes()?;
        for name in &self.removed {
            let added = changes.add(name, &Value::Null);
            added.map_err(|error| refused(&error))?;
        }
        Ok(changes)
    }

    pub(super) async fn run_on(
        &self,
        place: &Place,
        issuer: &Issuer,
    ) -> Result<Answer, CommandError> {
        let changes = self.changes()?;
        let admin = issuer.admin();
        let before = admin.attributes(&self.username).await?;
        let after = match changes.is_empty() {
            true => before.clone(),
            false => {
                let changed = admin.change_attributes(&self.username, &changes, None);
                changed.await?
            }
        };
        let changed = before.version != after.version;
        if place.json {
            output::json(&json!({
                "username": self.username, "changed": changed, "attributes": after.attributes,
            }));
            return Ok(Answer::Yes);
        }
        if !changes.is_empty() {
            output::note(shown(match changed {
                true => format!(
                    "changed the attributes of {}; tokens from before are refused, a refresh \
                     gives new ones",
                    self.username
                ),
                false => format!("nothing changed: {} has these attributes", self.username),
            }));
        }
        let claims = &issuer.config().claims;
        let rows: Vec<_> = after
            .attributes
            .iter()
            .map(|(name, value)| {
                let claims = claims.iter().filter(|(_, attribute)| *attribute == name);
                let claims: Vec<_> = claims.map(|(claim, _)| claim.as_str()).collect();
                [name.to_string(), shown(value), claims.join(", ")]
            })
            .collect();
        table::print(
            ["ATTRIBUTE", "VALUE", "CLAIM"],
            &rows,
            "no attributes; set one with --attribute NAME=VALUE",
        );
        Ok(Answer::Yes)
    }
}

/// As JSON where it is a number, a truth value or a text in quotes; anything
/// else is a text as it stands.
fn read(text: &str) -> Value {
    match serde_json::from_str(text) {
        Ok(value @ (Value::Bool(_) | Value::Number(_) | Value::String(_))) => value,
        _ => text.into(),
    }
}

fn refused(error: &AttributeError) -> Failure {
    let failure = Failure::usage(error.to_string());
    match error {
        AttributeError::Name(AttributeNameError::Kind(_)) | AttributeError::Value { .. } => failure
            .hint("nothing was changed; an API that needs more of a user asks for it by `sub`"),
        _ => failure.hint("nothing was changed"),
    }
}

#[cfg(test)]
mod tests {
    use doorward_issuer::attribute::{AttributeValue, MAX_ATTRIBUTES};
    use serde_json::json;

    use super::{Given, Set, read};

    #[test]
    fn too_many_and_one_twice_are_refused_before_anything_is_made() {
        let set = |attributes: Vec<String>, removed: &[&str]| Set {
            username: "alice".to_owned(),
            given: Given { attributes },
            removed: removed.iter().map(ToString::to_string).collect(),
        };
        let some = |count: usize| (0..count).map(|n| format!("a{n}={n}")).collect::<Vec<_>>();
        assert!(set(some(MAX_ATTRIBUTES), &["b"]).changes().is_ok());
        let why = |set: Set| match set.changes() {
            Ok(_) => panic!("it is accepted"),
            Err(failure) => failure.message,
        };
        assert!(why(set(some(MAX_ATTRIBUTES + 1), &[])).contains("at most 32"));
        let twice = vec!["office=north".to_owned(), "office=south".to_owned()];
        for set in [
            set(twice.clone(), &[]),
            set(some(2), &["a1"]),
            set(Vec::new(), &["office", "office"]),
        ] {
            assert!(why(set).contains("is given twice"));
        }
    }

    #[test]
    fn what_is_typed_is_a_number_or_a_truth_value_only_if_it_reads_as_one() {
        for (text, value) in [
            ("sales", json!("sales")),
            ("3", json!(3)),
            ("-3", json!(-3)),
            ("007", json!("007")),
            ("\"3\"", json!("3")),
            ("true", json!(true)),
            ("True", json!("True")),
            ("a=b", json!("a=b")),
            ("null", json!("null")),
            ("[1]", json!("[1]")),
        ] {
            assert_eq!(read(text), value, "{text}");
            assert!(AttributeValue::read(&value).is_ok(), "{text}");
        }
    }
}
