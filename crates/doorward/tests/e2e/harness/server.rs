//! The `doorward` process.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Output, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

use super::{Answer, Place, request};

/// A running `doorward up`. Killed when it is dropped.
pub(crate) struct Server {
    child: Child,
    /// JSON lines of standard output after the first.
    lines: mpsc::Receiver<Value>,
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The first line of standard output.
    pub(crate) ready: Value,
    data: PathBuf,
    _place: Option<Place>,
}

impl Server {
    /// `doorward up --demo` on a fresh folder.
    pub(crate) fn demo() -> Self {
        let place = Place::new();
        let mut server = Self::start(&place.data(), &["--demo"]);
        server._place = Some(place);
        server
    }

    /// `doorward up --upstream` on a fresh folder with the demo's users, the
    /// routes in `config` and `upstream` behind it.
    pub(crate) fn before(upstream: SocketAddr, config: &str) -> Self {
        let place = Place::with_demo_users().configured(config);
        let mut server = place.serve(upstream);
        server._place = Some(place);
        server
    }

    /// `doorward up` with `arguments` on `data`, on free ports.
    pub(crate) fn start(data: &Path, arguments: &[&str]) -> Self {
        Self::start_binary(&binary(), data, arguments)
    }

    /// The same with another build of the binary.
    pub(crate) fn start_binary(binary: &Path, data: &Path, arguments: &[&str]) -> Self {
        Self::start_command(command_of(binary, data), data, &["up"], arguments)
    }

    /// One role of it, as `["serve", "issuer"]`.
    pub(crate) fn start_role(data: &Path, role: &[&str], arguments: &[&str]) -> Self {
        Self::start_command(doorward(data), data, role, arguments)
    }

    fn start_command(mut command: Command, data: &Path, role: &[&str], arguments: &[&str]) -> Self {
        let mut child = command
            .args(role)
            .args([
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--admin-listen",
                "127.0.0.1:0",
            ])
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut out = BufReader::new(child.stdout.take().expect("a piped stream"));
        let mut first = String::new();
        out.read_line(&mut first).expect("a readable stream");
        let Ok(ready) = serde_json::from_str::<Value>(&first) else {
            let mut why = String::new();
            let _ = child
                .stderr
                .take()
                .expect("a piped stream")
                .read_to_string(&mut why);
            panic!("doorward {role:?} {arguments:?} did not start: {first}{why}");
        };
        drain(child.stderr.take().expect("a piped stream"));
        Self {
            lines: json_lines(out),
            gateway: address(&ready["gateway"]),
            admin: address(&ready["admin"]),
            ready,
            data: data.to_owned(),
            child,
            _place: None,
        }
    }

    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Process id, to look at memory or to send signals.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next decision that the server prints.
    pub(crate) fn next_decision(&self) -> Value {
        self.lines
            .recv_timeout(Duration::from_secs(10))
            .expect("a decision is printed for each request")
    }

    /// The demo user's password.
    pub(crate) fn password(&self, username: &str) -> String {
        let text = fs::read_to_string(self.data.join("demo.json")).expect("demo.json is there");
        let file: Value = serde_json::from_str(&text).expect("demo.json is JSON");
        let users = file["users"].as_array().expect("a list of users");
        let user = users.iter().find(|user| user["username"] == username);
        user.expect("a demo user")["password"]
            .as_str()
            .expect("a password")
            .to_owned()
    }

    /// Signs in over HTTP.
    pub(crate) fn sign_in(&self, username: &str) -> Value {
        let body = serde_json::json!({ "username": username, "password": self.password(username) });
        let answer = self.post("/auth/sign-in", &body, None);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// An access token of `username`.
    pub(crate) fn access_token(&self, username: &str) -> String {
        let tokens = self.sign_in(username);
        tokens["access_token"]
            .as_str()
            .expect("an access token")
            .to_owned()
    }

    /// A JSON request.
    pub(crate) fn post(&self, path: &str, body: &Value, token: Option<&str>) -> Answer {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        headers.extend(
            authorization
                .as_deref()
                .map(|value| ("Authorization", value)),
        );
        request(
            self.gateway,
            "POST",
            path,
            &headers,
            body.to_string().as_bytes(),
        )
    }

    /// A request without a body.
    pub(crate) fn call(&self, method: &str, path: &str, token: Option<&str>) -> Answer {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization
            .as_deref()
            .map(|value| ("Authorization", value))
            .into_iter()
            .collect();
        request(self.gateway, method, path, &headers, b"")
    }

    /// Runs another command on the same data folder.
    pub(crate) fn command(&self, arguments: &[&str]) -> Output {
        doorward(&self.data)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .expect("it runs")
    }

    /// The same with something on standard input.
    pub(crate) fn command_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = doorward(&self.data)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut stdin = child.stdin.take().expect("a piped stream");
        // A command that refuses at once does not read.
        let _ = stdin.write_all(input.as_bytes());
        drop(stdin);
        child.wait_with_output().expect("it ends")
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// Sends a signal by name and waits for the end; gives the exit code.
    pub(crate) fn signal(mut self, name: &str) -> Option<i32> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill")
            .args([name, &pid])
            .status()
            .expect("kill is there");
        assert!(sent.success());
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, with nothing of this environment in it.
pub(crate) fn doorward(data: &Path) -> Command {
    command_of(&binary(), data)
}

/// The binary that cargo built for this test.
pub(crate) fn binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_doorward"))
}

fn command_of(binary: &Path, data: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .env_clear()
        .env("NO_COLOR", "1")
        .env("DOORWARD_DATA", data);
    command
}

fn address(origin: &Value) -> SocketAddr {
    let origin = origin.as_str().expect("an origin");
    origin
        .trim_start_matches("http://")
        .trim_start_matches("https://")
        .parse()
        .expect("an address")
}

fn json_lines(mut out: BufReader<ChildStdout>) -> mpsc::Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut line = String::new();
        while out.read_line(&mut line).is_ok_and(|count| count > 0) {
            let value = serde_json::from_str(&line).expect("standard output is JSON lines");
            if sender.send(value).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

/// Reads a stream to its end, so that the process never waits for a reader.
fn drain(mut stream: impl std::io::Read + Send + 'static) {
    thread::spawn(move || std::io::copy(&mut stream, &mut std::io::sink()));
}
