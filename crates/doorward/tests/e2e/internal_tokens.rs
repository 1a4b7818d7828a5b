//! Internal tokens: what the API behind the gateway gets of a caller, checked
//! there with a library that knows nothing of Doorward.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use crate::{
    faults::observed::{PATIENCE, until},
    harness::{Answer, Place, Recorder, Server, doorward, find_at, request},
    services::{clients, with_input},
};

const ROLES: &str = r#"
[roles.reader]
permissions = ["orders:read", "reports:*"]
"#;

const ROUTES: &str = r#"
[[route]]
match = "GET /orders"
allow = "orders:read"
internal_token = "orders-internal"

[[route]]
match = "GET /plain"
allow = "orders:read"
"#;

/// The same, but with the token for every route.
const EVERYWHERE: &str = r#"
[internal_tokens]
audience = "orders-internal"
issuer = "https://gateway.example/internal"

[internal_tokens.permissions]
orders-internal = ["orders:read", "orders:delete"]

[[route]]
match = "GET /orders"
allow = "orders:read"

[[route]]
match = "GET /public"
public = true
"#;

fn serve(upstream: &Recorder) -> Server {
    Server::before(upstream.address, &format!("{ROLES}{ROUTES}"))
}

/// The token that came with the last request, if one came.
fn received(upstream: &Recorder) -> Option<String> {
    let head = upstream.heads().pop().unwrap().to_lowercase();
    let at = head.find("\r\nauthorization: bearer ")?;
    let head = upstream.heads().pop().unwrap();
    let value = &head[at + "\r\nauthorization: bearer ".len()..];
    Some(value.lines().next().unwrap().to_owned())
}

fn jwks(server: &Server) -> Answer {
    let path = "/.well-known/internal-jwks.json";
    request(server.gateway, "GET", path, &[], b"")
}

/// As an API would: by the published keys, issuer and audience.
fn checked(server: &Server, issuer: &str, audience: &str, token: &str) -> Option<Output> {
    let python = find_at(clients().join("python/bin/python"))?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python/check.py");
    let jwks = format!("http://{}/.well-known/internal-jwks.json", server.gateway);
    let mut command = Command::new(python);
    command.arg(script).args([&jwks, issuer, audience]);
    Some(with_input(command, token))
}

fn own_issuer(server: &Server) -> String {
    format!("http://{}/internal", server.gateway)
}

/// The claims of a token, unchecked.
fn claims(server: &Server, token: &str) -> Value {
    let output = server.command_with_input(&["token", "inspect", "--json"], token);
    let shown: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    shown["claims"].clone()
}

