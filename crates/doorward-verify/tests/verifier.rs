//! The verifier from bearer to principal, with real keys and a turned clock.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::sync::Arc;

use doorward_jose::{
    algorithm::Algorithm,
    base64url,
    claims::{AccessClaims, RequiredClaims},
    dangerous,
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    validation::Validation,
};
use doorward_policy::{
    decision::{Decision, Outcome, Reason, Step, TraceId},
    permission::{Permission, PermissionPattern},
    permit::Subject as _,
};
use doorward_verify::{
    claim_mapping::{ClaimMapping, Granted},
    key_source::KeySource,
    principal::Principal,
    revocation::{Entry, Revocation, RevocationSet},
    verifier::{TrustedIssuer, Verifier},
};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
const NOW: u64 = 1_800_000_000;

struct Bench {
    key: SigningKey,
    keys: KeySource,
    revocations: Arc<RevocationSet>,
    verifier: Verifier,
}

fn trusted(issuer: &str, keys: &KeySource) -> TrustedIssuer {
    let validation = Validation::issuer(issuer)
        .audience(AUDIENCE)
        .algorithms([Algorithm::Es256]);
    TrustedIssuer::new(validation, keys.clone())
}

fn key_source(key: &SigningKey) -> KeySource {
    KeySource::fixed(KeySet::from_iter([key.verifying_key()]))
}

fn bench() -> Bench {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = key_source(&key);
    let revocations = RevocationSet::new();
    let verifier = Verifier::new(vec![trusted(ISSUER, &keys)], Arc::clone(&revocations));
    Bench {
        key,
        keys,
        revocations,
        verifier,
    }
}

fn claims(issuer: &str, issued_at: u64) -> AccessClaims {
    AccessClaims::new(RequiredClaims {
        issuer: issuer.to_owned(),
        subject: "user-1".to_owned(),
        audience: AUDIENCE.to_owned(),
        client_id: "doorward".to_owned(),
        token_id: "token-1".to_owned(),
        issued_at: UnixTime::from_secs(issued_at),
        lifetime_seconds: 300,
    })
    .session("session-1")
    .tenant("acme")
    .roles(["reader"])
    .permissions(["orders:read", "reports:*"])
}

fn sign(key: &SigningKey, claims: &AccessClaims) -> String {
    key.sign("at+jwt", claims).unwrap()
}

fn verify(verifier: &Verifier, token: &str, now: u64) -> (Result<Principal, Reason>, Decision) {
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now * 1000, "GET", "/");
    let verdict = verifier.verify(token, UnixTime::from_secs(now), &mut decision);
    (verdict, decision)
}

#[test]
fn a_good_token_becomes_a_principal_and_every_check_is_written() {
    let bench = bench();
    let (verdict, decision) = verify(
        &bench.verifier,
        &sign(&bench.key, &claims(ISSUER, NOW)),
        NOW,
    );
    let principal = verdict.unwrap();
    assert_eq!(principal.subject(), "user-1");
    assert_eq!(principal.tenant(), Some("acme"));
    assert!(principal.holds(&Permission::parse("reports:write").unwrap()));
    assert!(!principal.holds(&Permission::parse("orders:delete").unwrap()));
    let steps: Vec<_> = decision.checks.iter().map(|check| check.step).collect();
    let wanted = [
        Step::Token,
        Step::Signature,
        Step::Audience,
        Step::Time,
        Step::Revocation,
    ];
    assert_eq!(steps, wanted);
    assert!(decision.proven && decision.checks.iter().all(|check| check.passed));
}

