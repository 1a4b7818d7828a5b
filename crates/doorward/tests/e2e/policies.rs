//! Policies from the file to the answer: every way of asking says the same, and
//! an edit takes effect on save.

use std::fs;

use serde_json::json;

use crate::{
    faults::observed::{WITHIN_A_SECOND, until},
    harness::{Place, Recorder, Server, request},
};

const SHOP: &str = r#"
[policies]
files = ["policies/*.cedar"]

[roles.reader]
permissions = ["orders:read", "reports:read"]
[roles.editor]
inherits = ["reader"]
permissions = ["orders:create", "orders:delete"]

[[route]]
match = "GET /orders/{id}"
allow = "orders:read"

[[route]]
match = "GET /reports"
allow = "reports:read"

[[route]]
match = "DELETE /orders/{id}"
allow = "orders:delete"
"#;

const POLICIES: &str = r#"@id("seven")
forbid (principal, action == Action::"orders:read", resource)
when { resource.id == "7" };

@id("own")
permit (principal is User, action == Action::"orders:delete", resource)
when { resource.id == principal.sub };
"#;

/// A server with the shop's routes and policies, and where it lives.
fn shop(recorder: &Recorder) -> (Place, Server) {
    let place = Place::with_demo_users().configured(SHOP);
    place.write("policies/orders.cedar", POLICIES);
    let server = place.serve(recorder.address);
    (place, server)
}

fn text(output: &std::process::Output) -> String {
    let out = String::from_utf8_lossy(&output.stdout);
    format!("{out}{}", String::from_utf8_lossy(&output.stderr))
}

#[test]
fn every_way_of_asking_says_the_same() {
    let recorder = Recorder::start();
    let (place, server) = shop(&recorder);
    let token = server.access_token("reader");
    let me = server.call("GET", "/auth/me", Some(&token)).json();
    let subject = me["sub"].as_str().unwrap().to_owned();
    let own = format!("/orders/{subject}");

    assert_eq!(server.call("GET", "/orders/6", Some(&token)).status, 200);
    let forbidden = server.call("GET", "/orders/7", Some(&token));
    assert_eq!(forbidden.status, 403);
    assert_eq!(forbidden.json()["reason"], "forbidden_by_policy");
    assert_eq!(server.call("DELETE", "/orders/6", Some(&token)).status, 403);
    assert_eq!(server.call("DELETE", &own, Some(&token)).status, 200);

    let explained = server.command(&["explain", "GET", "/orders/7", "--as", "reader"]);
    let shown = text(&explained);
    assert!(
        shown.contains("forbid `seven` (") && shown.contains("policies/orders.cedar:1)"),
        "{shown}"
    );
    assert!(shown.contains("resource.id is \"7\""), "{shown}");

    let config = place.config();
    let config = config.to_str().unwrap();
    for (method, path, code) in [
        ("GET", "/orders/7", 1),
        ("GET", "/orders/6", 0),
        ("DELETE", own.as_str(), 0),
        ("DELETE", "/orders/6", 1),
    ] {
        let checked = server.command(&[
            "route", "check", method, path, "--as", "reader", "--config", config,
        ]);
        assert_eq!(
            checked.status.code(),
            Some(code),
            "{method} {path}: {}",
            text(&checked)
        );
    }

    let asker = server.command(&[
        "client",
        "add",
        "portal",
        "--tenant",
        "acme",
        "--permission",
        "doorward:decisions:evaluate",
    ]);
    let secret = String::from_utf8(asker.stdout).unwrap().trim().to_owned();
    let id = secret.split('_').nth(2).unwrap();
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let media_type = [("Content-Type", "application/x-www-form-urlencoded")];
    let answer = request(
        server.gateway,
        "POST",
        "/oauth2/token",
        &media_type,
        form.as_bytes(),
    );
    let asker = answer.json()["access_token"].as_str().unwrap().to_owned();
    let ask = |action: &str, kind: &str, id: &str| {
        let body = json!({
            "subject": { "type": "user", "id": subject },
            "action": { "name": action },
            "resource": { "type": kind, "id": id },
        });
        server
            .post("/access/v1/evaluation", &body, Some(&asker))
            .json()
    };
    assert_eq!(ask("GET", "path", "/orders/6")["decision"], true);
    assert_eq!(ask("DELETE", "path", &own)["decision"], true);
    let forbidden = ask("GET", "path", "/orders/7");
    assert_eq!(
        forbidden,
        json!({ "decision": false, "context": { "reason": "forbidden_by_policy" } })
    );
    // Policies speak of the one permission and not of the other.
    let bare = ask("read", "orders", "7");
    assert_eq!(
        bare,
        json!({ "decision": false, "context": { "reason": "policy_error" } })
    );
    assert_eq!(ask("read", "reports", "1")["decision"], true);
}

#[test]
fn auz_013_an_edited_policy_takes_effect_and_a_broken_one_does_not() {
    let recorder = Recorder::start();
    let (place, server) = shop(&recorder);
    let token = server.access_token("reader");
    let status = |path: &str| server.call("GET", path, Some(&token)).status;
    let policies = place.path().join("policies/orders.cedar");
    assert_eq!((status("/orders/7"), status("/orders/8")), (403, 200));

    fs::write(&policies, POLICIES.replace("\"7\"", "\"8\"")).unwrap();
    until(WITHIN_A_SECOND * 4, "the edited policy decides", || {
        ((status("/orders/7"), status("/orders/8")) == (200, 403)).then_some(())
    });
    // A second file is noticed, although nothing else changed.
    place.write(
        "policies/more.cedar",
        "forbid (principal, action == Action::\"reports:read\", resource);",
    );
    until(WITHIN_A_SECOND * 4, "the new file decides", || {
        (status("/reports") == 403).then_some(())
    });

    for broken in [
        "",
        "permit (principal, action, resource) when { principal.nmae == \"x\" };",
    ] {
        fs::write(&policies, broken).unwrap();
        let checked = server.command(&[
            "config",
            "check",
            "--config",
            place.config().to_str().unwrap(),
        ]);
        assert_eq!(checked.status.code(), Some(3), "{}", text(&checked));
        assert_eq!(
            (status("/orders/7"), status("/orders/8"), status("/reports")),
            (200, 403, 403)
        );
    }
    fs::write(&policies, POLICIES).unwrap();
    until(
        WITHIN_A_SECOND * 4,
        "the first policy decides again",
        || ((status("/orders/7"), status("/orders/8")) == (403, 200)).then_some(()),
    );
}

#[test]
fn a_configuration_without_the_policies_is_tried_without_effect() {
    let recorder = Recorder::start();
    let (place, server) = shop(&recorder);
    let token = server.access_token("reader");
    let without = SHOP.replace("[policies]\nfiles = [\"policies/*.cedar\"]\n", "");
    place.write("next.toml", &without);
    let config = format!("{SHOP}\n[shadow]\nconfig = \"next.toml\"\n");
    place.write("doorward.toml", &config);
    let report = until(WITHIN_A_SECOND * 4, "a request is judged by it", || {
        assert_eq!(server.call("GET", "/orders/7", Some(&token)).status, 403);
        let shown = server.command(&["shadow", "--json"]);
        (shown.status.code() == Some(1)).then_some(shown.stdout)
    });
    let report: serde_json::Value = serde_json::from_slice(&report).unwrap();
    let flip = &report["report"]["flips"][0];
    assert_eq!(
        (&flip["change"], &flip["before"], &flip["after"]),
        (
            &json!("opened"),
            &json!("forbidden_by_policy"),
            &json!("permission_granted")
        )
    );
}
