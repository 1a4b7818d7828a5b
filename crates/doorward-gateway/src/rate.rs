//! How much one caller may ask: by address, by what failed at an address, by
//! subject, by client.
//!
//! Each rule is a generic cell rate algorithm: one number for a key, the time
//! at which its last request will have been paid for. A window's worth may come
//! at once; after that, requests come as fast as they are paid. Addresses are
//! asked about before the token is looked at, so a flood of bad tokens costs
//! less than good ones do; IPv6 callers count by their network of 64 bits.
//!
//! Memory is fixed. Each key has eight places that it may stand in; where all
//! are taken, the one that is paid for first is given up. Who can fill the
//! table with keys of its own wins little: a forgotten key starts afresh.
//!
//! What is left is told as in draft-ietf-httpapi-ratelimit-headers.

use std::{
    collections::hash_map::RandomState,
    fmt::Write as _,
    hash::BuildHasher as _,
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use doorward_verify::principal::Principal;
use http::{HeaderMap, HeaderName, HeaderValue, header::RETRY_AFTER};
use tokio::time::Instant;

/// What a rule counts by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Per {
    /// The caller's address: every request.
    Address,
    /// The caller's address: requests whose token was refused.
    Failure,
    /// `sub` of the proven caller.
    Subject,
    /// `client_id` of the proven caller.
    Client,
}

/// So many requests in a window.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What it is called in `RateLimit-Policy`.
    pub name: String,
    /// What it counts by.
    pub per: Per,
    /// How many, at least 1.
    pub requests: u32,
    /// In how long.
    pub window: Duration,
}

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LEFT: HeaderName = HeaderName::from_static("ratelimit");

/// Places for keys, in so many groups with a lock each.
const GROUPS: usize = 8 * 1024;
const PLACES: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: u64,
    /// In microseconds since the beginning.
    paid_at: u64,
}

/// Counts.
#[derive(Debug)]
pub(crate) struct Rates {
    rules: Vec<RateLimit>,
    groups: Vec<Mutex<[Place; PLACES]>>,
    hasher: RandomState,
    began: Instant,
}

/// What callers are told.
#[derive(Debug, Default)]
pub(crate) struct Told {
    policies: String,
    left: String,
    retry_after: Option<u64>,
}

/// The rule that was broken.
#[derive(Debug)]
pub(crate) struct Over(pub(crate) String);

impl Rates {
    pub(crate) fn new(rules: Vec<RateLimit>) -> Self {
        let groups = if rules.is_empty() { 0 } else { GROUPS };
        Self {
            rules,
            groups: (0..groups).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            began: Instant::now(),
        }
    }

    /// A request from `address`, before anything of it is judged.
    pub(crate) fn arrived(&self, address: IpAddr, told: &mut Told) -> Result<(), Over> {
        let address = by_network(address);
        self.look(Per::Failure, &address, told)?;
        self.count(Per::Address, &address, told)
    }

    /// A token from `address` was refused.
    pub(crate) fn failed(&self, address: IpAddr) {
        // It has been refused already; the next one is asked about.
        let _ = self.count(Per::Failure, &by_network(address), &mut Told::default());
    }

    /// A request that would be let in.
    pub(crate) fn proven(&self, principal: &Principal, told: &mut Told) -> Result<(), Over> {
        let claims = principal.claims();
        // Two issuers may give one name to two people: nobody spends another's.
        let issuer = principal.foreign_issuer();
        self.count(Per::Subject, &(issuer, claims.subject()), told)?;
        match claims.client_id() {
            Some(client) => self.count(Per::Client, &(issuer, client), told),
            None => Ok(()),
        }
    }

    fn count(&self, per: Per, key: &impl std::hash::Hash, told: &mut Told) -> Result<(), Over> {
        self.ask(per, key, told, true)
    }

    fn look(&self, per: Per, key: &impl std::hash::Hash, told: &mut Told) -> Result<(), Over> {
        self.ask(per, key, told, false)
    }

    fn ask(
        &self,
        per: Per,
        key: &impl std::hash::Hash,
        told: &mut Told,
        pays: bool,
    ) -> Result<(), Over> {
        for (number, rule) in self.rules.iter().enumerate() {
            if rule.per != per {
                continue;
            }
            let key = self.hasher.hash_one((number, key));
            let (window, cost) = (micros(rule.window), cost(rule));
            let now = micros(self.began.elapsed());
            let debt = self.debt(key, now, if pays { cost } else { 0 }, window);
            match debt {
                Ok(debt) if pays || debt + cost <= window => {
                    if pays {
                        told.tell(rule, (window - debt) / cost, debt);
                    }
                }
                Ok(debt) | Err(debt) => {
                    told.tell(rule, 0, debt);
                    told.retry_after = Some(seconds((debt + cost).saturating_sub(window)).max(1));
                    let window = rule.window.as_secs();
                    return Err(Over(format!("more than {} in {window} s", rule.requests)));
                }
            }
        }
        Ok(())
    }

