//! What is known of a second caller, and of issuers beside the target's own.

use std::path::PathBuf;

use clap::Args;
use doorward_attack::run::{Operation, SecondCaller};

use crate::{exit::Failure, paint::safe};

/// What unlocks the cases with two callers.
#[derive(Debug, Args)]
#[command(next_help_heading = "More cases")]
pub(super) struct Second {
    /// A route of the second caller's own: an object or list of theirs
    #[arg(long, value_name = "/PATH", requires = "second_token")]
    second_route: Option<String>,
    /// The name by which the second caller's tenant is served at the same
    /// address
    #[arg(long, value_name = "HOST", requires = "second_token")]
    second_host: Option<String>,
    /// A route that the first caller's console calls and the second's does
    /// not; may be repeated
    #[arg(
        long = "console-route",
        value_name = "/PATH",
        requires = "second_token"
    )]
    console_routes: Vec<String>,
    /// What ends a session of the first caller's, tried by the second:
    /// `DELETE /sessions/{sid}` or `POST /revoke token={token}`, filled in from
    /// --another-token
    #[arg(
        long,
        value_name = "REQUEST",
        requires_all = ["second_token", "another_token", "unsafe_methods"]
    )]
    revoke: Option<String>,
    /// Another token of the first caller's, which may be lost
    #[arg(long, value_name = "FILE")]
    pub(super) another_token: Option<PathBuf>,
    /// Another issuer that the target trusts, by its `iss`; may be repeated
    #[arg(long = "other-issuer", value_name = "ISSUER")]
    pub(super) other_issuers: Vec<String>,
}

impl Second {
    /// Hands over every option that a case may need again.
    pub(super) fn again(&self, add: &mut impl FnMut(&str, Option<String>)) {
        add("--second-route", self.second_route.clone());
        add("--second-host", self.second_host.clone());
        for route in &self.console_routes {
            add("--console-route", Some(route.clone()));
        }
        add("--revoke", self.revoke.clone());
        let another = self.another_token.as_ref();
        add(
            "--another-token",
            another.map(|file| file.display().to_string()),
        );
        for issuer in &self.other_issuers {
            add("--other-issuer", Some(issuer.clone()));
        }
    }

    /// What there is, once it is well-formed.
    pub(super) fn caller(&self) -> Result<SecondCaller, Failure> {
        let routes = self.console_routes.iter();
        Ok(SecondCaller {
            route: of_the_target("--second-route", self.second_route.as_deref())?,
            host: self.second_host.as_deref().map(host).transpose()?,
            revoke: self.revoke.as_deref().map(operation).transpose()?,
            console_routes: routes
                .map(|route| path("--console-route", route))
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A path of the target that an option names, if it does.
pub(super) fn of_the_target(flag: &str, route: Option<&str>) -> Result<Option<String>, Failure> {
    route.map(|route| path(flag, route)).transpose()
}

pub(super) fn path(flag: &str, text: &str) -> Result<String, Failure> {
    let is_plain = text
        .bytes()
        .all(|byte| (b'!'..0x7f).contains(&byte) && byte != b'#');
    if text.starts_with('/') && is_plain {
        return Ok(text.to_owned());
    }
    Err(
        Failure::usage(format!("`{}` is no path for {flag}", safe(text)))
            .hint("only the target is spoken to; write it like /orders/8"),
    )
}

fn host(text: &str) -> Result<String, Failure> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:[]".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_name) {
        return Ok(text.to_owned());
    }
    Err(
        Failure::usage(format!("`{}` is no host for --second-host", safe(text)))
            .hint("write the name alone, like other.example or other.example:8443"),
    )
}

/// `METHOD /PATH`, and perhaps a body.
pub(super) fn operation(text: &str) -> Result<Operation, Failure> {
    let mut words = text.splitn(3, ' ');
    let (method, route) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    // Braces stand for what is filled in.
    let is_path = route.starts_with('/') && route.bytes().all(|byte| (b'!'..0x7f).contains(&byte));
    if !is_method || !is_path {
        return Err(Failure::usage(format!("`{}` is not a request", safe(text)))
            .hint("write method, path and perhaps a body: POST /revoke token={token}"));
    }
    Ok(Operation {
        method: method.to_owned(),
        path: route.to_owned(),
        body: words.next().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::{host, operation, path};

    #[test]
    fn requests_are_read_and_nonsense_is_refused() {
        let revoke = operation("POST /revoke token={token}&x=a b").expect("a request");
        assert_eq!(
            (
                revoke.method.as_str(),
                revoke.path.as_str(),
                revoke.body.as_str()
            ),
            ("POST", "/revoke", "token={token}&x=a b")
        );
        assert!(operation("DELETE /sessions/{sid}").is_ok_and(|one| one.body.is_empty()));
        for wrong in ["", "DELETE", "delete /x", "POST x", "POST https://else/x"] {
            assert!(operation(wrong).is_err(), "{wrong}");
        }
        assert!(path("--x", "orders").is_err() && path("--x", "/a b").is_err());
        assert!(host("other.example:8443").is_ok() && host("https://x").is_err());
    }
}
