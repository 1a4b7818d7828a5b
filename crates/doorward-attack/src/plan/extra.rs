//! What further tokens, the key set and a route that echoes make possible
//! (the second tier).

use doorward_jose::{
    algorithm::Algorithm,
    base64url, dangerous,
    json::{Object, Value},
    signing_key::SigningKey,
    token::Inspected,
};

use super::{Observation, Plan, Planner};
use crate::{
    calibration::Calibration,
    probe::{Expect, Probe},
    target::TokenPlace,
    verdict::Verdict,
    wire::Answer,
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    match id {
        "CLM-001" => Some(Plan::Probes(old(planner))),
        "CLM-011" | "CLM-012" | "CLM-013" => Some(others(planner, id)),
        "PAR-016" => Some(Plan::Probes(two_places(planner))),
        "KEY-001" | "KEY-003" => Some(Plan::Known(keys(planner, id))),
        "HDR-005" => Some(Plan::Probes(foreign_certificate(planner))),
        "GWY-012" => Some(Plan::Probes(identity_headers(planner))),
        _ => None,
    }
}

fn old(planner: &Planner<'_>) -> Vec<Probe> {
    let token = planner.extras.old_token.as_deref();
    let probe = |token| Probe::forged(planner.target, "the expired token", token, Expect::Refused);
    token.map(probe).into_iter().collect()
}

/// What a token that is not for this API may be.
fn kind_of(token: &str) -> &'static str {
    let Ok(jws) = Inspected::parse(token) else {
        return "CLM-013";
    };
    let typ = jws
        .header
        .get("typ")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let is_special = [
        "refresh",
        "logout",
        "dpop",
        "rt+jwt",
        "client-authentication",
    ]
    .iter()
    .any(|word| typ.to_ascii_lowercase().contains(word));
    let is_identity = ["nonce", "at_hash", "c_hash", "auth_time"]
        .iter()
        .any(|claim| jws.payload.contains_key(*claim));
    match (is_special, is_identity) {
        (true, _) => "CLM-013",
        (_, true) => "CLM-012",
        _ => "CLM-011",
    }
}

fn others(planner: &Planner<'_>, id: &str) -> Plan {
    let probes: Vec<Probe> = planner
        .extras
        .other_tokens
        .iter()
        .filter(|token| kind_of(token) == id)
        .map(|token| {
            Probe::forged(
                planner.target,
                "the other token as it is",
                token,
                Expect::Refused,
            )
        })
        .collect();
    match probes.is_empty() {
        true => Plan::NotApplicable("no --other-token is of this kind".to_owned()),
        false => Plan::Probes(probes),
    }
}

/// A second credential, in another place than the first.
fn two_places(planner: &Planner<'_>) -> Vec<Probe> {
    let second = planner.extras.second_token.as_deref().unwrap_or_default();
    if planner.target.place != TokenPlace::Authorization {
        return Vec::new();
    }
    let separator = if planner.target.query.is_some() {
        '&'
    } else {
        '?'
    };
    let mut query = planner.target.request(Some(planner.token));
    query
        .target
        .extend(format!("{separator}access_token={second}").as_bytes());
    let cookie = planner
        .target
        .request(Some(planner.token))
        .with("Cookie", format!("access_token={second}"));
    let note = "the second credential is passed over; two of them are better refused";
    [("query", query), ("cookie", cookie)]
        .into_iter()
        .map(|(place, request)| {
            Probe::with_valid(
                format!("one token in the header, another in the {place}"),
                request,
                Expect::Either(note),
                planner.token,
            )
        })
        .map(|probe| probe.hiding(second))
        .collect()
}

fn published(planner: &Planner<'_>) -> Vec<Object> {
    let text = planner.extras.jwks.as_deref().unwrap_or_default();
    let set: Value = serde_json::from_str(text).unwrap_or_default();
    let keys = set
        .get("keys")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    keys.into_iter()
        .filter_map(|key| match key {
            Value::Object(key) => Some(key),
            _ => None,
        })
        .collect()
}

