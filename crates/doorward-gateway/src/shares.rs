//! How many of the places that there are one address holds.
//!
//! Whatever is bounded for all would otherwise be one caller's to take. Trusted
//! proxies speak for many and are not counted, nor is this machine unless a
//! bound is set.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::{address::is_trusted, config::Config, rate::by_network};

/// Places held, by address (of IPv6, one network of 64 bits).
#[derive(Debug, Default)]
pub(crate) struct Shares(Mutex<HashMap<IpAddr, usize>>);

impl Shares {
    /// Takes a place for `address`, unless it holds `most` already.
    pub(crate) fn take(&self, address: IpAddr, most: usize) -> bool {
        let mut held = self.held();
        let count = held.entry(by_network(address)).or_default();
        let is_free = *count < most;
        if is_free {
            *count += 1;
        } else if *count == 0 {
            held.remove(&by_network(address));
        }
        is_free
    }

    /// Gives a place of `address` back.
    pub(crate) fn give_back(&self, address: IpAddr) {
        let mut held = self.held();
        if let Some(count) = held.get_mut(&by_network(address)) {
            *count -= 1;
            if *count == 0 {
                held.remove(&by_network(address));
            }
        }
    }

    // Each change is one number.
    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The connections that `address` may hold; none if they are not counted.
pub(crate) fn connections_of(config: &Config, address: IpAddr) -> Option<usize> {
    let limits = &config.limits;
    match limits.connections_per_address {
        _ if is_trusted(&config.trusted_proxies, address) => None,
        Some(most) => Some(most),
        None if address.is_loopback() => None,
        None => Some(limits.connections.div_ceil(2)),
    }
}

/// The same of TLS handshakes: half of all at most, and no more than
/// connections.
pub(crate) fn handshakes_of(config: &Config, address: IpAddr) -> Option<usize> {
    let most = connections_of(config, address)?;
    Some(most.min(config.limits.handshakes.div_ceil(2)))
}
