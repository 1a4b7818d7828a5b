//! Whose word is taken for a caller's address: the socket's, and that of
//! proxies that the operator trusts.
//!
//! A trusted proxy says for whom it speaks in one of two ways: before the first
//! byte of the connection (the PROXY protocol, versions 1 and 2), or in the
//! field X-Forwarded-For, which is read from its end: each trusted hop is
//! passed over, and the first address that is not one is the caller's. What
//! stands before that was written by strangers. `Forwarded` (RFC 7239) is not
//! believed: a proxy that writes one of the two passes the other through.

use std::{fmt, net::IpAddr, str::FromStr};

use http::{HeaderMap, HeaderValue};

use crate::{arrival::Caller, gateway::Peer};

/// A range of addresses, `10.0.0.0/8`; one address is a range of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// What is not the text of a [`Network`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("write an address or a range, like 10.0.0.1 or 10.0.0.0/8")]
pub struct ParseNetworkError;

impl FromStr for Network {
    type Err = ParseNetworkError;

    fn from_str(text: &str) -> Result<Self, ParseNetworkError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| ParseNetworkError)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix
            .map_or(Ok(most), str::parse)
            .map_err(|_| ParseNetworkError)?;
        let network = Self { address, prefix };
        let is_whole = prefix <= most && network.front(address) == network.bits(address);
        is_whole.then_some(network).ok_or(ParseNetworkError)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Network {
    /// Whether `address` is in it.
    pub fn contains(&self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && self.front(self.address) == self.front(address)
    }

    /// Whether every address is in it.
    pub fn is_everything(&self) -> bool {
        self.prefix == 0
    }

    fn bits(&self, address: IpAddr) -> u128 {
        match address {
            IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
            IpAddr::V6(address) => u128::from(address),
        }
    }

    fn front(&self, address: IpAddr) -> u128 {
        let mask = u128::MAX
            .checked_shl(128 - u32::from(self.prefix))
            .unwrap_or(0);
        self.bits(address) & mask
    }
}

/// Whether `address` is that of a trusted proxy.
pub(crate) fn is_trusted(trusted: &[Network], address: IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The caller that a trusted proxy speaks for; `caller` itself where it is not
/// one, or says nothing that can be read.
pub(crate) fn behind(caller: Caller, headers: &HeaderMap, trusted: &[Network]) -> Caller {
    if trusted.is_empty() || !is_trusted(trusted, caller.peer.0) {
        return caller;
    }
    let hops: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .flat_map(|field| field.to_str().unwrap_or("?").split(','))
        .map(str::trim)
        .collect();
    let mut peer = caller.peer;
    for hop in hops.iter().rev() {
        let Ok(address) = hop.parse::<IpAddr>() else {
            break;
        };
        peer = Peer(address.to_canonical());
        if !is_trusted(trusted, peer.0) {
            break;
        }
    }
    let is_https = |scheme: &HeaderValue| scheme.as_bytes().eq_ignore_ascii_case(b"https");
    let mut schemes = headers.get_all("x-forwarded-proto").iter();
    let is_secure = caller.is_secure || schemes.next_back().is_some_and(is_https);
    Caller { peer, is_secure }
}

/// What the PROXY protocol says at the front of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Header {
    /// More bytes are needed, at least so many in all.
    Unfinished(usize),
    /// So many bytes of header; the address, or `None` where the proxy speaks
    /// for itself.
    Whole(usize, Option<IpAddr>),
    /// None, or a broken one.
    Broken,
}

const SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";

/// Longest header of version 1, with its line end.
const LONGEST_LINE: usize = 107;

/// Longest header of version 2: addresses and extensions of no use to us.
const LONGEST_BLOCK: usize = 4 * 1024;