/// A route's `where` compares a claim with the path: each name must stand for
/// its own claim and no other.
#[test]
fn auz_003_auz_004_a_condition_reads_the_claim_that_it_names() {
    let bench = bench();
    let claims = claims(ISSUER, NOW).acr("urn:doorward:password");
    let mut claims = serde_json::to_value(claims).unwrap();
    claims["department"] = "sales".into();
    claims["level"] = 7.into();
    let token = bench.key.sign("at+jwt", &claims).unwrap();
    let (verdict, decision) = verify(&bench.verifier, &token, NOW);
    let principal = verdict.unwrap();
    for (name, value) in [
        ("sub", "user-1"),
        ("tenant", "acme"),
        ("sid", "session-1"),
        ("client_id", "doorward"),
        ("iss", ISSUER),
        ("jti", "token-1"),
        ("acr", "urn:doorward:password"),
        ("department", "sales"),
    ] {
        assert_eq!(principal.claim(name).as_deref(), Some(value), "{name}");
    }
    for absent in ["level", "subject", "aud", ""] {
        assert_eq!(principal.claim(absent), None, "{absent}");
    }
    assert_eq!(principal.held(), "orders:read, reports:*");
    assert_eq!(principal.session_id(), Some("session-1"));
    assert_eq!(principal.token_id(), "token-1");
    assert_eq!(principal.key_id(), Some(bench.key.key_id()));
    assert_eq!(principal.roles(), ["reader"]);
    assert_eq!(principal.expires_at(), UnixTime::from_secs(NOW + 300));
    let told = decision.caller.unwrap();
    assert_eq!(*told, principal.caller());
    assert_eq!(told.session.as_deref(), Some("session-1"));
    assert_eq!(told.key_id.as_deref(), Some(bench.key.key_id()));
}

#[test]
fn clm_001_an_expired_token_is_refused_and_its_owner_may_know() {
    let bench = bench();
    let token = sign(&bench.key, &claims(ISSUER, NOW));
    let (verdict, _) = verify(&bench.verifier, &token, NOW + 300 + 29);
    assert!(verdict.is_ok(), "inside the leeway");
    let (verdict, decision) = verify(&bench.verifier, &token, NOW + 300 + 31);
    assert_eq!(verdict.unwrap_err(), Reason::TokenExpired);
    assert!(decision.proven, "signature, issuer and audience held");
    assert_eq!(decision.outcome, Outcome::Denied);
}

#[test]
fn a_forged_expired_token_proves_nothing() {
    let bench = bench();
    let foreign = SigningKey::generate(Algorithm::Es256)
        .unwrap()
        .with_key_id(bench.key.key_id())
        .unwrap();
    let token = sign(&foreign, &claims(ISSUER, NOW - 10_000));
    let (verdict, decision) = verify(&bench.verifier, &token, NOW);
    assert_eq!(verdict.unwrap_err(), Reason::BadSignature);
    assert!(!decision.proven && decision.caller.is_none());
}

#[test]
fn clm_009_a_key_of_one_issuer_never_vouches_for_another() {
    let (a, b) = (bench(), bench());
    let other = "https://other.example";
    let issuers = vec![trusted(ISSUER, &a.keys), trusted(other, &b.keys)];
    let verifier = Verifier::new(issuers, RevocationSet::new());
    let good = sign(&b.key, &claims(other, NOW));
    assert!(verify(&verifier, &good, NOW).0.is_ok());
    let forged = sign(&a.key, &claims(other, NOW));
    assert_eq!(
        verify(&verifier, &forged, NOW).0.unwrap_err(),
        Reason::UnknownKey
    );
    // KEY-010: the same kid at both issuers.
    let same_kid = SigningKey::generate(Algorithm::Es256)
        .unwrap()
        .with_key_id(b.key.key_id())
        .unwrap();
    let forged = sign(&same_kid, &claims(other, NOW));
    assert_eq!(
        verify(&verifier, &forged, NOW).0.unwrap_err(),
        Reason::BadSignature
    );
    let unknown = sign(&a.key, &claims("https://third.example", NOW));
    assert_eq!(
        verify(&verifier, &unknown, NOW).0.unwrap_err(),
        Reason::WrongIssuer
    );
}

