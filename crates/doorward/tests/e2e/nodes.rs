//! Two issuers, as processes, on one PostgreSQL server.
//!
//! What clients see is one issuer: a node that is killed under load costs its
//! callers a second try elsewhere and never their session, one refresh token
//! has one successor whoever is asked, and what one node ends is over on the
//! other within a second.

use std::{
    collections::HashSet,
    fs,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt as _,
    path::PathBuf,
    sync::{
        Barrier, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    faults::observed::{PATIENCE, WITHIN_A_SECOND, say, until},
    harness::{Answer, Server, attempt, request},
    postgres_server::PostgresServer,
};

/// Refreshes of all clients between one death of a node and the next.
const BETWEEN_DEATHS: usize = 60;

/// A server, and two issuers on it that know each other through it alone.
struct Twins {
    nodes: Mutex<Vec<Option<Server>>>,
    addresses: Mutex<[SocketAddr; 2]>,
    postgres: PostgresServer,
    config: PathBuf,
    place: TempDir,
}

impl Twins {
    /// `None` where there is no PostgreSQL.
    fn start() -> Option<Self> {
        let postgres = PostgresServer::start()?;
        let place = tempfile::tempdir().unwrap();
        let folder = |n: usize| place.path().join(format!("node{n}"));
        let url = postgres.url("public");
        // A first start makes the demo's users and its roles and routes.
        drop(Server::start(&folder(0), &["--demo", "--database", &url]));
        let demo = fs::read_to_string(folder(0).join("demo.toml")).unwrap();
        let config = place.path().join("doorward.toml");
        let named = format!("issuer = \"http://twins.test\"\ndatabase = \"{url}\"\n{demo}");
        fs::write(&config, named).unwrap();
        // Nodes share the database and the master key, and nothing else.
        fs::DirBuilder::new().mode(0o700).create(folder(1)).unwrap();
        for file in ["master.key", "demo.json"] {
            fs::copy(folder(0).join(file), folder(1).join(file)).unwrap();
        }
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 1));
        let twins = Self {
            nodes: Mutex::new(vec![None, None]),
            addresses: Mutex::new([nowhere; 2]),
            postgres,
            config,
            place,
        };
        twins.begin(0);
        twins.begin(1);
        Some(twins)
    }

    fn begin(&self, n: usize) {
        let config = self.config.to_str().unwrap();
        let data = self.place.path().join(format!("node{n}"));
        let node = Server::start_role(&data, &["serve", "issuer"], &["--config", config]);
        self.addresses.lock().unwrap()[n] = node.gateway;
        self.nodes.lock().unwrap()[n] = Some(node);
    }

    /// `kill -9`.
    fn kill(&self, n: usize) {
        let node = self.nodes.lock().unwrap()[n].take();
        node.unwrap().kill();
    }

    fn address(&self, n: usize) -> SocketAddr {
        self.addresses.lock().unwrap()[n]
    }

    fn sign_in(&self, username: &str) -> Value {
        let nodes = self.nodes.lock().unwrap();
        nodes[0].as_ref().unwrap().sign_in(username)
    }

    /// `None` if the node did not answer.
    fn post(&self, n: usize, path: &str, body: &Value, token: Option<&str>) -> Option<Answer> {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let mut headers = vec![("Content-Type", "application/json")];
        let authorization = authorization.as_deref();
        headers.extend(authorization.map(|value| ("Authorization", value)));
        let body = body.to_string();
        attempt(self.address(n), ("POST", path), &headers, body.as_bytes())
    }

    fn refresh(&self, n: usize, refresh_token: &str) -> Option<Answer> {
        let body = json!({ "refresh_token": refresh_token });
        self.post(n, "/auth/refresh", &body, None)
    }

    /// Whether a node takes an access token.
    fn takes(&self, n: usize, access_token: &str) -> bool {
        let bearer = format!("Bearer {access_token}");
        let headers = [("Authorization", bearer.as_str())];
        let answer = request(self.address(n), "GET", "/auth/me", &headers, b"");
        assert!(matches!(answer.status, 200 | 401), "{answer:?}");
        answer.status == 200
    }
}

