//! `doorward attack` against our own gateway, which is the gate that a release
//! has to pass, and its manners on the command line.

use std::{fs, process::Output};

use doorward_verify::jose::{
    algorithm::Algorithm, base64url, signing_key::SigningKey, token::Inspected,
};
use serde_json::{Value, json};

use crate::harness::{Recorder, Server};

/// The protected route of the demo.
fn orders(server: &Server) -> String {
    format!("http://{}/orders", server.gateway)
}

fn attack(server: &Server, arguments: &[&str]) -> Output {
    let url = orders(server);
    let all = [&["attack", &url, "--as", "reader"], arguments].concat();
    server.command(&all)
}

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn case<'r>(report: &'r Value, id: &str) -> &'r Value {
    let cases = report["cases"].as_array().unwrap();
    cases.iter().find(|case| case["id"] == id).unwrap()
}

/// The bars of the catalogue: nothing found, at most 600 requests and 60 s.
#[test]
fn the_release_gate_the_demo_has_no_finding() {
    let server = Server::demo();
    let output = attack(&server, &["--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["end"], "complete");
    let of = |verdict: &str| {
        let cases = report["cases"].as_array().unwrap().iter();
        let found = cases.filter(|case| case["verdict"] == verdict);
        found
            .map(|case| case["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("vulnerable"), Vec::<String>::new(), "{report:#}");
    // Passive remarks about an API that says nothing of caches are no finding.
    assert_eq!(of("suspect"), ["CON-004", "LNT-010"], "{report:#}");
    assert!(of("safe").len() >= 65, "{:?}", of("safe"));
    assert!(
        report["requests"].as_u64().unwrap() <= 600,
        "{}",
        report["requests"]
    );
    assert!(report["milliseconds"].as_u64().unwrap() <= 60_000);
    assert_eq!(report["cases"].as_array().unwrap().len(), 359);
}

#[test]
fn with_the_key_set_and_the_decision_log_every_attack_is_refused_and_seen() {
    let server = Server::demo();
    let options = [
        "--json",
        "--jwks",
        "/.well-known/jwks.json",
        "--decisions",
        "--only",
        "SIG-001,SIG-009,HDR-001,HDR-002,HDR-003",
        "--listener",
        "127.0.0.1:0",
    ];
    let output = attack(&server, &options);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for id in ["SIG-001", "SIG-009", "HDR-001", "HDR-002", "HDR-003"] {
        let case = case(&report, id);
        assert_eq!(case["verdict"], "safe", "{case:#}");
        assert!(case["seen"]["asked"].as_u64().unwrap() > 0, "{case:#}");
        assert_eq!(case["seen"]["denied"], case["seen"]["asked"], "{case:#}");
    }
    assert_eq!(case(&report, "SIG-002")["verdict"], "skipped");
}

#[test]
fn an_open_route_is_a_finding_in_every_report_and_can_be_accepted() {
    let server = Server::demo();
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    let url = format!("http://{}/health", server.gateway);
    let outputs = ["json", "sarif", "junit", "markdown", "html"]
        .map(|format| format!("{format}={}", file(format)));
    let mut arguments = vec!["attack", url.as_str(), "--as", "reader"];
    arguments.extend(
        outputs
            .iter()
            .flat_map(|output| ["--output", output.as_str()]),
    );
    let output = server.command(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("AUZ-001") && text(&output).contains("1 finding"),
        "{}",
        text(&output)
    );
    for name in ["json", "sarif", "junit", "markdown", "html"] {
        assert!(
            fs::read_to_string(file(name)).unwrap().contains("AUZ-001"),
            "{name}"
        );
    }

    let accepted = file("accepted.toml");
    let entry = "[[suppression]]\nid = \"AUZ-001\"\nroute = \"/health\"\nreason = \"health is open\"\n\
                 owner = \"ada\"\nuntil = \"2999-12-31\"\n";
    fs::write(&accepted, entry).unwrap();
    let earlier = file("json");
    let output = server.command(&[
        "attack",
        &url,
        "--as",
        "reader",
        "--suppressions",
        &accepted,
        "--baseline",
        &earlier,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("suppressed: AUZ-001 by ada until 2999-12-31"),
        "{said}"
    );
    assert!(said.contains("unchanged: AUZ-001"), "{said}");
}

#[test]
fn void_and_over_budget_are_never_green() {
    let server = Server::demo();
    let url = orders(&server);
    let output = server.command_with_input(&["attack", &url], "not.a.token\n");
    assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    assert!(
        text(&output).contains("VOID") && text(&output).contains("401"),
        "{}",
        text(&output)
    );
    let output = attack(&server, &["--max-requests", "40"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output));
    let gone = server.command(&["attack", "http://127.0.0.1:1/x", "--as", "reader"]);
    assert_eq!(gone.status.code(), Some(3), "{}", text(&gone));
}

#[test]
fn a_dry_run_shows_every_request_and_sends_none() {
    let server = Server::demo();
    let token = server.access_token("reader");
    let before = fs::read(server.data().join("demo-api.log")).unwrap_or_default();
    let output = server.command_with_input(&["attack", &orders(&server), "--dry-run"], &token);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("SIG-001")
            && said.contains("Bearer $FORGED")
            && said.contains("nothing was sent")
    );
    let parts: Vec<&str> = token.split('.').collect();
    assert!(
        !said.contains(parts[1]) && !said.contains(parts[2]),
        "a token is shown"
    );
    assert_eq!(
        fs::read(server.data().join("demo-api.log")).unwrap_or_default(),
        before
    );
}

#[test]
fn what_is_not_yours_or_not_harmless_is_refused_before_anything_is_sent() {
    let server = Server::demo();
    let url = orders(&server);
    let place = tempfile::tempdir().unwrap();
    let over = place.path().join("over.toml");
    fs::write(
        &over,
        "host = \"192.0.2.1\"\nowner = \"ada\"\nuntil = \"2020-01-01\"\n",
    )
    .unwrap();
    let over = over.to_str().unwrap();
    let mine = ["--as", "reader"];
    for (arguments, code, said) in [
        (vec!["http://192.0.2.1/x"], 2, "public address"),
        (
            vec!["http://192.0.2.1/x", "--authorized-by", over],
            3,
            "until 2020-01-01",
        ),
        (vec![&url, "-X", "DELETE"], 2, "--unsafe-methods"),
        (vec![&url, "--only", "SIG-01"], 2, "did you mean"),
        (vec![&url, "--output", "pdf=x"], 2, "not a report"),
        (vec![&url, "--threshold", "bad"], 2, "severity"),
        (vec![&url, "--token-in", "body:x"], 2, "place for a token"),
        (
            vec![&url, "--jwks", "https://id.example/keys"],
            2,
            "only the target",
        ),
        (vec!["ftp://x"], 2, "http"),
    ] {
        let all = [&["attack"], arguments.as_slice(), &mine].concat();
        let output = server.command(&all);
        assert_eq!(
            output.status.code(),
            Some(code),
            "{all:?}: {}",
            text(&output)
        );
        assert!(text(&output).contains(said), "{all:?}: {}", text(&output));
    }
}

const ISSUER: &str = "https://id.example";

/// Our verifier against tokens that are signed well and say what they should
/// not: the gateway trusts an issuer whose key is ours.
#[test]
fn with_the_signing_key_the_gateway_has_no_finding_either() {
    let recorder = Recorder::start();
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name);
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = json!({ "keys": [key.verifying_key().to_jwk().unwrap().to_object()] });
    fs::write(file("jwks.json"), keys.to_string()).unwrap();
    let config = format!(
        "permissions = [\"orders:read\"]\n[roles.reader]\npermissions = [\"orders:read\"]\n\
         [[route]]\nmatch = \"GET /orders\"\nauthenticated = true\n\
         [[trusted_issuer]]\nissuer = \"{ISSUER}\"\naudience = \"orders\"\n\
         algorithms = [\"ES256\"]\njwks_file = {:?}\n",
        file("jwks.json")
    );
    let server = Server::before(recorder.address, &config);
    let own = Inspected::parse(&server.access_token("reader")).unwrap();
    let now = own.payload["iat"].as_u64().unwrap();
    let claims = json!({
        "iss": ISSUER, "aud": "orders", "sub": "ann", "client_id": "web", "jti": "t-1",
        "iat": now, "exp": now + 300,
    });
    fs::write(file("token"), key.sign("at+jwt", &claims).unwrap()).unwrap();
    fs::write(file("key.pem"), pem(&key)).unwrap();
    let named = |name: &str| file(name).to_str().unwrap().to_owned();
    let output = server.command(&[
        "attack",
        &orders(&server),
        "--token-file",
        &named("token"),
        "--staging-key",
        &named("key.pem"),
        "--json",
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let tier_3 = || {
        report["cases"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|case| case["tier"] == 3)
    };
    for case in tier_3() {
        assert!(
            !["vulnerable", "suspect", "inconclusive"].contains(&case["verdict"].as_str().unwrap()),
            "{case:#}"
        );
    }
    let safe = tier_3().filter(|case| case["verdict"] == "safe").count();
    assert!(safe >= 25, "{safe}");

    // The same caller with a token that is bound to a key.
    let holder = SigningKey::generate(Algorithm::Es256).unwrap();
    let mut bound = claims;
    let thumbprint = holder.verifying_key().to_jwk().unwrap().thumbprint();
    bound["cnf"] = json!({ "jkt": thumbprint });
    fs::write(file("bound"), key.sign("at+jwt", &bound).unwrap()).unwrap();
    fs::write(file("holder.pem"), pem(&holder)).unwrap();
    let proofs = "CLM-021,DPP-001,DPP-002,DPP-003,DPP-004,DPP-005,DPP-006,DPP-007";
    let output = server.command(&[
        "attack",
        &orders(&server),
        "--token-file",
        &named("bound"),
        "--dpop-key",
        &named("holder.pem"),
        "--only",
        proofs,
        "--json",
    ]);
    all_are_safe(&output, proofs);
}

fn pem(key: &SigningKey) -> String {
    let mut pkcs8 = base64url::encode(&*key.to_pkcs8().unwrap())
        .replace('-', "+")
        .replace('_', "/");
    while !pkcs8.len().is_multiple_of(4) {
        pkcs8.push('=');
    }
    format!("-----BEGIN PRIVATE KEY-----\n{pkcs8}\n-----END PRIVATE KEY-----\n")
}

fn all_are_safe(output: &Output, ids: &str) {
    assert_eq!(output.status.code(), Some(0), "{}", text(output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    for id in ids.split(',') {
        let case = case(&report, id);
        assert_eq!(case["verdict"], "safe", "{case:#}");
    }
}

/// Two tenants with reports of their own, and keys of one of them.
#[test]
fn a_second_caller_and_api_keys_bring_no_finding_either() {
    let server = Server::demo();
    let place = tempfile::tempdir().unwrap();
    let write = |name: &str, content: &str| {
        fs::write(place.path().join(name), content).unwrap();
        place.path().join(name).to_str().unwrap().to_owned()
    };
    let token = write("reader", &server.access_token("reader"));
    let second = write("visitor", &server.access_token("visitor"));
    let callers = "CLM-022,AUZ-004,AUZ-006,AUZ-008,AUZ-022";
    let output = server.command(&[
        "attack",
        &format!("http://{}/tenants/acme/report", server.gateway),
        "--token-file",
        &token,
        "--second-token",
        &second,
        "--second-route",
        "/tenants/globex/report",
        "--only",
        callers,
        "--json",
    ]);
    all_are_safe(&output, callers);

    let key = |more: &[&str]| {
        let add = ["apikey", "add", "--user", "reader", "--purpose", "attack"];
        let output = server.command(&[&add, more].concat());
        let said = String::from_utf8(output.stdout).unwrap();
        said.lines().last().unwrap().to_owned()
    };
    let (good, early) = (key(&[]), key(&["--from", "10d"]));
    let elsewhere = key(&["--network", "198.51.100.0/24"]);
    let file = format!(
        "key = {good:?}\nexpired = [{early:?}]\nelsewhere = {elsewhere:?}\naddress = \"198.51.100.7\"\n"
    );
    let keys = "APK-001,APK-003,APK-004,APK-008,APK-011";
    let output = server.command(&[
        "attack",
        &orders(&server),
        "--token-file",
        &token,
        "--api-key",
        &write("keys.toml", &file),
        "--only",
        keys,
        "--json",
    ]);
    all_are_safe(&output, keys);
}

/// Bodies that hold a request of their own, and messages without one length.
#[test]
fn what_disturbs_others_brings_no_finding_either() {
    let server = Server::demo();
    let framing = "GWY-020,GWY-021,GWY-022,GWY-023,GWY-024,GWY-026";
    let output = attack(&server, &["--disturb", "--only", framing, "--json"]);
    all_are_safe(&output, framing);
}

#[test]
fn what_a_case_is_given_is_read_before_anything_is_sent() {
    let server = Server::demo();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("nothing");
    fs::write(&file, "two words").unwrap();
    let file = file.to_str().unwrap();
    let second = ["--second-token", file];
    for (arguments, said) in [
        (vec!["--second-route", "/x"], "--second-token"),
        ([&second[..], &["--second-route", "x"]].concat(), "no path"),
        (
            [&second[..], &["--second-host", "http://x"]].concat(),
            "no host",
        ),
        (vec!["--openapi", file], "not JSON"),
        (vec!["--dpop-key", file], "no private key"),
        (vec!["--api-key", file], "no file of keys"),
        (vec!["--body", file, "--unsafe-methods"], "not JSON"),
    ] {
        let output = attack(&server, &arguments);
        assert!(
            matches!(output.status.code(), Some(2 | 3)),
            "{arguments:?}: {}",
            text(&output)
        );
        assert!(
            text(&output).contains(said),
            "{arguments:?}: {}",
            text(&output)
        );
    }
}

/// Everything around signing in, with a token by signing in and another one
/// when it has died; guessed at from addresses of this machine, so that the
/// owner's own stays free.
#[test]
fn with_a_login_the_demo_has_no_finding() {
    let server = Server::demo();
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name);
    for user in ["reader", "editor", "visitor"] {
        fs::write(file(user), server.password(user)).unwrap();
    }
    let added = server.command(&[
        "client", "add", "nightly", "--tenant", "acme", "--role", "reader", "--json",
    ]);
    let client: Value = serde_json::from_slice(&added.stdout).unwrap();
    fs::write(file("client"), client["client_secret"].as_str().unwrap()).unwrap();
    let id = client["client"]["client_id"].as_str().unwrap();
    fs::write(
        file("login.toml"),
        format!(
            r#"
            preset = "doorward"
            username = "reader"
            password_file = "reader"
            other_tenant = "globex"
            may = ["guess", "change-password"]
            timing_samples = 20
            [other_client]
            client_id = "{id}"
            client_secret_file = "client"
            [refresh]
            path = "/oauth2/token"
            form = {{ grant_type = "refresh_token", refresh_token = "{{refresh_token}}" }}
            auth = "client"
            [[guessed]]
            username = "editor"
            password_file = "editor"
            [[guessed]]
            username = "visitor"
            password_file = "visitor"
            "#
        ),
    )
    .unwrap();
    let login = file("login.toml");
    let login = login.to_str().unwrap();
    let url = orders(&server);
    let output = server.command(&["attack", &url, "--login", login, "--json"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["end"], "complete", "{}", report["why"]);
    let judged = |group: &str, verdict: &str| {
        let cases = report["cases"].as_array().unwrap().iter();
        cases
            .filter(|case| case["verdict"] == verdict && case["tier"] == 2)
            .filter_map(|case| case["id"].as_str())
            .filter(|id| id.starts_with(group))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for verdict in ["vulnerable", "suspect"] {
        assert_eq!(judged("", verdict), [""; 0], "{report:#}");
    }
    // Twenty samples prove nothing about time.
    assert_eq!(judged("", "inconclusive"), ["BRU-008"], "{report:#}");
    let rft = ["001", "002", "003", "004", "005", "010", "011", "014"];
    assert_eq!(
        judged("RFT", "safe"),
        rft.map(|number| format!("RFT-{number}"))
    );
    assert_eq!(judged("REV", "safe"), ["REV-001", "REV-002", "REV-004"]);
    let bru = ["001", "002", "003", "005", "006", "007", "009"];
    assert_eq!(
        judged("BRU", "safe"),
        bru.map(|number| format!("BRU-{number}"))
    );
    let told = case(&report, "REV-003")["why"].as_str().unwrap().to_owned();
    assert!(told.contains("[sign_out_everywhere]"), "{told}");
    let all = output
        .stdout
        .iter()
        .chain(&output.stderr)
        .copied()
        .collect::<Vec<u8>>();
    let all = String::from_utf8_lossy(&all).into_owned();
    for user in ["reader", "editor", "visitor"] {
        assert!(!all.contains(&server.password(user)), "a password is shown");
    }
}

#[test]
fn a_login_file_says_all_that_is_wrong_with_it_and_shows_no_password() {
    let server = Server::demo();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("login.toml");
    let said = |content: &str, arguments: &[&str]| {
        fs::write(&file, content).unwrap();
        let url = orders(&server);
        let login = file.to_str().unwrap();
        let all = [&["attack", &url, "--login", login], arguments].concat();
        let output = server.command(&all);
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
        text(&output)
    };
    let inline = said("preset = \"doorward\"\npassword = \"hunter2\"\n", &[]);
    assert!(
        inline.contains("login.toml:2") && inline.contains("`password`"),
        "{inline}"
    );
    assert!(!inline.contains("hunter2"), "{inline}");
    let both = said(
        "username = \"a\"\npassword_file = \"gone\"\n[sign_in]\npath = \"https://elsewhere/\"\n",
        &[],
    );
    assert!(
        both.contains("gone") && both.contains("path on the target"),
        "{both}"
    );
    fs::write(place.path().join("wrong"), "wrong").unwrap();
    let wrong = "preset = \"doorward\"\nusername = \"reader\"\npassword_file = \"wrong\"\n";
    let refused = said(wrong, &[]);
    assert!(refused.contains("answered with 401"), "{refused}");
}
