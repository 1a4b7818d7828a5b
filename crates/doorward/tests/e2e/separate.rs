//! Issuer and gateway as separate processes, with a relay between them that
//! can be cut and can forge.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    faults::observed::{PATIENCE, WITHIN_A_SECOND, until},
    harness::{Answer, Recorder, Server, doorward, request},
};

/// How a signed message begins as a line, and as an event.
const MESSAGE_LINE: &[u8] = b"eyJ";
const MESSAGE_EVENT: &[u8] = b"data: eyJ";

/// What the relay does with what comes from the issuer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    /// Nobody gets through.
    Cut,
    /// Signatures of the feed are altered.
    Forge,
}

/// Stands where the issuer's name points, so that the issuer may come and go.
struct Relay {
    address: SocketAddr,
    state: Arc<Mutex<(Mode, Option<SocketAddr>)>>,
    /// Connections of an earlier one are cut.
    era: Arc<AtomicU64>,
}

impl Relay {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            state: Arc::new(Mutex::new((Mode::Pass, None))),
            era: Arc::default(),
        };
        let (state, era) = (Arc::clone(&relay.state), Arc::clone(&relay.era));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (mode, target) = *state.lock().unwrap();
                let era = Arc::clone(&era);
                if let (Mode::Pass | Mode::Forge, Some(target)) = (mode, target) {
                    thread::spawn(move || carry(stream, target, mode, &era));
                }
            }
        });
        relay
    }

    fn to(&self, issuer: SocketAddr) {
        self.state.lock().unwrap().1 = Some(issuer);
        self.set(Mode::Pass);
    }

    fn set(&self, mode: Mode) {
        self.state.lock().unwrap().0 = mode;
        self.era.fetch_add(1, Ordering::SeqCst);
    }
}

fn carry(client: TcpStream, target: SocketAddr, mode: Mode, era: &AtomicU64) -> Option<()> {
    let begun = era.load(Ordering::SeqCst);
    let server = TcpStream::connect(target).ok()?;
    for stream in [&client, &server] {
        stream
            .set_read_timeout(Some(Duration::from_millis(20)))
            .ok()?;
    }
    let (mut from_client, mut to_client) = (client.try_clone().ok()?, client);
    let (mut from_server, mut to_server) = (server.try_clone().ok()?, server);
    let (mut is_feed, mut forger) = (false, Forger::default());
    let mut chunk = [0; 16 * 1024];
    while era.load(Ordering::SeqCst) == begun {
        if let Some(count) = read(&mut from_client, &mut chunk)? {
            is_feed |= chunk[..count].starts_with(b"GET /revocations");
            to_server.write_all(&chunk[..count]).ok()?;
        }
        if let Some(count) = read(&mut from_server, &mut chunk)? {
            if is_feed && mode == Mode::Forge {
                forger.forge(&mut chunk[..count]);
            }
            to_client.write_all(&chunk[..count]).ok()?;
        }
    }
    Some(())
}

/// Bytes that came, nothing yet, or the end.
fn read(stream: &mut TcpStream, chunk: &mut [u8]) -> Option<Option<usize>> {
    match stream.read(chunk) {
        Ok(0) => None,
        Ok(count) => Some(Some(count)),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Some(None),
        Err(_) => None,
    }
}

/// Alters the first letter of each signature and nothing else, however reads cut the
/// bytes (each message is whole in one HTTP chunk): heads and lengths stay as they are, so
/// that a message is what is refused.
#[derive(Default)]
struct Forger {
    /// How the line begins, as far as is needed to know a message.
    beginning: Vec<u8>,
    dots: usize,
}

impl Forger {
    fn forge(&mut self, chunk: &mut [u8]) {
        for byte in chunk {
            self.pass(byte);
        }
    }

    fn pass(&mut self, byte: &mut u8) {
        if *byte == b'\n' {
            *self = Self::default();
        } else if self.beginning.len() < MESSAGE_EVENT.len() {
            self.beginning.push(*byte);
        } else if *byte == b'.' && self.is_message() {
            self.dots += 1;
        } else if self.dots == 2 {
            *byte = if *byte == b'A' { b'B' } else { b'A' };
            self.dots += 1;
        }
    }

    fn is_message(&self) -> bool {
        self.beginning.starts_with(MESSAGE_LINE) || self.beginning == MESSAGE_EVENT
    }
}

/// An issuer, a gateway and an API, each on its own.
struct Town {
    issuer: Option<Server>,
    gateway: Option<Server>,
    relay: Relay,
    upstream: Recorder,
    config: PathBuf,
    place: TempDir,
}

