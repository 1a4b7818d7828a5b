//! A token that was verified before is good again only if everything that can
//! change still holds.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::sync::Arc;

use doorward_jose::{
    algorithm::Algorithm,
    claims::{AccessClaims, RequiredClaims},
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    validation::Validation,
};
use doorward_policy::decision::{Decision, Outcome, Reason, Step, TraceId};
use doorward_policy::permission::PermissionPattern;
use doorward_verify::{
    key_source::KeySource,
    principal::Principal,
    revocation::{Entry, Revocation, RevocationSet},
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier, was_verified_before},
};
use http::{HeaderMap, header::AUTHORIZATION};

const ISSUER: &str = "https://id.example";
const AUDIENCE: &str = "https://api.example";
const NOW: u64 = 1_800_000_000;

struct House {
    key: SigningKey,
    keys: KeySource,
    revocations: Arc<RevocationSet>,
    verifier: Verifier,
}

fn trusted(audience: &str, keys: &KeySource) -> TrustedIssuer {
    let validation = Validation::issuer(ISSUER)
        .audience(audience)
        .algorithms([Algorithm::Es256, Algorithm::Hs256]);
    TrustedIssuer::new(validation, keys.clone())
}

fn house() -> House {
    house_with(Verifier::with_cache)
}

fn house_with(cached: impl Fn(Verifier, CacheSize) -> Verifier) -> House {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
    let revocations = RevocationSet::new();
    let verifier = Verifier::new(vec![trusted(AUDIENCE, &keys)], Arc::clone(&revocations));
    House {
        key,
        keys,
        revocations,
        verifier: cached(verifier, CacheSize::default()),
    }
}

fn claims(n: u64) -> AccessClaims {
    AccessClaims::new(RequiredClaims {
        issuer: ISSUER.to_owned(),
        subject: format!("user-{n}"),
        audience: AUDIENCE.to_owned(),
        client_id: "web".to_owned(),
        token_id: format!("token-{n}"),
        issued_at: UnixTime::from_secs(NOW),
        lifetime_seconds: 300,
    })
    .session(format!("session-{n}"))
    .tenant("acme")
}

impl House {
    fn token(&self, n: u64) -> String {
        self.key.sign("at+jwt", &claims(n)).unwrap()
    }

    /// What is remembered is known by the bytes that are sent, too, and told in
    /// the same words.
    fn verify(&self, token: &str, now: u64) -> (Result<Principal, Reason>, Decision) {
        let aimed = self.verifier.aimed_at(None);
        let is_remembered = aimed.remembers(token, UnixTime::from_secs(now));
        let sent = is_remembered.then(|| verify_sent(&self.verifier, token, now));
        let (verdict, decision) = verify(&self.verifier, token, now);
        assert_eq!(is_remembered, is_hit(&decision));
        if let Some((sent, mut told)) = sent {
            assert_eq!(sent.err(), verdict.as_ref().err().copied());
            assert_eq!(told.checks.remove(0).step, Step::Credential);
            assert_eq!(told, decision);
        }
        (verdict, decision)
    }

    fn revoke(&self, revocation: Revocation) {
        self.revocations.insert(Entry {
            revocation,
            expires_at: UnixTime::from_secs(NOW + 400),
        });
    }

    /// Verified, and seen to come from the cache the second time.
    fn remembered(&self, n: u64) -> String {
        let token = self.token(n);
        let (verdict, decision) = self.verify(&token, NOW);
        assert!(verdict.is_ok() && !is_hit(&decision));
        let (verdict, decision) = self.verify(&token, NOW);
        assert!(verdict.is_ok() && is_hit(&decision));
        token
    }
}

fn verify(verifier: &Verifier, token: &str, now: u64) -> (Result<Principal, Reason>, Decision) {
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now * 1000, "GET", "/");
    let verdict = verifier.verify(token, UnixTime::from_secs(now), &mut decision);
    (verdict, decision)
}