fn text<'v>(tokens: &'v Value, name: &str) -> &'v str {
    tokens[name].as_str().expect("a token answer")
}

/// RFT-003 and RFT-017, through two processes.
#[test]
fn rft_017_sixty_four_refreshes_over_two_processes_have_one_successor() {
    let Some(twins) = Twins::start() else {
        return;
    };
    let first = twins.sign_in("reader");
    let token = text(&first, "refresh_token");
    let barrier = Barrier::new(64);
    let successors: HashSet<String> = thread::scope(|scope| {
        let asked: Vec<_> = (0..64)
            .map(|n| {
                let (twins, barrier) = (&twins, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    let answer = twins.refresh(n % 2, token).unwrap();
                    assert_eq!(answer.status, 200, "{answer:?}");
                    text(&answer.json(), "refresh_token").to_owned()
                })
            })
            .collect();
        asked.into_iter().map(|one| one.join().unwrap()).collect()
    });
    assert_eq!(successors.len(), 1, "64 equal refresh tokens");
    // One live leaf: it goes on, whoever is asked.
    let leaf = successors.into_iter().next().unwrap();
    assert_eq!(twins.refresh(1, &leaf).unwrap().status, 200);
}

/// Clients that go on from the newest refresh token that they were given, and
/// try the other node when one does not answer.
#[derive(Default)]
struct Load {
    refreshed: AtomicUsize,
    again: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn client(&self, twins: &Twins, mut token: String, mut node: usize) -> String {
        while !self.is_over.load(Ordering::SeqCst) {
            match twins.refresh(node, &token) {
                Some(answer) if answer.status == 200 => {
                    token = text(&answer.json(), "refresh_token").to_owned();
                    self.refreshed.fetch_add(1, Ordering::SeqCst);
                }
                // A node that is gone, going, or cannot write now.
                None => self.try_elsewhere(&mut node),
                Some(answer) if answer.status == 503 => self.try_elsewhere(&mut node),
                Some(answer) => panic!("an honest client was refused: {answer:?}"),
            }
        }
        token
    }

    fn try_elsewhere(&self, node: &mut usize) {
        self.again.fetch_add(1, Ordering::SeqCst);
        *node = 1 - *node;
        thread::yield_now();
    }

    fn go_on(&self, count: usize) {
        let until_then = self.refreshed.load(Ordering::SeqCst) + count;
        until(Duration::from_secs(60), "refreshes go on", || {
            (self.refreshed.load(Ordering::SeqCst) >= until_then).then_some(())
        });
    }
}

#[test]
fn rft_008_a_node_that_is_killed_under_load_costs_nobody_a_session() {
    let Some(twins) = Twins::start() else {
        return;
    };
    let load = Load::default();
    let sessions: Vec<_> = (0..8).map(|_| twins.sign_in("reader")).collect();
    let tokens: Vec<String> = thread::scope(|scope| {
        let clients: Vec<_> = sessions
            .iter()
            .enumerate()
            .map(|(n, session)| {
                let token = text(session, "refresh_token").to_owned();
                let (twins, load) = (&twins, &load);
                scope.spawn(move || load.client(twins, token, n % 2))
            })
            .collect();
        for round in 0..4 {
            load.go_on(BETWEEN_DEATHS);
            twins.kill(round % 2);
            load.go_on(BETWEEN_DEATHS);
            twins.begin(round % 2);
        }
        load.go_on(BETWEEN_DEATHS);
        load.is_over.store(true, Ordering::SeqCst);
        clients.into_iter().map(|one| one.join().unwrap()).collect()
    });
    for (n, token) in tokens.iter().enumerate() {
        assert_eq!(twins.refresh(n % 2, token).unwrap().status, 200);
    }
    say(&format!(
        "{} refreshes over four deaths, {} tries elsewhere, nobody signed out",
        load.refreshed.load(Ordering::SeqCst),
        load.again.load(Ordering::SeqCst)
    ));
}

