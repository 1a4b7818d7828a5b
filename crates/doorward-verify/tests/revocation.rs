//! The revocation set against a naive one, and under many threads.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

use std::{
    collections::BTreeMap,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicU64, Ordering},
    },
};

use doorward_jose::{
    algorithm::Algorithm,
    claims::{AccessClaims, RequiredClaims},
    signing_key::SigningKey,
    time::UnixTime,
    token::{UnverifiedToken, VerifiedToken},
    validation::Validation,
};
use doorward_policy::decision::Reason;
use doorward_verify::revocation::{Entry, Revocation, RevocationSet};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

const NOW: u64 = 1_800_000_000;

const fn at(seconds: u64) -> UnixTime {
    UnixTime::from_secs(seconds)
}

fn token(key: &SigningKey, n: u64) -> VerifiedToken {
    let claims = AccessClaims::new(RequiredClaims {
        issuer: "https://id.example".to_owned(),
        subject: format!("name-{}", n % 3),
        audience: "https://api.example".to_owned(),
        client_id: format!("name-{}", n % 2),
        token_id: format!("name-{n}"),
        issued_at: at(NOW + n % 4),
        lifetime_seconds: 300,
    });
    let claims = match n % 5 {
        0 => claims,
        sid => claims
            .session(format!("name-{sid}"))
            .tenant(format!("name-{}", n % 2)),
    };
    let text = key.sign("at+jwt", &claims).unwrap();
    let validation = Validation::issuer("https://id.example")
        .audience("https://api.example")
        .algorithms([Algorithm::Hs256]);
    UnverifiedToken::parse(&text)
        .unwrap()
        .verify(&key.verifying_key(), &validation, at(NOW + 5))
        .unwrap()
}

/// Tokens that share sessions, users, clients, tenants and keys in every way.
static TOKENS: LazyLock<Vec<VerifiedToken>> = LazyLock::new(|| {
    let keys = [0, 1].map(|n| {
        SigningKey::hmac(Algorithm::Hs256, &[n; 32])
            .unwrap()
            .with_key_id(format!("name-{n}"))
            .unwrap()
    });
    (0..30)
        .map(|n| token(&keys[usize::from(n % 7 == 0)], n))
        .collect()
});

/// The set as one would write it first.
#[derive(Default)]
struct Naive(BTreeMap<(u8, String), (UnixTime, UnixTime)>);

impl Naive {
    fn insert(&mut self, entry: &Entry) {
        let forever = UnixTime::MAX;
        let (kind, name, before) = match entry.revocation.clone() {
            Revocation::Everything { issued_before } => (0, String::new(), issued_before),
            Revocation::Key { kid } => (1, kid, forever),
            Revocation::Tenant {
                tenant,
                issued_before,
            } => (2, tenant, issued_before),
            Revocation::Client {
                client_id,
                issued_before,
            } => (3, client_id, issued_before),
            Revocation::Session { sid } => (4, sid, forever),
            Revocation::User { sub, issued_before } => (5, sub, issued_before),
            Revocation::Token { jti } => (6, jti, forever),
            other => panic!("no row for {other:?}"),
        };
        let held = self
            .0
            .entry((kind, name))
            .or_insert((before, entry.expires_at));
        *held = (held.0.max(before), held.1.max(entry.expires_at));
    }

    fn check(&self, token: &VerifiedToken, now: UnixTime) -> Result<(), Reason> {
        let claims = token.claims();
        let names = [
            (0, Some(""), Reason::TokenRevoked),
            (1, token.key_id(), Reason::KeyRevoked),
            (2, claims.tenant(), Reason::TenantRevoked),
            (3, claims.client_id(), Reason::ClientRevoked),
            (4, claims.session_id(), Reason::SessionRevoked),
            (5, Some(claims.subject()), Reason::UserChanged),
            (6, Some(claims.token_id()), Reason::TokenRevoked),
        ];
        for (kind, name, reason) in names {
            let held = name.and_then(|name| self.0.get(&(kind, name.to_owned())));
            if held.is_some_and(|(before, expires)| claims.issued_at() < *before && *expires > now)
            {
                return Err(reason);
            }
        }
        Ok(())
    }

