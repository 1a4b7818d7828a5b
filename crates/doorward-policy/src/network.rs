//! Networks: an address and how many of its bits count (RFC 4632 section 3.1,
//! RFC 4291 section 2.3).

use std::{fmt, net::IpAddr, str::FromStr};

/// A network, like `192.0.2.0/24` or `2001:db8::/32`. A single address is a
/// network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    address: IpAddr,
    length: u8,
}

/// The text is not a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NetworkError {
    /// Neither an address nor a prefix.
    #[error("write a network like 192.0.2.0/24, 2001:db8::/32 or 192.0.2.7")]
    Form,
    /// Bits beyond the prefix: probably another network was meant.
    #[error("the address has bits beyond the prefix; the network is {0}")]
    HostBits(Network),
}

impl Network {
    /// Reads a network.
    ///
    /// ```
    /// use doorward_policy::network::Network;
    ///
    /// let office: Network = "192.0.2.0/24".parse()?;
    /// assert!(office.contains("192.0.2.9".parse()?));
    /// assert!(!office.contains("192.0.3.9".parse()?));
    /// assert!("192.0.2.9/24".parse::<Network>().is_err());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`NetworkError`] says what is wrong.
    pub fn parse(text: &str) -> Result<Self, NetworkError> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NetworkError::Form)?;
        let all = bits(address);
        let length = match length {
            None => all,
            // `u8` alone would read "+8" and "08".
            Some(digits) => digits
                .parse()
                .ok()
                .filter(|length: &u8| *length <= all && length.to_string() == digits)
                .ok_or(NetworkError::Form)?,
        };
        let network = Self {
            address: masked(address, length),
            length,
        };
        match network.address == address {
            true => Ok(network),
            false => Err(NetworkError::HostBits(network)),
        }
    }

    /// Whether `address` is in it. An IPv4 address that is written as IPv6 is
    /// that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.address.is_ipv4() && masked(address, self.length) == self.address
    }
}

const fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    let length = u32::from(length);
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            IpAddr::V4((address.to_bits() & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            IpAddr::V6((address.to_bits() & mask).into())
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::Network;

    #[test]
    fn what_is_in_a_network_and_what_is_not() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("0.0.0.0/0", "255.1.2.3", "::1"),
            ("10.0.0.0/8", "::ffff:10.9.8.7", "::ffff:11.0.0.1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::/0", "2001:db8::1", "192.0.2.1"),
            ("::1", "::1", "::2"),
        ] {
            let parsed = Network::parse(network).unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{network}");
            assert!(!parsed.contains(outside.parse().unwrap()), "{network}");
            assert_eq!(Network::parse(&parsed.to_string()), Ok(parsed));
        }
    }

    #[test]
    fn what_is_no_network() {
        for text in [
            "",
            "/",
            "/8",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/08",
            "::/129",
            "10.0.0/8",
            "10.0.0.1/8",
            "a/8",
            "10.0.0.0/8/8",
            "10.0.0.0/-1",
            "2001:db8::1/32",
        ] {
            assert!(Network::parse(text).is_err(), "{text}");
        }
    }
}
