//! Which proofs were shown before (RFC 9449 section 11.1).
//!
//! Bounded, and closed when full: a proof that cannot be remembered could come
//! back, so it is refused. The memory is divided by the key that the proofs are
//! made with, so that the holder of one key can fill one division and shut out
//! the few that share it, not everybody.
//!
//! One process remembers for itself. Where several serve the same address, a
//! nonce of its own in each ([`Nonces`](super::nonce::Nonces)) makes a proof
//! good for one of them only.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher as _, RandomState},
    sync::{Mutex, PoisonError},
};

use doorward_jose::time::UnixTime;

const DIVISIONS: usize = 64;
/// 262,144 proofs are at most about 30 MB, and 4,000 proofs a second.
const DEFAULT_CAPACITY: usize = 1 << 18;

/// Remembers proofs until they are too old to be shown again.
#[derive(Debug)]
pub struct Replays {
    divisions: Vec<Mutex<Division>>,
    capacity_each: usize,
    hasher: RandomState,
}

/// Why a proof is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It was shown before.
    Seen,
    /// There is no room to remember it.
    Full,
}

impl Default for Replays {
    fn default() -> Self {
        Self::with_capacity(DEFAULT_CAPACITY)
    }
}

impl Replays {
    /// Remembers at most about `capacity` proofs (at least 64).
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            divisions: (0..DIVISIONS).map(|_| Mutex::default()).collect(),
            capacity_each: (capacity / DIVISIONS).max(1),
            hasher: RandomState::new(),
        }
    }

    /// Remembers the proof `token_id` of the key with `thumbprint` until
    /// `until`.
    ///
    /// # Errors
    ///
    /// [`Refusal::Seen`] if it is remembered already, [`Refusal::Full`] if its
    /// division has no room.
    pub fn remember(
        &self,
        thumbprint: &str,
        token_id: &str,
        until: UnixTime,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let index = self.hasher.hash_one(thumbprint) % DIVISIONS as u64;
        let index = usize::try_from(index).unwrap_or_default();
        // Two keys may use the same jti. The length keeps the parts apart.
        let digest =
            super::access_token_hash(&format!("{}:{thumbprint}{token_id}", thumbprint.len()));
        let mut division = self.divisions[index]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        division.forget(now);
        if division.until.contains_key(digest.as_str()) {
            return Err(Refusal::Seen);
        }
        if division.until.len() >= self.capacity_each {
            return Err(Refusal::Full);
        }
        division.remember(digest.into(), until);
        Ok(())
    }

    /// Proofs remembered.
    pub fn len(&self) -> usize {
        let held = |division: &Mutex<Division>| {
            let division = division.lock().unwrap_or_else(PoisonError::into_inner);
            division.until.len()
        };
        self.divisions.iter().map(held).sum()
    }

    /// Whether none is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug, Default)]
struct Division {
    until: HashMap<Box<str>, UnixTime>,
    /// In the order of arrival, which is nearly that of the end.
    arrivals: VecDeque<Box<str>>,
}

impl Division {
    fn remember(&mut self, digest: Box<str>, until: UnixTime) {
        self.arrivals.push_back(digest.clone());
        self.until.insert(digest, until);
    }

    /// Forgets from the front. A proof dated ahead may keep those behind it for
    /// as long as its own end is away, which the window bounds.
    fn forget(&mut self, now: UnixTime) {
        let is_over = |until: &UnixTime| *until <= now;
        while let Some(oldest) = self.arrivals.front() {
            if !self.until.get(oldest).is_none_or(is_over) {
                return;
            }
            if let Some(oldest) = self.arrivals.pop_front() {
                self.until.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use doorward_jose::time::UnixTime;

    use super::{DIVISIONS, Refusal, Replays};

    fn at(seconds: u64) -> UnixTime {
        UnixTime::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn dpp_008_a_flood_of_proofs_is_bounded_and_closed_when_full() {
        let replays = Replays::with_capacity(64 * 100);
        let remember = |key: &str, number: u32, now| {
            replays.remember(key, &format!("jti-{number}"), at(60), at(now))
        };
        let mut kept = 0;
        for number in 0..20_000 {
            match remember("flooder", number, 0) {
                Ok(()) => kept += 1,
                Err(refusal) => assert_eq!(refusal, Refusal::Full),
            }
        }
        assert_eq!((kept, replays.len()), (100, 100), "one division is full");
        assert_eq!(remember("flooder", 0, 0), Err(Refusal::Seen));
        let others = (0..1000).map(|key| remember(&format!("key-{key}"), 0, 0).is_ok());
        let served = others.filter(|served| *served).count();
        assert!(served > 1000 - 3 * (1000 / DIVISIONS), "{served} of 1000");
        assert!(remember("flooder", 1_000_000, 60).is_ok(), "room again");
    }

    #[test]
    fn dpp_002_a_proof_is_remembered_until_it_is_too_old() {
        let replays = Replays::default();
        assert_eq!(replays.remember("key", "a", at(61), at(0)), Ok(()));
        assert_eq!(
            replays.remember("key", "a", at(61), at(60)),
            Err(Refusal::Seen)
        );
        assert_eq!(replays.remember("other", "a", at(61), at(60)), Ok(()));
        assert_eq!(replays.remember("ke", "ya", at(61), at(60)), Ok(()));
        assert_eq!(replays.len(), 3);
        assert_eq!(replays.remember("key", "b", at(122), at(61)), Ok(()));
    }

    #[test]
    fn dpp_008_a_busy_client_has_room_unless_told_otherwise() {
        let replays = Replays::default();
        assert!(replays.is_empty());
        for number in 0..1000 {
            let id = format!("jti-{number}");
            assert_eq!(replays.remember("key", &id, at(61), at(0)), Ok(()));
        }
        assert_eq!((replays.len(), replays.is_empty()), (1000, false));
    }
}