impl Header {
    /// Reads the front of `bytes`.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        match bytes {
            [b'P', ..] => Self::line(bytes),
            [b'\r', ..] => Self::block(bytes),
            [] => Self::Unfinished(1),
            _ => Self::Broken,
        }
    }

    fn line(bytes: &[u8]) -> Self {
        let window = &bytes[..bytes.len().min(LONGEST_LINE)];
        let Some(end) = window.windows(2).position(|pair| pair == b"\r\n") else {
            let is_full = bytes.len() >= LONGEST_LINE;
            return if is_full {
                Self::Broken
            } else {
                Self::Unfinished(bytes.len() + 1)
            };
        };
        let Ok(line) = std::str::from_utf8(&bytes[..end]) else {
            return Self::Broken;
        };
        let mut words = line.split(' ');
        let (proxy, family, source) = (words.next(), words.next(), words.next());
        let address = match (proxy, family, source) {
            (Some("PROXY"), Some("UNKNOWN"), _) => None,
            (Some("PROXY"), Some(family @ ("TCP4" | "TCP6")), Some(source)) => {
                match source.parse::<IpAddr>() {
                    Ok(address) if address.is_ipv4() == (family == "TCP4") => Some(address),
                    _ => return Self::Broken,
                }
            }
            _ => return Self::Broken,
        };
        Self::Whole(end + 2, address.map(|address| address.to_canonical()))
    }

    fn block(bytes: &[u8]) -> Self {
        let shared = bytes.len().min(SIGNATURE.len());
        if bytes[..shared] != SIGNATURE[..shared] {
            return Self::Broken;
        }
        let [version, family, high, low] = match bytes.get(12..16) {
            Some(&[version, family, high, low]) => [version, family, high, low],
            _ => return Self::Unfinished(16),
        };
        let whole = 16 + usize::from(u16::from_be_bytes([high, low]));
        if whole > LONGEST_BLOCK {
            return Self::Broken;
        }
        let Some(block) = bytes.get(16..whole) else {
            return Self::Unfinished(whole);
        };
        let address = match (version, family >> 4) {
            (0x20, _) => None,
            (0x21, 1) => block.first_chunk::<4>().map(|bytes| IpAddr::from(*bytes)),
            (0x21, 2) => block.first_chunk::<16>().map(|bytes| IpAddr::from(*bytes)),
            (0x21, _) => None,
            _ => return Self::Broken,
        };
        if address.is_none() && version == 0x21 && matches!(family >> 4, 1 | 2) {
            return Self::Broken;
        }
        Self::Whole(whole, address.map(|address| address.to_canonical()))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::{Header, Network, SIGNATURE, behind};
    use crate::{arrival::Caller, gateway::Peer};

    fn networks(texts: &[&str]) -> Vec<Network> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn networks_are_read_strictly() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("10.0.0.1", "10.0.0.1", "10.0.0.2"),
            ("0.0.0.0/0", "1.2.3.4", "::1"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "::1", "1.2.3.4"),
        ] {
            let network: Network = network.parse().unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network}");
            assert!(!network.contains(outside.parse().unwrap()), "{network}");
        }
        for wrong in [
            "",
            "10.0.0.0/33",
            "10.0.0.1/8",
            "10.0.0/8",
            "10.0.0.0/",
            "::/129",
            "a",
        ] {
            assert!(wrong.parse::<Network>().is_err(), "{wrong}");
        }
    }

    fn seen(peer: &str, fields: &[(&'static str, &str)]) -> (String, bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let caller = Caller {
            peer: Peer(peer.parse().unwrap()),
            is_secure: false,
        };
        let caller = behind(caller, &headers, &networks(&["10.0.0.0/8"]));
        (caller.peer.0.to_string(), caller.is_secure)
    }

    #[test]
    fn gwy_014_only_trusted_hops_count() {
        let spoofed = ("x-forwarded-for", "1.1.1.1, 2.2.2.2");
        assert_eq!(
            seen("9.9.9.9", &[spoofed]).0,
            "9.9.9.9",
            "not from a stranger"
        );
        assert_eq!(seen("10.0.0.1", &[spoofed]).0, "2.2.2.2");
        let twice = [
            ("x-forwarded-for", "1.1.1.1"),
            ("x-forwarded-for", "3.3.3.3,10.0.0.9"),
        ];
        assert_eq!(seen("10.0.0.1", &twice).0, "3.3.3.3", "through two of ours");
        assert_eq!(seen("10.0.0.1", &[]).0, "10.0.0.1");
        assert_eq!(
            seen("10.0.0.1", &[("x-forwarded-for", "1.1.1.1, unknown")]).0,
            "10.0.0.1"
        );
        assert_eq!(
            seen(
                "10.0.0.1",
                &[("x-forwarded-for", "1.1.1.1, ::ffff:10.0.0.2")]
            )
            .0,
            "1.1.1.1"
        );
        for name in ["forwarded", "x-real-ip", "client-ip", "true-client-ip"] {
            assert_eq!(seen("10.0.0.1", &[(name, "for=1.1.1.1")]).0, "10.0.0.1");
        }
        assert!(seen("10.0.0.1", &[("x-forwarded-proto", "https")]).1);
        assert!(!seen("9.9.9.9", &[("x-forwarded-proto", "https")]).1);
        assert!(!seen("10.0.0.1", &[("x-forwarded-proto", "http")]).1);
    }

    #[test]
    fn both_versions_of_the_proxy_protocol_are_read_in_any_pieces() {
        let v1 = b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n".to_vec();
        let mut v2 = SIGNATURE.to_vec();
        v2.extend([0x21, 0x21, 0, 39]);
        v2.extend([0; 15]);
        v2.push(1);
        v2.extend([7; 23]);
        let mut local = SIGNATURE.to_vec();
        local.extend([0x20, 0, 0, 0]);
        let unknown = b"PROXY UNKNOWN ffff\r\n".to_vec();
        for (whole, address) in [
            (v1, Some("1.2.3.4")),
            (v2, Some("::1")),
            (local, None),
            (unknown, None),
        ] {
            for length in 0..whole.len() {
                let read = Header::read(&whole[..length]);
                assert!(
                    matches!(read, Header::Unfinished(more) if more > length),
                    "{read:?}"
                );
            }
            let address = address.map(|address| address.parse().unwrap());
            let more = [&whole[..], b"GET /"].concat();
            assert_eq!(Header::read(&more), Header::Whole(whole.len(), address));
        }
    }

    #[test]
    fn gwy_014_a_broken_proxy_header_is_none() {
        let long = format!("PROXY TCP4 {}\r\n", "1".repeat(120));
        for wrong in [
            "GET / HTTP/1.1\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n",
            "PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n",
            "PROXY\r\n",
            "POST / HTTP/1.1\r\n",
            "\r\nGET",
            &long,
        ] {
            assert_eq!(Header::read(wrong.as_bytes()), Header::Broken, "{wrong}");
        }
        for tail in [
            [0x31, 0x11, 0, 12],
            [0x21, 0x11, 0, 0],
            [0x21, 0x11, 255, 255],
        ] {
            let block = [&SIGNATURE[..], &tail, &[0; 12]].concat();
            assert_eq!(Header::read(&block), Header::Broken, "{tail:?}");
        }
    }
}
