//! Secrets that pass through must not stay: a whole session, and then every
//! byte that it left is searched for every secret that was in it.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use serde_json::{Value, json};

use crate::{
    faults::observed::{Observed, PATIENCE, access_token, until, up},
    harness::{doorward, request},
};

/// Passwords that are looked for wherever they should not be.
const CANARY: &str = "canary-of-the-first-password-7431";
const SECOND_CANARY: &str = "canary-of-the-second-password-8652";
const WRONG_CANARY: &str = "canary-of-a-wrong-password-9173";

/// What was secret in a session: a name to report, and the bytes.
#[derive(Default)]
struct Secrets(Vec<(String, Vec<u8>)>);

impl Secrets {
    fn add(&mut self, name: &str, secret: impl Into<Vec<u8>>) {
        let secret = secret.into();
        assert!(secret.len() >= 16, "{name} is too short to look for");
        self.0.push((name.to_owned(), secret));
    }

    /// A password, and what form or query fields would make of it.
    fn password(&mut self, name: &str, password: &str) {
        self.add(name, password);
        let hex: String = password.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.add(&format!("{name} in hexadecimal"), hex);
    }

    /// The signature alone would be enough: the rest can be guessed.
    fn tokens(&mut self, name: &str, tokens: &Value) {
        let signature = access_token(tokens).rsplit('.').next().unwrap();
        self.add(&format!("{name}: access token's signature"), signature);
        let refresh = tokens["refresh_token"].as_str().unwrap();
        self.add(&format!("{name}: refresh token"), refresh);
        // The end of it, in case that a part of it is kept.
        self.add(
            &format!("{name}: refresh token's end"),
            &refresh[refresh.len() - 20..],
        );
    }

    /// Which of them are in `bytes`.
    fn hits(&self, bytes: &[u8]) -> Vec<&str> {
        let found = |secret: &[u8]| bytes.windows(secret.len()).any(|window| window == secret);
        self.0
            .iter()
            .filter(|(_, secret)| found(secret))
            .map(|(name, _)| name.as_str())
            .collect()
    }
}

