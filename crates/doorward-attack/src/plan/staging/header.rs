//! What the signature is over, and what the header says of it.

use doorward_jose::{algorithm::Algorithm, base64url, json::Value};
use serde_json::json;

use super::{Bench, Plan, text};
use crate::{
    forge::group_order_of,
    probe::{Expect, Probe},
};

impl Bench<'_, '_> {
    pub(super) fn family(&self) -> Vec<Probe> {
        let claims = text(self.claims());
        let others = Algorithm::ALL
            .iter()
            .copied()
            .filter(|other| *other != self.mint.algorithm());
        others
            .filter(|other| !other.name().starts_with("Ed"))
            .filter_map(|other| {
                let token = self.mint.swapped(other, &claims);
                self.probe(
                    format!("signed with {other} by the same key"),
                    token,
                    Expect::Refused,
                )
            })
            .collect()
    }

    /// `r + n` and `s + n` are the same numbers modulo the order.
    pub(super) fn out_of_range(&self) -> Vec<Probe> {
        let Some(order) = group_order_of(self.mint.algorithm()) else {
            return Vec::new();
        };
        let input = format!(
            "{}.{}",
            base64url::encode(self.header()),
            base64url::encode(text(self.claims()))
        );
        let Some(signature) = self.mint.signature(input.as_bytes()) else {
            return Vec::new();
        };
        if signature.len() != order.len() * 2 {
            return Vec::new();
        }
        let (r, s) = signature.split_at(order.len());
        let wide = |number: &[u8]| [&[0], number].concat();
        let of = |what: &str, r: Vec<u8>, s: Vec<u8>| {
            let token = format!("{input}.{}", base64url::encode([r, s].concat()));
            self.probe(what, Some(token), Expect::Refused)
        };
        [
            of("r + n", sum(r, &order), wide(s)),
            of("s + n", wide(r), sum(s, &order)),
            of("integers a byte too long", wide(r), wide(s)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    pub(super) fn curves(&self) -> Vec<Probe> {
        if group_order_of(self.mint.algorithm()).is_none() {
            return Vec::new();
        }
        ["ES256", "ES384", "ES512", "ES256K"]
            .into_iter()
            .filter(|name| *name != self.mint.algorithm().name())
            .filter_map(|name| {
                let what = format!("header {name} over a signature of the key's own curve");
                self.with_header(&what, &[("alg", Some(name.into()))], Expect::Refused)
            })
            .collect()
    }

    pub(super) fn nested(&self) -> Vec<Probe> {
        let none = base64url::encode(r#"{"alg":"none"}"#);
        let inner = format!("{none}.{}.", base64url::encode(text(self.claims())));
        let mut header = self.mint.header.clone();
        header.insert("cty".to_owned(), "JWT".into());
        let token = self.mint.sign(&text(header), inner);
        self.probe(
            "a signed token around an unsigned one",
            token,
            Expect::Refused,
        )
        .into_iter()
        .collect()
    }

    pub(super) fn edwards_names(&self) -> Vec<Probe> {
        let other = match self.mint.algorithm().name() {
            "EdDSA" => "Ed25519",
            "Ed25519" => "EdDSA",
            _ => return Vec::new(),
        };
        let what = format!("the name {other}");
        let note = "both names of the algorithm are taken; the policy should list one";
        self.with_header(&what, &[("alg", Some(other.into()))], Expect::Either(note))
            .into_iter()
            .collect()
    }

    pub(super) fn without_kid(&self) -> Vec<Probe> {
        let note = "a token without kid is taken; at most a few keys should be tried";
        self.with_header("no kid", &[("kid", None)], Expect::Either(note))
            .into_iter()
            .collect()
    }

    pub(super) fn critical(&self, id: &str) -> Vec<Probe> {
        let crit = |what: &str, value: Value, more: &[(&str, Option<Value>)]| {
            let changes = [&[("crit", Some(value))], more].concat();
            self.with_header(what, &changes, Expect::Refused)
        };
        let known = [("bork", Some(json!(true)))];
        match id {
            "HDR-011" => vec![
                crit("crit with a name nobody knows", json!(["bork"]), &known),
                crit(
                    "crit with cnf",
                    json!(["cnf"]),
                    &[("cnf", Some(json!({"jkt": "x"})))],
                ),
            ],
            "HDR-012" => vec![
                crit("crit is empty", json!([]), &[]),
                crit("crit is text", json!("bork"), &known),
                crit("crit names one twice", json!(["bork", "bork"]), &known),
                crit("crit names a registered parameter", json!(["alg"]), &[]),
                crit("crit names what is not there", json!(["absent"]), &[]),
                crit("crit holds a number", json!([1]), &[]),
            ],
            _ => {
                let claims = text(self.claims());
                let mut header = self.mint.header.clone();
                header.insert("b64".to_owned(), false.into());
                header.insert("crit".to_owned(), json!(["b64"]));
                let header = base64url::encode(text(header));
                let input = format!("{header}.{claims}");
                let signature = self.mint.signature(input.as_bytes());
                let token = signature.map(|signature| {
                    format!(
                        "{header}.{}.{}",
                        base64url::encode(&claims),
                        base64url::encode(signature)
                    )
                });
                vec![
                    self.probe(
                        "b64 false, signed over the plain payload",
                        token,
                        Expect::Refused,
                    ),
                    crit(
                        "b64 false, payload encoded all the same",
                        json!(["b64"]),
                        &[("b64", Some(json!(false)))],
                    ),
                ]
            }
        }
        .into_iter()
        .flatten()
        .collect()
    }

    /// Only where the valid token has a type of its own is another one wrong.
    pub(super) fn types(&self, id: &str) -> Plan {
        let own = self
            .mint
            .header
            .get("typ")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !own.eq_ignore_ascii_case("at+jwt") {
            return Plan::NotApplicable(
                "the valid token is no at+jwt, so its type says nothing".to_owned(),
            );
        }
        let of = |typ: Option<&str>, expect: Expect| {
            let what = typ.map_or("no typ".to_owned(), |typ| format!("typ {typ}"));
            self.with_header(&what, &[("typ", typ.map(Value::from))], expect)
        };
        let probes = match id {
            "HDR-017" => [
                None,
                Some("JWT"),
                Some("logout+jwt"),
                Some("dpop+jwt"),
                Some("secevent+jwt"),
                Some("id_token"),
            ]
            .into_iter()
            .filter_map(|typ| of(typ, Expect::Refused))
            .collect(),
            _ => ["at+JWT", "application/at+jwt"]
                .into_iter()
                .filter_map(|typ| of(Some(typ), Expect::Sound))
                .collect(),
        };
        Plan::Probes(probes)
    }

    pub(super) fn content_types(&self) -> Vec<Probe> {
        ["JWT", "text/xml", "application/x-java-serialized-object"]
            .into_iter()
            .filter_map(|cty| {
                self.with_header(
                    &format!("cty {cty}"),
                    &[("cty", Some(cty.into()))],
                    Expect::Sound,
                )
            })
            .collect()
    }

    pub(super) fn copied_claims(&self) -> Vec<Probe> {
        [
            ("iss", "https://other.example"),
            ("aud", "other"),
            ("sub", "admin"),
        ]
        .into_iter()
        .filter(|(name, _)| self.mint.claims.contains_key(*name))
        .filter_map(|(name, value)| {
            let what = format!("{name} in the header, another than in the claims");
            let note = "claims copied into the header may disagree with the real ones";
            self.with_header(&what, &[(name, Some(value.into()))], Expect::Either(note))
        })
        .collect()
    }
}

/// The sum of two numbers of one length, a byte longer than they are.
fn sum(one: &[u8], other: &[u8]) -> Vec<u8> {
    let mut carry = 0_u16;
    let mut digits: Vec<u8> = one
        .iter()
        .zip(other)
        .rev()
        .map(|(one, other)| {
            let sum = u16::from(*one) + u16::from(*other) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect();
    digits.push(carry.to_le_bytes()[0]);
    digits.reverse();
    digits
}
