//! What is attacked: one address, one method, and where its token goes.

use std::{fmt, net::IpAddr};

/// One route of an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Whether TLS is spoken.
    pub is_https: bool,
    /// Name or address, without brackets.
    pub host: String,
    /// Port, given or usual.
    pub port: u16,
    /// Host and port as in a `Host` field.
    pub authority: String,
    /// Path, beginning with a slash.
    pub path: String,
    /// Query without the question mark.
    pub query: Option<String>,
    /// Request method.
    pub method: String,
    /// JSON that the route takes as its body.
    pub body: Option<Vec<u8>>,
    /// Where the token goes.
    pub place: TokenPlace,
}

/// Where an API expects its token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenPlace {
    /// `Authorization: Bearer TOKEN`.
    Authorization,
    /// `Authorization: DPoP TOKEN`, and a proof beside it.
    Dpop,
    /// A header field of its own.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A parameter of the query.
    Query(String),
}

impl fmt::Display for TokenPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authorization => f.write_str("Authorization: Bearer"),
            Self::Dpop => f.write_str("Authorization: DPoP"),
            Self::Header(name) => write!(f, "header {name}"),
            Self::Cookie(name) => write!(f, "cookie {name}"),
            Self::Query(name) => write!(f, "query parameter {name}"),
        }
    }
}

/// Why a text is not the address of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No `http://` or `https://`.
    #[error("not an http:// or https:// address")]
    Scheme,
    /// No host, or an odd port.
    #[error("no host, or a port that is none")]
    Authority,
    /// A user name or password in the address.
    #[error("it carries a user name; give the token by --token-file or DOORWARD_TOKEN")]
    Credentials,
    /// Blanks, control characters or a fragment.
    #[error("it holds a blank, a control character or `#`; percent-encode them")]
    Malformed,
}

impl Target {
    /// Reads an address; the method is GET and the token goes into
    /// `Authorization` until told otherwise.
    ///
    /// # Errors
    ///
    /// [`TargetError`] if it is not an absolute address of a route.
    ///
    /// ```
    /// use doorward_attack::target::Target;
    ///
    /// let target = Target::parse("http://127.0.0.1:4180/orders?page=1").unwrap();
    /// assert_eq!((target.port, target.path.as_str()), (4180, "/orders"));
    /// assert!(Target::parse("ftp://host/").is_err());
    /// ```
    pub fn parse(url: &str) -> Result<Self, TargetError> {
        let is_odd = |byte: u8| byte <= b' ' || byte >= 0x7f || byte == b'#';
        if url.bytes().any(is_odd) {
            return Err(TargetError::Malformed);
        }
        let (scheme, rest) = url.split_once("://").ok_or(TargetError::Scheme)?;
        let is_https = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(TargetError::Scheme),
        };
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.contains('@') {
            return Err(TargetError::Credentials);
        }
        let (host, port) = host_and_port(authority, if is_https { 443 } else { 80 })?;
        let (path, query) = match tail.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (tail, None),
        };
        Ok(Self {
            is_https,
            host,
            port,
            authority: authority.to_owned(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query,
            method: "GET".to_owned(),
            body: None,
            place: TokenPlace::Authorization,
        })
    }

    /// Path and query.
    pub fn request_target(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path),
            None => self.path.clone(),
        }
    }

    /// Scheme, host and port.
    pub fn origin(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// The whole address without its query, which may hold secrets.
    pub fn shown(&self) -> String {
        format!("{}{}", self.origin(), self.path)
    }

    /// Whether the method changes nothing (RFC 9110 section 9.2.1).
    pub fn is_safe_method(&self) -> bool {
        matches!(self.method.as_str(), "GET" | "HEAD" | "OPTIONS")
    }
}

fn host_and_port(authority: &str, usual: u16) -> Result<(String, u16), TargetError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').ok_or(TargetError::Authority)?;
            (host, rest.strip_prefix(':'))
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let port = match port {
        Some(port) => port.parse().map_err(|_| TargetError::Authority)?,
        None => usual,
    };
    if host.is_empty() || port == 0 {
        return Err(TargetError::Authority);
    }
    Ok((host.to_owned(), port))
}

/// Whether `address` can only be a machine of one's own: this one, or one of
/// an inner network. The rest is somebody else's until shown otherwise.
pub fn is_inner(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || (first == 100 && (64..128).contains(&second))
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Target, TargetError, is_inner};

    #[test]
    fn addresses_are_taken_apart() {
        let target = Target::parse("https://[::1]:8443/a/b?c=d").expect("an address");
        assert!(target.is_https);
        assert_eq!((target.host.as_str(), target.port), ("::1", 8443));
        assert_eq!(target.request_target(), "/a/b?c=d");
        assert_eq!(target.shown(), "https://[::1]:8443/a/b");
        assert_eq!(Target::parse("http://h").expect("an address").path, "/");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, error) in [
            ("h/p", TargetError::Scheme),
            ("file:///etc/passwd", TargetError::Scheme),
            ("http://", TargetError::Authority),
            ("http://h:0/", TargetError::Authority),
            ("http://h:99999/", TargetError::Authority),
            ("http://a:b@h/", TargetError::Credentials),
            ("http://h/a b", TargetError::Malformed),
            ("http://h/#x", TargetError::Malformed),
        ] {
            assert_eq!(Target::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn only_machines_of_ones_own_are_inner() {
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "192.168.0.1",
            "::1",
            "fd00::1",
            "::ffff:10.0.0.1",
        ] {
            assert!(is_inner(inner.parse().expect("an address")), "{inner}");
        }
        for public in [
            "93.184.216.34",
            "2606:2800::1",
            "::ffff:8.8.8.8",
            "172.32.0.1",
        ] {
            assert!(!is_inner(public.parse().expect("an address")), "{public}");
        }
    }
}
