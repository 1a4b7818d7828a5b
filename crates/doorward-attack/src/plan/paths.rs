//! Other spellings of the route's address, sent without a token: a guard and
//! a server that read one differently let the content out.

use super::{Plan, Planner};
use crate::probe::Probe;

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    if id == "GWY-011" {
        return Some(Plan::Probes(hosts(planner)));
    }
    let path = planner.target.path.as_str();
    let spellings = match id {
        "GWY-001" => slashes(planner, path),
        "GWY-002" => dots(path),
        "GWY-003" => encoded(path),
        "GWY-004" => tails(path),
        "GWY-005" => cases(path),
        "GWY-006" => look_alikes(path),
        "GWY-007" => forms(planner, path),
        "GWY-009" => queries(path),
        _ => return None,
    };
    let probes: Vec<Probe> = spellings
        .into_iter()
        .filter(|spelling| spelling.as_slice() != path.as_bytes())
        .map(|spelling| with_query(planner, spelling))
        .collect();
    match probes.is_empty() {
        true => Some(Plan::NotApplicable(
            "the path has no such spelling".to_owned(),
        )),
        false => Some(Plan::Probes(probes)),
    }
}

fn with_query(planner: &Planner<'_>, mut spelling: Vec<u8>) -> Probe {
    let what = String::from_utf8_lossy(&spelling)
        .escape_debug()
        .to_string();
    if let (Some(query), false) = (&planner.target.query, spelling.contains(&b'?')) {
        spelling.push(b'?');
        spelling.extend(query.as_bytes());
    }
    planner.elsewhere(what, spelling)
}

fn of(spellings: impl IntoIterator<Item = String>) -> Vec<Vec<u8>> {
    spellings.into_iter().map(String::into_bytes).collect()
}

/// Path before and from the last slash on.
fn last_segment(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn slashes(planner: &Planner<'_>, path: &str) -> Vec<Vec<u8>> {
    let (parent, last) = last_segment(path);
    of([
        format!("/{path}"),
        format!("//{path}"),
        format!("{parent}//{last}"),
        format!("{path}//"),
        format!("//{}{path}", planner.target.authority),
    ])
}

fn dots(path: &str) -> Vec<Vec<u8>> {
    let (parent, last) = last_segment(path);
    of([
        format!("/.{path}"),
        format!("{parent}/./{last}"),
        format!("/doorward/..{path}"),
        format!("{parent}/doorward/../{last}"),
        format!("{path}/."),
        format!("{path}/doorward/.."),
        format!("/doorward/..;{path}"),
        format!("{path};x=1"),
        format!("/;{path}"),
        format!("{parent}/;x=1/{last}"),
    ])
}

fn encoded(path: &str) -> Vec<Vec<u8>> {
    let (parent, last) = last_segment(path);
    let first = last.bytes().next();
    let letter = |prefix: &str| {
        first.map(|byte| format!("{parent}/{prefix}{byte:02x}{}", &last[1.min(last.len())..]))
    };
    let mut spellings = vec![
        format!("{parent}%2f{last}"),
        format!("{parent}%5c{last}"),
        format!("{parent}%252f{last}"),
        format!("/%2e{path}"),
        format!("/doorward/%2e%2e{path}"),
        format!("/doorward/%252e%252e{path}"),
        format!("{parent}/doorward%2f..%2f{last}"),
        format!("{parent}%c0%af{last}"),
    ];
    if last.is_ascii() {
        spellings.extend(letter("%"));
        spellings.extend(letter("%25"));
    }
    of(spellings)
}

fn tails(path: &str) -> Vec<Vec<u8>> {
    let tails = [
        "/", ".", "%20", "%09", "%00", "?", "#", "/.", "%3f", "%23", ".json", "%0a", "~",
    ];
    of(tails.into_iter().map(|tail| format!("{path}{tail}")))
}

fn cases(path: &str) -> Vec<Vec<u8>> {
    let mut capital = path.to_owned();
    if let Some(letter) = capital.get_mut(1..2) {
        letter.make_ascii_uppercase();
    }
    let mut last = path.to_owned();
    let at = last.len().saturating_sub(1);
    if let Some(letter) = last.get_mut(at..) {
        letter.make_ascii_uppercase();
    }
    of([
        path.to_ascii_uppercase(),
        path.to_ascii_lowercase(),
        capital,
        last,
    ])
}

fn look_alikes(path: &str) -> Vec<Vec<u8>> {
    let (parent, last) = last_segment(path);
    of([
        format!("{parent}\u{ff0f}{last}"),
        format!("{parent}%ef%bc%8f{last}"),
        format!("{parent}%e2%88%95{last}"),
        format!("{path}%cc%81"),
        format!("{path}%e2%80%8b"),
    ])
}

fn forms(planner: &Planner<'_>, path: &str) -> Vec<Vec<u8>> {
    let origin = planner.target.origin();
    of([
        format!("{origin}{path}"),
        format!("http://localhost{path}"),
        path.trim_start_matches('/').to_owned(),
        planner.target.authority.clone(),
        "*".to_owned(),
    ])
}

fn queries(path: &str) -> Vec<Vec<u8>> {
    let queries = [
        "x=/public",
        "/health",
        ".css",
        "x=/../public",
        "/login",
        "a=b/.well-known/x",
    ];
    of(queries.into_iter().map(|query| format!("{path}?{query}")))
}

fn hosts(planner: &Planner<'_>) -> Vec<Probe> {
    let target = planner.target;
    let with_host = |hosts: &[String]| {
        let mut request = planner.bare();
        request.headers.retain(|(name, _)| name != "Host");
        for host in hosts {
            request = request.with("Host", host.as_str());
        }
        let what = format!("Host: {}", hosts.join(", then "));
        Probe::bare(what, request, crate::probe::Expect::NoContent)
    };
    let own = target.authority.clone();
    let mut probes: Vec<Probe> = [
        vec![format!("{}.", target.host)],
        vec![format!("{}:1", target.host)],
        vec![own.to_ascii_uppercase()],
        vec!["localhost".to_owned()],
        vec!["127.0.0.1".to_owned()],
        vec![own.clone(), "localhost".to_owned()],
        vec!["localhost".to_owned(), own.clone()],
        vec![format!("{own}@localhost")],
        vec![String::new()],
    ]
    .iter()
    .filter(|hosts| **hosts != [own.clone()])
    .map(|hosts| with_host(hosts))
    .collect();
    probes.push(planner.with_header("X-Forwarded-Host", "localhost"));
    probes
}
