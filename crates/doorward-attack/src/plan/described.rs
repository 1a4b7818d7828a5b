//! What the API's own description promises, route by route.

use doorward_jose::{
    json::{Object, Value},
    token::Inspected,
};
use serde_json::{from_slice, json};

use super::{Branch, Must, Plan, Planner, Premise};
use crate::{
    description::Described,
    probe::{Expect, Probe, Question},
    verdict::Verdict,
    wire::{Answer, Request},
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    match id {
        "AUZ-002" => Some(functions(planner)),
        "AUZ-009" => Some(properties(planner)),
        "ISS-002" => Some(assignments(planner)),
        _ => None,
    }
}

/// The operations that may be tried: those that change something only where
/// that is allowed.
fn operations<'p>(planner: &'p Planner<'_>) -> impl Iterator<Item = &'p Described> {
    let described = planner.extras.description.iter();
    let all = described.flat_map(|description| &description.operations);
    all.filter(|one| planner.extras.unsafe_methods || matches!(one.method.as_str(), "GET" | "HEAD"))
}

fn request(planner: &Planner<'_>, one: &Described, token: Option<&str>) -> Request {
    let mut request = planner.at(&one.path, token);
    one.method.clone_into(&mut request.method);
    match one.method.as_str() {
        "GET" | "HEAD" | "DELETE" => request,
        _ => request.with_body("application/json", "{}"),
    }
}

fn answers(who: &'static str) -> Expect {
    Expect::Ask(Question::new(move |answer| {
        let got = answer.is_success();
        got.then(|| format!("answered {} to {who}", answer.status))
    }))
}

/// Every operation without a token, with a token that lacks the scopes that it
/// names, and by the second caller where it is for administrators.
fn functions(planner: &Planner<'_>) -> Plan {
    let own = scopes(planner.token);
    let mut probes = Vec::new();
    let mut branches = Vec::new();
    for one in operations(planner) {
        let name = format!("{} {}", one.method, one.path);
        if one.is_secured {
            let what = format!("{name} without a token");
            let expect = answers("a stranger, where the description asks for a credential");
            probes.push(Probe::bare(what, request(planner, one, None), expect));
        }
        let asks = one.scopes.iter().any(|scopes| !scopes.is_empty());
        let has = |wanted: &Vec<String>| wanted.iter().all(|scope| own.contains(scope));
        if asks && !one.scopes.iter().any(has) {
            let what = format!("{name} without the scope that it asks for");
            let expect = answers("a token without the scope that the description asks for");
            let request = request(planner, one, Some(planner.token));
            probes.push(Probe::with_valid(what, request, expect, planner.token));
        }
        if let (true, Some(second)) = (one.is_for_admins, &planner.extras.second_token) {
            branches.push(by_the_second(planner, one, &name, second));
        }
    }
    if branches.is_empty() {
        return Plan::Probes(probes);
    }
    // The valid token at its own route: what needs no premise.
    let always = Premise {
        probe: Probe::with_valid(
            "the valid token",
            planner.target.request(Some(planner.token)),
            Expect::Sound,
            planner.token,
        ),
        must: Must::LetIn,
        otherwise: (Verdict::Inconclusive, "the valid token is not let in"),
    };
    branches.push(Branch::new(always, move |_, _| probes.clone()));
    Plan::Given(branches)
}

fn by_the_second(planner: &Planner<'_>, one: &Described, name: &str, second: &str) -> Branch {
    let premise = Premise {
        probe: Probe::with_valid(
            format!("{name} by the first caller"),
            request(planner, one, Some(planner.token)),
            Expect::Sound,
            planner.token,
        ),
        must: Must::Succeed,
        otherwise: (
            Verdict::NotApplicable,
            "the first caller is no administrator either",
        ),
    };
    let what = format!("{name} by the second caller");
    let expect = answers("a caller who is no administrator");
    let probe = Probe::with_valid(what, request(planner, one, Some(second)), expect, second);
    Branch::new(premise, move |_, _| vec![probe.clone()])
}

/// What a token says that it may.
fn scopes(token: &str) -> Vec<String> {
    let claims = Inspected::parse(token)
        .map(|jws| jws.payload)
        .unwrap_or_default();
    let values = ["scope", "scp", "permissions", "roles"].into_iter();
    let mut scopes = Vec::new();
    for value in values.filter_map(|name| claims.get(name)) {
        match value {
            Value::String(text) => scopes.extend(text.split(' ').map(str::to_owned)),
            Value::Array(items) => {
                scopes.extend(items.iter().filter_map(Value::as_str).map(str::to_owned));
            }
            _ => {}
        }
    }
    scopes
}

/// Members that no caller should be shown unless the description says so.
const HIDDEN: [&str; 12] = [
    "password",
    "passwordhash",
    "password_hash",
    "pwd",
    "hash",
    "salt",
    "secret",
    "client_secret",
    "private_key",
    "ssn",
    "totp_secret",
    "reset_token",
];