#[test]
fn clm_010_the_api_gets_a_token_of_a_minute_that_opens_nothing_else() {
    let upstream = Recorder::start();
    let server = serve(&upstream);
    let own = server.access_token("reader");
    let answer = server.call("GET", "/orders", Some(&own));
    assert_eq!(answer.status, 200, "{answer:?}");
    let internal = received(&upstream).unwrap();

    let (theirs, caller) = (claims(&server, &internal), claims(&server, &own));
    let same = [
        "sub",
        "client_id",
        "tenant",
        "sid",
        "roles",
        "permissions",
        "acr",
    ];
    for name in same {
        assert_eq!(theirs[name], caller[name], "{name}");
    }
    assert_eq!(theirs["iss"], own_issuer(&server));
    assert_eq!(theirs["aud"], "orders-internal");
    assert_eq!(theirs["act"]["sub"], caller["aud"]);
    assert_ne!(theirs["jti"], caller["jti"]);
    let life = theirs["exp"].as_u64().unwrap() - theirs["iat"].as_u64().unwrap();
    assert_eq!(life, 60);
    // Signed once, and used again.
    server.call("GET", "/orders", Some(&own));
    assert_eq!(received(&upstream).unwrap(), internal);

    // For this API, by the published keys, and for no other; and a caller's own
    // token, brought past the gateway, is nothing to it.
    let ours = own_issuer(&server);
    if let Some(passed) = checked(&server, &ours, "orders-internal", &internal) {
        assert!(passed.status.success(), "{passed:?}");
        for (audience, token) in [("carts-internal", &internal), ("orders-internal", &own)] {
            let refused = checked(&server, &ours, audience, token).unwrap();
            assert_eq!(refused.status.code(), Some(1), "{audience}: {refused:?}");
        }
    }
    // Not at the gateway, by which an API could act for its callers.
    for path in ["/orders", "/plain", "/auth/me"] {
        let answer = server.call("GET", path, Some(&internal));
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
    // A route without it hands on no token.
    assert_eq!(server.call("GET", "/plain", Some(&own)).status, 200);
    assert_eq!(received(&upstream), None);
}

#[test]
fn rev_001_a_caller_who_signed_out_gets_no_internal_token() {
    let upstream = Recorder::start();
    let server = serve(&upstream);
    let own = server.access_token("reader");
    assert_eq!(server.call("GET", "/orders", Some(&own)).status, 200);
    let signed_out = server.call("POST", "/auth/sign-out", Some(&own));
    assert_eq!(signed_out.status, 204);
    let seen = upstream.count();
    assert_eq!(server.call("GET", "/orders", Some(&own)).status, 401);
    assert_eq!(upstream.count(), seen);
}

#[test]
fn an_api_key_becomes_an_internal_token_too() {
    let upstream = Recorder::start();
    let server = serve(&upstream);
    let add = ["apikey", "add", "--user", "reader", "--purpose", "export"];
    let added = server.command(&add);
    let key = String::from_utf8(added.stdout).unwrap();
    let answer = server.call("GET", "/orders", Some(key.trim()));
    assert_eq!(answer.status, 200, "{answer:?}");
    let theirs = claims(&server, &received(&upstream).unwrap());
    assert_eq!(theirs["permissions"][0], "orders:read");
    // So that the API knows by which key its owner asked.
    let id = theirs["client_id"].as_str().unwrap();
    assert!(key.contains(id), "{theirs}");
    assert!(!upstream.heads().concat().contains(key.trim()));
}

#[test]
fn the_key_is_there_when_it_is_asked_for_and_stays() {
    let upstream = Recorder::start();
    let server = Server::before(upstream.address, ROLES);
    assert_eq!(jwks(&server).status, 404);
    let file = server.data().join("internal.pem");
    assert!(!file.exists());

    let config = server.data().join("../doorward.toml");
    fs::write(&config, format!("{ROLES}{EVERYWHERE}")).unwrap();
    let own = server.access_token("reader");
    until(PATIENCE, "the routes on save", || {
        let answer = server.call("GET", "/orders", Some(&own));
        (answer.status == 200).then_some(())
    });
    let theirs = claims(&server, &received(&upstream).unwrap());
    assert_eq!(theirs["iss"], "https://gateway.example/internal");
    // No more than both the caller and the list have, and no role that says more.
    assert_eq!(theirs["permissions"], serde_json::json!(["orders:read"]));
    assert_eq!(theirs["roles"], Value::Null);
    // Nobody is vouched for where nobody is asked.
    assert_eq!(server.call("GET", "/public", Some(&own)).status, 200);
    assert_eq!(received(&upstream), None);

    let published = jwks(&server).json();
    assert_eq!(published["keys"].as_array().unwrap().len(), 1);
    assert!(published["keys"][0].get("d").is_none());
    let mode = fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_file_without_a_key_is_refused() {
    let section = "[internal_tokens]\nkey = \"other.pem\"\n";
    let place = Place::new().configured(&format!("{ROLES}{section}{ROUTES}"));
    let other = place.write("other.pem", "-----BEGIN CERTIFICATE-----\n");
    for (mode, why) in [
        (0o644, "is open to others (mode 0644)"),
        (0o600, "a block other than `PRIVATE KEY`"),
    ] {
        fs::set_permissions(&other, fs::Permissions::from_mode(mode)).unwrap();
        let refused = doorward(&place.data())
            .args(["up", "--listen", "127.0.0.1:0"])
            .args(["--admin-listen", "127.0.0.1:0"])
            .args(place.before(([127, 0, 0, 1], 9).into()))
            .output()
            .unwrap();
        assert_eq!(refused.status.code(), Some(3), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn a_gateway_without_the_issuer_makes_them_too() {
    let upstream = Recorder::start();
    let issuer = Server::demo();
    let place = Place::new().configured(&format!("{ROLES}{ROUTES}"));
    let address = format!("http://{}", issuer.gateway);
    let before = place.before(upstream.address);
    let mut arguments = vec!["--issuer", &address];
    arguments.extend(before.iter().map(String::as_str));
    let gateway = Server::start_role(&place.data(), &["serve", "gateway"], &arguments);
    let own = issuer.access_token("reader");
    until(PATIENCE, "a gateway that is ready", || {
        let answer = gateway.call("GET", "/orders", Some(&own));
        (answer.status == 200).then_some(())
    });
    let internal = received(&upstream).unwrap();
    let ours = own_issuer(&gateway);
    assert_eq!(claims(&issuer, &internal)["iss"], ours);
    if let Some(passed) = checked(&gateway, &ours, "orders-internal", &internal) {
        assert!(passed.status.success(), "{passed:?}");
    }
    for server in [&gateway, &issuer] {
        let answer = server.call("GET", "/orders", Some(&internal));
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}
