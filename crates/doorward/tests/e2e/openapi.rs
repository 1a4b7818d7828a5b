//! An OpenAPI description in, permissions out; and a pipeline that compares.

use std::{fs, process::Command};

use serde_json::Value;

use crate::harness::{Place, Recorder, Server, binary};

const DESCRIPTION: &str = "\
openapi: 3.0.3
info: { title: Orders, version: '1' }
components: { securitySchemes: { bearer: { type: http, scheme: bearer } } }
security: [ { bearer: [] } ]
paths:
  /orders:
    get: { operationId: listOrders }
    post: { operationId: createOrder }
  /health:
    get: { security: [] }
";

fn doorward(place: &std::path::Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(binary())
        .env_clear()
        .env("NO_COLOR", "1")
        .current_dir(place)
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn up_with_a_description_opens_its_operations_to_roles_alone() {
    let recorder = Recorder::start();
    let place = Place::with_demo_users();
    let (data, config) = (place.data(), place.path().join("made.toml"));
    let description = place.write("api.yaml", DESCRIPTION);
    let upstream = format!("http://{}", recorder.address);
    let arguments = [
        "--upstream",
        &upstream,
        "--config",
        config.to_str().unwrap(),
        "--openapi",
        description.to_str().unwrap(),
    ];
    let server = Server::start(&data, &arguments);
    assert_eq!(server.ready["routes"], 2);
    let reader = server.access_token("reader");
    assert_eq!(server.call("GET", "/orders", None).status, 401);
    assert_eq!(
        server.call("GET", "/health", Some(&reader)).status,
        404,
        "nobody opened it"
    );
    assert_eq!(server.call("POST", "/orders", Some(&reader)).status, 403);
    assert_eq!(recorder.count(), 0);
    assert_eq!(server.call("GET", "/orders", Some(&reader)).status, 200);
    assert_eq!(recorder.count(), 1);

    // The file is the operator's now.
    let before = fs::read_to_string(&config).unwrap();
    assert!(before.contains(&upstream), "{before}");
    let again = server.command(&[&["up"], &arguments[..]].concat());
    assert_eq!(again.status.code(), Some(3));
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(said.contains("is already there"), "{said}");
    assert_eq!(fs::read_to_string(&config).unwrap(), before);
}

#[test]
fn a_pipeline_fails_until_every_operation_is_decided() {
    let place = tempfile::tempdir().unwrap();
    let place = place.path();
    fs::write(place.join("api.yaml"), DESCRIPTION).unwrap();
    let (code, _, said) = doorward(place, &["init", "--openapi", "api.yaml"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("wrote doorward.toml: 2 routes"), "{said}");
    assert!(said.contains("GET /health"), "{said}");
    let diff = ["route", "diff", "--openapi", "api.yaml"];

    let (code, table, _) = doorward(place, &diff);
    assert_eq!(code, Some(1));
    assert!(table.contains("nobody decided  GET /health"), "{table}");
    let config = fs::read_to_string(place.join("doorward.toml")).unwrap();
    let decided = config
        .replace("#[[route]]", "[[route]]")
        .replace("#match", "match")
        .replace("#public", "public");
    fs::write(place.join("doorward.toml"), &decided).unwrap();
    let (code, _, said) = doorward(place, &diff);
    assert_eq!(code, Some(0), "{said}");
    assert!(
        said.contains("say the same: 3 operations, 3 routes"),
        "{said}"
    );

    // Somebody opens what the description keeps closed.
    let opened = decided.replace("allow = \"orders:create\"", "public = true");
    fs::write(place.join("doorward.toml"), &opened).unwrap();
    let (code, json, _) = doorward(place, &[&diff[..], &["--json"]].concat());
    assert_eq!(code, Some(1));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["operations"], 3);
    assert_eq!(json["findings"][0]["kind"], "unprotected");
    assert_eq!(json["findings"][0]["method"], "POST");
    assert_eq!(json["findings"][0]["path"], "/orders");
    let source = json["findings"][0]["source"].as_str().unwrap();
    assert!(source.starts_with("doorward.toml:"), "{source}");

    // What cannot be compared is no agreement.
    for (file, why) in [
        ("missing.yaml", "cannot read"),
        ("doorward.toml", "cannot be used"),
    ] {
        let (code, _, said) = doorward(place, &["route", "diff", "--openapi", file]);
        assert_eq!(code, Some(3), "{said}");
        assert!(said.contains(why), "{said}");
    }
}