/// As [`verify`], of the token as a request sends it.
fn verify_sent(
    verifier: &Verifier,
    token: &str,
    now: u64,
) -> (Result<Principal, Reason>, Decision) {
    let mut decision = Decision::new(TraceId::from_bytes([1; 16]), now * 1000, "GET", "/");
    let field = format!("Bearer {token}").parse().unwrap();
    let headers = HeaderMap::from_iter([(AUTHORIZATION, field)]);
    let verdict = verifier.verify_bearer(&headers, UnixTime::from_secs(now), &mut decision);
    (verdict, decision)
}

fn is_hit(decision: &Decision) -> bool {
    was_verified_before(decision) == Some(true)
}

#[test]
fn where_no_signature_held_nothing_was_verified_before() {
    let house = house();
    let token = house.remembered(1);
    let (verdict, decision) = house.verify(&token, NOW + 400);
    assert_eq!(verdict.err(), Some(Reason::TokenExpired));
    assert!(decision.checks.iter().any(|check| check.step == Step::Time));
    let (verdict, decision) = house.verify(&house.token(2), NOW);
    assert!(verdict.is_ok() && was_verified_before(&decision) == Some(false));
    let mut damaged = token;
    let last = damaged
        .pop()
        .map_or('A', |last| if last == 'A' { 'Q' } else { 'A' });
    damaged.push(last);
    let (verdict, decision) = house.verify(&damaged, NOW);
    assert!(verdict.is_err());
    assert_eq!(was_verified_before(&decision), None);
}

/// What was verified for one audience is not remembered for another.
#[test]
fn clm_011_a_hit_is_for_the_audience_that_the_token_names() {
    let house = house();
    let ask = |token: &str, audience| {
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), NOW * 1000, "GET", "/");
        let verifier = house.verifier.aimed_at(audience);
        let verdict = verifier.verify(token, UnixTime::from_secs(NOW), &mut decision);
        (verdict.err(), is_hit(&decision))
    };
    let usual = house.remembered(1);
    let mut others = serde_json::to_value(claims(2)).unwrap();
    others["aud"] = "https://reports.example".into();
    let other = house.key.sign("at+jwt", &others).unwrap();
    let reports = Some("https://reports.example");
    for _ in 0..2 {
        assert_eq!(ask(&usual, reports), (Some(Reason::WrongAudience), false));
        assert_eq!(ask(&other, None), (Some(Reason::WrongAudience), false));
        assert_eq!(ask(&usual, Some(AUDIENCE)), (None, true));
        assert_eq!(ask(&other, reports).0, None);
    }
    assert_eq!(ask(&other, reports), (None, true));
}

#[test]
fn a_hit_gives_the_same_caller_and_the_same_steps() {
    let house = house();
    let token = house.token(1);
    let (first, full) = house.verify(&token, NOW);
    let (second, short) = house.verify(&token, NOW);
    assert!(is_hit(&short));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.claims(), second.claims());
    assert_eq!(full.caller, short.caller);
    assert!(short.proven);
    let steps = |decision: &Decision| {
        let steps = decision
            .checks
            .iter()
            .map(|check| (check.step, check.passed));
        steps.collect::<Vec<_>>()
    };
    assert_eq!(steps(&full), steps(&short));
}

#[test]
fn key_011_a_hit_ends_with_the_lifetime() {
    let house = house();
    let token = house.remembered(1);
    assert!(
        is_hit(&house.verify(&token, NOW + 300 + 29).1),
        "inside the leeway"
    );
    let (verdict, decision) = house.verify(&token, NOW + 300 + 30);
    assert_eq!(verdict.unwrap_err(), Reason::TokenExpired);
    assert_eq!(decision.outcome, Outcome::Denied);
    assert_eq!(house.verifier.cached().0, 0, "and is forgotten");
    let token = house.remembered(2);
    let (verdict, _) = house.verify(&token, NOW - 31);
    assert_eq!(
        verdict.unwrap_err(),
        Reason::TokenNotYetValid,
        "the clock went back"
    );
}

