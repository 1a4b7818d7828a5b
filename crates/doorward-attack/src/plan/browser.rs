//! What a browser would be allowed to do with the answers.

use super::{Observation, Plan, Planner};
use crate::{
    calibration::Calibration,
    probe::{Expect, Probe},
    verdict::Verdict,
    wire::Answer,
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    match id {
        "GWY-032" => Some(Plan::Probes(origins(planner))),
        "CON-004" => Some(headers(planner)),
        "CON-006" => Some(framing(planner)),
        "CON-008" => Some(cookies(planner)),
        _ => None,
    }
}

const FOREIGN: &str = "https://attacker.invalid";

fn origins(planner: &Planner<'_>) -> Vec<Probe> {
    let mut probes = Vec::new();
    for origin in [FOREIGN, "null"] {
        let request = planner
            .target
            .request(Some(planner.token))
            .with("Origin", origin);
        let what = format!("Origin: {origin}");
        probes.push(Probe::with_valid(
            what,
            request,
            Expect::Tell(is_shared),
            planner.token,
        ));
        let mut preflight = planner
            .bare()
            .with("Origin", origin)
            .with(
                "Access-Control-Request-Method",
                planner.target.method.as_str(),
            )
            .with("Access-Control-Request-Headers", "authorization");
        "OPTIONS".clone_into(&mut preflight.method);
        let what = format!("preflight from {origin}");
        probes.push(Probe::bare(what, preflight, Expect::Tell(is_shared)));
    }
    probes
}

fn is_shared(_: &Calibration, answer: &Answer) -> Option<String> {
    let origin = answer.header("access-control-allow-origin")?;
    let with_credentials = answer
        .header("access-control-allow-credentials")
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let is_anybodys = [FOREIGN, "null", "*"].contains(&origin);
    (is_anybodys && with_credentials)
        .then(|| format!("any site may read the answer with the caller's credentials (`{origin}`)"))
}

fn pages<'a>(planner: &'a Planner<'_>) -> impl Iterator<Item = &'a Answer> {
    let answers = planner.calibration.answers.iter();
    answers.filter(|answer| answer.media_type() == "text/html")
}

fn headers(planner: &Planner<'_>) -> Plan {
    let mut seen = Vec::new();
    for (what, answer) in ["the answer to the valid token", "the refusal"]
        .into_iter()
        .zip(&planner.calibration.answers)
    {
        let mut missing = Vec::new();
        if answer.header("x-content-type-options").is_none() && !answer.body.is_empty() {
            missing.push("X-Content-Type-Options");
        }
        if planner.target.is_https && answer.header("strict-transport-security").is_none() {
            missing.push("Strict-Transport-Security");
        }
        if answer.media_type() == "text/html" {
            for name in ["Content-Security-Policy", "Referrer-Policy"] {
                if answer.header(&name.to_ascii_lowercase()).is_none() {
                    missing.push(name);
                }
            }
        }
        if !missing.is_empty() {
            let why = format!("without {}", missing.join(", "));
            seen.push(Observation::new(Verdict::Suspect, what, why));
        }
    }
    Plan::Known(seen)
}

fn framing(planner: &Planner<'_>) -> Plan {
    // In a frame only a page is of use that shows something or takes something:
    // a server's own page for 401 does neither.
    let is_of_use = |answer: &&Answer| answer.is_success() || answer.text().contains("<form");
    let pages = || pages(planner).filter(is_of_use);
    if pages().next().is_none() {
        return Plan::NotApplicable("no answer is a page".to_owned());
    }
    let may_be_framed = |answer: &&Answer| {
        let policy = answer.header("content-security-policy").unwrap_or_default();
        answer.header("x-frame-options").is_none() && !policy.contains("frame-ancestors")
    };
    let seen = pages().filter(may_be_framed).map(|answer| {
        let what = format!("a page with status {}", answer.status);
        let why = "neither frame-ancestors nor X-Frame-Options keeps it out of foreign frames";
        Observation::new(Verdict::Vulnerable, what, why)
    });
    Plan::Known(seen.collect())
}

fn cookies(planner: &Planner<'_>) -> Plan {
    let answers = &planner.calibration.answers;
    let fields = answers.iter().flat_map(|answer| &answer.headers);
    let cookies: Vec<&str> = fields
        .filter(|(name, _)| name == "set-cookie")
        .map(|(_, value)| value.as_str())
        .collect();
    if cookies.is_empty() {
        return Plan::NotApplicable("no cookie is set".to_owned());
    }
    let seen = cookies.into_iter().filter_map(|cookie| {
        let name = cookie
            .split('=')
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned();
        let lower = cookie.to_ascii_lowercase();
        let missing: Vec<&str> = ["HttpOnly", "Secure", "SameSite"]
            .into_iter()
            .filter(|flag| !lower.contains(&flag.to_ascii_lowercase()))
            .collect();
        let why = format!("without {}", missing.join(", "));
        (!missing.is_empty())
            .then(|| Observation::new(Verdict::Vulnerable, format!("cookie {name}"), why))
    });
    Plan::Known(seen.collect())
}
