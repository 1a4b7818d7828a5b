//! Header fields that a caller hopes are believed, and too much of them.

use super::{Plan, Planner};
use crate::{
    calibration::Calibration,
    probe::{Expect, Probe},
    target::TokenPlace,
    wire::Answer,
};

pub(super) fn plan(planner: &Planner<'_>, id: &str) -> Option<Plan> {
    let probes = match id {
        "GWY-014" => addresses(planner),
        "GWY-015" => original_urls(planner),
        "GWY-017" => exemptions(planner),
        "GWY-018" => trailers(planner),
        "GWY-030" => unsent_body(planner),
        "GWY-034" => vec![http2(planner)],
        "GWY-035" => limits(planner),
        "SEC-003" => log_lines(planner),
        _ => return None,
    };
    Some(Plan::Probes(probes))
}

fn addresses(planner: &Planner<'_>) -> Vec<Probe> {
    let fields = [
        ("X-Forwarded-For", "127.0.0.1"),
        ("X-Forwarded-For", "127.0.0.1, 127.0.0.1, 127.0.0.1"),
        ("X-Real-IP", "127.0.0.1"),
        ("Forwarded", "for=127.0.0.1;host=localhost;proto=https"),
        ("X-Client-IP", "127.0.0.1"),
        ("True-Client-IP", "127.0.0.1"),
        ("CF-Connecting-IP", "127.0.0.1"),
        ("X-Forwarded-For", "10.0.0.1"),
        ("X-Originating-IP", "127.0.0.1"),
    ];
    let probe = |(name, value)| planner.with_header(name, value);
    fields.into_iter().map(probe).collect()
}

fn original_urls(planner: &Planner<'_>) -> Vec<Probe> {
    let names = [
        "X-Original-URL",
        "X-Rewrite-URL",
        "X-Forwarded-Uri",
        "X-Forwarded-Path",
    ];
    let own = planner.target.path.as_str();
    let mut probes = Vec::new();
    for name in names {
        // The route behind an open address, and an open address before the route.
        let mut request = planner.bare().with(name, own);
        request.target = b"/".to_vec();
        let what = format!("/ with {name}: {own}");
        probes.push(Probe::bare(what, request, Expect::NoContent));
        for open in ["/", "/health", "/login"] {
            probes.push(planner.with_header(name, open));
        }
    }
    probes.push(planner.with_header("X-Forwarded-Prefix", "/public"));
    probes.push(planner.with_header("X-Forwarded-Method", "OPTIONS"));
    probes.push(planner.with_header("X-Original-Method", "OPTIONS"));
    probes
}

fn exemptions(planner: &Planner<'_>) -> Vec<Probe> {
    let agents = [
        "GoogleHC/1.0",
        "kube-probe/1.30",
        "ELB-HealthChecker/2.0",
        "Prometheus/2.53.0",
        "UptimeRobot/2.0",
    ];
    let mut probes: Vec<Probe> = agents
        .into_iter()
        .map(|agent| {
            let mut request = planner.bare();
            request.headers.retain(|(name, _)| name != "User-Agent");
            let request = request.with("User-Agent", agent);
            Probe::bare(format!("User-Agent: {agent}"), request, Expect::NoContent)
        })
        .collect();
    for (name, value) in [
        ("X-Health-Check", "1"),
        ("X-Internal", "true"),
        ("X-Internal-Request", "1"),
        ("X-Debug", "1"),
    ] {
        probes.push(planner.with_header(name, value));
    }
    let mut options = planner.bare();
    "OPTIONS".clone_into(&mut options.method);
    probes.push(Probe::bare(
        "OPTIONS that is no preflight",
        options,
        Expect::NoContent,
    ));
    let preflight = planner
        .bare()
        .with("Origin", "https://attacker.invalid")
        .with("Access-Control-Request-Method", "GET");
    probes.push(Probe::bare(
        "GET that looks like a preflight",
        preflight,
        Expect::NoContent,
    ));
    probes
}