/// Runs a command with something on standard input.
fn command(data: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = doorward(data)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses at once does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Everything that a session does, well and badly. Gives the secrets in it and
/// what the commands printed that print none.
fn whole_session(server: &Observed) -> (Secrets, Vec<u8>) {
    let mut secrets = Secrets::default();
    let mut printed = Vec::new();
    let data = server.data();
    for name in ["reader", "editor", "visitor"] {
        secrets.password(&format!("{name}'s password"), &server.password(name));
    }
    secrets.password("the first password", CANARY);
    secrets.password("the second password", SECOND_CANARY);
    secrets.password("a wrong password", WRONG_CANARY);

    // Commands that take a password, from standard input.
    for (arguments, input) in [
        (
            &[
                "user",
                "add",
                "canary",
                "--tenant",
                "acme",
                "--password-stdin",
            ][..],
            CANARY,
        ),
        (&["role", "grant", "canary", "editor"], ""),
        (&["user", "list", "--json"], ""),
        (&["role", "list", "--json"], ""),
    ] {
        let output = command(&data, arguments, &format!("{input}\n"));
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        printed.extend([output.stdout, output.stderr].concat());
    }

    // The flow, and again with what went wrong.
    let first = server.try_sign_in("canary", CANARY).json();
    secrets.tokens("first", &first);
    let second = server.refresh(&first).json();
    secrets.tokens("second", &second);
    for _ in 0..2 {
        server.call("GET", "/orders", Some(access_token(&second)));
        server.call("DELETE", "/nowhere", Some(access_token(&second)));
    }
    server.try_sign_in("canary", WRONG_CANARY);
    // The password where the name belongs, as people do.
    server.try_sign_in(WRONG_CANARY, CANARY);
    let odd = [
        json!({ "username": "canary", "password": CANARY, WRONG_CANARY: 1 }),
        json!({ "username": "canary", "password": { "is": CANARY } }),
        json!({ "username": "canary", "password": CANARY, "tenant": SECOND_CANARY }),
    ];
    for body in odd {
        server.post("/auth/sign-in", &body, None);
    }
    forged_and_misplaced(server, &mut secrets, &second);
    let theft = server.refresh(&first);
    assert_eq!(theft.status, 200, "the overlap");
    secrets.tokens("repeated", &theft.json());
    let changed = command(
        &data,
        &["user", "password", "canary", "--password-stdin"],
        &format!("{SECOND_CANARY}\n"),
    );
    assert!(changed.status.success(), "{changed:?}");
    printed.extend([changed.stdout, changed.stderr].concat());
    let third = server.try_sign_in("canary", SECOND_CANARY).json();
    secrets.tokens("third", &third);
    server.post(
        "/auth/sign-out",
        &json!({ "refresh_token": third["refresh_token"] }),
        Some(access_token(&third)),
    );
    let reused = server.refresh(&third);
    assert_eq!(reused.status, 400);
    (secrets, printed)
}

/// Tokens that are not quite right, and right ones where they do not belong.
fn forged_and_misplaced(server: &Observed, secrets: &mut Secrets, tokens: &Value) {
    let (access, refresh) = (
        access_token(tokens),
        tokens["refresh_token"].as_str().unwrap(),
    );
    let forged = format!("{access}x");
    let cut = &access[..access.len() - 2];
    for token in [
        forged.as_str(),
        cut,
        refresh,
        "canary-of-a-token-that-is-none-5521",
    ] {
        server.call("GET", "/orders", Some(token));
    }
    secrets.add(
        "a token that is none",
        "canary-of-a-token-that-is-none-5521",
    );
    let query = format!("/orders?access_token={access}&refresh_token={refresh}");
    server.call("GET", &query, None);
    server.call("GET", &format!("/auth/me?password={CANARY}"), None);
    let basic = [(
        "Authorization",
        "Basic Y2FuYXJ5LW9mLWEtYmFzaWMtcGFzc3dvcmQ=",
    )];
    request(server.gateway, "GET", "/orders", &basic, b"");
    secrets.add("basic credentials", "Y2FuYXJ5LW9mLWEtYmFzaWMtcGFzc3dvcmQ=");
    let fields = [
        ("Cookie", "session=canary-of-a-cookie-55128"),
        ("X-Api-Key", "canary-of-a-key-66239"),
    ];
    request(server.gateway, "GET", "/orders", &fields, b"");
    secrets.add("a cookie", "canary-of-a-cookie-55128");
    secrets.add("a key of somebody else's", "canary-of-a-key-66239");
    server.post(
        "/auth/refresh",
        &json!({ "refresh_token": format!("{refresh}x") }),
        None,
    );
    server.post("/auth/refresh", &json!({ "refresh_token": access }), None);
}

/// Everything that the operator is shown about the session.
fn operators_view(server: &Observed) -> Vec<u8> {
    let token = fs::read_to_string(server.data().join("operator.token")).unwrap();
    let authorization = format!("Bearer {}", token.trim());
    let operator = [("Authorization", authorization.as_str())];
    let mut seen = Vec::new();
    for line in server.out().lines().skip(1) {
        let decision: Value = serde_json::from_str(line).unwrap();
        let trace = decision["decision"]["trace_id"].as_str().unwrap();
        let path = format!("/api/decisions/{trace}");
        let answer = request(server.admin, "GET", &path, &operator, b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.extend(answer.body);
    }
    for (method, path) in [
        ("GET", "/api/decisions/last"),
        ("GET", "/healthz"),
        ("GET", "/nothing"),
    ] {
        seen.extend(request(server.admin, method, path, &operator, b"").body);
    }
    // A stranger's answers, too.
    seen.extend(request(server.admin, "GET", "/api/decisions/last", &[], b"").body);
    seen
}

/// Files of the data folder that are meant to hold a secret.
const KEEPERS: [&str; 5] = [
    "demo.json",
    "master.key",
    "operator.token",
    "metrics.token",
    "login.json",
];

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_keeper = |path: &PathBuf| KEEPERS.iter().any(|keeper| path.ends_with(keeper));
    entries.filter(|path| !is_keeper(path)).collect()
}

fn keys_of(server: &Observed, secrets: &mut Secrets) {
    let master = fs::read_to_string(server.data().join("master.key")).unwrap();
    let master = master.trim();
    secrets.add("the master key, as it is kept", master);
    let digits: Vec<_> = master.bytes().collect();
    let bytes: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect();
    if let Some(bytes) = bytes {
        secrets.add("the master key's bytes", bytes);
    }
    let operator = fs::read_to_string(server.data().join("operator.token")).unwrap();
    secrets.add("the operator's token", operator.trim());
    secrets.add("a private key in PEM", "BEGIN PRIVATE KEY");
    secrets.add("a private key in PEM (SEC 1)", "BEGIN EC PRIVATE KEY");
    // RFC 5958: the head of every PKCS #8 document of a P-256 key.
    let head = [
        0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
        0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07,
    ];
    secrets.add("a private key in DER", head);
    // The "d" of a private JWK would stand beside the "x".
    secrets.add("a private JWK", r#""kty":"EC","d":""#);
}

#[test]
fn sec_001_sec_002_sec_013_no_secret_of_a_session_stays_anywhere() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    // The demo's first screen is meant to show its passwords, once.
    drop(Observed::start(&data, up(&data, &["--demo", "--json"])));
    let mut server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    let (mut secrets, printed) = whole_session(&server);
    keys_of(&server, &mut secrets);
    let explained = command(&server.data(), &["explain", "last", "--json"], "");
    let shown = command(&server.data(), &["explain", "last"], "");
    until(PATIENCE, "the last decisions", || {
        server
            .out()
            .lines()
            .last()?
            .contains("sign-out")
            .then_some(())
            .or_else(|| server.out().contains("/auth/refresh").then_some(()))
    });

    let proc = PathBuf::from(format!("/proc/{}", server.pid()));
    let mut places = vec![
        ("standard output".to_owned(), server.out().into_bytes()),
        ("standard error".to_owned(), server.err().into_bytes()),
        (
            "the command line".to_owned(),
            fs::read(proc.join("cmdline")).unwrap(),
        ),
        (
            "the environment".to_owned(),
            fs::read(proc.join("environ")).unwrap(),
        ),
        ("the admin listener".to_owned(), operators_view(&server)),
        ("what commands printed".to_owned(), printed),
        (
            "explain --json".to_owned(),
            [explained.stdout, explained.stderr].concat(),
        ),
        ("explain".to_owned(), [shown.stdout, shown.stderr].concat()),
    ];
    let files = files_of(&server.data());
    let names: Vec<_> = files.iter().filter_map(|file| file.file_name()).collect();
    for name in ["doorward.db", "doorward.db-wal", "demo-api.log"] {
        assert!(
            names.iter().any(|known| *known == name),
            "{name} is not in {names:?}"
        );
    }
    places.extend(
        files
            .iter()
            .map(|file| (file.display().to_string(), fs::read(file).unwrap())),
    );
    server.assert_well();

    let mut hits = Vec::new();
    for (place, bytes) in &places {
        hits.extend(
            secrets
                .hits(bytes)
                .into_iter()
                .map(|secret| format!("{secret} in {place}")),
        );
    }
    assert_eq!(hits, Vec::<String>::new());
    assert!(
        secrets.0.len() > 30,
        "{} secrets were looked for",
        secrets.0.len()
    );
    // The search itself finds what is there.
    let kept = fs::read(server.data().join("demo.json")).unwrap();
    assert!(secrets.hits(&kept).contains(&"reader's password"));
}

/// SEC-013: a secret that is given as an argument is refused, so that it never
/// becomes a habit. The terminal's screen of a second start shows none either.
#[test]
fn sec_013_a_password_is_no_argument() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Observed::start(&data, up(&data, &["--demo", "--json"]));
    for arguments in [
        &["user", "add", "canary", "--password", CANARY][..],
        &["user", "add", "canary", CANARY],
        &["user", "password", "reader", CANARY],
        &["user", "password", "reader", "--password", CANARY],
        &["login", "--as", "reader", "--password", CANARY],
        &["token", "inspect", CANARY],
    ] {
        let output = command(&server.data(), arguments, "");
        assert_ne!(output.status.code(), Some(0), "{arguments:?}");
    }
    assert_eq!(server.try_sign_in("canary", CANARY).status, 401);
    server.sign_in("reader");
}
