//! What the claims say: times, texts and subjects that should not be believed.

use doorward_jose::json::Value;
use serde_json::json;

use super::Bench;
use crate::{
    calibration::Calibration,
    probe::{Expect, Probe},
    wire::Answer,
};

impl Bench<'_, '_> {
    pub(super) fn times(&self, id: &str) -> Vec<Probe> {
        let now = self.now;
        let refused = |what: &str, name: &str, value: Option<Value>| {
            self.with_claim(what, name, value, Expect::Refused)
        };
        match id {
            "CLM-002" => vec![refused("no exp", "exp", None)],
            "CLM-003" => {
                let mut probes = Vec::new();
                for (what, value) in [
                    ("text", json!("never")),
                    ("a number as text", json!((now + 300).to_string())),
                    ("null", Value::Null),
                    ("true", json!(true)),
                    ("a list", json!([now + 300])),
                    ("an object", json!({ "value": now + 300 })),
                    ("negative", json!(-1)),
                ] {
                    probes.push(refused(&format!("exp is {what}"), "exp", Some(value)));
                }
                for (what, value) in [("text", json!("never")), ("an object", json!({}))] {
                    probes.push(refused(&format!("nbf is {what}"), "nbf", Some(value)));
                }
                probes
            }
            "CLM-004" => vec![refused("nbf in an hour", "nbf", Some((now + 3_600).into()))],
            "CLM-005" => {
                let note = "iat is not looked at";
                vec![
                    self.with_claim(
                        "iat in a day",
                        "iat",
                        Some((now + 86_400).into()),
                        Expect::Either(note),
                    ),
                    self.with_claim("no iat", "iat", None, Expect::Either(note)),
                ]
            }
            // Between now and when it is sent some time passes.
            "CLM-006" => vec![refused(
                "exp a little more than a minute ago",
                "exp",
                Some((now - 65).into()),
            )],
            _ => {
                let note = "a token that lives ten years is taken";
                let exp = Some((now + 315_360_000).into());
                vec![self.with_claim("exp in ten years", "exp", exp, Expect::Either(note))]
            }
        }
        .into_iter()
        .flatten()
        .collect()
    }

    /// `iss` and `aud` that are nearly right.
    pub(super) fn texts(&self, name: &str) -> Vec<Probe> {
        let own = match self.mint.claims.get(name) {
            Some(Value::String(own)) => own.clone(),
            Some(Value::Array(list)) => match list.first().and_then(Value::as_str) {
                Some(own) => own.to_owned(),
                None => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        let cut = own.get(..own.len().saturating_sub(1)).unwrap_or_default();
        let mut values = vec![
            ("missing", None),
            ("empty", Some(json!(""))),
            ("a number", Some(json!(1))),
            ("null", Some(Value::Null)),
            ("an object", Some(json!({ "value": own }))),
            ("a part of the right one", Some(json!(cut))),
            (
                "the right one and more",
                Some(json!(format!("{own}.attacker.invalid"))),
            ),
            ("the right one and a slash", Some(json!(format!("{own}/")))),
            ("in capitals", Some(json!(own.to_uppercase()))),
            ("another", Some(json!("https://other.example"))),
            (
                "the right one after a blank",
                Some(json!(format!(" {own}"))),
            ),
        ];
        match name {
            "aud" => values.push(("an empty list", Some(json!([])))),
            _ => values.push(("a list with the right one", Some(json!([own])))),
        }
        if own.to_uppercase() == own {
            values.retain(|(what, _)| *what != "in capitals");
        }
        values
            .into_iter()
            .filter_map(|(what, value)| {
                self.with_claim(&format!("{name}: {what}"), name, value, Expect::Refused)
            })
            .collect()
    }

    pub(super) fn subjects(&self) -> Vec<Probe> {
        if !self.mint.claims.contains_key("sub") {
            return Vec::new();
        }
        [
            ("sub missing", None),
            ("sub empty", Some(json!(""))),
            ("sub a number", Some(json!(0))),
            ("sub null", Some(Value::Null)),
            ("sub a list", Some(json!(["admin"]))),
        ]
        .into_iter()
        .filter_map(|(what, value)| self.with_claim(what, "sub", value, Expect::Refused))
        .collect()
    }

    pub(super) fn roles(&self) -> Vec<Probe> {
        [
            ("role", json!("admin")),
            ("is_admin", json!(true)),
            ("groups", json!(["admin"])),
            ("realm_access", json!({ "roles": ["admin"] })),
        ]
        .into_iter()
        .filter(|(name, _)| !self.mint.claims.contains_key(*name))
        .filter_map(|(name, value)| self.with_claim(name, name, Some(value), Expect::Sound))
        .collect()
    }

    pub(super) fn tolerated(&self, id: &str) -> Vec<Probe> {
        let probe = match id {
            "CLM-019" => {
                let note = "azp is not looked at";
                self.with_claim(
                    "azp of another client",
                    "azp",
                    Some("other".into()),
                    Expect::Either(note),
                )
            }
            "CLM-020" => {
                let note = "a token without jti is taken, so it cannot be revoked by itself";
                self.with_claim("no jti", "jti", None, Expect::Either(note))
            }
            _ => {
                let chain = (0..50).fold(
                    json!({ "sub": "a" }),
                    |act, _| json!({ "sub": "a", "act": act }),
                );
                self.with_claim("act fifty deep", "act", Some(chain), Expect::Sound)
            }
        };
        probe.into_iter().collect()
    }

    pub(super) fn control_characters(&self) -> Vec<Probe> {
        ["sub", "name", "email", "preferred_username"]
            .into_iter()
            .flat_map(|name| {
                [("CR LF", "ada\r\nX-Injected: doorward"), ("NUL", "ada\0")]
                    .map(|(what, value)| (name, what, value))
            })
            .filter_map(|(name, what, value)| {
                let what = format!("{what} in {name}");
                self.with_claim(&what, name, Some(value.into()), Expect::Tell(is_split))
            })
            .collect()
    }
}

fn is_split(_: &Calibration, answer: &Answer) -> Option<String> {
    answer
        .header("x-injected")
        .is_some()
        .then(|| "a claim became a header field of its own".to_owned())
}