fn trailers(planner: &Planner<'_>) -> Vec<Probe> {
    if planner.target.place != TokenPlace::Authorization {
        return Vec::new();
    }
    let mut request = planner
        .bare()
        .with("Transfer-Encoding", "chunked")
        .with("Trailer", "Authorization");
    request.body = format!("0\r\nAuthorization: Bearer {}\r\n\r\n", planner.token).into_bytes();
    vec![Probe::with_valid(
        "the valid token in a trailer field",
        request,
        Expect::Refused,
        planner.token,
    )]
}

/// A body is announced and never sent: a refusal must not wait for it.
fn unsent_body(planner: &Planner<'_>) -> Vec<Probe> {
    let announced = planner.bare().with("Content-Length", "104857600");
    let asking = announced.clone().with("Expect", "100-continue");
    vec![
        Probe::bare("100 MB announced, none sent", announced, Expect::Sound),
        Probe::bare(
            "100 MB announced with Expect: 100-continue",
            asking,
            Expect::Remark(body_is_invited),
        ),
    ]
}

fn body_is_invited(_: &Calibration, answer: &Answer) -> Option<String> {
    answer
        .continued
        .then(|| "100 MB were invited with 100 Continue before the token was asked for".to_owned())
}

/// The preface of HTTP/2 in the clear (RFC 9113 section 3.4). This command
/// speaks no HTTP/2: it only learns whether somebody there does.
fn http2(planner: &Planner<'_>) -> Probe {
    let mut request = planner.bare();
    "PRI".clone_into(&mut request.method);
    request.target = b"*".to_vec();
    request.version = "HTTP/2.0";
    request.headers.clear();
    request.body = b"SM\r\n\r\n\0\0\0\x04\0\0\0\0\0".to_vec();
    Probe::bare("the preface of HTTP/2", request, Expect::NoHttp2)
}

fn limits(planner: &Planner<'_>) -> Vec<Probe> {
    let path = planner.target.path.as_str();
    let mut many = planner.bare();
    for index in 0..1_000 {
        many = many.with(&format!("X-Field-{index}"), "x");
    }
    let large = planner.bare().with("X-Large", "x".repeat(128 * 1024));
    let at = |what: &str, target: String| planner.elsewhere(what, target);
    vec![
        Probe::bare("1,000 header fields", many, Expect::NoContent),
        Probe::bare("a header field of 128 KB", large, Expect::NoContent),
        at(
            "a target of 64 KB",
            format!("{path}?x={}", "x".repeat(64 * 1024)),
        ),
        at("10,000 segments", format!("{path}{}", "/a".repeat(10_000))),
        at(
            "10,000 parameters",
            format!("{path}?{}", "a=b&".repeat(10_000)),
        ),
    ]
}

/// What is written into a log must not be able to end its line, nor to come
/// back as a header field.
fn log_lines(planner: &Planner<'_>) -> Vec<Probe> {
    let texts = [
        ("CR LF", "x\r\nX-Injected: doorward"),
        ("line feed", "x\n{\"level\":\"info\",\"msg\":\"doorward\"}"),
        ("escape sequence", "x\u{1b}[2Jdoorward"),
        ("bidirectional mark", "x\u{202e}doorward"),
        ("end of a JSON text", "x\",\"admin\":\"doorward"),
    ];
    let mut probes = Vec::new();
    for (what, text) in texts {
        let mut request = planner.bare();
        request.headers.retain(|(name, _)| name != "User-Agent");
        let request = request.with("User-Agent", text);
        let what = format!("{what} in User-Agent");
        probes.push(Probe::bare(what, request, Expect::Tell(is_split)));
    }
    let path = planner.target.path.as_str();
    for tail in ["%0d%0aX-Injected:%20doorward", "%1b%5b2J"] {
        let mut probe = planner.elsewhere(format!("{path}{tail}"), format!("{path}{tail}"));
        probe.expect = Expect::Tell(is_split);
        probes.push(probe);
    }
    probes
}

fn is_split(_: &Calibration, answer: &Answer) -> Option<String> {
    let injected = answer.header("x-injected").is_some();
    injected.then(|| "a header field of the request's making is in the answer".to_owned())
}
