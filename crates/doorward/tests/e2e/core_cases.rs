//! The core cases of the attack catalogue against the running binary. The
//! upstream is a witness: what is denied must not have reached it.

use doorward_attack::forge::forge;
use serde_json::{Value, json};

use crate::harness::{Answer, Recorder, Server, request, send_raw};

const ROUTES: &str = r#"
[roles.reader]
permissions = ["orders:read"]

[roles.editor]
inherits = ["reader"]
permissions = ["orders:delete"]

[[route]]
match = "GET /orders"
allow = "orders:read"

[[route]]
match = "DELETE /orders/{id}"
allow = "orders:delete"

[[route]]
match = "GET /tenants/{tenant}/report"
allow = "orders:read"
where = { tenant = "{tenant}" }

[[route]]
match = "GET /public/{page}"
public = true
"#;

fn guarded() -> (Recorder, Server) {
    let recorder = Recorder::start();
    let server = Server::before(recorder.address, ROUTES);
    (recorder, server)
}

fn with_bearer(server: &Server, token: &str) -> Option<Answer> {
    // By hand: a forged token may hold what no client would send.
    let mut message = format!(
        "GET /orders HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n",
        server.gateway
    )
    .into_bytes();
    message.extend_from_slice(b"Authorization: Bearer ");
    message.extend_from_slice(token.as_bytes());
    message.extend_from_slice(b"\r\n\r\n");
    send_raw(server.gateway, &message)
}

/// SIG, HDR and PAR cases of tier 1, forged from one valid token.
#[test]
fn forged_tokens_get_401_and_the_upstream_sees_nothing() {
    let (recorder, server) = guarded();
    let valid = server.access_token("reader");
    let jwks = server.call("GET", "/.well-known/jwks.json", None);
    let jwks = String::from_utf8(jwks.body).unwrap();
    assert_eq!(
        with_bearer(&server, &valid).unwrap().status,
        200,
        "calibration"
    );
    let before = recorder.count();

    let forgeries = forge(&valid, Some(&jwks));
    let core = [
        "SIG-001", "SIG-003", "SIG-007", "SIG-009", "SIG-010", "SIG-024", "SIG-026", "HDR-001",
        "HDR-002", "HDR-007", "PAR-006", "PAR-008",
    ];
    for id in core {
        assert!(
            forgeries.iter().any(|forgery| forgery.case == id),
            "no forgery for {id}"
        );
    }
    for forgery in &forgeries {
        let (case, what) = (forgery.case, &forgery.what);
        match with_bearer(&server, &forgery.token) {
            Some(answer) => {
                let refused = matches!(answer.status, 400 | 401 | 431);
                assert!(refused, "{case} {what}: {}", answer.status);
                let body = String::from_utf8_lossy(&answer.body).into_owned();
                assert!(
                    !body.contains("signature"),
                    "{case} {what} tells a stranger why: {body}"
                );
            }
            None => assert!(forgery.token.len() > 8 * 1024, "{case} {what}: no answer"),
        }
    }
    assert_eq!(
        recorder.count(),
        before,
        "something forged reached the upstream"
    );
    assert_eq!(
        with_bearer(&server, &valid).unwrap().status,
        200,
        "the honest client still passes"
    );
}

#[test]
fn tokens_of_another_server_are_refused_with_their_own_keys() {
    let (recorder, server) = guarded();
    let other = Server::demo();
    let foreign = other.access_token("editor");
    let answer = server.call("GET", "/orders", Some(&foreign));
    assert_eq!(
        (answer.status, answer.reason().as_str()),
        (401, "invalid_token")
    );
    assert_eq!(recorder.count(), 0);
    assert_eq!(server.next_decision()["decision"]["reason"], "unknown_key");
}

#[test]
fn gwy_012_gwy_013_identity_headers_come_from_the_gateway_alone() {
    let (recorder, server) = guarded();
    let token = server.access_token("reader");
    let authorization = format!("Bearer {token}");
    let forged = [
        ("Authorization", authorization.as_str()),
        ("X-Doorward-Subject", "admin"),
        ("X_Doorward_Subject", "admin"),
        ("x-doorward-roles", "admin"),
        ("X-User-Id", "admin"),
        ("X-Remote-User", "admin"),
    ];
    let answer = request(server.gateway, "GET", "/orders", &forged, b"");
    assert_eq!(answer.status, 200, "{answer:?}");
    let head = recorder.heads().pop().unwrap().to_ascii_lowercase();
    assert!(!head.contains("admin"), "{head}");
    assert!(
        !head.contains("authorization"),
        "the token left the gateway: {head}"
    );
    assert_eq!(head.matches("x-doorward-subject:").count(), 1, "{head}");
    assert!(head.contains("x-doorward-tenant: acme") && head.contains("x-doorward-roles: reader"));

    let before = recorder.count();
    let hop = [
        ("Authorization", authorization.as_str()),
        ("Connection", "close, X-Doorward-Subject"),
    ];
    let answer = request(server.gateway, "GET", "/orders", &hop, b"");
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(recorder.count(), before);
}

