//! Well-signed tokens that say what should not be believed (the third tier).

mod claims;
mod header;
mod rights;

use doorward_jose::json::{Object, Value};
use serde_json::json;

use super::{Plan, Planner};
use crate::{
    mint::Mint,
    probe::{Expect, Probe},
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

fn text(object: Object) -> String {
    Value::Object(object).to_string()
}
