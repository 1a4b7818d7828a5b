//! The services of `examples/`, which check a token by themselves: those in
//! other languages with a library that knows nothing of Doorward, and ours.

use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Server, binary, find_at, find_if_there, request, skipped};

/// How long the token lives that is to expire.
const BRIEF: Duration = Duration::from_secs(1);

/// How far the examples let two clocks differ.
const LEEWAY: Duration = Duration::from_secs(5);

/// The demo's issuer, and what a service must know of it.
struct Issuer {
    server: Server,
    name: String,
    audience: String,
    brief_token: String,
    minted: Instant,
}

impl Issuer {
    fn start() -> Self {
        let server = Server::demo();
        let file = server.data().join("last-up.json");
        let text = fs::read_to_string(&file).unwrap();
        let mut last_up: Value = serde_json::from_str(&text).unwrap();
        let word = |name: &str| last_up[name].as_str().unwrap().to_owned();
        let (name, audience) = (word("issuer"), word("audience"));

        last_up["access_lifetime"] = json!(BRIEF.as_secs());
        fs::write(&file, last_up.to_string()).unwrap();
        let minted = server.command(&["token", "mint", "--as", "reader"]);
        assert!(minted.status.success(), "{minted:?}");
        fs::write(&file, text).unwrap();
        Self {
            brief_token: String::from_utf8(minted.stdout).unwrap(),
            minted: Instant::now(),
            server,
            name,
            audience,
        }
    }

    fn jwks_url(&self) -> String {
        format!("http://{}/.well-known/jwks.json", self.server.gateway)
    }

    /// A token that no longer lives.
    fn expired_token(&self) -> &str {
        // Whole seconds, each counted until its end; and a token made in the
        // second of a change, as the demo's users are, is dated one ahead.
        while self.minted.elapsed() < BRIEF + LEEWAY + Duration::from_secs(2) {
            std::thread::park_timeout(Duration::from_millis(20));
        }
        &self.brief_token
    }

    /// Runs `program` with the arguments that each of them takes.
    fn judge(&self, program: &[&Path], audience: &str, token: &str) -> Output {
        let mut command = Command::new(program[0]);
        command
            .args(&program[1..])
            .args([&self.jwks_url(), &self.name, audience]);
        with_input(command, token)
    }

    /// Good tokens pass and tell who they are of; no other does.
    fn assert_judged_rightly(&self, program: &[&Path]) {
        let token = self.server.access_token("reader");
        let passed = self.judge(program, &self.audience, &token);
        assert!(passed.status.success(), "{program:?}: {passed:?}");
        let me = self.server.call("GET", "/auth/me", Some(&token)).json();
        let subject = me["sub"].as_str().unwrap();
        let said = String::from_utf8_lossy(&passed.stdout).into_owned();
        assert_eq!(said.trim(), format!("{subject} orders:read reports:read"));

        let refused = [
            (
                "a forged signature",
                self.judge(program, &self.audience, &forged(&token)),
            ),
            (
                "another audience",
                self.judge(program, "https://other.example", &token),
            ),
            (
                "an expired token",
                self.judge(program, &self.audience, self.expired_token()),
            ),
            ("no token", self.judge(program, &self.audience, "a.b.c")),
        ];
        for (what, output) in refused {
            assert_eq!(
                output.status.code(),
                Some(1),
                "{program:?}, {what}: {output:?}"
            );
            assert!(output.stdout.is_empty(), "{program:?}, {what}: {output:?}");
        }
    }
}

/// The token with another first character of its signature.
fn forged(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", &signature[1..])
}

