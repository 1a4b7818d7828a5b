//! Proofs of possession: every way in which one can be missing, foreign, old
//! or copied (RFC 9449, RFC 8705).

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use doorward_jose::{
    algorithm::Algorithm,
    base64url,
    claims::{AccessClaims, RequiredClaims},
    dangerous,
    dpop::access_token_hash,
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    validation::Validation,
};
use doorward_policy::decision::{Decision, Reason, Step, TraceId};
use doorward_verify::{
    challenge::www_authenticate,
    key_source::KeySource,
    proof::{
        CertificateThumbprint, Presented, Proofs, nonce::Nonces, replay::Replays, target::TargetUri,
    },
    revocation::RevocationSet,
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};
use http::{HeaderMap, Method};
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const ORIGIN: &str = "https://api.example";

struct Bench {
    issuer: SigningKey,
    client: SigningKey,
    verifier: Verifier,
}

/// A request, by default with everything that its token needs.
#[derive(Clone)]
struct Sent {
    scheme: &'static str,
    token: String,
    proofs: Vec<String>,
    method: Method,
    target: &'static str,
    certificate: Option<[u8; 32]>,
    now: u64,
}

fn bench() -> Bench {
    bench_with(Proofs::default())
}

fn bench_with(proofs: Proofs) -> Bench {
    let issuer = SigningKey::generate(Algorithm::Es256).unwrap();
    let validation = Validation::issuer("https://id.example")
        .audience(ORIGIN)
        .algorithms([Algorithm::Es256]);
    let keys = KeySource::fixed(KeySet::from_iter([issuer.verifying_key()]));
    let trusted = TrustedIssuer::new(validation, keys);
    Bench {
        issuer,
        client: SigningKey::generate(Algorithm::Es256).unwrap(),
        verifier: Verifier::new(vec![trusted], RevocationSet::new()).with_proofs(proofs),
    }
}

fn thumbprint(key: &SigningKey) -> String {
    key.verifying_key().to_jwk().unwrap().thumbprint()
}

impl Bench {
    fn token(&self, confirmation: Option<Value>) -> String {
        let claims = AccessClaims::new(RequiredClaims {
            issuer: "https://id.example".to_owned(),
            subject: "user-1".to_owned(),
            audience: ORIGIN.to_owned(),
            client_id: "client-1".to_owned(),
            token_id: "token-1".to_owned(),
            issued_at: UnixTime::from_secs(NOW),
            lifetime_seconds: 3600,
        });
        let claims = match confirmation {
            Some(Value::Object(confirmation)) => claims.confirmation(confirmation),
            _ => claims,
        };
        self.issuer.sign("at+jwt", &claims).unwrap()
    }

    fn bound(&self) -> String {
        self.token(Some(json!({ "jkt": thumbprint(&self.client) })))
    }

    fn claims(&self, token: &str) -> Value {
        json!({
            "jti": "proof-1",
            "htm": "GET",
            "htu": format!("{ORIGIN}/orders"),
            "iat": NOW,
            "ath": access_token_hash(token),
        })
    }

    fn good(&self) -> Sent {
        let token = self.bound();
        let proof = proof(&self.client, &self.claims(&token));
        Sent {
            scheme: "DPoP",
            token,
            proofs: vec![proof],
            method: Method::GET,
            target: "/orders?page=2",
            certificate: None,
            now: NOW,
        }
    }

    /// The good request with a proof in which one claim is another.
    fn with_claim(&self, name: &str, value: Value) -> Sent {
        let mut sent = self.good();
        let mut claims = self.claims(&sent.token);
        claims[name] = value;
        sent.proofs = vec![proof(&self.client, &claims)];
        sent
    }

    fn judge(&self, sent: &Sent) -> (Result<(), Reason>, Decision) {
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/orders");
        let verdict = self.judge_into(sent, &mut decision);
        (verdict, decision)
    }