fn properties(planner: &Planner<'_>) -> Plan {
    let mut probes = Vec::new();
    for one in operations(planner).filter(|one| one.method == "GET") {
        for more in [
            "",
            "fields=*",
            "include=all",
            "expand=*",
            "view=full",
            "fields=password,secret,hash",
        ] {
            let separator = if one.path.contains('?') { '&' } else { '?' };
            let path = match more.is_empty() {
                true => one.path.clone(),
                false => format!("{}{separator}{more}", one.path),
            };
            let members = planner.extras.description.as_ref();
            let members = members.map(|all| all.members.clone()).unwrap_or_default();
            let question = Question::new(move |answer| {
                let value: Value = from_slice(&answer.body)
                    .ok()
                    .filter(|_| answer.is_success())?;
                let mut shown = Vec::new();
                hidden(&value, &mut shown);
                shown.retain(|name| !members.contains(name));
                let first = shown.first()?;
                Some(format!(
                    "the answer shows `{first}`, which the description does not name"
                ))
            });
            let request = planner.at(&path, Some(planner.token));
            let what = format!("GET {path}");
            probes.push(Probe::with_valid(
                what,
                request,
                Expect::Ask(question),
                planner.token,
            ));
        }
    }
    Plan::Probes(probes)
}

fn hidden(value: &Value, shown: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let name = name.to_lowercase();
                if HIDDEN.contains(&name.as_str()) && !value.is_null() {
                    shown.push(name);
                }
                hidden(value, shown);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| hidden(item, shown)),
        _ => {}
    }
}

/// Sets what only the server should set, and looks whether it stuck. What was
/// there before is written back at the end.
fn assignments(planner: &Planner<'_>) -> Plan {
    if !planner.extras.unsafe_methods {
        return Plan::Skipped("needs leave to change something: --unsafe-methods".to_owned());
    }
    let changes = operations(planner).filter(|one| matches!(one.method.as_str(), "PATCH" | "PUT"));
    let branches: Vec<Branch> = changes
        .map(|one| {
            let premise = Premise {
                probe: Probe::with_valid(
                    format!("GET {}", one.path),
                    planner.at(&one.path, Some(planner.token)),
                    Expect::Sound,
                    planner.token,
                ),
                must: Must::Succeed,
                otherwise: (
                    Verdict::NotApplicable,
                    "what may be changed cannot be read back",
                ),
            };
            let one = one.clone();
            Branch::new(premise, move |planner, answer| {
                assigned(planner, &one, answer)
            })
        })
        .collect();
    match branches.is_empty() {
        true => Plan::NotApplicable("the description has no PATCH or PUT with examples".to_owned()),
        false => Plan::Given(branches),
    }
}

fn assigned(planner: &Planner<'_>, one: &Described, answer: &Answer) -> Vec<Probe> {
    let Ok(Value::Object(before)) = from_slice::<Value>(&answer.body) else {
        return Vec::new();
    };
    let privileges = [
        ("role", json!("admin")),
        ("roles", json!(["admin"])),
        ("is_admin", json!(true)),
        ("isAdmin", json!(true)),
        ("admin", json!(true)),
        ("permissions", json!(["*"])),
        ("tenant", json!("doorward-attack")),
        ("owner", json!("doorward-attack")),
        ("verified", json!(true)),
        ("email_verified", json!(true)),
        ("balance", json!(1_000_000)),
    ];
    let mut probes = Vec::new();
    let mut undo = Object::new();
    for (name, value) in privileges {
        if one.writable.contains(name) || before.get(name) == Some(&value) {
            continue;
        }
        if let Some(own) = before.get(name) {
            undo.insert(name.to_owned(), own.clone());
        }
        let whole = match one.method.as_str() {
            "PUT" => before.clone(),
            _ => Object::new(),
        };
        let flat = [(name.to_owned(), value.clone())].into_iter();
        let flat: Object = whole.clone().into_iter().chain(flat).collect();
        let patch = json!([{ "op": "add", "path": format!("/{name}"), "value": value }]);
        let mut add = |what: &str, kind: &str, body: String| {
            probes.push(
                change(planner, one, &format!("{what} `{name}`"), kind, body)
                    .watching(name, &value),
            );
        };
        add(
            "a body with",
            "application/json",
            Value::Object(flat.clone()).to_string(),
        );
        if one.method == "PATCH" {
            add(
                "a merge patch with",
                "application/merge-patch+json",
                Value::Object(flat).to_string(),
            );
            add(
                "a JSON patch of",
                "application/json-patch+json",
                patch.to_string(),
            );
        }
    }
    if !undo.is_empty() {
        let body = match one.method.as_str() {
            "PUT" => before,
            _ => undo,
        };
        let body = Value::Object(body).to_string();
        probes.push(change(
            planner,
            one,
            "what was there, again",
            "application/json",
            body,
        ));
    }
    probes
}

/// The change, and then a look at what became of it.
fn change(planner: &Planner<'_>, one: &Described, what: &str, kind: &str, body: String) -> Probe {
    let mut request = planner
        .at(&one.path, Some(planner.token))
        .with_body(kind, body);
    one.method.clone_into(&mut request.method);
    let what = format!("{} {}: {what}", one.method, one.path);
    Probe::with_valid(what, request, Expect::Sound, planner.token)
        .then(planner.at(&one.path, Some(planner.token)))
}

impl Probe {
    /// Asks whether the member now has the value.
    fn watching(mut self, name: &str, value: &Value) -> Self {
        let (name, value) = (name.to_owned(), value.clone());
        self.expect = Expect::Ask(Question::new(move |answer| {
            let now: Value = from_slice(&answer.body).ok()?;
            let stuck = answer.is_success() && now.get(&name) == Some(&value);
            stuck.then(|| {
                format!("`{name}` can be set by its owner, and the description does not offer it")
            })
        }));
        self
    }
}