    fn sweep(&mut self, now: UnixTime) -> usize {
        let before = self.0.len();
        self.0.retain(|_, (_, expires)| *expires > now);
        before - self.0.len()
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Insert(Entry),
    Later(u64),
    Sweep,
    Compact,
}

fn revocation() -> impl Strategy<Value = Revocation> {
    (0..7_u8, 0..30_u8, 0..6_u64).prop_map(|(kind, name, before)| {
        // The key that signs every token but a few is left out, or nothing
        // else would be seen.
        let name = if kind == 0 {
            "name-1".to_owned()
        } else {
            format!("name-{name}")
        };
        let issued_before = at(NOW + before);
        match kind {
            0 => Revocation::Key { kid: name },
            1 => Revocation::Everything {
                issued_before: at(NOW + before / 3),
            },
            2 => Revocation::Tenant {
                tenant: name,
                issued_before,
            },
            3 => Revocation::Client {
                client_id: name,
                issued_before,
            },
            4 => Revocation::Session { sid: name },
            5 => Revocation::User {
                sub: name,
                issued_before,
            },
            _ => Revocation::Token { jti: name },
        }
    })
}

fn operation(compact: bool) -> impl Strategy<Value = Operation> {
    let entry = (revocation(), 1..200_u64).prop_map(|(revocation, life)| {
        let expires_at = at(NOW + life);
        Operation::Insert(Entry {
            revocation,
            expires_at,
        })
    });
    let last = if compact {
        Operation::Compact
    } else {
        Operation::Sweep
    };
    prop_oneof![
        8 => entry,
        2 => (0..40_u64).prop_map(Operation::Later),
        1 => Just(Operation::Sweep),
        1 => any::<bool>().prop_map(move |_| last.clone()),
    ]
}

proptest! {
    #[test]
    fn answers_as_the_naive_set_does(operations in proptest::collection::vec(operation(false), 1..60)) {
        let (set, mut naive, mut now) = (RevocationSet::new(), Naive::default(), NOW);
        for operation in operations {
            match operation {
                Operation::Insert(entry) => {
                    naive.insert(&entry);
                    set.insert(entry);
                }
                Operation::Later(seconds) => now += seconds,
                Operation::Sweep | Operation::Compact => {
                    prop_assert_eq!(set.sweep(at(now)), naive.sweep(at(now)));
                }
            }
            prop_assert_eq!(set.len(), naive.0.len());
            for token in &*TOKENS {
                prop_assert_eq!(set.check_at(token, at(now)), naive.check(token, at(now)));
                prop_assert_eq!(set.check(token), naive.check(token, at(0)));
            }
        }
    }

    /// Entries of one thing are joined where they meet, and in two forms they
    /// may not meet: at least every single entry holds, and at most their
    /// joint. (Expiries are rounded up, here by less than a second.)
    #[test]
    fn compacted_it_forgets_nothing_and_invents_nothing(operations in proptest::collection::vec(operation(true), 1..60)) {
        let (set, mut joint, mut now) = (RevocationSet::new(), Naive::default(), NOW);
        let mut singles: Vec<Naive> = Vec::new();
        for operation in operations {
            match operation {
                Operation::Insert(entry) => {
                    joint.insert(&entry);
                    let mut single = Naive::default();
                    single.insert(&entry);
                    singles.push(single);
                    set.insert(entry);
                }
                Operation::Later(seconds) => now += seconds,
                Operation::Sweep => { set.sweep(at(now)); }
                Operation::Compact => set.compact(at(now)),
            }
            for token in &*TOKENS {
                let refused = set.check_at(token, at(now)).is_err();
                let least = singles.iter().any(|single| single.check(token, at(now)).is_err());
                prop_assert!(refused || !least);
                prop_assert!(!refused || joint.check(token, at(now)).is_err());
            }
        }
    }

    #[test]
    fn every_insertion_changes_the_epoch(revocations in proptest::collection::vec(revocation(), 1..20)) {
        let set = RevocationSet::new();
        for revocation in revocations {
            let before = set.epoch();
            set.insert(Entry { revocation, expires_at: at(NOW) });
            prop_assert!(set.epoch() != before);
        }
    }
}

fn session(n: u64, expires: u64) -> Entry {
    Entry {
        revocation: Revocation::Session {
            sid: format!("name-{n}"),
        },
        expires_at: at(expires),
    }
}

#[test]
fn rev_012_a_large_set_forgets_in_steps_and_stays_bounded() {
    let set = RevocationSet::new();
    // An hour of ten revocations a second, each alive for 330 s.
    for second in 0..3600 {
        for n in 0..10 {
            set.insert(session(1000 + second * 10 + n, NOW + second + 330));
        }
        if second % 10 == 0 {
            set.sweep(at(NOW + second));
        }
        assert!(set.len() <= 4096 + 200, "{} entries", set.len());
    }
    set.insert(session(1, NOW + 4000));
    set.sweep(at(NOW + 3999));
    assert_eq!(set.len(), 1);
    assert_eq!(
        set.check_at(&TOKENS[1], at(NOW)),
        Err(Reason::SessionRevoked)
    );
}

/// Of more than 4,096 entries none go before an eighth of them can.
#[test]
fn rev_012_a_sweep_of_a_large_set_waits_until_it_is_worth_it() {
    for (held, dead, swept) in [
        (4096, 1, 1),
        (4097, 1, 0),
        (4097, 512, 0),
        (4097, 513, 513),
        (8000, 999, 0),
        (8000, 1000, 1000),
    ] {
        let set = RevocationSet::new();
        for n in 0..held {
            let life = if n < dead { 1 } else { 1000 };
            set.insert(session(n, NOW + life));
        }
        let went = set.sweep(at(NOW + 500)) as u64;
        assert_eq!((went, set.len() as u64), (swept, held - swept), "{held}");
    }
}

#[test]
fn rev_012_an_entry_that_came_again_is_counted_where_it_ends_now() {
    let set = RevocationSet::new();
    for life in [1, 1000] {
        for n in 0..8000 {
            // All but 500 are prolonged.
            if life == 1 || n >= 500 {
                set.insert(session(n, NOW + life));
            }
        }
    }
    assert_eq!(set.sweep(at(NOW + 500)), 0, "a sixteenth is over");
    assert_eq!((set.sweep(at(NOW + 1016)), set.len()), (8000, 0));
}

#[test]
fn rev_012_entries_hold_until_their_very_last_second() {
    for compacted in [false, true] {
        let set = RevocationSet::new();
        set.insert(session(1, NOW + 330));
        if compacted {
            set.compact(at(NOW));
        }
        assert!(set.check_at(&TOKENS[1], at(NOW + 329)).is_err());
        assert!(set.check_at(&TOKENS[1], at(NOW + 330)).is_ok());
    }
}

#[test]
fn rev_012_the_compact_form_is_counted_and_takes_nine_bytes_an_entry() {
    let set = RevocationSet::new();
    assert_eq!((set.len(), set.is_empty()), (0, true));
    for n in 0..20_000 {
        set.insert(session(n, NOW + 330));
    }
    set.compact(at(NOW));
    let sessions = set.settled_bytes();
    assert!((160_000..=185_000).contains(&sessions), "{sessions} bytes");
    for n in 0..20_000 {
        set.insert(Entry {
            revocation: Revocation::User {
                sub: format!("name-{n}"),
                issued_before: at(NOW),
            },
            expires_at: at(NOW + 330),
        });
    }
    set.compact(at(NOW));
    let both = set.settled_bytes();
    // A moment before which tokens are refused costs four bytes more.
    assert!((400_000..=450_000).contains(&both), "{both} bytes");
    assert_eq!((set.len(), set.is_empty()), (40_000, false));
    set.insert(session(1, NOW + 330));
    assert_eq!(set.len(), 40_001, "one that came again counts twice");
    set.compact(at(NOW + 330));
    assert!(set.is_empty());
}

#[test]
fn dos_009_a_collapsed_set_is_small_and_refuses_no_less() {
    let set = RevocationSet::new();
    for n in 0..10_000 {
        set.insert(session(n, NOW + 330));
    }
    set.insert(Entry {
        revocation: Revocation::Key {
            kid: "name-1".to_owned(),
        },
        expires_at: at(NOW + 9000),
    });
    set.collapse(at(NOW + 3), at(NOW + 400));
    assert_eq!(set.len(), 2, "one for all tokens, and the key");
    for token in &*TOKENS {
        let old = token.claims().issued_at() < at(NOW + 3);
        let of_key = token.key_id() == Some("name-1");
        assert_eq!(set.check_at(token, at(NOW + 5)).is_err(), old || of_key);
    }
    assert_eq!(
        set.check_at(&TOKENS[7], at(NOW + 500)),
        Err(Reason::KeyRevoked)
    );
}

/// Readers that never wait, one writer that grows, sweeps and compacts: what
/// the writer has announced is refused, whatever it is doing meanwhile.
#[test]
fn announced_revocations_are_seen_through_growth_sweeps_and_compaction() {
    let set = RevocationSet::new();
    let announced = Arc::new(AtomicU64::new(0));
    let done = u64::MAX;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            let (set, announced) = (Arc::clone(&set), Arc::clone(&announced));
            scope.spawn(move || {
                loop {
                    let seen = announced.load(Ordering::Acquire);
                    if seen == done {
                        return;
                    }
                    for (n, token) in (0..).zip(&*TOKENS).take(usize::try_from(seen).unwrap()) {
                        assert!(set.check_at(token, at(NOW)).is_err(), "token {n} of {seen}");
                    }
                }
            });
        }
        for n in 0..30_u64 {
            for filler in 0..300 {
                let life = if filler % 2 == 0 { 0 } else { 500 };
                set.insert(session(1_000_000 + n * 1000 + filler, NOW + life));
            }
            set.insert(Entry {
                revocation: Revocation::Token {
                    jti: format!("name-{n}"),
                },
                expires_at: at(NOW + 330),
            });
            announced.store(n + 1, Ordering::Release);
            match n % 3 {
                0 => set.compact(at(NOW)),
                1 => drop(set.sweep(at(NOW))),
                _ => {}
            }
        }
        announced.store(done, Ordering::Release);
    });
    assert!(!format!("{set:?}").contains("name"), "names are not shown");
}
