//! Tokens bound to a key, and the proofs that come with them (RFC 9449).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use doorward_gateway::{
    rate::{Per, RateLimit},
    shadow::Candidate,
};
use doorward_jose::{
    algorithm::Algorithm, base64url, dangerous, dpop::access_token_hash, signing_key::SigningKey,
    time::UnixTime,
};
use doorward_policy::{
    decision::Step,
    role::Roles,
    route::{Requirement, RouteTable},
};
use doorward_verify::clock::Timestamp;
use doorward_verify::proof::{Proofs, nonce::Nonces, replay::Replays};
use serde_json::{Value, json};

use crate::harness::{House, Plan, Reply, Tokens, request, route, tokens::NOW, usual_routes};

const ORIGIN: &str = "https://api.test";

/// A client with a key of its own, and a token bound to it.
struct Bound {
    key: SigningKey,
    token: String,
    proofs: AtomicU64,
}

impl Bound {
    fn to(house: &House) -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let mut claims = Tokens::claims("ann", &["orders:read", "orders:create"]);
        let thumbprint = key.verifying_key().to_jwk().unwrap().thumbprint();
        claims["cnf"] = json!({ "jkt": thumbprint });
        let token = house.tokens.sign(&claims);
        Self {
            key,
            token,
            proofs: AtomicU64::new(0),
        }
    }

    /// What a good proof says, for `GET /orders`.
    fn claims(&self) -> Value {
        json!({
            "jti": format!("proof-{}", self.proofs.fetch_add(1, Ordering::Relaxed)),
            "htm": "GET",
            "htu": format!("{ORIGIN}/orders"),
            "iat": NOW,
            "ath": access_token_hash(&self.token),
        })
    }

    fn proof(&self, claims: &Value) -> String {
        let jwk = self.key.verifying_key().to_jwk().unwrap().to_object();
        let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
        let part = |value: &Value| base64url::encode(value.to_string());
        let input = format!("{}.{}", part(&header), part(claims));
        let signature = dangerous::sign(&self.key, input.as_bytes()).unwrap();
        format!("{input}.{}", base64url::encode(signature))
    }

    /// A good proof but for one claim, which is left out if null.
    fn proof_with(&self, name: &str, value: Value) -> String {
        let mut claims = self.claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.to_owned(), value),
        };
        self.proof(&claims)
    }

    fn get(&self, house: &House, proof: &str) -> Reply {
        let credential = format!("Authorization: DPoP {}", self.token);
        house.get("/orders", &[&credential, &format!("DPoP: {proof}")])
    }
}

fn house() -> House {
    house_with(Proofs::default())
}

fn house_with(proofs: Proofs) -> House {
    House::start(Plan {
        public_origin: Some(ORIGIN.to_owned()),
        proofs,
        ..Plan::default()
    })
}

fn challenge(reply: &Reply) -> &str {
    reply.field("www-authenticate").unwrap_or_default()
}

fn assert_proof_refused(reply: &Reply, reason: &str, why: &str) {
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (401, reason),
        "{why}"
    );
    let challenge = challenge(reply);
    assert!(
        challenge.starts_with("DPoP error=\"invalid_dpop_proof\""),
        "{challenge}"
    );
    assert!(
        challenge.contains("algs=\"") && challenge.contains("ES256"),
        "{challenge}"
    );
    assert!(!challenge.contains("HS256"), "{challenge}");
}

#[test]
fn a_bound_token_with_its_proof_is_forwarded_without_either() {
    let mut house = house();
    let bound = Bound::to(&house);
    let reply = bound.get(&house, &bound.proof(&bound.claims()));
    assert_eq!(reply.status, 200);
    let seen = house.upstream.seen().pop().unwrap();
    assert_eq!(seen.field("x-doorward-subject"), Some("ann"));
    assert_eq!(seen.field("authorization"), None);
    assert_eq!(seen.field("dpop"), None);
    let decision = house.decision();
    let credentials = decision
        .checks
        .iter()
        .filter(|it| it.step == Step::Credential);
    let credentials: Vec<_> = credentials
        .map(|it| (it.passed, it.seen.as_ref()))
        .collect();
    assert_eq!(
        credentials,
        [
            (true, "one token bound to a key"),
            (true, "proof of possession of the token's key"),
        ]
    );
}

