//! What the route behind is told of the caller, and whether a caller can take
//! that away or say it twice.

use doorward_jose::json::Value;
use serde_json::from_slice;

use super::{Branch, Must, Plan, Planner, Premise};
use crate::{
    calibration::Calibration,
    probe::{Expect, Probe, Question},
    verdict::Verdict,
    wire::{Answer, Request},
};

const CANARY: &str = "doorward-attack-canary";

/// Words in the names of fields that say who calls.
const TELLING: [&str; 12] = [
    "user",
    "subject",
    "tenant",
    "role",
    "scope",
    "permission",
    "group",
    "email",
    "identity",
    "client-id",
    "account",
    "auth",
];

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let route = planner.extras.echo_route.as_deref()?;
    let follow = match id {
        "GWY-013" => removals,
        "GWY-016" => doubles,
        _ => return None,
    };
    let premise = Premise {
        probe: Probe::with_valid(
            "the route that shows what it received",
            planner.at(route, Some(planner.token)),
            Expect::Sound,
            planner.token,
        ),
        must: Must::Succeed,
        otherwise: (
            Verdict::Inconclusive,
            "the route that shows fields does not answer",
        ),
    };
    Some(Plan::Given(vec![Branch::new(premise, follow)]))
}

/// Fields that name the caller and that the caller did not send.
fn identity(answer: &Answer) -> Vec<String> {
    let mut names = Vec::new();
    match from_slice::<Value>(&answer.body) {
        Ok(value) => members(&value, &mut names),
        Err(_) => {
            let text = answer.text();
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            names.extend(lines.map(|(name, _)| name.trim().to_lowercase()));
        }
    }
    names.retain(|name| {
        let is_a_name = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        is_a_name && name != "user-agent" && TELLING.iter().any(|word| name.contains(word))
    });
    names.sort();
    names.dedup();
    names
}

fn members(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            for (name, value) in object {
                // A field that did not come is no field.
                if !value.is_null() {
                    names.push(name.to_lowercase());
                }
                members(value, names);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| members(item, names)),
        _ => {}
    }
}

fn asks(planner: &Planner<'_>) -> Request {
    let route = planner.extras.echo_route.as_deref().unwrap_or("/");
    planner.at(route, Some(planner.token))
}

/// `Connection` names fields that a proxy must not pass on; those that it sets
/// itself are not among them.
fn removals(planner: &Planner<'_>, answer: &Answer) -> Vec<Probe> {
    let mut probes = Vec::new();
    for name in identity(answer) {
        for spelled in [name.clone(), name.to_uppercase()] {
            let mut request = asks(planner);
            request.headers.retain(|(name, _)| name != "Connection");
            let request = request.with("Connection", format!("close, {spelled}"));
            let wanted = name.clone();
            let question = Question::new(move |answer| {
                let is_gone = answer.is_success() && !identity(answer).contains(&wanted);
                is_gone.then(|| format!("`{wanted}` no longer arrives: the caller took it away"))
            });
            let what = format!("Connection: close, {spelled}");
            let expect = Expect::Ask(question);
            probes.push(Probe::with_valid(what, request, expect, planner.token));
        }
    }
    probes
}

/// The caller's own value beside the gateway's, in each order and spelling.
fn doubles(planner: &Planner<'_>, answer: &Answer) -> Vec<Probe> {
    let mut probes = Vec::new();
    for name in identity(answer)
        .into_iter()
        .filter(|name| name != "authorization")
    {
        let two = |first: &str, second: &str| asks(planner).with(&name, first).with(&name, second);
        let list = format!("{CANARY}, {CANARY}");
        for (what, request) in [
            ("twice", two(CANARY, CANARY)),
            ("first empty, then ours", two("", CANARY)),
            ("a list", asks(planner).with(&name, list.as_str())),
            (
                "underscores",
                asks(planner).with(&name.replace('-', "_"), CANARY),
            ),
        ] {
            let what = format!("{name}: {what}");
            probes.push(Probe::with_valid(
                what,
                request,
                Expect::Tell(arrives),
                planner.token,
            ));
        }
    }
    probes
}

fn arrives(_: &Calibration, answer: &Answer) -> Option<String> {
    let arrives = answer.is_success() && answer.text().contains(CANARY);
    arrives.then(|| "a value of the caller's own arrives beside the gateway's".to_owned())
}
