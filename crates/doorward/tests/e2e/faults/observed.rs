//! A `doorward up` of which every byte is kept: both output streams go to
//! files, so a test can search them and read what was told and when. It can be
//! started through another program (a turned clock, a small disk).

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::harness::{Answer, Place, doorward, request};

/// What a busy machine may take for something that is a matter of
/// milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// What the product promises for everything that a running server notices.
pub(crate) const WITHIN_A_SECOND: Duration = Duration::from_secs(1);

/// Asks until there is something, and panics when `patience` is over.
pub(crate) fn until<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(
            begun.elapsed() < patience,
            "not within {patience:?}: {what}"
        );
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// The running process. Killed when it is dropped.
pub(crate) struct Observed {
    child: Child,
    pub(crate) gateway: SocketAddr,
    pub(crate) admin: SocketAddr,
    data: PathBuf,
    out: PathBuf,
    err: PathBuf,
}

impl Observed {
    /// Starts `up` (see [`up`]) on `data` and waits for its first screen. The
    /// streams are kept beside the data folder.
    pub(crate) fn start(data: &Path, up: Command) -> Self {
        let place = data.parent().expect("a data folder in a temporary folder");
        Self::start_in(place, data, up)
    }

    /// `up` before `upstream`, as `place` is configured.
    pub(crate) fn before(upstream: SocketAddr, place: &Place) -> Self {
        let data = place.data();
        let mut command = up(&data, &["--json"]);
        command.args(place.before(upstream));
        Self::start(&data, command)
    }

    /// The same for a data folder that only the process sees: its streams are
    /// kept in `place`.
    pub(crate) fn start_in(place: &Path, data: &Path, mut up: Command) -> Self {
        let (out, err) = (place.join("out"), place.join("err"));
        let child = up
            .stdin(Stdio::null())
            .stdout(File::create(&out).unwrap())
            .stderr(File::create(&err).unwrap())
            .spawn()
            .unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let data = data.to_owned();
        let mut server = Self {
            child,
            gateway: nowhere,
            admin: nowhere,
            data,
            out,
            err,
        };
        server.meet();
        server
    }

    fn meet(&mut self) {
        until(PATIENCE, "the first screen", || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.err());
            let out = self.out();
            (out.starts_with('{') && out.contains('\n') || out.contains("appears below"))
                .then_some(())
        });
        let last = self.json_of("last-up.json");
        let address = |origin: &Value| {
            let origin = origin.as_str().unwrap();
            origin.trim_start_matches("http://").parse().unwrap()
        };
        (self.gateway, self.admin) = (address(&last["gateway"]), address(&last["admin"]));
    }

    /// The data folder, through the process's own eyes: it may have a file
    /// system of its own.
    pub(crate) fn data(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.pid()));
        root.join(self.data.strip_prefix("/").unwrap_or(&self.data))
    }

    fn json_of(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.data().join(name)).unwrap()).unwrap()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Everything on standard output until now.
    pub(crate) fn out(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.out).unwrap()).into_owned()
    }

    /// Everything on standard error until now.
    pub(crate) fn err(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.err).unwrap()).into_owned()
    }

    /// Waits until standard error says `text`.
    pub(crate) fn until_said(&self, patience: Duration, text: &str) {
        let what = format!("{text:?} on standard error");
        until(patience, &what, || self.err().contains(text).then_some(()));
    }

    /// No panic, and no server that ended by itself.
    pub(crate) fn assert_well(&mut self) {
        let ended = self.child.try_wait().unwrap();
        assert!(ended.is_none(), "it ended: {ended:?}\n{}", self.err());
        assert!(!self.err().contains("panicked"), "{}", self.err());
    }

    /// A number of `/proc/PID/status`, in bytes.
    pub(crate) fn memory(&self, field: &str) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        let kib: usize = line.split_whitespace().nth(1).unwrap().parse().unwrap();
        kib * 1024
    }

    pub(crate) fn password(&self, username: &str) -> String {
        let file = self.json_of("demo.json");
        let users = file["users"].as_array().unwrap();
        let user = users
            .iter()
            .find(|user| user["username"] == username)
            .unwrap();
        user["password"].as_str().unwrap().to_owned()
    }

    /// Signs a user of the demo in.
    pub(crate) fn sign_in(&self, username: &str) -> Value {
        let answer = self.try_sign_in(username, &self.password(username));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub(crate) fn try_sign_in(&self, username: &str, password: &str) -> Answer {
        let body = json!({ "username": username, "password": password });
        self.post("/auth/sign-in", &body, None)
    }

    pub(crate) fn refresh(&self, tokens: &Value) -> Answer {
        let body = json!({ "refresh_token": tokens["refresh_token"] });
        self.post("/auth/refresh", &body, None)
    }

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

    pub(crate) fn call(&self, method: &str, path: &str, token: Option<&str>) -> Answer {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = authorization
            .iter()
            .map(|value| ("Authorization", value.as_str()))
            .collect();
        request(self.gateway, method, path, &headers, b"")
    }

    /// Sends a signal by name.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([name, &self.pid().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Waits for the end; gives the exit code.
    pub(crate) fn end(&mut self) -> Option<i32> {
        let ended = until(PATIENCE, "the end of the process", || {
            self.child.try_wait().unwrap()
        });
        ended.code()
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `doorward up` with `arguments` on `data`, on free ports.
pub(crate) fn up(data: &Path, arguments: &[&str]) -> Command {
    let mut command = doorward(data);
    command
        .args([
            "up",
            "--listen",
            "127.0.0.1:0",
            "--admin-listen",
            "127.0.0.1:0",
        ])
        .args(arguments);
    command
}

/// `command`, started by `program` with `arguments` before it.
pub(crate) fn through(program: &Path, arguments: &[&str], command: &Command) -> Command {
    let mut outer = Command::new(program);
    outer
        .env_clear()
        .args(arguments)
        .arg(command.get_program())
        .args(command.get_args());
    outer.envs(
        command
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    outer
}

/// An access token out of a token answer.
pub(crate) fn access_token(tokens: &Value) -> &str {
    tokens["access_token"].as_str().expect("a token answer")
}

/// `up --upstream` before `upstream` with these routes, and the demo's users.
pub(crate) fn guarded(upstream: SocketAddr, config: &str) -> (Place, Observed) {
    let place = Place::with_demo_users().configured(config);
    let server = Observed::before(upstream, &place);
    (place, server)
}

#[expect(clippy::print_stderr, reason = "a skipped test and a figure are told")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