pub(crate) fn with_input(mut command: Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may refuse its arguments, and end, before it reads.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

/// Where `.ci/steps.sh clients` installs the libraries.
pub(crate) fn clients() -> PathBuf {
    let built = binary();
    let target = built.ancestors().nth(2).unwrap();
    target.join("clients")
}

/// An example of `doorward-verify`; `cargo test --workspace` builds it.
fn built_example(name: &str) -> Option<PathBuf> {
    find_at(binary().parent().unwrap().join("examples").join(name))
}

#[test]
fn python_with_pyjwt() {
    let Some(python) = find_at(clients().join("python/bin/python")) else {
        return;
    };
    let script = examples().join("python/check.py");
    Issuer::start().assert_judged_rightly(&[&python, &script]);
}

#[test]
fn node_with_jose() {
    let Some(node) = find_if_there("node") else {
        return;
    };
    // Modules are looked for beside the script, so it goes to its library.
    let folder = clients().join("node");
    if !folder.join("node_modules/jose").is_dir() {
        return skipped("the library jose, which `.ci/steps.sh clients` installs,");
    }
    let script = folder.join("check.mjs");
    fs::copy(examples().join("node/check.mjs"), &script).unwrap();
    Issuer::start().assert_judged_rightly(&[&node, &script]);
}

#[test]
fn java_with_the_jdk_alone() {
    let (Some(java), Some(_)) = (find_if_there("java"), find_if_there("javac")) else {
        return;
    };
    let program = examples().join("java/CheckToken.java");
    Issuer::start().assert_judged_rightly(&[&java, &program]);
}

#[test]
fn a_handler_without_a_server() {
    let Some(lambda) = built_example("lambda") else {
        return;
    };
    let issuer = Issuer::start();
    let jwks = issuer.server.data().join("jwks.json");
    let published = issuer.server.call("GET", "/.well-known/jwks.json", None);
    fs::write(&jwks, published.body).unwrap();
    let invoke = |headers: Value, audience: &str| -> Value {
        let mut command = Command::new(&lambda);
        command.arg(&jwks).args([&issuer.name, audience]);
        let event = json!({ "method": "GET", "path": "/orders", "headers": headers });
        let output = with_input(command, &event.to_string());
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
    };
    let bearer = |token: &str| json!(["Authorization", format!("Bearer {token}")]);
    let token = issuer.server.access_token("reader");
    let good = bearer(&token);

    assert_eq!(invoke(json!([good]), &issuer.audience)["status"], 200);
    let refused = [
        (401, invoke(json!([]), &issuer.audience)),
        (
            401,
            invoke(json!([bearer(&forged(&token))]), &issuer.audience),
        ),
        (401, invoke(json!([good]), "https://other.example")),
        (400, invoke(json!([good, good]), &issuer.audience)),
    ];
    for (status, answer) in refused {
        assert_eq!(answer["status"], status, "{answer}");
        let document: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(document["status"], status, "{document}");
    }
}

/// The axum service. Killed when it is dropped.
struct Orders {
    child: Child,
    address: SocketAddr,
}

impl Orders {
    fn start(program: &Path, issuer: &Issuer) -> Self {
        let mut child = Command::new(program)
            .args([
                &issuer.jwks_url(),
                &issuer.name,
                &issuer.audience,
                "127.0.0.1:0",
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").parse().unwrap();
        Self { child, address }
    }

    fn call(&self, method: &str, path: &str, token: &str) -> (u16, String) {
        let authorization = format!("Bearer {token}");
        let headers = [("Authorization", authorization.as_str())];
        let answer = request(self.address, method, path, &headers, b"");
        let reason = if answer.status < 400 {
            String::new()
        } else {
            answer.reason()
        };
        (answer.status, reason)
    }

    /// Until then it has no keys, and says so.
    fn wait_for_keys(&self, token: &str) {
        let begun = Instant::now();
        while self.call("GET", "/orders", token) == (503, "keys_unavailable".to_owned()) {
            assert!(begun.elapsed() < Duration::from_secs(20), "no keys came");
            std::thread::park_timeout(Duration::from_millis(20));
        }
    }
}

impl Drop for Orders {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn an_axum_service() {
    let Some(program) = built_example("orders") else {
        return;
    };
    let issuer = Issuer::start();
    let orders = Orders::start(&program, &issuer);
    let (reader, editor) = (
        issuer.server.access_token("reader"),
        issuer.server.access_token("editor"),
    );
    orders.wait_for_keys(&reader);

    let denied = |status, reason: &str| (status, reason.to_owned());
    let open = denied(200, "");
    assert_eq!(orders.call("GET", "/health", "none.at.all"), open);
    assert_eq!(orders.call("GET", "/orders", &reader), open);
    assert_eq!(orders.call("DELETE", "/orders/7", &editor), open);
    assert_eq!(
        orders.call("DELETE", "/orders/7", &reader),
        denied(403, "missing_permission")
    );
    assert_eq!(
        orders.call("GET", "/orders", &forged(&reader)),
        denied(401, "invalid_token")
    );
    assert_eq!(orders.call("GET", "/tenants/acme/report", &reader), open);
    assert_eq!(
        orders.call("GET", "/tenants/globex/report", &reader),
        denied(403, "wrong_tenant")
    );
    let stranger = request(orders.address, "GET", "/orders", &[], b"");
    assert_eq!((stranger.status, &*stranger.reason()), (401, "no_token"));
    assert_eq!(stranger.header("www-authenticate"), Some("Bearer"));
}
