//! `--json`: one value per command on standard output, of a shape that stays.

use serde_json::{Value, json};

use super::{GOOD, Place, Run};
use crate::harness::Server;

/// The shape of a value: members and kinds, not content. A list shows its
/// first element's.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "bool".into(),
        Value::Number(_) => "number".into(),
        Value::String(_) => "string".into(),
        Value::Array(items) => items.first().map(shape).into_iter().collect(),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), shape(value)))
            .collect(),
    }
}

#[track_caller]
fn has_shape(run: &Run, code: i32, expected: Value) {
    assert_eq!(
        (run.code, shape(&run.json())),
        (code, expected),
        "{}",
        run.text()
    );
}

#[test]
fn the_shape_of_every_answer() {
    let place = Place::empty();
    let server = Server::start(&place.data(), &["--demo"]);
    place.write("password", GOOD);
    let run = |arguments: &[&str]| place.run(&[arguments, &["--json"]].concat());
    has_shape(&run(&["init"]), 0, json!({ "written": "string" }));
    let checked = json!({ "file": "string", "routes": "number", "roles": "number", "policies": "number", "problems": [] });
    has_shape(&run(&["config", "check"]), 0, checked);

    let user = json!({
        "id": "string", "username": "string", "tenant": "string", "disabled": "bool",
        "created_at_ms": "number",
    });
    let add = [
        "user",
        "add",
        "bob",
        "--role",
        "reader",
        "--password-file",
        "password",
    ];
    has_shape(&run(&add), 0, json!({ "user": user, "roles": ["string"] }));
    has_shape(&run(&["user", "list"]), 0, json!({ "users": [user] }));
    let changed = json!({ "changed": "bool", "username": "string" });
    has_shape(&run(&["user", "disable", "bob"]), 0, changed.clone());
    has_shape(&run(&["user", "enable", "bob"]), 0, changed.clone());
    let password = ["user", "password", "bob", "--password-file", "password"];
    has_shape(&run(&password), 0, changed);

    let role = json!({ "role": "string", "inherits": ["string"], "permissions": ["string"] });
    has_shape(&run(&["role", "list"]), 0, json!({ "roles": [role] }));
    let grant = json!({ "tenant": "string", "role": "string", "known": "bool" });
    has_shape(
        &run(&["role", "list", "bob"]),
        0,
        json!({ "grants": [grant] }),
    );
    let changed = json!({
        "changed": "bool", "username": "string", "tenant": "string", "role": "string",
    });
    has_shape(
        &run(&["role", "grant", "bob", "editor"]),
        0,
        changed.clone(),
    );
    has_shape(&run(&["role", "revoke", "bob", "editor"]), 0, changed);

    has_shape(
        &run(&["tenant", "add", "initech"]),
        0,
        json!({ "tenant": "string" }),
    );
    has_shape(
        &run(&["tenant", "list"]),
        0,
        json!({ "tenants": ["string"] }),
    );

    let minted = run(&["token", "mint", "--as", "bob"]);
    let token = json!({ "access_token": "string", "token_id": "string", "expires_at": "number" });
    has_shape(&minted, 0, token);
    let token = minted.json()["access_token"].as_str().unwrap().to_owned();
    let header = json!({ "alg": "string", "kid": "string", "typ": "string" });
    let claims = json!({
        "iss": "string", "sub": "string", "aud": "string", "exp": "number", "iat": "number",
        "jti": "string", "client_id": "string", "tenant": "string", "roles": ["string"],
        "permissions": ["string"],
    });
    let inspected = place.run_fed(&["token", "inspect", "--json"], token.as_bytes());
    let decoded = json!({
        "verified": "bool", "header": header, "claims": claims, "reason": "null",
    });
    has_shape(&inspected, 0, decoded);
    let verified = place.run_fed(&["token", "verify", "--json"], token.as_bytes());
    let check = json!({ "step": "string", "passed": "bool", "seen": "string" });
    let verdict = json!({
        "valid": "bool", "reason": "null", "claims": claims, "checks": [check],
        "revocation_checked": "bool",
    });
    has_shape(&verified, 0, verdict);

    let login = ["login", "bob", "--password-file", "password"];
    let signed_in = json!({ "signed_in": "bool", "url": "string", "username": "string" });
    has_shape(&run(&login), 0, signed_in);
    place.write("password", "a wrong password altogether");
    let refused = json!({
        "signed_in": "bool", "url": "string", "username": "string", "status": "number",
        "reason": "string",
    });
    let run_refused = run(&login);
    assert_eq!(run_refused.json()["reason"], "wrong_credentials");
    has_shape(&run_refused, 1, refused);

    let answer = run(&["curl", "/health"]).json();
    assert_eq!(
        (&answer["status"], &answer["body"]["status"]),
        (&json!(200), &json!("ok"))
    );
    let denied = run(&["curl", "--as", "bob", "-X", "DELETE", "/orders/7"]);
    assert_eq!((denied.code, &denied.json()["status"]), (1, &json!(403)));
    let explained = run(&["explain", "last"]);
    assert_eq!(explained.code, 1);
    let explained = explained.json();
    assert_eq!(explained["decision"]["reason"], "missing_permission");
    assert_eq!(explained["decision"]["outcome"], "denied");
    drop(server);
}

#[test]
fn a_failure_is_one_line_with_code_message_and_hint() {
    let place = Place::empty();
    let cases: [(&[&str], i32, &str, &str); 5] = [
        (
            &["user", "list"],
            3,
            "there is no data folder at data",
            "start with `doorward up`",
        ),
        (
            &["up", "--upstream", "ftp://x"],
            2,
            "is not an http:// or https:// address",
            "write scheme, host and port",
        ),
        (
            &["usr"],
            2,
            "unrecognized subcommand 'usr'",
            "'curl', 'user'",
        ),
        (
            &["token", "mint"],
            2,
            "the following required arguments were not provided: --as <USER>",
            "`--help`",
        ),
        (&["up", "--listen", "x"], 2, "write IP and port", "`--help`"),
    ];
    for (arguments, code, message, hint) in cases {
        let run = place.run(&[arguments, &["--json"]].concat());
        assert_eq!(run.code, code, "{arguments:?}");
        assert_eq!(run.out.lines().count(), 1, "{}", run.out);
        let told = run.json();
        let error = &told["error"];
        assert_eq!(error["code"], code, "{told}");
        assert!(
            error["message"].as_str().unwrap().contains(message),
            "{told}"
        );
        assert!(error["hint"].as_str().unwrap().contains(hint), "{told}");
        assert_eq!(told.as_object().unwrap().len(), 1, "{told}");
    }
    // No command at all: an error as well.
    let run = place.run(&["--json"]);
    assert_eq!(
        (run.code, run.json()["error"]["code"].clone()),
        (2, json!(2))
    );
}
