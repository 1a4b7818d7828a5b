//! Tokens that claim nearly the right permission, a weaker sign-in than the
//! route asks for, or another issuer.
//!
//! What a route asks for cannot be known from outside. So each claim is first
//! taken away, or replaced by a word that means nothing: only if the route then
//! turns the token away it looks at that claim, and what is nearly right proves
//! something.

use doorward_jose::{
    json::{Object, Value},
    token::Inspected,
};
use serde_json::json;

use super::{Bench, text};
use crate::{
    plan::{Branch, Must, Plan, Premise},
    probe::{Expect, Probe},
    verdict::Verdict,
};

/// Claims that hold what a caller may do, as the large issuers name them.
const PERMISSIONS: [&str; 7] = [
    "scope",
    "scp",
    "permissions",
    "roles",
    "groups",
    "authorities",
    "entitlements",
];

/// A word that no route asks for.
const NOTHING: &str = "doorward-attack";

pub(super) fn plan(bench: &Bench<'_, '_>, id: &str) -> Option<Plan> {
    Some(match id {
        "CLM-009" => issuers(bench),
        "CLM-017" => permissions(bench, nearly),
        "AUZ-012" => permissions(bench, patterns),
        "CLM-023" => step_up(bench),
        _ => return None,
    })
}

/// Our key, and the name of another issuer that the target trusts.
fn issuers(bench: &Bench<'_, '_>) -> Plan {
    let extras = bench.planner.extras;
    let own = bench.mint.claims.get("iss");
    let tokens = [
        &extras.second_token,
        &extras.old_token,
        &extras.another_token,
    ];
    let mut others: Vec<(Value, Option<Value>)> = tokens
        .into_iter()
        .flatten()
        .chain(&extras.other_tokens)
        .filter_map(|token| Inspected::parse(token).ok())
        .filter_map(|jws| {
            Some((
                jws.payload.get("iss")?.clone(),
                jws.header.get("kid").cloned(),
            ))
        })
        .chain(extras.other_issuers.iter().map(|iss| (json!(iss), None)))
        .filter(|(iss, _)| Some(iss) != own)
        .collect();
    others.dedup();
    let mut probes = Vec::new();
    for (iss, kid) in others {
        let name = iss.as_str().unwrap_or_default().to_owned();
        let mut claims = bench.claims();
        claims.insert("iss".to_owned(), iss);
        let header = &bench.mint.header;
        let mut of = |what: &str, header: Object| {
            let token = bench.mint.sign(&text(header), text(claims.clone()));
            let what = format!("{name} as issuer, our key, {what}");
            probes.extend(bench.probe(what, token, Expect::Refused));
        };
        of("our kid", header.clone());
        if let Some(kid) = kid {
            let mut header = header.clone();
            header.insert("kid".to_owned(), kid);
            of("their kid", header);
        }
    }
    match probes.is_empty() {
        true => Plan::NotApplicable(
            "no other issuer is known; name one that the target trusts by --other-issuer"
                .to_owned(),
        ),
        false => Plan::Probes(probes),
    }
}

/// What a claim holds.
struct Held {
    name: &'static str,
    is_list: bool,
    values: Vec<String>,
}

impl Held {
    /// The claim with other values, in the form that it has.
    fn with(&self, values: &[String]) -> Value {
        match self.is_list {
            true => json!(values),
            false => json!(values.join(" ")),
        }
    }

    fn each(&self, change: impl Fn(&str) -> String) -> Value {
        let values: Vec<String> = self.values.iter().map(|value| change(value)).collect();
        self.with(&values)
    }
}

fn held(claims: &Object) -> Vec<Held> {
    let of = |name: &'static str| {
        let (is_list, values) = match claims.get(name)? {
            Value::String(text) => (false, text.split(' ').map(str::to_owned).collect()),
            Value::Array(list) => {
                let texts = list.iter().filter_map(Value::as_str);
                (true, texts.map(str::to_owned).collect::<Vec<_>>())
            }
            _ => return None,
        };
        let has_some = values.iter().any(|value| value.len() > 1);
        has_some.then_some(Held {
            name,
            is_list,
            values,
        })
    };
    PERMISSIONS.into_iter().filter_map(of).collect()
}