fn keys(planner: &Planner<'_>, id: &str) -> Vec<Observation> {
    let mut seen = Vec::new();
    for key in published(planner) {
        let kid = key
            .get("kid")
            .and_then(Value::as_str)
            .unwrap_or("without kid")
            .to_owned();
        if id == "KEY-001" {
            let secret = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"]
                .into_iter()
                .filter(|name| key.contains_key(*name));
            for name in secret {
                let why = format!("the published key holds the private member `{name}`");
                seen.push(Observation::new(
                    Verdict::Vulnerable,
                    format!("key {kid}"),
                    why,
                ));
            }
        } else if let Some(why) = weakness(&key) {
            seen.push(Observation::new(
                Verdict::Vulnerable,
                format!("key {kid}"),
                why,
            ));
        }
    }
    seen
}

fn weakness(key: &Object) -> Option<String> {
    let number = |name: &str| base64url::decode(key.get(name)?.as_str()?).ok();
    let n = number("n")?;
    let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let e = number("e").unwrap_or_default();
    match (bits, e.as_slice()) {
        (..2048, _) => Some(format!("RSA with {bits} bits")),
        (8193.., _) => Some(format!("RSA with {bits} bits, which costs every verifier")),
        (_, [.., last]) if last % 2 == 0 => Some("an even RSA exponent".to_owned()),
        (_, [1 | 3]) => Some("a tiny RSA exponent".to_owned()),
        _ => None,
    }
}

/// The genuine certificate in `x5c`, and a signature of our own.
fn foreign_certificate(planner: &Planner<'_>) -> Vec<Probe> {
    let Some(jws) = &planner.jws else {
        return Vec::new();
    };
    let key = SigningKey::generate(Algorithm::Es256);
    let chains = published(planner)
        .into_iter()
        .filter_map(|key| key.get("x5c").cloned());
    let Ok(key) = key else { return Vec::new() };
    chains
        .filter_map(|chain| {
            let mut header = jws.header.clone();
            header.insert("alg".to_owned(), "ES256".into());
            header.insert("x5c".to_owned(), chain);
            let payload = planner.token.split('.').nth(1)?;
            let input = format!(
                "{}.{payload}",
                base64url::encode(Value::Object(header).to_string())
            );
            let signature = dangerous::sign(&key, input.as_bytes()).ok()?;
            let token = format!("{input}.{}", base64url::encode(signature));
            let what = "the genuine certificate, a foreign signature";
            Some(Probe::forged(planner.target, what, &token, Expect::Refused))
        })
        .collect()
}

const CANARY: &str = "doorward-attack-canary";

/// Names by which services are told who calls.
const IDENTITY: [&str; 24] = [
    "X-User-Id",
    "X-User",
    "X-User-Name",
    "X-Username",
    "X-Remote-User",
    "Remote-User",
    "X-Auth-User",
    "X-Authenticated-User",
    "X-Forwarded-User",
    "X-Forwarded-Email",
    "X-Auth-Request-User",
    "X-Auth-Request-Email",
    "X-Email",
    "X-Roles",
    "X-User-Roles",
    "X-Groups",
    "X-Tenant-Id",
    "X-Consumer-Username",
    "X-Jwt-Payload",
    "X-Endpoint-Api-Userinfo",
    "X-Doorward-Subject",
    "X-Doorward-Roles",
    "X_Doorward_Subject",
    "x-doorward-tenant",
];

/// Each of them with a canary that the route behind must not see.
fn identity_headers(planner: &Planner<'_>) -> Vec<Probe> {
    let Some(path) = planner.extras.echo_route.as_deref() else {
        return Vec::new();
    };
    IDENTITY
        .into_iter()
        .map(|name| {
            let mut request = planner
                .target
                .request(Some(planner.token))
                .with(name, CANARY);
            request.target = path.as_bytes().to_vec();
            "GET".clone_into(&mut request.method);
            let what = format!("{name} of the caller's own");
            Probe::with_valid(what, request, Expect::Tell(arrives), planner.token)
        })
        .collect()
}

fn arrives(_: &Calibration, answer: &Answer) -> Option<String> {
    let arrives = answer.is_success() && answer.text().contains(CANARY);
    arrives.then(|| "the route behind is told who calls by the caller".to_owned())
}