/// One call asks everything at one time, so nothing of a call before is left to
/// be believed.
#[test]
fn key_011_what_is_sent_again_is_asked_again() {
    let house = house();
    let sent = |token: &str, now| {
        let (verdict, decision) = verify_sent(&house.verifier, token, now);
        let is_hit = is_hit(&decision);
        (
            verdict.err(),
            is_hit,
            decision.failed_check().map(|it| it.step),
        )
    };
    let (expiring, revoked) = (house.remembered(1), house.remembered(2));
    for token in [&expiring, &revoked] {
        assert_eq!(sent(token, NOW), (None, true, None));
    }
    let late = (Some(Reason::TokenExpired), false, Some(Step::Time));
    assert_eq!(sent(&expiring, NOW + 300 + 30), late);
    let sid = "session-2".into();
    house.revoke(Revocation::Session { sid });
    let (reason, _, step) = sent(&revoked, NOW);
    let over = (Some(Reason::SessionRevoked), Some(Step::Revocation));
    assert_eq!((reason, step), over);
}

#[test]
fn par_014_what_is_remembered_is_no_way_around_the_one_field() {
    let house = house();
    let token = house.remembered(1);
    let (aimed, now) = (house.verifier.aimed_at(None), UnixTime::from_secs(NOW));
    let sent = |fields: &[String]| {
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), NOW * 1000, "GET", "/");
        let fields = fields.iter().map(|field| field.parse().unwrap());
        let headers: HeaderMap = fields.map(|field| (AUTHORIZATION, field)).collect();
        let mut other = decision.clone();
        let verdict = aimed.verify_bearer(&headers, now, &mut decision);
        let mut unread = None;
        let asked = aimed.verify_bearer_or_else(&headers, now, &mut other, |reason, _| {
            unread = Some(reason);
            Err(reason)
        });
        assert_eq!(asked.err(), verdict.as_ref().err().copied());
        (verdict.err(), unread, decision)
    };
    let bearer = format!("bearer {token}");
    let alone = std::slice::from_ref(&bearer);
    assert!(is_hit(&sent(alone).2));
    for (fields, reason) in [
        (vec![], Reason::NoToken),
        (
            vec![bearer.clone(), bearer.clone()],
            Reason::AmbiguousCredential,
        ),
        (vec![format!("DPoP {token}")], Reason::MalformedCredential),
        (
            vec![format!("Bearer  {token}")],
            Reason::MalformedCredential,
        ),
        (
            vec![format!("Bearer {token}, {bearer}")],
            Reason::MalformedCredential,
        ),
    ] {
        let (refused, unread, decision) = sent(&fields);
        assert_eq!((refused, unread), (Some(reason), Some(reason)));
        let failed = decision.failed_check().unwrap();
        assert_eq!(
            (failed.step, &*failed.seen),
            (Step::Credential, reason.title())
        );
    }
    // What was read and refused is nobody else's to decide.
    let sid = "session-1".into();
    house.revoke(Revocation::Session { sid });
    let (refused, unread, _) = sent(alone);
    assert_eq!((refused, unread), (Some(Reason::SessionRevoked), None));
}

#[test]
fn key_011_every_kind_of_revocation_ends_a_hit_at_once() {
    let issued_before = UnixTime::from_secs(NOW + 1);
    type Make = fn(UnixTime) -> Revocation;
    let kinds: [(Make, Reason); 6] = [
        (
            |_| Revocation::Token {
                jti: "token-1".into(),
            },
            Reason::TokenRevoked,
        ),
        (
            |_| Revocation::Session {
                sid: "session-1".into(),
            },
            Reason::SessionRevoked,
        ),
        (
            |issued_before| Revocation::User {
                sub: "user-1".into(),
                issued_before,
            },
            Reason::UserChanged,
        ),
        (
            |issued_before| Revocation::Client {
                client_id: "web".into(),
                issued_before,
            },
            Reason::ClientRevoked,
        ),
        (
            |issued_before| Revocation::Tenant {
                tenant: "acme".into(),
                issued_before,
            },
            Reason::TenantRevoked,
        ),
        (
            |issued_before| Revocation::Everything { issued_before },
            Reason::TokenRevoked,
        ),
    ];
    for (revocation, reason) in kinds {
        let house = house();
        let token = house.remembered(1);
        house.revoke(revocation(issued_before));
        let (verdict, decision) = house.verify(&token, NOW);
        assert_eq!(verdict.unwrap_err(), reason);
        assert_eq!(decision.failed_check().unwrap().step, Step::Revocation);
        house.revocations.compact(UnixTime::from_secs(NOW));
        assert_eq!(house.verify(&token, NOW).0.unwrap_err(), reason);
    }
    let house = house();
    let token = house.remembered(1);
    let kid = house.key.key_id().to_owned();
    house.revoke(Revocation::Key { kid });
    assert_eq!(house.verify(&token, NOW).0.unwrap_err(), Reason::KeyRevoked);
}

