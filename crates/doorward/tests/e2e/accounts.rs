//! Accounts in the hands of operators and administrators: the commands, and
//! the administration over HTTP.

use std::fs;

use serde_json::json;

use crate::harness::{Server, doorward, request};

#[test]
fn iss_022_an_operators_token_sets_a_password_once() {
    let server = Server::demo();
    let made = server.command(&["user", "reset", "reader"]);
    assert!(made.status.success(), "{made:?}");
    let told = String::from_utf8(made.stderr).unwrap();
    assert!(told.contains("once, within 15 minutes"), "{told}");
    let token = String::from_utf8(made.stdout).unwrap();
    let body = json!({
        "reset_token": token.trim(),
        "new_password": "seven slow herons at noon",
    });
    let used = server.post("/auth/password/reset", &body, None);
    assert_eq!(used.status, 204);
    let again = server.post("/auth/password/reset", &body, None);
    assert_eq!(again.status, 400);
    let body = json!({ "username": "reader", "password": "seven slow herons at noon" });
    assert_eq!(server.post("/auth/sign-in", &body, None).status, 200);

    let nobody = server.command(&["user", "reset", "nobody"]);
    assert_eq!(nobody.status.code(), Some(2));
    let none = server.command(&["user", "reset-second-factor", "reader"]);
    assert!(none.status.success(), "{none:?}");
}

/// The operator administers with the token of the data folder, a user with an
/// access token, and nobody from a web page.
#[test]
fn con_013_the_admin_listener_serves_the_administration() {
    let server = Server::demo();
    let operator = fs::read_to_string(server.data().join("operator.token")).unwrap();
    let operator = format!("Bearer {}", operator.trim());
    let reader = format!("Bearer {}", server.access_token("reader"));
    let ask = |path: &str, fields: &[(&str, &str)]| request(server.admin, "GET", path, fields, b"");

    let users = ask("/api/users", &[("Authorization", &operator)]);
    assert_eq!(users.status, 200, "{users:?}");
    let users = users.json();
    assert_eq!(users["items"][0]["username"], "editor");
    assert_eq!(ask("/api/users", &[]).status, 401);
    assert_eq!(ask("/api/users", &[("Authorization", &reader)]).status, 403);
    let page = [
        ("Authorization", &*operator),
        ("Origin", "http://127.0.0.1"),
    ];
    assert_eq!(ask("/api/users", &page).status, 403, "con_005");
    let described = ask("/api/openapi.json", &[]);
    assert_eq!(described.json()["openapi"], "3.1.0");
    // On the public listener there is nothing of it.
    let outside = server.call("GET", "/api/users", None);
    assert_ne!(outside.status, 200);
}

/// KEY-021: what was ended after a backup was taken is still ended when it is
/// put back, and what the backup has is there.
#[test]
fn key_021_a_restored_backup_brings_nothing_revoked_back() {
    let place = tempfile::tempdir().unwrap();
    let data = place.path().join("data");
    let server = Server::start(&data, &["--demo"]);
    let run = |arguments: &[&str]| {
        let output = server.command(arguments);
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{arguments:?}: {told}");
        (String::from_utf8(output.stdout).unwrap(), told)
    };
    let made = run(&[
        "apikey",
        "add",
        "--user",
        "reader",
        "--purpose",
        "test",
        "--json",
    ]);
    let made: serde_json::Value = serde_json::from_str(&made.0).unwrap();
    let key = made["key"]["id"].as_str().unwrap().to_owned();
    let rotated = run(&[
        "apikey",
        "add",
        "--user",
        "reader",
        "--purpose",
        "rotated",
        "--json",
    ]);
    let rotated: serde_json::Value = serde_json::from_str(&rotated.0).unwrap();
    let rotated = rotated["key"]["id"].as_str().unwrap().to_owned();
    run(&["client", "add", "rotated"]);
    run(&["client", "add", "untouched"]);
    let session = server.sign_in("reader");
    let file = server.data().join("backup.db");
    let file = file.to_str().unwrap();
    run(&["backup", file]);
    let again = server.command(&["backup", file]);
    assert_eq!(again.status.code(), Some(2), "nothing is overwritten");

    run(&["apikey", "revoke", &key]);
    run(&["apikey", "rotate", &rotated, "--now"]);
    run(&["client", "secret", "rotate", "rotated", "--now"]);
    run(&["user", "disable", "editor"]);
    let token = session["access_token"].as_str().unwrap();
    assert_eq!(
        server
            .post("/auth/sign-out", &json!({}), Some(token))
            .status,
        204
    );

    let beside = server.command(&["restore", file]);
    assert_eq!(beside.status.code(), Some(2), "not beside a server");
    server.kill();
    let restored = doorward(&data).args(["restore", file]).output().unwrap();
    let told = String::from_utf8(restored.stderr).unwrap();
    assert!(restored.status.success(), "{told}");
    for ended in [&key, &rotated] {
        assert!(told.contains(ended.as_str()), "{told}");
    }
    assert!(told.contains("clients rotated\n"), "{told}");
    assert!(
        told.contains(&format!("rotated of {rotated}, rotated: ")),
        "{told}"
    );
    assert!(told.contains("users editor"), "{told}");
    let server = Server::start(&data, &["--demo"]);
    let body = json!({ "refresh_token": session["refresh_token"] });
    assert_eq!(server.post("/auth/refresh", &body, None).status, 400);
    assert_eq!(server.call("GET", "/auth/me", Some(token)).status, 401);
    let users = server.command(&["user", "list"]);
    let users = String::from_utf8(users.stdout).unwrap();
    assert!(
        users
            .lines()
            .any(|line| line.starts_with("editor") && line.contains("disabled"))
    );
    let clients = server.command(&["client", "list"]);
    let clients = String::from_utf8(clients.stdout).unwrap();
    let is_disabled = |name: &str| {
        let line = clients.lines().find(|line| line.starts_with(name));
        line.unwrap().contains("disabled")
    };
    assert!(is_disabled("rotated") && !is_disabled("untouched"));
    let keys = server.command(&["apikey", "list"]);
    let keys = String::from_utf8(keys.stdout).unwrap();
    let line = keys.lines().find(|line| line.contains(&rotated)).unwrap();
    assert!(line.contains("revoked"), "{keys}");
}
