//! Where a request comes from, as coarsely as one customer is numbered.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address or an IPv6 /64.
///
/// A single customer is given a whole /64 and may send from any of its
/// addresses, so the rest of an IPv6 address says nothing (BRU-006).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// One address.
    V4(Ipv4Addr),
    /// The first 64 bits.
    V6(u64),
    /// The caller of the router did not say: one network for all.
    Unknown,
}

impl From<Option<IpAddr>> for Network {
    fn from(address: Option<IpAddr>) -> Self {
        // An IPv4 peer of a dual-stack socket shows as ::ffff:a.b.c.d.
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self::V4(address),
            Some(IpAddr::V6(address)) => Self::V6((u128::from(address) >> 64) as u64),
            None => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::Network;

    fn network(text: &str) -> Network {
        Network::from(Some(text.parse().unwrap()))
    }

    #[test]
    fn bru_006_a_thousand_addresses_of_one_64_are_one_network() {
        let first = network("2001:db8:1:2::1");
        for host in 0..1000 {
            assert_eq!(network(&format!("2001:db8:1:2:{host:x}::9")), first);
        }
        assert_ne!(network("2001:db8:1:3::1"), first);
        assert_eq!(network("::ffff:192.0.2.1"), network("192.0.2.1"));
        assert_ne!(network("192.0.2.2"), network("192.0.2.1"));
    }
}