#[test]
fn key_011_another_ones_revocation_costs_a_look_and_no_signature() {
    let house = house();
    let token = house.remembered(1);
    for n in 2..100 {
        house.revoke(Revocation::Session {
            sid: format!("session-{n}"),
        });
        assert!(is_hit(&house.verify(&token, NOW).1));
    }
}

#[test]
fn key_011_a_removed_key_ends_a_hit_at_once() {
    let house = house();
    let token = house.remembered(1);
    house.keys.replace(KeySet::from_iter([]));
    let (verdict, decision) = house.verify(&token, NOW);
    assert_eq!(verdict.unwrap_err(), Reason::UnknownKey);
    assert!(!is_hit(&decision));
    // Back again it is verified again, under the new generation.
    house
        .keys
        .replace(KeySet::from_iter([house.key.verifying_key()]));
    assert!(!is_hit(&house.verify(&token, NOW).1));
    assert!(is_hit(&house.verify(&token, NOW).1));
}

#[test]
fn key_011_colliding_tokens_are_never_taken_for_each_other() {
    let house = house_with(Verifier::with_colliding_cache);
    let tokens: Vec<_> = (0..20).map(|n| (n, house.token(n))).collect();
    for _ in 0..3 {
        for (n, token) in &tokens {
            let (verdict, decision) = house.verify(token, NOW);
            assert_eq!(verdict.unwrap().subject(), format!("user-{n}"));
            assert_eq!(decision.caller.unwrap().subject, format!("user-{n}"));
        }
    }
    let (verdict, _) = house.verify("not.a.token", NOW);
    assert!(verdict.is_err());
}

#[test]
fn key_011_a_hit_under_another_audience_is_impossible() {
    let house = house();
    let token = house.remembered(1);
    let other = Verifier::new(
        vec![trusted("https://other.example", &house.keys)],
        Arc::clone(&house.revocations),
    )
    .with_cache(CacheSize::default());
    for _ in 0..2 {
        let (verdict, decision) = verify(&other, &token, NOW);
        assert_eq!(verdict.unwrap_err(), Reason::WrongAudience);
        assert!(!is_hit(&decision));
    }
    assert_eq!(other.cached().0, 0);
}

#[test]
fn key_011_only_successes_are_remembered() {
    let house = house();
    let token = house.remembered(1);
    let before = house.verifier.cached();
    for altered in altered(&token) {
        for _ in 0..2 {
            let (verdict, decision) = house.verify(&altered, NOW);
            assert!(verdict.is_err() && !is_hit(&decision), "{altered}");
        }
    }
    assert_eq!(house.verifier.cached(), before);
    assert!(is_hit(&house.verify(&token, NOW).1));
}

/// Every character changed by turns, and the whole cut and extended. The last
/// one carries bits that decode to nothing (SIG-017), so it is changed too.
fn altered(token: &str) -> Vec<String> {
    let mut all: Vec<_> = (0..token.len())
        .map(|at| {
            let other = if token[at..].starts_with('A') {
                "B"
            } else {
                "A"
            };
            format!("{}{other}{}", &token[..at], &token[at + 1..])
        })
        .collect();
    all.extend([
        format!("{token}="),
        format!("{token} "),
        format!("{token}."),
    ]);
    all.extend((1..40).map(|cut| token[..token.len() - cut].to_owned()));
    all
}