impl Town {
    fn with(revocations: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let data = place.path().join("issuer");
        // A first start makes the demo's users and its roles and routes.
        drop(Server::start(&data, &["--demo"]));
        let relay = Relay::start();
        let demo = fs::read_to_string(data.join("demo.toml")).unwrap();
        let config = place.path().join("doorward.toml");
        let issuer = format!("issuer = \"http://{}\"\n", relay.address);
        fs::write(&config, format!("{issuer}{demo}\n{revocations}\n")).unwrap();
        let mut town = Self {
            issuer: None,
            gateway: None,
            relay,
            upstream: Recorder::start(),
            config,
            place,
        };
        town.start_issuer();
        town.start_gateway();
        town.until_ready();
        town
    }

    fn start_issuer(&mut self) {
        let config = self.config.to_str().unwrap();
        let data = self.place.path().join("issuer");
        let issuer = Server::start_role(&data, &["serve", "issuer"], &["--config", config]);
        self.relay.to(issuer.gateway);
        self.issuer = Some(issuer);
    }

    fn start_gateway(&mut self) {
        let upstream = format!("http://{}", self.upstream.address);
        let config = self.config.to_str().unwrap();
        let arguments = ["--upstream", &upstream, "--config", config];
        let data = self.place.path().join("gateway");
        self.gateway = Some(Server::start_role(&data, &["serve", "gateway"], &arguments));
    }

    fn issuer(&self) -> &Server {
        self.issuer.as_ref().unwrap()
    }

    fn gateway(&self) -> &Server {
        self.gateway.as_ref().unwrap()
    }

    fn readiness(&self) -> (u16, Value) {
        let answer = request(self.gateway().admin, "GET", "/readyz", &[], b"");
        (answer.status, answer.json())
    }

    fn until_ready(&self) {
        until(PATIENCE, "a gateway that is ready", || {
            (self.readiness().0 == 200).then_some(())
        });
    }

    fn call(&self, token: &str) -> Answer {
        self.gateway().call("GET", "/orders", Some(token))
    }

    /// Status, and reason of a refusal.
    fn verdict(&self, token: &str) -> (u16, String) {
        let answer = self.call(token);
        let reason = match answer.status {
            200 => String::new(),
            _ => answer.reason(),
        };
        (answer.status, reason)
    }

    fn assert_good(&self, token: &str) {
        assert_eq!(self.verdict(token), (200, String::new()));
    }

    fn until_refused(&self, token: &str, reason: &str) {
        let mut last = (0, String::new());
        until(WITHIN_A_SECOND, reason, || {
            last = self.verdict(token);
            (last.0 != 200).then_some(())
        });
        assert_eq!(last, (401, reason.to_owned()));
    }

    fn command(&self, arguments: &[&str]) {
        let done = self.issuer().command(arguments);
        assert!(done.status.success(), "{done:?}");
    }
}

#[test]
fn rev_001_005_006_what_ends_at_the_issuer_ends_at_the_gateway_within_a_second() {
    let town = Town::with("");
    let reader = town.issuer().access_token("reader");
    town.assert_good(&reader);
    let out = town
        .issuer()
        .post("/auth/sign-out", &json!({}), Some(&reader));
    assert_eq!(out.status, 204);
    town.until_refused(&reader, "session_revoked");

    let editor = town.issuer().access_token("editor");
    town.assert_good(&editor);
    town.command(&["role", "revoke", "editor", "editor"]);
    town.until_refused(&editor, "user_changed");

    let reader = town.issuer().access_token("reader");
    town.assert_good(&reader);
    town.command(&["user", "disable", "reader"]);
    until(WITHIN_A_SECOND, "a disabled user is refused", || {
        (town.call(&reader).status == 401).then_some(())
    });
    assert!(town.upstream.count() >= 3);
}

#[test]
fn rev_010_a_client_that_is_disabled_is_refused_at_the_gateway_within_a_second() {
    let town = Town::with("");
    let added = [
        "client", "add", "batch", "--tenant", "acme", "--role", "reader", "--json",
    ];
    let added = town.issuer().command(&added);
    let added: Value = serde_json::from_slice(&added.stdout).unwrap();
    let field = |value: &Value| value.as_str().unwrap().to_owned();
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}",
        field(&added["client"]["client_id"]),
        field(&added["client_secret"])
    );
    let fields = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = until(WITHIN_A_SECOND, "a client that is known", || {
        let address = town.issuer().gateway;
        let answer = request(address, "POST", "/oauth2/token", &fields, form.as_bytes());
        (answer.status == 200).then_some(answer)
    });
    let token = field(&answer.json()["access_token"]);
    town.assert_good(&token);
    town.command(&["client", "disable", "batch"]);
    town.until_refused(&token, "client_revoked");
}

