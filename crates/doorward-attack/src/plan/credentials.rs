//! Credentials that are absent, odd, doubled or in the wrong place.

use super::{Plan, Planner};
use crate::{
    calibration::{Calibration, Standing},
    probe::{Expect, Probe},
    target::TokenPlace,
    wire::Answer,
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let in_header = planner.target.place == TokenPlace::Authorization;
    let elsewhere = || {
        Some(Plan::NotApplicable(
            "the token does not go into Authorization here".to_owned(),
        ))
    };
    match id {
        "AUZ-001" => Some(Plan::Probes(empty(planner))),
        "AUZ-010" => Some(Plan::Probes(overrides(planner))),
        "AUZ-011" => Some(methods(planner)),
        "PAR-014" | "PAR-015" | "PAR-017" | "PAR-019" | "PAR-020" if !in_header => elsewhere(),
        "PAR-014" => Some(Plan::Probes(spellings(planner))),
        "PAR-015" => Some(Plan::Probes(doubled(planner))),
        "PAR-017" => Some(Plan::Probes(in_the_query(planner))),
        "PAR-019" => Some(Plan::Probes(folded(planner))),
        "PAR-020" => Some(Plan::Probes(odd_bytes(planner))),
        _ => None,
    }
}

/// The calibration has sent no token at all; these are the ways to send none
/// that look like one.
fn empty(planner: &Planner<'_>) -> Vec<Probe> {
    let of = |value: &str| {
        let request = match &planner.target.place {
            TokenPlace::Authorization => planner.bare().with("Authorization", value),
            _ => planner.target.request(Some(value)),
        };
        Probe::bare(format!("credential `{value}`"), request, Expect::Refused)
    };
    let mut probes = vec![Probe::bare("no token", planner.bare(), Expect::Refused)];
    let values: &[&str] = match planner.target.place {
        TokenPlace::Authorization => &[
            "",
            "Bearer",
            "Bearer ",
            "Bearer null",
            "Bearer undefined",
            "Basic YWRtaW46YWRtaW4=",
        ],
        _ => &["", "null", "undefined", "x"],
    };
    probes.extend(values.iter().map(|value| of(value)));
    probes
}

fn overrides(planner: &Planner<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for name in [
        "X-HTTP-Method-Override",
        "X-HTTP-Method",
        "X-Method-Override",
    ] {
        for method in ["OPTIONS", "HEAD"] {
            probes.push(planner.with_header(name, method));
        }
    }
    let separator = if planner.target.query.is_some() {
        '&'
    } else {
        '?'
    };
    let target = format!(
        "{}{separator}_method=OPTIONS",
        planner.target.request_target()
    );
    probes.push(planner.elsewhere("_method=OPTIONS in the query", target));
    probes
}

fn methods(planner: &Planner<'_>) -> Plan {
    if planner.target.method != "GET" {
        return Plan::NotApplicable("the route was not given with GET".to_owned());
    }
    let with_method = |method: &str| {
        let mut request = planner.bare();
        request.method = method.to_owned();
        request
    };
    let mut probes = vec![Probe::bare(
        "HEAD without a token",
        with_method("HEAD"),
        Expect::Tell(head_is_let_in),
    )];
    if planner.extras.unsafe_methods {
        for method in ["get", "GETX", "POST"] {
            let what = format!("{method} without a token");
            probes.push(Probe::bare(what, with_method(method), Expect::NoContent));
        }
        let trace = with_method("TRACE").with("X-Canary", "doorward-attack-canary");
        probes.push(Probe::bare(
            "TRACE",
            trace,
            Expect::Tell(echoes_the_request),
        ));
    }
    Plan::Probes(probes)
}

fn head_is_let_in(calibration: &Calibration, answer: &Answer) -> Option<String> {
    let is_let_in =
        calibration.standing(answer) == Standing::LetIn && !calibration.none.is_success();
    is_let_in.then(|| format!("HEAD without a token got {}, GET is refused", answer.status))
}

fn echoes_the_request(_: &Calibration, answer: &Answer) -> Option<String> {
    let echoes = answer.is_success() && answer.text().contains("doorward-attack-canary");
    echoes.then(|| "TRACE sends the request back, header fields included".to_owned())
}

/// Spellings that no rule covers; blanks more than one and the scheme's case
/// are fine (RFC 9110 section 11).
fn spellings(planner: &Planner<'_>) -> Vec<Probe> {
    let token = planner.token;
    [
        ("a tab after the scheme", format!("Bearer\t{token}")),
        ("the token in quotes", format!("Bearer \"{token}\"")),
        ("two tokens in a list", format!("Bearer {token}, Bearer x")),
        ("no scheme", token.to_owned()),
        ("the scheme Basic", format!("Basic {token}")),
        ("the scheme twice", format!("Bearer Bearer {token}")),
    ]
    .into_iter()
    .map(|(what, value)| {
        let request = planner.bare().with("Authorization", value);
        Probe::with_valid(what, request, Expect::Respelled, token)
    })
    .collect()
}

fn doubled(planner: &Planner<'_>) -> Vec<Probe> {
    let token = planner.token;
    let fields = |values: [String; 2]| {
        let [first, second] = values;
        planner
            .bare()
            .with("Authorization", first)
            .with("Authorization", second)
    };
    let (valid, other) = (format!("Bearer {token}"), "Bearer x.y.z".to_owned());
    [
        (
            "the valid token, then another",
            [valid.clone(), other.clone()],
        ),
        ("another, then the valid token", [other, valid]),
    ]
    .into_iter()
    .map(|(what, values)| Probe::with_valid(what, fields(values), Expect::Respelled, token))
    .collect()
}

fn in_the_query(planner: &Planner<'_>) -> Vec<Probe> {
    let separator = if planner.target.query.is_some() {
        '&'
    } else {
        '?'
    };
    ["access_token", "token", "jwt"]
        .into_iter()
        .map(|name| {
            let mut request = planner.bare();
            request
                .target
                .extend(format!("{separator}{name}={}", planner.token).as_bytes());
            let what = format!("the token as {name} in the query");
            Probe::with_valid(what, request, Expect::Refused, planner.token)
        })
        .collect()
}

fn folded(planner: &Planner<'_>) -> Vec<Probe> {
    let value = format!("Bearer\r\n {}", planner.token);
    let request = planner.bare().with("Authorization", value);
    vec![Probe::with_valid(
        "Authorization continued on the next line",
        request,
        Expect::Respelled,
        planner.token,
    )]
}

fn odd_bytes(planner: &Planner<'_>) -> Vec<Probe> {
    [0x00, 0x01, 0x7f, 0x80, 0xa0, 0xff]
        .into_iter()
        .map(|byte| {
            let mut value = format!("Bearer {}", planner.token).into_bytes();
            value.push(byte);
            let request = planner.bare().with("Authorization", value);
            let what = format!("byte 0x{byte:02x} after the valid token");
            Probe::with_valid(what, request, Expect::Respelled, planner.token)
        })
        .collect()
}
