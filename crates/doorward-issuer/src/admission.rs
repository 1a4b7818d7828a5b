//! Who may try a password, and how often. Asked before anything is hashed.
//!
//! Three counters, by what the caller *claims* (a folded name, known or not:
//! an unknown account is counted and slowed exactly like a real one, BRU-009)
//! and by where they come from ([`Network`]: an IPv4 address or an IPv6 /64,
//! BRU-006):
//!
//! | Counter | Bound | Beyond it |
//! | --- | --- | --- |
//! | account from one network | 10 failures | one try at a time, 30 s after the last, doubling to 15 min |
//! | network, all accounts | 100 failures in 30 min | one try for each failure that is forgotten, every 18 s |
//! | account, all networks | 100 failures | hard stop for 30 min, but not for a network that the account signed in from during the last 30 days |
//!
//! So ten wrong guesses from a café slow the café and not the owner at home
//! (detection D-03: never lock the owner out elsewhere), and a thousand
//! addresses together still get no more than a hundred guesses (NIST SP
//! 800-63B-4 section 3.2.2). What remains: during such a hard stop an owner on
//! a network that this process has never seen them on waits too.
//!
//! A right password clears the counters of its account and of the pair. It
//! does not clear the network's, or an attacker's own account would.
//!
//! BRU-002: a try is *reserved* here before the password is hashed and settled
//! afterwards, so a hundred parallel guesses are counted one by one. A
//! [`Ticket`] that is dropped unsettled (the caller hung up) counts as a
//! failure, because its hash was computed.
//!
//! DOS-001: the tries under way are bounded, and one network may hold only
//! half of them. DOS-009: the tables are bounded too; the entry that was
//! touched longest ago goes first.
//!
//! Not here yet: all of it is in memory, so a restart forgets the counters
//! and several issuer nodes count apart (BRU-004).

mod network;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::digest;
use doorward_verify::clock::Timestamp;

pub(crate) use network::Network;
use table::Table;

const SECOND: u64 = 1_000;
const MINUTE: u64 = 60 * SECOND;

/// Failures are forgotten when this long passed without another one.
const WINDOW: u64 = 30 * MINUTE;
/// Failures of one account from one network before it is slowed.
const PAIR_FAILURES: u32 = 10;
/// The first delay.
const FIRST_DELAY: u64 = 30 * SECOND;
/// The longest delay; shorter than [`WINDOW`], or slowing would end itself.
const LONGEST_DELAY: u64 = 15 * MINUTE;
/// Failures of one account from everywhere before the hard stop.
const ACCOUNT_FAILURES: u32 = 100;
/// Failures from one network.
const NETWORK_FAILURES: u32 = 100;
/// The time in which one failure of a network is forgotten.
const NETWORK_FORGETS_ONE: u64 = WINDOW / NETWORK_FAILURES as u64;
/// How long a network stays familiar to an account that signed in from it.
const FAMILIAR: u64 = 30 * 24 * 60 * MINUTE;
/// Entries of each table.
const TABLE_ENTRIES: usize = 65_536;

/// Counts tries and says which may go on. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Admission {
    /// Tries that may be under way at a time.
    capacity: usize,
    counters: Arc<Mutex<Counters>>,
}

/// The try must wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// This account or this network tried too often.
    Throttled {
        /// When another try may go on.
        retry_after_seconds: u64,
    },
    /// Too many tries are under way.
    Busy {
        /// When to come again.
        retry_after_seconds: u64,
    },
}

