//! The address of a key set, and what may be behind it.

use std::{fmt, net::IpAddr, str::FromStr};

use http::Uri;

use super::address::AddressKind;

const MAX_BYTES: usize = 2048;

/// A JWKS URL. By default only `https` to a public address; `http` only to
/// this machine, once [`Self::allow`] lets it be asked at all.
///
/// ```
/// use doorward_verify::jwks::url::JwksUrl;
///
/// assert!(JwksUrl::parse("https://id.example/.well-known/jwks.json").is_ok());
/// assert!(JwksUrl::parse("file:///etc/passwd").is_err());
/// assert!(JwksUrl::parse("https://user:password@id.example/").is_err());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwksUrl {
    pub(super) host: Host,
    pub(super) port: u16,
    pub(super) is_https: bool,
    authority: String,
    path: String,
    allowed: Vec<AddressKind>,
    plain_http: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Host {
    Name(String),
    Address(IpAddr),
}

/// Why a text is not the URL of a key set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JwksUrlError {
    /// Not an absolute URL of at most 2 KiB with a host.
    #[error("not an absolute URL; write https://HOST/PATH")]
    Malformed,
    /// `file`, `ftp` and the like.
    #[error("only https, and http to this machine, can be asked for keys")]
    Scheme,
    /// A user name or password in the URL.
    #[error("the URL carries a user name; keys are public and need none")]
    Credentials,
    /// A fragment, which no server ever sees.
    #[error("the URL has a fragment; leave out `#` and what follows")]
    Fragment,
}

impl JwksUrl {
    /// Reads a URL.
    ///
    /// # Errors
    ///
    /// [`JwksUrlError`] if it is not `http` or `https` with a host, or carries
    /// credentials or a fragment.
    pub fn parse(text: &str) -> Result<Self, JwksUrlError> {
        if text.len() > MAX_BYTES {
            return Err(JwksUrlError::Malformed);
        }
        if text.contains('#') {
            return Err(JwksUrlError::Fragment);
        }
        let (scheme, _) = text.split_once("://").ok_or(JwksUrlError::Malformed)?;
        let is_https = scheme.eq_ignore_ascii_case("https");
        if !is_https && !scheme.eq_ignore_ascii_case("http") {
            return Err(JwksUrlError::Scheme);
        }
        let uri: Uri = text.parse().map_err(|_| JwksUrlError::Malformed)?;
        let authority = uri.authority().ok_or(JwksUrlError::Malformed)?;
        if authority.as_str().contains('@') {
            return Err(JwksUrlError::Credentials);
        }
        let default_port = if is_https { 443 } else { 80 };
        let port = match authority.port() {
            Some(port) => Some(port.as_u16()).filter(|port| *port != 0),
            // `host:` and `host:99999` have text where a port belongs.
            None => (authority.as_str() == authority.host()).then_some(default_port),
        };
        Ok(Self {
            host: Host::parse(authority.host()).ok_or(JwksUrlError::Malformed)?,
            port: port.ok_or(JwksUrlError::Malformed)?,
            is_https,
            authority: authority.as_str().to_owned(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
            allowed: vec![AddressKind::Public],
            plain_http: false,
        })
    }

    /// Another path of the same origin, under the same rules. A path that is
    /// none leaves the URL as it is.
    #[must_use]
    pub fn at(&self, path: &str) -> Self {
        let is_path = path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok();
        let path = if is_path { path } else { &self.path };
        Self {
            path: path.to_owned(),
            ..self.clone()
        }
    }

    /// Lets addresses of one more kind be asked; [`AddressKind::Reserved`]
    /// never becomes one of them.
    #[must_use]
    pub fn allow(mut self, kind: AddressKind) -> Self {
        if kind != AddressKind::Reserved {
            self.allowed.push(kind);
        }
        self
    }

    /// Lets `http` leave this machine. Whoever is on the way can then put any
    /// key in place of the issuer's.
    #[must_use]
    pub const fn dangerous_allow_plain_http(mut self) -> Self {
        self.plain_http = true;
        self
    }

    /// Whether an address of this kind may be connected to.
    pub(super) fn allows(&self, kind: AddressKind) -> bool {
        self.allowed.contains(&kind)
    }

    /// Whether what is sent to an address of this kind is protected enough.
    pub(super) fn is_protected(&self, kind: AddressKind) -> bool {
        self.is_https || self.plain_http || kind == AddressKind::Loopback
    }

    /// `Host` of the request.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Target of the request.
    pub(super) fn path(&self) -> &str {
        &self.path
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        let bare = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'));
        if let Ok(address) = bare.unwrap_or(text).parse() {
            return Some(Self::Address(address));
        }
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        (!text.is_empty() && text.bytes().all(is_name)).then(|| Self::Name(text.to_owned()))
    }
}

impl FromStr for JwksUrl {
    type Err = JwksUrlError;