#[test]
fn dpp_001_no_proof_two_proofs_and_the_wrong_scheme() {
    let house = house();
    let bound = Bound::to(&house);
    let proof = || format!("DPoP: {}", bound.proof(&bound.claims()));
    let by_dpop = format!("Authorization: DPoP {}", bound.token);
    let by_bearer = format!("Authorization: Bearer {}", bound.token);
    let plain = format!("Authorization: DPoP {}", house.tokens.reader());

    assert_proof_refused(
        &house.get("/orders", &[&by_dpop]),
        "proof_missing",
        "no proof",
    );
    for fields in [vec![by_bearer.clone()], vec![by_bearer.clone(), proof()]] {
        let fields: Vec<_> = fields.iter().map(String::as_str).collect();
        assert_proof_refused(&house.get("/orders", &fields), "proof_missing", "Bearer");
    }
    let reply = house.get("/orders", &[&plain, &proof()]);
    assert_proof_refused(&reply, "proof_invalid", "an unbound token");
    let reply = house.get("/orders", &[&by_dpop, &proof(), &proof()]);
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (400, "ambiguous_credential")
    );
    let reply = house.get("/orders", &[&by_dpop, &by_bearer, &proof()]);
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (400, "ambiguous_credential")
    );
    house.upstream.assert_untouched();
}

#[test]
fn clm_021_dpp_001_a_bound_token_is_never_plain_bearer() {
    let house = house();
    let bound = Bound::to(&house);
    for scheme in ["Bearer", "bearer"] {
        let reply = house.get(
            "/orders",
            &[&format!("Authorization: {scheme} {}", bound.token)],
        );
        assert_proof_refused(&reply, "proof_missing", scheme);
    }
    house.upstream.assert_untouched();
}

#[test]
fn dpp_002_a_proof_is_good_once_on_every_worker() {
    let house = house();
    let bound = Bound::to(&house);
    let proof = bound.proof(&bound.claims());
    assert_eq!(bound.get(&house, &proof).status, 200);
    for _ in 0..8 {
        // Each on a connection of its own, which any worker may take.
        assert_proof_refused(&bound.get(&house, &proof), "proof_replayed", "again");
    }
    assert_eq!(house.upstream.seen().len(), 1);
}

#[test]
fn dpp_002_a_full_memory_of_proofs_is_closed() {
    let house = house_with(Proofs::new(Replays::with_capacity(1)));
    let bound = Bound::to(&house);
    assert_eq!(bound.get(&house, &bound.proof(&bound.claims())).status, 200);
    let reply = bound.get(&house, &bound.proof(&bound.claims()));
    assert_eq!((reply.status, reply.reason().as_str()), (503, "overloaded"));
}

#[test]
fn dpp_003_method_and_public_address_are_compared() {
    let house = house();
    let bound = Bound::to(&house);
    for same in ["HTTPS://API.test:443/orders", "https://api.test/%6frders"] {
        let reply = bound.get(&house, &bound.proof_with("htu", json!(same)));
        assert_eq!(reply.status, 200, "{same}");
    }
    let before = house.upstream.seen().len();
    let listener = format!("http://{}/orders", house.address);
    for other in [
        "https://api.test/orders/",
        "https://api.test/Orders",
        "https://api.test/orders?x=1",
        "https://api.test:8443/orders",
        "http://api.test/orders",
        "https://evil.test/orders",
        "/orders",
        &listener,
    ] {
        let reply = bound.get(&house, &bound.proof_with("htu", json!(other)));
        assert_proof_refused(&reply, "proof_invalid", other);
    }
    for other in [json!("POST"), json!("get"), Value::Null] {
        let reply = bound.get(&house, &bound.proof_with("htm", other));
        assert_proof_refused(&reply, "proof_invalid", "htm");
    }
    // What the caller says of the address counts for nothing.
    let credential = format!("Authorization: DPoP {}", bound.token);
    let proof = bound.proof_with("htu", json!("https://evil.test/orders"));
    let named = format!(
        "GET /orders HTTP/1.1\r\nHost: evil.test\r\nX-Forwarded-Host: evil.test\r\n\
         {credential}\r\nDPoP: {proof}\r\n\r\n"
    );
    assert_proof_refused(&house.raw(named), "proof_invalid", "Host");
    assert_eq!(house.upstream.seen().len(), before);
}

#[test]
fn dpp_003_without_a_public_origin_it_is_the_listener() {
    let house = House::usual();
    let bound = Bound::to(&house);
    let target = format!("http://{}/orders", house.address);
    let reply = bound.get(&house, &bound.proof_with("htu", json!(target)));
    assert_eq!(reply.status, 200);
    let reply = bound.get(&house, &bound.proof(&bound.claims()));
    assert_proof_refused(&reply, "proof_invalid", "another origin");
}

#[test]
fn dpp_004_dpp_006_token_hash_and_date() {
    let house = house();
    let bound = Bound::to(&house);
    let foreign_hash = access_token_hash(&house.tokens.reader());
    for (name, value) in [
        ("ath", Value::Null),
        ("ath", json!(foreign_hash)),
        ("iat", json!(NOW - 61)),
        ("iat", json!(NOW + 11)),
        ("iat", Value::Null),
        ("jti", Value::Null),
    ] {
        let reply = bound.get(&house, &bound.proof_with(name, value.clone()));
        assert_proof_refused(&reply, "proof_invalid", &format!("{name} {value}"));
    }
    house.upstream.assert_untouched();
}