#[test]
fn clm_021_a_bound_token_is_refused_as_often_as_it_comes() {
    let house = house();
    let mut confirmation = doorward_jose::json::Object::new();
    confirmation.insert("jkt".to_owned(), "thumbprint".into());
    let token = house
        .key
        .sign("at+jwt", &claims(1).confirmation(confirmation))
        .unwrap();
    for _ in 0..3 {
        assert_eq!(
            house.verify(&token, NOW).0.unwrap_err(),
            Reason::ProofMissing
        );
    }
    assert_eq!(house.verifier.cached().0, 0);
}

/// The same claims as another text: signed again (ECDSA is randomised), with
/// the members of the header in another order, or with the mirrored `s`.
fn twins(house: &House, token: &str) -> Vec<String> {
    let again = house.token(1);
    let (rest, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = doorward_jose::base64url::decode(signature).unwrap();
    let mirrored = mirror(&bytes[32..]);
    bytes[32..].copy_from_slice(&mirrored);
    let mirrored = format!("{rest}.{}", doorward_jose::base64url::encode(&bytes));
    vec![again, mirrored]
}

/// n - s for the order n of P-256.
fn mirror(s: &[u8]) -> [u8; 32] {
    const ORDER: [u8; 32] = [
        0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
        0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
    ];
    let mut mirrored = [0; 32];
    let mut borrow = 0;
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(s[at]) - borrow;
        borrow = i16::from(difference < 0);
        mirrored[at] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    mirrored
}

#[test]
fn rev_014_a_twin_of_a_revoked_token_is_revoked() {
    let house = house();
    let token = house.remembered(1);
    let twins = twins(&house, &token);
    for twin in &twins {
        assert_ne!(*twin, token);
        assert!(house.verify(twin, NOW).0.is_ok(), "the twin is as good");
        assert!(is_hit(&house.verify(twin, NOW).1));
    }
    house.revoke(Revocation::Token {
        jti: "token-1".into(),
    });
    for text in twins.iter().chain([&token]) {
        let (verdict, _) = house.verify(text, NOW);
        assert_eq!(verdict.unwrap_err(), Reason::TokenRevoked);
    }
    // One that nobody has seen yet is no way out either.
    let unseen = house.token(1);
    assert_eq!(
        house.verify(&unseen, NOW).0.unwrap_err(),
        Reason::TokenRevoked
    );
}

#[test]
fn dos_009_the_cache_is_bounded_in_entries_and_bytes() {
    let key = SigningKey::hmac(Algorithm::Hs256, &[7; 32]).unwrap();
    let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
    let size = CacheSize {
        entries: 64,
        bytes: 100_000,
        beside: 0,
    };
    let verifier =
        Verifier::new(vec![trusted(AUDIENCE, &keys)], RevocationSet::new()).with_cache(size);
    for n in 0..500 {
        let token = key.sign("at+jwt", &claims(n)).unwrap();
        assert!(verify(&verifier, &token, NOW).0.is_ok());
        let (entries, bytes) = verifier.cached();
        assert!(entries <= 64 && bytes <= 100_000, "{entries} {bytes}");
    }
    assert!(verifier.cached().0 >= 16);
}

#[test]
fn dos_009_the_token_that_ends_first_makes_room() {
    let key = SigningKey::hmac(Algorithm::Hs256, &[7; 32]).unwrap();
    let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
    let one_set = CacheSize {
        entries: 4,
        ..CacheSize::default()
    };
    let verifier =
        Verifier::new(vec![trusted(AUDIENCE, &keys)], RevocationSet::new()).with_cache(one_set);
    let tokens: Vec<String> = (0..5)
        .map(|n| {
            let mut claims = serde_json::to_value(claims(n)).unwrap();
            let lifetime = if n == 2 { 100 } else { 200 };
            claims["exp"] = (NOW + lifetime).into();
            key.sign("at+jwt", &claims).unwrap()
        })
        .collect();
    for token in &tokens {
        assert!(verify(&verifier, token, NOW).0.is_ok());
    }
    let hits = [0, 1, 3, 4].map(|n: usize| is_hit(&verify(&verifier, &tokens[n], NOW).1));
    assert_eq!(hits, [true; 4]);
    assert!(!is_hit(&verify(&verifier, &tokens[2], NOW).1));
}

#[test]
fn dos_009_what_is_kept_beside_a_token_has_its_room() {
    let bytes = |beside: usize| {
        let size = CacheSize {
            beside,
            ..CacheSize::default()
        };
        let house = house_with(|verifier, _| verifier.with_cache(size));
        let names = (0..100).map(|number| format!("orders:action-{number}"));
        let claims = claims(1).permissions(names);
        let token = house.key.sign("at+jwt", &claims).unwrap();
        assert!(house.verify(&token, NOW).0.is_ok());
        (house.verifier.cached().1, token.len() as u64)
    };
    let ((none, length), (two, _)) = (bytes(0), bytes(2));
    // Whoever makes them says the same of the same caller.
    assert!(two - none >= 2 * length, "{none} {two}");
}

/// The estimate may be rough, but it must count what an attacker can grow.
#[test]
fn dos_009_what_a_token_carries_is_counted() {
    let bytes = |extra: serde_json::Value| {
        let house = house();
        let mut claims = serde_json::to_value(claims(1)).unwrap();
        let members = claims.as_object_mut().unwrap();
        members.extend(extra.as_object().unwrap().clone());
        let token = house.key.sign("at+jwt", &claims).unwrap();
        assert!(house.verify(&token, NOW).0.is_ok());
        let (entries, bytes) = house.verifier.cached();
        assert_eq!(entries, 1);
        (bytes, token.len() as u64)
    };
    let (plain, length) = bytes(serde_json::json!({}));
    // The text, its claims as read and as shown, one audience, and the rest.
    assert_eq!(plain, 1024 + 3 * length + 128);
    // A name that is a permission is pointed to besides.
    let (permitted, longer) = bytes(serde_json::json!({ "permissions": ["a:b", "c:d"] }));
    let pointers = 2 * size_of::<PermissionPattern>() as u64;
    assert_eq!(
        permitted,
        plain + 3 * (longer - length) + 2 * 128 + pointers
    );
    let names = ["a", "b", "c"];
    for (extra, values) in [
        (serde_json::json!({ "roles": names }), 3),
        (
            serde_json::json!({ "roles": names, "permissions": names }),
            6,
        ),
        (serde_json::json!({ "aud": [AUDIENCE, "b"] }), 1),
        (serde_json::json!({ "x": 1 }), 1),
        (serde_json::json!({ "x": [1, 2] }), 3),
        (serde_json::json!({ "x": { "a": [1], "b": 2 }, "y": 1 }), 5),
    ] {
        let (counted, longer) = bytes(extra.clone());
        let wanted = plain + 3 * (longer - length) + 128 * values;
        assert_eq!(counted, wanted, "{extra}");
    }
}

/// Verifying threads, and one that revokes and swaps keys: what was announced
/// holds for everyone who heard of it. (`tests/model` tries every order of
/// a smaller one.)
#[test]
fn key_011_hits_on_many_threads_obey_what_was_announced() {
    use std::sync::atomic::{AtomicU64, Ordering};

    let house = house();
    let tokens: Vec<_> = (0..50).map(|n| house.token(n)).collect();
    let announced = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut hits = 0;
                loop {
                    let revoked = announced.load(Ordering::Acquire);
                    for (n, token) in (0..).zip(&tokens) {
                        let (verdict, decision) = verify_sent(&house.verifier, token, NOW);
                        hits += u64::from(is_hit(&decision));
                        assert!(n >= revoked || verdict.is_err(), "{n} of {revoked}");
                    }
                    if revoked == 50 {
                        return hits;
                    }
                }
            });
        }
        for n in 0..50 {
            house.revoke(Revocation::Session {
                sid: format!("session-{n}"),
            });
            announced.store(n + 1, Ordering::Release);
            if n % 10 == 0 {
                house
                    .keys
                    .replace(KeySet::from_iter([house.key.verifying_key()]));
            }
        }
    });
}
