//! Starts a twin, fetches a valid token from it and attacks it.
//!
//! What a twin has to offer, on the loopback port that it is given as its
//! first argument (and as `PORT`):
//!
//! - `GET /token`: a valid token, as text;
//! - `GET /orders`: JSON for the valid token, a refusal for the rest;
//! - `GET /jwks` (optional): its key set, for [`Twin::with_jwks`].

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use doorward_attack::{
    mint::Mint,
    report::Report,
    run::{Attack, Extras, Limits},
    target::Target,
    wire::{Network, Request},
};
use doorward_jose::time::UnixTime;
use tempfile::TempDir;

/// A server that is attacked. Killed when it is dropped.
pub(crate) struct Twin {
    name: String,
    address: SocketAddr,
    child: Option<Child>,
    _place: Option<TempDir>,
}

impl Twin {
    /// A Python program, run by the interpreter that `.ci/steps.sh clients`
    /// made (it has PyJWT), else by `python3`; none, loudly, without either.
    pub(crate) fn python(name: &str, script: &str) -> Option<Self> {
        Self::script(name, python(), "twin.py", script, None)
    }

    /// The same where it also needs those of `packages` that are not the
    /// standard library's; none, loudly, without them.
    pub(crate) fn python_with(packages: &[&str], name: &str, script: &str) -> Option<Self> {
        let imports = format!("import {}", packages.join(", "));
        let output = Command::new(python()).args(["-c", &imports]).output();
        if !output.is_ok_and(|output| output.status.success()) {
            missed(&format!("Python with {}", packages.join(" and ")));
            return None;
        }
        Self::python(name, script)
    }

    /// A Node program that needs `package`; none, loudly, without it.
    pub(crate) fn node_with(package: &str, name: &str, script: &str) -> Option<Self> {
        if !node_modules().any(|folder| folder.join(package).is_dir()) {
            missed(&format!("node's {package}"));
            return None;
        }
        Self::node(name, script)
    }

