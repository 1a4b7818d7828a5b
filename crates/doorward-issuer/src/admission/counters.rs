//! The counters behind admission: what is bounded, forgotten and refused.

use std::collections::HashSet;

use aws_lc_rs::digest;

use super::{Network, Refused, keeping::Key, table::Table};

pub(super) const SECOND: u64 = 1_000;
pub(super) const MINUTE: u64 = 60 * SECOND;

/// Failures are forgotten when this long passed without another one.
pub(super) const WINDOW: u64 = 30 * MINUTE;
/// Failures of one account from one network before it is slowed.
pub(super) const PAIR_FAILURES: u32 = 10;
/// The first delay.
const FIRST_DELAY: u64 = 30 * SECOND;
/// The longest delay; shorter than [`WINDOW`], or slowing would end itself.
const LONGEST_DELAY: u64 = 15 * MINUTE;
/// Failures of one account from everywhere before the hard stop.
pub(super) const ACCOUNT_FAILURES: u32 = 100;
/// Failures from one network.
pub(super) const NETWORK_FAILURES: u32 = 100;
/// The time in which one failure of a network is forgotten.
const NETWORK_FORGETS_ONE: u64 = WINDOW / NETWORK_FAILURES as u64;
/// How long a network stays familiar to an account that signed in from it.
pub(super) const FAMILIAR: u64 = 30 * 24 * 60 * MINUTE;
/// Entries of each table.
const TABLE_ENTRIES: usize = 65_536;

/// The name that was claimed, folded, as 128 bits of its SHA-256: every entry
/// has one size, however long the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AccountKey(pub(super) [u8; 16]);

impl AccountKey {
    /// BRU-003: letter case and blanks around a name make no second counter.
    pub(super) fn of(username: &str) -> Self {
        let folded = username.trim().to_lowercase();
        let hash = digest::digest(&digest::SHA256, folded.as_bytes());
        let mut key = [0; 16];
        key.copy_from_slice(&hash.as_ref()[..16]);
        Self(key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Who {
    pub(super) account: AccountKey,
    pub(super) network: Network,
}

#[derive(Clone, Copy)]
pub(super) struct Reservation {
    pub(super) number: u64,
    pub(super) who: Who,
    pub(super) at: u64,
}

/// Failures since the last success or the last quiet [`WINDOW`].
#[derive(Clone, Copy, Default)]
pub(super) struct Failures {
    pub(super) count: u32,
    pub(super) last: u64,
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
pub(super) struct Leaky {
    pub(super) count: u32,
    /// Since when the oldest of them is being forgotten.
    pub(super) since: u64,
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

/// How a try ended.
#[derive(Clone, Copy)]
pub(super) enum Outcome {
    Failed,
    Succeeded,
    Withdrawn,
}

pub(super) struct Counters {
    pub(super) pairs: Table<Who, Failures>,
    pub(super) accounts: Table<AccountKey, Failures>,
    pub(super) networks: Table<Network, Leaky>,
    /// When an account last signed in from a network.
    pub(super) familiar: Table<Who, u64>,
    /// What is not in the store as it is here.
    pub(super) waiting: HashSet<Key>,
    /// Never more than the capacity, so looking through it is cheap.
    pub(super) under_way: Vec<Reservation>,
    pub(super) reservations: u64,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            pairs: Table::new(TABLE_ENTRIES),
            accounts: Table::new(TABLE_ENTRIES),
            networks: Table::new(TABLE_ENTRIES),
            familiar: Table::new(TABLE_ENTRIES),
            waiting: HashSet::new(),
            under_way: Vec::new(),
            reservations: 0,
        }
    }
}

impl Counters {
    pub(super) fn check(&self, who: Who, now: u64, capacity: usize) -> Result<(), Refused> {
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

    pub(super) fn settle(&mut self, reservation: Reservation, outcome: Outcome) {
        self.under_way
            .retain(|one| one.number != reservation.number);
        let Reservation { who, at, .. } = reservation;
        match outcome {
            Outcome::Withdrawn => {}
            Outcome::Succeeded => {
                self.pairs.remove(&who);
                self.accounts.remove(&who.account);
                self.familiar.insert(who, at);
                self.changed(Key::Pair(who));
                self.changed(Key::Account(who.account));
                self.changed(Key::Familiar(who));
            }
            Outcome::Failed => {
                let pair = self.pairs.get(&who).unwrap_or_default();
                self.pairs.insert(who, pair.one_more(at));
                let account = self.accounts.get(&who.account).unwrap_or_default();
                self.accounts.insert(who.account, account.one_more(at));
                let network = self.networks.get(&who.network).unwrap_or_default();
                self.networks.insert(who.network, network.one_more(at));
                self.changed(Key::Pair(who));
                self.changed(Key::Account(who.account));
                self.changed(Key::Network(who.network));
            }
        }
    }
}

fn throttled(millis: u64) -> Result<(), Refused> {
    Err(Refused::Throttled {
        retry_after_seconds: millis.div_ceil(SECOND).max(1),
    })
}
