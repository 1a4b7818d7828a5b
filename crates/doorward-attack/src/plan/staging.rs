//! Well-signed tokens that say what should not be believed (the third tier).

mod rights;

use doorward_jose::{
    algorithm::Algorithm,
    base64url,
    json::{Object, Value},
};
use serde_json::json;

use super::{Plan, Planner};
use crate::{
    calibration::Calibration,
    forge::group_order_of,
    mint::Mint,
    probe::{Expect, Probe},
    wire::Answer,
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let mint = planner.extras.staging.as_ref()?;
    let bench = Bench {
        planner,
        mint,
        now: planner.started,
    };
    if let Some(plan) = rights::plan(&bench, id) {
        return Some(plan);
    }
    let probes = match id {
        "SIG-013" => bench.family(),
        "SIG-015" => bench.out_of_range(),
        "SIG-023" => bench.curves(),
        "SIG-025" => bench.nested(),
        "SIG-031" => bench.edwards_names(),
        "HDR-009" => bench.without_kid(),
        "HDR-011" | "HDR-012" | "HDR-013" => bench.critical(id),
        "HDR-017" | "HDR-018" => return Some(bench.types(id)),
        "HDR-019" => bench.content_types(),
        "HDR-023" => bench.copied_claims(),
        "CLM-002" | "CLM-003" | "CLM-004" | "CLM-005" | "CLM-006" | "CLM-024" => bench.times(id),
        "CLM-008" => bench.texts("iss"),
        "CLM-010" => bench.texts("aud"),
        "CLM-015" => bench.subjects(),
        "CLM-018" => bench.roles(),
        "CLM-019" | "CLM-020" | "CLM-025" => bench.tolerated(id),
        "CLM-027" => bench.control_characters(),
        "PAR-001" => bench.duplicates(),
        "PAR-010" => bench.numbers(),
        "PAR-011" => bench.not_quite_json(),
        "PAR-012" => bench.prototypes(),
        "PAR-013" => bench.many(),
        _ => return None,
    };
    Some(Plan::Probes(probes))
}

struct Bench<'p, 'r> {
    planner: &'p Planner<'r>,
    mint: &'p Mint,
    now: u64,
}

impl Bench<'_, '_> {
    /// The valid claims, fresh.
    fn claims(&self) -> Object {
        let mut claims = self.mint.claims.clone();
        claims.insert("iat".to_owned(), self.now.into());
        claims.insert("exp".to_owned(), (self.now + 300).into());
        if claims.contains_key("jti") {
            claims.insert("jti".to_owned(), self.planner.noise(500_000).into());
        }
        claims
    }

    fn header(&self) -> String {
        Value::Object(self.mint.header.clone()).to_string()
    }

    fn probe(
        &self,
        what: impl Into<String>,
        token: Option<String>,
        expect: Expect,
    ) -> Option<Probe> {
        Some(Probe::forged(self.planner.target, what, &token?, expect))
    }

    fn with_payload(
        &self,
        what: impl Into<String>,
        payload: impl AsRef<[u8]>,
        expect: Expect,
    ) -> Option<Probe> {
        self.probe(what, self.mint.sign(&self.header(), payload), expect)
    }

    fn with_claim(
        &self,
        what: &str,
        name: &str,
        value: Option<Value>,
        expect: Expect,
    ) -> Option<Probe> {
        let mut claims = self.claims();
        match value {
            Some(value) => claims.insert(name.to_owned(), value),
            None => claims.remove(name),
        };
        self.with_payload(what, text(claims), expect)
    }

    fn with_header(
        &self,
        what: &str,
        changes: &[(&str, Option<Value>)],
        expect: Expect,
    ) -> Option<Probe> {
        let mut header = self.mint.header.clone();
        for (name, value) in changes {
            match value {
                Some(value) => header.insert((*name).to_owned(), value.clone()),
                None => header.remove(*name),
            };
        }
        self.probe(
            what,
            self.mint.sign(&text(header), text(self.claims())),
            expect,
        )
    }

