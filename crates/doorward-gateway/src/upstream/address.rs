//! Which addresses can stand behind the gateway.

use std::net::{IpAddr, SocketAddr};

use http::{Uri, uri::Scheme};

/// Whether `origin` is written as one of the addresses that a listener on
/// `address` answers at.
pub(crate) fn is_at(origin: &Uri, address: SocketAddr) -> bool {
    let host = origin.host().unwrap_or_default();
    let named = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    let is_ours = match named {
        Ok(named) if address.ip().is_unspecified() => named.is_loopback() || named.is_unspecified(),
        // To connect to no address is to connect to this machine.
        Ok(named) if named.is_unspecified() => address.ip().is_loopback(),
        Ok(named) => named == address.ip(),
        Err(_) => {
            host.eq_ignore_ascii_case("localhost")
                && (address.ip().is_loopback() || address.ip().is_unspecified())
        }
    };
    is_ours && port(origin) == address.port()
}

/// Whether `origin` is one that can stand behind the gateway.
pub(crate) fn is_origin(origin: &Uri) -> bool {
    let bare = origin.path() == "/" && origin.query().is_none();
    let host = origin
        .authority()
        .is_some_and(|authority| !authority.host().is_empty() && !authority.as_str().contains('@'));
    let is_spoken = origin.scheme() == Some(&Scheme::HTTP) || is_tls(origin);
    is_spoken && bare && host
}

/// Whether `origin` is reached by TLS.
pub(crate) fn is_tls(origin: &Uri) -> bool {
    origin.scheme() == Some(&Scheme::HTTPS)
}

pub(super) fn port(origin: &Uri) -> u16 {
    let default = if is_tls(origin) { 443 } else { 80 };
    origin.port_u16().unwrap_or(default)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]

    use super::is_at;

    #[test]
    fn the_gateway_is_not_its_own_upstream() {
        let at =
            |origin: &str, address: &str| is_at(&origin.parse().unwrap(), address.parse().unwrap());
        for (origin, address) in [
            ("http://127.0.0.1:4180", "127.0.0.1:4180"),
            ("http://localhost:4180", "127.0.0.1:4180"),
            ("http://LOCALHOST:4180", "[::1]:4180"),
            ("http://[::1]:4180", "[::1]:4180"),
            ("http://0.0.0.0:4180", "127.0.0.1:4180"),
            ("http://127.0.0.1", "0.0.0.0:80"),
            ("http://localhost:80", "[::]:80"),
        ] {
            assert!(at(origin, address), "{origin} {address}");
        }
        for (origin, address) in [
            ("http://127.0.0.1:4181", "127.0.0.1:4180"),
            ("http://10.0.0.1:4180", "127.0.0.1:4180"),
            ("http://api.test:4180", "127.0.0.1:4180"),
        ] {
            assert!(!at(origin, address), "{origin} {address}");
        }
    }
}