#[test]
fn gwy_012_the_api_is_told_what_doorward_toml_names() {
    let recorder = Recorder::start();
    let halves = [
        (r#"["subject", "roles"]"#, ["subject", "roles"]),
        (r#"["tenant", "session"]"#, ["tenant", "session"]),
    ];
    for (list, told) in halves {
        let routes = format!("identity_headers = {list}\n{ROUTES}");
        let server = Server::before(recorder.address, &routes);
        let token = server.access_token("reader");
        assert_eq!(server.call("GET", "/orders", Some(&token)).status, 200);
        let head = recorder.heads().pop().unwrap().to_ascii_lowercase();
        let names = ["subject", "tenant", "roles", "session"];
        let got = names.map(|name| head.contains(&format!("x-doorward-{name}:")));
        assert_eq!(got, names.map(|name| told.contains(&name)), "{head}");
    }
}

#[test]
fn gwy_002_gwy_003_no_spelling_of_a_path_reaches_behind_its_rule() {
    let (recorder, server) = guarded();
    let spellings = [
        "/public/../orders",
        "/public/%2e%2e/orders",
        "/public/..%2forders",
        "/public/..;/orders",
        "/public/%252e%252e/orders",
        "//orders",
        "/orders/",
        "/orders%00",
        "/orders%2f",
        "/orders;x=1",
        "/ORDERS",
        "/./orders",
        "/public\\..\\orders",
        "/public/%c0%ae%c0%ae/orders",
        "/orders#x",
        "/orders%20",
        "/orders.",
        "/%6frders",
    ];
    for path in spellings {
        let answer = server.call("GET", path, None);
        let turned_away = matches!(answer.status, 400 | 401 | 404);
        assert!(turned_away, "{path}: {}", answer.status);
    }
    assert_eq!(recorder.count(), 0);
    assert_eq!(
        server.call("GET", "/public/page?x=/orders", None).status,
        200
    );
    assert!(recorder.heads()[0].starts_with("GET /public/page?x=/orders HTTP/1.1"));
}

#[test]
fn gwy_020_a_message_with_two_lengths_smuggles_nothing() {
    let (recorder, server) = guarded();
    let message = format!(
        "POST /public/a HTTP/1.1\r\nHost: {0}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         0\r\n\r\nGET /public/smuggled HTTP/1.1\r\nHost: {0}\r\n\r\n",
        server.gateway
    );
    let answer = send_raw(server.gateway, message.as_bytes()).unwrap();
    assert_eq!(answer.status, 400, "{answer:?}");
    assert_eq!(recorder.count(), 0);
}

#[test]
fn rev_001_rev_002_signing_out_ends_access_and_refresh_at_once() {
    let (recorder, server) = guarded();
    let tokens = server.sign_in("reader");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "/orders", Some(access)).status, 200);
    assert_eq!(
        server
            .post("/auth/sign-out", &json!({}), Some(access))
            .status,
        204
    );
    let before = recorder.count();
    let denied = server.call("GET", "/orders", Some(access));
    assert_eq!(
        (denied.status, denied.reason().as_str()),
        (401, "session_revoked")
    );
    assert_eq!(recorder.count(), before);
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(server.post("/auth/refresh", &body, None).status, 400);
}

/// Asks until the answer is not 200, for at most the second that the running
/// server may take to notice.
fn until_refused(server: &Server, path: &str, token: &str) -> Answer {
    let begun = std::time::Instant::now();
    loop {
        let answer = server.call("GET", path, Some(token));
        if answer.status != 200 || begun.elapsed() > std::time::Duration::from_secs(2) {
            return answer;
        }
    }
}

