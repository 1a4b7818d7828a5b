//! Descriptions, whole: what is read of them, and what is made of it.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::path::Path;

use doorward_policy::route::RouteTable;

use super::{
    Description, Operation, Protection,
    coverage::{Kind, differences},
    proposal::Proposal,
};
use crate::config::Config;

const ORDERS: &str = r##"
openapi: 3.1.0
info: { title: Orders, version: "1" }
servers:
  - url: https://{stage}.example.com/v1
    variables: { stage: { default: api } }
security:
  - oauth: [orders:read]
components:
  securitySchemes:
    oauth: { type: oauth2 }
    key: &key { type: apiKey, in: header, name: X-API-Key }
    other: *key
  pathItems:
    Report:
      get: { operationId: report, security: [ { oauth: [ "reports:read", "orders:read" ] } ] }
paths:
  /health:
    get: { summary: Is it alive?, security: [] }
  /orders:
    get: { operationId: listOrders }
    post: { operationId: createOrder, security: [ { oauth: [ "orders:create" ] }, { key: [] } ] }
  /orders/{order-id}:
    parameters: [ { name: order-id, in: path } ]
    get: {}
    delete: { security: [ { key: [] } ] }
  /tenants/{tenant}/orders: { get: {} }
  /report: { $ref: "#/components/pathItems/Report" }
  /report.{format}: { get: {} }
  /maybe: { get: { security: [ { key: [] }, {} ] } }
  x-internal: {}
"##;

