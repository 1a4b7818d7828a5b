//! Administration over HTTP, on whichever engine this is: who may call what,
//! and what the operations have in common.

use std::collections::BTreeSet;

use arc_swap::ArcSwap;
use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use doorward_issuer::{
    Issuer,
    admin::{NewApiKey, NewClient, NewOwner, NewUser},
    attribute::AttributeChanges,
    http::admin::{Needs, OPERATIONS, Operation, Operator, openapi},
    tenant::TenantName,
};
use doorward_verify::clock::Clock;
use http::{HeaderMap, Request, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::attributes::claiming;
use crate::harness::{BY_PASSWORD, World, audit, check, new_user, roles, sign_in};

/// A row for each operation: what it is sent, and what the administrator of
/// another tenant and that of this tenant get. In an order in which all of them
/// can succeed.
const ROWS: &[(&str, &str, u16, u16)] = &[
    ("listUsers", "", 200, 200),
    (
        "createUser",
        r#"{"username":"dora","password":"seven slow herons at noon","tenant":"acme"}"#,
        404,
        201,
    ),
    ("getUser", "", 404, 200),
    ("updateUser", r#"{"disabled":false}"#, 404, 200),
    ("createPasswordReset", "", 404, 201),
    ("deleteSecondFactor", "", 404, 204),
    ("getAttributes", "", 404, 200),
    (
        "updateAttributes",
        r#"{"attributes":{"department":"sales","level":3}}"#,
        404,
        200,
    ),
    ("listGrants", "", 404, 200),
    ("createGrant", "", 404, 204),
    ("deleteGrant", "", 404, 204),
    ("listSessions", "", 404, 200),
    ("deleteSession", "", 404, 204),
    ("deleteSessions", "", 404, 204),
    ("listRoles", "", 200, 200),
    ("listTenants", "", 403, 403),
    ("createTenant", r#"{"name":"initech"}"#, 403, 403),
    ("listClients", "", 200, 200),
    (
        "createClient",
        r#"{"name":"nightly","tenant":"acme"}"#,
        404,
        201,
    ),
    ("getClient", "", 404, 200),
    ("updateClient", r#"{"disabled":false}"#, 404, 200),
    ("rotateClientSecret", r#"{"overlap_seconds":0}"#, 404, 201),
    ("deleteClient", "", 404, 204),
    ("listApiKeys", "", 200, 200),
    (
        "createApiKey",
        r#"{"user":"alice","purpose":"a test","lifetime_seconds":60}"#,
        404,
        201,
    ),
    ("getApiKey", "", 404, 200),
    ("rotateApiKey", r#"{"overlap_seconds":0}"#, 404, 201),
    ("revokeApiKey", "", 404, 204),
    ("listKeys", "", 403, 403),
    ("rotateKey", "", 403, 403),
    ("withdrawKey", "", 403, 403),
];

/// Alice of `acme` with a session, a key and a client beside her, `boss` who
/// administers `acme`, and `mallory` who administers `globex`.
struct Town {
    world: World,
    issuer: Issuer,
    boss: String,
    mallory: String,
    alice: String,
    /// A token that a key of `boss` was exchanged for.
    key: String,
    session: String,
    api_key: String,
}

struct Said {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Said {
    fn reason(&self) -> &str {
        self.body["reason"].as_str().unwrap_or_default()
    }
}

impl Town {
    async fn new() -> Self {
        let (world, issuer) = World::with_alice().await;
        let known: &ArcSwap<_> = &world.roles;
        known.store(std::sync::Arc::new(roles(&[
            ("reader", &["orders:read"]),
            ("editor", &["orders:read", "orders:create"]),
            ("administrator", &["doorward:*", "orders:read"]),
        ])));
        let admin = issuer.admin();
        admin.add_user(new_user("boss")).await.unwrap();
        let mallory = NewUser {
            tenant: "globex".to_owned(),
            ..new_user("mallory")
        };
        admin.add_user(mallory).await.unwrap();
        for (user, tenant) in [("boss", "acme"), ("mallory", "globex")] {
            let granted = admin.grant_role(user, tenant, "administrator").await;
            assert!(granted.unwrap());
        }
        let batch = NewClient {
            name: "batch".to_owned(),
            tenant: "acme".to_owned(),
            ..NewClient::default()
        };
        admin.add_client(batch).await.unwrap();
        world.clock.turn(5);
        let new_key = |user: &str| NewApiKey {
            owner: NewOwner::User(user.to_owned(), None),
            purpose: "a test".to_owned(),
            permissions: None,
            networks: Vec::new(),
            delay: 0,
            lifetime: 3600,
        };
        let api_key = admin.add_api_key(new_key("alice")).await.unwrap();
        let key = admin.add_api_key(new_key("boss")).await.unwrap();
        let now = world.clock.now();
        let key = issuer.exchange_api_key(key.text.reveal(), now).await;
        let alice = sign_in(&issuer, "alice").await;
        Self {
            boss: sign_in(&issuer, "boss").await.access_token,
            mallory: sign_in(&issuer, "mallory").await.access_token,
            alice: alice.access_token,
            key: key
                .unwrap_or_else(|_| panic!("no token for the key"))
                .access_token,
            session: alice.session_id.to_string(),
            api_key: api_key.key.id,
            issuer,
            world,
        }
    }

    /// An operation on what is in `acme`.
    async fn call(&self, id: &str, bearer: Option<&str>, body: &str) -> Said {
        let operation = OPERATIONS.iter().find(|it| it.id == id).unwrap();
        let request = Request::builder()
            .method(&operation.method)
            .uri(self.path(operation))
            .header(header::CONTENT_TYPE, "application/json");
        self.send(request, bearer, body).await
    }

    /// The path of an operation on what is in `acme`.
    fn path(&self, operation: &Operation) -> String {
        let kid = self.issuer.admin().signing_keys()[0].kid.clone();
        operation
            .path
            .replace("{username}", "alice")
            .replace("{tenant}", "acme")
            .replace("{role}", "reader")
            .replace("{session}", &self.session)
            .replace("{name}", "batch")
            .replace("{id}", &self.api_key)
            .replace("{kid}", &kid)
    }

    async fn send(
        &self,
        request: http::request::Builder,
        bearer: Option<&str>,
        body: &str,
    ) -> Said {
        let request = match bearer {
            Some("operator") => request.extension(Operator),
            Some(bearer) => request.header(header::AUTHORIZATION, format!("Bearer {bearer}")),
            None => request,
        };
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let answer = self.issuer.admin_router().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Said {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }

    async fn ask(&self, method: &str, path: &str, bearer: &str, body: &str) -> Said {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.send(request, Some(bearer), body).await
    }
}

#[test]
fn every_operation_has_its_row() {
    let rows: BTreeSet<_> = ROWS.iter().map(|row| row.0).collect();
    let operations: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.id).collect();
    assert_eq!(rows, operations);
    assert_eq!(rows.len(), ROWS.len());
}

#[tokio::test]
async fn nobody_else_reaches_anything_and_nothing_is_told_or_changed() {
    let town = Town::new().await;
    let before = audit(&town.issuer).await.len();
    for (id, body, foreign, _) in ROWS {
        for (caller, status, reason) in [
            (None, 401, "no_token"),
            (Some("a.b.c"), 401, "invalid_token"),
            (Some(&*town.alice), 403, "missing_permission"),
            (Some(&*town.key), 403, "api_key_not_allowed"),
        ] {
            let said = town.call(id, caller, body).await;
            assert_eq!((said.status, said.reason()), (status, reason), "{id}");
        }
        let said = town.call(id, Some(&town.mallory), body).await;
        assert_eq!(said.status, *foreign, "{id}: {}", said.body);
        let told = said.body.to_string();
        for secret in [
            "alice",
            "boss",
            "batch",
            "acme",
            &town.api_key,
            &town.session,
        ] {
            assert!(!told.contains(secret), "{id} tells {secret}: {told}");
        }
    }
    assert_eq!(
        audit(&town.issuer).await.len(),
        before,
        "something was changed"
    );
}

/// What is refused for want of reach and what does not exist look the same.
#[tokio::test]
async fn another_tenants_things_are_like_things_that_do_not_exist() {
    let town = Town::new().await;
    for (foreign, nothing) in [
        ("/api/users/alice", "/api/users/nobody"),
        ("/api/clients/batch", "/api/clients/nothing"),
        (
            &*format!("/api/api-keys/{}", town.api_key),
            "/api/api-keys/AAAAAAAAAAAAAAAA",
        ),
    ] {
        let mut seen = Vec::new();
        for path in [foreign, nothing] {
            let mut said = town.ask("GET", path, &town.mallory, "").await;
            said.body["trace_id"] = Value::Null;
            seen.push((said.status, said.body));
        }
        assert_eq!(seen[0], seen[1]);
        assert_eq!(seen[0].0, 404);
    }
}

#[tokio::test]
async fn every_operation_works_is_audited_and_answers_as_described() {
    let town = Town::new().await;
    let described = openapi();
    for (id, body, _, status) in ROWS {
        let operation = OPERATIONS.iter().find(|it| it.id == *id).unwrap();
        let caller = match operation.needs {
            Needs::Tenant => &*town.boss,
            Needs::Installation => {
                let said = town.call(id, Some(&town.boss), body).await;
                assert_eq!(said.status, *status, "{id}");
                "operator"
            }
        };
        // The rows before may have left the client or the key as it was.
        let before = audit(&town.issuer).await;
        let said = town.call(id, Some(caller), body).await;
        assert!(said.status < 300, "{id}: {} {}", said.status, said.body);
        let path = described["paths"][operation.path].clone();
        let answer = &path[operation.method.as_str().to_ascii_lowercase()]["responses"];
        let answer = &answer[said.status.to_string()];
        assert!(answer.is_object(), "{id} answers {}", said.status);
        if let Some(shape) = answer["content"]["application/json"]["schema"]["$ref"].as_str() {
            let name = shape.rsplit('/').next().unwrap();
            fits(&described, name, &said.body);
        }
        let after = audit(&town.issuer).await;
        let entries = &after[before.len()..];
        assert!(operation.method != "GET" || entries.is_empty(), "{id}");
        for entry in entries {
            assert_ne!(entry.actor_id, "local", "{id} in whose name?");
        }
    }
    let done: BTreeSet<String> = audit(&town.issuer)
        .await
        .into_iter()
        .filter(|entry| entry.actor_id != "local")
        .map(|entry| entry.action)
        .collect();
    for action in [
        "user.add",
        "password_reset.issue",
        "user.attributes",
        "role.revoke",
        "session.end",
        "user.end_sessions",
        "tenant.add",
        "client.add",
        "client.secret_rotate",
        "client.remove",
        "api_key.add",
        "api_key.rotate",
        "api_key.revoke",
        "key.publish",
        "key.withdraw",
    ] {
        assert!(done.contains(action), "{action} is not in {done:?}");
    }
}

#[test]
fn attributes_are_described_by_the_rules_that_hold() {
    let described = openapi();
    let of = |name: &str| {
        let schema = &described["components"]["schemas"][name];
        schema["properties"]["attributes"].clone()
    };
    let (shown, change) = (of("UserAttributesShown"), of("UserAttributesChange"));
    for schema in [&shown, &change] {
        let value = &schema["additionalProperties"];
        let (text, number) = (
            (1, 256),
            (-9_007_199_254_740_991_i64, 9_007_199_254_740_991_i64),
        );
        assert_eq!(value["minLength"], json!(text.0));
        assert_eq!(value["maxLength"], json!(text.1));
        assert_eq!(value["minimum"], json!(number.0));
        assert_eq!(value["maximum"], json!(number.1));
    }
    assert_eq!(shown["maxProperties"], json!(32));
    // One that takes some away may name more.
    assert_eq!(change.get("maxProperties"), None);
}

/// Whether `value` has the members of schema `name` and no others.
fn fits(document: &Value, name: &str, value: &Value) {
    let schema = &document["components"]["schemas"][name];
    let members = value.as_object().unwrap();
    let described = schema["properties"].as_object().unwrap();
    assert!(members.keys().eq(described.keys()), "{name}: {value}");
    for (member, value) in members {
        let types = &described[member]["type"];
        let is = |name: &str| match name {
            "string" => value.is_string(),
            "integer" => value.is_u64(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            _ => value.is_null(),
        };
        let fitting = match types {
            Value::String(name) => is(name),
            several => several
                .as_array()
                .unwrap()
                .iter()
                .any(|it| is(it.as_str().unwrap())),
        };
        assert!(fitting, "{name}.{member} is {value}, not {types}");
        let items = described[member]["items"]["$ref"].as_str();
        for item in value.as_array().into_iter().flatten() {
            if let Some(shape) = items {
                fits(document, shape.rsplit('/').next().unwrap(), item);
            }
        }
    }
}

#[tokio::test]
async fn auz_011_nobody_hands_out_more_than_they_hold() {
    let town = Town::new().await;
    let ask = async |method, path: &str, caller: &str, body| {
        let said = town.ask(method, path, caller, body).await;
        (said.status, said.reason().to_owned())
    };
    let refused = (403, "beyond_own_rights".to_owned());
    let grant = "/api/users/alice/grants/acme/editor";
    assert_eq!(ask("PUT", grant, &town.boss, "").await, refused);
    let abroad = "/api/users/alice/grants/globex/reader";
    assert_eq!(ask("PUT", abroad, &town.boss, "").await.0, 404);
    let client = r#"{"name":"wide","permissions":["orders:create"]}"#;
    assert_eq!(
        ask("POST", "/api/clients", &town.boss, client).await,
        refused
    );
    let client = r#"{"name":"wide","roles":["editor"]}"#;
    assert_eq!(
        ask("POST", "/api/clients", &town.boss, client).await,
        refused
    );

    // Nor by becoming somebody who holds more, here or elsewhere.
    for tenant in ["acme", "globex"] {
        let admin = town.issuer.admin();
        admin.grant_role("alice", tenant, "editor").await.unwrap();
        for (method, path, body) in [
            ("POST", "/api/users/alice/password-reset", ""),
            ("DELETE", "/api/users/alice/second-factor", ""),
            ("PATCH", "/api/users/alice", r#"{"disabled":true}"#),
            (
                "POST",
                "/api/api-keys",
                r#"{"user":"alice","purpose":"more","lifetime_seconds":60}"#,
            ),
            ("POST", &*format!("/api/api-keys/{}/text", town.api_key), ""),
        ] {
            assert_eq!(ask(method, path, &town.boss, body).await, refused, "{path}");
        }
        admin.revoke_role("alice", tenant, "editor").await.unwrap();
    }
    assert_eq!(ask("PUT", grant, "operator", "").await.0, 204);
}

/// What tokens say of a user opens routes as roles do: who takes an account over
/// gets it, and may only if it is theirs already.
#[tokio::test]
async fn auz_011_nobody_becomes_what_they_may_not_say() {
    let mut town = Town::new().await;
    town.issuer = claiming(&town.world, 4096).await;
    let known = |permissions: &[&str]| {
        let administrator = [permissions, &["orders:read"]].concat();
        let roles = roles(&[
            ("reader", &["orders:read"]),
            ("administrator", &administrator),
        ]);
        town.world.roles.store(std::sync::Arc::new(roles));
    };
    let helpdesk = ["doorward:users:*", "doorward:api-keys:*"];
    let set = async |user: &str, department: &str| {
        let mut changes = AttributeChanges::default();
        changes.add("department", &json!(department)).unwrap();
        // In no token, and so nothing to become.
        changes.add("office", &json!("north")).unwrap();
        let admin = town.issuer.admin();
        admin.change_attributes(user, &changes, None).await.unwrap();
        town.world.clock.turn(5);
    };
    let takeovers = async |expected: Option<&str>| {
        let boss = sign_in(&town.issuer, "boss").await.access_token;
        let key = format!("/api/api-keys/{}/text", town.api_key);
        for (method, path, body) in [
            ("POST", "/api/users/alice/password-reset", ""),
            ("DELETE", "/api/users/alice/second-factor", ""),
            (
                "POST",
                "/api/api-keys",
                r#"{"user":"alice","purpose":"more","lifetime_seconds":60}"#,
            ),
            ("POST", &*key, r#"{"overlap_seconds":0}"#),
        ] {
            let said = town.ask(method, path, &boss, body).await;
            let refused = (said.status == 403).then_some(said.reason());
            assert_eq!(refused, expected, "{path}: {} {}", said.status, said.body);
            assert!(
                expected.is_some() || said.status < 300,
                "{path}: {}",
                said.body
            );
            assert!(!said.body.to_string().contains("payroll"), "{}", said.body);
        }
        // That opens nothing.
        let body = r#"{"disabled":false}"#;
        let said = town.ask("PATCH", "/api/users/alice", &boss, body).await;
        assert_eq!(said.status, 200, "{}", said.body);
    };
    known(&helpdesk);
    set("alice", "payroll").await;
    takeovers(Some("beyond_own_rights")).await;
    set("boss", "sales").await;
    takeovers(Some("beyond_own_rights")).await;
    set("boss", "payroll").await;
    takeovers(None).await;
    set("boss", "sales").await;
    known(&[
        "doorward:users:*",
        "doorward:api-keys:*",
        "doorward:attributes:write",
    ]);
    takeovers(None).await;
}

#[tokio::test]
async fn a_list_is_read_in_pages_that_belong_to_it() {
    let town = Town::new().await;
    let (mut names, mut path) = (Vec::new(), "/api/users?limit=1".to_owned());
    let mut first = None;
    loop {
        let said = town.ask("GET", &path, &town.boss, "").await;
        let items = said.body["items"].as_array().unwrap().clone();
        names.extend(
            items
                .iter()
                .map(|user| user["username"].as_str().unwrap().to_owned()),
        );
        let Some(next) = said.body["next"].as_str() else {
            break;
        };
        first.get_or_insert_with(|| next.to_owned());
        path = format!("/api/users?limit=1&cursor={next}");
    }
    assert_eq!(names, ["alice", "boss"]);
    let first = first.unwrap();
    for (path, caller) in [
        (format!("/api/users?cursor={first}"), "operator"),
        (format!("/api/users?cursor={first}"), &*town.mallory),
        (format!("/api/clients?cursor={first}"), &*town.boss),
        (format!("/api/users?cursor={}", &first[1..]), &*town.boss),
        ("/api/users?limit=0".to_owned(), &*town.boss),
        ("/api/users?limit=201".to_owned(), &*town.boss),
        ("/api/users?offset=1".to_owned(), &*town.boss),
        ("/api/users?limit=1&limit=2".to_owned(), &*town.boss),
        ("/api/roles?limit=1".to_owned(), &*town.boss),
    ] {
        assert_eq!(
            town.ask("GET", &path, caller, "").await.status,
            400,
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_change_of_what_was_read_before_another_change_is_refused() {
    let town = Town::new().await;
    let read = town.call("getUser", Some(&town.boss), "").await;
    let tag = read.headers[header::ETAG].to_str().unwrap().to_owned();
    let update = async |tag: &str, disabled: bool| {
        let request = Request::patch("/api/users/alice")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, tag);
        let body = json!({ "disabled": disabled }).to_string();
        town.send(request, Some(&town.boss), &body).await
    };
    let changed = update(&tag, true).await;
    assert_eq!(
        (changed.status, &changed.body["disabled"]),
        (200, &json!(true))
    );
    let late = update(&tag, false).await;
    assert_eq!((late.status, late.reason()), (412, "precondition_failed"));
    let fresh = changed.headers[header::ETAG].to_str().unwrap().to_owned();
    assert_ne!(fresh, tag);
    assert_eq!(update(&fresh, false).await.status, 200);
    assert_eq!(update("v1", true).await.status, 400, "no entity tag");
}

/// Who makes a change conditional must not get it without the condition.
#[tokio::test]
async fn a_condition_that_an_operation_does_not_know_is_refused_and_nothing_is_changed() {
    let town = Town::new().await;
    let before = audit(&town.issuer).await.len();
    let mut tried = 0;
    for (id, body, ..) in ROWS {
        let operation = OPERATIONS.iter().find(|it| it.id == *id).unwrap();
        if operation.method == "GET" || operation.takes_if_match {
            continue;
        }
        let request = Request::builder()
            .method(&operation.method)
            .uri(town.path(operation))
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, "\"v1\"");
        let said = town.send(request, Some("operator"), body).await;
        assert_eq!((said.status, said.reason()), (400, "bad_request"), "{id}");
        assert!(said.body["detail"].as_str().unwrap().contains("If-Match"));
        tried += 1;
    }
    assert!(tried > 10);
    assert_eq!(audit(&town.issuer).await.len(), before);
}

#[tokio::test]
async fn an_administrator_of_one_tenant_ends_no_session_of_another() {
    let town = Town::new().await;
    let admin = town.issuer.admin();
    admin.grant_role("alice", "globex", "reader").await.unwrap();
    let account = town.issuer.account("alice").await.unwrap().unwrap();
    let globex = TenantName::parse("globex").unwrap();
    let start = async |tenant: &TenantName| {
        let session = town.issuer.start_session(&account, tenant, BY_PASSWORD);
        session.await.unwrap()
    };
    let (here, there) = (start(&account.home_tenant).await, start(&globex).await);
    let is_alive = |token: &str| check(&town.issuer, &town.world.clock, token).is_ok();
    assert!(is_alive(&here.access_token) && is_alive(&there.access_token));

    let said = town.call("deleteSessions", Some(&town.boss), "").await;
    assert_eq!(said.status, 204);
    assert!(!is_alive(&here.access_token));
    assert!(is_alive(&there.access_token), "it is not theirs to end");
    let left = "SELECT COUNT(*) FROM session s JOIN account a ON a.id = s.account_id
                WHERE a.username = 'alice' AND s.ended_at IS NULL";
    assert_eq!(town.world.count(left).await, 1);

    let said = town.call("deleteSessions", Some("operator"), "").await;
    assert_eq!(said.status, 204);
    assert!(!is_alive(&there.access_token));
    assert_eq!(town.world.count(left).await, 0);
}

#[tokio::test]
async fn a_request_with_a_key_is_done_once_and_its_answer_rests_sealed() {
    let town = Town::new().await;
    let post = async |key: &str, caller: &str, body: &str| {
        let request = Request::post("/api/clients")
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", key);
        town.send(request, Some(caller), body).await
    };
    let body = r#"{"name":"nightly"}"#;
    let first = post("k-1", &town.boss, body).await;
    let again = post("k-1", &town.boss, body).await;
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(
        first.body, again.body,
        "the secret that was shown is shown again"
    );
    let other = post("k-1", &town.boss, r#"{"name":"hourly"}"#).await;
    assert_eq!((other.status, other.reason()), (409, "conflict"));
    let taken = post("k-2", &town.boss, body).await;
    assert_eq!(taken.status, 409, "without the key it is a second one");
    // A refusal is not kept, and another caller's key is another key.
    let refused = post("k-3", &town.boss, r#"{"name":""}"#).await;
    assert_eq!(refused.status, 400);
    let mended = post("k-3", &town.boss, r#"{"name":"weekly"}"#).await;
    assert_eq!(mended.status, 201);
    let elsewhere = post("k-1", &town.mallory, r#"{"name":"theirs"}"#).await;
    assert_eq!(elsewhere.status, 201);
    assert_eq!(post("", &town.boss, body).await.status, 400);
    let world = &town.world;
    let sealed = world
        .count("SELECT COUNT(*) FROM idempotency WHERE sealed_answer IS NOT NULL")
        .await;
    assert_eq!(sealed, 3);
}

/// Whoever has the database cannot try passwords against what was asked.
#[tokio::test]
async fn what_was_asked_with_a_key_is_kept_as_a_mac_and_not_as_a_hash() {
    let town = Town::new().await;
    let body = r#"{"username":"dora","password":"seven slow herons at noon"}"#;
    let request = Request::post("/api/users")
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", "k-1");
    let said = town.send(request, Some(&town.boss), body).await;
    assert_eq!(said.status, 201);
    let boss = town.issuer.account("boss").await.unwrap().unwrap();
    let who = format!("user/{}", boss.id);
    for text in [
        body.to_owned(),
        format!("/api/users\0{body}"),
        format!("\0request\0/api/users\0{body}"),
        "k-1".to_owned(),
        format!("{who}\0k-1"),
        format!("{who}\0acme\0k-1"),
        format!("\0key\0{who}\0acme\0k-1"),
    ] {
        let digest = digest(&SHA256, text.as_bytes());
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|it| format!("{it:02x}"))
            .collect();
        let rows = format!("SELECT COUNT(*) FROM idempotency WHERE '{hex}' IN (id, request)");
        assert_eq!(town.world.count(rows.leak()).await, 0, "{text:?}");
    }
    let rows = "SELECT COUNT(*) FROM idempotency WHERE length(id) = 64 AND length(request) = 64";
    assert_eq!(town.world.count(rows).await, 1);
}

/// One person, two tenants: the answer to one token is not for the other.
#[tokio::test]
async fn a_key_belongs_to_the_tenant_of_the_token_that_it_came_with() {
    let town = Town::new().await;
    let admin = town.issuer.admin();
    let granted = admin.grant_role("boss", "globex", "administrator").await;
    assert!(granted.unwrap());
    let boss = town.issuer.account("boss").await.unwrap().unwrap();
    let globex = TenantName::parse("globex").unwrap();
    let mut tokens = Vec::new();
    for tenant in [&boss.home_tenant, &globex] {
        let session = town.issuer.start_session(&boss, tenant, BY_PASSWORD);
        tokens.push(session.await.unwrap().access_token);
    }
    let post = async |caller: &str| {
        let request = Request::post("/api/clients")
            .header(header::CONTENT_TYPE, "application/json")
            .header("idempotency-key", "k-1");
        town.send(request, Some(caller), r#"{"name":"nightly"}"#)
            .await
    };
    let first = post(&tokens[0]).await;
    assert_eq!(first.status, 201, "{}", first.body);
    let elsewhere = post(&tokens[1]).await;
    assert_eq!(
        elsewhere.status, 409,
        "the name is taken, and no secret is told"
    );
    let secret = first.body["secret"].as_str().unwrap_or("acme");
    assert!(!elsewhere.body.to_string().contains(secret));
    assert_eq!(post(&tokens[0]).await.body, first.body);
}

#[tokio::test]
async fn iss_001_a_body_has_no_member_that_was_not_asked_for() {
    let town = Town::new().await;
    for (method, path, body) in [
        (
            "POST",
            "/api/users",
            r#"{"username":"eve","password":"seven slow herons at noon","roles":["editor"]}"#,
        ),
        (
            "PATCH",
            "/api/users/alice",
            r#"{"disabled":false,"tenant":"globex"}"#,
        ),
        ("PATCH", "/api/users/alice", r#"{"disabled":null}"#),
        (
            "POST",
            "/api/users/alice/password-reset",
            r#"{"user":"boss"}"#,
        ),
        ("GET", "/api/users", r#"{"limit":1}"#),
    ] {
        let said = town.ask(method, path, &town.boss, body).await;
        assert_eq!((said.status, said.reason()), (400, "bad_body"), "{body}");
    }
}

/// The tag of the attributes of alice.
async fn attributes_tag(town: &Town) -> String {
    let path = "/api/users/alice/attributes";
    let shown = town.ask("GET", path, "operator", "").await;
    shown.headers[header::ETAG].to_str().unwrap().to_owned()
}

async fn patch_attributes(town: &Town, bearer: &str, tag: &str, attributes: &Value) -> Said {
    let request = Request::patch("/api/users/alice/attributes")
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::IF_MATCH, tag);
    let body = json!({ "attributes": attributes }).to_string();
    town.send(request, Some(bearer), &body).await
}

#[tokio::test]
async fn lnt_004_attributes_are_refused_with_the_reason_and_without_their_value() {
    let town = Town::new().await;
    let refused = [
        (json!({ "user_email": "x" }), "personal data (`email`)"),
        (json!({ "apiKey": "x" }), "a secret (`api_key`)"),
        (json!({ "Department": "x" }), "a-z, 0-9 and _"),
        (
            json!({ "office": "hunter2@example.org" }),
            "an e-mail address",
        ),
        (json!({ "office": "4111 1111 1111 1111" }), "a card number"),
        (
            json!({ "badge": 4_111_111_111_111_111_u64 }),
            "a card number",
        ),
        (
            json!({ "office": "eyJhbGciOiJub25lIn0.hunter2." }),
            "a token",
        ),
        (json!({ "office": "" }), "1 to 256 bytes"),
        (json!({ "office": "hunter2\n" }), "control characters"),
        (json!({ "office": "\u{202e}hunter2" }), "not seen"),
        (json!({ "office": "x".repeat(257) }), "1 to 256 bytes"),
        (json!({ "level": 1.5 }), "a whole number"),
        (
            json!({ "level": 9_007_199_254_740_992_u64 }),
            "9007199254740991",
        ),
        (json!({ "level": ["hunter2"] }), "a whole number"),
    ];
    let tag = attributes_tag(&town).await;
    for (attributes, why) in refused {
        let said = patch_attributes(&town, &town.boss, &tag, &attributes).await;
        assert_eq!(
            (said.status, said.reason()),
            (400, "bad_body"),
            "{attributes}"
        );
        let detail = said.body["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{attributes}: {detail}");
        assert!(!said.body.to_string().contains("hunter2"), "{detail}");
    }
    let shown = town
        .ask("GET", "/api/users/alice/attributes", "operator", "")
        .await;
    assert_eq!(shown.body, json!({ "attributes": {} }));
}

#[tokio::test]
async fn attributes_change_only_for_who_knows_what_they_are_and_may() {
    let town = Town::new().await;
    let sales = json!({ "department": "sales", "level": 3 });
    let first = attributes_tag(&town).await;
    let set = patch_attributes(&town, &town.boss, &first, &sales).await;
    assert_eq!((set.status, &set.body["attributes"]), (200, &sales));
    let tag = set.headers[header::ETAG].to_str().unwrap().to_owned();
    let north = json!({ "department": "north", "level": null });
    let same_number = [
        tag.replacen("a1", "a01", 1),
        tag.replacen("a1", "a+1", 1),
        "\"a1\"".to_owned(),
    ];
    for late in same_number
        .iter()
        .map(String::as_str)
        .chain([&*first, "\"v1\""])
    {
        let refused = patch_attributes(&town, &town.boss, late, &north).await;
        assert_eq!(
            (refused.status, refused.reason()),
            (412, "precondition_failed")
        );
    }
    let changed = patch_attributes(&town, &town.boss, &tag, &north).await;
    assert_eq!(
        changed.body,
        json!({ "attributes": { "department": "north" } })
    );
    // The version begins anew where the row is lost, and what was read before is
    // not what is there.
    let change = town.world.tamper("DELETE FROM account_attributes");
    change.await;
    let other = json!({ "department": "south" });
    let anew = patch_attributes(&town, &town.boss, &attributes_tag(&town).await, &other).await;
    let anew_tag = anew.headers[header::ETAG].to_str().unwrap();
    assert!(anew_tag.starts_with("\"a1-"), "{anew_tag}");
    let late = patch_attributes(&town, &town.boss, &tag, &north).await;
    assert_eq!(late.status, 412, "{}", late.body);
    // Who may make users may not for that say what they are.
    town.world.roles.store(std::sync::Arc::new(roles(&[
        ("reader", &["orders:read"]),
        ("administrator", &["doorward:users:*", "orders:read"]),
    ])));
    town.world.clock.turn(5);
    let boss = sign_in(&town.issuer, "boss").await.access_token;
    let refused = patch_attributes(&town, &boss, &attributes_tag(&town).await, &sales).await;
    assert_eq!(
        (refused.status, refused.reason()),
        (403, "missing_permission")
    );
}

#[tokio::test]
async fn a_client_changes_only_for_who_knows_what_it_is() {
    let town = Town::new().await;
    let read = async || {
        let said = town.call("getClient", Some(&town.boss), "").await;
        said.headers[header::ETAG].to_str().unwrap().to_owned()
    };
    let change = async |method: &str, path: &str, tag: &str, body: &str| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::IF_MATCH, tag);
        town.send(request, Some(&town.boss), body).await.status
    };
    let (path, secret) = ("/api/clients/batch", "/api/clients/batch/secret");
    let first = read().await;
    assert_eq!(read().await, first);
    assert_eq!(
        change("PATCH", path, &first, r#"{"disabled":true}"#).await,
        200
    );
    for (method, path, body) in [
        ("PATCH", path, r#"{"disabled":false}"#),
        ("POST", secret, r#"{"overlap_seconds":0}"#),
        ("DELETE", path, ""),
    ] {
        assert_eq!(change(method, path, &first, body).await, 412, "{method}");
    }
    let second = read().await;
    assert_eq!(
        change("POST", secret, &second, r#"{"overlap_seconds":0}"#).await,
        201
    );
    assert_eq!(change("DELETE", path, &second, "").await, 412);
    let third = read().await;
    assert_eq!(change("DELETE", path, &third, "").await, 204);
    // The name is given again, and is another's.
    let new = r#"{"name":"batch","tenant":"acme"}"#;
    let made = town.ask("POST", "/api/clients", &town.boss, new).await;
    assert_eq!(made.status, 201);
    assert_eq!(change("DELETE", path, &third, "").await, 412);
}
