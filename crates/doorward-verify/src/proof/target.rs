//! The address that a proof is for (`htu`, RFC 9449 section 4.2).
//!
//! Compared after the normalisation of RFC 3986 that loses nothing: scheme and
//! host without case, the scheme's own port left out, an empty path as `/`, the
//! hexadecimal digits of escapes in capitals, and escapes of unreserved
//! characters undone. The path's case, a slash more or less, and the order of
//! anything stay what they are. Dot segments, backslashes and user names have
//! no place in an address that is to have one reading.
//!
//! The query of the request is not compared, as the RFC says; an `htu` that
//! brings a query or a fragment, which it must not, is refused.

use http::Uri;

/// A normalised address without query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetUri(String);

impl TargetUri {
    /// The address under which the client reached this server: its public
    /// origin, for example `https://api.example`, and the request's target.
    /// None if they do not make an address with one reading.
    pub fn of_request(origin: &str, target: &str) -> Option<Self> {
        let path = target.split('?').next().unwrap_or_default();
        path.starts_with('/')
            .then(|| normalised(&format!("{}{path}", origin.trim_end_matches('/'))))?
    }

    /// The address that a proof names.
    pub(super) fn of_proof(htu: &str) -> Option<Self> {
        normalised(htu)
    }
}

fn normalised(text: &str) -> Option<TargetUri> {
    if text.contains(['?', '#', '\\', '@']) || !text.is_ascii() {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let own_port = match scheme.as_str() {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let authority = uri.authority()?;
    let host = authority.host().to_ascii_lowercase();
    let port = authority.port();
    if host.is_empty() || (port.is_none() && authority.as_str() != authority.host()) {
        return None;
    }
    let port = port
        .map(|port| port.as_u16())
        .filter(|port| *port != own_port);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    let path = normalised_path(uri.path())?;
    Some(TargetUri(format!("{scheme}://{host}{port}{path}")))
}

fn normalised_path(path: &str) -> Option<String> {
    let mut normal = String::with_capacity(path.len() + 1);
    let mut rest = path.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            normal.push(char::from(byte));
            continue;
        }
        let digits = [rest.next()?, rest.next()?];
        let escaped = u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
        if digits.contains(&b'+') {
            return None;
        }
        let is_unreserved = escaped.is_ascii_alphanumeric() || b"-._~".contains(&escaped);
        match is_unreserved {
            true => normal.push(char::from(escaped)),
            false => normal.push_str(&format!("%{escaped:02X}")),
        }
    }
    if normal.is_empty() {
        normal.push('/');
    }
    let is_dots = |segment: &str| matches!(segment, "." | "..");
    (!normal.split('/').any(is_dots)).then_some(normal)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::proptest;

    use super::{TargetUri, normalised};

    #[test]
    fn dpp_003_addresses_are_the_same_only_where_nothing_is_lost() {
        let request = TargetUri::of_request("https://api.example", "/a%2fb/~c?q=1");
        let request = request.expect("an address");
        for same in [
            "https://api.example/a%2Fb/~c",
            "HTTPS://API.EXAMPLE:443/a%2fb/%7Ec",
            "https://api.example:443/%61%2fb/~c",
        ] {
            assert_eq!(normalised(same), Some(request.clone()), "{same}");
        }
        for other in [
            "https://api.example/a/b/~c",
            "https://api.example/A%2Fb/~c",
            "https://api.example/a%2Fb/~c/",
            "https://api.example//a%2Fb/~c",
            "https://api.example:8443/a%2Fb/~c",
            "http://api.example/a%2Fb/~c",
            "https://api.example.evil.example/a%2Fb/~c",
            "https://other.example/a%2Fb/~c",
            "https://api.example/a%252Fb/~c",
        ] {
            let other = normalised(other).expect(other);
            assert_ne!(other, request);
        }
        for unreadable in [
            "https://api.example/a%2Fb/~c?q=1",
            "https://api.example/a%2Fb/~c#x",
            "https://user@api.example/a%2Fb/~c",
            "https://api.example/x/../a%2Fb/~c",
            "https://api.example/x/%2e%2E/a%2Fb/~c",
            "https://api.example/./a%2Fb/~c",
            "https://api.example\\a%2Fb/~c",
            "https://api.example/a%2/~c",
            "https://api.example/a%+1/~c",
            "https://api.example:/a%2Fb/~c",
            "https://api.example:99999/a",
            "/a%2Fb/~c",
            "ftp://api.example/a",
            "",
        ] {
            assert_eq!(normalised(unreadable), None, "{unreadable}");
        }
        assert_eq!(
            TargetUri::of_request("https://api.example/", "/"),
            normalised("https://api.example")
        );
        assert_eq!(TargetUri::of_request("https://api.example", "*"), None);
        assert_eq!(
            TargetUri::of_request("https://api.example", ".evil.example/"),
            None
        );
    }

    proptest! {
        #[test]
        fn normalising_twice_is_normalising_once(text in "https?://[a-zA-Z.:0-9]{0,12}[ -~]{0,20}") {
            if let Some(normal) = normalised(&text) {
                assert_eq!(normalised(&normal.0), Some(normal.clone()));
            }
        }
    }
}