    /// nginx before `asked`: `/orders` is a file of its own, guarded by `guard`
    /// (lines of a location), which may ask `/check`; the rest is passed on.
    pub(crate) fn nginx(name: &str, asked: &Self, guard: &str) -> Option<Self> {
        if !works_with(&"nginx".into(), "-v") {
            return None;
        }
        let place = tempfile::tempdir().unwrap();
        let (folder, upstream) = (place.path().display(), asked.address);
        let address = free_address();
        fs::write(place.path().join("orders"), r#"{"orders":[{"id":7}]}"#).unwrap();
        let configuration = format!(
            "daemon off; master_process off; pid {folder}/pid; error_log {folder}/log;
             events {{}}
             http {{
               access_log off; default_type application/json;
               client_body_temp_path {folder}/1; proxy_temp_path {folder}/2;
               fastcgi_temp_path {folder}/3; uwsgi_temp_path {folder}/4; scgi_temp_path {folder}/5;
               server {{
                 listen {address}; root {folder};
                 location = /orders {{
                   {guard}
                   add_header Cache-Control no-store;
                   add_header X-Content-Type-Options nosniff always;
                 }}
                 location = /check {{
                   internal;
                   proxy_pass http://{upstream}/orders;
                   proxy_pass_request_body off;
                   proxy_set_header Content-Length \"\";
                 }}
                 location / {{ return 404; }}
                 location ~ ^/(token|key|jwks)$ {{ proxy_pass http://{upstream}; }}
               }}
             }}"
        );
        let file = place.path().join("nginx.conf");
        fs::write(&file, configuration).unwrap();
        let mut command = Command::new("nginx");
        command.arg("-p").arg(place.path()).arg("-c").arg(&file);
        command.arg("-e").arg(place.path().join("log"));
        Some(Self::started(name, command, address, place))
    }

    /// What it is called.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// A Node program (`.cjs`); the packages of `.ci/steps.sh clients` are
    /// found by `require`.
    pub(crate) fn node(name: &str, script: &str) -> Option<Self> {
        let modules = std::env::join_paths(node_modules()).unwrap();
        Self::script(name, "node".into(), "twin.cjs", script, Some(modules))
    }

    /// A server inside this test, on a thread of its own: it is handed a bound
    /// listener and serves until the test ends.
    pub(crate) fn rust(name: &str, serve: impl FnOnce(TcpListener) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(listener));
        Self {
            name: name.to_owned(),
            address,
            child: None,
            _place: None,
        }
    }

    fn script(
        name: &str,
        program: OsString,
        file: &str,
        script: &str,
        modules: Option<OsString>,
    ) -> Option<Self> {
        if !works(&program) {
            return None;
        }
        let place = tempfile::tempdir().unwrap();
        let script_file = place.path().join(file);
        fs::write(&script_file, script).unwrap();
        let address = free_address();
        let port = address.port().to_string();
        let mut command = Command::new(&program);
        command.arg(&script_file).arg(&port).env("PORT", &port);
        if let Some(modules) = modules {
            command.env("NODE_PATH", modules);
        }
        Some(Self::started(name, command, address, place))
    }

    /// Runs it until it listens.
    fn started(name: &str, mut command: Command, address: SocketAddr, place: TempDir) -> Self {
        let log = place.path().join("errors");
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut twin = Self {
            name: name.to_owned(),
            address,
            child: Some(child),
            _place: Some(place),
        };
        twin.wait(&log);
        twin
    }

    fn wait(&mut self, log: &Path) {
        let patience = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(self.address).is_err() {
            let ended = self
                .child
                .as_mut()
                .and_then(|child| child.try_wait().unwrap());
            let why = || fs::read_to_string(log).unwrap_or_default();
            assert!(
                ended.is_none(),
                "{} ended before it listened: {}",
                self.name,
                why()
            );
            assert!(
                Instant::now() < patience,
                "{} does not listen: {}",
                self.name,
                why()
            );
            thread::park_timeout(Duration::from_millis(10));
        }
    }

    /// Attacks it with one valid token.
    pub(crate) fn attack(&self) -> Report {
        self.attack_with(|_| {})
    }

    /// The same with its key set, from `/jwks`.
    pub(crate) fn with_jwks(&self) -> Report {
        let jwks = self.fetch("/jwks");
        self.attack_with(|attack| attack.extras.jwks = Some(jwks))
    }

    /// The same with the key that signs its tokens, from `/key`.
    pub(crate) fn with_staging_key(&self) -> Report {
        let key = self.fetch("/key");
        self.attack_with(|attack| Self::give_key(attack, &key))
    }

    /// Lets the attack sign with `key`, now.
    pub(crate) fn give_key(attack: &mut Attack, key: &str) {
        let mint = Mint::new(&attack.token, key.as_bytes()).unwrap();
        attack.extras.staging = Some(mint);
        attack.started = now();
    }

    /// The same with anything else about the attack changed.
    pub(crate) fn attack_with(&self, change: impl FnOnce(&mut Attack)) -> Report {
        let mut attack = Attack {
            target: self.target("/orders"),
            token: self.fetch("/token"),
            extras: Extras {
                crack_for: Some(Duration::from_millis(700)),
                cores: 2,
                ..Extras::default()
            },
            limits: Limits::LOOPBACK,
            only: Vec::new(),
            run_id: [7; 16],
            started: UnixTime::from_secs(1_795_305_600),
        };
        change(&mut attack);
        let report = runtime().block_on(async {
            let network = network(&attack.target).await;
            attack.run(&network, &mut |_| {}).await
        });
        assert!(
            report.requests <= 2_000,
            "{}: {} requests",
            self.name,
            report.requests
        );
        report
    }

    /// Attacks it and says exactly which cases must be proven.
    pub(crate) fn must_have(&self, ids: &[&str]) -> Report {
        let report = self.attack();
        assert_eq!(report.found(), ids, "{}: {:#?}", self.name, why(&report));
        report
    }

    /// The address of one of its routes.
    pub(crate) fn target(&self, path: &str) -> Target {
        Target::parse(&format!("http://{}{path}", self.address)).unwrap()
    }

    /// The text at a path, asked for without a token.
    pub(crate) fn fetch(&self, path: &str) -> String {
        let target = self.target(path);
        let request = Request::new("GET", path, &target.authority).with("Connection", "close");
        let outcome = runtime().block_on(async { network(&target).await.send(&request).await });
        let answer = outcome
            .answer()
            .unwrap_or_else(|| panic!("{}: {outcome:?}", self.name));
        assert_eq!(
            answer.status,
            200,
            "{} {path}: {}",
            self.name,
            answer.text()
        );
        answer.text().trim().to_owned()
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Every twin of a file beside `python/base.py`: one process, a port for each.
pub(crate) struct Twins {
    ports: BTreeMap<String, u16>,
    child: Child,
    _place: TempDir,
}

impl Twins {
    /// Starts those of `python/faults.py` and of the files that go on with it;
    /// none, loudly, without Python.
    pub(crate) fn start() -> Option<Self> {
        Self::serving(&[
            include_str!("python/faults.py"),
            include_str!("python/rights.py"),
            include_str!("python/callers.py"),
            include_str!("python/described.py"),
            include_str!("python/framing.py"),
            include_str!("python/keys.py"),
            include_str!("python/proofs.py"),
            "\n\nserve_all()\n",
        ])
    }

    /// Starts those of a script, in parts; none, loudly, without Python.
    pub(crate) fn serving(script: &[&str]) -> Option<Self> {
        let program = python();
        if !works(&program) {
            return None;
        }
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("twins.py");
        let text = [include_str!("python/base.py"), &script.concat()].concat();
        fs::write(&file, text).unwrap();
        let log = place.path().join("log");
        let mut child = Command::new(&program)
            .arg(&file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let ports = serde_json::from_str(&line).unwrap_or_else(|_| {
            panic!("no twins: {}", fs::read_to_string(&log).unwrap_or_default())
        });
        Some(Self {
            ports,
            child,
            _place: place,
        })
    }

    /// What they are called.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.ports.keys().map(String::as_str)
    }

    /// The one of this name; none, loudly, where Python has not the package
    /// that it needs.
    pub(crate) fn twin(&self, name: &str) -> Option<Twin> {
        let Some(port) = self.ports.get(name) else {
            missed(&format!("Python's cryptography, for {name},"));
            return None;
        };
        Some(Twin {
            name: name.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], *port)),
            child: None,
            _place: None,
        })
    }
}

impl Drop for Twins {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Every finding of a report, for the message of a failed test.
pub(crate) fn why(report: &Report) -> Vec<String> {
    let findings = report.findings().into_iter().flat_map(|result| {
        let verdict = result.verdict.name();
        let id = result.case.id;
        result
            .findings
            .iter()
            .map(move |finding| format!("{id} {verdict}: {} ({})", finding.what, finding.why))
    });
    let ended = report
        .end
        .why()
        .map(|why| format!("{}: {why}", report.end.name()));
    findings.chain(ended).collect()
}

async fn network(target: &Target) -> Network {
    let clock = Arc::new(|| UnixTime::from_secs(1_795_305_600));
    Network::open(target, false, None, clock, Duration::from_secs(10))
        .await
        .unwrap()
}

/// Minted tokens live now.
#[expect(
    clippy::disallowed_methods,
    reason = "the twins look at the real clock"
)]
pub(crate) fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime::from_secs(since.unwrap().as_secs())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