/// Another value of the claim, why it is tried, and what must come of it.
type Variant = (&'static str, Value, Expect);

fn permissions(bench: &Bench<'_, '_>, variants: fn(&Held) -> Vec<Variant>) -> Plan {
    let held = held(&bench.mint.claims);
    let branches = held.iter().filter_map(|held| {
        let without = held.with(&[NOTHING.to_owned()]);
        let what = format!("{} without what the route may ask for", held.name);
        let premise = bench.with_claim(&what, held.name, Some(without), Expect::Refused)?;
        let of = |(what, value, expect): Variant| {
            let what = format!("{}: {what}", held.name);
            bench.with_claim(&what, held.name, Some(value), expect)
        };
        let probes = variants(held).into_iter().filter_map(of).collect();
        Some(asked_for(premise, probes))
    });
    let branches: Vec<Branch> = branches.collect();
    match branches.is_empty() {
        true => Plan::NotApplicable("the valid token holds no claim with permissions".to_owned()),
        false => Plan::Given(branches),
    }
}

/// The probes, if the route turns the premise away.
fn asked_for(premise: Probe, probes: Vec<Probe>) -> Branch {
    let otherwise = "the route does not look at this claim: changed, the token is let in";
    let premise = Premise {
        probe: premise,
        must: Must::TurnedAway,
        otherwise: (Verdict::NotApplicable, otherwise),
    };
    Branch::new(premise, move |_, _| probes.clone())
}

/// Text that only a comparison of parts, or one without case, takes for the
/// right one; and other separators, which are no fault while the issuer alone
/// writes them.
fn nearly(held: &Held) -> Vec<Variant> {
    let cut = |value: &str| {
        let mut letters = value.chars();
        letters.next_back();
        letters.as_str().to_owned()
    };
    let mut variants = vec![
        (
            "more at the end",
            held.each(|value| format!("{value}x")),
            Expect::Refused,
        ),
        (
            "more before",
            held.each(|value| format!("x{value}")),
            Expect::Refused,
        ),
        ("the last letter cut", held.each(cut), Expect::Refused),
        (
            "in the middle of others",
            held.each(|value| format!("x,{value},x")),
            Expect::Refused,
        ),
    ];
    let capitals = held.each(str::to_uppercase);
    if capitals != held.each(str::to_owned) {
        variants.push(("in capitals", capitals, Expect::Refused));
    }
    let note = "permissions are taken in another form than the issuer's own too";
    let joined = |separator: &str| {
        let padded = [held.values.as_slice(), &[NOTHING.to_owned()]].concat();
        json!(padded.join(separator))
    };
    let other_form = match held.is_list {
        true => joined(" "),
        false => json!(held.values),
    };
    variants.push((
        "text for a list, or a list for text",
        other_form,
        Expect::Either(note),
    ));
    for (what, separator) in [("tabs between", "\t"), ("line feeds between", "\n")] {
        let value = match held.is_list {
            true => json!([joined(separator)]),
            false => joined(separator),
        };
        variants.push((what, value, Expect::Either(note)));
    }
    variants
}

/// Patterns: a star for a whole segment may be meant, the rest never is.
fn patterns(held: &Held) -> Vec<Variant> {
    let parent = |value: &str| {
        let end = value.rfind([':', '.', '/', '-', '_']);
        end.map_or(String::new(), |end| value[..=end].to_owned())
    };
    let half = |value: &str| {
        let middle = value.len() / 2;
        let middle = (0..=middle).rev().find(|at| value.is_char_boundary(*at));
        value[..middle.unwrap_or(0)].to_owned()
    };
    let note = "a star is taken for a permission; that is right only if your issuer writes stars";
    let mut variants = vec![
        (
            "a star alone",
            held.with(&["*".to_owned()]),
            Expect::Either(note),
        ),
        (
            "a star for the last segment",
            held.each(|value| format!("{}*", parent(value))),
            Expect::Either(note),
        ),
        (
            "a star inside a segment",
            held.each(|value| format!("{}*", half(value))),
            Expect::Refused,
        ),
        (
            "a regular expression",
            held.with(&[".*".to_owned()]),
            Expect::Refused,
        ),
        (
            "one that begins right",
            held.each(|value| format!("{}.*", half(value))),
            Expect::Refused,
        ),
        (
            "a pattern of SQL",
            held.with(&["%".to_owned()]),
            Expect::Refused,
        ),
        (
            "an empty name",
            held.with(&[String::new()]),
            Expect::Refused,
        ),
    ];
    let parents = held.each(|value| {
        let parent = parent(value);
        parent[..parent.len().saturating_sub(1)].to_owned()
    });
    if parents != held.with(&vec![String::new(); held.values.len()]) {
        variants.push(("the segments before the last", parents, Expect::Refused));
    }
    variants
}

/// A sign-in that is too weak or too long ago, where the route asks for one
/// (RFC 9470).
fn step_up(bench: &Bench<'_, '_>) -> Plan {
    let claims = &bench.mint.claims;
    let mut branches = Vec::new();
    for name in ["acr", "amr", "auth_time"] {
        let Some(own) = claims.get(name) else {
            continue;
        };
        let without = format!("without {name}");
        let Some(premise) = bench.with_claim(&without, name, None, Expect::Refused) else {
            continue;
        };
        let of = |(what, value): (&str, Value)| {
            let what = format!("{name}: {what}");
            bench.with_claim(&what, name, Some(value), Expect::Refused)
        };
        let probes = weaker(name, own, bench.now).into_iter().filter_map(of);
        branches.push(asked_for(premise, probes.collect()));
    }
    match branches.is_empty() {
        true => Plan::NotApplicable(
            "the valid token says nothing of how or when its owner signed in".to_owned(),
        ),
        false => Plan::Given(branches),
    }
}

fn weaker(name: &str, own: &Value, now: u64) -> Vec<(&'static str, Value)> {
    match (name, own) {
        ("auth_time", _) => vec![
            ("a year ago", json!(now.saturating_sub(31_536_000))),
            ("zero", json!(0)),
            ("a day ahead", json!(now + 86_400)),
            ("text", json!("now")),
        ],
        ("acr", Value::String(own)) => vec![
            ("0", json!("0")),
            ("unknown", json!(NOTHING)),
            ("the right one and more", json!(format!("{own}x"))),
            ("empty", json!("")),
            ("true", json!(true)),
        ],
        ("amr", Value::Array(own)) => {
            let texts: Vec<&str> = own.iter().filter_map(Value::as_str).collect();
            let mut variants = vec![
                ("an empty list", json!([])),
                ("unknown", json!([NOTHING])),
                (
                    "the right ones inside a word",
                    json!([format!("x{}x", texts.join("x"))]),
                ),
            ];
            if texts.iter().any(|text| *text != "pwd") {
                variants.push(("a password alone", json!(["pwd"])));
            }
            variants
        }
        _ => Vec::new(),
    }
}