    fn judge_into(&self, sent: &Sent, decision: &mut Decision) -> Result<(), Reason> {
        let mut headers = HeaderMap::new();
        let credential = format!("{} {}", sent.scheme, sent.token);
        headers.insert("authorization", credential.parse().unwrap());
        for proof in &sent.proofs {
            headers.append("dpop", proof.parse().unwrap());
        }
        let target = TargetUri::of_request(ORIGIN, sent.target).unwrap();
        let presented = Presented::from_headers(&headers, &sent.method, &target)?
            .certificate(sent.certificate.map(CertificateThumbprint));
        let now = UnixTime::from_secs(sent.now);
        let verdict = self.verifier.verify_presented(&presented, now, decision);
        verdict.map(drop)
    }

    fn refusal(&self, sent: &Sent) -> Reason {
        self.judge(sent).0.unwrap_err()
    }
}

fn proof(key: &SigningKey, claims: &Value) -> String {
    let jwk = key.verifying_key().to_jwk().unwrap().to_object();
    proof_with(
        key,
        &json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }),
        claims,
    )
}

fn proof_with(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| base64url::encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    let signature = dangerous::sign(key, input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

#[test]
fn a_bound_token_with_its_proof_passes_and_the_check_is_written() {
    let bench = bench();
    let (verdict, decision) = bench.judge(&bench.good());
    assert_eq!(verdict, Ok(()));
    let credential = decision
        .checks
        .iter()
        .find(|check| check.step == Step::Credential);
    assert!(credential.unwrap().passed);
}

#[test]
fn dpp_001_no_proof_two_proofs_or_the_wrong_scheme() {
    let bench = bench();
    let good = bench.good();
    let bare = Sent {
        proofs: Vec::new(),
        ..good.clone()
    };
    let (verdict, decision) = bench.judge(&bare);
    assert_eq!(verdict, Err(Reason::ProofMissing));
    let challenge = www_authenticate(&decision, None).unwrap();
    let challenge = challenge.to_str().unwrap();
    assert!(
        challenge.starts_with("DPoP error=\"invalid_dpop_proof\""),
        "{challenge}"
    );

    let twice = Sent {
        proofs: vec![good.proofs[0].clone(); 2],
        ..good.clone()
    };
    assert_eq!(bench.refusal(&twice), Reason::AmbiguousCredential);
    let joined = format!("{0}, {0}", good.proofs[0]);
    let joined = Sent {
        proofs: vec![joined],
        ..good.clone()
    };
    assert_eq!(bench.refusal(&joined), Reason::ProofInvalid);

    // What a thief would do: drop to Bearer, with or without the proof.
    for proofs in [Vec::new(), good.proofs.clone()] {
        let downgraded = Sent {
            scheme: "Bearer",
            proofs,
            ..good.clone()
        };
        assert_eq!(bench.refusal(&downgraded), Reason::ProofMissing);
    }
    let token = bench.token(None);
    let proofs = vec![proof(&bench.client, &bench.claims(&token))];
    let unbound = Sent {
        token,
        proofs,
        ..good.clone()
    };
    assert_eq!(bench.refusal(&unbound), Reason::ProofInvalid);
    let plain = Sent {
        scheme: "Bearer",
        ..unbound
    };
    assert_eq!(
        bench.judge(&plain).0,
        Ok(()),
        "an unbound token is a bearer token"
    );
    assert_eq!(
        bench.judge(&good).0,
        Ok(()),
        "the refusals took no place in the memory"
    );
}

#[test]
fn dpp_001_without_a_request_a_bound_token_is_refused() {
    let bench = bench();
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 0, "GET", "/");
    let now = UnixTime::from_secs(NOW);
    let verdict = bench.verifier.verify(&bench.bound(), now, &mut decision);
    assert_eq!(verdict.unwrap_err(), Reason::ProofMissing);
}

#[test]
fn dpp_002_a_proof_is_good_once() {
    let bench = bench();
    let good = bench.good();
    assert_eq!(bench.judge(&good).0, Ok(()));
    for later in [0, 1, 60] {
        let again = Sent {
            now: NOW + later,
            ..good.clone()
        };
        assert_eq!(
            bench.refusal(&again),
            Reason::ProofReplayed,
            "{later} s later"
        );
    }
    let again = Sent {
        now: NOW + 61,
        ..good
    };
    assert_eq!(
        bench.refusal(&again),
        Reason::ProofInvalid,
        "too old to be remembered"
    );
    assert_eq!(
        bench.judge(&bench.with_claim("jti", json!("proof-2"))).0,
        Ok(())
    );
}

#[test]
fn dpp_002_dpp_006_a_second_server_takes_no_other_servers_nonce() {
    let server = |secret: u8| {
        let nonces = Nonces::new(&[secret; 32]).unwrap();
        bench_with(Proofs::default().require_nonce(nonces))
    };
    let (one, mut two) = (server(1), server(2));
    two.issuer = one.issuer.clone();
    let (verdict, decision) = one.judge(&one.good());
    assert_eq!(verdict, Err(Reason::ProofNonce));
    let challenge = www_authenticate(&decision, None).unwrap();
    let challenge = challenge.to_str().unwrap();
    assert!(
        challenge.starts_with("DPoP error=\"use_dpop_nonce\""),
        "{challenge}"
    );

    let at = UnixTime::from_secs;
    let nonce = one.verifier.proofs().nonce(at(NOW)).unwrap();
    let sent = one.with_claim("nonce", json!(nonce));
    assert_eq!(one.judge(&sent).0, Ok(()));
    let of_two = two.verifier.proofs().nonce(at(NOW)).unwrap();
    let old = one.verifier.proofs().nonce(at(NOW - 301)).unwrap();
    for wrong in [json!(of_two), json!(old), json!("made-up")] {
        let sent = one.with_claim("nonce", wrong);
        assert_eq!(one.refusal(&sent), Reason::ProofNonce);
    }
}

#[test]
fn dpp_002_a_token_verified_before_needs_its_proof_every_time() {
    let mut bench = bench();
    bench.verifier = bench.verifier.with_cache(CacheSize::default());
    let good = bench.good();
    assert_eq!(bench.judge(&good).0, Ok(()));
    assert_eq!(bench.verifier.cached().0, 1);
    assert_eq!(bench.refusal(&good), Reason::ProofReplayed);
    let bare = Sent {
        proofs: Vec::new(),
        ..good.clone()
    };
    assert_eq!(bench.refusal(&bare), Reason::ProofMissing);
    let bearer = Sent {
        scheme: "Bearer",
        ..good
    };
    assert_eq!(bench.refusal(&bearer), Reason::ProofMissing);
    let next = bench.with_claim("jti", json!("proof-2"));
    assert_eq!(bench.judge(&next).0, Ok(()));
}

#[test]
fn dpp_003_the_proof_is_for_this_method_and_address() {
    let bench = bench();
    for (claim, value) in [
        ("htm", "POST"),
        ("htm", "get"),
        ("htm", "GET "),
        ("htu", "https://api.example/orders?page=2"),
        ("htu", "https://api.example/orders#x"),
        ("htu", "https://api.example/Orders"),
        ("htu", "https://api.example/orders/"),
        ("htu", "https://api.example//orders"),
        ("htu", "https://api.example/x/../orders"),
        ("htu", "https://api.example:8443/orders"),
        ("htu", "http://api.example/orders"),
        ("htu", "https://evil.example/orders"),
        ("htu", "https://api.example/orders%2F1"),
        ("htu", "/orders"),
    ] {
        let sent = bench.with_claim(claim, json!(value));
        assert_eq!(
            bench.refusal(&sent),
            Reason::ProofInvalid,
            "{claim} {value}"
        );
    }
    for (number, same) in [
        "https://api.example/orders",
        "HTTPS://API.example:443/orders",
        "https://api.example/%6Frders",
    ]
    .iter()
    .enumerate()
    {
        let mut sent = bench.good();
        let mut claims = bench.claims(&sent.token);
        claims["htu"] = json!(same);
        claims["jti"] = json!(number.to_string());
        sent.proofs = vec![proof(&bench.client, &claims)];
        assert_eq!(bench.judge(&sent).0, Ok(()), "{same}");
    }
}

#[test]
fn dpp_004_the_proof_is_for_this_token() {
    let bench = bench();
    let other = access_token_hash("another.token.text");
    for wrong in [json!(other), json!(""), json!(1), Value::Null] {
        let sent = bench.with_claim("ath", wrong);
        assert_eq!(bench.refusal(&sent), Reason::ProofInvalid);
    }
    let mut sent = bench.good();
    let mut claims = bench.claims(&sent.token);
    claims.as_object_mut().unwrap().remove("ath");
    sent.proofs = vec![proof(&bench.client, &claims)];
    assert_eq!(bench.refusal(&sent), Reason::ProofInvalid, "absent");
}

#[test]
fn dpp_005_the_proof_is_by_the_key_of_the_token() {
    let bench = bench();
    let thief = SigningKey::generate(Algorithm::Es256).unwrap();
    let good = bench.good();
    let claims = bench.claims(&good.token);
    let own = Sent {
        proofs: vec![proof(&thief, &claims)],
        ..good.clone()
    };
    assert_eq!(
        bench.refusal(&own),
        Reason::ProofInvalid,
        "the thief's own key"
    );
    let jwk = bench.client.verifying_key().to_jwk().unwrap().to_object();
    let header = json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk });
    let forged = vec![proof_with(&thief, &header, &claims)];
    let forged = Sent {
        proofs: forged,
        ..good.clone()
    };
    assert_eq!(
        bench.refusal(&forged),
        Reason::ProofInvalid,
        "the right key, not signing"
    );
    let wanted = |sent: &Sent| bench.judge(sent).1.failed_check().unwrap().wanted.clone();
    assert_eq!(wanted(&own), "the key of cnf.jkt");
    assert_eq!(wanted(&forged), "a signature by the key in the proof");
    let garbled = Sent {
        proofs: vec!["a.b.c".to_owned()],
        ..good.clone()
    };
    assert_eq!(wanted(&garbled), "a DPoP proof (RFC 9449 section 4.2)");
    assert_eq!(bench.judge(&good).0, Ok(()));
}