/// The interpreter that `.ci/steps.sh clients` made, else the machine's.
fn python() -> OsString {
    let venv = clients().join("python/bin/python");
    match venv.is_file() {
        true => venv.into_os_string(),
        false => "python3".into(),
    }
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// Whether the program is here; if not, that is said.
fn works(program: &OsString) -> bool {
    works_with(program, "--version")
}

fn works_with(program: &OsString, version: &str) -> bool {
    let output = Command::new(program).arg(version).output();
    let works = output.is_ok_and(|output| output.status.success());
    if !works {
        missed(&program.to_string_lossy());
    }
    works
}

/// Where it puts the packages of the example for Node, and of these twins.
fn node_modules() -> impl Iterator<Item = PathBuf> {
    ["node", "stacks"]
        .map(|own| clients().join(own).join("node_modules"))
        .into_iter()
}

/// Where `.ci/steps.sh clients` installs.
#[expect(
    clippy::disallowed_methods,
    reason = "cargo says where the target folder is"
)]
fn clients() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(target) => PathBuf::from(target).join("clients"),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients"),
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a skipped test says so, and the environment says whether it may"
)]
fn missed(part: &str) {
    assert!(
        std::env::var_os("DOORWARD_REQUIRE_PARTS").is_none() || part.starts_with("node"),
        "{part} is not on this machine and DOORWARD_REQUIRE_PARTS is set"
    );
    eprintln!("*** SKIPPED: {part} is not on this machine");
}