#[test]
fn rev_005_a_role_taken_by_a_command_is_gone_at_the_running_server() {
    let (_recorder, server) = guarded();
    let tokens = server.sign_in("editor");
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(server.call("DELETE", "/orders/1", Some(access)).status, 200);
    for (verb, role) in [("grant", "reader"), ("revoke", "editor")] {
        let output = server.command(&["role", verb, "editor", role]);
        assert!(output.status.success(), "{output:?}");
    }
    let old = until_refused(&server, "/orders", access);
    assert_eq!((old.status, old.reason().as_str()), (401, "user_changed"));
    // No new sign-in is needed: the session refreshes into what is left.
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    let refreshed = server.post("/auth/refresh", &body, None);
    assert_eq!(refreshed.status, 200, "{refreshed:?}");
    let refreshed = refreshed.json();
    let access = refreshed["access_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "/orders", Some(access)).status, 200);
    let denied = server.call("DELETE", "/orders/1", Some(access));
    assert_eq!(
        (denied.status, denied.reason().as_str()),
        (403, "missing_permission")
    );
}

#[test]
fn iss_023_rev_006_a_disabled_user_is_refused_in_every_flow() {
    let (_recorder, server) = guarded();
    let tokens = server.sign_in("reader");
    let access = tokens["access_token"].as_str().unwrap();
    assert!(
        server
            .command(&["user", "disable", "reader"])
            .status
            .success()
    );
    assert_eq!(until_refused(&server, "/orders", access).status, 401);
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    assert_eq!(server.post("/auth/refresh", &body, None).status, 400);
    let body = json!({ "username": "reader", "password": server.password("reader") });
    let refused = server.post("/auth/sign-in", &body, None);
    assert_eq!(
        (refused.status, refused.reason().as_str()),
        (401, "wrong_credentials")
    );
    assert_eq!(
        server
            .command(&["token", "mint", "--as", "reader"])
            .status
            .code(),
        Some(2)
    );
    // And enabled again, nothing old comes back to life.
    assert!(
        server
            .command(&["user", "enable", "reader"])
            .status
            .success()
    );
    assert_eq!(server.call("GET", "/orders", Some(access)).status, 401);
    assert_eq!(server.post("/auth/sign-in", &body, None).status, 200);
}

#[test]
fn rft_001_rft_004_an_old_refresh_token_ends_its_family() {
    let (_recorder, server) = guarded();
    let first = server.sign_in("reader");
    let other = server.sign_in("reader");
    let refresh =
        |token: &Value| server.post("/auth/refresh", &json!({ "refresh_token": token }), None);
    let second = refresh(&first["refresh_token"]).json();
    let third = refresh(&second["refresh_token"]).json();
    // Two generations old: theft, even inside the overlap.
    assert_eq!(refresh(&first["refresh_token"]).status, 400);
    assert_eq!(
        refresh(&third["refresh_token"]).status,
        400,
        "the family is dead"
    );
    let access = third["access_token"].as_str().unwrap();
    assert_eq!(server.call("GET", "/orders", Some(access)).status, 401);
    assert_eq!(
        refresh(&other["refresh_token"]).status,
        200,
        "the other session lives"
    );
}

#[test]
fn rft_003_a_hundred_parallel_refreshes_leave_one_live_leaf() {
    let (_recorder, server) = guarded();
    let tokens = server.sign_in("reader");
    let body = json!({ "refresh_token": tokens["refresh_token"] });
    let (gateway, body) = (server.gateway, body.to_string());
    let json = [("Content-Type", "application/json")];
    let ask = || request(gateway, "POST", "/auth/refresh", &json, body.as_bytes());
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let asked: Vec<_> = (0..100).map(|_| scope.spawn(ask)).collect();
        asked
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    let first = answers[0].json()["refresh_token"].clone();
    for answer in &answers {
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["refresh_token"], first);
    }
    assert_eq!(
        server
            .post("/auth/refresh", &json!({ "refresh_token": first }), None)
            .status,
        200
    );
}

#[test]
fn iss_021_host_and_forwarding_headers_never_change_the_issuer() {
    let (_recorder, server) = guarded();
    let forged = [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Proto", "https"),
        ("Forwarded", "host=evil.example"),
    ];
    let answer = request(
        server.gateway,
        "GET",
        "/.well-known/openid-configuration",
        &forged,
        b"",
    );
    let issuer = format!("http://{}", server.gateway);
    assert_eq!(answer.json()["issuer"], issuer.as_str());
    assert!(!String::from_utf8_lossy(&answer.body).contains("evil"));
}

#[test]
fn gwy_031_nothing_of_the_admin_listener_is_on_the_public_one() {
    let (recorder, server) = guarded();
    for path in [
        "/healthz",
        "/api/decisions/last",
        "/metrics",
        "/api/explain",
        "/api/shadow",
    ] {
        assert_eq!(server.call("GET", path, None).status, 404, "{path}");
    }
    assert_eq!(recorder.count(), 0);
    let admin = request(server.admin, "GET", "/api/decisions/last", &[], b"");
    assert_eq!(admin.status, 401);
}
