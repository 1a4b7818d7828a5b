//! An API whose tokens another issuer mints: its keys behind a URL that
//! Python's `http.server` serves, or in a file, and tokens that are bound to
//! their sender's key.

use std::{fs, net::SocketAddr, path::Path, process::Command, time::Duration};

use doorward_verify::jose::{
    algorithm::Algorithm, base64url, dangerous, dpop::access_token_hash, signing_key::SigningKey,
    token::Inspected,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    faults::observed::{Observed, PATIENCE, WITHIN_A_SECOND, access_token, guarded, until},
    harness::{Answer, Part, Place, Recorder, doorward, find, request},
};

const ISSUER: &str = "https://id.example/realms/one";

/// Above the 30 s that lie between two questions for unknown keys.
const COOL_DOWN: Duration = Duration::from_secs(50);

const ROUTES: &str = r#"
permissions = ["orders:read", "orders:write", "orders:delete"]

[roles.reader]
permissions = ["orders:read"]

[roles.editor]
permissions = ["orders:read", "orders:write", "orders:delete"]

[[route]]
match = "GET /orders"
allow = "orders:read"

[[route]]
match = "DELETE /orders"
allow = "orders:delete"

[[route]]
match = "GET /me"
authenticated = true

[[route]]
match = "GET /tenants/{tenant}/orders"
authenticated = true
where = { tenant = "{tenant}" }

[[route]]
match = "GET /users/{id}"
authenticated = true
where = { sub = "{id}" }
"#;

/// The other issuer.
struct Issuer {
    key: SigningKey,
    /// The time of the machine, in seconds.
    now: u64,
}

impl Issuer {
    fn at(now: u64) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        Self { key, now }
    }

    /// Publishes its keys in `file`, at once and whole.
    fn publish(&self, file: &Path) {
        let keys = json!({ "keys": [self.key.verifying_key().to_jwk().unwrap().to_object()] });
        let new = file.with_extension("new");
        fs::write(&new, keys.to_string()).unwrap();
        fs::rename(&new, file).unwrap();
    }

    fn claims(&self) -> Value {
        json!({
            "iss": ISSUER, "aud": "orders", "sub": "ann", "client_id": "web", "jti": "t-1",
            "iat": self.now, "exp": self.now + 600, "scope": "openid orders:read *",
            "roles": ["editor"], "tenant": "acme", "permissions": ["*"],
            "realm_access": { "roles": ["editor", "nobody-knows"] },
        })
    }

    fn sign(&self, claims: &Value) -> String {
        self.key.sign("at+jwt", claims).unwrap()
    }

    fn token(&self) -> String {
        self.sign(&self.claims())
    }

    fn token_with(&self, name: &str, value: impl Into<Value>) -> String {
        let mut claims = self.claims();
        claims[name] = value.into();
        self.sign(&claims)
    }
}

/// A gateway that trusts another issuer too.
struct House {
    server: Observed,
    recorder: Recorder,
    issuer: Issuer,
    place: Place,
    _keys: TempDir,
}

fn entry(keys: &str, more: &str) -> String {
    format!(
        "\n[[trusted_issuer]]\nissuer = \"{ISSUER}\"\naudience = \"orders\"\n\
         algorithms = [\"ES256\"]\n{keys}\n{more}\n"
    )
}

/// With the keys in a file and `more` in its entry.
fn house(more: &str) -> House {
    let recorder = Recorder::start();
    let keys = tempfile::tempdir().unwrap();
    let file = keys.path().join("jwks.json");
    Issuer::at(0).publish(&file);
    let named = format!("jwks_file = {:?}", file.to_str().unwrap());
    let config = format!("{ROUTES}{}", entry(&named, more));
    let (place, server) = guarded(recorder.address, &config);
    let issuer = Issuer::at(now(&server));
    issuer.publish(&file);
    let house = House {
        server,
        recorder,
        issuer,
        place,
        _keys: keys,
    };
    until(PATIENCE, "the present keys", || {
        let answer = house.get("/me", &house.issuer.token());
        (answer.status == 200).then_some(())
    });
    house
}

impl House {
    fn get(&self, path: &str, token: &str) -> Answer {
        self.server.call("GET", path, Some(token))
    }
}

/// What the clock says to the server.
fn now(server: &Observed) -> u64 {
    let own = server.sign_in("reader");
    let own = Inspected::parse(access_token(&own)).unwrap();
    own.payload["iat"].as_u64().unwrap()
}

fn python(python: &Path, folder: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(python);
    command
        .args(["-m", "http.server", "--bind", "127.0.0.1", "--directory"])
        .arg(folder)
        .arg(address.port().to_string());
    command
}