#[test]
fn rev_001_what_one_process_ends_is_over_on_the_other_within_a_second() {
    let Some(twins) = Twins::start() else {
        return;
    };
    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let (here, there) = (round % 2, 1 - round % 2);
        let session = twins.sign_in("reader");
        let token = text(&session, "access_token");
        assert!(twins.takes(here, token) && twins.takes(there, token));
        let out = twins.post(here, "/auth/sign-out", &json!({}), Some(token));
        assert_eq!(out.unwrap().status, 204);
        let begun = Instant::now();
        assert!(!twins.takes(here, token), "known where it was said at once");
        until(WITHIN_A_SECOND, "the other node refuses it", || {
            (!twins.takes(there, token)).then_some(())
        });
        slowest = slowest.max(begun.elapsed());
        // The refresh token needs no word from one to the other.
        let refused = twins.refresh(there, text(&session, "refresh_token"));
        assert_eq!(refused.unwrap().status, 400);
    }
    say(&format!("slowest of ten revocations: {slowest:?}"));
}

/// The nodes get the new master key one after the other, and none stops for it.
#[test]
fn the_master_key_is_changed_under_two_nodes() {
    let Some(twins) = Twins::start() else {
        return;
    };
    let ask = |n: usize, arguments: &[&str]| {
        let nodes = twins.nodes.lock().unwrap();
        let output = nodes[n].as_ref().unwrap().command(arguments);
        assert!(output.status.success(), "{arguments:?} {output:?}");
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let session = twins.sign_in("reader");
    let token = text(&session, "access_token");
    let mut refresh = text(&session, "refresh_token").to_owned();
    let mut both_work = || {
        for n in [0, 1] {
            assert!(twins.takes(n, token));
            let refreshed = twins.refresh(n, &refresh).unwrap().json();
            text(&refreshed, "refresh_token").clone_into(&mut refresh);
        }
    };
    let rotated = ask(0, &["secret", "rotate", "--json"]);
    let (now, before) = (&rotated["fingerprint"], &rotated["before"]["fingerprint"]);
    both_work();
    // The other still has the old file, starts with it, and may not retire it.
    twins.kill(1);
    twins.begin(1);
    both_work();
    let ours = |n: usize| {
        let status = ask(n, &["secret", "status", "--json"]);
        let keys = status["master_keys"].as_array().unwrap().clone();
        let ours = keys.into_iter().find(|key| key["is_ours"] == true);
        ours.unwrap()["fingerprint"].clone()
    };
    assert_eq!((&ours(0), &ours(1)), (now, before));
    let file = |n: usize| twins.place.path().join(format!("node{n}/master.key"));
    fs::copy(file(0), file(1)).unwrap();
    assert_eq!((&ours(0), &ours(1)), (now, now));
    let retired = ask(0, &["secret", "retire", "--old", "--json"]);
    assert_eq!(retired, json!({ "retired": [before] }));
    both_work();
    for n in [0, 1] {
        twins.kill(n);
        twins.begin(n);
    }
    both_work();
    // Who puts a dump back is told what else opens it.
    ask(0, &["secret", "rotate", "--json"]);
    let restored = ask(0, &["restore", "--json"]);
    assert_eq!(restored["other_master_keys"], json!([now]));
}

/// Verification goes on, what must be written is 503 with `Retry-After`, and
/// both nodes are well again without a restart.
#[test]
fn dos_011_without_its_server_a_node_says_503_and_is_well_again_by_itself() {
    let Some(twins) = Twins::start() else {
        return;
    };
    let session = twins.sign_in("reader");
    let token = text(&session, "refresh_token");
    twins.postgres.order("crash", "crashed");
    for n in [0, 1] {
        let answer = twins.refresh(n, token).unwrap();
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.reason(), "store_unavailable");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=60).contains(&seconds));
        let said = String::from_utf8_lossy(&answer.body).to_lowercase();
        assert!(
            !said.contains("postgres") && !said.contains("sql"),
            "{said}"
        );
        let jwks = request(twins.address(n), "GET", "/.well-known/jwks.json", &[], b"");
        assert_eq!(jwks.status, 200);
    }
    twins.postgres.order("start", "started");
    for n in [0, 1] {
        until(PATIENCE, "a refresh", || {
            (twins.refresh(n, token)?.status == 200).then_some(())
        });
    }
}