    fn family(&self) -> Vec<Probe> {
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
    fn out_of_range(&self) -> Vec<Probe> {
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

    fn curves(&self) -> Vec<Probe> {
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

    fn nested(&self) -> Vec<Probe> {
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

    fn edwards_names(&self) -> Vec<Probe> {
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

    fn without_kid(&self) -> Vec<Probe> {
        let note = "a token without kid is taken; at most a few keys should be tried";
        self.with_header("no kid", &[("kid", None)], Expect::Either(note))
            .into_iter()
            .collect()
    }

    fn critical(&self, id: &str) -> Vec<Probe> {
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
    fn types(&self, id: &str) -> Plan {
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

    fn content_types(&self) -> Vec<Probe> {
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

    fn copied_claims(&self) -> Vec<Probe> {
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

    fn times(&self, id: &str) -> Vec<Probe> {
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
    fn texts(&self, name: &str) -> Vec<Probe> {
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

    fn subjects(&self) -> Vec<Probe> {
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

    fn roles(&self) -> Vec<Probe> {
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

    fn tolerated(&self, id: &str) -> Vec<Probe> {
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

    fn control_characters(&self) -> Vec<Probe> {
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

    fn duplicates(&self) -> Vec<Probe> {
        let claims = text(self.claims());
        let (start, end) = (&claims[1..], &claims[..claims.len() - 1]);
        [
            (
                "sub twice, another one last",
                format!(r#"{end},"sub":"admin"}}"#),
            ),
            (
                "sub twice, another one first",
                format!(r#"{{"sub":"admin",{start}"#),
            ),
            ("exp twice", format!(r#"{end},"exp":{}}}"#, self.now + 600)),
            (
                "sub twice, one with an escape",
                format!(r#"{end},"\u0073ub":"admin"}}"#),
            ),
        ]
        .into_iter()
        .filter_map(|(what, payload)| self.with_payload(what, payload, Expect::Refused))
        .collect()
    }

    fn numbers(&self) -> Vec<Probe> {
        let claims = text(self.claims());
        let exp = (self.now + 300).to_string();
        let with =
            |value: &str| claims.replace(&format!("\"exp\":{exp}"), &format!("\"exp\":{value}"));
        ["1e400", "-1e400", "-0", "1e2", "0.5"]
            .into_iter()
            .filter_map(|value| {
                self.with_payload(format!("exp {value}"), with(value), Expect::Refused)
            })
            .collect()
    }

    fn not_quite_json(&self) -> Vec<Probe> {
        let claims = text(self.claims());
        let end = &claims[..claims.len() - 1];
        [
            ("a comment", format!("{end}/* x */}}")),
            ("a trailing comma", format!("{end},}}")),
            ("NaN", format!(r#"{end},"x":NaN}}"#)),
            ("two values", format!("{claims}{claims}")),
            ("single quotes", claims.replace('"', "'")),
            ("text behind", format!("{claims}x")),
            ("a byte order mark", format!("\u{feff}{claims}")),
        ]
        .into_iter()
        .filter_map(|(what, payload)| self.with_payload(what, payload, Expect::Refused))
        .collect()
    }

    fn prototypes(&self) -> Vec<Probe> {
        ["__proto__", "constructor", "toString"]
            .into_iter()
            .filter_map(|name| {
                let value = json!({ "isAdmin": true, "role": "admin" });
                self.with_claim(name, name, Some(value), Expect::Sound)
            })
            .collect()
    }

    fn many(&self) -> Vec<Probe> {
        let mut claims = self.claims();
        claims.extend((0..500).map(|index| (format!("c{index}"), index.into())));
        self.with_payload("500 claims", text(claims), Expect::Sound)
            .into_iter()
            .collect()
    }
}

fn is_split(_: &Calibration, answer: &Answer) -> Option<String> {
    answer
        .header("x-injected")
        .is_some()
        .then(|| "a claim became a header field of its own".to_owned())
}

fn text(object: Object) -> String {
    Value::Object(object).to_string()
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