#[test]
fn a_foreign_token_grants_what_its_entry_says_and_nothing_else() {
    let house = house("permissions_claim = \"scope\"");
    let token = house.issuer.token();
    assert_eq!(house.get("/orders", &token).status, 200);
    let head = house.recorder.heads().pop().unwrap().to_ascii_lowercase();
    assert!(head.contains("x-doorward-subject: ann\r\n"), "{head}");
    assert!(
        head.contains(&format!("x-doorward-issuer: {ISSUER}")),
        "{head}"
    );
    for absent in ["x-doorward-roles", "x-doorward-tenant", "authorization"] {
        assert!(!head.contains(absent), "{absent} in {head}");
    }
    // `*` in its scope, roles and permissions of its own mean nothing here.
    let refused = house.server.call("DELETE", "/orders", Some(&token));
    assert_eq!(
        (refused.status, refused.reason().as_str()),
        (403, "missing_permission")
    );
    let refused = house.get("/tenants/acme/orders", &token);
    assert_eq!(
        (refused.status, refused.reason().as_str()),
        (403, "wrong_tenant")
    );
    let others = house.issuer.token_with("scope", "orders:readx orders");
    assert_eq!(house.get("/orders", &others).status, 403);
    // The own issuer's people go on as before, with their own names.
    let own = house.server.sign_in("reader");
    assert_eq!(house.get("/orders", access_token(&own)).status, 200);
    let head = house.recorder.heads().pop().unwrap().to_ascii_lowercase();
    assert!(!head.contains("x-doorward-issuer"), "{head}");
}

#[test]
fn clm_009_key_010_issuers_do_not_vouch_for_each_other() {
    let house = house("permissions_claim = \"scope\"");
    let issuer = &house.issuer;
    let own = house.server.sign_in("reader");
    let own_claims = Inspected::parse(access_token(&own)).unwrap().payload;
    // The foreign key over claims of ours, and claims for somebody else.
    let mut forged = issuer.claims();
    forged["iss"] = own_claims["iss"].clone();
    for token in [
        issuer.sign(&Value::Object(own_claims.clone())),
        issuer.sign(&forged),
        issuer.token_with("aud", "another-api"),
        issuer.token_with("aud", own_claims["aud"].clone()),
        issuer.token_with("iss", "https://id.example/realms/two"),
        issuer.token_with("exp", issuer.now - 100),
        issuer.key.sign("JWT", &issuer.claims()).unwrap(),
        Issuer::at(issuer.now).token(),
    ] {
        let refused = house.get("/orders", &token);
        assert_eq!(refused.status, 401, "{token}");
        assert!(refused.header("www-authenticate").is_some());
    }
    let at_issuer = house.server.call("GET", "/auth/me", Some(&issuer.token()));
    assert_eq!(at_issuer.status, 401, "it is no account here");
}

#[test]
fn roles_and_tenant_count_where_the_entry_names_their_claim() {
    let house = house("roles_claim = \"/realm_access/roles\"\ntenant_claim = \"tenant\"");
    let token = house.issuer.token();
    assert_eq!(
        house.server.call("DELETE", "/orders", Some(&token)).status,
        200
    );
    let head = house.recorder.heads().pop().unwrap().to_ascii_lowercase();
    assert!(head.contains("x-doorward-roles: editor"), "{head}");
    assert_eq!(house.get("/tenants/acme/orders", &token).status, 200);
    assert_eq!(house.get("/tenants/other/orders", &token).status, 403);
}

#[test]
fn clm_009_a_users_path_is_not_open_to_their_namesake_over_there() {
    for (more, status) in [("", 403), ("where_claims = [\"sub\"]", 200)] {
        let house = house(more);
        let answer = house.get("/users/ann", &house.issuer.token());
        assert_eq!(answer.status, status, "{more}");
    }
}

#[test]
fn keys_and_issuers_follow_their_files_and_bad_ones_change_nothing() {
    let mut house = house("");
    let config = house.place.config();
    let whole = fs::read_to_string(&config).unwrap();
    let keys = whole
        .lines()
        .find_map(|line| line.strip_prefix("jwks_file = \""))
        .unwrap();
    let keys = Path::new(keys.trim_end_matches('"')).to_owned();
    // A bad key file, then one with another key.
    fs::write(&keys, "not a key set").unwrap();
    house.server.until_said(PATIENCE, "its last good keys stay");
    assert_eq!(house.get("/me", &house.issuer.token()).status, 200);
    let old = house.issuer.token();
    house.issuer = Issuer::at(house.issuer.now);
    house.issuer.publish(&keys);
    until(PATIENCE, "the new key", || {
        let answer = house.get("/me", &house.issuer.token());
        (answer.status == 200).then_some(())
    });
    assert_eq!(house.get("/me", &old).status, 401, "the old key is gone");
    // An entry whose keys cannot be read is not applied, nor is the rest.
    fs::write(&config, whole.replace("/jwks.json", "/none.json")).unwrap();
    house
        .server
        .until_said(PATIENCE, "still serving the last good");
    assert_eq!(house.get("/me", &house.issuer.token()).status, 200);
    // Without the entry its tokens are nothing, and with it they are again.
    fs::write(&config, ROUTES).unwrap();
    until(WITHIN_A_SECOND * 5, "the end of the trust", || {
        let answer = house.get("/me", &house.issuer.token());
        (answer.status == 401).then_some(())
    });
    fs::write(&config, &whole).unwrap();
    until(WITHIN_A_SECOND * 5, "the trust again", || {
        let answer = house.get("/me", &house.issuer.token());
        (answer.status == 200).then_some(())
    });
}

