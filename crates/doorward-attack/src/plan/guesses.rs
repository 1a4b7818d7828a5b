//! Tokens that were guessed, cut, or are simply too long.

use super::{Plan, Planner};
use crate::probe::{Expect, Probe};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    match id {
        "BRU-011" => Some(Plan::Probes(random(planner))),
        "HDR-010" => Some(Plan::Probes(kid_flood(planner))),
        "PAR-007" => Some(Plan::Probes(sizes(planner))),
        "ISS-030" => Some(opaque(planner)),
        _ => None,
    }
}

fn forged(planner: &Planner<'_>, what: String, token: &str) -> Probe {
    Probe::forged(planner.target, what, token, Expect::Refused)
}

/// As long as the valid one and in its alphabet.
fn random(planner: &Planner<'_>) -> Vec<Probe> {
    let length = planner.token.len().clamp(16, 1_024);
    let guess = |number: u32| {
        let blocks = (0..).map(|block| planner.noise(number * 100 + block));
        let mut text = String::new();
        for block in blocks {
            text.push_str(&block);
            if text.len() >= length {
                break;
            }
        }
        text.truncate(length);
        forged(planner, format!("random text {number}"), &text)
    };
    (1..=10).map(guess).collect()
}

/// Unknown key ids in a row. What the target fetches cannot be seen from here;
/// that it goes on letting the valid token in is.
fn kid_flood(planner: &Planner<'_>) -> Vec<Probe> {
    let Some(jws) = &planner.jws else {
        return Vec::new();
    };
    let Some((_, rest)) = planner.token.split_once('.') else {
        return Vec::new();
    };
    let probe = |number: u32| {
        let mut header = jws.header.clone();
        header.insert("kid".to_owned(), planner.noise(10_000 + number).into());
        let header = doorward_jose::json::Value::Object(header).to_string();
        let token = format!("{}.{rest}", doorward_jose::base64url::encode(header));
        forged(planner, format!("random kid {number}"), &token)
    };
    (1..=30).map(probe).collect()
}

fn sizes(planner: &Planner<'_>) -> Vec<Probe> {
    let probe = |kilobytes: usize| {
        let length = (kilobytes * 1024).saturating_sub(planner.token.len());
        let token = format!("{}{}", planner.token, "A".repeat(length));
        forged(planner, format!("a token of {kilobytes} KB"), &token)
    };
    [4, 8, 16, 64, 1024].into_iter().map(probe).collect()
}

fn opaque(planner: &Planner<'_>) -> Plan {
    if planner.jws.is_some() {
        return Plan::NotApplicable("the token is a JWS; SIG-006 and PAR-005 do this".to_owned());
    }
    let token = planner.token;
    let mut probes: Vec<Probe> = [1, 2, 4, 8]
        .into_iter()
        .filter_map(|cut| {
            let kept = token.get(..token.len().checked_sub(cut)?)?;
            Some(forged(planner, format!("{cut} characters cut"), kept))
        })
        .collect();
    for more in ["A", "AAAAAAAA"] {
        let what = format!("{} characters added", more.len());
        probes.push(forged(planner, what, &format!("{token}{more}")));
    }
    let swap = |c: char| match c.is_ascii_lowercase() {
        true => c.to_ascii_uppercase(),
        false => c.to_ascii_lowercase(),
    };
    let swapped: String = token.chars().map(swap).collect();
    if swapped != token {
        probes.push(forged(planner, "letter case swapped".to_owned(), &swapped));
    }
    Plan::Probes(probes)
}