    fn from_str(text: &str) -> Result<Self, JwksUrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for JwksUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.is_https { "https" } else { "http" };
        write!(f, "{scheme}://{}{}", self.authority, self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressKind, Host, JwksUrl, JwksUrlError, MAX_BYTES};

    #[test]
    fn key_007_other_schemes_and_shapes_are_refused() {
        use JwksUrlError::{Credentials, Fragment, Malformed, Scheme};
        for (text, error) in [
            ("file:///etc/passwd", Scheme),
            ("file://localhost/etc/passwd", Scheme),
            ("ftp://id.example/jwks.json", Scheme),
            ("gopher://127.0.0.1:6379/_x", Scheme),
            ("unix:///run/x.sock", Scheme),
            ("/jwks.json", Malformed),
            ("id.example/jwks.json", Malformed),
            ("", Malformed),
            ("https://", Malformed),
            ("https:///jwks.json", Malformed),
            ("https://id.example:0/", Malformed),
            ("https://id.example:/", Malformed),
            ("https://id.example:99999/", Malformed),
            ("https://id.example /", Malformed),
            ("https://id$example/", Malformed),
            ("https://good.example@evil.example/", Credentials),
            ("https://user:pass@id.example/", Credentials),
            ("https://id.example/#x", Fragment),
        ] {
            assert_eq!(JwksUrl::parse(text), Err(error), "{text}");
        }
        let mut long = format!("{:a<MAX_BYTES$}", "https://id.example/");
        assert!(JwksUrl::parse(&long).is_ok());
        long.push('a');
        assert_eq!(JwksUrl::parse(&long), Err(Malformed));
    }

    #[test]
    fn host_port_and_path_are_taken_apart() {
        let url = JwksUrl::parse("https://id.example/keys?v=1").expect("a good URL");
        assert_eq!((url.port, url.path()), (443, "/keys?v=1"));
        assert_eq!(url.to_string(), "https://id.example/keys?v=1");
        let url = JwksUrl::parse("http://[::1]:8080").expect("a good URL");
        assert_eq!((url.port, url.path()), (8080, "/"));
        assert!(matches!(url.host, Host::Address(address) if address.is_loopback()));
    }

    #[test]
    fn only_a_path_takes_the_place_of_the_path() {
        let url = JwksUrl::parse("https://id.example/keys").expect("a good URL");
        assert_eq!(url.at("/other").path(), "/other");
        for no_path in ["other", "/with a blank", "https://evil.example/"] {
            assert_eq!(url.at(no_path).path(), "/keys", "{no_path}");
        }
    }

    #[test]
    fn key_007_what_is_sent_in_clear_stays_on_this_machine() {
        use AddressKind::{Loopback, Private, Public};
        let protected = |text: &str, kind| {
            let url = JwksUrl::parse(text).expect("a good URL");
            let anyway = url.clone().dangerous_allow_plain_http();
            assert!(anyway.is_protected(kind), "{text} if allowed");
            url.is_protected(kind)
        };
        for kind in [Loopback, Private, Public] {
            assert!(protected("https://id.example/", kind));
            assert_eq!(protected("http://id.example/", kind), kind == Loopback);
        }
    }
}
