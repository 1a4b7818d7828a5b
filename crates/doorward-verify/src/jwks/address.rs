//! Which network addresses a key set may be fetched from.
//!
//! A name proves nothing about where it points: what is judged is the address
//! that is about to be connected to (RFC 8725 section 3.10). Everything that
//! the registries of special-purpose addresses (RFC 6890) do not leave to the
//! public internet is refused unless its kind was allowed.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What an address is reserved for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressKind {
    /// Globally reachable.
    Public,
    /// This machine: 127.0.0.0/8, `::1`.
    Loopback,
    /// Inside an organisation: RFC 1918, RFC 6598 (shared), RFC 4193.
    Private,
    /// This link: 169.254.0.0/16, where clouds keep their metadata; fe80::/10.
    LinkLocal,
    /// Everything else that is nobody's public address. Never allowed.
    Reserved,
}

impl AddressKind {
    /// The kind of `address`; an IPv4 address inside an IPv6 one counts as
    /// itself.
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }

    /// The word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link-local",
            Self::Reserved => "reserved",
        }
    }
}

const fn of_v4(address: Ipv4Addr) -> AddressKind {
    match address.octets() {
        [127, ..] => AddressKind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => {
            AddressKind::Private
        }
        [169, 254, ..] => AddressKind::LinkLocal,
        // This network, protocol assignments, documentation, the old 6to4
        // relays, benchmarks, multicast and everything above.
        [0, ..]
        | [192, 0, 0 | 2, _]
        | [192, 88, 99, _]
        | [198, 18 | 19, ..]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [224..=255, ..] => AddressKind::Reserved,
        _ => AddressKind::Public,
    }
}

const fn of_v6(address: Ipv6Addr) -> AddressKind {
    let segments = address.segments();
    match segments {
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressKind::Loopback,
        // Mapped (RFC 4291) and translated (RFC 6052) addresses reach the
        // IPv4 address inside.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            of_v4(Ipv4Addr::new(a, b, c, d))
        }
        [0xfc00..=0xfdff, ..] => AddressKind::Private,
        [0xfe80..=0xfebf, ..] => AddressKind::LinkLocal,
        // Protocol assignments and Teredo, documentation, 6to4: inside 2000::/3
        // and not plain addresses of it.
        [0x2001, 0..=0x1ff, ..] | [0x2001, 0xdb8, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => {
            AddressKind::Reserved
        }
        [0x2000..=0x3fff, ..] => AddressKind::Public,
        _ => AddressKind::Reserved,
    }
}

#[cfg(test)]
mod tests {
    use super::AddressKind;

    fn kind(text: &str) -> AddressKind {
        AddressKind::of(text.parse().expect(text))
    }

    #[test]
    fn key_007_every_inner_address_is_told_apart() {
        let wanted = [
            (
                AddressKind::Loopback,
                "127.0.0.1 127.255.255.254 ::1 ::ffff:127.0.0.1 64:ff9b::7f00:1",
            ),
            (
                AddressKind::Private,
                "10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 fc00::1 fdff::1 ::ffff:10.1.2.3",
            ),
            (
                AddressKind::LinkLocal,
                "169.254.169.254 fe80::1 febf::1 ::ffff:169.254.169.254",
            ),
            (
                AddressKind::Reserved,
                "0.0.0.0 0.1.2.3 192.0.0.1 192.0.2.1 192.88.99.1 198.18.0.1 198.19.255.255 198.51.100.1 \
                 203.0.113.1 224.0.0.1 240.0.0.1 255.255.255.255 :: ::2 ::127.0.0.1 2001::1 2001:db8::1 \
                 2002:7f00:1::1 3fff::1 100::1 fec0::1 ff02::1 64:ff9b:1::1 5f00::1",
            ),
            (
                AddressKind::Public,
                "1.1.1.1 9.255.255.255 11.0.0.0 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 169.253.0.1 \
                 192.167.0.1 223.255.255.255 2606:4700::1111 2001:4860::8888 64:ff9b::101:101",
            ),
        ];
        for (wanted, addresses) in wanted {
            for address in addresses.split_whitespace() {
                assert_eq!(kind(address), wanted, "{address}");
            }
        }
    }

    #[test]
    fn each_kind_has_its_word() {
        let words = ["1.1.1.1", "::1", "10.0.0.1", "fe80::1", "::"].map(|text| kind(text).name());
        assert_eq!(
            words,
            ["public", "loopback", "private", "link-local", "reserved"]
        );
    }
}