#[test]
fn dpp_006_the_proof_is_of_this_minute() {
    let bench = bench();
    for (iat, wanted) in [
        (json!(NOW - 61), Err(Reason::ProofInvalid)),
        (json!(NOW - 60), Ok(())),
        (json!(NOW), Err(Reason::ProofReplayed)),
        (json!(NOW + 11), Err(Reason::ProofInvalid)),
        (json!(NOW.to_string()), Err(Reason::ProofInvalid)),
    ] {
        assert_eq!(
            bench.judge(&bench.with_claim("iat", iat.clone())).0,
            wanted,
            "{iat}"
        );
    }
    let mut ahead = bench.with_claim("iat", json!(NOW + 10));
    let mut claims = bench.claims(&ahead.token);
    claims["iat"] = json!(NOW + 10);
    claims["jti"] = json!("ahead");
    ahead.proofs = vec![proof(&bench.client, &claims)];
    assert_eq!(bench.judge(&ahead).0, Ok(()));
    for later in [10, 60, 70] {
        let again = Sent {
            now: NOW + later,
            ..ahead.clone()
        };
        assert_eq!(
            bench.refusal(&again),
            Reason::ProofReplayed,
            "{later} s later"
        );
    }
}

#[test]
fn dpp_007_a_bad_header_is_no_proof() {
    let bench = bench();
    let good = bench.good();
    let claims = bench.claims(&good.token);
    let jwk = Value::Object(bench.client.verifying_key().to_jwk().unwrap().to_object());
    let mut private = jwk.clone();
    private["d"] = json!("AAAA");
    for header in [
        json!({ "typ": "dpop+jwt", "alg": "none", "jwk": jwk }),
        json!({ "typ": "dpop+jwt", "alg": "HS256", "jwk": jwk }),
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": private }),
        json!({ "typ": "dpop+jwt", "alg": "ES256" }),
        json!({ "typ": "JWT", "alg": "ES256", "jwk": jwk }),
        json!({ "alg": "ES256", "jwk": jwk }),
    ] {
        let proofs = vec![proof_with(&bench.client, &header, &claims)];
        let sent = Sent {
            proofs,
            ..good.clone()
        };
        assert_eq!(bench.refusal(&sent), Reason::ProofInvalid, "{header}");
    }
    for text in ["", ".", "a.b.c", &good.token, &"a".repeat(5000)] {
        let sent = Sent {
            proofs: vec![text.to_owned()],
            ..good.clone()
        };
        assert_eq!(bench.refusal(&sent), Reason::ProofInvalid, "{text}");
    }
    let usual = Proofs::default();
    let asymmetric = Algorithm::ALL.iter().filter(|it| !it.is_symmetric());
    assert!(usual.accepted_algorithms().iter().eq(asymmetric));
    let only_ed25519 = usual.algorithms([Algorithm::Ed25519]);
    assert_eq!(only_ed25519.accepted_algorithms(), [Algorithm::Ed25519]);
    let strict = bench_with(only_ed25519);
    assert_eq!(strict.refusal(&strict.good()), Reason::ProofInvalid);
}

