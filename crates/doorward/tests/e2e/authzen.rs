//! The Authorization API 1.0 (AuthZEN): programs that may ask are told what
//! others may do, as the gateway would decide it.

use serde_json::{Value, json};

use crate::harness::{Answer, Server, request};

/// A token of a program of tenant acme.
fn program(server: &Server, name: &str, permissions: &[&str]) -> String {
    let mut arguments = vec!["client", "add", name, "--tenant", "acme"];
    for permission in permissions {
        arguments.extend(["--permission", permission]);
    }
    let added = server.command(&arguments);
    assert!(added.status.success(), "{added:?}");
    let secret = String::from_utf8(added.stdout).unwrap().trim().to_owned();
    let id = secret.split('_').nth(2).unwrap();
    let form = format!("grant_type=client_credentials&client_id={id}&client_secret={secret}");
    let media_type = [("Content-Type", "application/x-www-form-urlencoded")];
    let body = form.as_bytes();
    let answer = request(server.gateway, "POST", "/oauth2/token", &media_type, body);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn subject(server: &Server, username: &str) -> String {
    let token = server.access_token(username);
    let me = server.call("GET", "/auth/me", Some(&token)).json();
    me["sub"]
        .as_str()
        .unwrap_or_else(|| panic!("{me}"))
        .to_owned()
}

fn ask(server: &Server, token: &str, subject: &str, action: &str, resource: [&str; 2]) -> Value {
    let body = json!({
        "subject": { "type": "user", "id": subject },
        "action": { "name": action },
        "resource": { "type": resource[0], "id": resource[1] },
    });
    let answer = server.post("/access/v1/evaluation", &body, Some(token));
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[test]
fn a_program_is_told_what_the_gateway_would_decide() {
    let server = Server::demo();
    let asker = program(&server, "portal", &["doorward:decisions:evaluate"]);
    let (reader, editor) = (subject(&server, "reader"), subject(&server, "editor"));
    let path = |path| ["path", path];
    for (subject, action, resource, decision) in [
        (&reader, "GET", path("/orders/7"), true),
        (&reader, "DELETE", path("/orders/7"), false),
        (&editor, "DELETE", path("/orders/7"), true),
        (&reader, "GET", path("/nowhere"), false),
        (&reader, "GET", path("/orders/../orders/7"), false),
        (&reader, "GET", path("/auth/me"), false),
        (&reader, "POST", path("/auth/sign-in"), false),
        (&reader, "read", ["orders", "7"], true),
        (&reader, "delete", ["orders", "7"], false),
        (&editor, "delete", ["orders", "7"], true),
        (&reader, "read", ["Orders", "7"], false),
        (&"nobody".to_owned(), "GET", path("/orders/7"), false),
    ] {
        let answer = ask(&server, &asker, subject, action, resource);
        assert_eq!(
            answer["decision"], decision,
            "{action} {resource:?}: {answer}"
        );
    }
    let answer = ask(&server, &asker, &reader, "DELETE", path("/orders/7"));
    assert_eq!(answer["context"]["reason"], "missing_permission");

    // The rights of this moment, not those of a token.
    let granted = server.command(&["role", "grant", "reader", "editor", "--tenant", "acme"]);
    assert!(granted.status.success());
    let answer = ask(&server, &asker, &reader, "DELETE", path("/orders/7"));
    assert_eq!(answer["decision"], true);
    let disabled = server.command(&["user", "disable", "reader"]);
    assert!(disabled.status.success());
    let answer = ask(&server, &asker, &reader, "GET", path("/orders/7"));
    assert_eq!(answer, json!({ "decision": false }));
}

#[test]
fn several_questions_are_answered_in_order_and_until_told() {
    let server = Server::demo();
    let asker = program(&server, "portal", &["doorward:decisions:evaluate"]);
    let body = |semantic: &str| {
        json!({
            "subject": { "type": "user", "id": subject(&server, "reader") },
            "action": { "name": "GET" },
            "evaluations": [
                { "resource": { "type": "path", "id": "/orders" } },
                { "resource": { "type": "path", "id": "/orders/7" }, "action": { "name": "DELETE" } },
                { "resource": { "type": "path" } },
                { "resource": { "type": "orders", "id": "7" }, "action": { "name": "read" } },
            ],
            "options": { "evaluations_semantic": semantic },
        })
    };
    for (semantic, decisions) in [
        ("execute_all", &[true, false, false, true][..]),
        ("deny_on_first_deny", &[true, false]),
        ("permit_on_first_permit", &[true]),
    ] {
        let answer = server.post("/access/v1/evaluations", &body(semantic), Some(&asker));
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let told = answer["evaluations"].as_array().unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|it| it["decision"].as_bool().unwrap())
            .collect();
        assert_eq!(told, decisions, "{semantic}");
    }
    let all = server.post("/access/v1/evaluations", &body("execute_all"), Some(&asker));
    assert_eq!(
        all.json()["evaluations"][2]["context"]["error"]["status"],
        400
    );
}

/// AUZ-004: not about other tenants, not by everybody, not without a token.
#[test]
fn auz_004_only_programs_with_the_permission_ask_and_only_of_their_tenant() {
    let server = Server::demo();
    let asker = program(&server, "portal", &["doorward:decisions:evaluate"]);
    let other = program(&server, "nightly", &["orders:read"]);
    let reader = subject(&server, "reader");
    let body = json!({
        "subject": { "type": "user", "id": reader, "properties": { "tenant": "globex" } },
        "action": { "name": "GET" },
        "resource": { "type": "path", "id": "/orders" },
    });
    let answer = server.post("/access/v1/evaluation", &body, Some(&asker));
    assert_eq!(answer.json(), json!({ "decision": false }));
    let post = |token: Option<&str>| server.post("/access/v1/evaluation", &body, token);
    let stranger = post(None);
    assert_eq!(
        (stranger.status, stranger.header("www-authenticate")),
        (401, Some("Bearer"))
    );
    assert_eq!(post(Some("made.up.token")).status, 401);
    for token in [&other, &server.access_token("editor")] {
        let refused = post(Some(token));
        assert_eq!(
            (refused.status, refused.reason().as_str()),
            (403, "missing_permission")
        );
    }
    let wrong = |path: &str, body: &str, media_type: &str| -> Answer {
        let bearer = format!("Bearer {asker}");
        let headers = [
            ("Authorization", bearer.as_str()),
            ("Content-Type", media_type),
        ];
        request(server.gateway, "POST", path, &headers, body.as_bytes())
    };
    let path = "/access/v1/evaluation";
    assert_eq!(wrong(path, "{}", "application/json").status, 400);
    assert_eq!(
        wrong(path, "{\"a\":1,\"a\":2}", "application/json").status,
        400
    );
    assert_eq!(wrong(path, &body.to_string(), "text/plain").status, 415);
    let large = format!("{{\"a\":\"{}\"}}", "a".repeat(300 * 1024));
    assert_eq!(wrong(path, &large, "application/json").status, 413);
    assert_eq!(server.call("GET", path, Some(&asker)).status, 405);

    let found = server.call("GET", "/.well-known/authzen-configuration", None);
    let issuer = server.ready["issuer"].as_str().unwrap();
    assert_eq!(found.json()["policy_decision_point"], issuer);
    let endpoint = found.json()["access_evaluations_endpoint"].clone();
    assert_eq!(endpoint, format!("{issuer}/access/v1/evaluations"));
}
