//! What a request pays: `cargo bench -p doorward-verify`. The median of many
//! rounds; on a machine with neighbours read the ratios, not the nanoseconds.
//!
//! Heap allocations are counted by the `allocations` test, not here.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a measurement")]

use std::{hint::black_box, sync::Arc, time::Instant};

use doorward_jose::{
    algorithm::Algorithm,
    claims::{AccessClaims, RequiredClaims},
    jwk_set::KeySet,
    signing_key::SigningKey,
    time::UnixTime,
    token::{UnverifiedToken, VerifiedToken},
    validation::Validation,
};
use doorward_policy::decision::{Decision, TraceId};
use doorward_verify::{
    key_source::KeySource,
    revocation::{Entry, Revocation, RevocationSet},
    token_cache::CacheSize,
    verifier::{TrustedIssuer, Verifier},
};

const NOW: u64 = 1_800_000_000;
const MILLION: u64 = 1_000_000;

fn main() {
    let revocations = RevocationSet::new();
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let bench = Bench::new(&key, &revocations);
    bench.verify("nothing revoked");
    bench.check("nothing revoked");
    fill(&revocations);
    println!("\n1,000,000 sessions, and 1,000 of every other kind:");
    bench.verify("1 M revoked, live form");
    bench.check("1 M revoked, live form");
    let began = Instant::now();
    revocations.compact(UnixTime::from_secs(NOW));
    let (took, len) = (began.elapsed(), revocations.len());
    let each = revocations.settled_bytes() as f64 / len as f64;
    println!("compacted in {took:.0?}: {each:.2} bytes an entry");
    bench.verify("1 M revoked, compact form");
    bench.check("1 M revoked, compact form");
}

struct Bench {
    cached: Verifier,
    uncached: Verifier,
    tokens: Vec<String>,
    verified: Vec<VerifiedToken>,
    revocations: Arc<RevocationSet>,
}

impl Bench {
    fn new(key: &SigningKey, revocations: &Arc<RevocationSet>) -> Self {
        let validation = Validation::issuer("https://id.example")
            .audience("https://api.example")
            .algorithms([Algorithm::Es256]);
        let keys = KeySource::fixed(KeySet::from_iter([key.verifying_key()]));
        let verifier = || {
            let trusted = TrustedIssuer::new(validation.clone(), keys.clone());
            Verifier::new(vec![trusted], Arc::clone(revocations))
        };
        let tokens: Vec<_> = (0..1000).map(|n| token(key, n)).collect();
        let now = UnixTime::from_secs(NOW);
        let check = |token: &String| {
            let token = UnverifiedToken::parse(token).unwrap();
            token
                .verify(&key.verifying_key(), &validation, now)
                .unwrap()
        };
        Self {
            cached: verifier().with_cache(CacheSize::default()),
            uncached: verifier(),
            verified: tokens.iter().map(check).collect(),
            tokens,
            revocations: Arc::clone(revocations),
        }
    }

    fn verify(&self, state: &str) {
        let now = UnixTime::from_secs(NOW);
        let mut decision = Decision::new(TraceId::from_bytes([1; 16]), NOW * 1000, "GET", "/");
        let mut run = |verifier: &Verifier, token: &str| {
            decision.checks.clear();
            black_box(verifier.verify(token, now, &mut decision)).unwrap();
        };
        for token in &self.tokens {
            run(&self.cached, token);
        }
        let uncached = median(30, |n| run(&self.uncached, &self.tokens[n % 1000]));
        let one = median(1000, |_| run(&self.cached, &self.tokens[0]));
        let many = median(1000, |n| run(&self.cached, &self.tokens[n % 1000]));
        println!("verify, never seen            {state:28} {uncached:>8.0} ns");
        println!("verify, seen, one token       {state:28} {one:>8.0} ns");
        println!("verify, seen, 1,000 by turns  {state:28} {many:>8.0} ns");
        // An entry before every hit: the revocations are asked each time.
        let mut n = 0;
        let stormy = median(1000, |_| {
            n += 1;
            self.revocations.insert(session(n % 1000));
            run(&self.cached, &self.tokens[0]);
        });
        let insert = median(1000, |n| self.revocations.insert(session(n as u64 % 1000)));
        println!(
            "verify, seen, set just grown  {state:28} {:>8.0} ns",
            stormy - insert
        );
    }

    fn check(&self, state: &str) {
        let now = UnixTime::from_secs(NOW);
        let one = median(1000, |_| {
            black_box(self.revocations.check_at(&self.verified[0], now)).unwrap();
        });
        println!("check, six names hashed       {state:28} {one:>8.0} ns");
    }
}

fn token(key: &SigningKey, n: u64) -> String {
    let claims = AccessClaims::new(RequiredClaims {
        issuer: "https://id.example".to_owned(),
        subject: format!("0192f0c8-1111-7abc-9def-{n:012x}"),
        audience: "https://api.example".to_owned(),
        client_id: "web".to_owned(),
        token_id: format!("0192f0c8-2222-7abc-9def-{n:012x}"),
        issued_at: UnixTime::from_secs(NOW),
        lifetime_seconds: 300,
    });
    let claims = claims
        .session(format!("0192f0c8-3333-7abc-9def-{n:012x}"))
        .tenant("acme")
        .roles(["reader", "editor"])
        .permissions(["orders:read", "orders:write", "reports:*"]);
    key.sign("at+jwt", &claims).unwrap()
}

fn session(n: u64) -> Entry {
    entry(Revocation::Session {
        sid: format!("0192f0c8-9999-7abc-9def-{n:012x}"),
    })
}

fn entry(revocation: Revocation) -> Entry {
    Entry {
        revocation,
        expires_at: UnixTime::from_secs(NOW + 330),
    }
}

fn fill(revocations: &RevocationSet) {
    let before = resident();
    let began = Instant::now();
    for n in 0..MILLION {
        revocations.insert(session(n));
    }
    let each = began.elapsed().as_nanos() / u128::from(MILLION);
    let bytes = resident().saturating_sub(before) / MILLION;
    println!("\ninsert {each} ns, {bytes} resident bytes an entry");
    let issued_before = UnixTime::from_secs(NOW);
    for n in 0..1000 {
        let name = format!("other-{n}");
        for revocation in [
            Revocation::Token { jti: name.clone() },
            Revocation::Key { kid: name.clone() },
            Revocation::User {
                sub: name.clone(),
                issued_before,
            },
            Revocation::Client {
                client_id: name.clone(),
                issued_before,
            },
            Revocation::Tenant {
                tenant: name,
                issued_before,
            },
        ] {
            revocations.insert(entry(revocation));
        }
    }
}

/// Nanoseconds of one call: the median of 51 rounds of `calls`.
fn median(calls: usize, mut call: impl FnMut(usize)) -> f64 {
    let mut rounds: Vec<_> = (0..51)
        .map(|_| {
            let began = Instant::now();
            (0..calls).for_each(&mut call);
            began.elapsed().as_nanos() as f64 / calls as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[25]
}

/// Resident memory in bytes, where the system tells it.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}
