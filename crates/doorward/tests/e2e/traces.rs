//! Spans, as a collector gets them: read by the official messages, with nothing
//! in them that nobody should see, and no harm where there is no collector.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::{
    faults::observed::{PATIENCE, until},
    harness::{Recorder, Server, find_at, request},
    observability::scrape,
    services::{clients, with_input},
    tls::certificate,
};

const ROUTES: &str = r#"
[roles.reader]
permissions = ["orders:read"]

[[route]]
match = "GET,HEAD /orders/{id}"
allow = "orders:read"

[[route]]
match = "GET /open"
public = true
"#;

const CALLERS: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Takes batches, and answers each as it is told; what it is told nothing for
/// is taken.
struct Collector {
    address: SocketAddr,
    /// Head and body of each.
    batches: Arc<Mutex<Vec<(String, String)>>>,
}

impl Collector {
    fn answering(answers: &'static [&'static str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let batches = Arc::new(Mutex::new(Vec::new()));
        let taken = Arc::clone(&batches);
        thread::spawn(move || {
            let mut answers = answers.iter();
            for stream in listener.incoming().flatten() {
                let answer = answers.next().unwrap_or(&"200 OK\r\n");
                taken.lock().unwrap().extend(take(stream, answer));
            }
        });
        Self { address, batches }
    }

    fn batches(&self) -> Vec<(String, String)> {
        self.batches.lock().unwrap().clone()
    }

    /// What the configuration says of it.
    fn section(&self, more: &str) -> String {
        let address = self.address;
        format!("[tracing]\nendpoint = \"http://{address}/v1/traces\"\n{more}\n{ROUTES}")
    }
}