#[test]
fn key_012_015_a_rotation_costs_nothing_and_a_withdrawal_is_known_within_a_second() {
    let town = Town::with("");
    let token = town.issuer().access_token("reader");
    town.assert_good(&token);
    town.command(&["key", "rotate"]);
    town.assert_good(&town.issuer().access_token("reader"));
    let keys = town.issuer().command(&["key", "list", "--json"]);
    let keys: Value = serde_json::from_slice(&keys.stdout).unwrap();
    let keys = keys["keys"].as_array().unwrap().clone();
    let signing = keys.iter().find(|key| key["state"] == "signing").unwrap();
    town.command(&["key", "revoke", signing["kid"].as_str().unwrap()]);
    // The operator hears that the key is withdrawn, the caller one word.
    until(
        WITHIN_A_SECOND,
        "a withdrawn key's token is refused",
        || (town.call(&token).status == 401).then_some(()),
    );
    let fresh = until(WITHIN_A_SECOND, "the new key signs", || {
        let fresh = town.issuer().access_token("reader");
        (town.call(&fresh).status == 200).then_some(fresh)
    });
    // And the feed goes on under the new key.
    let out = town
        .issuer()
        .post("/auth/sign-out", &json!({}), Some(&fresh));
    assert_eq!(out.status, 204);
    town.until_refused(&fresh, "session_revoked");
}

#[test]
fn rev_013_cut_off_it_goes_on_up_to_the_bound_then_closes_and_comes_back() {
    let town = Town::with("[revocations]\nbound = \"3s\"");
    let token = town.issuer().access_token("reader");
    town.assert_good(&token);
    let cut = Instant::now();
    town.relay.set(Mode::Cut);
    let mut good = 0;
    let refused = until(PATIENCE, "a gateway that closes", || {
        let verdict = town.verdict(&token);
        good += usize::from(verdict.0 == 200);
        (verdict.0 != 200).then_some(verdict)
    });
    assert!(good > 0, "it served for a while");
    assert_eq!(refused, (503, "revocations_unknown".to_owned()));
    assert!(
        cut.elapsed() >= Duration::from_secs(2),
        "{:?}",
        cut.elapsed()
    );
    let (status, detail) = town.readiness();
    assert_eq!(
        (status, &detail["revocations"]["state"]),
        (503, &json!("lost"))
    );
    town.relay.set(Mode::Pass);
    until(PATIENCE, "a gateway that opens again", || {
        (town.call(&token).status == 200).then_some(())
    });
    town.until_ready();
}

#[test]
fn rev_013_the_issuer_is_killed_and_comes_back_elsewhere() {
    let mut town = Town::with("");
    let token = town.issuer().access_token("reader");
    let ended = town.issuer().access_token("reader");
    town.issuer.take().unwrap().kill();
    town.assert_good(&token);
    town.start_issuer();
    let out = town
        .issuer()
        .post("/auth/sign-out", &json!({}), Some(&ended));
    assert_eq!(out.status, 204);
    // The gateway has to find its way back first.
    until(PATIENCE, "the sign-out is known", || {
        (town.call(&ended).status == 401).then_some(())
    });
    town.assert_good(&token);
}

#[test]
fn rev_011_key_008_a_gateway_that_restarts_without_its_issuer_serves_from_what_it_kept() {
    let mut town = Town::with("[revocations]\nbound = \"1h\"");
    let token = town.issuer().access_token("reader");
    let ended = town.issuer().access_token("reader");
    let out = town
        .issuer()
        .post("/auth/sign-out", &json!({}), Some(&ended));
    assert_eq!(out.status, 204);
    town.until_refused(&ended, "session_revoked");
    town.relay.set(Mode::Cut);
    town.gateway.take().unwrap().kill();
    town.start_gateway();
    town.assert_good(&token);
    assert_eq!(town.verdict(&ended), (401, "session_revoked".to_owned()));
    for (name, _) in files(&town.place.path().join("gateway")) {
        assert!(
            !["doorward.db", "master.key"].contains(&name.as_str()),
            "a gateway has no secrets of the issuer: {name}"
        );
    }
}

