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
//! BRU-004: what changed is written to the store several times a second
//! (`keeping`) and read at the start, so a restart forgets nothing. Several
//! issuer nodes count apart while they run.

mod counters;
mod keeping;
mod network;
mod table;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use doorward_verify::clock::Timestamp;

use counters::{AccountKey, Counters, Outcome, Reservation, Who};
pub(crate) use keeping::{Change, Kept};
pub(crate) use network::Network;

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

#[cfg(test)]
mod tests;
