//! A token that was verified before touches the heap no more, and one that was
//! not only for what its caller keeps. One test in a program of its own: the
//! allocator counts for all threads.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::alloc::System;

use doorward_jose::{
    algorithm::Algorithm,
    claims::{AccessClaims, RequiredClaims},
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    validation::Validation,
};
use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::{
    key_source::KeySource,
    revocation::{Entry, Revocation, RevocationSet},
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};
use http::{HeaderMap, header::AUTHORIZATION};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const NOW: UnixTime = UnixTime::from_secs(1_800_000_000);

fn claims() -> AccessClaims {
    let claims = AccessClaims::new(RequiredClaims {
        issuer: "https://id.example".to_owned(),
        subject: "user-1".to_owned(),
        audience: "https://api.example".to_owned(),
        client_id: "web".to_owned(),
        token_id: "token-1".to_owned(),
        issued_at: NOW,
        lifetime_seconds: 300,
    });
    claims.session("s-1").tenant("acme").roles(["reader"])
}

#[test]
fn allocations_are_what_is_kept() {
    a_miss_allocates_for_what_is_kept_and_told();
    a_hit_allocates_nothing();
}

/// A stranger's token costs the words of its refusal, a good one its claims;
/// finding the issuer among several costs nothing.
fn a_miss_allocates_for_what_is_kept_and_told() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
    let trusted = |issuer: &str| {
        let validation = Validation::issuer(issuer)
            .audience("https://api.example")
            .algorithms([Algorithm::Es256]);
        TrustedIssuer::new(validation, keys.clone())
    };
    let issuers = vec![
        trusted("https://else.example"),
        trusted("https://id.example"),
    ];
    let verifier = Verifier::new(issuers, RevocationSet::new());
    let token = key.sign("at+jwt", &claims()).unwrap();
    let forged = format!("{}AAAA", &token[..token.len() - 4]);
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 1, "GET", "/");
    let mut allocations = |token: &str| {
        decision.checks.clear();
        let region = Region::new(ALLOCATOR);
        let verdict = verifier.verify(token, NOW, &mut decision);
        (verdict.is_ok(), region.change().allocations)
    };
    assert!(allocations(&token).0, "brings the memory of this thread");
    let (is_good, count) = allocations(&token);
    assert!(is_good && count <= 24, "claims, caller and lines: {count}");
    let (is_good, count) = allocations(&forged);
    assert!(!is_good && count <= 2, "only the lines: {count}");
}

fn a_hit_allocates_nothing() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = key.sign("at+jwt", &claims()).unwrap();
    let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
    let validation = Validation::issuer("https://id.example")
        .audience("https://api.example")
        .algorithms([Algorithm::Es256]);
    let revocations = RevocationSet::new();
    let trusted = TrustedIssuer::new(validation, keys);
    let verifier =
        Verifier::new(vec![trusted], revocations.clone()).with_cache(CacheSize::default());
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), 1, "GET", "/");
    let field = format!("Bearer {token}").parse().unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, field)]);
    let mut allocations = || {
        decision.checks.clear();
        let region = Region::new(ALLOCATOR);
        verifier
            .verify_bearer(&headers, NOW, &mut decision)
            .unwrap();
        verifier.verify(&token, NOW, &mut decision).unwrap();
        region.change().allocations
    };
    assert!(allocations() > 0, "the first time it is read and kept");
    for n in 0..10 {
        assert_eq!(allocations(), 0);
        // Nor when the revocations have to be asked.
        let sid = format!("other-{n}");
        let revocation = Revocation::Session { sid };
        revocations.insert(Entry {
            revocation,
            expires_at: NOW.saturating_add(360),
        });
    }
}