#[test]
fn dpp_005_dpp_007_the_proof_of_another_key_or_none() {
    let house = house();
    let (bound, thief) = (Bound::to(&house), Bound::to(&house));
    let stolen = Bound {
        key: thief.key,
        token: bound.token.clone(),
        proofs: AtomicU64::new(0),
    };
    let reply = stolen.get(&house, &stolen.proof(&stolen.claims()));
    assert_proof_refused(&reply, "proof_invalid", "another key");
    let access_token = bound.get(&house, &bound.token);
    assert_proof_refused(&access_token, "proof_invalid", "no proof at all");
    house.upstream.assert_untouched();
}

#[test]
fn dpp_006_a_nonce_is_asked_for_given_and_taken() {
    let nonces = Nonces::new(&[7; 32]).unwrap();
    let house = house_with(Proofs::default().require_nonce(nonces));
    let bound = Bound::to(&house);
    let reply = bound.get(&house, &bound.proof(&bound.claims()));
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (401, "proof_nonce")
    );
    assert!(challenge(&reply).starts_with("DPoP error=\"use_dpop_nonce\""));
    let nonce = reply.field("dpop-nonce").unwrap().to_owned();
    let reply = bound.get(&house, &bound.proof_with("nonce", json!(nonce)));
    assert_eq!(reply.status, 200);
    let foreign = Nonces::new(&[8; 32]).unwrap();
    let foreign = foreign.issue(UnixTime::from_secs(NOW));
    let reply = bound.get(&house, &bound.proof_with("nonce", json!(foreign)));
    assert_eq!(
        (reply.status, reply.reason().as_str()),
        (401, "proof_nonce")
    );
    assert!(reply.field("dpop-nonce").is_some());
    // Who brings no bound token is not asked.
    let stranger = house.raw(request("GET", "/orders", &["Authorization: DPoP a.b.c"]));
    assert_eq!(stranger.status, 401);
    assert_eq!(stranger.field("dpop-nonce"), None);
}

#[test]
fn dpp_006_who_is_asked_for_a_nonce_has_not_failed() {
    let nonces = Nonces::new(&[7; 32]).unwrap();
    let house = House::start(Plan {
        public_origin: Some(ORIGIN.into()),
        proofs: Proofs::default().require_nonce(nonces),
        config: Box::new(|config| {
            config.rates = vec![RateLimit {
                name: "failures".into(),
                per: Per::Failure,
                requests: 2,
                window: Duration::from_secs(3600),
            }];
        }),
        ..Plan::default()
    });
    let bound = Bound::to(&house);
    for _ in 0..5 {
        let reply = bound.get(&house, &bound.proof(&bound.claims()));
        assert_eq!(reply.reason(), "proof_nonce");
    }
    // A thief of the token has no key to prove, and fails.
    let statuses = [(); 3].map(|()| bound.get(&house, "a.b.c").status);
    assert_eq!(statuses, [401, 401, 429]);
}

#[test]
fn a_public_route_asks_for_no_proof_and_passes_none_on() {
    let house = house();
    let bound = Bound::to(&house);
    let proof = format!("DPoP: {}", bound.proof(&bound.claims()));
    assert_eq!(house.get("/public", &[&proof]).status, 200);
    let seen = house.upstream.seen().pop().unwrap();
    assert_eq!(seen.field("dpop"), None);
}

#[test]
fn a_proof_is_not_used_up_by_a_candidate() {
    let house = house();
    let bound = Bound::to(&house);
    let mut routes = usual_routes();
    routes.retain(|route| route.pattern != "GET /public");
    routes.push(route("GET /public", Requirement::Authenticated));
    let candidate = Candidate {
        routes: RouteTable::build(routes).unwrap(),
        roles: Roles::default(),
        served_roles: Roles::default(),
    };
    let now = Timestamp::from_millis(NOW * 1000);
    house.gateway.begin_shadow(candidate, now);
    // Looked at for the served route: the candidate knows the caller, and the
    // proof counted once.
    let proof = bound.proof(&bound.claims());
    assert_eq!(bound.get(&house, &proof).status, 200);
    assert_eq!(bound.get(&house, &proof).status, 401);
    let requests = || house.gateway.shadow().unwrap().requests;
    assert_eq!((requests().same, requests().unknown), (2, 0));
    // Not looked at there, so not at all.
    let proof = bound.proof_with("htu", json!(format!("{ORIGIN}/public")));
    let credential = format!("Authorization: DPoP {}", bound.token);
    for _ in 0..2 {
        let fields = [credential.as_str(), &format!("DPoP: {proof}")];
        assert_eq!(house.get("/public", &fields).status, 200);
    }
    assert_eq!((requests().same, requests().unknown), (2, 2));
}