    /// What `key` owes at `now`, with `cost` more; with an error it could not
    /// pay that, and nothing has changed.
    fn debt(&self, key: u64, now: u64, cost: u64, window: u64) -> Result<u64, u64> {
        let group = usize::try_from(key).unwrap_or(usize::MAX) % self.groups.len();
        let mut places = self.groups[group]
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = places.iter().position(|place| place.key == key);
        let owed = found.map_or(0, |at| places[at].paid_at.saturating_sub(now));
        if owed + cost > window {
            return Err(owed);
        }
        if cost > 0 {
            let at = found.unwrap_or_else(|| {
                let soonest = places
                    .iter()
                    .enumerate()
                    .min_by_key(|(_, place)| place.paid_at);
                soonest.map_or(0, |(at, _)| at)
            });
            places[at] = Place {
                key,
                paid_at: now + owed + cost,
            };
        }
        Ok(owed + cost)
    }
}

impl Told {
    fn tell(&mut self, rule: &RateLimit, left: u64, debt: u64) {
        let separator = if self.policies.is_empty() { "" } else { ", " };
        let (name, window) = (&rule.name, rule.window.as_secs());
        let quota = rule.requests;
        let _ = write!(self.policies, "{separator}\"{name}\";q={quota};w={window}");
        let _ = write!(
            self.left,
            "{separator}\"{name}\";r={left};t={}",
            seconds(debt)
        );
    }

    /// Writes it into an answer.
    pub(crate) fn write(self, headers: &mut HeaderMap) {
        if self.policies.is_empty() {
            return;
        }
        if let (Ok(policies), Ok(left)) = (
            HeaderValue::try_from(self.policies),
            HeaderValue::try_from(self.left),
        ) {
            headers.insert(POLICY, policies);
            headers.insert(LEFT, left);
        }
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

fn cost(rule: &RateLimit) -> u64 {
    (micros(rule.window) / u64::from(rule.requests.max(1))).max(1)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

const fn seconds(micros: u64) -> u64 {
    micros.div_ceil(1_000_000)
}

/// The part of an address that one caller cannot choose at will.
pub(crate) fn by_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use std::{net::IpAddr, time::Duration};

    use super::{GROUPS, PLACES, Per, RateLimit, Rates, Told};

    fn rates(requests: u32) -> Rates {
        Rates::new(vec![RateLimit {
            name: "calls".into(),
            per: Per::Address,
            requests,
            window: Duration::from_secs(60),
        }])
    }

    const MINUTE: u64 = 60_000_000;

    #[test]
    fn a_windows_worth_at_once_and_then_as_paid() {
        let rates = rates(3);
        let third = MINUTE / 3;
        for owed in 1..=3 {
            assert_eq!(rates.debt(7, 0, third, MINUTE), Ok(owed * third));
        }
        assert_eq!(rates.debt(7, 0, third, MINUTE), Err(MINUTE));
        assert_eq!(rates.debt(8, 0, third, MINUTE), Ok(third), "another key");
        assert_eq!(rates.debt(7, third - 1, third, MINUTE), Err(2 * third + 1));
        assert_eq!(rates.debt(7, third, third, MINUTE), Ok(MINUTE));
        assert_eq!(
            rates.debt(7, 10 * MINUTE, third, MINUTE),
            Ok(third),
            "no savings"
        );
    }

    #[test]
    fn dos_009_the_table_is_bounded_and_the_most_indebted_stay() {
        let rates = rates(100);
        let cost = MINUTE / 100;
        for _ in 0..50 {
            rates.debt(1, 0, cost, MINUTE).unwrap();
        }
        for key in 2..(GROUPS * PLACES * 4) as u64 {
            rates.debt(key, 0, cost, MINUTE).unwrap();
        }
        assert_eq!(rates.debt(1, 0, 0, MINUTE), Ok(50 * cost), "not forgotten");
    }

    #[test]
    fn what_is_left_is_told() {
        let rates = rates(2);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let mut headers = http::HeaderMap::new();
        let mut told = Told::default();
        rates.arrived(address, &mut told).unwrap();
        told.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"calls\";q=2;w=60");
        assert_eq!(headers["ratelimit"], "\"calls\";r=1;t=30");
        assert!(!headers.contains_key("retry-after"));
        rates.arrived(address, &mut Told::default()).unwrap();
        let mut told = Told::default();
        rates.arrived(address, &mut told).unwrap_err();
        told.write(&mut headers);
        assert_eq!(headers["ratelimit"], "\"calls\";r=0;t=60");
        assert_eq!(headers["retry-after"], "30");
    }

    #[test]
    fn ipv6_callers_count_by_their_network() {
        let rates = rates(1);
        let asked = |text: &str| {
            rates
                .arrived(text.parse().unwrap(), &mut Told::default())
                .is_ok()
        };
        assert!(asked("2001:db8::1"));
        assert!(!asked("2001:db8::2:1"));
        assert!(asked("2001:db8:0:1::1"));
    }
}