impl Admission {
    /// Admits at most `capacity` tries at a time: what the hasher can take
    /// ([`Hasher::capacity`](crate::password::Hasher::capacity)).
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            counters: Arc::default(),
        }
    }

    /// Reserves one try of `username` from `network`, or refuses it.
    pub(crate) fn admit(
        &self,
        username: &str,
        network: Network,
        now: Timestamp,
    ) -> Result<Ticket, Refused> {
        let who = Who {
            account: AccountKey::of(username),
            network,
        };
        let mut counters = self.counters();
        counters.check(who, now.millis(), self.capacity)?;
        counters.reservations += 1;
        let reservation = Reservation {
            number: counters.reservations,
            who,
            at: now.millis(),
        };
        counters.under_way.push(reservation);
        Ok(Ticket {
            admission: self.clone(),
            reservation,
            outcome: Outcome::Failed,
        })
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One reserved try. Dropped without another word it counts as a failure.
#[must_use]
pub(crate) struct Ticket {
    admission: Admission,
    reservation: Reservation,
    outcome: Outcome,
}

#[derive(Clone, Copy)]
enum Outcome {
    Failed,
    Succeeded,
    Withdrawn,
}

impl Ticket {
    /// The password was right and the account was let in.
    pub(crate) fn succeeded(mut self) {
        self.outcome = Outcome::Succeeded;
    }

    /// The password was wrong, or right for an account that may not enter.
    pub(crate) fn failed(self) {
        drop(self);
    }

    /// Nothing was learned about the password: no hash was computed, or the
    /// store could not be read.
    pub(crate) fn withdrawn(mut self) {
        self.outcome = Outcome::Withdrawn;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission
            .counters()
            .settle(self.reservation, self.outcome);
    }
}

/// The name that was claimed, folded, as 128 bits of its SHA-256: every entry
/// has one size, however long the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct AccountKey([u8; 16]);

impl AccountKey {
    /// BRU-003: letter case and blanks around a name make no second counter.
    fn of(username: &str) -> Self {
        let folded = username.trim().to_lowercase();
        let hash = digest::digest(&digest::SHA256, folded.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hash.as_ref()[..16]);
        Self(key)
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Who {
    account: AccountKey,
    network: Network,
}

#[derive(Clone, Copy)]
struct Reservation {
    number: u64,
    who: Who,
    at: u64,
}

/// Failures since the last success or the last quiet [`WINDOW`].
#[derive(Clone, Copy, Default)]
struct Failures {
    count: u32,
    last: u64,
}

impl Failures {
    fn count_at(self, now: u64) -> u32 {
        if now.saturating_sub(self.last) >= WINDOW {
            0
        } else {
            self.count
        }
    }

    fn one_more(self, at: u64) -> Self {
        Self {
            count: self.count_at(at).saturating_add(1),
            last: at,
        }
    }

    /// Milliseconds from `now` to `delay` after the last failure. A clock that
    /// went back makes nobody wait longer than `delay`.
    fn remaining(self, delay: u64, now: u64) -> u64 {
        delay.saturating_sub(now.saturating_sub(self.last))
    }
}

/// Failures that are forgotten one by one: a network with many people behind
/// it always has a few.
#[derive(Clone, Copy, Default)]
struct Leaky {
    count: u32,
    /// When the first of them is forgotten next.
    since: u64,
}

impl Leaky {
    fn at(self, now: u64) -> Self {
        let forgotten = now.saturating_sub(self.since) / NETWORK_FORGETS_ONE;
        match u32::try_from(forgotten) {
            Ok(forgotten) if forgotten < self.count => Self {
                count: self.count - forgotten,
                since: self.since + u64::from(forgotten) * NETWORK_FORGETS_ONE,
            },
            _ => Self {
                count: 0,
                since: now,
            },
        }
    }

    fn one_more(self, at: u64) -> Self {
        let now = self.at(at);
        Self {
            count: now.count.saturating_add(1),
            ..now
        }
    }

    fn next_forgotten(self, now: u64) -> u64 {
        NETWORK_FORGETS_ONE.saturating_sub(now.saturating_sub(self.since))
    }
}

struct Counters {
    pairs: Table<Who, Failures>,
    accounts: Table<AccountKey, Failures>,
    networks: Table<Network, Leaky>,
    /// When an account last signed in from a network.
    familiar: Table<Who, u64>,
    /// Never more than the capacity, so looking through it is cheap.
    under_way: Vec<Reservation>,
    reservations: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            pairs: Table::new(TABLE_ENTRIES),
            accounts: Table::new(TABLE_ENTRIES),
            networks: Table::new(TABLE_ENTRIES),
            familiar: Table::new(TABLE_ENTRIES),
            under_way: Vec::new(),
            reservations: 0,
        }
    }
}

impl Counters {
    fn check(&self, who: Who, now: u64, capacity: usize) -> Result<(), Refused> {
        if self.under_way.len() >= capacity {
            return Err(Refused::Busy {
                retry_after_seconds: 1,
            });
        }
        let from_network = self.count_under_way(|other| other.network == who.network);
        if from_network as usize >= capacity.div_ceil(2) {
            return throttled(SECOND);
        }
        self.check_pair(who, now)?;
        self.check_network(who.network, from_network, now)?;
        self.check_account(who, now)
    }

    fn check_pair(&self, who: Who, now: u64) -> Result<(), Refused> {
        let failures = self.pairs.get(&who).unwrap_or_default();
        let under_way = self.count_under_way(|other| *other == who);
        let count = failures.count_at(now);
        if count.saturating_add(under_way) < PAIR_FAILURES {
            return Ok(());
        }
        let doublings = count.saturating_sub(PAIR_FAILURES).min(16);
        let delay = (FIRST_DELAY << doublings).min(LONGEST_DELAY);
        match failures.remaining(delay, now) {
            // Slowed, and it is time for the next one.
            0 if under_way == 0 => Ok(()),
            0 => throttled(SECOND),
            // Not slowed yet: the bound is reached by what is under way.
            _ if count < PAIR_FAILURES => throttled(SECOND),
            remaining => throttled(remaining),
        }
    }

    fn check_network(&self, network: Network, under_way: u32, now: u64) -> Result<(), Refused> {
        let failures = self.networks.get(&network).unwrap_or_default().at(now);
        if failures.count.saturating_add(under_way) < NETWORK_FAILURES {
            return Ok(());
        }
        throttled(failures.next_forgotten(now))
    }

    fn check_account(&self, who: Who, now: u64) -> Result<(), Refused> {
        let failures = self.accounts.get(&who.account).unwrap_or_default();
        let under_way = self.count_under_way(|other| other.account == who.account);
        if failures.count_at(now).saturating_add(under_way) < ACCOUNT_FAILURES {
            return Ok(());
        }
        match self.familiar.get(&who) {
            Some(last) if now.saturating_sub(last) < FAMILIAR => Ok(()),
            _ => throttled(failures.remaining(WINDOW, now)),
        }
    }

    fn count_under_way(&self, counts: impl Fn(&Who) -> bool) -> u32 {
        let number = self.under_way.iter().filter(|one| counts(&one.who)).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    }

    fn settle(&mut self, reservation: Reservation, outcome: Outcome) {
        self.under_way
            .retain(|one| one.number != reservation.number);
        let Reservation { who, at, .. } = reservation;
        match outcome {
            Outcome::Withdrawn => {}
            Outcome::Succeeded => {
                self.pairs.remove(&who);
                self.accounts.remove(&who.account);
                self.familiar.insert(who, at);
            }
            Outcome::Failed => {
                let pair = self.pairs.get(&who).unwrap_or_default();
                self.pairs.insert(who, pair.one_more(at));
                let account = self.accounts.get(&who.account).unwrap_or_default();
                self.accounts.insert(who.account, account.one_more(at));
                let network = self.networks.get(&who.network).unwrap_or_default();
                self.networks.insert(who.network, network.one_more(at));
            }
        }
    }
}

fn throttled(millis: u64) -> Result<(), Refused> {
    Err(Refused::Throttled {
        retry_after_seconds: millis.div_ceil(SECOND).max(1),
    })
}

#[cfg(test)]
mod tests;
