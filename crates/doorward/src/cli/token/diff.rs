//! `doorward token diff`: in what two tokens differ, in words.
//!
//! Both are decoded and neither is verified: a difference proves nothing, and
//! neither does its absence.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use clap::Args;
use doorward_verify::jose::{
    json::{Object, Value},
    token::Inspected,
};
use serde::Serialize;
use serde_json::json;

use crate::{
    cli::{Place, secret},
    exit::{Answer, Failure},
    output,
    paint::{Tone, paint, safe},
};

/// Show in what two tokens differ, without checking either; exit 0 if they
/// are the same, 1 if not
#[derive(Debug, Args)]
pub(in crate::cli) struct Diff {
    /// File with the first token
    #[arg(value_name = "A")]
    first: PathBuf,
    /// File with the second token
    #[arg(value_name = "B")]
    second: PathBuf,
}

/// One member of header or claims that is not the same in both.
#[derive(Debug, PartialEq, Serialize)]
struct Difference {
    name: String,
    a: Option<Value>,
    b: Option<Value>,
}

impl Diff {
    pub(super) fn run(&self, place: &Place) -> Result<Answer, Failure> {
        let (first, a) = read(&self.first)?;
        let (second, b) = read(&self.second)?;
        let header = differences(&a.header, &b.header);
        let claims = differences(&a.payload, &b.payload);
        // Same words under another signature is another token.
        let is_same = first == second;
        if place.json {
            output::json(&json!({
                "same": is_same,
                "verified": false,
                "header": header,
                "claims": claims,
                "signature_same": signature(&first) == signature(&second),
            }));
        } else {
            output::note(paint(
                Tone::Warn,
                "decoded, not verified: nothing below is proven",
            ));
            show("header", &header);
            show("claims", &claims);
            if header.is_empty() && claims.is_empty() {
                output::data(match is_same {
                    true => "the same token",
                    false => "the same header and claims, written or signed differently",
                });
            }
        }
        Ok(if is_same { Answer::Yes } else { Answer::No })
    }
}

fn read(file: &Path) -> Result<(String, Inspected), Failure> {
    let token = secret::token_of_file(file)?;
    let decoded = Inspected::parse(&token).map_err(|error| {
        Failure::usage(format!("{} holds no token: {error}", file.display()))
            .hint("name two files with one token each")
    })?;
    Ok((token, decoded))
}

fn signature(token: &str) -> Option<&str> {
    token.rsplit('.').next()
}

fn differences(a: &Object, b: &Object) -> Vec<Difference> {
    let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    names
        .into_iter()
        .filter(|name| a.get(*name) != b.get(*name))
        .map(|name| Difference {
            name: name.clone(),
            a: a.get(name).cloned(),
            b: b.get(name).cloned(),
        })
        .collect()
}

fn show(title: &str, differences: &[Difference]) {
    if differences.is_empty() {
        return;
    }
    output::data(paint(Tone::Strong, title));
    for difference in differences {
        let name = safe(&difference.name);
        output::data(format!("  {name:<12} {}", difference.words()));
    }
}

impl Difference {
    fn words(&self) -> String {
        let text = |value: &Value| safe(&value.to_string());
        match (&self.a, &self.b) {
            (Some(a), None) => format!("only in A: {}", text(a)),
            (None, Some(b)) => format!("only in B: {}", text(b)),
            (Some(Value::Array(a)), Some(Value::Array(b))) => of_lists(a, b),
            (Some(a), Some(b)) => {
                let later = self.later(a, b).map(|words| format!("   {words}"));
                let later = later.unwrap_or_default();
                format!("A {}, B {}{later}", text(a), text(b))
            }
            (None, None) => String::new(),
        }
    }

    /// How far two dates are apart.
    fn later(&self, a: &Value, b: &Value) -> Option<String> {
        if !matches!(self.name.as_str(), "exp" | "iat" | "nbf" | "auth_time") {
            return None;
        }
        let (a, b) = (a.as_u64()?, b.as_u64()?);
        let word = if b > a { "later" } else { "earlier" };
        let words = super::duration(a.abs_diff(b));
        Some(paint(Tone::Quiet, format!("B is {words} {word}")))
    }
}

/// What each list has that the other has not.
fn of_lists(a: &[Value], b: &[Value]) -> String {
    let lacking = |from: &[Value], other: &[Value]| {
        let only: Vec<_> = from
            .iter()
            .filter(|value| !other.contains(value))
            .map(|value| safe(&value.to_string()))
            .collect();
        only.join(", ")
    };
    let parts = [("only A has", lacking(a, b)), ("only B has", lacking(b, a))];
    let said: Vec<_> = parts
        .iter()
        .filter(|(_, values)| !values.is_empty())
        .map(|(who, values)| format!("{who} {values}"))
        .collect();
    match said.is_empty() {
        true => "the same entries in another order or number".to_owned(),
        false => said.join("; "),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use serde_json::{Value, json};

    use super::differences;

    fn words(a: &Value, b: &Value) -> Vec<String> {
        let found = differences(a.as_object().unwrap(), b.as_object().unwrap());
        let line = |found: &super::Difference| format!("{}: {}", found.name, found.words());
        found.iter().map(line).collect()
    }

    #[test]
    fn every_kind_of_difference_has_its_words() {
        let a = json!({
            "sub": "u1", "exp": 1000, "roles": ["reader", "editor"], "sid": "s",
            "aud": ["x", "y"], "same": { "a": 1 }, "n": 1,
        });
        let b = json!({
            "sub": "u2", "exp": 1300, "roles": ["editor", "admin"], "acr": "2",
            "aud": ["y", "x"], "same": { "a": 1 }, "n": "1",
        });
        let found = words(&a, &b);
        let wanted = [
            "acr: only in B: \"2\"",
            "aud: the same entries in another order or number",
            "exp: A 1000, B 1300",
            "n: A 1, B \"1\"",
            "roles: only A has \"reader\"; only B has \"admin\"",
            "sid: only in A: \"s\"",
            "sub: A \"u1\", B \"u2\"",
        ];
        assert_eq!(found.len(), wanted.len(), "{found:?}");
        for (found, wanted) in found.iter().zip(wanted) {
            assert!(found.starts_with(wanted), "{found} | {wanted}");
        }
        assert!(found[2].contains("B is 5 min later"), "{}", found[2]);
        assert!(words(&a, &a).is_empty());
    }

    #[test]
    fn hostile_text_is_made_safe() {
        let found = words(&json!({}), &json!({ "x": "\u{1b}[2J" }));
        assert!(!found[0].contains('\u{1b}'), "{found:?}");
    }
}