fn take(mut stream: TcpStream, answer: &str) -> Option<(String, String)> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 16 * 1024]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let (_, length) = head.split_once("content-length: ")?;
            let length: usize = length.lines().next()?.parse().ok()?;
            if body.len() == length {
                let answer = format!("HTTP/1.1 {answer}Content-Length: 2\r\n\r\n{{}}");
                stream.write_all(answer.as_bytes()).ok()?;
                return Some((head, body.to_owned()));
            }
        }
        match stream.read(&mut chunk).ok()? {
            0 => return None,
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

/// The spans of a batch, by the official messages; none, loudly, without them.
fn read(body: &str) -> Option<Vec<Value>> {
    let python = find_at(clients().join("python/bin/python"))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/e2e/observability/spans.py");
    let mut command = Command::new(python);
    command.arg(script);
    let output = with_input(command, body);
    assert!(output.status.success(), "{output:?}\n{body}");
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// The value of a number of the metrics page, or zero.
fn number(server: &Server, name: &str) -> u64 {
    let page = String::from_utf8(scrape(server).body).unwrap();
    let line = page
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map_or(0, |value| value.parse().unwrap())
}

#[test]
fn a_request_is_a_span_at_the_collector_and_says_no_secret() {
    let collector = Collector::answering(&[
        "503 Busy\r\nRetry-After: 0\r\n",
        "429 No\r\nRetry-After: 0\r\n",
    ]);
    let upstream = Recorder::start();
    let place = tempfile::tempdir().unwrap();
    let headers = place.path().join("headers");
    fs::write(&headers, "Authorization: Basic canary-collector\n").unwrap();
    fs::set_permissions(&headers, fs::Permissions::from_mode(0o600)).unwrap();
    let more = format!("service_name = \"shop\"\nheaders_file = {headers:?}\n");
    let server = Server::before(upstream.address, &collector.section(&more));
    let own = server.access_token("reader");
    let bearer = format!("Bearer {own}");
    let call =
        |target: &str, fields: &[(&str, &str)]| request(server.gateway, "GET", target, fields, b"");

    let with_trace = [("Authorization", bearer.as_str()), ("traceparent", CALLERS)];
    let good = call("/orders/7?token=canary-query", &with_trace);
    assert_eq!(good.status, 200, "{good:?}");
    let to_upstream = upstream.heads().pop().unwrap().to_lowercase();
    let denied = call("/orders/8", &[("Authorization", "Bearer canary-token")]);
    assert_eq!(denied.status, 401);
    // Not sampled by its caller.
    let unsampled = CALLERS.replace("-01", "-00");
    assert_eq!(call("/open", &[("traceparent", &unsampled)]).status, 200);

    // Refused for now twice, then taken.
    let batches = until(PATIENCE, "the batch", || {
        Some(collector.batches()).filter(|batches| batches.len() == 3)
    });
    until(PATIENCE, "spans that are counted", || {
        (number(&server, "doorward_spans_sent_total") >= 3).then_some(())
    });
    let (head, body) = &batches[2];
    assert!(batches.iter().all(|(_, again)| again == body));
    assert!(head.starts_with("post /v1/traces http/1.1"), "{head}");
    assert!(head.contains("content-type: application/json"), "{head}");
    assert!(
        head.contains("authorization: basic canary-collector"),
        "{head}"
    );
    assert!(!body.contains("canary") && !body.contains(&own), "{body}");

    if let Some(spans) = read(body) {
        let of = |answer: &crate::harness::Answer| {
            let id = answer.header("x-request-id").unwrap();
            let name = |span: &&Value| span["attributes"]["doorward.request_id"] == id;
            spans.iter().find(name).cloned().unwrap()
        };
        let span = of(&good);
        assert_eq!(span["service"], "shop");
        assert_eq!(span["trace"], "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(span["parent"], "00f067aa0ba902b7");
        // The API behind has this span as its parent.
        let id = span["span"].as_str().unwrap();
        let parent = format!("traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-{id}-01");
        assert!(to_upstream.contains(&parent), "{to_upstream}");
        assert_eq!(span["name"], "GET /orders/{id}");
        assert_eq!(span["kind"], "SPAN_KIND_SERVER");
        assert_eq!(span["status"], "STATUS_CODE_UNSET");
        assert!(span["took_ns"].as_u64().unwrap() > 0);
        let attributes = &span["attributes"];
        for (key, value) in [
            ("http.request.method", json!("GET")),
            ("http.route", json!("/orders/{id}")),
            ("url.path", json!("/orders/7")),
            ("url.scheme", json!("http")),
            ("server.address", json!("127.0.0.1")),
            ("server.port", json!(server.gateway.port())),
            ("http.response.status_code", json!(200)),
            ("doorward.decision", json!("allowed")),
            ("doorward.reason", json!("permission_granted")),
        ] {
            assert_eq!(attributes[key], value, "{key}");
        }
        assert_eq!(attributes["enduser.id"], Value::Null);

        let span = of(&denied);
        assert_eq!(
            (&span["parent"], &span["status"]),
            (&json!(""), &json!("STATUS_CODE_UNSET"))
        );
        assert_eq!(span["attributes"]["doorward.decision"], "denied");
        assert_eq!(span["attributes"]["http.response.status_code"], 401);
        let unwanted = |span: &Value| span["attributes"]["http.route"] == "/open";
        assert!(!spans.iter().any(unwanted), "{spans:?}");
    }

    // What waits is sent at the end.
    assert_eq!(call("/open", &[("traceparent", CALLERS)]).status, 200);
    assert_eq!(server.signal("-TERM"), Some(0));
    let (_, last) = collector.batches().pop().unwrap();
    assert_eq!(collector.batches().len(), 4);
    assert!(last.contains("/open"), "{last}");
}

#[test]
fn strangers_cannot_flood_and_a_collector_that_is_gone_harms_nobody() {
    let upstream = Recorder::start();
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let section = format!(
        "[tracing]\nendpoint = \"http://{gone}/v1/traces\"\nratio = 0\nmax_per_second = 5\n{ROUTES}"
    );
    let server = Server::before(upstream.address, &section);
    let sampled = [("traceparent", CALLERS)];
    let begun = Instant::now();
    for number in 0..200 {
        let fields: &[_] = if number % 2 == 0 { &sampled } else { &[] };
        let answer = request(server.gateway, "GET", "/open", fields, b"");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let windows = begun.elapsed().as_secs() + 2;
    let seen = upstream.heads();
    let own = |head: &&String| !head.contains("4bf92f3577b34da6a3ce929d0e0e4736");
    // A trace that begins here and is not sampled says so to the API.
    let head = seen.iter().find(own).unwrap().to_lowercase();
    let (_, flags) = head.split_once("traceparent: ").unwrap();
    assert_eq!(&flags[52..55], "-00", "{head}");
    until(PATIENCE, "spans beyond the bound", || {
        let lost = number(&server, "doorward_spans_lost_total{reason=\"rate\"}");
        // Of the five at most three are for callers' traces.
        (lost + 3 * windows >= 100 && lost <= 97).then_some(())
    });
    let ending = Instant::now();
    assert_eq!(server.signal("-TERM"), Some(0));
    assert!(
        ending.elapsed() < Duration::from_secs(10),
        "it waits for nobody"
    );
}

#[test]
fn a_collector_under_tls_is_believed_by_its_certificate_alone() {
    let place = tempfile::tempdir().unwrap();
    let here = place.path();
    if certificate(here, "one.test").is_none() {
        return;
    }
    certificate(here, "two.test").unwrap();
    // Another gateway speaks TLS before the collector.
    let collector = Recorder::start();
    let front = here.join("front.toml");
    let section = "[tls]\ncertificate = \"one.test.pem\"\nkey = \"one.test.key\"\n\
                   [[route]]\nmatch = \"POST /v1/traces\"\npublic = true\n";
    fs::write(&front, section).unwrap();
    let upstream = format!("http://{}", collector.address);
    let arguments = ["--upstream", &upstream, "--config", front.to_str().unwrap()];
    let front = Server::start(&here.join("front"), &arguments);
    let trace = |root: &str| {
        let config = here.join("doorward.toml");
        let endpoint = format!("https://{}/v1/traces", front.gateway);
        let tracing =
            format!("[tracing]\nendpoint = \"{endpoint}\"\nca_file = \"{root}\"\n{ROUTES}");
        fs::write(&config, tracing).unwrap();
        let data = here.join(format!("{root}.data"));
        let arguments = [
            "--upstream",
            &upstream,
            "--config",
            config.to_str().unwrap(),
        ];
        let server = Server::start(&data, &arguments);
        assert_eq!(server.call("GET", "/orders/7", None).status, 401);
        assert_eq!(server.signal("-TERM"), Some(0));
        collector.count()
    };
    assert_eq!(trace("two.test.pem"), 0);
    assert_eq!(trace("one.test.pem"), 1);
}