#[test]
fn a_forged_feed_is_refused() {
    let town = Town::with("[revocations]\nwhen_stale = \"strict\"");
    let token = town.issuer().access_token("reader");
    town.assert_good(&token);
    town.relay.set(Mode::Forge);
    until(PATIENCE, "a message that is refused", || {
        let (_, detail) = town.readiness();
        (detail["revocations"]["refused"].as_u64() > Some(0)).then_some(())
    });
    let refused = until(PATIENCE, "a gateway that believes nothing", || {
        let verdict = town.verdict(&token);
        (verdict.0 != 200).then_some(verdict)
    });
    assert_eq!(refused, (503, "revocations_unknown".to_owned()));
    town.relay.set(Mode::Pass);
    until(PATIENCE, "an honest feed", || {
        (town.call(&token).status == 200).then_some(())
    });
}

#[test]
fn each_role_has_its_own_paths_and_no_other() {
    let town = Town::with("");
    let before = town.upstream.count();
    for path in ["/auth/sign-in", "/.well-known/jwks.json", "/revocations"] {
        let answer = town.gateway().call("GET", path, None);
        assert_eq!(
            (answer.status, answer.reason()),
            (404, "no_route".to_owned()),
            "{path}"
        );
    }
    assert_eq!(town.upstream.count(), before, "nothing went to the API");
    let token = town.issuer().access_token("reader");
    assert_eq!(
        town.issuer().call("GET", "/orders", Some(&token)).status,
        404
    );
    assert_eq!(
        town.issuer()
            .call("GET", "/revocations/snapshot", None)
            .status,
        200
    );
    let me = town.issuer().call("GET", "/auth/me", Some(&token));
    assert_eq!(me.json()["username"], "reader");
}

#[test]
fn a_signal_ends_both_at_once_although_the_feed_is_followed() {
    let mut town = Town::with("");
    let begun = Instant::now();
    assert_eq!(town.issuer.take().unwrap().signal("-TERM"), Some(0));
    assert_eq!(town.gateway.take().unwrap().signal("-TERM"), Some(0));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let town = Town::with("");
    let data = town.place.path().join("other");
    let run = |arguments: &[&str]| {
        let listen = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
        let done = doorward(&data)
            .current_dir(town.place.path().join("issuer"))
            .args(arguments)
            .args(listen)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        (done.status.code(), said)
    };
    let (code, said) = run(&["serve", "gateway", "--upstream", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("which issuer"), "{said}");
    // The issuer's address, but not its name.
    let address = format!("http://{}", town.issuer().gateway);
    let gateway = [
        "serve",
        "gateway",
        "--upstream",
        "http://127.0.0.1:1",
        "--issuer",
    ];
    let (code, said) = run(&[&gateway[..], &[&address]].concat());
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("calls itself"), "{said}");
    let (code, said) = run(&[&gateway[..], &["file:///etc/passwd"]].concat());
    assert_eq!(code, Some(2), "{said}");
    // A gateway has no users.
    let done = town.gateway().command(&["user", "list"]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{said}");
    assert!(said.contains("folder of a gateway"), "{said}");
}

/// From the answer to a sign-out to the first refusal at the gateway, for
/// `docs/separate-processes.md`:
/// `cargo test -p doorward --test e2e propagation -- --ignored --nocapture`
#[test]
#[ignore = "a measurement: wants a quiet machine"]
#[expect(clippy::print_stdout, reason = "the figures are what it is for")]
fn propagation_figures() {
    const ROUNDS: usize = 300;
    let town = Town::with("");
    let mut took: Vec<Duration> = (0..ROUNDS)
        .map(|_| {
            let token = town.issuer().access_token("reader");
            town.assert_good(&token);
            let out = town
                .issuer()
                .post("/auth/sign-out", &json!({}), Some(&token));
            let answered = Instant::now();
            assert_eq!(out.status, 204);
            until(PATIENCE, "a refusal", || {
                (town.call(&token).status == 401).then_some(())
            });
            answered.elapsed()
        })
        .collect();
    took.sort();
    let at = |share: f64| took[((ROUNDS - 1) as f64 * share) as usize];
    println!("p50 {:?}  p99 {:?}  max {:?}", at(0.5), at(0.99), at(1.0));
}

fn files(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).unwrap().map(Result::unwrap);
    let named = |entry: fs::DirEntry| {
        let name = entry.file_name().into_string().unwrap();
        (name, entry.path())
    };
    entries.map(named).collect()
}
