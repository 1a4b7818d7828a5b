//! Every interleaving of a cached hit with a revocation and with a swap of
//! keys, as loom finds them: the sources of the crate's lock-free parts are
//! compiled again over loom's primitives, so what is tried is what runs.
//!
//! The claim: once `insert` or `replace` has returned and a thread has been
//! told so, no verification of that thread accepts. Loom also tries the orders
//! that the hardware of a stronger memory model would never show.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
#![expect(dead_code, reason = "the model uses a part of the sources")]

mod revocation;
mod token_cache;

use std::sync::Arc;

use loom::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use revocation::{
    live::{Entries, Live},
    sync::Swap,
};
use token_cache::{
    freshness::{Before, Freshness},
    slots::{Slots, Stored},
};

struct Plain;

impl Entries for Plain {
    fn kind_index(_: u64) -> usize {
        0
    }

    fn expires_at(value: u64) -> u32 {
        u32::try_from(value).unwrap()
    }

    fn join(held: u64, new: u64) -> u64 {
        held.max(new)
    }
}

/// The token's session, far from other fingerprints.
const SESSION: u64 = 0x8000_0000_0000_1100;
const EXPIRY: u64 = 100;

struct Keys {
    generation: u64,
    has_key: bool,
}

/// A verifier with its cache: the same steps in the same order as
/// `Verifier::verify`, with the parts that matter here.
struct House {
    live: Live<1>,
    keys: Swap<Keys>,
    cache: Slots<Entry>,
    told: AtomicBool,
}

struct Entry(Freshness);

impl Stored for Entry {
    fn is_of(&self, text: &[u8]) -> bool {
        text == b"token"
    }

    fn bytes(&self) -> u64 {
        1
    }

    fn ends_at(&self) -> u64 {
        EXPIRY
    }
}

impl House {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            live: Live::new(),
            keys: Swap::new(Keys {
                generation: 0,
                has_key: true,
            }),
            cache: Slots::new(1, 1000),
            told: AtomicBool::new(false),
        })
    }

    fn is_unrevoked(&self) -> bool {
        self.live.epoch();
        self.live.find_first(&[Some(SESSION)], |_| true).is_none()
    }

    /// Whether the token is accepted.
    fn verify(&self) -> bool {
        let recalled = self.cache.find(1, b"token", |entry| {
            let keys = Some(self.keys.load().generation);
            let epoch = || self.live.epoch();
            entry.0.holds(keys, epoch, || self.is_unrevoked())
        });
        if recalled == Some(true) {
            return true;
        }
        let before = Before {
            keys: Some(self.keys.load().generation),
            epoch: self.live.epoch(),
        };
        let good = self.keys.load().has_key && self.is_unrevoked();
        if good {
            let entry = Entry(Freshness::new(before).unwrap());
            self.cache.put(1, b"token", entry);
        }
        good
    }

    fn revoke(&self) {
        self.live.put::<Plain>(SESSION, EXPIRY);
    }

    fn withdraw_key(&self) {
        self.keys.store(Keys {
            generation: 1,
            has_key: false,
        });
    }

    fn tell(&self) {
        self.told.store(true, Ordering::Release);
    }

    fn verify_if_told_must_refuse(&self) {
        let told = self.told.load(Ordering::Acquire);
        let accepted = self.verify();
        assert!(
            !(told && accepted),
            "accepted after the change was announced"
        );
    }
}

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

fn explore_against(change: fn(&House), remembered: bool) {
    explore(move || {
        let house = House::new();
        if remembered {
            assert!(house.verify());
        }
        let changer = thread::spawn({
            let house = Arc::clone(&house);
            move || {
                change(&house);
                house.tell();
            }
        });
        house.verify_if_told_must_refuse();
        house.verify_if_told_must_refuse();
        changer.join().unwrap();
        assert!(!house.verify(), "accepted after the change returned");
    });
}

#[test]
fn key_011_a_hit_against_a_revocation() {
    explore_against(House::revoke, true);
}

#[test]
fn key_011_a_first_check_against_a_revocation() {
    explore_against(House::revoke, false);
}

#[test]
fn key_011_a_hit_against_a_swap_of_keys() {
    explore_against(House::withdraw_key, true);
}

#[test]
fn key_011_a_first_check_against_a_swap_of_keys() {
    explore_against(House::withdraw_key, false);
}

/// Two threads renew what the entry knows while the revocation comes.
#[test]
fn key_011_two_hits_against_another_revocation_and_the_real_one() {
    explore(|| {
        let house = House::new();
        assert!(house.verify());
        let reader = thread::spawn({
            let house = Arc::clone(&house);
            move || house.verify_if_told_must_refuse()
        });
        let other = SESSION ^ 0xf00;
        house.live.put::<Plain>(other, EXPIRY);
        house.revoke();
        house.tell();
        house.verify_if_told_must_refuse();
        reader.join().unwrap();
        assert!(!house.verify());
    });
}

/// The seventh entry makes the table grow; the revocation is among those that
/// are copied, and must not be out of sight for a moment.
#[test]
fn what_is_revoked_stays_so_while_the_table_grows() {
    explore(|| {
        let house = House::new();
        house.revoke();
        for n in 1..6 {
            house.live.put::<Plain>(n << 60 | n << 8, EXPIRY);
        }
        let reader = thread::spawn({
            let house = Arc::clone(&house);
            move || assert!(!house.verify())
        });
        house.live.put::<Plain>(6 << 60 | 6 << 8, EXPIRY);
        reader.join().unwrap();
    });
}

/// As `compact` does it: settled where readers look next, then gone from the
/// live form.
#[test]
fn what_is_drained_is_found_where_it_went() {
    explore(|| {
        let house = House::new();
        house.revoke();
        let settled = Arc::new(AtomicBool::new(false));
        let reader = thread::spawn({
            let (house, settled) = (Arc::clone(&house), Arc::clone(&settled));
            move || {
                let is_live = !house.is_unrevoked();
                assert!(is_live || settled.load(Ordering::Acquire));
            }
        });
        house.live.drain::<Plain>(|entries| {
            assert_eq!(entries.count(), 1);
            settled.store(true, Ordering::Release);
        });
        reader.join().unwrap();
    });
}