#[test]
fn dpp_008_a_full_memory_refuses_rather_than_forgets() {
    // One place in each division.
    let bench = bench_with(Proofs::new(Replays::with_capacity(64)));
    assert_eq!(bench.judge(&bench.good()).0, Ok(()));
    let another = bench.with_claim("jti", json!("proof-2"));
    let (verdict, decision) = bench.judge(&another);
    assert_eq!(verdict, Err(Reason::Overloaded));
    assert_eq!(decision.reason.status(), 503);
    assert_eq!(bench.refusal(&bench.good()), Reason::ProofReplayed);
    let later = Sent {
        now: NOW + 61,
        ..bench.with_claim("iat", json!(NOW + 61))
    };
    assert_eq!(
        bench.judge(&later).0,
        Ok(()),
        "the first is too old to come back"
    );
}

#[test]
fn a_token_of_a_certificate_needs_that_certificate() {
    let bench = bench();
    let confirmation = json!({ "x5t#S256": base64url::encode([7; 32]) });
    let sent = Sent {
        scheme: "Bearer",
        token: bench.token(Some(confirmation)),
        proofs: Vec::new(),
        certificate: Some([7; 32]),
        ..bench.good()
    };
    assert_eq!(bench.judge(&sent).0, Ok(()));
    for certificate in [None, Some([8; 32])] {
        let other = Sent {
            certificate,
            ..sent.clone()
        };
        assert_eq!(bench.refusal(&other), Reason::CertificateMismatch);
    }
}

