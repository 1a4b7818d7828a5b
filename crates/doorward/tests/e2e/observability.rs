//! What operators are told: numbers that a real reader understands and that
//! callers cannot blow up, traces that go on, and log lines without secrets.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use crate::harness::{Answer, Recorder, Server, binary, doorward, find_at, request};

const ROUTES: &str = r#"
[roles.reader]
permissions = ["orders:read"]

[[route]]
match = "GET /orders/{id}"
allow = "orders:read"

[[route]]
match = "POST /open/{*rest}"
public = true
"#;

pub(crate) fn scrape(server: &Server) -> Answer {
    let token = fs::read_to_string(server.data().join("metrics.token")).unwrap();
    let authorization = format!("Bearer {}", token.trim());
    let fields = [("Authorization", authorization.as_str())];
    let answer = request(server.admin, "GET", "/metrics", &fields, b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer
}

/// The families of a scrape, by a reader that is not ours; none, loudly,
/// without it.
fn read(text: &[u8]) -> Option<Value> {
    let target = binary().ancestors().nth(2).unwrap().to_owned();
    let python = find_at(target.join("clients/python/bin/python"))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/observability/read.py");
    let mut reading = Command::new(python)
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    reading.stdin.take().unwrap().write_all(text).unwrap();
    let output = reading.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(text));
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The value of a family's sample with these labels, or zero.
fn value(families: &Value, family: &str, sample: &str, labels: &Value) -> f64 {
    let samples = families[family]["samples"].as_array().unwrap();
    let found = samples
        .iter()
        .find(|row| row[0] == sample && row[1] == *labels);
    found.map_or(0.0, |row| row[2].as_f64().unwrap())
}

/// What differs from request to request, and must not from scrape to scrape.
fn hostile(server: &Server, number: usize) {
    let text = format!("x{number}\"\\{{}}");
    let host = server.gateway;
    let target = format!("/orders/{number}/canary-path?token=canary-query-{number}");
    let fields = [
        ("User-Agent", text.as_str()),
        ("Authorization", "Bearer canary-token"),
        ("X-Request-Id", "canary-id"),
    ];
    request(host, "GET", &target, &fields, b"");
    request(host, "GET", &format!("/orders/{number}"), &fields, b"");
    request(host, &format!("M{number}"), "/orders/1", &fields, b"");
    request(
        host,
        "POST",
        &format!("/open/{number}"),
        &fields,
        b"canary-body",
    );
}

fn series(families: &Value) -> usize {
    let families = families.as_object().unwrap().values();
    families
        .map(|family| family["samples"].as_array().unwrap().len())
        .sum()
}

#[test]
fn numbers_are_right_and_bounded_whatever_callers_send() {
    let upstream = Recorder::start();
    let server = Server::before(upstream.address, ROUTES);
    assert_eq!(
        request(server.admin, "GET", "/metrics", &[], b"").status,
        401
    );

    let token = server.access_token("reader");
    for _ in 0..3 {
        assert_eq!(server.call("GET", "/orders/7", Some(&token)).status, 200);
    }
    hostile(&server, 0);
    let first = scrape(&server);
    let media_type = first.header("content-type").unwrap();
    assert!(media_type.starts_with("application/openmetrics-text"));
    let Some(before) = read(&first.body) else {
        return;
    };
    for number in 1..60 {
        hostile(&server, number);
    }
    let last = scrape(&server);
    let after = read(&last.body).unwrap();
    assert_eq!(series(&before), series(&after), "a name for each request");
    let text = String::from_utf8_lossy(&last.body);
    for canary in ["canary", token.as_str(), "127.0.0.1:1", "reader"] {
        assert!(!text.contains(canary), "{canary} in {text}");
    }

    let route = "GET /orders/{id}";
    let labels = json!({ "route": route, "status": "2xx" });
    let requests = value(
        &after,
        "doorward_requests",
        "doorward_requests_total",
        &labels,
    );
    assert_eq!(requests, 3.0);
    let sample = "doorward_decisions_total";
    let decisions = |route: &str, decision: &str, reason: &str| {
        let labels = json!({ "route": route, "decision": decision, "reason": reason });
        value(&after, "doorward_decisions", sample, &labels)
    };
    assert_eq!(decisions(route, "allowed", "permission_granted"), 3.0);
    assert_eq!(decisions(route, "denied", "token_malformed"), 60.0);
    assert_eq!(decisions("(none)", "denied", "no_route"), 60.0);
    assert_eq!(decisions("(doorward)", "allowed", "signed_in"), 1.0);
    let tokens = |when: &str| {
        let labels = json!({ "verified": when });
        value(&after, "doorward_tokens", "doorward_tokens_total", &labels)
    };
    assert_eq!((tokens("now"), tokens("before")), (1.0, 2.0));
    let family = "doorward_request_duration_seconds";
    assert_eq!(after[family]["type"], "histogram");
    let labels = json!({ "route": route });
    let count = value(&after, family, &format!("{family}_count"), &labels);
    assert_eq!(count, 63.0, "granted and refused");
    let sent: f64 = ["new", "reused"]
        .map(|connection| {
            let labels = json!({ "connection": connection });
            let sample = "doorward_upstream_requests_total";
            value(&after, "doorward_upstream_requests", sample, &labels)
        })
        .iter()
        .sum();
    assert_eq!(sent, 63.0, "the good ones and those on the open route");
}

#[test]
fn a_callers_trace_goes_on_behind_the_gateway_and_the_log_names_it() {
    let upstream = Recorder::start();
    let mut fields = vec![
        (
            "traceparent",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
        ),
        ("tracestate", "vendor=value"),
    ];
    let server = Server::before(upstream.address, ROUTES);
    let call = |fields: &[(&str, &str)]| {
        let target = "/open/here?token=canary-query";
        let answer = request(server.gateway, "POST", target, fields, b"canary-body");
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.header("x-request-id").unwrap().to_owned();
        let head = upstream.heads().pop().unwrap().to_ascii_lowercase();
        (id, head, server.next_decision())
    };
    let (id, head, line) = call(&fields);
    let span = &id[16..];
    let parent = format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{span}-00");
    assert!(head.contains(&parent), "{head}");
    assert!(head.contains("tracestate: vendor=value"), "{head}");
    assert!(head.contains(&format!("x-request-id: {id}")), "{head}");
    assert_eq!(line["decision"]["trace_id"], id.as_str());
    assert_eq!(
        line["decision"]["caller_trace"],
        "4bf92f3577b34da6a3ce929d0e0e4736"
    );
    assert!(!line.to_string().contains("canary"), "{line}");

    fields[0].1 = "00-not-a-trace-01";
    let (id, head, line) = call(&fields);
    let own = format!("traceparent: 00-{id}-{}-01", &id[16..]);
    assert!(head.contains(&own), "{head}");
    assert!(!head.contains("tracestate"), "{head}");
    assert_eq!(line["decision"]["caller_trace"], Value::Null);
}

/// Whoever reads the lines may be slow, or gone when the process ends.
#[test]
fn a_line_is_written_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let free = "127.0.0.1:0";
    let mut child = doorward(&place.path().join("data"))
        .args(["up", "--demo", "--json", "--listen", free])
        .args(["--admin-listen", free])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut first = String::new();
    out.read_line(&mut first).unwrap();
    let ready: Value = serde_json::from_str(&first).unwrap();
    let gateway = ready["gateway"].as_str().unwrap();
    let gateway = gateway.trim_start_matches("http://").parse().unwrap();
    // Twice what a pipe holds, so that the last of it finds no room.
    for number in 0..300 {
        let answer = request(gateway, "GET", &format!("/orders/{number}"), &[], b"");
        assert_eq!(answer.status, 401, "{answer:?}");
    }
    let pid = child.id().to_string();
    let sent = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(sent.unwrap().success());
    child.wait().unwrap();

    let mut told = String::new();
    out.read_to_string(&mut told).unwrap();
    assert!(told.ends_with('\n'), "{told:?}");
    let lines = told.lines().map(serde_json::from_str::<Value>);
    let lines = lines.collect::<Result<Vec<_>, _>>().unwrap();
    assert!((1..300).contains(&lines.len()), "{}", lines.len());
}