#[test]
fn key_008_hdr_009_keys_behind_a_url_rotate_and_outlive_their_server() {
    let Some(interpreter) = find("python3") else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    fs::write(&file, "{}").unwrap();
    let server = Part::start(|address| python(&interpreter, folder.path(), address));
    let uri = format!("jwks_uri = \"http://{}/jwks.json\"", server.address);
    let more = "allow_addresses = [\"loopback\"]\npermissions_claim = \"scope\"";
    let recorder = Recorder::start();
    let (_place, mut gateway) =
        guarded(recorder.address, &format!("{ROUTES}{}", entry(&uri, more)));
    let issuer = Issuer::at(now(&gateway));
    let get = |gateway: &Observed, token: &str| gateway.call("GET", "/orders", Some(token)).status;
    // No keys yet: nothing is let in, and that is not the caller's fault.
    assert_eq!(get(&gateway, &issuer.token()), 503);
    issuer.publish(&file);
    until(PATIENCE, "the first keys", || {
        (get(&gateway, &issuer.token()) == 200).then_some(())
    });
    // The issuer rotates: the unknown key is asked for.
    let next = Issuer::at(issuer.now);
    next.publish(&file);
    until(COOL_DOWN, "the rotated key", || {
        (get(&gateway, &next.token()) == 200).then_some(())
    });
    assert_eq!(get(&gateway, &issuer.token()), 401, "its old key is gone");
    // The server is gone: the last good keys stay, an unknown one is refused.
    drop(server);
    assert_eq!(get(&gateway, &next.token()), 200);
    assert_eq!(get(&gateway, &issuer.token()), 401);
    gateway.assert_well();
}

#[test]
fn key_007_inner_addresses_are_asked_only_where_they_are_allowed() {
    let inner = Recorder::start();
    let uri = format!("jwks_uri = \"http://{}/jwks.json\"", inner.address);
    let recorder = Recorder::start();
    let (_place, gateway) = guarded(recorder.address, &format!("{ROUTES}{}", entry(&uri, "")));
    gateway.until_said(PATIENCE, "id.example");
    let issuer = Issuer::at(now(&gateway));
    assert_eq!(
        gateway.call("GET", "/orders", Some(&issuer.token())).status,
        503
    );
    assert_eq!(inner.count(), 0, "nobody asked the inner address");
}

#[test]
fn dpp_001_dpp_002_clm_021_a_foreign_token_bound_to_its_senders_key() {
    let house = house("permissions_claim = \"scope\"");
    let client = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwk = client.verifying_key().to_jwk().unwrap();
    let token = house
        .issuer
        .token_with("cnf", json!({ "jkt": jwk.thumbprint() }));
    let proof = |number: u32, method: &str| {
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk.to_object() });
        let claims = json!({
            "jti": format!("p-{number}"), "htm": method, "iat": house.issuer.now,
            "htu": format!("http://{}/orders", house.server.gateway),
            "ath": access_token_hash(&token),
        });
        let part = |value: &Value| base64url::encode(value.to_string());
        let input = format!("{}.{}", part(&header), part(&claims));
        let signature = dangerous::sign(&client, input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature))
    };
    let sent = |scheme: &str, proof: &str| {
        let credential = format!("{scheme} {token}");
        let fields = [("Authorization", credential.as_str()), ("DPoP", proof)];
        request(house.server.gateway, "GET", "/orders", &fields, b"")
    };
    let first = proof(1, "GET");
    assert_eq!(sent("DPoP", &first).status, 200);
    let head = house.recorder.heads().pop().unwrap().to_ascii_lowercase();
    assert!(
        !head.contains("dpop") && !head.contains("authorization"),
        "{head}"
    );
    until(PATIENCE, "the checks in `explain`", || {
        let mut explain = doorward(&house.server.data());
        let told = explain.args(["explain", "last"]).output().unwrap();
        let told = String::from_utf8_lossy(&told.stdout).into_owned();
        told.contains("✓ credential  proof of possession of the token's key")
            .then_some(())
    });
    for (answer, reason) in [
        (sent("DPoP", &first), "proof_replayed"),
        (sent("DPoP", &proof(2, "POST")), "proof_invalid"),
        (sent("Bearer", &proof(3, "GET")), "proof_missing"),
        (house.get("/orders", &token), "proof_missing"),
    ] {
        assert_eq!((answer.status, answer.reason().as_str()), (401, reason));
        let challenge = answer.header("www-authenticate").unwrap();
        assert!(
            challenge.starts_with("DPoP error=\"invalid_dpop_proof\""),
            "{challenge}"
        );
        assert!(challenge.contains("algs=\""), "{challenge}");
    }
}