#[test]
fn a_token_with_two_bindings_needs_both_and_an_unknown_one_is_refused() {
    let bench = bench();
    let both = json!({
        "jkt": thumbprint(&bench.client),
        "x5t#S256": base64url::encode([7; 32]),
    });
    let token = bench.token(Some(both));
    let proofs = vec![proof(&bench.client, &bench.claims(&token))];
    let certificate = Some([7; 32]);
    let sent = Sent {
        token,
        proofs,
        certificate,
        ..bench.good()
    };
    let without = Sent {
        certificate: None,
        ..sent.clone()
    };
    assert_eq!(bench.refusal(&without), Reason::CertificateMismatch);
    let bearer = Sent {
        scheme: "Bearer",
        ..sent
    };
    assert_eq!(bench.refusal(&bearer), Reason::ProofMissing);
    for unknown in [
        json!({}),
        json!({ "kid": "a" }),
        json!({ "jwk": {} }),
        json!({ "jkt": 1 }),
        json!({ "jkt": thumbprint(&bench.client), "kid": "a" }),
    ] {
        let token = bench.token(Some(unknown.clone()));
        let proofs = vec![proof(&bench.client, &bench.claims(&token))];
        for scheme in ["DPoP", "Bearer"] {
            let sent = Sent {
                scheme,
                token: token.clone(),
                proofs: proofs.clone(),
                ..bench.good()
            };
            assert_eq!(
                bench.refusal(&sent),
                Reason::ProofMissing,
                "{scheme} {unknown}"
            );
        }
    }
}

#[test]
fn a_proof_does_not_help_a_bad_token() {
    let bench = bench();
    let mut sent = bench.good();
    sent.now = NOW + 3600 + 31;
    assert_eq!(bench.refusal(&sent), Reason::TokenExpired);
    let forged = SigningKey::generate(Algorithm::Es256).unwrap();
    let foreign = Bench {
        issuer: forged,
        ..bench_with(Proofs::default())
    };
    assert_eq!(bench.refusal(&foreign.good()), Reason::UnknownKey);
}