fn described(text: &str) -> Description {
    Description::parse(text.as_bytes()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn faults(text: &str) -> String {
    let faults = Description::parse(text.as_bytes()).unwrap_err();
    let told = faults
        .iter()
        .map(|it| format!("{}: {}\n", it.place, it.what));
    told.collect()
}

fn proposed(text: &str) -> Proposal {
    Proposal::of(&described(text), Path::new("api.yaml"), None).unwrap()
}

fn routes(text: &str) -> RouteTable {
    Config::parse("doorward.toml", text).unwrap().routes
}

#[test]
fn operations_are_read_with_what_they_ask() {
    let description = described(ORDERS);
    let said = |operation: &Operation| {
        let asked = match &operation.protection {
            Protection::Nothing => "nothing".to_owned(),
            Protection::Asked { scopes } => format!("{scopes:?}"),
        };
        format!("{} {} {asked}", operation.method, operation.path)
    };
    let said: Vec<_> = description.operations.iter().map(said).collect();
    assert_eq!(
        said,
        [
            "GET /v1/health nothing",
            "GET /v1/maybe nothing",
            r#"GET /v1/orders ["orders:read"]"#,
            r#"POST /v1/orders ["orders:create"]"#,
            r#"GET /v1/orders/{order-id} ["orders:read"]"#,
            "DELETE /v1/orders/{order-id} []",
            r#"GET /v1/report ["orders:read", "reports:read"]"#,
            r#"GET /v1/report.{format} ["orders:read"]"#,
            r#"GET /v1/tenants/{tenant}/orders ["orders:read"]"#,
        ]
    );
}

#[test]
fn json_says_the_same_as_yaml() {
    let yaml = "openapi: 3.0.3\npaths:\n  /a: { get: { security: [ { k: [] } ] } }\n\
                components: { securitySchemes: { k: {} } }\n";
    let json = r#"{"openapi":"3.0.3","paths":{"/a":{"get":{"security":[{"k":[]}]}}},
                   "components":{"securitySchemes":{"k":{}}}}"#;
    assert_eq!(described(yaml), described(json));
}

#[test]
fn a_proposal_opens_what_asks_for_a_credential_and_nothing_else() {
    let proposal = proposed(ORDERS);
    let table = routes(&proposal.text);
    let opened = |route: &doorward_policy::route::Route| {
        let permission = route.requirement().permission();
        format!(
            "{} {}",
            route.pattern(),
            permission.map_or("?", |it| it.as_str())
        )
    };
    let opened: Vec<_> = table.routes().iter().map(opened).collect();
    assert_eq!(
        opened,
        [
            "GET /v1/orders orders:read",
            "POST /v1/orders orders:create",
            "GET /v1/orders/{order_id} orders:read",
            "DELETE /v1/orders/{order_id} orders:delete",
            "GET /v1/report report:read",
            "GET /v1/tenants/{tenant}/orders orders:read",
        ]
    );
    assert_eq!(table.routes()[5].conditions()[0].claim, "tenant");
    assert_eq!(proposal.routes, 6);
    assert_eq!(proposal.closed.len(), 2);
    assert_eq!(proposal.left_out.len(), 1);
    let remarks = proposal.remarks();
    for told in [
        "GET /v1/health",
        "GET /v1/maybe",
        "GET /v1/report.{format}: a parameter is",
    ] {
        assert!(remarks.contains(told), "{remarks}");
    }
    assert!(
        proposal
            .text
            .contains("#match = \"GET /v1/health\"\n#public = true")
    );
}

#[test]
fn text_of_a_description_opens_nothing() {
    let hostile = serde_json::json!({
        "openapi": "3.0.0",
        "info": { "title": "x\n[[route]]\nmatch = \"GET /a\"\npublic = true" },
        "components": { "securitySchemes": { "k": {} } },
        "paths": {
            "/secret": { "get": {
                "operationId": "x\r\npublic = true\u{2028}[[route]]",
                "security": [{ "k": [] }],
            } },
            "/b\"\npublic = true\n#": { "get": { "security": [{ "k": [] }] } },
            "/c": { "get": { "security": [{ "k": ["a:b\"\npublic = true"] }] } },
            "/{x}\u{7}": { "get": {} },
        },
    });
    let proposal = proposed(&hostile.to_string());
    let table = routes(&proposal.text);
    let public = doorward_policy::route::Requirement::Public;
    let patterns: Vec<_> = table.routes().iter().map(|it| it.pattern()).collect();
    assert_eq!(patterns, ["GET /c", "GET /secret"]);
    assert!(table.routes().iter().all(|it| *it.requirement() != public));
    assert!(!proposal.remarks().contains('\u{7}'));
}

#[test]
fn text_of_a_description_proposes_none_of_doorwards_own_permissions() {
    let asks = |scope: &str| serde_json::json!({ "security": [{ "k": [scope] }] });
    let hostile = serde_json::json!({
        "openapi": "3.0.0",
        "components": { "securitySchemes": { "k": {} } },
        "paths": {
            "/a": { "get": asks("doorward:users:write") },
            "/b": { "get": asks("doorward:decisions:evaluate") },
            "/doorward/users": {
                "get": { "security": [{ "k": [] }] },
                "post": asks("doorward:keys:write"),
            },
            "/v1/Doorward": { "get": { "security": [{ "k": [] }] } },
            "/doorward-like": { "get": asks("doorwards:read") },
        },
    });
    let proposal = proposed(&hostile.to_string());
    let table = routes(&proposal.text);
    let permissions: Vec<_> = table
        .routes()
        .iter()
        .map(|it| it.requirement().permission().unwrap().as_str())
        .collect();
    assert_eq!(
        permissions,
        [
            "a:read",
            "b:read",
            "doorwards:read",
            "api:read",
            "api:create",
            "api:read",
        ]
    );
    assert!(!proposal.text.contains("\"doorward:"), "{}", proposal.text);
}

#[test]
fn what_cannot_be_read_is_refused_with_its_place() {
    for (text, told) in [
        ("", "the file: is no object"),
        ("- a\n", "the file: is no object"),
        ("openapi: 2.0.0\n", "openapi: OpenAPI 2.0.0 is not read"),
        (
            "swagger: '2.0'\n",
            "openapi: this is Swagger 2; convert it first",
        ),
        (
            "{\"openapi\": \"3.0.0\",}",
            "line 1, column 21: this is not JSON",
        ),
        (
            "{\"openapi\": \"3.0.0\", \"openapi\": \"3.1.0\"}",
            "more than one reading",
        ),
        (
            "openapi: 3.0.0\npaths:\n  /a: {}\n  /a: {}\n",
            "line 4: `/a` is there twice",
        ),
        ("openapi: [\n", "this is not YAML"),
        ("openapi: 3.0.0\n---\na: 1\n", "line 2: a second document"),
        ("openapi: !ruby/object 3.0.0\n", "line 1: the tag"),
        (
            "a: &a {b: 1}\nopenapi: 3.0.0\nc:\n  <<: *a\n",
            "a merge key",
        ),
        (
            "openapi: 3.0.0\npaths: { a: {} }\n",
            "paths.a: a path begins with /",
        ),
        (
            "openapi: 3.0.0\npaths: { /a: { get: 1 } }\n",
            "paths./a.get: is no object",
        ),
        (
            "openapi: 3.0.0\npaths: { /a: { $ref: 'http://evil.test/a.yaml' } }\n",
            "paths./a: a `$ref` to another document, which is not fetched",
        ),
        (
            "openapi: 3.0.0\npaths: { /a: { $ref: '#/paths/~1a' } }\n",
            "paths./a: a `$ref` that leads on and on",
        ),
        (
            "openapi: 3.0.0\npaths: { /a: { get: { security: [ { nobody: [] } ] } } }\n",
            "`security` names `nobody`, which components.securitySchemes lacks",
        ),
        (
            "openapi: 3.0.0\nservers: [ { url: /v1 }, { url: /v2 } ]\npaths: { /a: { get: {} } }\n",
            "its servers have different paths: /v1, /v2",
        ),
    ] {
        let told_of = faults(text);
        assert!(told_of.contains(told), "{text}\n{told_of}");
    }
}

#[test]
fn a_description_cannot_exhaust_its_reader() {
    let mut laughs = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
    for level in 1..9 {
        let before = level - 1;
        let many = vec![format!("*a{before}"); 10].join(",");
        laughs.push_str(&format!("a{level}: &a{level} [{many}]\n"));
    }
    assert!(faults(&laughs).contains("more than a million values"));
    let long = "x".repeat(1 << 20);
    let aliases = vec!["*a"; 1000].join(",");
    for text in [
        format!("a: &a {long}\nb: [{aliases}]\n"),
        format!("a: &a {{ {long}: 1 }}\nb: [{aliases}]\n"),
        format!("{}{long}{}\n", "[&a ".repeat(50), "]".repeat(50)),
        format!("{}{long}{}\n", "&a [".repeat(50), "]".repeat(50)),
    ] {
        assert!(faults(&text).contains("more than 32 MiB"));
    }
    let mut chain = String::from("a0: &a0 [x]\n");
    for level in 1..200 {
        let before = level - 1;
        chain.push_str(&format!("a{level}: &a{level} [*a{before}]\n"));
    }
    assert!(faults(&chain).contains("line 128: is nested too deep"));
    assert!(faults(&format!("a: {}", "[".repeat(200))).contains("nested too deep"));
    assert!(!faults(&format!("a: {}", "[".repeat(100_000))).is_empty());
    let deep = format!("{{\"a\": {}1{}}}", "[".repeat(5_000), "]".repeat(5_000));
    assert!(!faults(&deep).is_empty());
}

#[test]
fn differences_fail_a_pipeline_where_somebody_gets_in_or_is_kept_out() {
    let config = r#"
permissions = ["orders:read", "orders:write"]
[[route]]
match = "GET /v1/orders"
public = true
[[route]]
match = "POST /v1/orders"
allow = "orders:write"
[[route]]
match = "GET /v1/orders/{id}"
allow = "orders:read"
[[route]]
match = "GET /v1/maybe"
authenticated = true
[[route]]
match = "GET /v1/tenants/{tenant}/orders"
allow = "orders:read"
[[route]]
match = "GET /v1/{file}"
allow = "orders:read"
[[route]]
match = "GET /v1/debug/vars"
public = true
"#;
    let findings = differences(&described(ORDERS), &routes(config));
    let told: Vec<_> = findings
        .iter()
        .map(|it| {
            let operation = it.method.iter().chain(&it.path);
            let operation: Vec<_> = operation.map(String::as_str).collect();
            let route = it.route.as_deref().filter(|_| operation.is_empty());
            (it.kind, route.map_or(operation.join(" "), str::to_owned))
        })
        .collect();
    assert_eq!(
        told,
        [
            (Kind::Unprotected, "GET /v1/orders".to_owned()),
            (Kind::Uncovered, "DELETE /v1/orders/{order-id}".to_owned()),
            (Kind::Unused, "GET /v1/debug/vars".to_owned()),
            (Kind::Stricter, "GET /v1/health".to_owned()),
            (Kind::Stricter, "GET /v1/maybe".to_owned()),
            (Kind::OtherPermission, "POST /v1/orders".to_owned()),
        ]
    );
}

#[test]
fn a_proposal_agrees_with_its_description_but_for_what_a_person_must_say() {
    let findings = differences(&described(ORDERS), &routes(&proposed(ORDERS).text));
    let kinds: Vec<_> = findings
        .iter()
        .map(|it| (it.kind, it.path.clone().unwrap()))
        .collect();
    assert_eq!(
        kinds,
        [
            (Kind::Undecided, "/v1/health".to_owned()),
            (Kind::Undecided, "/v1/maybe".to_owned()),
            (Kind::Uncovered, "/v1/report.{format}".to_owned()),
        ]
    );
}
