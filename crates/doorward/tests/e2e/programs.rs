//! Programs: clients that sign in, and API keys. The lines of the README are
//! pasted into a shell.

use std::{
    process::{Command, Output},
    time::{Duration, Instant},
};

use serde_json::Value;

use crate::harness::{Server, binary, find, request};

/// The lines after `$` of the README's part on programs.
fn readme_lines() -> Vec<String> {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let part = text.split("## Programs").nth(1).unwrap();
    let part = part.split("\n## ").next().unwrap();
    let lines = part.lines().filter_map(|line| line.strip_prefix("$ "));
    lines.map(str::to_owned).collect()
}

/// Pastes a line into a shell in which `doorward` is on the path.
fn paste(server: &Server, line: &str, variables: &[(&str, &str)]) -> Output {
    let binary = binary();
    let path = format!("{}:/usr/bin:/bin", binary.parent().unwrap().display());
    let line = line.replace("127.0.0.1:4180", &server.gateway.to_string());
    Command::new("/bin/sh")
        .args(["-c", &line])
        .env_clear()
        .env("PATH", path)
        .env("DOORWARD_DATA", server.data())
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Calls until `status` comes, as it must within a second.
fn soon(status: u16, call: impl Fn() -> u16) {
    let started = Instant::now();
    while call() != status {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "still not {status}"
        );
        std::thread::yield_now();
    }
}

#[test]
fn the_lines_of_the_readme_work_as_they_are_pasted() {
    if find("curl").is_none() {
        return;
    }
    let server = Server::demo();
    let lines = readme_lines();
    let [add_client, get_token, add_key, use_key] = lines.as_slice() else {
        panic!("four lines, not {lines:?}");
    };
    let added = paste(&server, add_client, &[]);
    let secret = text(&added.stdout).trim().to_owned();
    let told = text(&added.stderr);
    assert!(
        added.status.success() && secret.starts_with("dw_cs_"),
        "{told}"
    );
    let id = secret.split('_').nth(2).unwrap();
    assert!(told.contains(id) && !told.contains(&secret), "{told}");
    let variables = [("CLIENT_ID", id), ("CLIENT_SECRET", &*secret)];
    let got = paste(&server, get_token, &variables);
    let answer: Value = serde_json::from_slice(&got.stdout).unwrap();
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "/orders", Some(token)).status, 200);
    assert_eq!(server.call("DELETE", "/orders/7", Some(token)).status, 403);

    let added = paste(&server, add_key, &[]);
    let key = text(&added.stdout).trim().to_owned();
    assert!(added.status.success(), "{}", text(&added.stderr));
    let got = paste(&server, use_key, &[("API_KEY", &*key)]);
    assert!(text(&got.stdout).contains("orders"), "{got:?}");
}

#[test]
fn iss_024_a_disabled_client_is_refused_at_the_gateway_too() {
    let server = Server::demo();
    let added = server.command(&[
        "client", "add", "nightly", "--tenant", "acme", "--role", "reader",
    ]);
    let secret = text(&added.stdout).trim().to_owned();
    let id = secret.split('_').nth(2).unwrap().to_owned();
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let media_type = [("Content-Type", "application/x-www-form-urlencoded")];
    let ask = || {
        request(
            server.gateway,
            "POST",
            "/oauth2/token",
            &media_type,
            form.as_bytes(),
        )
    };
    let answer = ask();
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(server.call("GET", "/orders", Some(&token)).status, 200);
    let disabled = server.command(&["client", "disable", "nightly"]);
    assert!(disabled.status.success());
    // The running server asks before each answer, so at once.
    let answer = ask();
    assert_eq!(
        (answer.status, &answer.json()["error"]),
        (401, &Value::from("invalid_client"))
    );
    soon(401, || server.call("GET", "/orders", Some(&token)).status);
    // Who asked stands in the record, the secret does not.
    let decisions: Vec<String> = (0..2).map(|_| server.next_decision().to_string()).collect();
    assert!(decisions[0].contains("client_signed_in") && decisions[0].contains("nightly@acme"));
    assert!(decisions.iter().all(|decision| !decision.contains(&secret)));
}

#[test]
fn rev_008_an_api_key_in_use_is_revoked_within_a_second() {
    let server = Server::demo();
    let add = [
        "apikey",
        "add",
        "--user",
        "editor",
        "--permission",
        "orders:read",
        "--purpose",
        "export",
        "--network",
        "127.0.0.0/8",
    ];
    let added = server.command(&add);
    assert!(added.status.success(), "{}", text(&added.stderr));
    let key = text(&added.stdout).trim().to_owned();
    let id = key.split('_').nth(2).unwrap();
    let call =
        |method, path| request(server.gateway, method, path, &[("X-API-Key", &key)], b"").status;
    assert_eq!(call("GET", "/orders"), 200);
    assert_eq!(server.call("GET", "/orders", Some(&key)).status, 200);
    // The owner may delete; the key may not.
    assert_eq!(call("DELETE", "/orders/7"), 403);
    let decisions: Vec<String> = (0..3).map(|_| server.next_decision().to_string()).collect();
    for decision in &decisions {
        assert!(decision.contains(&format!("API key {id}")), "{decision}");
        assert!(decision.contains("editor@acme"), "{decision}");
        assert!(!decision.contains(&key[24..]), "{decision}");
    }
    let explained = server.command(&["explain", "last"]);
    let explained = text(&explained.stdout);
    assert!(explained.contains(&format!("API key {id}")), "{explained}");
    assert!(!explained.contains(&key[24..]));
    assert!(server.command(&["apikey", "revoke", id]).status.success());
    soon(401, || call("GET", "/orders"));
    let listed = text(&server.command(&["apikey", "list"]).stdout);
    assert!(
        listed.contains("revoked") && !listed.contains(&key),
        "{listed}"
    );
    let recorded = std::fs::read_to_string(server.data().join("demo-requests.log"));
    assert!(!recorded.unwrap_or_default().contains("dw_usr"));
}

#[test]
fn iss_023_a_disabled_owner_ends_the_key() {
    let server = Server::demo();
    let added = server.command(&["apikey", "add", "--user", "reader", "--purpose", "export"]);
    let key = text(&added.stdout).trim().to_owned();
    assert_eq!(server.call("GET", "/orders", Some(&key)).status, 200);
    assert!(
        server
            .command(&["user", "disable", "reader"])
            .status
            .success()
    );
    soon(401, || server.call("GET", "/orders", Some(&key)).status);
    assert!(
        server
            .command(&["user", "enable", "reader"])
            .status
            .success()
    );
    soon(200, || server.call("GET", "/orders", Some(&key)).status);
}