#[test]
fn clm_021_a_bound_token_is_not_taken_as_plain_bearer() {
    let bench = bench();
    let mut proof = serde_json::Map::new();
    proof.insert("jkt".to_owned(), "thumbprint".into());
    let token = sign(&bench.key, &claims(ISSUER, NOW).confirmation(proof));
    assert_eq!(
        verify(&bench.verifier, &token, NOW).0.unwrap_err(),
        Reason::ProofMissing
    );
}

/// A good signature of any header and payload.
fn signed(key: &SigningKey, header: &str, payload: &str) -> String {
    let input = format!(
        "{}.{}",
        base64url::encode(header),
        base64url::encode(payload)
    );
    let signature = dangerous::sign(key, input.as_bytes()).unwrap();
    format!("{input}.{}", base64url::encode(signature))
}

/// Step, reason and what was wanted, one row for each way to fail.
#[test]
fn each_way_a_token_fails_is_told_by_its_own_reason() {
    use Reason::{
        AlgorithmNotAllowed, BadSignature, ClaimMalformed, ClaimMissing, TokenExpired,
        TokenLifetime, TokenMalformed, TokenNotYetValid, TokenTooLarge, UnknownKey,
        UnsupportedHeader, WrongAudience, WrongIssuer, WrongTokenType,
    };
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let validation = Validation::issuer(ISSUER)
        .audience(AUDIENCE)
        .algorithms([Algorithm::Es256])
        .max_lifetime_seconds(300);
    let issuer = TrustedIssuer::new(validation, key_source(&key));
    let verifier = Verifier::new(vec![issuer], RevocationSet::new());

    let good = serde_json::to_value(claims(ISSUER, NOW)).unwrap();
    let header = |more: &str| format!(r#"{{"alg":"ES256","typ":"at+jwt"{more}}}"#);
    let with_header = |header: &str| signed(&key, header, &good.to_string());
    let with = |name: &str, value: serde_json::Value| {
        let mut claims = good.clone();
        claims[name] = value;
        signed(&key, &header(""), &claims.to_string())
    };
    let mut without = good.clone();
    without.as_object_mut().unwrap().remove("jti");
    let without = signed(&key, &header(""), &without.to_string());
    let forged = other.clone().with_key_id(key.key_id()).unwrap();
    let (list, safe) = (
        "an algorithm on the issuer's list",
        "a header without crit, b64, zip or enc",
    );
    let (form, inside) = (
        "a well-formed access token (RFC 9068)",
        "a token inside its lifetime",
    );
    for (token, step, reason, wanted) in [
        (
            "a".repeat(9000),
            Step::Token,
            TokenTooLarge,
            "at most 8 KiB",
        ),
        ("a.b.c".to_owned(), Step::Token, TokenMalformed, form),
        (
            with_header(r#"{"alg":"none"}"#),
            Step::Token,
            AlgorithmNotAllowed,
            list,
        ),
        (
            with_header(&header(r#","crit":["x"]"#)),
            Step::Token,
            UnsupportedHeader,
            safe,
        ),
        (
            with_header(&header(r#","jku":"x""#)),
            Step::Token,
            UnsupportedHeader,
            safe,
        ),
        (
            with_header(&header(r#","kid":"unknown""#)),
            Step::Signature,
            UnknownKey,
            "a published key of this issuer for this algorithm",
        ),
        (
            sign(&forged, &claims(ISSUER, NOW)),
            Step::Signature,
            BadSignature,
            "a signature by a published key",
        ),
        (
            with_header(r#"{"alg":"ES256","typ":"JWT"}"#),
            Step::Token,
            WrongTokenType,
            "typ at+jwt",
        ),
        (without, Step::Token, ClaimMissing, form),
        (with("sub", 1.into()), Step::Token, ClaimMalformed, form),
        (
            with("iss", "b".into()),
            Step::Audience,
            WrongIssuer,
            "the trusted issuer",
        ),
        (
            with("aud", "b".into()),
            Step::Audience,
            WrongAudience,
            "this gateway's audience",
        ),
        (
            sign(&key, &claims(ISSUER, NOW - 400)),
            Step::Time,
            TokenExpired,
            inside,
        ),
        (
            with("nbf", (NOW + 31).into()),
            Step::Time,
            TokenNotYetValid,
            inside,
        ),
        (
            sign(&key, &claims(ISSUER, NOW + 31)),
            Step::Time,
            TokenNotYetValid,
            inside,
        ),
        (
            with("exp", (NOW + 301).into()),
            Step::Time,
            TokenLifetime,
            form,
        ),
    ] {
        let (verdict, decision) = verify(&verifier, &token, NOW);
        assert_eq!(verdict.unwrap_err(), reason, "{token}");
        let check = decision.failed_check().unwrap();
        assert_eq!((check.step, &*check.wanted), (step, wanted), "{token}");
        assert!(!check.seen.is_empty());
        assert_eq!(decision.proven, step == Step::Time, "{token}");
    }
}

/// What a token says is shown to operators cut and made safe to print.
#[test]
fn a_refusal_shows_what_was_seen_and_a_success_what_is_left() {
    let bench = bench();
    let seen = |token: &str, now: u64, step: Step| {
        let (_, decision) = verify(&bench.verifier, token, now);
        let check = decision
            .checks
            .iter()
            .rev()
            .find(|check| check.step == step);
        check.unwrap().seen.to_string()
    };
    let good = sign(&bench.key, &claims(ISSUER, NOW));
    let kid = bench.key.key_id();
    assert_eq!(
        seen(&good, NOW, Step::Signature),
        format!("good, kid {kid}")
    );
    assert_eq!(seen(&good, NOW + 59, Step::Time), "expires in 4 min 1 s");
    let late = seen(&good, NOW + 310, Step::Time);
    assert_eq!(late, "expired 10 s ago, inside the leeway");
    let long = format!("\u{202e}{}", "a".repeat(100));
    let foreign = sign(&bench.key, &claims(&long, NOW));
    let shown = seen(&foreign, NOW, Step::Audience);
    assert_eq!(shown, format!("\\u{{202e}}{}", "a".repeat(79)));
    let nameless = r#"{"alg":"ES384","typ":"at+jwt"}"#;
    let nameless = signed(&bench.key, nameless, "{}");
    assert_eq!(seen(&nameless, NOW, Step::Signature), "kid absent, ES384");
}

/// A token that names no key is tried with each of its algorithm, and what is
/// wrong with it is told by the key that signed it.
#[test]
fn hdr_009_a_token_without_key_id_is_judged_by_the_key_that_signed_it() {
    let bench = bench();
    let text = |claims: &AccessClaims| {
        let payload = serde_json::to_string(claims).unwrap();
        signed(&bench.key, r#"{"alg":"ES256","typ":"at+jwt"}"#, &payload)
    };
    let (good, old) = (claims(ISSUER, NOW), claims(ISSUER, NOW - 1000));
    let other = || {
        SigningKey::generate(Algorithm::Es256)
            .unwrap()
            .verifying_key()
    };
    let ours = bench.key.verifying_key();
    for keys in [[other(), ours.clone()], [ours, other()]] {
        bench.keys.replace(KeySet::from_iter(keys));
        let verdict = verify(&bench.verifier, &text(&good), NOW).0;
        assert_eq!(verdict.unwrap().key_id(), Some(bench.key.key_id()));
        let (verdict, decision) = verify(&bench.verifier, &text(&old), NOW);
        assert_eq!(verdict.unwrap_err(), Reason::TokenExpired);
        assert!(decision.proven);
    }
    bench.keys.replace(KeySet::from_iter([other(), other()]));
    let (verdict, decision) = verify(&bench.verifier, &text(&good), NOW);
    assert_eq!(verdict.unwrap_err(), Reason::BadSignature);
    assert!(!decision.proven);
}

#[test]
fn hdr_009_a_removed_key_is_unknown_at_once() {
    let bench = bench();
    let token = sign(&bench.key, &claims(ISSUER, NOW));
    assert!(verify(&bench.verifier, &token, NOW).0.is_ok());
    bench.keys.replace(KeySet::from_iter([]));
    assert_eq!(
        verify(&bench.verifier, &token, NOW).0.unwrap_err(),
        Reason::UnknownKey
    );
}

#[test]
fn every_kind_of_revocation_ends_the_token() {
    let before = UnixTime::from_secs(NOW + 1);
    type Make = fn(UnixTime, String) -> Revocation;
    let kinds: [(Make, Reason); 7] = [
        (
            |_, _| Revocation::Token {
                jti: "token-1".into(),
            },
            Reason::TokenRevoked,
        ),
        (
            |_, _| Revocation::Session {
                sid: "session-1".into(),
            },
            Reason::SessionRevoked,
        ),
        (
            |issued_before, _| Revocation::User {
                sub: "user-1".into(),
                issued_before,
            },
            Reason::UserChanged,
        ),
        (
            |issued_before, _| Revocation::Client {
                client_id: "doorward".into(),
                issued_before,
            },
            Reason::ClientRevoked,
        ),
        (
            |issued_before, _| Revocation::Tenant {
                tenant: "acme".into(),
                issued_before,
            },
            Reason::TenantRevoked,
        ),
        (|_, kid| Revocation::Key { kid }, Reason::KeyRevoked),
        (
            |issued_before, _| Revocation::Everything { issued_before },
            Reason::TokenRevoked,
        ),
    ];
    for (revocation, reason) in kinds {
        let bench = bench();
        let token = sign(&bench.key, &claims(ISSUER, NOW));
        assert!(verify(&bench.verifier, &token, NOW).0.is_ok());
        let expires_at = UnixTime::from_secs(NOW + 330);
        let revocation = revocation(before, bench.key.key_id().to_owned());
        bench.revocations.insert(Entry {
            revocation,
            expires_at,
        });
        assert_eq!(verify(&bench.verifier, &token, NOW).0.unwrap_err(), reason);
    }
}

#[test]
fn clm_028_a_watermark_spares_tokens_issued_at_or_after_it() {
    let bench = bench();
    let revocation = Revocation::User {
        sub: "user-1".into(),
        issued_before: UnixTime::from_secs(NOW + 1),
    };
    bench.revocations.insert(Entry {
        revocation,
        expires_at: UnixTime::from_secs(NOW + 400),
    });
    let old = sign(&bench.key, &claims(ISSUER, NOW));
    let new = sign(&bench.key, &claims(ISSUER, NOW + 1));
    assert_eq!(
        verify(&bench.verifier, &old, NOW).0.unwrap_err(),
        Reason::UserChanged
    );
    assert!(verify(&bench.verifier, &new, NOW).0.is_ok());
}

#[test]
fn rev_012_entries_die_with_the_last_token_they_could_match() {
    let set = RevocationSet::new();
    for n in 0..100 {
        let revocation = Revocation::Session {
            sid: format!("s{n}"),
        };
        set.insert(Entry {
            revocation,
            expires_at: UnixTime::from_secs(NOW + n),
        });
    }
    assert_eq!(set.len(), 100);
    assert_eq!(set.sweep(UnixTime::from_secs(NOW + 49)), 50);
    assert_eq!(set.len(), 50);
}

#[test]
fn a_second_entry_only_widens_the_first() {
    let bench = bench();
    let user = |seconds| Revocation::User {
        sub: "user-1".into(),
        issued_before: UnixTime::from_secs(seconds),
    };
    let insert = |seconds, expires| {
        let expires_at = UnixTime::from_secs(expires);
        bench.revocations.insert(Entry {
            revocation: user(seconds),
            expires_at,
        });
    };
    insert(NOW + 10, NOW + 400);
    insert(NOW - 10, NOW + 100);
    bench.revocations.sweep(UnixTime::from_secs(NOW + 200));
    let token = sign(&bench.key, &claims(ISSUER, NOW));
    assert_eq!(
        verify(&bench.verifier, &token, NOW).0.unwrap_err(),
        Reason::UserChanged
    );
}

#[test]
fn clm_012_clm_013_tokens_made_for_something_else_are_refused() {
    let bench = bench();
    for typ in [
        "JWT",
        "id_token+jwt",
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
    ] {
        let token = bench.key.sign(typ, &claims(ISSUER, NOW)).unwrap();
        let (verdict, decision) = verify(&bench.verifier, &token, NOW);
        assert_eq!(verdict.unwrap_err(), Reason::WrongTokenType, "{typ}");
        assert!(!decision.proven);
    }
}

/// What one token leaves in a thread's memory must not show in the next one's
/// verdict, nor in the words of a refusal.
#[test]
fn a_used_thread_decides_as_a_fresh_one() {
    let (a, b) = (bench(), bench());
    let other = "https://other.example";
    let issuers = vec![trusted(ISSUER, &a.keys), trusted(other, &b.keys)];
    let verifier = Verifier::new(issuers, RevocationSet::new());
    let good = [
        sign(&a.key, &claims(ISSUER, NOW)),
        sign(&b.key, &claims(other, NOW)),
    ];
    let cut = |token: &str, at: usize| token[..token.len() - at].to_owned();
    let [header, _, signature] = good[0].split('.').collect::<Vec<_>>()[..] else {
        panic!("three parts");
    };
    let swapped = format!(
        "{header}.{}.{signature}",
        good[1].split('.').nth(1).unwrap()
    );
    let bad = [
        swapped,
        cut(&good[0], 1),
        cut(&good[1], 40),
        format!("{}A", good[0]),
        format!("{header}.e30.{signature}"),
        format!("{header}.!.{signature}"),
        format!("{header}.."),
        "a.b.c".to_owned(),
        String::new(),
        "x".repeat(9000),
        sign(&a.key, &claims("https://third.example", NOW)),
        sign(&a.key, &claims(other, NOW)),
        sign(&b.key, &claims(other, NOW - 1000)),
        sign(&a.key, &claims(ISSUER, NOW + 1000)),
        a.key.sign("JWT", &claims(ISSUER, NOW)).unwrap(),
        a.key
            .sign("at+jwt", &serde_json::json!({ "iss": ISSUER }))
            .unwrap(),
    ];
    let told = |token: &str| verify(&verifier, token, NOW).1;
    let fresh = |token: &str| std::thread::scope(|scope| scope.spawn(|| told(token)).join());
    for token in good.iter().chain(&bad).chain(&good) {
        assert_eq!(told(token), fresh(token).unwrap(), "{token}");
        assert_eq!(told(&good[0]).outcome, told(&good[1]).outcome);
    }
}

#[test]
fn clm_009_of_another_issuers_claims_only_those_of_its_mapping_grant_anything() {
    let bench = bench();
    let mapped = |mapping| {
        let trusted = trusted(ISSUER, &bench.keys).mapped(mapping);
        Verifier::new(vec![trusted], RevocationSet::new())
    };
    let claims = claims(ISSUER, NOW)
        .permissions(["orders:read", "orders:*", "*"])
        .scope("orders:write profile");
    let token = sign(&bench.key, &claims);
    let held = |mapping: ClaimMapping, permission: &str| {
        let principal = verify(&mapped(mapping), &token, NOW).0.unwrap();
        assert_eq!(principal.foreign_issuer(), Some(ISSUER));
        principal.holds(&Permission::parse(permission).unwrap())
    };
    let nothing = ClaimMapping::nothing;
    assert!(!held(nothing(), "orders:read"));
    assert!(held(nothing().permissions_in("scope"), "orders:write"));
    assert!(!held(nothing().permissions_in("scope"), "orders:read"));
    assert!(held(nothing().permissions_in("permissions"), "orders:read"));
    assert!(!held(
        nothing().permissions_in("permissions"),
        "orders:delete"
    ));
    let reports = vec![PermissionPattern::parse("reports:*").unwrap()];
    let granted = Granted::from([("reader".to_owned(), reports.clone())]);
    assert!(held(nothing().roles_in("roles", granted), "reports:read"));
    let others = Granted::from([("writer".to_owned(), reports)]);
    assert!(!held(nothing().roles_in("roles", others), "reports:read"));
    let principal = verify(&mapped(nothing()), &token, NOW).0.unwrap();
    assert!(principal.roles().is_empty() && principal.tenant().is_none());
    assert_eq!(principal.claim("tenant"), None);
    let named = nothing()
        .tenant_in("tenant")
        .roles_in("/roles", Granted::new());
    let principal = verify(&mapped(named), &token, NOW).0.unwrap();
    assert_eq!(principal.tenant(), Some("acme"));
}

/// `where = { sub = "{id}" }` must not open a user's path to another issuer's
/// user of the same name.
#[test]
fn clm_009_of_another_issuers_claims_only_those_that_are_named_are_compared() {
    let bench = bench();
    let signed_in = UnixTime::from_secs(NOW - 60);
    let claims = claims(ISSUER, NOW).authentication(signed_in, ["pwd"]);
    let token = sign(&bench.key, &claims);
    let principal = |trusted: TrustedIssuer| {
        let verifier = Verifier::new(vec![trusted], RevocationSet::new());
        verify(&verifier, &token, NOW).0.unwrap()
    };
    let ours = principal(trusted(ISSUER, &bench.keys));
    let theirs = |mapping| principal(trusted(ISSUER, &bench.keys).mapped(mapping));
    let stranger = theirs(ClaimMapping::nothing());
    for claim in ["sub", "client_id", "jti"] {
        assert!(ours.claim(claim).is_some(), "{claim}");
        assert_eq!(stranger.claim(claim), None, "{claim}");
    }
    assert_eq!(stranger.claim("iss").as_deref(), Some(ISSUER));
    let named = theirs(ClaimMapping::nothing().compared(["sub"]));
    assert_eq!(named.claim("sub"), ours.claim("sub"));
    assert_eq!(named.claim("client_id"), None);
    // How lately somebody signed in elsewhere counts where that is named, too.
    assert_eq!(ours.auth_time(), Some(NOW - 60));
    assert_eq!(named.auth_time(), None);
    let timed = theirs(ClaimMapping::nothing().compared(["auth_time"]));
    assert_eq!(timed.auth_time(), Some(NOW - 60));
    let client = theirs(ClaimMapping::nothing().tenant_in("client_id"));
    assert_eq!(client.tenant(), ours.claim("client_id").as_deref());
}

/// Two issuers may give the same id to a token.
#[test]
fn rev_002_what_one_issuer_revokes_says_nothing_of_anothers_tokens() {
    let (ours, theirs) = (bench(), bench());
    let other = "https://other.example";
    let own_set = RevocationSet::new();
    let issuers = vec![
        trusted(ISSUER, &ours.keys),
        trusted(other, &theirs.keys).with_revocations(Arc::clone(&own_set)),
    ];
    let verifier = Verifier::new(issuers, Arc::clone(&ours.revocations));
    let tokens = [
        sign(&ours.key, &claims(ISSUER, NOW)),
        sign(&theirs.key, &claims(other, NOW)),
    ];
    let verdicts = || {
        tokens
            .each_ref()
            .map(|token| verify(&verifier, token, NOW).0.is_ok())
    };
    assert_eq!(verdicts(), [true, true]);
    let entry = || Entry {
        revocation: Revocation::Token {
            jti: "token-1".into(),
        },
        expires_at: UnixTime::from_secs(NOW + 330),
    };
    ours.revocations.insert(entry());
    assert_eq!(verdicts(), [false, true]);
    own_set.insert(entry());
    assert_eq!(verdicts(), [false, false]);
}
